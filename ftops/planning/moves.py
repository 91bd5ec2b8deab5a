"""Moves: give recorded objects other addresses or providers, or forget them. Pure: State → entries.

No object is changed, only its record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from shlex import quote
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.accounts import accounts_of, agrees
from ftops.config.config import Config, Move
from ftops.core.address import Address
from ftops.core.dag import sort
from ftops.core.errors import Blocked, Diagnostic, FtopsError, SpecError
from ftops.core.plurals import agree
from ftops.core.resource_types import kind_of
from ftops.core.snippets import command
from ftops.core.suggestions import did_you_mean, some, spelled_out
from ftops.evaluation.temporary import prefix_of
from ftops.planning.targeting import matching
from ftops.state.entries import Home, Moved, ProviderReplaced, Removed
from ftops.state.live_state import fold
from ftops.state.state import PendingOperation, ResourceState, Source, State, recorded_objects


def recorded_addresses(state: State) -> set[Address]:
    """All recorded addresses, those of interrupted operations included."""
    return {*state.resources, *state.pending, *(address for address, _ in state.deposed)}


def targets_of(sources: Iterable[Address], source: Address, target: Address) -> dict[Address, Address]:
    """The new address of each instance; a whole set keeps its keys."""
    whole = source.key is None and target.key is None
    return {a: Address(target.kind, target.name, a.key) if whole else target for a in sources}


def move(state: State, source: Address, target: Address) -> Moved:
    """`state mv`. Raises FtopsError if there is nothing to move, or the target is taken."""
    known = recorded_addresses(state)
    sources = _recorded(known, source)
    if source == target:
        raise FtopsError(f"{source} has that address already", "", "name another address to move it to")
    if source.kind != target.kind:
        raise FtopsError(
            f"a {source.kind} can't become a {target.kind}",
            f"{source} is recorded as a {source.kind}, and a move changes only the address.",
            f"move it to an address such as {source.kind}.{target.name}",
        )
    if target.key is not None and len(sources) > 1:
        raise FtopsError(
            f"{source} is a set of {len(sources)} objects, and {target} is one address",
            "",
            f"move one of them, such as {quote(str(sources[0]))}, or all to {target.kind}.{target.name}",
        )
    moves = targets_of(sources, source, target)
    taken = sorted((known - moves.keys()) & set(moves.values()), key=lambda a: a.sort_key)
    if taken:
        raise FtopsError(
            f"{taken[0]} is recorded already",
            "Two objects can't have one address; the one that has it would be forgotten.",
            _making_room(taken[0]),
        )
    return Moved(tuple(moves.items()))


def _making_room(taken: Address) -> str:
    return (
        f"give that another address first: {command('ftops', 'state', 'mv', taken, f'{taken.kind}.NAME')}; "
        f"{command('ftops', 'state', 'rm', taken)} would leave its object at the service, unmanaged"
    )


def remove(state: State, wanted: Collection[Address], *, force: bool = False) -> list[Removed]:
    """`state rm`: forgets these addresses, with their old objects and interrupted operations. Raises
    FtopsError if nothing is recorded there, or, without `force`, if temporary deployments would be left."""
    known = recorded_addresses(state)
    gone = {address: None for one in wanted for address in _recorded(known, one)}
    for address in gone:
        if (names := _temporary(state, address)) and not force:
            raise FtopsError(
                f"{address} was interrupted, and may have left a temporary deployment",
                f"If {some(names)} exists, only this record says whose it is, and it goes on costing money.",
                "run `ftops apply`, which deletes it; to remove the evaluation, remove it from the spec "
                "first. If the account is gone for good, --force forgets it all the same",
            )
    old = [Removed(address, key) for address, key in state.deposed if address in gone]
    return old + [Removed(a) for a in gone if a in state.resources or a in state.pending]


def _temporary(state: State, address: Address) -> list[str]:
    """The names of temporary deployments that an interrupted evaluation may have left."""
    if not kind_of(address).is_record:
        return []
    recorded, pending = state.resources.get(address), state.pending.get(address)
    names: Any = recorded.outputs.get("temporary") if recorded else None
    return [*(names or ()), *([f"{prefix_of(pending.token)}-…"] if pending else [])]


class Replacement(Struct, frozen=True):
    """What `state replace-provider` records, and what has to be checked first.

    `sought` are the objects recorded in another account, as they will be recorded: if they exist in the new
    account, it is the same one. `intents` have no object that could be checked.
    """

    home: Home
    entries: tuple[ProviderReplaced, ...]
    addresses: tuple[Address, ...]
    sought: Mapping[Source, ResourceState]
    intents: tuple[Address, ...]


def replace_provider(state: State, before: str, after: Home) -> Replacement:
    """`state replace-provider`. Raises FtopsError if nothing is recorded at that provider."""
    records = dict(recorded_objects(state.resources, state.deposed))
    everything: list[ResourceState | PendingOperation] = [*records.values(), *state.pending.values()]
    found = [one for one in everything if one.provider == before]
    if not found:
        names = {one.provider for one in everything}
        raise FtopsError(
            f"nothing is recorded at provider {before!r}", "", did_you_mean(before, names, nothing="")
        )
    homes = {Home(one.provider, one.account) for one in found} - {after}

    def is_elsewhere(one: ResourceState | PendingOperation) -> bool:
        return one.provider == before and one.account != after.account

    return Replacement(
        home=after,
        entries=tuple(ProviderReplaced(home, after) for home in sorted(homes)),
        addresses=tuple(sorted({one.address for one in found}, key=lambda address: address.sort_key)),
        sought={
            source: replace(record, provider=after.provider, account=after.account)
            for source, record in records.items()
            if is_elsewhere(record)
        },
        intents=tuple(address for address, one in state.pending.items() if is_elsewhere(one)),
    )


def not_there(wanted: Replacement, gone: Collection[Source]) -> Diagnostic:
    """The error if some of the objects don't exist in the account."""
    provider, account = wanted.home
    names = [f"{address}#{key}" if key else str(address) for address, key in gone]
    count, total = len(gone), len(wanted.sought)
    lost = f"{count} of the {total} objects {agree(count, 'was', 'were')}n't"
    if count == total:
        lost = f"none of the {total} objects was" if total > 1 else "the object wasn't"
    return Diagnostic(
        f"{lost} found in {account}",
        f"Provider {provider} uses that account, and these aren't in it: {some(names, 10)}. "
        "ftops would consider them deleted, create them again, and no longer manage those that exist.",
        "point the provider to the account that has them; `ftops state rm` forgets objects that are gone for "
        "good. --force records it anyway",
    )


