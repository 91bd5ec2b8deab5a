"""Schema of `providers`: the settings of each type, and the defaults that it gives its resources."""

from collections.abc import Mapping
from math import isinf
from typing import ClassVar

from ftops.config.schema.block import Block, Field, FieldsOfRows, MapOf, optional, required
from ftops.config.schema.field_aliases import (
    AMOUNT,
    API_VERSION,
    FIXED_TEXT,
    FLAG,
    LOCATION,
    OPEN_TEXT,
    SKU_NAME,
    TRAINING_TYPE,
    UPGRADE_OPTION,
    choice,
)
from ftops.config.schema.field_types import Integer, Untyped, one_of
from ftops.core.api_versions import V1
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import RESOURCE_TYPES

_PUBLIC = one_of(tuple(row.type for row in PROVIDER_TYPES.values() if row.is_public))
PROVIDER_TYPE = f"Type of the provider: {_PUBLIC.replace('`', '')}."
DEFAULTS = "Defaults for inputs of its jobs and deployments."
TIMEOUTS = "How long to wait for pending objects, by kind."
VISIBLE_AFTER = (
    "Seconds until a new object is certainly visible. Until then a 404 means that it isn't visible yet, "
    "and an object that may have been created without a reply is looked up first. Default: 30; for an "
    "emulator 0."
)


RECREATE_AFTER = (
    "Seconds after which a new deployment that only answers DeploymentNotReady is deleted and created once "
    "more; default: never."
)


class Sku(Block, noun="`sku`"):
    """SKU and capacity of a deployment."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        "type": "name",
        "tier": "name",
        "tpm": "capacity",
        "size": "capacity",
    }

    name = optional(SKU_NAME, "SKU, such as GlobalStandard; default: that of the provider, else Standard.")
    capacity = optional(Integer(1), "Thousands of tokens per minute; default: that of the provider, else 1.")


class Defaults(Block, noun="`defaults`"):
    """Defaults for inputs of the provider's jobs and deployments."""

    training_type = optional(TRAINING_TYPE, "Training type of jobs, such as global_standard.")
    sku = optional(Sku, "SKU and capacity of deployments; each key is a separate default.")
    tags = optional(MapOf(OPEN_TEXT), "Tags that are added to those of each deployment.")
    version_upgrade_option = optional(
        UPGRADE_OPTION, "When the service may upgrade base models to a newer version."
    )
    rai_policy = optional(OPEN_TEXT, "Name of the content filter.")


class Timeouts(Block, noun="`timeouts`"):
    """How long a step waits for a pending object before it fails; the next apply continues to wait."""


def _timeouts() -> dict[str, Field]:
    rows = RESOURCE_TYPES.values()
    limits = {row.kind: "no limit" if isinf(row.timeout) else f"{row.timeout:.0f}" for row in rows}
    texts = {row.kind: f"Maximum seconds {row.waits_for}. Default: {limits[row.kind]}." for row in rows}
    return {kind: Field(AMOUNT, text, key=kind) for kind, text in texts.items()}


Timeouts.fields = FieldsOfRows(_timeouts)


class ProviderBlock(Block, noun="a provider"):
    """Keys of every provider."""

    usual = "type"

    type = required(FIXED_TEXT, PROVIDER_TYPE)
    default = optional(FLAG, "true: manages the resources that don't set `provider`.", False)


class ControlPlane(Block, noun="`control_plane`"):
    """Azure Resource Manager, which manages deployments."""

    endpoint = optional(FIXED_TEXT, "URL of Azure Resource Manager.")
    api_version = optional(API_VERSION, "API version of Azure Resource Manager.")
    managed_api_version = optional(
        API_VERSION, "API version for managed compute and adapters; default: 2026-09-15-preview."
    )


class Credential(Block, noun="`credential`"):
    """How DefaultAzureCredential finds an identity, if the default isn't enough."""

    tenant_id = optional(FIXED_TEXT, "Microsoft Entra tenant.")
    client_id = optional(FIXED_TEXT, "Client ID of the managed or workload identity.")


