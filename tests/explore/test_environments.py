"""Histories of two environments, of which one promotes what the other has trained."""

from __future__ import annotations

import pytest

from tests.explore.environments import Environments
from tests.explore.explorer import explore
from tests.support.nightly import by_night


@pytest.mark.parametrize("seed", by_night(range(2), lambda seed: seed > 0))
def test_prod_never_trains_and_nothing_in_use_is_deleted(seed: int) -> None:
    found = explore(seed, 12, Environments)
    assert not found.counterexample, found.counterexample
