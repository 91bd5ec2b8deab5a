"""Adoption: finds objects of the account that a plan would otherwise create again.

A job is the same if its fingerprint is: base model, method, data, settings, seed and suffix. ftops writes the
fingerprint on each job that it starts. If the service kept none, a job counts as the same only if everything
that it reports leaves no other choice. A file is the same if its digest is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from ftops.config.config import Resource
from ftops.core.address import Address, Expression, Json, Value
from ftops.core.dag_executor import Call
from ftops.core.errors import ProviderError
from ftops.core.lazy import resolve
from ftops.core.resource_types import RESOURCE_TYPES, kind_of
from ftops.core.retry import of_searches
from ftops.core.sign_in import NOT_SIGNED_IN
from ftops.planning.desired import Desired
from ftops.planning.imports import arrived
from ftops.planning.plan import CREATING, Change, Reason
from ftops.planning.refresh import Reader, patient
from ftops.planning.targeting import matching
from ftops.providers.base import Discovers, Existing
from ftops.providers.dataplane.job_wire import is_marked, is_marked_by, same_model
from ftops.state.state import Adoptable, RemoteObject, ResourceState, State, Status, owner_mark

_FIXED = ("method", "beta", "l2_multiplier", "grader", "response_format", "integrations")
"""Inputs of a job that have to be equal if one of the two has them."""
_LOOSE = ("training_type", "suffix")
"""Inputs that have to be equal if the service reports them; not every API version does."""
Listed = Mapping[tuple[str, str], Sequence[Existing]]
"""By provider and kind."""


def find_adoptable(
    changes: Iterable[Change], reader: Reader, state: State, left_alone: Collection[Address] = ()
) -> tuple[Mapping[Address, Adoptable], str]:
    """The objects to adopt instead of creating others, except for those that are to be `left_alone`; and a
    warning if the account couldn't be searched. `state` is the recorded one with everything that the plan
    records. Asks only providers that can list what their account holds."""
    wanted = _to_create(changes, left_alone)
    asked = {change.provider: reader.providers(change.provider) for change in wanted}
    able = {name: provider for name, provider in asked.items() if isinstance(provider, Discovers)}
    wanted = [change for change in wanted if change.provider in able]
    if not wanted:
        return {}, ""
    try:
        retry = of_searches(reader.retry_base)
        listed = reader.gather(_lists(wanted, able), retry)
        candidates = _candidates(wanted, listed, state)
        reads = {
            (change.address, existing.remote.remote_id): (change.provider, _read(reader, change, existing))
            for change in wanted
            for existing in candidates[change.address]
        }
        objects = reader.gather(reads, retry)
    except ProviderError as error:
        if error.code == NOT_SIGNED_IN:
            return {}, ""  # preflight reports it
        return {}, f"can't look for existing files and jobs to adopt: {error.summary}"
    return _chosen(wanted, candidates, objects, state), ""


def adopted(
    resource: Resource, desired: Desired, found: Adoptable, dependencies: tuple[Address, ...], account: str
) -> ResourceState:
    """The record of an object to adopt. It is the same as the declared one."""
    return replace(
        arrived(resource, desired, found.remote, dependencies, account),
        identities=desired.identities,
        fingerprint=desired.fingerprint,
        token=found.token,
        shared=found.shared,
    )


def adoption_reason(found: Adoptable, address: Address) -> Reason:
    """`the same job was trained already: it isn't paid for again`."""
    kind = kind_of(address)
    if kind.is_data:
        text = "the account already has a file with this content"
    elif not kind.trains:
        text = f"the same {kind.kind} exists already"
    else:
        running = found.remote.status is Status.PENDING
        text = f"the same job {'runs' if running else 'was trained'} already: it isn't paid for again"
    return Reason("adopted", text + ("; it belongs to another state" if found.shared else ""))


def _to_create(changes: Iterable[Change], left_alone: Collection[Address]) -> list[Change]:
    """Files and jobs that would be created."""
    found = {
        change.address: change
        for change in changes
        if kind_of(change.address).reusable
        and change.action in CREATING
        and (not kind_of(change.address).is_data or change.after.get("content"))
    }
    out = matching(left_alone, found)
    return [change for address, change in found.items() if address not in out]


def _lists(
    wanted: Sequence[Change], able: Mapping[str, Discovers]
) -> dict[tuple[str, str], tuple[str, Call]]:
    """Files are listed for jobs, too: they tell on what data a job without a fingerprint was trained."""
    return {
        (change.provider, kind): (change.provider, partial(able[change.provider].existing, kind))
        for change in wanted
        for kind in (*(kind for kind, _ in kind_of(change.address).references.values()), change.address.kind)
    }


def _candidates(wanted: Sequence[Change], listed: Listed, state: State) -> dict[Address, list[Existing]]:
    """What could be adopted for each address, best first: finished before running, newest first."""
    records = (*state.resources.values(), *state.deposed.values())
    recorded = {record.remote_id for record in records}
    contents = _contents(listed, records, _identities((*wanted, *records)))
    candidates = {}
    for change in wanted:
        kind = change.address.kind
        is_same = resolve(RESOURCE_TYPES[kind].is_same_object)
        same = [
            existing
            for existing in listed[change.provider, kind]
            if existing.remote.remote_id not in recorded
            and existing.remote.status is not Status.TAINTED
            and is_same(existing, change, contents)
        ]
        candidates[change.address] = sorted(same, key=lambda e: e.remote.status is not Status.READY)
    return candidates


def _identities(datasets: Iterable[Change | ResourceState]) -> Mapping[str, str]:
    """The leading digits of digests of bytes → the digest of the examples, for all datasets planned or
    recorded."""
    found: dict[str, str] = {}
    for item in datasets:
        if kind_of(item.address).is_data:
            content = (item.after if isinstance(item, Change) else item.inputs).get("content")
            digits = _digits(content)
            found[digits] = item.identities.get("content") or found.get(digits) or str(content or "")
    return found


def _contents(
    listed: Listed, records: Iterable[ResourceState], identities: Mapping[str, str]
) -> Mapping[str, str]:
    """Ids of files → the digest of their examples, as far as that is known."""
    files = (
        e for (_, kind), found in listed.items() if RESOURCE_TYPES[kind].is_data for e in found if e.digest
    )
    own = {r.remote_id: _digits(r.inputs.get("content")) for r in records if kind_of(r.address).is_data}
    digits = own | {e.remote.remote_id: e.digest for e in files}
    return {id: identities[found] for id, found in digits.items() if found in identities}


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
    if existing.fingerprint or not change.fingerprint:  # empty: its training data isn't known yet
        return is_same_by_fingerprint(existing, change, contents)
    wanted, reported = change.after, existing.remote.inputs
    if isinstance(wanted.get("model"), Expression) or not same_model(
        wanted.get("model"), reported.get("model")
    ):
        return False
    data = all(
        contents.get(str(reported.get(name, ""))) == (change.identities.get(name) or None)
        for name in ("training", "validation")
    )
    fixed = all(reported.get(name) == wanted.get(name) for name in _FIXED)
    loose = all(reported.get(name, wanted.get(name)) == wanted.get(name) for name in _LOOSE)
    model = str(existing.remote.attributes.get("fine_tuned_model") or "")
    named = "suffix" in reported or "suffix" not in wanted or model.endswith(f"-{wanted['suffix']}")
    return data and fixed and loose and named and _has_same_settings(reported, wanted, change.fingerprint)


def _has_same_settings(reported: Mapping[str, Json], wanted: Mapping[str, Value], fingerprint: str) -> bool:
    """Whether seed and hyperparameters must have been these. A seed that ftops chose is marked with the
    fingerprint. Otherwise both have to be given: what the service chose once, it might choose otherwise."""
    seed = reported.get("seed")
    if "seed" not in wanted:
        return is_marked(seed, fingerprint)
    hyperparameters = wanted.get("hyperparameters") or {}
    return (
        seed == wanted["seed"]
        and hyperparameters == (reported.get("hyperparameters") or {})
        and hyperparameters != {}
    )


def _read(reader: Reader, change: Change, existing: Existing) -> Call:
    """Reads an object; None if the model that it made is deleted."""
    provider = reader.providers(change.provider)
    reported = existing.remote.inputs
    inputs = {n: reported.get(n, "") if isinstance(v, Expression) else v for n, v in change.after.items()}
    record = ResourceState(change.address, change.provider, existing.remote.remote_id, Status.READY, inputs)

    def read() -> RemoteObject | None:
        is_usable = not isinstance(provider, Discovers) or provider.model_exists(existing)
        return provider.read(record) if is_usable else None

    return patient(provider, read, reader.clock, reader.retry_base)


def _chosen(
    wanted: Sequence[Change],
    candidates: Mapping[Address, Sequence[Existing]],
    objects: Mapping[tuple[Address, str], RemoteObject | None],
    state: State,
) -> dict[Address, Adoptable]:
    """The first usable candidate for each address. No object is chosen twice. One is shared unless this state
    created it: its token says so; without one, the seed of a job that ftops chose."""
    mark = owner_mark(state.lineage) if state.lineage else "nobody"
    taken: set[str] = set()
    chosen: dict[Address, Adoptable] = {}
    for change in sorted(wanted, key=lambda c: c.address.sort_key):
        for existing in candidates[change.address]:
            remote = objects[change.address, existing.remote.remote_id]
            if remote is not None and remote.status is not Status.TAINTED and remote.remote_id not in taken:
                taken.add(remote.remote_id)
                is_own = existing.token.startswith(mark)
                if not existing.token and kind_of(change.address).trains and "seed" not in change.after:
                    is_own = is_marked_by(existing.remote.inputs.get("seed"), mark)
                chosen[change.address] = Adoptable(remote, existing.token, shared=not is_own)
                break
    return chosen


def _digits(digest: object) -> str:
    return str(digest or "").removeprefix("sha256:")[:16]
