"""Histories of two environments, of which one promotes what the other has trained."""

from __future__ import annotations

import pytest

from tests.explore.environments import Environments, J
from tests.explore.explorer import explore
from tests.explore.faults import Fault
from tests.support.nightly import by_night


@pytest.mark.parametrize("seed", by_night(range(2), lambda seed: seed > 0))
def test_prod_never_trains_and_nothing_in_use_is_deleted(seed: int) -> None:
    found = explore(seed, 12, Environments)
    assert not found.counterexample, found.counterexample


def test_prod_takes_an_evaluation_of_a_model_that_it_has_kept_itself() -> None:
    """Staging has restored its job, and evaluated it again."""
    machine = Environments()
    machine.begin(gated=True, blue_green=False, keep=1)
    machine.promote(Fault())
    for epochs in (5, 0):
        machine.change(content=0, epochs=epochs, then=True)
        machine.apply(1, Fault())
    assert machine.clone(1).state.resources[J].remote_id == "job-2"
    machine.teardown()
