"""Promotion: jobs and evaluations that another environment has, to be taken instead of made again.

The state of the other environment is only read. What isn't there, isn't ready or isn't the same is refused:
an environment that promotes models never trains one. docs/promotion.md describes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.accounts import agrees
from ftops.config.config import Config, Promotion, Resource
from ftops.config.graph import Graph
from ftops.core.address import Address, Value, encode
from ftops.core.dag import closure
from ftops.core.errors import Blocked, Diagnostic
from ftops.core.plurals import plural
from ftops.core.resource_types import kind_of
from ftops.core.snippets import command
from ftops.planning.comparison import attribute_changes
from ftops.planning.desired import Desired
from ftops.planning.plan import (
    CREATING,
    AttributeChange,
    Change,
    Evaluated,
    Mode,
    Options,
    Promoted,
    Reason,
)
from ftops.planning.refresh import Reader, refresh
from ftops.state.state import Promotable, RemoteObject, ResourceState, State, Status, observed_as, scores

Sources = Mapping[Address, str]
"""The environment that a resource is taken from, for those that are promoted."""
_ENV = "--env"


def sources_of(config: Config, graph: Graph, options: Options) -> Sources:
    """All jobs and evaluations of an environment that promotes; of others, the jobs that are asked for, and
    the evaluations that depend on them."""
    if options.mode is not Mode.NORMAL:
        return {}
    if config.promotion:
        kinds = {address: kind_of(address) for address in graph.resources}
        return {a: config.promotion.source for a, kind in kinds.items() if kind.trains or kind.is_record}
    found = dict(options.promotes)
    for address in graph.order if found else ():
        needs = closure([address], graph.dependencies) if kind_of(address).is_record else ()
        if jobs := sorted(options.promotes.keys() & needs, key=lambda job: job.sort_key):
            found[address] = options.promotes[jobs[0]]
    return found


def to_promote(changes: Iterable[Change], sources: Sources) -> list[Change]:
    """What would be trained or evaluated although it is promoted."""
    return [change for change in changes if change.action in CREATING and change.address in sources]


class Origin(Struct, frozen=True):
    """The environments that `changes` are taken from, and what is asked of them."""

    environment: str
    """The one that takes."""
    sources: Sources
    states: Mapping[str, State]
    accounts: Mapping[str, str]
    """Of the providers here."""
    promotion: Promotion | None
    now: datetime

    def find(self, changes: Sequence[Change], reader: Reader, *, look: bool) -> dict[Address, Promotable]:
        """Raises Blocked with every reason why something can't be promoted. Without `look`, the records are
        trusted and no service is asked."""
        found: dict[Address, ResourceState] = {}
        refused: list[Diagnostic] = []
        for change in changes:
            record = self._state(change).resources.get(change.address)
            if refusal := self._refusal(change, record):
                refused.append(refusal)
            elif record is not None:
                found[change.address] = replace(record, provider=change.provider)
        seen = self._seen(found, reader) if look else dict.fromkeys(found, None)
        for change in changes:
            record = found.get(change.address)
            is_there = record is None or not look or bool(record.stopped)
            if not is_there and (refusal := self._gone(change, seen.get(change.address))):
                refused.append(refusal)
        if refused:
            raise Blocked(refused)
        return {address: self._promotable(address, found, seen.get(address)) for address in found}

    def _state(self, change: Change) -> State:
        return self.states[self.sources[change.address]]

    def _seen(
        self, found: Mapping[Address, ResourceState], reader: Reader
    ) -> Mapping[Address, RemoteObject | None]:
        """As deposed ones, whose models are looked for as well."""
        seen = refresh(State("", deposed={(a, "promoted"): r for a, r in found.items()}), reader)
        return {address: remote for (address, _), remote in seen.deposed.items()}

    def _promotable(
        self, address: Address, found: Mapping[Address, ResourceState], remote: RemoteObject | None
    ) -> Promotable:
        source = self.sources[address]
        data = {
            str(r.identities.get("content") or r.inputs.get("content") or ""): examples
            for r in self.states[source].resources.values()
            if kind_of(r.address).is_data and isinstance(examples := r.outputs.get("examples"), int)
        }
        results = [r for r in found.values() if kind_of(r.address).is_record]
        model = found[address].outputs.get("fine_tuned_model")
        judged = tuple(r for r in results if model and _judged(r) == model)
        return Promotable(found[address], remote, source, judged, data)

    # refusals

    def _refusal(self, change: Change, record: ResourceState | None) -> Diagnostic | None:
        address, source = change.address, self.sources[change.address]
        apply = _apply(source)
        if record is None:
            begun = address in self._state(change).pending
            says = f"{source} has begun to create" if begun else f"{source} has no"
            hint = f"finish it: {apply}" if begun else f"apply {source} first: {apply}"
            return self._refused(change, f"{says} {address}", hint)
        if record.status is Status.PENDING:
            hint = f"wait until it has ended: {apply}"
            return self._refused(change, f"{source} is still working on {address}", hint)
        if record.status is Status.TAINTED:
            why = f" ({record.message})" if record.message else ""
            return self._refused(change, f"{address} can't be used in {source}{why}", f"repair it: {apply}")
        home = self.accounts.get(change.provider, "")
        if not agrees(record.account or home, home):
            where = f"{source} has {address} in another account, {record.account}; here it is in {home}"
            hint = f"write `environments: {{{self.environment}: {{promote: {source}}}}}`: it stays there then"
            if self.promotion:
                hint = f"remove `provider` from {address}: it is where {source} has it then"
            return self._refused(change, where, hint)
        if record.remote_id == change.remote_id:
            again = command("ftops", "apply", _ENV, source, "--replace", address)
            return self._refused(change, f"{source} has no other {address} than this one", f"run {again}")
        return self._too_old(change, record)

    def _gone(self, change: Change, seen: RemoteObject | None) -> Diagnostic | None:
        address, source = change.address, self.sources[change.address]
        if seen is not None and seen.status is Status.READY:
            return None
        why = seen.message if seen and seen.message else "the service doesn't have it any more"
        hint = f"let {source} train it again: {_apply(source)}"
        return self._refused(change, f"{address} of {source} is gone: {why}", hint)

    def _too_old(self, change: Change, record: ResourceState) -> Diagnostic | None:
        limit = self.promotion.max_age if self.promotion else None
        if limit is None or not kind_of(change.address).is_record:
            return None
        made = datetime.fromisoformat(record.created_at).astimezone(UTC) if record.created_at else None
        if made and (self.now - made).total_seconds() <= limit:
            return None
        source, when = self.sources[change.address], f"of {made:%Y-%m-%d}" if made else "of an unknown date"
        again = command("ftops", "apply", _ENV, source, "--replace", change.address)
        text = f"{change.address} of {source} is {when}, and `promote_max_age` allows {limit / 86_400:g} days"
        return self._refused(change, text, f"evaluate again: {again}")

    def _refused(self, change: Change, text: str, hint: str) -> Diagnostic:
        source = self.sources[change.address]
        detail = f"{self.environment} trains and evaluates nothing itself: it takes what {source} has."
        place = self.promotion.place if self.promotion else None
        return Diagnostic(f"{change.address} can't be promoted: {text}", detail, hint, place)


def unequal(resource: Resource, desired: Desired, found: Promotable, environment: str) -> Diagnostic | None:
    """The refusal of what isn't the same as declared here. Jobs that are the same have one fingerprint;
    evaluations are compared by their inputs, too."""
    is_same = bool(desired.fingerprint) and found.record.fingerprint == desired.fingerprint
    if is_same and not kind_of(resource.address).is_record:
        return None
    differing = attribute_changes(resource, desired, found.record, {})
    if is_same and not differing:
        return None
    source = found.environment
    parts = [_difference(resource, desired, found, one) for one in differing]
    parts = parts or ["its fingerprint is another"]
    return Diagnostic(
        f"{resource.address} can't be promoted: {environment} would make another one than {source} has",
        f"{'; '.join(parts)}.",
        f"apply the same spec and data to {source} first: {_apply(source)}; then plan again",
        resource.place,
    )


def _difference(resource: Resource, desired: Desired, found: Promotable, difference: AttributeChange) -> str:
    """`training is other data (412 examples, staging has 400)`, or both values."""
    path, source = difference.path, found.environment
    if path not in resource.data:
        before, after = (_shown(value) for value in (difference.before, difference.after))
        return f"{path} is {after}, in {source} {before}"
    count = found.data.get(found.record.identities.get(path, ""))
    trained = f", which trained on {plural(count, 'example')}" if count else ""
    return f"{path} is other data than in {source}{trained}"


def _shown(value: Value) -> str:
    return "not set" if value is None else str(encode(value))


def gate_refused(address: Address, reasons: Iterable[str], source: str) -> Diagnostic:
    """The refusal of a model that didn't pass in the other environment."""
    return Diagnostic(
        f"{address} can't get the promoted model: its gate doesn't pass",
        f"In {source}: {'; '.join(reasons)}.",
        f"promote a model that passes; or, if you know better: --override-gate {address} --reason TEXT",
    )


