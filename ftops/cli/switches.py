"""Switches: environment variables that are on or off, all by the same rule, and defaults of options."""

from __future__ import annotations

from collections.abc import Mapping

UNTRUSTED = "FTOPS_UNTRUSTED"
"""On: specs are untrusted here."""
CI = "CI"
DEBUG = "FTOPS_DEBUG"
ENVIRONMENT = "FTOPS_ENV"
"""The default of --env."""
SPEC = "FTOPS_SPEC"
"""The default of the argument SPEC."""
COMPLETE = "_FTOPS_COMPLETE"
"""Set by a completion script: click answers with the words that can follow."""
_OFF = frozenset({"", "0", "false", "no", "off"})


def is_on(name: str, environ: Mapping[str, str]) -> bool:
    """Whether a variable is set to anything but a word for off. An unknown word counts as on, which makes
    ftops stricter or more verbose."""
    return environ.get(name, "").strip().lower() not in _OFF
