"""Switches: environment variables that are either on or off, by one rule."""

from __future__ import annotations

from collections.abc import Mapping

UNTRUSTED = "FTOPS_UNTRUSTED"
"""On: specs are untrusted here."""
CI = "CI"
DEBUG = "FTOPS_DEBUG"
_OFF = frozenset({"", "0", "false", "no", "off"})


def is_on(name: str, environ: Mapping[str, str]) -> bool:
    """Whether a variable is set to something that isn't a no: a word that nobody foresaw makes ftops stricter
    or tell more."""
    return environ.get(name, "").strip().lower() not in _OFF
