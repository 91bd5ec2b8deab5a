"""Config: a spec for one environment, as values. `loader` makes them.

Variables, environments, named hyperparameters and `for_each` are resolved; references to computed attributes
stay expressions. So do secrets, whose values are only in `Config.secrets`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from ftops.config.policy import Policy
from ftops.core.address import Address, Json, Reference, Secrets, Value
from ftops.core.backend_types import BACKEND_TYPES, LOCAL
from ftops.core.errors import Diagnostic, Place
from ftops.core.project import CATALOG_FILE, FOLDER, spec_folder
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of


class Budget(Struct, frozen=True):
    """The cost limits of a plan; None: no limit."""

    training: float | None = None
    """For all jobs of one plan."""
    hosting_per_hour: float | None = None
    """For all deployments of tuned models that one plan creates."""
    places: tuple[tuple[str, Place], ...] = ()
    """Where each limit is written."""


_OWN_PATHS = (
    FOLDER,
    *(f"{FOLDER}/{name}" for name in (".gitignore", ".cache/datasets.json", "data", "places")),
    CATALOG_FILE,
)
PLANS = "plans"
"""The folder of kept plans, beside those of the states."""
_STATE_FILES = (".json", ".journal", ".lock", ".audit.jsonl", ".history")


class Lifecycle(Struct, frozen=True):
    """The `lifecycle` block. None: the kind's own default."""

    prevent_destroy: bool = False
    ignore_changes: tuple[str, ...] = ()
    create_before_destroy: bool | None = None
    on_destroy: str = "delete"
    """`delete` or `retain`."""


class Generated(Struct, frozen=True):
    """How the data of a dataset is generated: `generate` as it is written, and the places of its keys."""

    settings: Mapping[str, Any]
    places: Mapping[str, Place]
    folder: str
    """The folder of the recording, relative to that of the spec."""


class Resource(Struct, frozen=True):
    """One declared resource, after `for_each`. Leaves of its inputs may be Reference, Secret or Template."""

    address: Address
    provider: str
    inputs: Mapping[str, Value]
    depends_on: tuple[Address, ...] = ()
    lifecycle: Lifecycle = Lifecycle()
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where inputs come from, as shown to users: {"hyperparameters": "careful"}."""
    facts: Mapping[str, Json] = field(default_factory=dict)
    """Computed attributes that are known before anything is applied: a dataset's digest, a name."""
    identities: Mapping[str, str] = field(default_factory=dict)
    """Input → the digest that it is compared by: two spellings of the same examples have different bytes, but
    the same digest of their `content`."""
    place: Place | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where its inputs are written, by path: `seed`, `hyperparameters.n_epochs`. Not those of expressions."""
    reference_places: Mapping[Address, Place] = field(default_factory=dict)
    """The first place that names each address on which this resource depends."""
    generated: Generated | None = None
    summary: Any = None
    """What a plan needs to know of its files beside the facts, such as a summary of the prompts of an
    evaluation. It is never recorded."""
    faults: tuple[Diagnostic, ...] = ()
    """Why its files can't be used: errors of a plan that selects it."""

    @property
    def data(self) -> Mapping[str, Address]:
        """The datasets that it refers to, by input."""
        return {
            name: value.address
            for name in kind_of(self.address).references
            if isinstance(value := self.inputs.get(name), Reference) and kind_of(value.address).is_data
        }


class ProviderConfig(Struct, frozen=True):
    """One entry of `providers`. Settings may contain secrets."""

    name: str
    type: str
    settings: Mapping[str, Value] = field(default_factory=dict)
    place: Place | None = None
    sources: tuple[str, ...] = ()
    """Variables and environment variables that decide which account it uses: `var.region`, `env.HOST`."""
    hidden: tuple[str, ...] = ()
    """Values of secrets among the settings, which no message may show."""
    account: str = ""
    """The name of its account, if settings are withheld and it doesn't follow from the others."""
    possible: str = ""
    """If settings are withheld: a regular expression of the names that its account can have."""


