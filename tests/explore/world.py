"""What a history happens to: accounts, folders with a spec and a state each, and the real engine between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import field as struct_field
from msgspec.structs import replace

from ftops.applying.run import Report, Settings
from ftops.config.config import Promotion
from ftops.config.graph import build
from ftops.core.address import Address
from ftops.core.errors import FtopsError
from ftops.core.timestamps import iso_timestamp
from ftops.planning.moves import remove
from ftops.planning.plan import NORMAL, Change, Mode, Options, Plan
from ftops.planning.saved.plan_file import SavedPlan, parse_plan, plan_text
from ftops.providers import Providers
from ftops.session.apply import apply_plan
from ftops.session.saved_plans import revalidate, save
from ftops.session.session import Session
from ftops.state.backends.local import LocalJournal, LocalStore
from ftops.state.encryption import KEY_BYTES, Key, Keys
from ftops.state.entries import Entry
from ftops.state.file_format import StateCodec
from ftops.state.state import Grant, State, owner_mark
from tests.explore import exams
from tests.explore.account import Account, QueueingAccount
from tests.explore.cloud import Asked, Cloud, Event, Places, Thing
from tests.explore.faults import Fault
from tests.explore.spec import Spec, to_config
from tests.support.cloud import VirtualTime
from tests.support.specs import Crash

NOTHING = State("")


_KEYS = tuple(Key(bytes([number]) * KEY_BYTES) for number in range(3))


def form(spec: Spec) -> StateCodec:
    """How the state is written now. It can be read however it was written before."""
    return StateCodec(Keys(_KEYS[spec.key] if spec.key else None, _KEYS, accept_plain=True))


class Open(Providers):
    """The accounts of a spec's providers."""

    def __init__(self, cloud: Cloud, accounts: Mapping[str, str]) -> None:
        super().__init__({}, Path())
        kind = QueueingAccount if cloud.places else Account
        self._open = {name: kind(cloud, account) for name, account in accounts.items()}


class KillableStore(LocalStore, frozen=True):
    """A real store; the process may end around any append to its journal, and says no more then."""

    fault: Fault = struct_field(default_factory=Fault)

    def open_journal(self, state: State) -> LocalJournal:
        return KillableJournal(self, state)

    def remove(self) -> None:
        self.fault.append(super().remove)

    def append_audit(self, name: str, line: str) -> None:
        if not self.fault.crashed:
            super().append_audit(name, line)


class KillableJournal(LocalJournal):
    """The journal of a KillableStore."""

    _store: KillableStore

    def append(self, entries: Iterable[Entry]) -> None:
        self._store.fault.append(lambda: super(KillableJournal, self).append(entries))

    def fold(self, state: State) -> None:
        try:
            self._store.fault.append(lambda: super(KillableJournal, self).fold(state))
        except Crash:
            if self._store.journal_path.exists():
                self.close()
            raise


@dataclass
class Clone:
    """A folder in which somebody works: a spec, the specs before it, and a state."""

    folder: Path
    name: str
    spec: Spec
    past: list[Spec] = field(default_factory=list)
    state: State = NOTHING
    """As read after the last run."""
    ttl: str = ""
    """How long a preview lasts."""
    answered: set[Asked] = field(default_factory=set)
    """Whose answers are kept here."""
    versions: list[tuple[State, str]] = field(default_factory=list)
    """The state and the audit log after each run."""
    environment: str = "default"
    promotes: str = ""
    """The environment whose models it takes."""
    is_copy: bool = False
    """Whether its state comes from another folder."""

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.folder / "state", self.name, self.environment, form(self.spec), keep=2)

    def read(self) -> State:
        """After a run."""
        self.state = self.store.read()
        self.versions.append((self.state, "\n".join(self.store.audit_lines())))
        return self.state


@dataclass
class Saved:
    """A plan that somebody keeps to apply it later."""

    saved: SavedPlan
    spec: Spec
    seen: int
    """The newest object when it was made."""
    begun: set[Path] = field(default_factory=set)
    """The folders in which it was applied. Clones don't know of each other's runs."""


