"""Config: a spec as read for one environment. Values only; `loader` makes them.

Variables, environments, named hyperparameters and for_each are resolved here; references to computed
attributes are data, and so are secrets, whose values only `Config.secrets` knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct, field

from ftops.core.address import Address, Json, Secrets, Value
from ftops.core.errors import Diagnostic, Place
from ftops.core.project import CATALOG_FILE, FOLDER
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of


class Budget(Struct, frozen=True):
    """What plans of a spec may cost at most. None: anything."""

    training: float | None = None
    """For all jobs of one plan."""
    hosting_per_hour: float | None = None
    """For all deployments of tuned models that one plan makes."""
    places: tuple[tuple[str, Place], ...] = ()
    """Where each limit is written."""


_OWN_PATHS = (
    FOLDER,
    *(f"{FOLDER}/{name}" for name in (".gitignore", ".cache/datasets.json", "data", "places")),
    CATALOG_FILE,
)
_STATE_FILES = (".json", ".journal", ".lock", ".audit.jsonl", ".history")


class Lifecycle(Struct, frozen=True):
    """The `lifecycle` block. None: the kind's own default."""

    prevent_destroy: bool = False
    ignore_changes: tuple[str, ...] = ()
    create_before_destroy: bool | None = None
    on_destroy: str = "delete"
    """`delete` or `retain`."""


class Resource(Struct, frozen=True):
    """One declared resource, after for_each.

    `inputs` are JSON values whose leaves may be Reference, Secret or Template.
    `sources` says for people where an input comes from: {"hyperparameters": "careful"}.
    """

    address: Address
    provider: str
    inputs: Mapping[str, Value]
    depends_on: tuple[Address, ...] = ()
    lifecycle: Lifecycle = Lifecycle()
    sources: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)
    """Computed attributes that are known before anything is applied: a dataset's digest, a name."""
    identities: Mapping[str, str] = field(default_factory=dict)
    """Inputs that are compared by what they mean, and that: a dataset's `content`, whose bytes may be another
    spelling of the same examples."""
    place: Place | None = None
    reference_places: Mapping[Address, Place] = field(default_factory=dict)
    """Where each address that this resource depends on is named."""


class ProviderConfig(Struct, frozen=True):
    """One entry of `providers`. Settings may hold secrets."""

    name: str
    type: str
    settings: Mapping[str, Value] = field(default_factory=dict)
    place: Place | None = None
    sources: tuple[str, ...] = ()
    """Variables and environment variables that lead to its account: `var.region`, `env.HOST`."""
    hidden: tuple[str, ...] = ()
    """Values of the secrets among the settings: no message may show them."""
    account: str = ""
    """The name of its account, where that doesn't follow from the settings: some of them are withheld."""
    possible: str = ""
    """Where settings are withheld: the names that its account can have, as a regular expression."""


class Output(Struct, frozen=True):
    """One entry of `outputs`."""

    name: str
    value: Value
    description: str = ""
    sensitive: bool = False
    place: Place | None = None


class Move(Struct, frozen=True):
    """One entry of `moved`. Without keys it means all instances of a `for_each`."""

    source: Address
    target: Address
    place: Place | None = None


class Import(Struct, frozen=True):
    """One entry of `import`: an object of the service that shall be managed under an address."""

    target: Address
    remote_id: str
    place: Place | None = None


class Removal(Struct, frozen=True):
    """One entry of `removed`. `retain`: the object itself stays."""

    source: Address
    retain: bool = False
    place: Place | None = None


class Refactorings(Struct, frozen=True):
    """What a spec says about addresses that have changed, and about objects that exist already."""

    moves: tuple[Move, ...] = ()
    imports: tuple[Import, ...] = ()
    removals: tuple[Removal, ...] = ()


class NamedPath(Struct, frozen=True):
    """A file or folder that a spec uses, and where it is named: below an entry of a section. Without one, it
    is ftops' own."""

    path: Path
    section: str = ""
    name: str = ""
    keys: tuple[str, ...] = ()
    is_data: bool = False
    """Whether the checks of data files find what is wrong with it."""


class StateSettings(Struct, frozen=True):
    """Where state lives: `<path>/<spec name>/<env>.json` for the local backend."""

    backend: str = "local"
    path: str = "state"
    settings: Mapping[str, Value] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where its keys are named, by setting of `encryption`."""


class Config(Struct, frozen=True):
    """A whole spec for one environment. Resources are sorted by address."""

    name: str
    environment: str
    folder: Path
    """Data paths are relative to this folder; absolute."""
    project: Path
    """The project root; the state path is relative to it; absolute."""
    resources: tuple[Resource, ...]
    providers: Mapping[str, ProviderConfig]
    outputs: tuple[Output, ...] = ()
    state: StateSettings = StateSettings()
    budget: Budget = Budget()
    drift: Mapping[str, str] = field(default_factory=dict)
    """Class of drift → policy, where it isn't the default."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values of the variables that aren't sensitive, as `--var` takes them."""
    given: tuple[str, ...] = ()
    """Variables that are given from outside: by `--var`, files of variables or FTOPS_VAR_…"""
    secrets: Secrets = field(default_factory=dict)
    """Values of every `${env.X}` and sensitive `${var.x}` that the spec names."""
    refactorings: Refactorings = Refactorings()
    is_named: bool = True
    """Whether the spec says its name itself; else it is that of its folder."""
    keys: tuple[str, ...] = ()
    """Environment variables that nothing but the encryption of the state reads."""
    withheld: tuple[str, ...] | None = None
    """Environment variables that an untrusted spec asks for and doesn't get; None: the spec is trusted."""
    is_outline: bool = False
    """Whether all that is declared was left out."""
    files: tuple[str, ...] = ()
    """The files that were read, as shown in diagnostics."""
    warnings: tuple[Diagnostic, ...] = ()
    """What was found in the spec that is no error."""

    def named_paths(self) -> Iterator[NamedPath]:
        """All that is read or written for this config, and that what lies in the project decides about."""
        for resource in self.resources:
            path = resource.inputs.get("path")
            kind = kind_of(resource.address)
            if kind.is_data and isinstance(path, str):
                yield NamedPath(self.folder / path, kind.section, resource.address.name, ("path",), True)
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
        if self.state.backend == "local":
            folder = self.project / self.state.path
            yield NamedPath(folder, "ftops", "state", ("path",))
            yield NamedPath(folder / ".cache" / "datasets.json")
            for suffix in _STATE_FILES:
                yield NamedPath(folder / self.name / f"{self.environment}{suffix}")

    def __repr__(self) -> str:
        """Without its secrets, wherever it may be printed."""
        return f"<Config {self.name}/{self.environment}, {len(self.resources)} resources>"
