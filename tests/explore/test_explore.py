"""Random histories of the whole engine, every invariant after every step. `make explore` makes many more."""

from __future__ import annotations

import pytest

from tests.explore.explorer import explore
from tests.support.nightly import by_night


@pytest.mark.parametrize("seed", by_night(range(4), lambda seed: seed > 0))
def test_whatever_happens_nothing_is_lost_paid_twice_or_done_that_was_not_shown(seed: int) -> None:
    found = explore(seed, 60)
    assert not found.counterexample, found.counterexample
