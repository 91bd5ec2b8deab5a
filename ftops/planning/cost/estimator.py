"""Changes of a plan → what they cost and how their data differs from what was applied.

Reads the data files of what is to be made, each once: measured files are kept by digest. Asks no service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from ftops import catalog
from ftops.catalog import Catalog, CatalogModel
from ftops.config.config import Config, Resource
from ftops.config.model_references import referenced_model
from ftops.config.sweeps import Stops
from ftops.core.address import Address, Json
from ftops.core.errors import Diagnostic, FtopsError
from ftops.core.project import display
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of
from ftops.dataset import Unreadable, Where, is_pattern
from ftops.dataset.files.derived_files import Lines, divided, matches
from ftops.dataset.profile.diff import SHOWN, Compared, Difference, difference
from ftops.dataset.profile.edits import edits
from ftops.dataset.profile.profile_store import find_version, from_git, summary
from ftops.dataset.profile.profiler import Measured, excerpts
from ftops.dataset.profile.statistics import Statistics, statistics
from ftops.dataset.profile.tokens import ENCODINGS, NoEncoding
from ftops.evaluation.service_grader import parts
from ftops.planning.cost.budgets import over_budget, small_budgets
from ftops.planning.cost.durations import comparable
from ftops.planning.cost.evaluations import KeptOf, Known, evaluation_cost, findings
from ftops.planning.cost.hosting import hosting_cost
from ftops.planning.desired import at
from ftops.planning.estimate import (
    DataChange,
    Epochs,
    Estimate,
    HostingCost,
    Line,
    TrainingCost,
    dollars,
)
from ftops.planning.plan import CREATING, Action, Change
from ftops.planning.preflight import as_new
from ftops.planning.preflight.context import text
from ftops.state.state import State

_LISTED = 5
"""Examples whose lines a change of data names."""


def estimate(
    changes: Sequence[Change],
    config: Config,
    resources: Mapping[Address, Resource],
    known: Catalog,
    state: State,
    values: Mapping[str, Json] = {},
    kept: KeptOf | None = None,
) -> tuple[Estimate, tuple[Diagnostic, ...]]:
    """What these changes would cost, and what of that is over the budget. `values` are those of expressions
    that are known; `kept`: answers by the identity of their model."""
    estimator = _Estimator(changes, config, resources, known, state)
    training = tuple(estimator.training())
    data = tuple(estimator.data(training))
    types = {config.providers[c.provider].type for c in changes if c.provider in config.providers}
    is_rehearsal = bool(types) and all(PROVIDER_TYPES[type_].is_rehearsal for type_ in types)
    now = Known(config, resources, known, state, values, kept)
    asking = tuple(evaluation_cost(c.address, now) for c in estimator.new if kind_of(c.address).is_record)
    costs = Estimate(training, tuple(estimator.hosting()), data, asking, is_rehearsal)
    noted = (finding for cost in asking for finding in findings(cost, resources[cost.address]))
    return costs, (*over_budget(costs, config.budget), *noted)


def too_small_budgets(config: Config, stops: Stops, environ: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """A warning for each sweep of a spec whose budget isn't enough for any of its jobs, if none exists."""
    limited = {sweep: stop for sweep, stop in stops.items() if stop.budget}
    jobs = {job for stop in limited.values() for job in stop.jobs}
    billed = {name for name, p in config.providers.items() if PROVIDER_TYPES[p.type].is_billed}
    changes = [one for one in as_new(config) if one.address in jobs and one.provider in billed]
    if not changes:
        return ()
    known, resources = catalog.load(config.project, environ), config.by_address
    training = tuple(_Estimator(changes, config, resources, known).training())
    return tuple(small_budgets(training, limited, resources))


def compare(
    address: Address,
    before: str,
    config: Config,
    resources: Mapping[Address, Resource],
    environ: Mapping[str, str],
) -> Compared | None:
    """A dataset and the version of it whose digest is `before`, example by example. None where one of them
    is not at hand."""
    estimator = _Estimator((), config, resources, catalog.load(config.project, environ))
    new = estimator.measured(address)
    path = estimator.path(address)
    old = estimator.former(address, before)
    if new is None or old is None:
        return None
    found = difference(old, new)
    lines = {r.line for r in found.added} | {r.line for _, r in found.edited}
    lines |= {r.line for r, _ in found.new_duplicates}
    content = from_git(config.project, *estimator.origin(address, before))
    gone = {r.line for r in found.removed} | {r.line for r, _ in found.edited}
    return Compared(
        found,
        old.sums,
        new.sums,
        excerpts(content, gone) if content else {},
        excerpts(path, lines),
        edits(content, path, found.edited[:SHOWN]),
        where=_where(config, resources[address]),
    )


