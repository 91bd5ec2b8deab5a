"""Session: the use cases of one spec in one environment, with its state and its providers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.config.accounts import accounts_of
from ftops.config.config import Config
from ftops.config.data_files import inspect_data, with_data
from ftops.config.graph import Graph, build
from ftops.config.outputs import OutputValue, evaluate
from ftops.config.policy import Policy
from ftops.config.sweeps import named_by
from ftops.core.address import Address, Reference, decode
from ftops.core.dag_executor import Clock, RealTime
from ftops.core.durations import seconds_of
from ftops.core.errors import Blocked, Diagnostic, StateError, UsageError
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of
from ftops.core.timestamps import iso_timestamp
from ftops.planning.desired import Resolver
from ftops.planning.estimate import TrainingCost
from ftops.planning.moves import Replacement, located, nothing_recorded, replace_provider
from ftops.planning.plan import MAKING, NORMAL, Mode, Options, Plan
from ftops.planning.plan_builder import PlanBuilder
from ftops.providers import Providers
from ftops.providers.base import Controls, Provider, Queues
from ftops.session.own_marks import noting
from ftops.state.backends.base import AT_ONCE, Elsewhere, Hold, Journal, LockInfo, Store, Waiting, lock_info
from ftops.state.backends.factory import (
    check_location,
    open_store,
    record_location,
    record_ownership,
    record_preview,
    state_keys,
)
from ftops.state.backends.local import LocalStore
from ftops.state.entries import DigestKeySet, Entry, ExpirySet, Granted, GrantEnded, Home, Recorded
from ftops.state.file_format import StateCodec
from ftops.state.live_state import fold
from ftops.state.state import Grant, RemoteObject, ResourceState, State, Status, carried_over, observed_as

if TYPE_CHECKING:
    from ftops.applying.events import Event
    from ftops.applying.run import Apply, Report, Settings
    from ftops.evaluation.kept_answers import KeptAnswers
    from ftops.providers.training_results import Results
    from ftops.state.backends.audit_log import Run, RunEnded

__all__ = ["Session", "inspect_data", "with_data"]


class Session(Struct):
    """One spec in one environment. A context manager: providers are closed at its end."""

    config: Config
    graph: Graph
    store: Store
    providers: Providers
    retry_base: float = 1.0
    """Seconds before the second try of a read that failed temporarily."""
    clock: Clock = field(default_factory=RealTime)
    wall_clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    """By which hosting hours begin and end."""
    is_continuing: bool = False
    """Whether the config is the recorded one of a grant: outputs that were declared since stay recorded."""
    is_copy: bool = False
    """Whether the state is a copy, and no state is read."""
    _state: State | None = field(default=None)
    _hold: Hold | None = field(default=None)
    _info: LockInfo | None = field(default=None)

    @classmethod
    def open(cls, config: Config) -> Session:
        """Raises SpecError if dependencies form a cycle."""
        graph = build(config)
        return cls(config, graph, open_store(config), Providers(config.providers, config.project))

    @classmethod
    def on_copy(cls, config: Config, state: State) -> Session:
        """With a copy of the state, to plan; the state's backend isn't asked."""
        keys = None if config.withheld is not None else state_keys(config.project, config.state)
        folder = config.project / config.state.path
        store = LocalStore(folder, config.name, config.environment, StateCodec(keys))
        providers = Providers(config.providers, config.project)
        return cls(config, build(config), store, providers, is_copy=True, _state=state)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not KeyboardInterrupt:  # a worker may hold what closing waits for; the process ends
            self.providers.close()

    @property
    def state(self) -> State:
        """The recorded state; read once."""
        if self._state is None:
            state = self.store.read()
            check_location(self.config, self.store, state)
            self._state = state
        return self._state

    def reread(self) -> None:
        """Reads the state again when it is next used: another session has written it."""
        self._state = None

    def look_elsewhere(self) -> tuple[Diagnostic, ...]:
        """For commands that only read: uses a state that is found at another place than the spec's, and
        returns warnings that say so."""
        try:
            self._state = self.state
        except Elsewhere as found:
            self.store, self._state = found.store, found.store.read()
            return tuple(replace(d, severity="warning") for d in found.diagnostics)
        except StateError:  # raised again when the state is used
            pass
        return ()

    @property
    def readable_state(self) -> State | None:
        """The recorded state; None if it can't be trusted."""
        try:
            return self.state
        except StateError:
            return None

    @contextmanager
    def locked(self, operation: str, waiting: Waiting = AT_ONCE) -> Iterator[None]:
        """Locks the state until the end of the block. Raises StateLocked."""
        self._info = lock_info(os.urandom(4).hex(), operation, iso_timestamp(datetime.now(UTC)))
        with self.store.lock(self._info, waiting) as hold:
            self._state, self._hold = None, hold
            try:
                yield
            finally:
                self._hold = None

    def confirm_lock(self) -> None:
        """Raises StateError if the lock was lost meanwhile."""
        if self._hold is not None:
            self._hold.confirm()

    def plan(
        self,
        options: Options = NORMAL,
        *,
        refresh: bool = True,
        preflight: bool = True,
        offline: bool = False,
        read_only: bool = False,
        priced: bool = True,
        parallelism: int = 10,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        as_of: date | None = None,
    ) -> Plan:
        """What applying would do. `refresh=False` trusts the state, and reads only the objects of interrupted
        operations; `preflight=False` doesn't check whether it would succeed; with `offline`, no service is
        asked; with `read_only`, another identity applies it; with `priced=False`, no costs are estimated.
        `as_of`: judges the dates of models for that day, not for today, and no hosting hours."""
        builder = replace(self._plan_builder(parallelism), offline=offline, is_priced=priced)
        builder = replace(builder, is_read_only=read_only)
        builder = replace(builder, today=as_of) if as_of else replace(builder, moment=self.wall_clock())
        return builder.build(options, refresh, preflight, on_progress)

    def judged(self, made: Plan, policy: Policy, options: Options, costs: Sequence[TrainingCost]) -> Plan:
        """A part of an approved plan with what these rules say of it. `costs`: of its jobs."""
        return self._plan_builder().judged(made, policy, options, costs)

    def apply(
        self,
        made: Plan,
        settings: Settings,
        emit: Callable[[Event], None],
        on_start: Callable[[Apply], None] = lambda run: None,
        planned_at: str = "",
        grant: Grant | None = None,
        is_whole: bool = False,
        completes: bool = True,
    ) -> Report:
        """Applies a plan. Only within `locked`. The journal is folded into the state at the end, however the
        run ends; if that fails too, the next run reads the journal. Raises Blocked if preflight found errors,
        StateError if the lock was lost: nothing more was started then. `planned_at`: when a saved plan was
        made.

        `grant`: the approval that it is applied under, which is recorded first, and ends if all of it is done
        and the plan `completes` it. Other grants end if the plan touches what they are about, or is of the
        whole spec (`is_whole`)."""
        self.confirm_lock()
        if made.is_blocked:
            raise Blocked(made.findings)
        from ftops.planning.saved.plan_digest import plan_digest

        counts = {action: count for action, count in made.summary.items() if count}
        digest = plan_digest(made) if made.approved_changes or made.settings else ""
        overrides = {str(change.address): change.override for change in made.changes if change.override}
        rules = {lifted.rule: lifted.reason for lifted in made.policy.overridden}
        known = {"counts": counts, "planned_at": planned_at, "overrides": overrides, "rule_overrides": rules}
        known["pins"] = {str(one.address): one.model or "released" for one in made.pinning}
        known["grant"] = grant.digest if grant and grant.digest != digest else ""
        with self._audited(plan=digest, **known) as ending:
            first = self._first_entries(made, grant, is_whole)
            ended = [GrantEnded(grant.digest, "done")] if grant and completes else []
            report = self._apply(made, settings, emit, on_start, first, ended)
            ending.result, ending.serial = report.result, report.state.serial
            ending.steps = Counter(fate.value for fate in report.fates.values())
        return report

    def _apply(
        self,
        made: Plan,
        settings: Settings,
        emit: Callable[[Event], None],
        on_start: Callable[[Apply], None],
        first: Sequence[Entry],
        if_done: Sequence[Entry],
    ) -> Report:
        """`first` is recorded before anything is started, `if_done` when all of the plan is done."""
        from ftops.applying.provider_calls import Context, new_token
        from ftops.applying.run import Apply
        from ftops.session.answers import Keeper

        state, journal = self._begin(first)
        check = self._hold.check if self._hold is not None else lambda: None
        keeper = Keeper(self.config)
        context = Context(
            self.config.folder,
            self.providers,
            self.config.secrets,
            emit,
            clock=self.clock,
            new_token=lambda: new_token(state.lineage),
            accounts=accounts_of(self.config),
            kept_answers=keeper,
            limit=self._limits(made),
            price=self._prices() if made.stops else lambda job: None,
            check=check,
            wall_clock=self.wall_clock,
        )

        def outputs(now: State) -> Mapping[str, OutputValue]:
            if made.mode is Mode.DESTROY and now.is_empty:
                return {}
            others = self.recorded_outputs() if self.is_continuing else {}
            return {**others, **self._evaluate(now)}

        run = Apply(made, state, journal, context, settings)
        on_start(run)
        if self._hold is not None:
            self._hold.when_lost(run.stop)
        try:
            with keeper:
                report = run.run(outputs)
            if if_done and report.result == "done":
                journal.append(if_done)
                report = replace(report, state=fold(report.state, if_done))
        except BaseException:
            journal.close()
            self._state = None
            raise
        journal.fold(report.state)
        self._state = report.state
        self._mark_hours(made)
        check()
        return report

    def _mark_hours(self, made: Plan) -> None:
        """Remembers that hosting hours were approved here."""
        if made.has_hours:
            from ftops.session.hosting import mark_hours

            mark_hours(self, [change.address for change in made.changes])

    def plan_switches(self, addresses: Collection[Address], parallelism: int = 10) -> Plan:
        """What the hosting hours of recorded deployments switch now. Raises ProviderError."""
        builder = replace(self._plan_builder(parallelism), moment=self.wall_clock())
        return builder.plan_switches(addresses)

    def _limits(self, made: Plan) -> Callable[[str, str], int | None]:
        """The limits of accounts in the catalogue, which is read if the plan is about a service that has
        queues. Raises SpecError if it can't be read."""
        queues = [name for name in made.providers_of(MAKING) if isinstance(self.providers(name), Queues)]
        if not queues:
            return lambda provider, name: None
        from ftops import catalog

        known = catalog.load(self.config.project, os.environ)
        services = {name: PROVIDER_TYPES[self.config.providers[name].type] for name in queues}
        return lambda provider, name: known.of(services[provider]).limits.get(name)

    def _prices(self) -> Callable[[ResourceState], float | None]:
        """Of training, by the catalogue. Raises SpecError if it can't be read."""
        from ftops import catalog
        from ftops.planning.cost.recorded import training_price

        known = catalog.load(self.config.project, os.environ)
        return lambda job: training_price(job, known)

    def superseded(self, made: Plan, own: str = "", *, is_whole: bool) -> list[Grant]:
        """The grants that end with a run of this plan, other than its own."""
        from ftops.planning.grants import supersedes

        others = [grant for digest, grant in self.state.grants.items() if digest != own]
        whole = is_whole and bool(made.approved_changes)
        return [grant for grant in others if supersedes(made, grant, is_whole=whole)]

    def _first_entries(self, made: Plan, grant: Grant | None, is_whole: bool) -> list[Entry]:
        """The grants that end with a run, its own, and when the environment expires after it."""
        own = grant.digest if grant else ""
        ended = self.superseded(made, own, is_whole=is_whole)
        entries: list[Entry] = [GrantEnded(one.digest, "superseded") for one in ended]
        if grant is not None and grant != self.state.grants.get(own):
            entries.append(Granted(grant))
        if made.mode is Mode.NORMAL and not self.is_continuing and self.sets_expiry:
            entries.append(self._expiry())
        return entries

    @property
    def sets_expiry(self) -> bool:
        """Whether each apply records when the environment expires, or that it doesn't any more."""
        return bool(self.config.ttl or self.state.expires_at)

    def _expiry(self) -> ExpirySet:
        lasts = seconds_of(self.config.ttl)
        return ExpirySet(iso_timestamp(datetime.now(UTC) + timedelta(seconds=lasts)) if lasts else "")

    def record(self, entries: Iterable[Entry]) -> State:
        """Records these entries, and returns the state after them. All grants end: what they are about may
        not be what it was. Only within `locked`."""
        with self._audited() as ending:
            ended = [GrantEnded(digest, "superseded") for digest in self.state.grants]
            return self._record([*ended, *entries], ending)

    def _record(self, entries: Collection[Entry], ending: RunEnded) -> State:
        before, journal = self._begin()
        after = fold(before, entries)
        journal.append(entries)
        journal.sync()
        journal.fold(after)
        self._state = after
        ending.result, ending.serial = "done", after.serial
        return after

    def control(self, address: Address, verb: str) -> ResourceState:
        """Pauses, resumes or cancels a job, and records what it is then; if another run holds the lock, that
        is left to it or to the next run. Raises FtopsError, ProviderError."""
        here = self.job(address)
        provider = self.providers(here.provider)
        if not isinstance(provider, Controls):
            raise UsageError(f"the provider {here.provider} can't {verb} jobs")
        self.confirm_lock()
        beside = self._hold is None
        with self._audited(beside=beside) as ending:
            changed = observed_as(here, provider.control(here, verb))
            if beside:
                ending.result, ending.serial = "done", self.state.serial
            else:
                self._record([Recorded(changed)], ending)
        return changed

    def observe(self, resource: ResourceState) -> RemoteObject | None:
        """A recorded object as it is now; None if it doesn't exist. Raises ProviderError."""
        return self._plan_builder().observe(resource)

    def observe_all(self, resources: Sequence[ResourceState]) -> dict[str, Status]:
        """The states of recorded objects as they are now, by id; jobs whose models are gone are TAINTED, and
        what doesn't exist is left out. Raises ProviderError."""
        return self._plan_builder().observe_all(resources)

    def ask_all(
        self, resources: Iterable[ResourceState], ask: Callable[[Provider, ResourceState], object]
    ) -> dict[Address, Any]:
        """What the providers of recorded objects say, by address. Raises ProviderError."""
        return self._plan_builder().ask_all(resources, ask)

    def import_object(self, address: Address, remote_id: str) -> ResourceState:
        """Reads an object of the service and records it under an address. Only within `locked`. Raises
        FtopsError if the spec doesn't declare the address, or it or the object is already recorded."""
        found = self._plan_builder().read_import(address, remote_id)
        self.record([Recorded(found)])
        return found

    def import_objects(
        self, wanted: Mapping[Address, str], digests: Mapping[str, str], parallelism: int
    ) -> Plan:
        """Records objects of the service under declared addresses, and returns the plan after it. `digests`
        are those of files whose content is known, by id. Only within `locked`."""
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
            kept_answers=self._kept_answers,
            digest_key=self.digest_key,
            state_of=None if self.is_copy else self._state_of,
            who=lambda: lock_info("", "", "").who,
        )

    def _state_of(self, environment: str) -> State:
        """The recorded state of another environment of the spec, which is only read."""
        return open_store(replace(self.config, environment=environment)).read()

    def _kept_answers(self, model: str) -> KeptAnswers:
        from ftops.session.answers import kept_answers

        return kept_answers(self.config, model)

    @property
    def digest_key(self) -> str:
        """The key of the digests of secrets. It is derived from the encryption key when the first entry is
        recorded, and stays the same through rotations: else every secret would seem changed."""
        if self.state.digest_key or self.state.serial:
            return self.state.digest_key
        return self.store.codec.digest_key(self.config.name, self.config.environment)

    def _begin(self, first: Sequence[Entry] = ()) -> tuple[State, Journal]:
        """The state and its journal, with these entries first. A state has a lineage from its first entry
        on."""
        if isinstance(self.store, LocalStore):
            record_ownership(self.config)
        record_location(self.config, self.store)
        state = self.state if self.state.lineage else replace(self.state, lineage=str(uuid4()))
        journal = noting(self, self.store.open_journal(state), state)
        if any(isinstance(entry, ExpirySet) and entry.at for entry in first):
            record_preview(self.config, self.store, state.lineage)
        if self.digest_key != state.digest_key:
            first = [DigestKeySet(self.digest_key), *first]
        if not first:
            return state, journal
        try:
            journal.append(first)
            journal.sync()
        except BaseException:
            journal.close()
            raise
        return fold(state, first), journal

    def replacement(self, before: str, after: str, *, verified: bool) -> Replacement:
        """`state replace-provider`: the entries that record another provider for recorded objects; with
        `verified`, checks that the objects exist in its account. Raises FtopsError."""
        wanted = replace_provider(self.state, before, Home(after, accounts_of(self.config)[after]))
        if verified:
            self._plan_builder().check_home(wanted)
        return wanted

    def renew_encryption(self) -> bool:
        """Writes the state and shared answers again if their encryption may differ from the spec's. Whether
        they were written. Only within `locked`."""
        if not (self.store.codec.is_changing and self.state.lineage):
            return False
        from ftops.session.answers import shared_answers

        self._write(self.state)
        if answers := shared_answers(self.config):
            answers.renew()
        return True

    def replace_state(self, pushed: State) -> State:
        """Replaces the whole state. Its serial never decreases, so that older plans stay stale. All grants
        end. Only within `locked`."""
        pushed = replace(pushed, grants={})
        highest = self._highest_serial()
        if pushed.serial <= highest and pushed != self.readable_state:
            pushed = replace(pushed, serial=highest + 1)
        return self._write(pushed)

    def restore(self, version: str) -> State:
        """Restores a version of the state under a new serial, even if the present state can't be read. All
        grants end. Only within `locked`."""
        wanted = self.store.read_version(version)
        highest = max([self._highest_serial(), wanted.serial, *(v.serial for v in self.store.versions())])
        return self._write(replace(wanted, serial=highest + 1, grants={}))

    def _write(self, state: State) -> State:
        with self._audited() as ending:
            self.store.write(state)
            self._state = state
            ending.result, ending.serial = "done", state.serial
        return state

    def remove_state(self) -> None:
        """Removes the state, in which nothing is recorded any more. Only within `locked`."""
        with self._audited() as ending:
            ending.result, ending.serial = "done", self.state.serial
            self.store.remove()
            self._state = State("")

    def _highest_serial(self) -> int:
        """Of the recorded state, or of its versions."""
        recorded = self.readable_state
        if recorded is not None:
            return recorded.serial
        return max((v.serial for v in self.store.versions()), default=0)

    def runs(self) -> list[Run]:
        """The runs in the audit log, oldest first."""
        from ftops.state.backends.audit_log import read_runs

        return read_runs(self.store.audit_lines())

    def _audited(self, **known: Any) -> AbstractContextManager[RunEnded]:
        """Writes a run to the audit log. Only after `locked`, which knows who runs what."""
        from ftops.state.backends.audit_log import RunStarted, audited, now

        recorded = self.readable_state or State("")  # a restore repairs what can't be read
        info = self._info or lock_info("", "apply", now())
        begun = RunStarted(
            run=uuid4().hex,
            at=now(),
            **carried_over(info, RunStarted),
            lineage=recorded.lineage,
            serial=recorded.serial,
            **known,
        )
        return audited(self.store, begun)

    def outputs(self) -> dict[str, OutputValue]:
        """The spec's outputs, resolved from the state; unknown references stay."""
        return self._evaluate(self.state)

    def recorded_outputs(self) -> dict[str, OutputValue]:
        """The outputs of the last apply, without sensitive ones."""
        return {name: OutputValue(decode(value), False) for name, value in self.state.outputs.items()}

    def results(self, address: Address) -> Results:
        """The training results of a job. Raises FtopsError, ProviderError."""
        here = self.job(address)
        from ftops.providers.training_results import (
            results_of,  # brings csv and base64 along, which no plan needs
        )

        return results_of(self.providers(here.provider), here)

    def job(self, address: Address) -> ResourceState:
        """A recorded job, with its provider in this spec. Raises FtopsError."""
        if address not in self.state.resources:
            raise nothing_recorded(self.state.resources, address, self.state.serial)
        if not kind_of(address).trains:
            raise UsageError(f"{address} isn't a job")
        return located(self.state, self.config)[0].resources[address]

    def _evaluate(self, state: State) -> dict[str, OutputValue]:
        sweeps = self.graph.sweeps
        ready = {a: one for a, one in state.resources.items() if one.status is Status.READY}
        resolver = Resolver.of_records(state.resources, sweeps=sweeps)

        def is_ready(reference: Reference) -> bool:
            return all(address in ready for address in named_by(reference, sweeps))

        return evaluate(self.config.outputs, resolver.look_up, is_ready)
