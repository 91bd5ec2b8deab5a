"""Plan as text: what will change, in which order and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice

from msgspec import Struct, field

from ftops.core.address import Address, Reference, Secret, Value, decode, fill
from ftops.core.drift_classes import DRIFT_CLASSES, GONE
from ftops.core.plurals import agree, plural
from ftops.core.resource_types import kind_of
from ftops.core.snippets import moved_block
from ftops.evaluation.gates import described
from ftops.planning.plan import (
    MAKING,
    Action,
    Change,
    Drift,
    Held,
    Mode,
    Off,
    OutputChange,
    Plan,
    SettingChange,
)
from ftops.planning.saved.plan_digest import plan_digest
from ftops.planning.saved.plan_file import SavedPlan
from ftops.providers.deployment_expiry import lasting_expiry
from ftops.state.entries import Removed
from ftops.views import money
from ftops.views.destination import accounts, destination_lines, lifetime_lines, redirections
from ftops.views.paint import PLAIN, Painter, clean
from ftops.views.pins import pin_notes
from ftops.views.policy import policy_notes
from ftops.views.values import (
    SENSITIVE,
    as_meant,
    attribute_line,
    difference_line,
    leaves,
    short_id,
    show,
    size,
)

_WILL: Mapping[Action, str] = {
    Action.UPDATE: "will be updated in place",
    Action.FORGET: "will be removed from the state; the object is kept",
}
_DRIFT_SECTIONS: Mapping[str, bool] = {
    "Changed outside ftops since the last apply:": False,
    "Expected changes by the service:": True,
}
"""By whether the drift is expected."""
_TAKEN_UP = "already exists: apply continues with it"
_SAYS_NOTHING = frozenset({"declared", "destroy", "replaced"})
"""Codes of reasons that aren't shown: the headline implies them."""
_AWAY = "the old deployment is deleted first: calls fail for a few minutes"
_FIRST = ("name", "path", "model")
"""Inputs that identify a resource are shown first."""
_ALWAYS_COUNTED = ("create", "update", "replace", "delete")
_HELD_HINT = (
    "`ftops eval` with the address of the evaluation shows its answers; `--override-gate` with a `--reason` "
    "deploys all the same"
)
_ALIGN = 26
"""Values are aligned, except those of longer names."""


def draw(plan: Plan, paint: Painter) -> str:
    """The whole plan, its one-line summary last."""
    return "\n".join(_PlanView(plan, paint).lines()) + "\n"


def draw_saved(saved: SavedPlan, paint: Painter) -> str:
    """A saved plan: where it comes from, then the plan."""
    origin, plan = saved.origin, saved.plan
    serial = f"state serial {plan.serial}" if plan.lineage else "nothing recorded yet"
    line = f"Saved plan of {subject(plan)}, created at {origin.at} by ftops {origin.ftops}; {serial}."
    return f"{paint(line, 'dim')}\n\n{draw(plan, paint)}"


def lines_of_changes(plan: Plan) -> Iterator[tuple[Change, list[str]]]:
    """Each change with its lines, unpainted."""
    view = _PlanView(plan, PLAIN)
    return ((change, list(view.change(change))) for change in plan.changes)


def will(change: Change) -> str:
    """`will be created`. An object that an interrupted run created may be ready already."""
    if change.reason.code == "pending":
        return change.reason.text.partition("; ")[0].removeprefix("it ")
    if change.reason.code == "found":
        return _TAKEN_UP
    if change.promoted:
        return change.reason.text
    if change.action is Action.SWITCH:
        return f"will be switched {change.reason.code}"
    return _WILL.get(change.action, f"will be {change.action.done}")


def because(change: Change) -> str:
    """`because seed changes 1 → 2`; of what is paused, how it is resumed."""
    if change.reason.code == "pending":
        return change.reason.text.partition("; ")[2]
    if change.promoted:
        return ""
    return f"because {change.reason.text}" if change.reason.text else ""


def output_lines(plan: Plan) -> list[str]:
    """A line for each output that changes, unpainted."""
    return list(_PlanView(plan, PLAIN).outputs())