class Output(Struct, frozen=True):
    """One entry of `outputs`."""

    name: str
    value: Value
    description: str = ""
    sensitive: bool = False
    place: Place | None = None


class Move(Struct, frozen=True):
    """One entry of `moved`. Addresses without keys mean all instances of a `for_each`."""

    source: Address
    target: Address
    place: Place | None = None


class Import(Struct, frozen=True):
    """One entry of `import`: an existing object, to be managed under an address."""

    target: Address
    remote_id: str
    place: Place | None = None


class Removal(Struct, frozen=True):
    """One entry of `removed`. `retain`: the object itself is kept."""

    source: Address
    retain: bool = False
    place: Place | None = None


class Promotion(Struct, frozen=True):
    """Where an environment takes its models from. `max_age`: seconds that an evaluation of one may be old."""

    source: str
    max_age: float | None = None
    place: Place | None = None


class Refactorings(Struct, frozen=True):
    """The entries of `moved`, `import` and `removed`."""

    moves: tuple[Move, ...] = ()
    imports: tuple[Import, ...] = ()
    removals: tuple[Removal, ...] = ()


class NamedPath(Struct, frozen=True):
    """A file or folder that a spec uses, and the section, entry and keys that name it; without a section, a
    path of ftops itself."""

    path: Path
    section: str = ""
    name: str = ""
    keys: tuple[str, ...] = ()
    is_data: bool = False
    """Whether it is a data file, which is checked when it is read."""


class StateSettings(Struct, frozen=True):
    """Where the state is stored: in `<path>/<spec name>/<env>.json` with the local backend."""

    backend: str = LOCAL
    path: str = "state"
    settings: Mapping[str, Value] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    """The places of its keys, by setting of `encryption`."""

    @property
    def is_in_bucket(self) -> bool:
        """Whether it is stored in a bucket, not in files of the project."""
        return bool(BACKEND_TYPES[self.backend].opens)


class StateSource(Struct, frozen=True):
    """One entry of `states`: the state of the spec at a path, for one environment; or of the spec of that
    name in a bucket. `home`: the folder and environment of the spec that declares it."""

    name: str
    path: Path
    environment: str
    home: tuple[Path, str]
    spec: str = ""
    state: StateSettings = StateSettings()
    """Where the state is, if there is no path."""

    @property
    def place(self) -> tuple[Path, str]:
        """The folder and environment of the other spec."""
        return spec_folder(self.path), self.environment


class OutputsRead(Struct, frozen=True):
    """Outputs of another spec as they were recorded, and in which version of its state. `name`: that in
    `states`."""

    name: str
    spec: str
    environment: str
    lineage: str
    serial: int
    values: Mapping[str, Value]

    @property
    def title(self) -> str:
        return f"{self.spec} ({self.environment})"


ReadOutputs = Callable[[StateSource], OutputsRead]
"""All recorded outputs of a declared state. Raises FtopsError."""


