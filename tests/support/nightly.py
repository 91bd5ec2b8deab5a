"""Parameters of which the default suite takes some, and the nightly one (`-m slow`) the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def by_night(values: Iterable[Any], is_left: Callable[[Any], bool]) -> list[Any]:
    """The values; those that are left for the night have the mark `slow`."""
    return [_slow(value) if is_left(value) else value for value in values]


def _slow(value: Any) -> Any:
    values = value if isinstance(value, tuple) else (value,)
    return pytest.param(*values, marks=pytest.mark.slow)
