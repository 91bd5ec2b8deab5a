"""Evaluation phases: which expressions each part of a spec may contain, and what becomes of secrets there."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class SecretRule(Enum):
    """What becomes of `${env.X}` and sensitive variables."""

    KEEP = "they stay expressions, since the value would be written somewhere"
    RESOLVE = "the value is used, and never written"
    RESOLVE_ENV = "environment variables are resolved; sensitive variables are errors"
    NAME = "environment variables are named, and needn't be set; sensitive variables are errors"
    REFUSE = "both are errors, since the value would be written"


class Phase(NamedTuple):
    """What expressions may refer to in one part of a spec. `why` explains what they may not."""

    secrets: SecretRule
    references: bool = False
    expressions: bool = True
    variables: bool = True
    why: str = ""
    parts: bool = True
    """Whether a secret may be a part of a text; if not, it must be the whole value."""


_BEFORE_APPLY = "Settings are needed before anything is applied; a reference is known only afterwards."
_RESOURCES_FIRST = (
    "This determines which resources exist and how they are handled, so it must be known before anything "
    "is applied; a reference is known only after."
)
_STATE_FIRST = "The location of the state must be known before variables are read and anything is applied."

INPUTS = Phase(SecretRule.KEEP, references=True)
SETTINGS = Phase(SecretRule.RESOLVE, why=_BEFORE_APPLY)
NAMED_SETTINGS = Phase(SecretRule.RESOLVE_ENV, why=_BEFORE_APPLY)
"""Settings that become a part of recorded IDs and names."""
PUBLIC_SETTINGS = Phase(SecretRule.REFUSE, why=_BEFORE_APPLY)
"""Settings that are names at the service, or a part of every URL that is requested."""
DEFAULTS = Phase(
    SecretRule.KEEP,
    why="Defaults apply to all resources of a provider; a reference would make all of them depend on "
    "one resource.",
)
SWITCHES = Phase(SecretRule.RESOLVE_ENV, why=_RESOURCES_FIRST)
GENERATION = Phase(
    SecretRule.NAME,
    why="Data is generated before anything is planned; a reference is known only after it is applied.",
)
"""What data is generated from. Plans read what was generated, and need no key."""
NAMES = Phase(SecretRule.REFUSE, why=_RESOURCES_FIRST)
FIXED = Phase(
    SecretRule.REFUSE,
    expressions=False,
    why="Defaults, environments and the settings of the spec are read before expressions are evaluated.",
)
RULES = FIXED._replace(
    why="Rules and overrides are read by themselves, also from another revision: variables don't change them."
)
STATE = Phase(SecretRule.RESOLVE, variables=False, why=_STATE_FIRST)
STATE_KEY = STATE._replace(
    why="The key of the state is known before variables, and before anything is applied."
)
"""Keys that encrypt the state. Nothing else of a plan depends on them."""
STATE_HOST = STATE._replace(parts=False)
"""Names of a bucket and a region, which become parts of a host name."""
STATE_PATH = Phase(SecretRule.REFUSE, variables=False, why=_STATE_FIRST)
"""What every plan sends to the owner of the bucket or account."""

OF_SERVICES = (SETTINGS, NAMED_SETTINGS, STATE, STATE_KEY, STATE_HOST)
"""Settings by which accounts and the state are reached. Only commands that do so need their values."""

STATE_PHASES: Mapping[str, Phase] = {
    **dict.fromkeys(("backend", "path", "container"), STATE_PATH),
    **dict.fromkeys(("bucket", "region"), STATE_HOST),
    "encryption": STATE_KEY,
}
"""By key of `state`; STATE for all others."""
PROVIDER_PHASES: Mapping[str, Phase] = {
    "defaults": DEFAULTS,
    **dict.fromkeys(("endpoint", "subscription_id", "location", "organization", "project"), NAMED_SETTINGS),
    **dict.fromkeys(("account", "resource_group", "api_version"), PUBLIC_SETTINGS),
}
"""By setting of a provider; SETTINGS for all others."""
RESOURCE_PHASES: Mapping[str, Phase] = {
    **dict.fromkeys(("enabled", "lifecycle"), SWITCHES),
    **dict.fromkeys(("provider", "depends_on"), NAMES),
    "generate": GENERATION,
}
"""By key of a resource; INPUTS for all others."""