@dataclass
class Run:
    """One command: what was asked, shown and done."""

    clone: Clone
    spec: Spec
    options: Options
    wait: bool
    fault: Fault
    before: State
    there: Mapping[int, Thing]
    wall: datetime
    """The time of its hosting hours."""
    seen: int
    """The newest object when it was planned."""
    is_saved: bool = False
    """Whether it applies a plan that was made earlier: much may have happened since."""
    plan: Plan | None = None
    report: Report | None = None
    error: FtopsError | None = None
    unexpected: Exception | None = None
    crashed: bool = False
    begun: bool = False
    """Whether anything may have been done."""
    events: list[Event] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """The addresses of jobs that were submitted where there was no room."""
    is_refused: bool = False
    """Whether some of it isn't trusted here."""
    answered: frozenset[Asked] = frozenset()
    """Whose answers were kept before."""
    asked: list[Asked] = field(default_factory=list)
    after: State = NOTHING

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.plan.changes if self.plan else ()

    @property
    def is_partial(self) -> bool:
        return bool(self.options.targets or self.options.excludes)

    @property
    def is_normal(self) -> bool:
        return self.options.mode is Mode.NORMAL

    @property
    def is_done(self) -> bool:
        return self.report is not None and self.report.result == "done"

    @property
    def is_held(self) -> bool:
        """Whether a gate is all that kept it from being done."""
        return self.report is not None and self.report.result == "held"

    def __str__(self) -> str:
        return f"{_shown(self.plan)} -> {', '.join(map(str, self.events)) or 'nothing'} -> {self._ending()}"

    def _ending(self) -> str:
        if self.unexpected is not None:
            return f"{type(self.unexpected).__name__}: {self.unexpected}"
        if self.crashed:
            return "killed"
        if self.error is not None:
            return f"refused: {'; '.join(d.summary for d in self.error.diagnostics)}"
        if self.report is None:
            return "planned"
        failed = "; ".join(f"{f.step}: {f.error.summary}" for f in self.report.failures)
        return f"{self.report.result}{f' ({failed})' if failed else ''}"


def _shown(plan: Plan | None) -> str:
    if plan is None:
        return "no plan"
    steps = [
        f"{c.action.value} {c.step}{f' ={c.remote_id}' * bool(c.remote_id)} [{c.reason.code}]"
        for c in plan.changes
    ]
    moves = [f"{source} becomes {target}" for source, target in plan.moves]
    return f"plan: {', '.join([*moves, *steps]) or 'nothing'}"