class Config(Struct, frozen=True):
    """A whole spec for one environment. Resources are sorted by address."""

    name: str
    environment: str
    folder: Path
    """The folder of the spec, absolute: data paths are relative to it."""
    project: Path
    """The project root, absolute: the path of the state is relative to it."""
    resources: tuple[Resource, ...]
    providers: Mapping[str, ProviderConfig]
    outputs: tuple[Output, ...] = ()
    state: StateSettings = StateSettings()
    budget: Budget = Budget()
    ttl: str = ""
    """How long the environment lasts after an apply, as written; empty: it doesn't expire."""
    drift: Mapping[str, str] = field(default_factory=dict)
    """Class of drift → policy, if it isn't the default."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values of the variables that aren't sensitive, as `--var` takes them."""
    given: tuple[str, ...] = ()
    """Variables that are set by `--var`, variable files or FTOPS_VAR_…"""
    states: Mapping[str, StateSource] = field(default_factory=dict)
    """The states of other specs that it may read."""
    reads: tuple[OutputsRead, ...] = ()
    """What was read of them."""
    secrets: Secrets = field(default_factory=dict)
    """The value of every `${env.X}` and sensitive `${var.x}` in the spec."""
    refactorings: Refactorings = Refactorings()
    policy: Policy = Policy()
    promotion: Promotion | None = None
    environments: tuple[str, ...] = ()
    """The environments that the spec declares."""
    unselected: tuple[str, ...] = ()
    """Environments to select one from, if none was and the spec doesn't declare `default`."""
    is_named: bool = True
    """Whether the spec sets its name; if not, it is the name of its folder."""
    keys: tuple[str, ...] = ()
    """Environment variables that only the encryption of the state uses."""
    withheld: tuple[str, ...] | None = None
    """Environment variables that an untrusted spec names and doesn't get; None: the spec is trusted."""
    is_outline: bool = False
    """Whether the resources were left out."""
    files: tuple[str, ...] = ()
    """The files that were read, as shown in diagnostics."""
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def used_providers(self) -> frozenset[str]:
        """The providers of all resources."""
        return frozenset({resource.provider for resource in self.resources})

    @property
    def by_address(self) -> Mapping[Address, Resource]:
        return {resource.address: resource for resource in self.resources}

    def gates_on(self, evaluation: Address) -> Iterator[tuple[Resource, Mapping[str, Json]]]:
        """The deployments that wait for an evaluation, and what they require of it."""
        for resource in self.resources:
            gates: Any = resource.inputs.get("gate") or ()
            yield from ((resource, gate["require"]) for gate in gates if gate["on"].address == evaluation)

    def paths_that_judge(self, dataset: Address) -> Iterator[Value]:
        """The paths of what models are judged by that learn from a dataset: the validation data of its jobs,
        and the prompts of evaluations."""
        paths = {str(r.address).partition(".")[2]: r.inputs.get("path") for r in self.resources}
        for resource in self.resources:
            kind, validation = kind_of(resource.address), resource.data.get("validation")
            if validation and kind.trains and resource.data.get("training") == dataset:
                yield paths.get(str(validation).partition(".")[2])
            if kind.is_record:
                prompts = str(resource.inputs.get("prompts"))
                yield paths.get(prompts) or prompts

    def named_paths(self) -> Iterator[NamedPath]:
        """Every path that is read or written for this config, and that files of the project can change."""
        for resource in self.resources:
            kind = kind_of(resource.address)
            for key in kind.files:
                path = resource.inputs.get(key)
                if isinstance(path, str):
                    written = "generate" if resource.generated else key
                    yield NamedPath(self.folder / path, kind.section, resource.address.name, (written,), True)
        for provider in self.providers.values():
            key = PROVIDER_TYPES[provider.type].data_folder
            if key in provider.settings:
                folder = self.project / str(provider.settings[key])
                yield NamedPath(folder, "providers", provider.name, (key,))
        yield from (NamedPath(self.project / name) for name in _OWN_PATHS)
        yield from self._paths_of_state()

    def _paths_of_state(self) -> Iterator[NamedPath]:
        encryption = self.state.settings.get("encryption")
        for key in ("key_file", "fallback_file"):
            file = encryption.get(key) if isinstance(encryption, dict) else None
            if isinstance(file, str):
                yield NamedPath(self.project / file, "ftops", "state", ("encryption", key))
        if not self.state.is_in_bucket:
            folder = self.project / self.state.path
            yield NamedPath(folder, "ftops", "state", ("path",))
            yield NamedPath(folder / ".cache" / "datasets.json")
            yield NamedPath(folder / PLANS / self.name / self.environment)
            for suffix in _STATE_FILES:
                yield NamedPath(folder / self.name / f"{self.environment}{suffix}")

    def __repr__(self) -> str:
        """Without secrets, which a traceback could print."""
        return f"<Config {self.name}/{self.environment}, {len(self.resources)} resources>"