def _where(config: Config, resource: Resource) -> Where | None:
    """Where the lines of a dataset come from, relative to the folder of the spec; None where a transform has
    made other lines."""
    pattern, path = _pattern(resource), resource.inputs.get("path")
    if "file" not in resource.inputs and isinstance(path, str):
        return lambda line: (path, line)
    files: Sequence[Path] = ()
    with suppress(Unreadable):
        files = matches(config.folder, pattern) if pattern else ()
    names = [file.relative_to(config.folder).as_posix() for file in files]
    return Lines(files, names) if files else None


def _pattern(resource: Resource) -> str:
    """The pattern of a dataset of many files, whose lines are theirs; empty for others, as where a transform
    has made other lines."""
    pattern = str(resource.inputs.get("path", ""))
    is_joined = "file" in resource.inputs and "transform" not in resource.inputs
    return pattern if is_joined and is_pattern(pattern) else ""


def _changes_hours(change: Change) -> bool:
    return any(attribute.path.partition(".")[0] == "hosting" for attribute in change.attributes)


class _Estimator(Struct):
    changes: Sequence[Change]
    config: Config
    resources: Mapping[Address, Resource]
    catalog: Catalog
    state: State = State("")
    _encodings: dict[Address, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._encodings = dict(self._used_encodings())

    @property
    def new(self) -> Iterator[Change]:
        return (c for c in self.changes if c.action in CREATING and c.step == str(c.address))

    def training(self) -> Iterator[TrainingCost]:
        jobs = (change.address for change in self.new if kind_of(change.address).trains)
        return (replace(self._training(job), hours=self._hours(self.resources[job])) for job in jobs)

    def hosting(self) -> Iterator[HostingCost]:
        """Of new deployments, and of those whose hours change."""
        rehosted = (c for c in self.changes if c.action is Action.UPDATE and _changes_hours(c))
        for change in (*self.new, *rehosted):
            resource = self.resources.get(change.address)
            if not kind_of(change.address).serves or resource is None:
                continue
            cost = hosting_cost(change.address, resource.inputs, self.resources, self.catalog)
            if cost is not None:
                yield cost

    def data(self, training: Sequence[TrainingCost]) -> Iterator[DataChange]:
        for change in self.new:
            if kind_of(change.address).is_data:
                new = self.measured(change.address)
                before = change.former_content
                if new is not None and before is not None:
                    yield self._change(change.address, before, new, training)

    def _training(self, address: Address) -> TrainingCost:
        job = self.resources[address]
        source = job.data.get("training")
        name = self._base(job)
        if source is None or "path" not in self.resources[source].inputs:
            return TrainingCost(address, note="its training data isn't a file here")
        if not self.encoding(source):
            return TrainingCost(address, note=f"no encoding of {name or 'its model'} is known")
        measured = self.measured(source)
        if measured is None or not measured.sums.tokens:
            return TrainingCost(address, note="its tokens can't be counted here")
        model = self.catalog.find(name)
        counted = statistics(measured, model.example_tokens if model else None)
        training_type = str(job.inputs.get("training_type") or "standard")
        n_epochs = at(job.inputs, "hyperparameters.n_epochs")
        cost = training_cost(address, counted, model, name, training_type, n_epochs)
        return cost if cost.per_hour is None else self._by_the_hour(cost, job)

    def _by_the_hour(self, cost: TrainingCost, job: Resource) -> TrainingCost:
        """With what recorded jobs took, the limit at which the service pauses the job, and what is billed
        besides."""
        known, note, hours = self.catalog, cost.note, self._hours(job)
        if hours and cost.per_hour:
            note += f"; {_range(hours)} for those recorded here, queue included, at most "
            note += " to ".join(dict.fromkeys(dollars(cost.per_hour * hours[at]) for at in (0, -1)))
        limit = known.spending_limits.get(str(job.inputs.get("method")))
        if limit is not None:
            of = f", as of {known.spending_as_of}" if known.spending_as_of else ""
            note += f"; the service pauses the job at {dollars(limit)}{of}"
        grader = job.inputs.get("grader")
        if isinstance(grader, Mapping) and any(p.get("type") == "score_model" for _, p in parts(grader)):
            note += "; the tokens of the model that grades are billed, too"
        return replace(cost, note=note, spending_limit=limit)

    def _change(
        self, address: Address, before: str, new: Measured, training: Sequence[TrainingCost]
    ) -> DataChange:
        old = self.former(address, before)
        if old is None:
            note = "the version that was applied is not at hand, neither in .ftops nor in Git"
            return DataChange(address, examples=new.sums.examples, note=note)
        found = difference(old, new)
        counted = bool(old.sums.tokens and new.sums.tokens)
        costs = [c for c in training if self.resources[c.address].data.get("training") == address]
        rates = [c.per_million * c.epochs.number / 1e6 for c in costs if c.per_million and not c.note]
        return DataChange(
            address,
            added=len(found.added),
            removed=len(found.removed),
            edited=len(found.edited),
            examples=new.sums.examples,
            tokens=found.tokens if counted else None,
            dollars=found.tokens * sum(rates) if counted and rates else None,
            reordered=found.reordered,
            lines=tuple(self._lines(address, found)),
        )

    def _lines(self, address: Address, found: Difference) -> Iterator[Line]:
        """Of the first examples that are new or edited; none where a transform has made other lines."""
        where = _where(self.config, self.resources[address])
        changed = sorted({row.line for row in (*found.added, *(new for _, new in found.edited))})
        for name, line in map(where, changed[:_LISTED]) if where else ():
            yield Line(display(self.config.folder / name), line)

    def former(self, address: Address, before: str) -> Measured | None:
        """The version of a dataset whose bytes have this digest; None where it isn't at hand. For an
        untrusted spec, Git isn't started."""
        if self.config.withheld is not None:
            return None
        path, digest, pattern = self.origin(address, before)
        return find_version(self.config.project, path, digest, self.encoding(address), pattern)

    def origin(self, address: Address, before: str) -> tuple[Path, str, str]:
        """Where Git may have a version with this digest: a file, or a folder and a pattern."""
        pattern = _pattern(self.resources[address])
        if pattern:
            start, rest = divided(self.config.folder, pattern)
            return start, before, rest
        return self.path(address), before, ""

    def measured(self, address: Address) -> Measured | None:
        """None where the dataset is no file here, or the file can't be read any more."""
        resource = self.resources[address]
        digest = resource.facts.get("digest")
        if not isinstance(digest, str) or not digest or "path" not in resource.inputs:
            return None
        path, project = self.path(address), self.config.project
        try:
            return summary(path, digest, self.encoding(address), project)
        except NoEncoding:
            return summary(path, digest, "", project)
        except FtopsError:
            return None

    def encoding(self, address: Address) -> str:
        """That of the models which are trained on a dataset; empty where it isn't known."""
        return self._encodings.get(address, "")

    def path(self, address: Address) -> Path:
        inputs = self.resources[address].inputs
        return self.config.folder / str(inputs.get("file") or inputs.get("path"))

    def _hours(self, job: Resource) -> tuple[float, ...]:
        records = (*self.state.resources.values(), *self.state.deposed.values())
        method, training_type = text(job.inputs, "method"), text(job.inputs, "training_type")
        return comparable(self._base(job), method, training_type, records)

    def _base(self, job: Resource) -> str:
        named = referenced_model(job.inputs.get("model"), self.resources)
        return named.base if named else ""

    def _used_encodings(self) -> Iterator[tuple[Address, str]]:
        """Datasets → the encoding of a model that is trained or measured on them."""
        for address in self.resources:
            if kind_of(address).is_data:
                yield address, ENCODINGS[0]
        for address, resource in self.resources.items():
            if kind_of(address).trains:
                for role in ("validation", "training"):
                    if source := resource.data.get(role):
                        yield source, self.catalog.encoding(self._base(resource))


def _range(hours: Sequence[float]) -> str:
    shown = dict.fromkeys(f"{hours[at]:.1f}" for at in (0, -1))
    return f"{' to '.join(shown)} hours"


TARGET = 3
LEAST_EXAMPLES = 100
MOST_EXAMPLES = 25_000
MOST_EPOCHS = 25


def epochs(wanted: object, examples: int) -> Epochs:
    """The epochs of a job whose hyperparameters say `wanted`: a number, `auto` or nothing.

    The rule for `auto` is that of OpenAI's cookbook ("Data preparation and analysis for chat model
    fine-tuning", read 2026-11-21): three, more where that shows fewer than 100 examples, fewer where it
    shows more than 25,000. The service may choose otherwise.
    """
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > 0:
        return Epochs(wanted)
    number = TARGET
    if examples and examples * TARGET < LEAST_EXAMPLES:
        number = min(MOST_EPOCHS, LEAST_EXAMPLES // examples)
    elif examples * TARGET > MOST_EXAMPLES:
        number = max(1, MOST_EXAMPLES // examples)
    return Epochs(number, is_estimate=True)


def training_cost(
    address: Address,
    statistics: Statistics,
    model: CatalogModel | None,
    name: str,
    training_type: str,
    n_epochs: object,
) -> TrainingCost:
    """The cost of a job. `model` is the catalogue's row, `name` the model as the spec names it."""
    per_million = model.training_per_million.get(training_type) if model else None
    per_hour = model.training_per_hour if model else None
    note = ""
    if per_million is None:
        note = f"no price of training {name} ({training_type}) in the catalogue"
        if per_hour is not None:
            note = f"${per_hour:,.2f} an hour of training, however long that takes"
    cut = statistics.cut
    return TrainingCost(
        address,
        examples=statistics.sums.examples,
        tokens=statistics.billed,
        epochs=epochs(n_epochs, statistics.sums.examples),
        cut=cut.examples if cut else 0,
        per_million=per_million,
        per_hour=per_hour,
        note=note,
    )