class World:
    """Accounts, and one or more clones that work on them."""

    def __init__(self, folder: Path, spec: Spec, *, adopt: bool = True, keeps_notes: bool = True) -> None:
        self.folder = folder
        self.clock = VirtualTime()
        self.wall = datetime(2031, 1, 1, 12, tzinfo=UTC)
        """The time of hosting hours."""
        self.cloud = self.open_cloud(keeps_notes)
        self.adopt = adopt
        self.clones: list[Clone] = []
        self.saved: list[Saved] = []
        self.granted: dict[tuple[Path, str], Saved] = {}
        """What was approved, by folder and digest."""
        self.released: set[int] = set()
        """What was forgotten because somebody asked for it."""
        self.anew: set[tuple[Path, Address]] = set()
        """What `--replace` asked for and isn't done yet."""
        self.moments = 0
        self.new_clone("one", spec)

    def open_cloud(self, keeps_notes: bool) -> Cloud:
        """The accounts, empty."""
        return Cloud(self.clock.now, keeps_notes)

    def open_accounts(self, accounts: Mapping[str, str]) -> Providers:
        """By the names of providers."""
        return Open(self.cloud, accounts)

    def limit(self, places: Places) -> None:
        """From now on, accounts take only so many jobs at a time."""
        self.cloud.places = places

    def prepare(self, clone: Clone) -> None:
        """Before each command."""

    def look(self) -> None:
        """Brings what is known of the accounts up to date."""

    def new_clone(self, name: str, spec: Spec) -> Clone:
        """A folder with a spec of that name."""
        folder = self.folder / f"{name}{len(self.clones)}"
        folder.mkdir()
        exams.write(folder)
        self.clones.append(Clone(folder, name, spec))
        return self.clones[-1]

    @property
    def lineages(self) -> set[str]:
        return {clone.state.lineage for clone in self.clones} - {""}

    def is_ours(self, thing: Thing) -> bool:
        """Whether one of the states began it."""
        return bool(thing.token) and thing.token.startswith(tuple(map(owner_mark, self.lineages)))

    # commands

    def plan(self, clone: Clone, options: Options = NORMAL, fault: Fault | None = None) -> Run:
        """`ftops plan`."""
        return self.command(clone, options, fault or Fault(), lambda session, run: None)

    def save(self, clone: Clone, options: Options) -> Run:
        """`ftops plan --out`: the plan goes through the text of its file."""

        def keep(session: Session, run: Run) -> None:
            assert run.plan is not None
            kept = save(session, run.plan, Path("ftops.yaml"), (), run.options, True)
            kept = replace(kept, origin=replace(kept.origin, at=self._moment()))
            kept = parse_plan(plan_text(kept), "plan.ft")
            self.saved.append(Saved(kept, clone.spec, run.seen))

        return self.command(clone, options, Fault(), keep)

    def apply(
        self,
        clone: Clone,
        options: Options = NORMAL,
        *,
        wait: bool = True,
        parallelism: int = 10,
        fault: Fault | None = None,
        saved: Saved | None = None,
        grant: Callable[[Session, Run], Grant | None] = lambda session, run: None,
    ) -> Run:
        """`ftops apply`, of what is planned now or of a saved plan. `grant` gives the approval to record."""

        def carry_out(session: Session, run: Run) -> None:
            made = run.plan
            assert made is not None
            if made.is_empty and not made.entries:
                run.report = Report("held" if made.held else "done", session.state, {}, held=made.held)
                return
            run.begun = True
            settings = Settings(parallelism, wait)
            run.report = apply_plan(
                session,
                made,
                settings,
                lambda event: None,
                planned_at=saved.saved.origin.at if saved else "",
                grant=grant(session, run),
                is_whole=not run.is_partial,
            )

        return self.command(clone, options, fault or Fault(), carry_out, wait, saved)

    def forget(self, clone: Clone, address: Address) -> FtopsError | None:
        """`ftops state rm`; the error if it is refused."""
        try:
            with self._open(clone, Fault()) as session, session.locked("state rm"):
                session.record(remove(session.state, [address]))
        except FtopsError as error:
            return error
        finally:
            clone.read()
        return None

    def open(self, clone: Clone) -> Session:
        """To look only."""
        return self._open(clone, Fault())

    def _open(self, clone: Clone, fault: Fault) -> Session:
        environments = tuple(one.environment for one in self.clones if one.folder == clone.folder)
        config = replace(
            to_config(clone.spec, clone.name, clone.folder),
            ttl=clone.ttl,
            environment=clone.environment,
            environments=environments,
            promotion=Promotion(clone.promotes) if clone.promotes else None,
        )
        where = (clone.folder / "state", clone.name, clone.environment)
        store = KillableStore(*where, form(clone.spec), 2, fault=fault)
        accounts = self.open_accounts(clone.spec.accounts)
        wall = self.wall
        return Session(
            config, store, graph=build(config), providers=accounts, clock=self.clock, wall_clock=lambda: wall
        )

    def command(
        self,
        clone: Clone,
        options: Options,
        fault: Fault,
        then: Callable[[Session, Run], Any],
        wait: bool = True,
        saved: Saved | None = None,
        planned: Callable[[Session, Run], Plan] | None = None,
    ) -> Run:
        """A command: a plan, and what is done with it. `saved` was made before; `planned` makes another one
        than that of the spec or of what was saved."""
        if saved is None:
            options = replace(options, adopt=self.adopt and options.mode is Mode.NORMAL)
        else:
            options = saved.saved.options
        self.prepare(clone)
        self.look()
        run = Run(
            clone,
            saved.spec if saved else clone.spec,
            options,
            wait,
            fault,
            clone.state,
            dict(self.cloud.things),
            self.wall,
            saved.seen if saved else self.cloud.uids,
            saved is not None,
        )
        run.answered = frozenset(clone.answered)
        begin, first, refused = len(self.cloud.log), len(self.cloud.questions), len(self.cloud.refused)
        self.cloud.fault = fault
        try:
            with self._open(clone, fault) as session, session.locked("apply"):
                if planned is not None:
                    run.plan = planned(session, run)
                elif saved is None:
                    run.plan = session.plan(options, preflight=False)
                else:
                    run.plan = revalidate(session, saved.saved)
                then(session, run)
        except Crash:
            run.crashed = True
        except FtopsError as error:
            run.error = error
        except Exception as error:
            run.unexpected = error
        self.cloud.fault = Fault()
        self.look()
        run.events, run.asked = self.cloud.log[begin:], self.cloud.questions[first:]
        run.refused = self.cloud.refused[refused:]
        clone.answered.update(run.asked)
        run.after = clone.read()
        return run

    def _moment(self) -> str:
        """When a plan is saved: never twice the same."""
        self.moments += 1
        return iso_timestamp(datetime(2031, 1, 1, tzinfo=UTC) + timedelta(seconds=self.moments))