def summary_line(plan: Plan) -> str:
    """`Plan: 3 to create, …`, or that there is nothing to do."""
    if plan.mode is Mode.REFRESH_ONLY:
        return _refresh_line(plan)
    if plan.is_empty:
        return _nothing_line(plan)
    noted = [f"{plural(len(plan.settings), 'setting')} to record"] * bool(plan.settings)
    noted += [f"{plural(len(plan.pinning), 'pin')} to record"] * bool(plan.pinning)
    noted += ["an expiry to remove"] * plan.stays_for_good
    if not any(plan.summary.values()):
        what = [f"{plural(len(plan.moves), 'resource')} to move"] * bool(plan.moves) + noted
        return f"Plan: {', '.join(what)}; no object is changed." if what else "Plan: only outputs to change."
    counts = plan.summary | {"move": len(plan.moves)}
    parts = [
        f"{count} to {name}{_old_deleted(plan) if name == 'replace' else ''}"
        for name, count in counts.items()
        if count or name in _ALWAYS_COUNTED
    ]
    return f"Plan: {', '.join(parts + noted)}."


def _old_deleted(plan: Plan) -> str:
    """` (3 old ones deleted)`: those of the resources that are replaced."""
    replaced = {c.address for c in plan.changes if c.action is Action.REPLACE}
    count = sum(c.action is Action.DELETE and c.address in replaced for c in plan.changes)
    return f" ({plural(count, 'old one')} deleted)" if count else ""


def has_changes(plan: Plan) -> bool:
    """Whether applying it changes more than records."""
    return not plan.is_empty or (plan.mode is Mode.REFRESH_ONLY and bool(plan.noticed))


def subject(plan: Plan) -> str:
    """`quickstart`, or `quickstart (prod)` where there are environments."""
    return subject_of(plan.spec, plan.environment)


def subject_of(spec: str, environment: str) -> str:
    """The same, of the names."""
    return spec if environment == "default" else f"{spec} ({environment})"


def _nothing_line(plan: Plan) -> str:
    dropped = sum(isinstance(entry, Removed) for entry in plan.entries)
    if plan.mode is Mode.DESTROY and dropped:
        where = accounts(plan.destination)
        return f"Removed from the state, because not found in {where}: {plural(dropped, 'object')}."
    if plan.mode is Mode.DESTROY:
        return f"No changes. Nothing of {subject(plan)} exists."
    if not plan.unchanged:
        return f"No changes. {subject(plan)} declares no resources."
    match = agree(plan.unchanged, "matches", "match")
    return f"No changes. {plural(plan.unchanged, 'resource')} of {subject(plan)} {match} the spec."


def _refresh_line(plan: Plan) -> str:
    if not plan.noticed:
        return f"No drift. The objects of {subject(plan)} match the state."
    what = plural(len({d.address for d in plan.noticed}), "resource")
    return f"Plan: {what} to update in the state; nothing changes at the service."


def off_line(off: Off) -> str:
    """`deployment.copilot is off until Mon 08:00 Europe/Berlin (hosting hours)`."""
    return clean(f"  {off.address} is off until {off.text} (hosting hours)")


def _renamed(plan: Plan) -> Iterator[str]:
    """Hints about resources that may have been renamed in the spec: one of a kind is created, one deleted."""
    created: defaultdict[str, list[Address]] = defaultdict(list)
    deleted: defaultdict[str, list[Address]] = defaultdict(list)
    for change in plan.changes:
        if change.action is Action.CREATE:
            created[change.address.kind].append(change.address)
        elif change.action is Action.DELETE and change.reason.code == "undeclared":
            deleted[change.address.kind].append(change.address)
    for kind, targets in created.items():
        if len(targets) == len(deleted[kind]) == 1:
            target, source = targets[0], deleted[kind][0]
            yield f"if {target} is {source} under another name, write {moved_block(source, target)}"


