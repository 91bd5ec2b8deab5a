"""A few of the same histories over HTTP, against emulators. `make explore-http` makes many more."""

from __future__ import annotations

from tests.explore.emulated import emulated
from tests.explore.explorer import explore


def test_over_http_nothing_is_lost_paid_twice_or_done_that_was_not_shown() -> None:
    with emulated() as machine:
        found = explore(1, 6, machine)
    assert not found.counterexample, found.counterexample