def nothing_to_go_by(wanted: Replacement) -> Diagnostic:
    """The error if only operations without an object would change their account."""
    (provider, account), names = wanted.home, ", ".join(map(str, wanted.intents))
    return Diagnostic(
        f"can't tell whether {account} is the account of {names}",
        "An interrupted run began to create this, and there is no recorded object to look for.",
        f"if provider {provider} uses the account in which it was started, record it with --force",
    )


def check_replacement(state: State, pushed: State) -> None:
    """`state push`: refuses a state that belongs to another spec, or is older than the recorded one."""
    if state.lineage and pushed.lineage != state.lineage:
        raise FtopsError(
            "the state to push is a different one",
            f"its lineage is {pushed.lineage or 'empty'}, and that of the recorded state is {state.lineage}: "
            "it belongs to another spec or environment, and the recorded objects would no longer be managed.",
            "choose the spec and environment that it belongs to; --force pushes it anyway",
        )
    if pushed.serial < state.serial:
        raise FtopsError(
            "the state to push is older than the recorded one",
            f"its serial is {pushed.serial}, and that of the recorded state is {state.serial}: "
            "changes made in between would be forgotten, and objects created again.",
            "pull the newest one and edit that; --force pushes it anyway",
        )
    if pushed.serial == state.serial and pushed != state:
        raise FtopsError(
            "the state to push has the same serial as the recorded one, but differs",
            f"both say {state.serial}, so ftops can't tell which one is newer.",
            'raise its "serial" by one if it is the right one',
        )


def apply_moves(state: State, moves: Collection[Move]) -> tuple[State, tuple[Moved, ...]]:
    """The state after the spec's `moved` blocks, with the same serial, and the entry that records them.

    Chains such as `a` to `b` and `b` to `c` are followed to their end. Raises SpecError if an address is
    taken.
    """
    known = recorded_addresses(state) if moves else set()
    origins = {address: address for address in known}
    taken: list[Diagnostic] = []
    for one in _in_order(moves):
        whole = one.target.key is None
        sources = matching([one.source], origins) if whole else {one.source} & origins.keys()
        targets = targets_of(sorted(sources, key=lambda a: a.sort_key), one.source, one.target)
        if occupied := [a for a in targets.values() if a in origins]:
            summary = f"{one.source} can't move to {occupied[0]}: something is recorded there already"
            detail = "Two objects can't have one address; the one that has it would be forgotten."
            taken.append(Diagnostic(summary, detail, _making_room(occupied[0]), one.place))
            continue
        for source, target in targets.items():
            origins[target] = origins.pop(source)
    if taken:
        raise SpecError(taken)
    pairs = [(origin, now) for now, origin in origins.items() if origin != now]
    moved = Moved(tuple(sorted(pairs, key=lambda pair: pair[0].sort_key)))
    if not moved.moves:
        return state, ()
    return replace(fold(state, [moved]), serial=state.serial), (moved,)