class _PlanView(Struct):
    plan: Plan
    paint: Painter
    forgotten: set[Address] = field(default_factory=set)
    many_providers: bool = False
    costs: Mapping[Address, list[str]] = field(default_factory=dict)
    """Lines about costs and data, by resource."""

    def __post_init__(self) -> None:
        changes = self.plan.changes
        self.costs = self._costs()
        self.forgotten = {c.address for c in changes if c.action is Action.FORGET}
        self.many_providers = len({*self.plan.destination.providers, *(c.provider for c in changes)}) > 1

    def lines(self) -> Iterator[str]:
        plan, paint = self.plan, self.paint
        yield from self._notes("warning", policy_notes(plan))
        yield from self._notes("note", pin_notes(plan))
        yield from self._notes("warning", redirections(plan.destination))
        for title, is_expected in _DRIFT_SECTIONS.items():
            drift = [d for d in plan.noticed if d.is_expected == is_expected]
            yield from self._section(title, (line for d in drift for line in drift_lines(d, paint)))
        moves = (f"  {paint(str(a))} has moved to {paint(str(b), 'bold')}" for a, b in plan.moves)
        yield from self._section("Moved to another address; no object is changed:", moves)
        changes = (line for change in plan.changes for line in ("", *self.change(change)))
        yield from self._section(f"Changes for {subject(plan)}, in this order:", islice(changes, 1, None))
        held = (line for one in plan.held for line in held_lines(one, paint))
        yield from self._section("Held by a gate; these stay as they are:", held)
        if plan.held:
            yield from self._notes("hint", [_HELD_HINT])
        yield from self._section(*self._choices())
        yield from self._section("Off by their hosting hours:", map(off_line, plan.off))
        settings = (setting_line(setting, paint) for setting in plan.settings)
        yield from self._section("Recorded only; nothing changes at the service:", settings)
        yield from self._section("Outputs:", self.outputs())
        yield from self._notes("warning", plan.warnings)
        yield from self._notes("note", _renamed(plan))
        cost = money.total(plan.estimate)
        if cost:
            yield paint(cost)
        yield paint(summary_line(plan), "bold")
        yield from map(paint, lifetime_lines(plan))
        if has_changes(plan) or not plan.is_approvable:  # where an untrusted spec leads to is always shown
            for line in destination_lines(plan):
                yield paint(line, "dim")
            digest = plan_digest(plan) if plan.is_approvable else "none, because this plan can't be approved"
            yield paint(f"Digest: {digest}", "dim")

    def _choices(self) -> tuple[str, Iterable[str]]:
        """The title and lines of a section about the best jobs of sweeps."""
        if not self.plan.choices:
            return "", ()
        from ftops.views.choices import TITLE, choice_lines  # few plans have any

        return TITLE, choice_lines(self.plan.choices, self.paint)

    def _section(self, title: str, lines: Iterable[str]) -> Iterator[str]:
        shown = list(lines)
        if shown:
            yield from (self.paint(title, "bold"), "", *shown, "")

    def _notes(self, severity: str, texts: Iterable[str]) -> Iterator[str]:
        for text in texts:
            yield f"{self.paint(severity, severity)}: {self.paint(text)}"
            yield ""

    # changes

    def change(self, change: Change) -> Iterator[str]:
        action, paint = change.action, self.paint
        yield f"  {self.paint(change.symbol, action.value)} {self._headline(change)}"
        reason = self._reason(change)
        if reason:
            yield f"      {self.paint(reason, 'dim')}"
        if action is Action.REPLACE and not kind_of(change.address).is_record:
            yield f"      {self.paint(self._manner(change), 'dim')}"
        if action is Action.CREATE:
            yield from self._inputs(change)
        elif action in (Action.UPDATE, Action.REPLACE):
            yield from self._attributes(change)
        for gate in change.gates if action in MAKING else ():
            yield f"      gate: {paint(f'{gate.evaluation}: {described(gate.require)}')}"
        if change.override and action in MAKING:
            override = f"deployed even if the gate doesn't pass: {change.override}"
            yield f"      {paint(override, 'warning')}"
        if action in MAKING:
            yield from self.costs.get(change.address, ())

    def _costs(self) -> dict[Address, list[str]]:
        estimate, paint = self.plan.estimate, self.paint
        found = {d.address: [f"      data: {paint(money.data(d))}"] for d in estimate.data}
        for job in estimate.training:
            lines = found[job.address] = [f"      cost: {paint(money.training(job))}"]
            if usual := money.time(job):
                lines.append(f"      time: {usual}")
            if job.cut:
                lines.append(f"      {paint('warning', 'warning')}: {money.cut(job)}")
        for deployment in estimate.hosting:
            found[deployment.address] = [f"      cost: {paint(money.hosting(deployment))}"]
        for one in estimate.asking:
            found[one.address] = [f"      {paint(line)}" for line in money.evaluation(one)]
        return found

    def _headline(self, change: Change) -> str:
        paint = self.paint
        line = paint(str(change.address), "bold")
        if change.step != str(change.address):
            line += f"  (old object {paint(short_id(change.remote_id))})"
        elif change.remote_id and change.action not in (Action.UPDATE, Action.REPLACE):
            line += f"  ({paint(short_id(change.remote_id))})"
        line += f"  {paint(will(change), change.action.value)}"
        if self.many_providers:
            line += paint(f"  (provider {change.provider})", "dim")
        return line

    def _reason(self, change: Change) -> str:
        if change.step != str(change.address):
            return ""  # shown with the change that it belongs to
        return "" if change.reason.code in _SAYS_NOTHING else because(change)

    def _manner(self, change: Change) -> str:
        """The order of create and delete."""
        old = short_id(change.remote_id)
        if change.address in self.forgotten:
            return f"the old object ({old}) is kept, but removed from the state"
        if change.deposes:
            return (
                f"the new object is created first; the old one ({old}) is deleted when nothing uses "
                "it any more"
            )
        return _AWAY if kind_of(change.address).serves else "the old object is deleted first"

    def _inputs(self, change: Change) -> Iterator[str]:
        after: Mapping[str, Value] = {name: v for name, v in change.after.items() if name != "gate"}
        if self.plan.known:
            after = {name: fill(value, self._known) for name, value in after.items()}
        inputs = dict(leaves(as_meant(after, change.identities)))
        first = [path for path in _FIRST if path in inputs]
        width = min(max(map(len, inputs), default=0), _ALIGN)
        for path in (*first, *sorted(inputs.keys() - first)):
            line = f"      {_label(path, width)} = {show(inputs[path])}"
            if path == "content" and change.facts:
                line += self.paint(f"  # {_facts(change)}", "dim")
            if path == "sku.name" and (expiry := lasting_expiry(change.after)):
                line += self.paint(f"  # the service deletes it {expiry.planned}", "dim")
            yield line

    def _known(self, leaf: Reference | Secret) -> Value:
        return decode(self.plan.known[str(leaf)]) if str(leaf) in self.plan.known else leaf

    def _attributes(self, change: Change) -> Iterator[str]:
        for attribute in change.attributes:
            yield f"      {attribute_line(attribute, self.paint)}"
        changed = {a.path for a in change.attributes}
        same = sum(1 for path, _ in leaves(change.after) if path not in changed)
        if same and changed:
            unchanged = f"({plural(same, 'attribute')} unchanged)"
            yield f"      {self.paint(unchanged, 'dim')}"

    def outputs(self) -> Iterator[str]:
        width = min(max((len(o.name) for o in self.plan.outputs), default=0), _ALIGN)
        for output in self.plan.outputs:
            yield f"  {self._output(output, width)}"

    def _output(self, output: OutputChange, width: int) -> str:
        name = f"{output.name:{width}}"
        if output.sensitive:
            return f"{self.paint('~', 'update')} {self.paint(name)} = {SENSITIVE}"
        return difference_line(self.paint, name, output.before, output.after, " = ")


