"""Moves of any state: nothing is lost, nothing is left behind, and moving back undoes it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ftops.core.address import Address
from ftops.planning.moves import move, recorded_addresses
from ftops.state.entries import Entry, Home, Moved, ProviderReplaced
from ftops.state.file_format import entry_from_json, entry_to_json
from ftops.state.live_state import fold
from ftops.state.state import ResourceState, State, Status

addresses = st.builds(
    Address, st.just("job"), st.sampled_from("abc"), st.sampled_from([None, "x", 'q"\\', "é"])
)


@st.composite
def states(draw: st.DrawFn) -> State:
    found = draw(st.lists(addresses, min_size=1, max_size=6, unique=True))
    resources = {
        a: ResourceState(
            a,
            "p",
            f"id-{n}",
            Status.READY,
            dependencies=tuple(sorted(draw(st.sets(st.sampled_from(found))) - {a}, key=lambda x: x.sort_key)),
        )
        for n, a in enumerate(found)
    }
    deposed = {(a, "0"): replace(r, remote_id=f"old-{r.remote_id}") for a, r in list(resources.items())[::2]}
    return State("line", 3, resources, deposed)


@given(states(), st.data())
def test_a_move_and_its_way_back(state: State, data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(sorted(recorded_addresses(state), key=lambda a: a.sort_key)))
    moved = move(state, source, Address("job", "new", source.key and "k"))
    there = fold(state, [moved])
    names = dict(moved.moves)
    assert {r.remote_id for r in there.resources.values()} == {r.remote_id for r in state.resources.values()}
    assert all(r.address == a for a, r in there.resources.items())
    assert all(r.address == a for (a, _), r in there.deposed.items())
    used = {d for r in (*there.resources.values(), *there.deposed.values()) for d in r.dependencies}
    assert used.isdisjoint(names)
    back = fold(there, [Moved(tuple((b, a) for a, b in moved.moves))])
    assert replace(back, serial=3) == state


homes = st.builds(Home, st.text(), st.text())


@given(st.lists(st.tuples(addresses, addresses)), homes, homes)
def test_entries_round_trip(moves: list[tuple[Address, Address]], before: Home, after: Home) -> None:
    entries: list[Entry] = [Moved(tuple(moves)), ProviderReplaced(before, after)]
    assert [entry_from_json(entry_to_json(entry)) for entry in entries] == entries
