"""When the service deletes a deployment by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ftops.core.address import Address, Reference
from ftops.providers.deployment_expiry import expiry_of, may_have_expired, time_of

TUNED = "gpt-4o-mini-2024-07-18.ft-0123456789abcdef0123456789abcdef"
MADE = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("model", "sku", "planned", "expected"),
    [
        (TUNED, "Standard", "after 15 days without calls", "after 15 days without calls"),
        (Reference(Address("job", "a"), "fine_tuned_model"), "Standard", "after 15 days without calls", None),
        (f"{TUNED}:ckpt-step-3", "GlobalStandard", "after 15 days without calls", None),
        ("ftchkpt-1", "Standard", "after 15 days without calls", None),
        (TUNED, "DeveloperTier", "24 hours after it is created", "2026-11-22T09:30:00Z"),
        (TUNED, "developer_tier", "24 hours after it is created", "2026-11-22T09:30:00Z"),
    ],
)
def test_how_long_it_lasts(model: Any, sku: str, planned: str, expected: str | None) -> None:
    expiry = expiry_of({"model": model, "sku": {"name": sku, "capacity": 1}})
    assert expiry is not None
    assert expiry.planned == planned
    assert expected is None or expiry.expected(MADE) == expected


@pytest.mark.parametrize("inputs", [{}, {"model": "gpt-4o-mini-2024-07-18", "sku": {"name": "Standard"}}])
def test_a_base_model_stays(inputs: Any) -> None:
    assert expiry_of(inputs) is None
    assert not may_have_expired(inputs, MADE.isoformat(), MADE + timedelta(days=1000))


@pytest.mark.parametrize(
    ("sku", "hours", "expired"),
    [
        ("Standard", 15 * 24 - 1, False),
        ("Standard", 15 * 24, True),
        ("DeveloperTier", 23, False),
        ("DeveloperTier", 24, True),
    ],
)
def test_whether_it_was_time(sku: str, hours: int, expired: bool) -> None:
    inputs: dict[str, Any] = {"model": TUNED, "sku": {"name": sku}}
    assert may_have_expired(inputs, "2026-11-21T09:30:00Z", MADE + timedelta(hours=hours)) is expired


@pytest.mark.parametrize("text", [None, "", "yesterday", 7])
def test_what_is_no_time(text: Any) -> None:
    assert time_of(text) is None
    assert not may_have_expired({"model": TUNED}, text, MADE)


def test_times_as_they_are_written() -> None:
    assert time_of("2026-11-21T09:30:00.1234567Z") is not None
    assert time_of("2026-11-21T09:30:00") == MADE
