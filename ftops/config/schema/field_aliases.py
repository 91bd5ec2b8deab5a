"""The types that fields of a spec have in common."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Struct

from ftops.config.schema.field_types import Boolean, Choice, JsonSchema, Spelled, Text, folded
from ftops.core.address import NAME
from ftops.core.resource_types import SKU_NAMES, UPGRADE_OPTIONS

Plainly = Annotated[Any, Text()]
Fixed = Annotated[Any, Text(closed=True)]
Name = Annotated[
    Any,
    Text(
        NAME,
        "a name: lower-case letters, digits and `-`, starting with a letter, at most 63 characters",
        closed=True,
    ),
]
Flag = Annotated[Any, Boolean(closed=True)]
TrainingType = Choice(
    words=("standard", "global_standard", "developer"),
    spellings={
        "Standard": "standard",
        "GlobalStandard": "global_standard",
        "globalStandard": "global_standard",
        "global-standard": "global_standard",
        "Developer": "developer",
        "developerTier": "developer",
        "DeveloperTier": "developer",
        "developer_tier": "developer",
    },
    closed=True,
)
SkuName = Spelled(spellings={**{folded(n): n for n in SKU_NAMES}, "developer": "DeveloperTier"})
UpgradeOption = Choice(words=UPGRADE_OPTIONS)
ACCOUNT_ID = Text(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.CognitiveServices/accounts/[^/]+",
    "the ARM ID of an account",
    "It looks like /subscriptions/…/resourceGroups/…/providers/Microsoft.CognitiveServices/accounts/….",
)
REGION = Text(
    r"[a-z0-9-]+",
    "a region such as eu-west-1: lower-case letters, digits and `-`",
    "It becomes part of the host name of the service.",
    closed=True,
)
SUFFIX = Text(
    r"[A-Za-z0-9_-]+",
    "1 to 40 letters, digits, `-` or `_`",
    "It becomes part of the model's name. Other characters, or more than 40 of them, "
    "aren't accepted everywhere, and the service would reject them only after the upload.",
    40,
    is_shown=True,
)
DEPLOYMENT_NAME = Text(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?",
    "1 to 64 letters, digits, `-`, `_` or `.`, starting and ending with a letter or digit",
    maximum=64,
    is_shown=True,
)


class OrName:
    """In the JSON Schema, text may stand in place of the mapping: the name of one."""


class Shown(Struct, frozen=True):
    """In the JSON Schema, this is what a field looks like."""

    schema: JsonSchema
