"""`moved` blocks, `state mv`, `state rm` and `state replace-provider`: entries, and what is refused."""

from __future__ import annotations

import pytest

from ftops.config.config import Move
from ftops.core.address import Address
from ftops.core.errors import FtopsError, SpecError
from ftops.planning.moves import apply_moves, move, remove, replace_provider
from ftops.state.entries import Home, Moved, Removed
from ftops.state.live_state import fold
from tests.support.records import DATA, JOB, SERVING, intent, record, state_of

A, B, C = (Address("job", name) for name in "abc")
AX, AY = Address("job", "a", "x"), Address("job", "a", "y")


@pytest.mark.parametrize(
    ("moves", "recorded", "now"),
    [
        ([(A, B)], [A], {A: B}),
        ([(A, B), (B, C)], [A], {A: C}),
        ([(A, B)], [AX, AY], {AX: Address("job", "b", "x"), AY: Address("job", "b", "y")}),
        ([(AX, C), (A, B)], [AX, AY], {AX: C, AY: Address("job", "b", "y")}),
        ([(A, B)], [C], {}),
    ],
)
def test_moved_blocks_lead_all_the_way(
    moves: list[tuple[Address, Address]], recorded: list[Address], now: dict[Address, Address]
) -> None:
    state = state_of(map(record, recorded))
    after, entries = apply_moves(state, [Move(*one) for one in moves])
    assert dict(pair for entry in entries for pair in entry.moves) == now
    assert set(after.resources) == {now.get(a, a) for a in recorded}
    assert after.serial == state.serial


@pytest.mark.parametrize("moves", [[(A, B)], [(B, C), (A, B)]])
def test_a_block_to_a_taken_address_is_refused(moves: list[tuple[Address, Address]]) -> None:
    """Also if what is there is to move on: a chain of blocks is one object's way over the years."""
    with pytest.raises(SpecError):
        apply_moves(state_of([record(A), record(B)]), [Move(*one) for one in moves])


def test_intents_and_deposed_objects_move_along() -> None:
    state = state_of(deposed=[(record(A), "0a")], pending=[intent(A)])
    after, _ = apply_moves(state, [Move(A, B)])
    assert (list(after.deposed), list(after.pending)) == ([(B, "0a")], [B])


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (C, B, "is not recorded"),
        (A, A, "has that address already"),
        (A, DATA, "a job can't become a dataset"),
        (A, JOB, "is recorded already"),
    ],
)
def test_what_state_mv_refuses(source: Address, target: Address, said: str) -> None:
    with pytest.raises(FtopsError) as refused:
        move(state_of([record(A), record(JOB)]), source, target)
    assert said in refused.value.summary


def test_a_set_does_not_become_one_object() -> None:
    with pytest.raises(FtopsError, match="a set of 2 objects"):
        move(state_of([record(AX), record(AY)]), A, Address("job", "b", "z"))
    assert move(state_of([record(AX)]), A, B) == Moved(((AX, Address("job", "b", "x")),))


def test_all_that_is_recorded_of_an_address_is_forgotten() -> None:
    state = state_of([record(JOB)], [(record(JOB), "0a")], [intent(JOB)])
    entries = remove(state, [JOB])
    assert entries == [Removed(JOB, "0a"), Removed(JOB)]
    assert fold(state, entries).is_empty


def test_objects_at_another_account_are_looked_for_there() -> None:
    here = record(DATA, account="azure:new")
    there = record(SERVING, account="azure:old")
    wanted = replace_provider(state_of([here, there], pending=[intent(JOB)]), "p", Home("q", "azure:new"))
    assert list(wanted.sought) == [(SERVING, "")]
    assert wanted.sought[SERVING, ""].provider == "q"
    assert wanted.intents == (JOB,)
    assert wanted.addresses == (DATA, SERVING, JOB)


def test_a_provider_of_nothing_is_refused() -> None:
    with pytest.raises(FtopsError, match="nothing is recorded at provider"):
        replace_provider(state_of([record(DATA)]), "other", Home("p", ""))