def record_here(
    resource: Resource, found: Promotable, dependencies: tuple[Address, ...], account: str
) -> ResourceState:
    """The record of a promoted object, which stays that of the other environment."""
    current = observed_as(found.record, found.remote) if found.remote else found.record
    return replace(
        current,
        dependencies=dependencies,
        prevent_destroy=resource.lifecycle.prevent_destroy,
        retain=resource.lifecycle.on_destroy == "retain",
        shared=True,
        account=account,
    )


def promoted(found: Promotable) -> Promoted:
    """What the plan pins and shows."""
    record = found.record
    return Promoted(
        environment=found.environment,
        model=str(record.outputs.get("fine_tuned_model") or ""),
        trained=_day(record.outputs.get("finished_at")),
        evaluated=tuple(map(_evaluated, _results(found))),
    )


def reason_of(found: Promotable) -> Reason:
    """`promoted from staging (trained 2026-11-12, evaluation.copilot 0.97 vs 0.81), $0`."""
    ended = _day(found.record.outputs.get("finished_at"))
    said = [f"trained {ended}"] if ended else []
    said += [scores(result) for result in _results(found)] or ["not evaluated"]
    return Reason("promoted", f"promoted from {found.environment} ({', '.join(said)}), $0")


def _results(found: Promotable) -> tuple[ResourceState, ...]:
    return (found.record,) if kind_of(found.record.address).is_record else found.judged


def _evaluated(record: ResourceState) -> Evaluated:
    outputs: Mapping[str, Any] = record.outputs
    return Evaluated(
        record.address,
        outputs.get("score"),
        outputs.get("baseline_score"),
        str(outputs.get("verdict") or ""),
        record.created_at,
    )


def _judged(record: ResourceState) -> str:
    return str(record.outputs.get("best") or "").partition(":ckpt")[0]


def _day(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return str(seconds or "")[:10]
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _apply(environment: str) -> str:
    return command("ftops", "apply", _ENV, environment)
