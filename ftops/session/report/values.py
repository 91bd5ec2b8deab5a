"""Values of a report. What isn't known is None or empty. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from ftops.config.outputs import OutputValue
from ftops.config.sweeps import Choice
from ftops.core.address import Address
from ftops.dataset.profile.statistics import Statistics
from ftops.planning.deadlines import Deadline
from ftops.planning.estimate import DataChange, HostingCost
from ftops.providers.training_curves import Curve, Verdict
from ftops.providers.training_results import Results
from ftops.session.sweep import Sweep
from ftops.session.training import Training
from ftops.state.backends.audit_log import Run
from ftops.state.state import Pin, ResourceState

NOT_CREATED = "not created"
INTERRUPTED = "interrupted"
OFF = "off"
STOPPED = "stopped early"
NOT_STARTED = "not started"


class Checkout(Struct, frozen=True):
    """The commit of the working copy. `is_changed`: whether tracked files differ from it."""

    commit: str
    is_changed: bool


class ReportedObject(Struct, frozen=True):
    """A resource that is declared or recorded. `status` is that of its record, or a word above.
    `needs` are its dependencies."""

    address: Address
    status: str
    is_declared: bool
    needs: tuple[Address, ...] = ()
    record: ResourceState | None = None
    run: Run | None = None
    """The run that has created it."""


class ReportedDeployment(Struct, frozen=True):
    """A recorded deployment. `trained_by` is the job (and the step of the checkpoint) of its model, `hosted`
    what its object has cost since it was created, `until` when its hours change next."""

    record: ResourceState
    trained_by: str = ""
    cost: HostingCost | None = None
    hosted: float | None = None
    hours: str = ""
    is_on: bool = True
    until: str = ""
    pin: Pin | None = None
    run: Run | None = None
    is_started: bool = False
    """Whether its service is started when it is needed: its endpoint is another one each time."""


class DataUse(Struct, frozen=True):
    """Data that a job learns from: `role` is the input, `digest` that of the examples. Without an address,
    the file isn't recorded here."""

    role: str
    digest: str
    address: Address | None = None
    examples: int | None = None


class ReportedJob(Struct, frozen=True):
    """A recorded job. `curves` are of its result file, or else of its events; `note` says why it has no
    result file. `metrics` are those of the final model; `step` and `checkpoint` are the best one."""

    record: ResourceState
    training: Training
    base: str
    """The model that was fine-tuned first."""
    continued: str = ""
    """The job from whose model it started."""
    data: tuple[DataUse, ...] = ()
    results: Results | None = None
    curves: tuple[Curve, ...] = ()
    verdict: Verdict | None = None
    metrics: Mapping[str, float] = {}
    step: int | None = None
    checkpoint: str = ""
    dollars: float | None = None
    is_at_most: bool = False
    """Whether the time in the queue is counted, because the service doesn't say when training started."""
    note: str = ""
    run: Run | None = None

    @property
    def address(self) -> Address:
        return self.record.address


class Required(Struct, frozen=True):
    """A gate of a deployment: what it requires, and what of it isn't fulfilled. `override`: why it didn't
    count."""

    deployment: Address
    require: str
    reasons: tuple[str, ...] = ()
    override: str = ""


class ReportedEvaluation(Struct, frozen=True):
    """A recorded evaluation. `names` are the models that were asked, by their jobs; `interval` is that of the
    score, if each prompt was answered once."""

    record: ResourceState
    names: Mapping[str, str] = {}
    interval: tuple[float, float] | None = None
    gates: tuple[Required, ...] = ()
    run: Run | None = None


class ReportedData(Struct, frozen=True):
    """A recorded dataset. `lengths` maps tokens to the number of examples that have so many; `note` says why
    it has no statistics. `change` is the difference to the version that was recorded `until` a time."""

    record: ResourceState
    path: str = ""
    statistics: Statistics | None = None
    lengths: Mapping[int, int] = {}
    limit: int | None = None
    note: str = ""
    change: DataChange | None = None
    until: str = ""
    run: Run | None = None


class ReportedCosts(Struct, frozen=True):
    """US dollars. `training` is what all recorded jobs have cost whose price is known; `unpriced` are the
    others. `hosted` is what deployments have cost since they were created."""

    training: float = 0.0
    unpriced: tuple[Address, ...] = ()
    hosted: float = 0.0
    per_hour: float = 0.0
    per_month: float = 0.0
    unpriced_hosting: tuple[Address, ...] = ()


class Report(Struct, frozen=True):
    """All that a report knows. Addresses are sorted; `runs` are the last ones, the newest last."""

    spec: str
    environment: str
    at: datetime
    version: str
    serial: int
    lineage: str
    checkout: Checkout | None = None
    expires_at: str = ""
    is_offline: bool = False
    is_rehearsal: bool = False
    """Whether everything is in the emulator, which bills nothing."""
    restricted: tuple[Address, ...] = ()
    """The addresses that it is restricted to."""
    objects: tuple[ReportedObject, ...] = ()
    old: tuple[ResourceState, ...] = ()
    """Replaced objects that still exist."""
    deployments: tuple[ReportedDeployment, ...] = ()
    jobs: tuple[ReportedJob, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    choices: tuple[Choice, ...] = ()
    """The sweeps whose best job the spec refers to, by the metric that it chooses by."""
    evaluations: tuple[ReportedEvaluation, ...] = ()
    data: tuple[ReportedData, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    costs: ReportedCosts = ReportedCosts()
    outputs: Mapping[str, OutputValue] = {}
    runs: tuple[Run, ...] = ()
    older_runs: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Recorded objects by kind."""
        found: dict[str, int] = {}
        for one in self.objects:
            if one.record is not None:
                found[one.address.kind] = found.get(one.address.kind, 0) + 1
        return found
