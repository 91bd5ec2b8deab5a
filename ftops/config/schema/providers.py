"""Schema of `providers`: the settings of each type, and the defaults that it gives its resources."""

from math import isinf
from typing import Annotated, Any

from ftops.config.schema.block import Block, Field, FieldsOfRows, optional, required
from ftops.config.schema.field_aliases import (
    Amount,
    FixedText,
    Flag,
    OpenText,
    SkuName,
    TrainingType,
    UpgradeOption,
    choice,
)
from ftops.config.schema.field_types import Integer, Untyped, one_of
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import RESOURCE_TYPES, ResourceType

_PUBLIC = one_of(tuple(row.type for row in PROVIDER_TYPES.values() if row.is_public))
PROVIDER_TYPE = f"Type of the provider: {_PUBLIC.replace('`', '')}."
DEFAULTS = "Defaults for inputs of its jobs and deployments."
TIMEOUTS = "How long to wait for pending objects, by kind."
VISIBLE_AFTER = (
    "Seconds until a new object is certainly visible. Until then a 404 means that it isn't visible yet, "
    "and an object that may have been created without a reply is looked up first. Default: 30; for an "
    "emulator 0."
)


class Sku(Block, noun="`sku`"):
    """SKU and capacity of a deployment."""

    name: SkuName = optional("SKU, such as GlobalStandard; default: that of the provider, else Standard.")
    capacity: Annotated[Any, Integer(1)] = optional(
        "Thousands of tokens per minute; default: that of the provider, else 1."
    )


class Defaults(Block, noun="`defaults`"):
    """Defaults for inputs of the provider's jobs and deployments."""

    training_type: TrainingType = optional("Training type of jobs.")
    sku: Sku | None = optional("SKU and capacity of deployments; each key is a separate default.")
    tags: dict[str, OpenText] | None = optional("Tags that are added to those of each deployment.")
    version_upgrade_option: UpgradeOption = optional(
        "When the service may upgrade base models to a newer version."
    )
    rai_policy: OpenText = optional("Name of the content filter.")


class Timeouts(Block, noun="`timeouts`"):
    """How long a step waits for a pending object before it fails; the next apply continues to wait."""


def _timeouts() -> dict[str, Field]:
    return {
        row.kind: Field(row.kind, Amount, f"Maximum seconds {row.waits_for}. Default: {_limit(row)}.", None)
        for row in RESOURCE_TYPES.values()
    }


def _limit(row: ResourceType) -> str:
    return "no limit" if isinf(row.timeout) else f"{row.timeout:.0f}"


Timeouts.fields = FieldsOfRows(_timeouts)


class ProviderBlock(Block):
    """Keys of every provider."""

    type: FixedText = required(PROVIDER_TYPE)
    default: Flag = optional("true: manages the resources that don't set `provider`.", False)


class ControlPlane(Block, noun="`control_plane`"):
    """Azure Resource Manager, which manages deployments."""

    endpoint: FixedText = optional("URL of Azure Resource Manager.")
    api_version: FixedText = optional("API version of Azure Resource Manager.")


class Credential(Block, noun="`credential`"):
    """How DefaultAzureCredential finds an identity, if the default isn't enough."""

    tenant_id: FixedText = optional("Microsoft Entra tenant.")
    client_id: FixedText = optional("Client ID of the managed or workload identity.")


class AzureOpenAI(ProviderBlock, noun="a provider of type azure_openai"):
    """An Azure OpenAI resource."""

    type: Annotated[Any, choice("azure_openai")] = required(PROVIDER_TYPE)
    endpoint: FixedText = required("Endpoint of the resource, such as https://acme.openai.azure.com/.")
    subscription_id: FixedText = optional("Subscription of the resource; required for deployments.")
    resource_group: FixedText = optional("Resource group of the resource; required for deployments.")
    account: FixedText = optional("Name of the resource; required for deployments.")
    location: FixedText = optional("Region of the resource.")
    api_version: FixedText = optional("API version of the data plane.", "2024-10-21")
    api_key: FixedText = optional(
        "API key; without one, Microsoft Entra ID is used. Read it from the environment: ${env.…}."
    )
    control_plane: ControlPlane | None = optional("Settings of the control plane.")
    credential: Credential | None = optional("Settings of Microsoft Entra ID.")
    visible_after: Amount = optional(VISIBLE_AFTER)
    timeouts: Timeouts | None = optional(TIMEOUTS)
    defaults: Defaults | None = optional(DEFAULTS)


class OpenAI(ProviderBlock, noun="a provider of type openai"):
    """A project of the OpenAI platform."""

    type: Annotated[Any, choice("openai")] = required(PROVIDER_TYPE)
    api_key: FixedText = required(
        "API key of the project. Read it from the environment: ${env.OPENAI_API_KEY}."
    )
    organization: FixedText = optional("Organization, if the key belongs to several.")
    project: FixedText = optional("Project, if the key belongs to several.")
    base_url: FixedText = optional("Base URL of the platform.", "https://api.openai.com/v1")
    visible_after: Amount = optional(VISIBLE_AFTER)
    timeouts: Timeouts | None = optional(TIMEOUTS)


class Emulator(ProviderBlock, noun="a provider of type emulator"):
    """The built-in emulator: a local server in place of Azure OpenAI."""

    type: Annotated[Any, choice("emulator")] = required(PROVIDER_TYPE)
    data: FixedText = optional("Folder for its data, relative to the project root.", None)
    url: FixedText = optional("URL of an emulator that is already running.")
    account: FixedText = optional(
        "Name of its account; emulators that share models need different names; default: emulator."
    )
    api_key: FixedText = optional("API key that it requires.")
    settings: Annotated[Any, Untyped(dict)] = optional("Settings that are passed to it.")
    visible_after: Amount = optional(VISIBLE_AFTER)
    timeouts: Timeouts | None = optional(TIMEOUTS)
    defaults: Defaults | None = optional(DEFAULTS)


class Memory(ProviderBlock, noun="a provider of type memory"):
    """Objects in memory, for tests."""

    type: Annotated[Any, choice("memory")] = required(PROVIDER_TYPE)
