"""The exploration finds each fault that the rules of identity keep from happening."""

from __future__ import annotations

import pytest
from hypothesis import Phase

from tests.explore.explorer import explore
from tests.explore.machine import Explore
from tests.explore.mends import MENDS, Mend, taken_out


@pytest.mark.parametrize("mend", MENDS.values(), ids=list(MENDS))
def test_a_mend_that_is_taken_out_is_missed(mend: Mend) -> None:
    machine = type("Watching", (Explore,), {"watched": mend.shows, "edits": mend.edits})
    with taken_out(mend):
        found = explore(7, 2000, machine, phases=[Phase.generate])
    assert found.broken in mend.shows, found.counterexample or "nothing was found"
