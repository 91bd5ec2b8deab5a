"""What a plan would make, and the account holds already: (Plan, lists of the account) → what to adopt.

A job is the same when its fingerprint is: base model, method, data, settings, seed and suffix. ftops writes
that on each job that it starts. Where the service kept no note, a job is the same only if all that it
reports leaves no other choice. A file is the same when its digest is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pkgutil import resolve_name
from typing import Any, TypeVar

from msgspec import Struct

from ftops.core.address import Address, Expression, Json, Value
from ftops.core.dag_executor import Call, Clock, RealTime
from ftops.core.errors import ProviderError
from ftops.core.resource_types import RESOURCE_TYPES, kind_of
from ftops.core.retry import of_searches
from ftops.planning.moves import instances
from ftops.planning.plan import Action, Change
from ftops.planning.refresh import gather, patient
from ftops.providers.base import Discovers, Existing, Provider
from ftops.providers.dataplane.job_wire import is_marked, is_marked_by, same_model
from ftops.state.state import Adoptable, RemoteObject, ResourceState, State, Status, owner_mark

_FIXED = ("method", "beta", "grader", "response_format", "integrations")
"""Inputs of a job that have to be the same wherever one of the two says anything."""
_LOOSE = ("training_type", "suffix")
"""Inputs that have to be the same where the service reports them; not every version does."""
K = TypeVar("K", bound=Hashable)
Listed = Mapping[tuple[str, str], Sequence[Existing]]
"""By provider and kind."""


class Search(Struct, frozen=True):
    """How to look: what is on record with all that the plan records, such as found and imported objects, what
    is left out of it, and how many calls at once."""

    state: State
    replaces: tuple[Address, ...] = ()
    parallelism: int = 10
    retry_base: float = 1.0
    clock: Clock | None = None
    imports: frozenset[Address] = frozenset()
    """Addresses for which the spec names an object itself."""


def look_for(
    changes: Iterable[Change], providers: Callable[[str], Provider], search: Search
) -> tuple[Mapping[Address, Adoptable], str]:
    """What there is to adopt in place of what would be made, and why nothing was found out, if so.
    Asks only providers that can list what their account holds."""
    wanted = [c for c in _wanted(changes, search.replaces) if c.address not in search.imports]
    makers = {change.provider for change in wanted}
    telling = {name for name in makers if isinstance(providers(name), Discovers)}
    wanted = [change for change in wanted if change.provider in telling]
    if not wanted:
        return {}, ""
    try:
        listed = _gather(_lists(wanted, providers), providers, search)
        candidates = _candidates(wanted, listed, search.state)
        seen = _gather(_looks(wanted, candidates, providers, search), providers, search)
    except ProviderError as error:
        return {}, f"can't look for objects to adopt: {error.summary}"
    return _chosen(wanted, candidates, seen, search.state), ""


def _wanted(changes: Iterable[Change], replaces: tuple[Address, ...]) -> Iterator[Change]:
    for change in changes:
        kind = kind_of(change.address)
        if kind.reusable and change.action in (Action.CREATE, Action.REPLACE):
            asked = any(instances([change.address], one) for one in replaces)
            if not asked and (not kind.is_data or change.after.get("content")):
                yield change


def _lists(
    wanted: Sequence[Change], providers: Callable[[str], Provider]
) -> dict[tuple[str, str], tuple[str, Call]]:
    """Files are listed for jobs, too: they say on what data a job without a note was trained."""
    turns: dict[tuple[str, str], tuple[str, Call]] = {}
    for change in wanted:
        referred = (kind for kind, _ in kind_of(change.address).references.values())
        for kind in dict.fromkeys((*referred, change.address.kind)):
            provider = providers(change.provider)
            if isinstance(provider, Discovers):
                turns[change.provider, kind] = change.provider, _listing(provider, kind)
    return turns


def _listing(provider: Discovers, kind: str) -> Call:
    return lambda: provider.existing(kind)


def _candidates(wanted: Sequence[Change], listed: Listed, state: State) -> dict[Address, list[Existing]]:
    """What could be adopted, by address, best first: finished before running, newest first."""
    records = (*state.resources.values(), *state.deposed.values())
    known = {record.remote_id for record in records}
    contents = _contents(listed, records, _spellings((*wanted, *records)))
    found = {}
    for change in wanted:
        kind = change.address.kind
        there = [e for e in listed[change.provider, kind] if e.remote.remote_id not in known]
        is_same = resolve_name(RESOURCE_TYPES[kind].is_same_object)
        same = [e for e in there if e.remote.status is not Status.TAINTED and is_same(e, change, contents)]
        found[change.address] = sorted(same, key=lambda e: e.remote.status is not Status.READY)
    return found


def _spellings(datasets: Iterable[Change | ResourceState]) -> Mapping[str, str]:
    """The leading digits of digests of bytes → the digest of what they spell, of all datasets planned
    or recorded."""
    inputs = ((d, d.after if isinstance(d, Change) else d.inputs) for d in datasets)
    found: dict[str, str] = {}
    for d, given in inputs:
        if kind_of(d.address).is_data:
            digits, meant = _digits(given.get("content")), d.identities.get("content")
            found[digits] = meant or found.get(digits) or str(given.get("content") or "")
    return found


def _contents(
    listed: Listed, records: Iterable[ResourceState], spellings: Mapping[str, str]
) -> Mapping[str, str]:
    """Ids of files → what is in them, as far as that is known."""
    files = (
        e for (_, kind), found in listed.items() if RESOURCE_TYPES[kind].is_data for e in found if e.digest
    )
    own = {r.remote_id: _digits(r.inputs.get("content")) for r in records if kind_of(r.address).is_data}
    digits = own | {e.remote.remote_id: e.digest for e in files}
    return {id: spellings[found] for id, found in digits.items() if found in spellings}


def is_same_by_fingerprint(existing: Existing, change: Change, contents: Mapping[str, str]) -> bool:
    return bool(change.fingerprint) and existing.fingerprint == change.fingerprint


def is_same_file(existing: Existing, change: Change, contents: Mapping[str, str]) -> bool:
    size, planned = existing.remote.attributes.get("bytes"), change.facts.get("bytes")
    return (
        existing.digest == _digits(change.after.get("content"))
        and existing.remote.inputs.get("purpose") == change.after.get("purpose")
        and (size is None or planned is None or size == planned)
    )


def is_same_job(existing: Existing, change: Change, contents: Mapping[str, str]) -> bool:
    if existing.fingerprint or not change.fingerprint:  # empty: on what it would train isn't known yet
        return is_same_by_fingerprint(existing, change, contents)
    wanted, there = change.after, existing.remote.inputs
    if isinstance(wanted.get("model"), Expression) or not same_model(wanted.get("model"), there.get("model")):
        return False
    data = all(
        contents.get(str(there.get(name, ""))) == (change.identities.get(name) or None)
        for name in ("training", "validation")
    )
    fixed = all(there.get(name) == wanted.get(name) for name in _FIXED if name in there or name in wanted)
    loose = all(there.get(name, wanted.get(name)) == wanted.get(name) for name in _LOOSE)
    model = str(existing.remote.attributes.get("fine_tuned_model") or "")
    named = "suffix" in there or "suffix" not in wanted or model.endswith(f"-{wanted['suffix']}")
    return data and fixed and loose and named and _is_same_start(there, wanted, change.fingerprint)


def _is_same_start(there: Mapping[str, Json], wanted: Mapping[str, Value], fingerprint: str) -> bool:
    """Whether the settings must have been these. A seed that ftops chose says so by its mark; else every
    one has to be asked for by number: what the service chose by itself, it might choose otherwise."""
    chosen, reported = wanted.get("hyperparameters") or {}, there.get("hyperparameters") or {}
    seed = there.get("seed")
    if "seed" not in wanted:
        return is_marked(seed, fingerprint)
    return seed == wanted["seed"] and chosen == reported and chosen != {}


def _looks(
    wanted: Sequence[Change],
    candidates: Mapping[Address, Sequence[Existing]],
    providers: Callable[[str], Provider],
    search: Search,
) -> dict[tuple[Address, str], tuple[str, Call]]:
    return {
        (change.address, existing.remote.remote_id): (
            change.provider,
            _look(providers(change.provider), change, existing, search),
        )
        for change in wanted
        for existing in candidates[change.address]
    }


def _look(provider: Provider, change: Change, existing: Existing, search: Search) -> Call:
    """The object as a read shows it; None where what it made is gone."""
    there = existing.remote.inputs
    inputs = {n: there.get(n, "") if isinstance(v, Expression) else v for n, v in change.after.items()}
    record = ResourceState(change.address, change.provider, existing.remote.remote_id, Status.READY, inputs)

    def look() -> RemoteObject | None:
        of_use = not isinstance(provider, Discovers) or provider.model_exists(existing)
        return provider.read(record) if of_use else None

    return patient(provider, look, search.clock or RealTime(), search.retry_base)


def _chosen(
    wanted: Sequence[Change],
    candidates: Mapping[Address, Sequence[Existing]],
    seen: Mapping[tuple[Address, str], RemoteObject | None],
    state: State,
) -> dict[Address, Adoptable]:
    """One object each: two resources that are alike need two."""
    mark = owner_mark(state.lineage) if state.lineage else "nobody"
    taken: set[str] = set()
    chosen: dict[Address, Adoptable] = {}
    for change in sorted(wanted, key=lambda c: c.address.sort_key):
        for existing in candidates[change.address]:
            remote = seen[change.address, existing.remote.remote_id]
            if remote is not None and remote.status is not Status.TAINTED and remote.remote_id not in taken:
                taken.add(remote.remote_id)
                is_own = _is_own(existing, change, mark)
                chosen[change.address] = Adoptable(remote, existing.token, shared=not is_own)
                break
    return chosen


def _is_own(existing: Existing, change: Change, mark: str) -> bool:
    """Whether the state with this mark created it: its token says so, or, where the service kept no note, the
    seed that ftops chose."""
    if existing.token or not RESOURCE_TYPES[existing.kind].trains or "seed" in change.after:
        return existing.token.startswith(mark)
    return is_marked_by(existing.remote.inputs.get("seed"), mark)


def _digits(digest: object) -> str:
    return str(digest or "").removeprefix("sha256:")[:16]


def _gather(
    turns: Mapping[K, tuple[str, Call]], providers: Callable[[str], Provider], search: Search
) -> dict[K, Any]:
    clock = search.clock or RealTime()
    return gather(turns, providers, search.parallelism, clock, of_searches(search.retry_base))
