"""Plurals: nouns and verbs that agree with a number. Pure."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """`1 resource`, `2 resources`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def agree(count: float, one: str, many: str) -> str:
    """The verb for so many: `agree(count, "is", "are")`."""
    return one if count == 1 else many


def share(count: int, of: int, noun: str) -> str:
    """`1 of 16 examples`, `1 of 1 example`. The verb agrees with the first number."""
    return f"{count:,} of {plural(of, noun)}"
