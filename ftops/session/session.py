"""The use cases: what each command does, without its command line and without its looks.

A `Session` is one spec in one environment with its state and its providers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from secrets import token_hex
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.config.accounts import accounts_of
from ftops.config.config import Config
from ftops.config.data_files import inspect_data, with_data
from ftops.config.graph import Graph, build
from ftops.config.outputs import OutputValue, evaluate
from ftops.core.address import Address, decode
from ftops.core.dag_executor import Clock, RealTime
from ftops.core.errors import Blocked, Diagnostic, FtopsError, StateError, UsageError
from ftops.core.resource_types import kind_of
from ftops.core.timestamps import iso_timestamp
from ftops.planning.desired import Resolver
from ftops.planning.moves import Replacement, nothing_recorded, replace_provider
from ftops.planning.plan import NORMAL, Mode, Options, Plan
from ftops.planning.plan_builder import PlanBuilder
from ftops.planning.provider_matching import located
from ftops.providers import Providers
from ftops.providers.base import Connects
from ftops.state.backends.base import AT_ONCE, Elsewhere, Hold, Journal, LockInfo, Store, Waiting, lock_info
from ftops.state.backends.factory import check_location, open_store, state_codec
from ftops.state.backends.local import LocalStore
from ftops.state.backends.ownership import record_location, record_ownership
from ftops.state.file_format import PLAIN
from ftops.state.state import DigestKeySet, Entry, Home, Recorded, ResourceState, State, Status, fold

if TYPE_CHECKING:
    from ftops.applying.events import Event
    from ftops.applying.run import Apply, Report, Settings
    from ftops.providers.training_results import Results
    from ftops.state.backends.audit_log import Run, RunOutcome

__all__ = ["CONNECTION", "Session", "inspect_data", "with_data"]

CONNECTION: Mapping[str, str] = {
    "url": "AZURE_OPENAI_ENDPOINT",
    "api_key": "AZURE_OPENAI_API_KEY",
    "api_version": "OPENAI_API_VERSION",
    "platform_url": "OPENAI_BASE_URL",
    "platform_key": "OPENAI_API_KEY",
    "organization": "OPENAI_ORG_ID",
    "project": "OPENAI_PROJECT_ID",
}
"""What a provider says of its service → the variable of the environment that the openai package reads."""


class Session(Struct):
    """One spec in one environment. A context manager: providers are closed at its end."""

    config: Config
    graph: Graph
    store: Store
    providers: Providers
    retry_base: float = 1.0
    """Seconds before the second try of a read that failed temporarily."""
    clock: Clock = field(default_factory=RealTime)
    _state: State | None = field(default=None)
    _hold: Hold | None = field(default=None)
    _info: LockInfo | None = field(default=None)

    @classmethod
    def open(cls, config: Config) -> Session:
        """Raises SpecError where resources depend on each other in a circle."""
        graph = build(config)
        return cls(config, graph, open_store(config), Providers(config.providers, config.project))

    @classmethod
    def on_copy(cls, config: Config, state: State) -> Session:
        """With this state, to plan: where the spec keeps its own isn't asked."""
        form = PLAIN if config.withheld is not None else state_codec(config)
        store = LocalStore(config.project / config.state.path, config.name, config.environment, form)
        providers = Providers(config.providers, config.project)
        return cls(config, build(config), store, providers, _state=state)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not KeyboardInterrupt:  # a worker may hold what closing waits for; the process ends
            self.providers.close()

    @property
    def state(self) -> State:
        """As recorded; read once."""
        if self._state is None:
            state = self.store.read()
            check_location(self.config, self.store, state)
            self._state = state
        return self._state

    def look_elsewhere(self) -> tuple[Diagnostic, ...]:
        """For those who only look: from here on the record is that which was found at another place than
        the spec's, if there is one. Warnings that say so."""
        try:
            self._state = self.state
        except Elsewhere as found:
            self.store, self._state = found.store, found.store.read()
            return tuple(replace(d, severity="warning") for d in found.diagnostics)
        except StateError:  # told by whoever needs the state
            pass
        return ()

    @property
    def readable_state(self) -> State | None:
        """As recorded; None where that can't be trusted."""
        try:
            return self.state
        except StateError:
            return None

    @contextmanager
    def locked(self, operation: str, waiting: Waiting = AT_ONCE) -> Iterator[None]:
        """Alone with the state until the end of the block. Raises StateLocked."""
        since = iso_timestamp(datetime.now(UTC))
        self._info = lock_info(token_hex(4), operation, since)
        with self.store.lock(self._info, waiting) as hold:
            self._state, self._hold = None, hold
            try:
                yield
            finally:
                self._hold = None

    def confirm_lock(self) -> None:
        """Raises StateError if the lock that `locked` took was lost meanwhile."""
        if self._hold is not None:
            self._hold.confirm()

    def plan(
        self,
        options: Options = NORMAL,
        *,
        refresh: bool = True,
        preflight: bool = True,
        offline: bool = False,
        parallelism: int = 10,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Plan:
        """What applying would do. `refresh=False` trusts the state, and reads only the objects of interrupted
        operations; `preflight=False` doesn't check whether it would succeed; with `offline`, no service is
        asked."""
        builder = replace(self._plan_builder(parallelism), offline=offline)
        return builder.build(options, refresh, preflight, on_progress)

    def apply(
        self,
        made: Plan,
        settings: Settings,
        emit: Callable[[Event], None],
        on_start: Callable[[Apply], None] = lambda run: None,
        planned_at: str = "",
    ) -> Report:
        """Makes it so. Only within `locked`. The journal is folded into the state at the end, however
        the run ends; should that fail too, it stays and the next run reads it. Raises Blocked where
        preflight has found that it would fail, StateError where the lock was lost meanwhile: then nothing
        more was started. `planned_at`: when a saved plan was made."""
        self.confirm_lock()
        if made.is_blocked:
            raise Blocked(made.findings)
        from ftops.planning.saved.plan_file import plan_digest

        counts = {action: count for action, count in made.summary._asdict().items() if count}
        digest = plan_digest(made) if made.changes or made.settings else ""
        with self._audited(plan=digest, counts=counts, planned_at=planned_at) as ending:
            report = self._apply(made, settings, emit, on_start)
            ending.result, ending.serial = report.result, report.state.serial
            ending.steps = Counter(fate.value for fate in report.fates.values())
        return report

    def _apply(
        self,
        made: Plan,
        settings: Settings,
        emit: Callable[[Event], None],
        on_start: Callable[[Apply], None],
    ) -> Report:
        from ftops.applying.provider_calls import Context, new_token
        from ftops.applying.run import Apply

        state, journal = self._begin()
        check = self._hold.check if self._hold is not None else _nothing
        context = Context(
            self.config.folder,
            self.providers,
            self.config.secrets,
            emit,
            clock=self.clock,
            new_token=lambda: new_token(state.lineage),
            accounts=accounts_of(self.config),
            check=check,
        )
        run = Apply(made, state, journal, context, settings)
        on_start(run)
        if self._hold is not None:
            self._hold.when_lost(run.stop)
        try:
            report = run.run(lambda now: self._outputs_after(made, now))
        except BaseException:
            journal.close()
            self._state = None
            raise
        journal.fold(report.state)
        self._state = report.state
        check()
        return report

    def record(self, entries: Iterable[Entry]) -> State:
        """Rearranges what is recorded: the state after these entries. Only within `locked`."""
        entries = list(entries)
        with self._audited() as ending:
            before, journal = self._begin()
            after = fold(before, entries)
            journal.append(entries)
            journal.sync()
            journal.fold(after)
            self._state = after
            ending.result, ending.serial = "done", after.serial
        return after

    def import_object(self, address: Address, remote_id: str) -> ResourceState:
        """Reads an object of the service and records it under an address. Only within `locked`. Raises
        FtopsError where the spec declares no such address, or it or the object is recorded already."""
        found = self._plan_builder().read_import(address, remote_id)
        self.record([Recorded(found)])
        return found

    def import_objects(
        self, wanted: Mapping[Address, str], digests: Mapping[str, str], parallelism: int
    ) -> Plan:
        """Records objects of the service under declared addresses, all at once; what a plan says of them.
        `digests` are those of files whose content is known, by id. Only within `locked`."""
        made = self._plan_builder(parallelism).plan_imports(wanted, digests)
        found = (entry for entry in made.entries if isinstance(entry, Recorded))
        self.record(entry for entry in found if entry.resource.address in wanted)
        return made

    def _plan_builder(self, parallelism: int = 10) -> PlanBuilder:
        return PlanBuilder(
            self.config,
            self.graph,
            self.state,
            self.providers,
            self.retry_base,
            parallelism,
            self.clock,
            digest_key=self.digest_key,
        )

    @property
    def digest_key(self) -> str:
        """With what digests of secrets are keyed. It is made of the key that a state is encrypted with when
        its first entry is recorded, and stays through rotations: else every secret would look changed."""
        if self.state.digest_key or self.state.serial:
            return self.state.digest_key
        return self.store.codec.digest_key(self.config.name, self.config.environment)

    def _begin(self) -> tuple[State, Journal]:
        """The state to record on, and its journal. A state has a lineage from its first entry on."""
        state = self._begun_state()
        journal = self.store.open_journal(state)
        if self.digest_key == state.digest_key:
            return state, journal
        first = [DigestKeySet(self.digest_key)]
        try:
            journal.append(first)
        except BaseException:
            journal.close()
            raise
        return fold(state, first), journal

    def _begun_state(self) -> State:
        if isinstance(self.store, LocalStore):
            record_ownership(self.config)
        record_location(self.config, self.store)
        return self.state if self.state.lineage else replace(self.state, lineage=str(uuid4()))

    def replacement(self, before: str, after: str, *, verified: bool) -> Replacement:
        """What records that a provider of the spec manages what another one, or the same under another
        address, has made; `verified`: it was looked whether that is there. Raises FtopsError."""
        wanted = replace_provider(self.state, before, Home(after, accounts_of(self.config)[after]))
        if verified:
            self._plan_builder().check_home(wanted)
        return wanted

    def renew_encryption(self) -> bool:
        """Writes the state anew if it may be written with another key, or otherwise, than the spec says by
        now; whether it was written. Only within `locked`."""
        if not (self.store.codec.is_changing and self.state.lineage):
            return False
        self.replace_state(self.state)
        return True

    def replace_state(self, pushed: State) -> State:
        """Puts a whole other state in place of what is recorded. Its serial never goes back: what was
        planned before must not pass for fresh. Only within `locked`."""
        highest = self._highest_serial()
        if pushed.serial <= highest and pushed != self.readable_state:
            pushed = replace(pushed, serial=highest + 1)
        with self._audited() as ending:
            self.store.write(pushed)
            self._state = pushed
            ending.result, ending.serial = "done", pushed.serial
        return pushed

    def restore(self, version: str) -> State:
        """Records what a version says, under a serial that was never there, also where what is recorded now
        can't be read. Only within `locked`."""
        wanted = self.store.read_version(version)
        highest = max([self._highest_serial(), wanted.serial, *(v.serial for v in self.store.versions())])
        restored = replace(wanted, serial=highest + 1)
        with self._audited() as ending:
            self.store.write(restored)
            self._state = restored
            ending.result, ending.serial = "done", restored.serial
        return restored

    def _highest_serial(self) -> int:
        """Of all that was ever recorded, as far as it is known."""
        recorded = self.readable_state
        if recorded is not None:
            return recorded.serial
        return max((v.serial for v in self.store.versions()), default=0)

    def runs(self) -> list[Run]:
        """Who did what to this state, oldest first, as its audit log has it."""
        from ftops.state.backends.audit_log import read_runs

        return read_runs(self.store.audit_lines())

    def _audited(self, **known: Any) -> AbstractContextManager[RunOutcome]:
        """Only within `locked`, which says who it is that runs, and what."""
        from ftops.state.backends.audit_log import RunStarted, audited, now

        recorded = self.readable_state or State("")  # a restore sets about to mend what can't be read
        info = self._info or lock_info("", "apply", now())
        begun = RunStarted(
            run=uuid4().hex,
            at=now(),
            operation=info.operation,
            who=info.who,
            host=info.host,
            pid=info.pid,
            run_url=info.run_url,
            lineage=recorded.lineage,
            serial=recorded.serial,
            **known,
        )
        return audited(self.store, begun)

    def outputs(self) -> dict[str, OutputValue]:
        """The spec's outputs as far as the state can tell; references that it can't tell stay."""
        return self._evaluate(self.state)

    def recorded_outputs(self) -> dict[str, OutputValue]:
        """As of the last apply, whatever the spec says now; without those that are sensitive."""
        return {name: OutputValue(decode(value), False) for name, value in self.state.outputs.items()}

    def results(self, address: Address) -> Results:
        """What the training of a job measured. Raises FtopsError, ProviderError."""
        recorded = self.state.resources.get(address)
        if recorded is None:
            missing = nothing_recorded(self.state.resources, address)
            raise FtopsError(missing.summary, missing.detail, missing.hint)
        if not kind_of(address).trains:
            raise UsageError(f"{address} isn't a job", "Only the training of a job has results.")
        from ftops.providers.training_results import (
            results_of,  # brings csv and base64 along, which no plan needs
        )

        here = located(self.state, self.config)[0].resources[address]
        return results_of(self.providers(here.provider), here)

    def environment(self, name: str | None) -> dict[str, str]:
        """Variables by which the openai package finds the service of a provider: the one named, or the
        only one that the spec's resources use. Raises UsageError, ProviderError."""
        used = sorted(self.config.used_providers or self.config.providers)
        if name is None and len(used) > 1:
            raise UsageError(
                "the spec uses several providers", f"they are {', '.join(used)}.", "add --provider"
            )
        provider = self.providers(name or used[0])
        if not isinstance(provider, Connects):
            raise UsageError(f"provider {name or used[0]} has no endpoint for other programs")
        known = provider.connection()
        return {variable: str(known[key]) for key, variable in CONNECTION.items() if known.get(key)}

    def _outputs_after(self, made: Plan, state: State) -> Mapping[str, OutputValue]:
        if made.mode is Mode.DESTROY and state.is_empty:
            return {}
        return self._evaluate(state)

    def _evaluate(self, state: State) -> dict[str, OutputValue]:
        resolver = Resolver.of_records(state.resources)
        ready = {a for a, resource in state.resources.items() if resource.status is Status.READY}
        return evaluate(self.config.outputs, resolver.look_up, ready.__contains__)


def _nothing() -> None:
    return None
