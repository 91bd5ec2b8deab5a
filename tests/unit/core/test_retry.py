"""How often a call is tried, and how long between."""

from __future__ import annotations

import pytest

from ftops.core.retry import Backoff, of_changes, of_places, of_reads, of_searches


def test_waits_double_up_to_the_longest() -> None:
    waits = [of_changes(1.0).wait(failures) for failures in range(1, 13)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, None]


@pytest.mark.parametrize(("retry", "longest"), [(of_changes(1.0), 300), (of_reads(1.0), 60)])
def test_what_the_service_names_counts_within_limits(retry: Backoff, longest: float) -> None:
    assert [retry.wait(4, named) for named in (0.0, 20.0, 86_400.0)] == [0, 20, longest]
    assert retry.wait(retry.tries, 1.0) is None


def test_reads_are_given_up_sooner() -> None:
    assert [of_reads(0.5).wait(failures) for failures in range(1, 6)] == [0.5, 1, 2, 4, None]
    assert [of_searches(0.5).wait(failures) for failures in (1, 2)] == [0.5, None]


def test_room_is_waited_for_without_end() -> None:
    assert [of_places(1.0).wait(failures) for failures in (1, 7, 5000)] == [1, 60, 60]
