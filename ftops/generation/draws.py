"""Draws: choices that look random, and follow from a seed and from what they are made for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TypeVar

from ftops.dataset.files.jsonl_io import canonical

T = TypeVar("T")


def draw(*of: object) -> int:
    """A number of 64 bits. The same on every machine and in every version of Python."""
    return int.from_bytes(blake2b(canonical(of), digest_size=8).digest(), "big")


def pick(options: Sequence[T], *of: object) -> T:
    return options[draw(*of) % len(options)]


def shuffled(items: Iterable[T], *of: object) -> list[T]:
    """The items in another order, each placed by itself and its position."""
    return [item for _, _, item in sorted((draw(*of, i), i, item) for i, item in enumerate(items))]
