"""Policy sources: where rules come from, beside the spec."""

from __future__ import annotations

from msgspec import Struct

POLICY_VARIABLE = "FTOPS_POLICY"
"""Environment variable with the path of a file of rules."""
POLICY_OPTION = "--policy-from"


class PolicySources(Struct, frozen=True):
    """Where else rules come from, beside the spec."""

    revision: str = ""
    """A revision of Git, of which the rules of the same spec count as well."""
    file: str | None = None
    """A file outside the project; its rules count as well."""
    is_untrusted: bool = False
    """Whether the spec is: it can't override rules."""


SPEC_ALONE = PolicySources()