def held_lines(held: Held, paint: Painter) -> Iterator[str]:
    """The resource, and what its gates don't find fulfilled."""
    yield f"  {paint('!', 'update')} {paint(str(held.address), 'bold')}"
    for reason in held.reasons:
        yield f"      {paint(reason)}"


def drift_lines(drift: Drift, paint: Painter) -> Iterator[str]:
    """The class of drift, and the inputs that changed."""
    symbol = paint("-", "delete") if drift.kind in GONE else paint("~", "update")
    yield f"  {symbol} {paint(str(drift.address), 'bold')}  {DRIFT_CLASSES[drift.kind].says}"
    for attribute in drift.attributes:
        yield f"      {attribute_line(attribute, paint)}"


def setting_line(setting: SettingChange, paint: Painter) -> str:
    """`~ deployment.chat  lifecycle.prevent_destroy: false → true`."""
    change = f"{setting.path}: {show(setting.before)} {paint('→', 'update')} {show(setting.after)}"
    return f"  {paint('~', 'update')} {paint(str(setting.address), 'bold')}  {change}"


@lru_cache(maxsize=1024)
def _label(path: str, width: int) -> str:
    """Cached, because the same few names occur in every resource."""
    return f"{clean(path):{width}}"


def _facts(change: Change) -> str:
    """`400 examples, 1.2 MB`."""
    examples, count = change.facts.get("examples"), change.facts.get("bytes")
    parts = [plural(examples, "example")] if isinstance(examples, int) else []
    parts += [size(count)] if isinstance(count, int) else []
    prompts = change.facts.get("prompts")
    parts += [plural(prompts, "prompt")] if isinstance(prompts, int) else []
    return ", ".join(parts)
