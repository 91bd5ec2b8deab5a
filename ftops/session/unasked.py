"""Accounts that can't be asked: why, and what is missing for that, in one warning for each."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from ftops.core.errors import FtopsError


class Unasked(Struct, frozen=True):
    """A provider whose account didn't answer."""

    provider: str
    missing: str
    """What is said without it: `deadlines are the catalogue's`."""
    summary: str
    reason: str
    """The whole error: what is wrong, why, and what to do."""


def unasked(provider: str, missing: str, error: FtopsError) -> Unasked:
    summary = error.summary.removeprefix(f"provider {provider}: ")
    said = (part.rstrip(".") for part in (summary, error.detail, error.hint) if part)
    return Unasked(provider, missing, summary, ". ".join(part[0].upper() + part[1:] for part in said))


def warnings_of(found: Iterable[Unasked]) -> tuple[str, ...]:
    """One for each provider and error."""
    grouped: dict[tuple[str, str], list[Unasked]] = {}
    for one in found:
        grouped.setdefault((one.provider, one.summary), []).append(one)
    return tuple(
        f"provider {some[0].provider} can't be asked: {', and '.join(one.missing for one in some)}. "
        f"{some[0].reason}."
        for some in grouped.values()
    )
