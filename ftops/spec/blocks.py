"""What the models of a spec are made of: types of fields, and the block that refuses unknown keys."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from ftops.address import NAME
from ftops.fields import Boolean, Choice, JsonSchema, Spelled, Text, folded

Plainly = Annotated[Any, Text()]
Fixed = Annotated[Any, Text(closed=True)]
Name = Annotated[
    Any,
    Text(
        NAME,
        "a name: lower-case letters, digits and `-`, a letter first, at most 63 characters",
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
SKU_NAMES = (
    "Standard",
    "GlobalStandard",
    "DataZoneStandard",
    "DeveloperTier",
    "ProvisionedManaged",
    "GlobalProvisionedManaged",
    "DataZoneProvisionedManaged",
)
SkuName = Spelled(spellings={**{folded(n): n for n in SKU_NAMES}, "developer": "DeveloperTier"})
UpgradeOption = Choice(words=("OnceNewDefaultVersionAvailable", "OnceCurrentVersionExpired", "NoAutoUpgrade"))
ACCOUNT_ID = Text(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.CognitiveServices/accounts/[^/]+",
    "the ARM id of an account",
    "It looks like /subscriptions/…/resourceGroups/…/providers/Microsoft.CognitiveServices/accounts/….",
)
SUFFIX = Text(
    r"[A-Za-z0-9_-]+",
    "1 to 40 letters, digits, `-` or `_`",
    "It becomes a part of the model's name. Dots, spaces and other characters, or more than 40 of them, are "
    "not taken everywhere, and the service would say so only after the upload.",
    40,
)
DEPLOYMENT_NAME = Text(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?",
    "1 to 64 letters, digits, `-`, `_` or `.`, with a letter or digit first and last",
    maximum=64,
)


def described(text: str, default: Any = None) -> Any:
    """An optional field and what it means."""
    return Field(default, description=text)


def required(text: str) -> Any:
    """A field that has to be set, and what it means."""
    return Field(..., description=text)


class OrName:
    """In the JSON Schema, text may stand in place of the mapping: the name of one."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return {"anyOf": [{"type": "string"}, handler(core)]}


class Block(BaseModel):
    """A mapping of the spec. Unknown keys are refused; a key without a value counts as not set."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _drop_unset(cls, given: Any) -> Any:
        if isinstance(given, dict) and None in given.values():
            return {key: value for key, value in given.items() if value is not None}
        return given

    def as_data(self) -> dict[str, Any]:
        """The fields that are set, as plain data."""
        return {
            key: value.as_data() if isinstance(value, Block) else value
            for key, value in self.__dict__.items()
            if value is not None
        }
