"""Reuse: recorded objects that fit a resource are taken instead of creating others. Pure.

Creating an equal job again would train twice, and a deployment's name can be used only once. So before a plan
creates anything, it searches the free objects: deposed ones, and those of addresses that are no longer
declared or will be replaced. docs/identity.md has the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from msgspec import Struct

from ftops.core.address import Address
from ftops.core.errors import Blocked, Diagnostic
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.serving import deployment_name
from ftops.planning.comparison import attribute_changes
from ftops.planning.decision import Decision, deposed_key
from ftops.planning.decisions import Decisions
from ftops.planning.plan import CREATING, Action
from ftops.planning.targeting import matching
from ftops.state.entries import Reassignment
from ftops.state.state import ResourceState, Source, Status, recorded_objects

Key = tuple[str, str, str]
"""Account, kind, and what identifies an object: its fingerprint, name or address."""


class Want(Struct, frozen=True):
    """A resource that would be created or replaced. `fits` says whether an object would need no change."""

    decision: Decision
    fits: Callable[[ResourceState], bool]
    is_left_out: bool = False
    """Whether the plan doesn't create it (--target, a gate): it only reuses an object."""

    @property
    def address(self) -> Address:
        return self.decision.resource.address


def wants(decisions: Decisions) -> Iterator[Want]:
    """The resources that would be created and may reuse a recorded object instead."""
    context = decisions.context
    taken = context.reconciled.restored | context.reconciled.inherited.keys()
    for address, decision in (decisions.left_out | decisions.by_address).items():
        asked = RESOURCE_TYPES[address.kind].reusable and context.is_replacement_asked(address)
        if decision.action in CREATING and address not in taken and not asked:
            yield Want(decision, partial(_needs_no_change, decision), address in decisions.left_out)


def _needs_no_change(decision: Decision, recorded: ResourceState) -> bool:
    assert decision.desired is not None  # noqa: S101 - what is created is declared
    return not attribute_changes(decision.resource, decision.desired, recorded, {})


class Records(Struct, frozen=True):
    """The reconciled records. `accounts` are those of the providers."""

    resources: Mapping[Address, ResourceState]
    deposed: Mapping[Source, ResourceState]
    free: frozenset[Address]
    """Addresses whose current object may be reused."""
    accounts: Mapping[str, str]

    @classmethod
    def after(cls, decisions: Decisions) -> Records:
        """Free is what is no longer declared, or would be replaced, unless --exclude, --replace or the drift
        policy keeps it."""
        context, reconciled = decisions.context, decisions.context.reconciled
        recorded = reconciled.resources.keys()
        replaced = {a for a, one in decisions.by_address.items() if one.action is Action.REPLACE}
        free = ((recorded - context.graph.resources.keys()) | replaced | decisions.displaced) & recorded
        free -= reconciled.away | matching(context.options.replaces, recorded)
        left_alone = matching(context.options.excludes, recorded)
        free -= {address for address in left_alone if RESOURCE_TYPES[address.kind].named_by}
        return cls(reconciled.resources, reconciled.deposed, frozenset(free), context.accounts)

    def account(self, provider: str) -> str:
        return self.accounts.get(provider, provider)

    def is_free(self, source: Source) -> bool:
        return bool(source[1]) or source[0] in self.free

    def of(self, source: Source) -> ResourceState:
        return self.deposed[source] if source[1] else self.resources[source[0]]


def reassignments(wants: Iterable[Want], records: Records) -> tuple[Reassignment, ...]:
    """The objects to reuse, each once: named objects only if there are no others, for their names may depend
    on a model. Raises Blocked if a name is taken by an object that the plan doesn't change.
    """
    if not records.resources and not records.deposed:
        return ()
    wants = sorted(wants, key=lambda want: want.address.sort_key)
    unnamed = [want for want in wants if not RESOURCE_TYPES[want.address.kind].named_by]
    named = [want for want in wants if RESOURCE_TYPES[want.address.kind].named_by]
    return _taken(unnamed, records) or _taken(named, records)


def _taken(wants: Sequence[Want], records: Records) -> tuple[Reassignment, ...]:
    index: dict[Key, list[Source]] = {}
    for source, record in recorded_objects(records.resources, records.deposed):
        for key in _keys_of(record, source, records):
            index.setdefault(key, []).append(source)
    taken: dict[Source, Reassignment] = {}
    conflicts: list[Diagnostic] = []
    for want in wants:
        choice = _choose(want, records, index, taken, conflicts)
        if choice is not None:
            current = records.resources.get(want.address)
            deposes = deposed_key(current) if current else ""
            taken[choice] = Reassignment(*choice, want.address, deposes)
    if conflicts:
        raise Blocked(conflicts)
    return tuple(taken.values())


