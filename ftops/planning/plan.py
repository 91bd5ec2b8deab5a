"""Plan: what apply will do, in which order, and why. Values only; `planner` creates them.

Every change names the steps that it waits for, so apply decides nothing. References stay data
(`${job.x.fine_tuned_model}`): apply resolves them from the state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.config.config import OutputsRead, Resource
from ftops.config.policy import RuleChange
from ftops.config.sweeps import Choice, Stops, Sweeps
from ftops.core.address import Address, Json, Value
from ftops.core.dag import sort
from ftops.core.drift_classes import DRIFT_CLASSES, IGNORE
from ftops.core.errors import Diagnostic, Place
from ftops.planning.estimate import NOTHING, Estimate
from ftops.state.entries import Entry, Moved, Reassigned
from ftops.state.state import Pin


class Action(StrEnum):
    """What a change does to an object: its name, its symbol, what happens, and what the object is then."""

    symbol: str
    doing: str
    done: str

    def __new__(cls, value: str, symbol: str = "", doing: str = "", done: str = "") -> Action:
        action = str.__new__(cls, value)
        action._value_, action.symbol, action.doing, action.done = value, symbol, doing, done
        return action

    CREATE = "create", "+", "creating", "created"
    UPDATE = "update", "~", "updating", "updated"
    REPLACE = "replace", "±", "creating the new object", "replaced"
    DELETE = "delete", "-", "deleting", "deleted"
    ADOPT = "adopt", "=", "adopting", "adopted"
    RESUME = "resume", "=", "resuming", "resumed"
    RESTORE = "restore", "=", "restoring", "restored"
    FORGET = "forget", ".", "forgetting", "forgotten"
    SWITCH = "switch", "⏻", "switching", "switched"


MAKING = frozenset({Action.CREATE, Action.UPDATE, Action.REPLACE})
"""Actions that need quota, models or rights: the others only read or delete."""
CREATING = frozenset({Action.CREATE, Action.REPLACE})
"""Actions that create an object."""
REMOVING = frozenset({Action.DELETE, Action.FORGET})
"""Actions after which nothing is recorded."""


class Mode(StrEnum):
    """What a plan is for."""

    NORMAL = "normal"
    DESTROY = "destroy"
    REFRESH_ONLY = "refresh-only"


class PinTo(NamedTuple):
    """The model to which a deployment goes back, the job that trained it, why, and what it has passed."""

    model: str
    trained_by: Address
    reason: str = ""
    evaluated: str = ""


class PinChange(NamedTuple):
    """A deployment is pinned to a model, for a reason; or released, if there is no model: `why` is `asked`,
    `declared`, `served`, `undeclared` or `destroyed` then."""

    address: Address
    model: str
    why: str


class Options(Struct, frozen=True):
    """The options of a plan. An address without a key means all its instances."""

    mode: Mode = Mode.NORMAL
    targets: tuple[Address, ...] = ()
    excludes: tuple[Address, ...] = ()
    replaces: tuple[Address, ...] = ()
    allow_empty: bool = False
    adopt: bool = False
    """Whether existing files and jobs of the account are adopted instead of created again."""
    overrides: Mapping[Address, str] = {}
    """Deployments that are made even if a gate doesn't pass, and why."""
    rule_overrides: Mapping[str, str] = {}
    """Rules of the policy that are lifted, and why."""
    promotes: Mapping[Address, str] = {}
    """Jobs that are taken from another environment instead of trained, and from which."""
    pins: Mapping[Address, PinTo] = {}
    """Deployments that go back to an earlier model, and stay at it."""
    releases: tuple[Address, ...] = ()
    """Deployments that get the model of the spec again."""


NORMAL = Options()


class Reason(NamedTuple):
    """Why a change is planned. Only for display."""

    code: str
    text: str


class Gate(Struct, frozen=True):
    """What an evaluation must show before a deployment gets a model. `model` may be an expression; the
    evaluation must be of this one."""

    evaluation: Address
    require: Mapping[str, Json]
    model: Value
    allow_override: bool = True


class Evaluated(NamedTuple):
    """The result of an evaluation: shares of right answers, and when it was made."""

    address: Address
    score: float | None
    baseline_score: float | None
    verdict: str
    at: str


class Promoted(Struct, frozen=True, omit_defaults=True):
    """Where a promoted object comes from. `model` is that of a job, `trained` the day on which it ended."""

    environment: str
    model: str = ""
    trained: str = ""
    evaluated: tuple[Evaluated, ...] = ()


class Held(NamedTuple):
    """A resource that stays as it is because a gate didn't pass, and why."""

    address: Address
    reasons: tuple[str, ...]


class Off(NamedTuple):
    """A deployment that doesn't exist now, or won't after the plan, because of its hosting hours. `until`:
    when they begin next, UTC in ISO 8601; `text`: the same on the clock of its hours, `Mon 08:00`."""

    address: Address
    hours: str
    until: str
    text: str