class AzureOpenAI(ProviderBlock, noun="a provider of type azure_openai"):
    """An Azure OpenAI resource."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("base_url", "api_base", "azure_endpoint", "url", "host"), "endpoint"),
        **dict.fromkeys(("name", "resource", "resource_name", "account_name"), "account"),
        "region": "location",
        "subscription": "subscription_id",
        "key": "api_key",
        "token": "api_key",
    }
    secrets = dict.fromkeys(
        ("client_secret", "password", "secret"),
        (
            "Anyone who can read the spec, or a commit that contained it, could use it.",
            "Remove it, and create a new one: credentials of a service principal are read from the "
            "environment (AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_CLIENT_SECRET).",
        ),
    )

    type = required(choice("azure_openai"), PROVIDER_TYPE)
    endpoint = required(
        FIXED_TEXT,
        "Endpoint of the resource, such as https://acme.openai.azure.com/, or of a project in it, such as "
        "https://acme.services.ai.azure.com/api/projects/support.",
    )
    subscription_id = optional(FIXED_TEXT, "Subscription of the resource; required for deployments.")
    resource_group = optional(FIXED_TEXT, "Resource group of the resource; required for deployments.")
    account = optional(FIXED_TEXT, "Name of the resource; required for deployments.")
    location = optional(LOCATION, "Region of the resource.")
    api_version = optional(API_VERSION, "API version of the data plane: v1, or a dated one.", V1)
    api_key = optional(
        FIXED_TEXT,
        "API key; without one, Microsoft Entra ID is used. Read it from the environment: ${env.…}.",
    )
    training_types = optional(
        MapOf(FIXED_TEXT), "What the service calls training types: {data_zone: …}; default: DataZoneStandard."
    )
    scope = optional(
        FIXED_TEXT, "Scope of Microsoft Entra ID's tokens; default: that of a resource or of a project."
    )
    control_plane = optional(ControlPlane, "Settings of the control plane.")
    credential = optional(Credential, "Settings of Microsoft Entra ID.")
    visible_after = optional(AMOUNT, VISIBLE_AFTER)
    timeouts = optional(Timeouts, TIMEOUTS)
    recreate_after = optional(AMOUNT, RECREATE_AFTER)
    defaults = optional(Defaults, DEFAULTS)


class OpenAI(ProviderBlock, noun="a provider of type openai"):
    """A project of the OpenAI platform."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("endpoint", "api_base", "url"), "base_url"),
        "key": "api_key",
        "token": "api_key",
    }

    type = required(choice("openai"), PROVIDER_TYPE)
    api_key = required(
        FIXED_TEXT, "API key of the project. Read it from the environment: ${env.OPENAI_API_KEY}."
    )
    organization = optional(FIXED_TEXT, "Organization, if the key belongs to several.")
    project = optional(FIXED_TEXT, "Project, if the key belongs to several.")
    base_url = optional(FIXED_TEXT, "Base URL of the platform.", "https://api.openai.com/v1")
    visible_after = optional(AMOUNT, VISIBLE_AFTER)
    timeouts = optional(Timeouts, TIMEOUTS)


class Emulator(ProviderBlock, noun="a provider of type emulator"):
    """The built-in emulator: a local server in place of Azure OpenAI."""

    elsewhere: ClassVar[Mapping[str, str]] = {"endpoint": "url", "base_url": "url", "path": "data"}

    type = required(choice("emulator"), PROVIDER_TYPE)
    data = optional(FIXED_TEXT, "Folder for its data, relative to the project root.", None)
    url = optional(FIXED_TEXT, "URL of an emulator that is already running.")
    account = optional(
        FIXED_TEXT,
        "Name of its account; emulators that share models need different names; default: emulator.",
    )
    api_key = optional(FIXED_TEXT, "API key that it requires.")
    settings = optional(Untyped(dict), "Settings that are passed to it.")
    visible_after = optional(AMOUNT, VISIBLE_AFTER)
    timeouts = optional(Timeouts, TIMEOUTS)
    recreate_after = optional(AMOUNT, RECREATE_AFTER)
    defaults = optional(Defaults, DEFAULTS)


class Memory(ProviderBlock, noun="a provider of type memory"):
    """Objects in memory, for tests."""

    type = required(choice("memory"), PROVIDER_TYPE)
