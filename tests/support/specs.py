"""Configs as values, and runs of the real engine on them. Only the state is in files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ftops.applying.provider_calls import Context
from ftops.applying.run import Apply, Report, Settings
from ftops.config.accounts import accounts_of
from ftops.config.config import Config, Lifecycle, Output, ProviderConfig, Resource
from ftops.config.graph import build
from ftops.config.outputs import evaluate
from ftops.core.address import Address, Reference, Secret, Value
from ftops.planning.desired import Resolver
from ftops.planning.moves import located
from ftops.planning.plan import NORMAL, Options, Plan
from ftops.planning.planner import plan
from ftops.planning.refresh import Reader, refresh
from ftops.state.backends.local import LocalJournal, LocalStore
from ftops.state.entries import Entry
from ftops.state.state import State, Status
from tests.support.cloud import Cloud, CloudProvider, VirtualTime

PROVIDER = "cloud"
PLAIN = Lifecycle()
DEFAULTS = Settings()


def dataset(name: str, digest: str, **more: Any) -> Resource:
    content = f"sha256:{digest}"
    return Resource(
        Address("dataset", name),
        PROVIDER,
        {"path": f"{name}.jsonl", "format": "chat", "purpose": "fine-tune", "content": content},
        facts={"digest": content, "examples": 10},
        **more,
    )


def job(
    name: str, training: str, model: Value = "base", lifecycle: Lifecycle = PLAIN, **inputs: Value
) -> Resource:
    return Resource(
        Address("job", name),
        PROVIDER,
        {
            "model": model,
            "method": "supervised",
            "training": Reference(Address("dataset", training), "id"),
            "training_type": "standard",
            **inputs,
        },
        lifecycle=lifecycle,
    )


def deployment(
    name: str, /, model: Value, capacity: int = 1, lifecycle: Lifecycle = PLAIN, **inputs: Value
) -> Resource:
    return Resource(
        Address("deployment", name),
        PROVIDER,
        {
            "name": name,
            "model": model,
            "sku": {"name": "Standard", "capacity": capacity},
            "replace": "recreate",
            **inputs,
        },
        lifecycle=lifecycle,
    )


def tuned(job_name: str) -> Reference:
    return Reference(Address("job", job_name), "fine_tuned_model")


def config(*resources: Resource, outputs: Sequence[Output] = (), **more: Any) -> Config:
    ordered = tuple(sorted(resources, key=lambda r: r.address.sort_key))
    return Config(
        name="test",
        environment="default",
        folder=Path("/nowhere"),
        project=Path("/nowhere"),
        resources=ordered,
        providers={PROVIDER: ProviderConfig(PROVIDER, "memory")},
        outputs=tuple(outputs),
        **more,
    )


class Crash(BaseException):
    """Stands for the end of the process."""


class CrashingJournal:
    """A real journal; the process ends before or after its nth append."""

    def __init__(self, journal: LocalJournal, at: int, after: bool) -> None:
        self._journal = journal
        self._left = at
        self._after = after

    def append(self, entries: Iterable[Entry]) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Crash
        self._journal.append(entries)
        if self._left == 0:
            raise Crash

    def sync(self) -> None:
        self._journal.sync()

    def close(self) -> None:
        self._journal.close()

    def fold(self, state: State) -> None:
        self._journal.fold(state)


class World:
    """A cloud, a state on disk, and the engine between them."""

    def __init__(self, folder: Path, cloud: Cloud | None = None) -> None:
        self.cloud = cloud or Cloud()
        self.store = LocalStore(folder, "test", "default")
        self.provider = CloudProvider(self.cloud)
        self.events: list[object] = []
        self.tokens = 0
        self.journal_type: type[LocalJournal] = LocalJournal

    @property
    def state(self) -> State:
        return self.store.read()

    def plan(
        self,
        wanted: Config,
        options: Options = NORMAL,
        look: bool = True,
        secret_digests: Mapping[Secret, str] | None = None,
    ) -> Plan:
        observed = refresh(
            located(self.state, wanted)[0],
            Reader(lambda name: self.provider, clock=VirtualTime(), secrets=wanted.secrets),
            everything=look,
        )
        return plan(wanted, build(wanted), self.state, observed, options, secret_digests)

    def apply(
        self,
        wanted: Config,
        options: Options = NORMAL,
        settings: Settings = DEFAULTS,
        crash: tuple[int, bool] | None = None,
        secret_digests: Mapping[Secret, str] | None = None,
    ) -> Report:
        planned = self.plan(wanted, options, secret_digests=secret_digests)
        state = self.state if self.state.lineage else replace(self.state, lineage="lineage")
        journal = self.journal_type(self.store, state)
        sink = CrashingJournal(journal, *crash) if crash else journal
        context = Context(
            wanted.folder,
            lambda name: self.provider,
            wanted.secrets,
            self.events.append,
            clock=VirtualTime(),
            new_token=self._token,
            accounts=accounts_of(wanted),
        )
        run = Apply(planned, state, sink, context, settings)
        try:
            report = run.run(lambda now: evaluate(wanted.outputs, _known(now).look_up, _ready(now)))
        except BaseException:
            journal.close()
            raise
        journal.fold(report.state)
        return report

    def apply_keeping_journal(self, wanted: Config, lines: list[str]) -> Report:
        """Like `apply`; appends the final lines of the journal to `lines`."""
        fold = LocalJournal.fold

        class Keeping(LocalJournal):
            def fold(self, state: State) -> None:
                lines.extend(self._store.journal_path.read_text(encoding="utf-8").splitlines())
                fold(self, state)

        self.journal_type = Keeping
        try:
            return self.apply(wanted)
        finally:
            self.journal_type = LocalJournal

    def names(self) -> Mapping[str, int]:
        """The number of objects of each kind in the cloud."""
        return {kind: len(self.cloud.of_kind(kind)) for kind in ("dataset", "job", "deployment")}

    def _token(self) -> str:
        self.tokens += 1
        return f"token-{self.tokens}"


def _known(state: State) -> Resolver:
    resources = state.resources
    return Resolver(lambda a: resources[a].outputs if a in resources else None, {}, {})


def steps(planned: Plan) -> list[str]:
    return [f"{change.action.value} {change.step}" for change in planned.changes]


def _ready(state: State) -> Callable[[Reference], bool]:
    return {a for a, r in state.resources.items() if r.status is Status.READY}.__contains__