class AttributeChange(NamedTuple):
    """One input that differs. `after` may be an expression: known after apply.

    `note` says where the new value comes from, such as a named hyperparameter set.
    """

    path: str
    before: Value
    after: Value
    forces_replacement: bool = False
    note: str = ""


OLD = "#old"
"""After the address, in the step that deletes an object before its replacement is created."""


class Change(Struct, frozen=True, omit_defaults=True):
    """One step. `step` is unique in a plan: the address, or `address#key` if an old object is deleted.

    `deposes`: the recorded object is kept under this key until the step that deletes it.
    `remote_id`: the existing object.
    """

    step: str
    address: Address
    action: Action
    reason: Reason
    provider: str
    waits_for: tuple[str, ...] = ()
    before: Mapping[str, Value] = field(default_factory=dict)
    after: Mapping[str, Value] = field(default_factory=dict)
    attributes: tuple[AttributeChange, ...] = ()
    identities: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)
    dependencies: tuple[Address, ...] = ()
    fingerprint: str = ""
    remote_id: str = ""
    deposed: str = ""
    deposes: str = ""
    prevent_destroy: bool = False
    retain: bool = False
    gates: tuple[Gate, ...] = ()
    override: str = ""
    """Why it is made although a gate may not pass."""
    goes_on_without: tuple[str, ...] = ()
    """Those of `waits_for` that only have to end: they may fail."""
    promoted: Promoted | None = None
    """Where it comes from, if another environment made it."""
    unless: Mapping[str, Json] = {}
    """Nothing is done if all of these expressions have these values by then: the best of a sweep stays."""

    @property
    def symbol(self) -> str:
        return "≡" if self.promoted else self.action.symbol

    @property
    def former_content(self) -> str | None:
        """The recorded digest of the file, for a dataset whose content changes."""
        before = self.before.get("content") if any(a.path == "content" for a in self.attributes) else None
        return before if isinstance(before, str) else None


class Drift(NamedTuple):
    """How an object differs from what was recorded. `kind` is a class of `drift_classes.DRIFT_CLASSES`,
    `policy` what is done about it."""

    address: Address
    kind: str
    attributes: tuple[AttributeChange, ...] = ()
    policy: str = ""

    @property
    def is_expected(self) -> bool:
        """Whether the service did it by itself, or the policy is to ignore it."""
        return DRIFT_CLASSES[self.kind].expected or self.policy == IGNORE


class SettingChange(NamedTuple):
    """A setting of a resource whose record changes, such as `lifecycle.prevent_destroy`. Nothing changes at
    the service."""

    address: Address
    path: str
    before: Value
    after: Value


class OutputChange(NamedTuple):
    """An output that gets another value; `after` may be an expression. None: no such output."""

    name: str
    before: Value
    after: Value
    sensitive: bool = False


class Destination(Struct, frozen=True):
    """Where a plan is applied. Contains no secrets.

    `providers` has, of each provider that the plan is about, the settings that lead to its account;
    `set_from` names the variables and environment variables among them. `state` says where the state is,
    `variables` what was given from outside the spec (`--var`, files of variables, FTOPS_VAR_…), `policies`
    what the spec says of drift and costs.
    """

    providers: Mapping[str, Mapping[str, str]] = {}
    state: Mapping[str, str] = {}
    variables: Mapping[str, str] = {}
    policies: Mapping[str, str] = {}


NOWHERE = Destination()


class Overridden(Struct, frozen=True):
    """A rule of the policy that is lifted for this plan, why, and what it denied. `until` is the last day of
    an override in the spec, `place` where it stands; both are empty if the command line gave it."""

    rule: str
    reason: str
    until: str = ""
    place: str = ""
    denied: tuple[str, ...] = ()

    def has_ended(self, today: date) -> bool:
        return bool(self.until) and date.fromisoformat(self.until) < today


class PolicyOutcome(Struct, frozen=True):
    """What the policy adds to a plan beside findings: how the spec changes its rules, and what is lifted."""

    changes: tuple[RuleChange, ...] = ()
    overridden: tuple[Overridden, ...] = ()


