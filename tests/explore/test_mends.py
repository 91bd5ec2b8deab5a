"""The exploration finds each fault that the rules of identity keep from happening. Run by `make explore`."""

from __future__ import annotations

import pytest
from hypothesis import Phase

from tests.explore.explorer import Found, explore
from tests.explore.machine import GATED, MANAGED, STARTS, Explore
from tests.explore.mends import MENDS, Mend, taken_out

_SEEDS = range(15, 55)
_HISTORIES = 60
"""Of each seed. Many short explorations find a fault sooner than few long ones."""


@pytest.mark.slow
@pytest.mark.parametrize("mend", MENDS.values(), ids=list(MENDS))
def test_a_mend_that_is_taken_out_is_missed(mend: Mend) -> None:
    found = _first(mend)
    assert found is not None, "nothing was found"
    assert found.broken in mend.shows


def _first(mend: Mend) -> Found | None:
    starts = MANAGED if "managed" in mend.edits else GATED if "gate" in mend.edits else STARTS
    machine = type("Watching", (Explore,), {"watched": mend.shows, "edits": mend.edits, "starts": starts})
    with taken_out(mend):
        every = (explore(seed, _HISTORIES, machine, phases=[Phase.generate]) for seed in _SEEDS)
        return next((found for found in every if found.broken), None)