def _keys_of(record: ResourceState, source: Source, records: Records) -> Iterator[Key]:
    """The keys by which an object is found. A deposed one has only its own name: the declared name of a
    blue_green deployment is that of the current object. Reusable ones are found by address, too: an older
    record may have no fingerprint."""
    kind = RESOURCE_TYPES[record.address.kind]
    account = records.account(record.provider)
    if kind.reusable and record.fingerprint and record.status is not Status.TAINTED:
        yield account, kind.kind, record.fingerprint
    if kind.reusable and source[1]:
        yield account, kind.kind, str(record.address)
    if kind.named_by:
        named = {record.outputs.get(kind.named_by) or record.inputs.get(kind.named_by)}
        if not source[1]:
            named.add(record.inputs.get(kind.named_by))
        yield from ((account, kind.kind, name.casefold()) for name in named if isinstance(name, str))


def _choose(
    want: Want,
    records: Records,
    index: Mapping[Key, list[Source]],
    taken: Mapping[Source, Reassignment],
    conflicts: list[Diagnostic],
) -> Source | None:
    kind = RESOURCE_TYPES[want.address.kind]
    account = records.account(want.decision.resource.provider)
    found: list[Source] = []
    if kind.reusable and want.decision.desired is not None:
        fingerprint = want.decision.desired.fingerprint
        found = index.get((account, kind.kind, fingerprint), []) if fingerprint else []
        own = [s for s in index.get((account, kind.kind, str(want.address)), []) if s not in found]
        found = [s for s in (*found, *own) if records.is_free(s)]
        found = [s for s in found if _is_usable(records.of(s), want) and want.fits(records.of(s))]
    for name in _names(want, records):
        found = index.get((account, kind.kind, name.casefold()), [])
        holder = next((s for s in found if s not in taken and not records.is_free(s)), None)
        if holder is not None and want.is_left_out:
            return None
        if holder is not None and holder[0] != want.address:
            summary = f"the name `{name}` of {want.address} is taken by {holder[0]}"
            detail = f"A name can be used only once in an account, and the plan doesn't change {holder[0]}."
            hint = (
                f"plan both together (without --target or --exclude for {holder[0]}), or choose another name"
            )
            conflicts.append(Diagnostic(summary, detail, hint, want.decision.resource.place))
            return None
        if found:
            break
    left = [s for s in found if s not in taken and s != (want.address, "")]

    def rank(source: Source) -> tuple[object, ...]:
        """The old object of the same address first, then finished ones."""
        ready = records.of(source).status is Status.READY
        return source[0] != want.address, not ready, source[0].sort_key, source[1]

    return min(left, key=rank, default=None)


def _is_usable(record: ResourceState, want: Want) -> bool:
    """A job that was stopped is the result of its sweep only."""
    is_stopped = record.stopped and record.address[:2] != want.address[:2]
    return record.status is not Status.TAINTED and not is_stopped


def _names(want: Want, records: Records) -> Iterator[str]:
    """The names at the service that the new object would have and the recorded one doesn't: its own, and the
    declared one that it is made from."""
    decision = want.decision
    named = RESOURCE_TYPES[want.address.kind].named_by
    if not named or decision.desired is None:
        return
    inputs = decision.resource.inputs
    declared = inputs.get(named)
    if not isinstance(declared, str):
        return
    whole = deployment_name(declared, {**decision.desired.inputs, "replace": inputs.get("replace")})
    old = decision.recorded
    own = str(old.outputs.get(named) or old.inputs.get(named) or "").casefold() if old else ""
    gets_name = _gets_name(want, records)
    if whole and (gets_name or whole.casefold() != own):
        yield whole
    if gets_name and whole != declared:
        yield declared


def _gets_name(want: Want, records: Records) -> bool:
    """Whether the declared name would belong to another object than the recorded one."""
    decision = want.decision
    if decision.action is Action.CREATE or decision.recorded is None:
        return True
    named = RESOURCE_TYPES[want.address.kind].named_by
    moves = records.account(decision.recorded.provider) != records.account(decision.resource.provider)
    return moves or any(change.path == named for change in decision.attributes)