class Plan(Struct, frozen=True):
    """Changes, each after all that it waits for.

    `entries` are recorded without changing any object, such as the results of refresh. `unchanged` counts the
    resources without changes. `findings` are preflight's and the policy's: a
    plan with an error among them isn't applied.
    """

    spec: str
    environment: str
    lineage: str
    serial: int
    changes: tuple[Change, ...] = ()
    entries: tuple[Entry, ...] = ()
    drift: tuple[Drift, ...] = ()
    outputs: tuple[OutputChange, ...] = ()
    settings: tuple[SettingChange, ...] = ()
    unchanged: int = 0
    held: tuple[Held, ...] = ()
    off: tuple[Off, ...] = ()
    mode: Mode = Mode.NORMAL
    warnings: tuple[str, ...] = ()
    findings: tuple[Diagnostic, ...] = ()
    room: Mapping[str, tuple[str, ...]] = {}
    """Steps → others that they also wait for, because these free what they need in an account with little
    room left."""
    estimate: Estimate = NOTHING
    """The costs and changes of data, for display and for budgets."""
    destination: Destination = NOWHERE
    policy: PolicyOutcome = PolicyOutcome()
    is_approvable: bool = True
    """False for an untrusted plan: it was made without everything that matters."""
    places: Mapping[Address, Mapping[str, Place]] = {}
    """Where changed inputs are written in the spec, by path, and the resource itself (empty path)."""
    known: Mapping[str, Json] = {}
    """The values of expressions in `after` that are known already, for display: apply resolves them again."""
    reads: tuple[OutputsRead, ...] = ()
    """Outputs of other specs that it was made with. Their values count; the serial is for display."""
    sweeps: Sweeps = {}
    """Those whose best job its changes refer to."""
    stops: Stops = {}
    """When jobs that it trains are stopped early."""
    choices: tuple[Choice, ...] = ()
    """The best jobs that the spec refers to, as far as they are known. For display."""
    ttl: str = ""
    """How long the environment lasts after an apply, as written; empty: it doesn't expire."""
    expires_at: str = ""
    """When it expires, as recorded (UTC, ISO 8601); empty: never."""

    pins: tuple[Pin, ...] = ()
    """Those in effect, by deployment."""
    pinning: tuple[PinChange, ...] = ()
    """How they differ from the recorded ones."""

    def providers_of(self, actions: Collection[Action] = frozenset(Action)) -> frozenset[str]:
        """The providers of all changes with these actions."""
        return frozenset({change.provider for change in self.changes if change.action in actions})

    @property
    def approved_changes(self) -> tuple[Change, ...]:
        """Those that an approval is about: hosting hours were approved with the plan that had them, and
        what they switch isn't approved again."""
        return tuple(change for change in self.changes if change.action is not Action.SWITCH)

    @property
    def to_approve(self) -> Plan:
        """Only these."""
        return replace(self, changes=self.approved_changes)

    @property
    def waits_for(self) -> Mapping[str, tuple[str, ...]]:
        """All that each step waits for."""
        return {c.step: (*c.waits_for, *self.room.get(c.step, ())) for c in self.changes}

    def making_room(self, room: Mapping[str, tuple[str, ...]]) -> Plan:
        """The plan whose steps also wait for these, in the order that follows."""
        rank = {change.step: number for number, change in enumerate(self.changes)}
        waiting = replace(self, room=room)
        changes = {change.step: change for change in self.changes}
        order = sort(waiting.waits_for, rank.__getitem__)
        return replace(waiting, changes=tuple(changes[step] for step in order))

    @property
    def is_blocked(self) -> bool:
        """Whether preflight or the policy found errors."""
        return any(finding.severity == "error" for finding in self.findings)

    @property
    def moves(self) -> tuple[tuple[Address, Address], ...]:
        """The resources that get another address: (from, to). Their objects don't change."""
        pairs: list[tuple[Address, Address]] = []
        for entry in self.entries:
            if isinstance(entry, Moved):
                pairs += entry.moves
            elif isinstance(entry, Reassigned):
                pairs += [(one.source, one.target) for one in entry.objects if one.source != one.target]
        return tuple(pairs)

    @property
    def has_hours(self) -> bool:
        """Whether something that is changed has hosting hours."""
        return any("hosting" in change.after for change in self.changes)

    @property
    def noticed(self) -> tuple[Drift, ...]:
        """Drift that isn't ignored."""
        return tuple(drift for drift in self.drift if drift.policy != IGNORE)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do or to record, but when the environment expires."""
        return not (self.changes or self.outputs or self.settings or self.moves or self.stays_for_good)

    @property
    def stays_for_good(self) -> bool:
        """Whether the environment expires until now, and not any more."""
        return self.mode is Mode.NORMAL and bool(self.expires_at) and not self.ttl

    @property
    def summary(self) -> dict[str, int]:
        """How many resources each action concerns; a replacement counts once."""
        replaced = {c.address for c in self.changes if c.action is Action.REPLACE}
        counts = Counter(
            c.action for c in self.changes if c.action is Action.REPLACE or c.address not in replaced
        )
        return {action.value: counts[action] for action in Action}

    def limited_to(self, steps: Collection[str]) -> Plan:
        """Only these steps, and the settings of resources without other steps."""
        others = {change.address for change in self.changes if change.step not in steps}
        return replace(
            self,
            changes=tuple(change for change in self.changes if change.step in steps),
            settings=tuple(setting for setting in self.settings if setting.address not in others),
        )


def sent_resources(plan: Plan, declared: Mapping[Address, Resource]) -> Mapping[Address, Resource]:
    """The declared resources with the inputs that the plan sends: `ignore_changes` may keep other values."""
    sent = {c.address: c.after for c in plan.changes if c.after}
    return {a: replace(r, inputs=sent[a]) if a in sent else r for a, r in declared.items()}