def _in_order(moves: Collection[Move]) -> list[Move]:
    """Each move after those that lead to its source, and the move of a set after those of single objects of
    it."""
    leading: dict[tuple[str, str], list[Move]] = {}
    leaving: dict[tuple[str, str], list[Move]] = {}
    for one in moves:
        leading.setdefault(one.target[:2], []).append(one)
        if one.source.key is not None:
            leaving.setdefault(one.source[:2], []).append(one)
    waits = {
        one: [
            m
            for m in leading.get(one.source[:2], ())
            if m != one and (m.target == one.source or None in (m.target.key, one.source.key))
        ]
        + (leaving.get(one.source[:2], []) if one.source.key is None else [])
        for one in moves
    }
    order = dict.fromkeys(sort(waits, lambda one: one.source.sort_key))
    return list(order | dict.fromkeys(moves))


_EMPTIED = "Nothing is recorded now. `ftops audit` lists what was applied and destroyed."


def nothing_recorded(known: Collection[Address], wanted: Address, serial: int = 0) -> FtopsError:
    """The error for an address that isn't recorded. `serial` is that of the state."""
    siblings = sorted((a for a in known if a[:2] == wanted[:2]), key=lambda a: a.sort_key)
    hint = f"recorded are {', '.join(quote(str(a)) for a in siblings[:12])}"
    if whole := spelled_out(str(wanted), map(str, siblings)):
        hint = f"did you mean {quote(whole)}?"
    if not siblings:
        near = known if wanted.key else [one._replace(key=None) for one in known]
        nothing = _EMPTIED if serial else "Nothing is recorded: has it been applied?"
        hint = did_you_mean(str(wanted), map(str, near), nothing=nothing)
    return FtopsError(f"{wanted} is not recorded", "", hint)


def _recorded(known: Collection[Address], wanted: Address) -> list[Address]:
    found = sorted(matching([wanted], known), key=lambda a: a.sort_key)
    if not found:
        raise nothing_recorded(known, wanted)
    return found


def located(state: State, config: Config) -> tuple[State, tuple[ProviderReplaced, ...]]:
    """The state, with the same serial, with each object at a provider of the spec that reaches its account:
    the recorded one unless it uses another account now; and the entries that record it. Raises Blocked if no
    provider does."""
    accounts = accounts_of(config)
    records: list[ResourceState | PendingOperation] = [*state.resources.values(), *state.pending.values()]
    records += state.deposed.values()
    homes = sorted({Home(one.provider, one.account) for one in records})
    names = {home: _reaching(*home, accounts) for home in homes}
    lost = {home for home, name in names.items() if name is None}
    if lost:
        gone = {home: [str(r.address) for r in records if (r.provider, r.account) == home] for home in lost}
        raise Blocked([_unreachable(*home, gone[home], accounts) for home in sorted(lost)])
    entries = tuple(
        ProviderReplaced(home, Home(name, home.account))
        for home, name in names.items()
        if name is not None and name != home.provider
    )
    return (replace(fold(state, entries), serial=state.serial) if entries else state), entries


def _reaching(provider: str, account: str, accounts: Mapping[str, str]) -> str | None:
    """The provider by which an account is reached; None if there is none. Another provider than the recorded
    one has to name just this account."""
    if not account or (provider in accounts and agrees(accounts[provider], account)):
        return provider
    return next((name for name in sorted(accounts) if accounts[name] == account), None)


def _unreachable(
    provider: str, account: str, addresses: list[str], accounts: Mapping[str, str]
) -> Diagnostic:
    instead = accounts.get(provider)
    where = f"the spec declares no provider `{provider}`"
    where = f"provider {provider} is {instead} in the spec" if instead else where
    return Diagnostic(
        f"no provider of the spec reaches {account}",
        f"{some(sorted(addresses), 5)} exist there, and {where}. ftops would no longer manage these objects.",
        "declare that account as another provider, under any name: the plan then replaces the objects and "
        "deletes the old ones. If it is the same account under another address, run "
        f"{command('ftops', 'state', 'replace-provider', provider, provider if instead else 'NAME')}; "
        "if it is gone for good, `ftops state rm` forgets them",
    )
