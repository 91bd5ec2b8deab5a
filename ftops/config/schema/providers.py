"""The models of `providers`: what each type of provider takes, and what its resources get from it."""

from collections.abc import Mapping
from typing import Annotated, Any

from ftops.config.schema.block import Block, described, required
from ftops.config.schema.field_aliases import Fixed, Flag, Plainly, SkuName, TrainingType, UpgradeOption
from ftops.config.schema.field_types import Choice, Integer, Number, Untyped

PROVIDER_TYPE = "Type of the provider: azure_openai, openai or emulator."
DEFAULTS = "Defaults for inputs of its jobs and deployments."
TIMEOUTS = "How long to wait for pending objects, by kind."
VISIBLE_AFTER = (
    "Seconds until a new object is certainly visible. Until then a 404 means that it isn't visible yet, "
    "and an object that may have been created without a reply is looked up first. Default: 30; for an "
    "emulator 0."
)


class Sku(Block):
    """SKU and capacity of a deployment."""

    name: Annotated[Any, SkuName] = described(
        "SKU, such as GlobalStandard; default: that of the provider, else Standard."
    )
    capacity: Annotated[Any, Integer(1)] = described(
        "Thousands of tokens per minute; default: that of the provider, else 1."
    )


class Defaults(Block):
    """Defaults for inputs of the provider's jobs and deployments."""

    training_type: Annotated[Any, TrainingType] = described("Training type of jobs.")
    sku: Sku | None = described("SKU and capacity of deployments; each key is a separate default.")
    tags: dict[str, Plainly] | None = described("Tags that are added to those of each deployment.")
    version_upgrade_option: Annotated[Any, UpgradeOption] = described(
        "When the service may upgrade base models to a newer version."
    )
    rai_policy: Plainly = described("Name of the content filter.")


class Timeouts(Block):
    """How long a step waits for a pending object before it fails; the next apply continues to wait."""

    dataset: Annotated[Any, Number(minimum=0, closed=True)] = described(
        "Maximum seconds for the service to process a file. Default: 3600."
    )
    job: Annotated[Any, Number(minimum=0, closed=True)] = described(
        "Maximum seconds for a job, including its time in the queue. Default: no limit."
    )
    deployment: Annotated[Any, Number(minimum=0, closed=True)] = described(
        "Maximum seconds to create, update or delete a deployment. Default: 3600."
    )


class ProviderBlock(Block):
    """Keys of every provider."""

    type: Fixed = required(PROVIDER_TYPE)
    default: Flag = described("true: manages the resources that don't set `provider`.", False)


class ControlPlane(Block):
    """Azure Resource Manager, which manages deployments."""

    endpoint: Fixed = described("URL of Azure Resource Manager.")
    api_version: Fixed = described("API version of Azure Resource Manager.")


class Credential(Block):
    """How DefaultAzureCredential finds an identity, if the default isn't enough."""

    tenant_id: Fixed = described("Microsoft Entra tenant.")
    client_id: Fixed = described("Client ID of the managed or workload identity.")


class AzureOpenAI(ProviderBlock):
    """An Azure OpenAI resource."""

    type: Annotated[Any, Choice(words=("azure_openai",), closed=True)] = required(PROVIDER_TYPE)
    endpoint: Fixed = required("Endpoint of the resource, such as https://acme.openai.azure.com/.")
    subscription_id: Fixed = described("Subscription of the resource; required for deployments.")
    resource_group: Fixed = described("Resource group of the resource; required for deployments.")
    account: Fixed = described("Name of the resource; required for deployments.")
    location: Fixed = described("Region of the resource.")
    api_version: Fixed = described("API version of the data plane.", "2024-10-21")
    api_key: Fixed = described(
        "API key; without one, Microsoft Entra ID is used. Read it from the environment: ${env.…}."
    )
    control_plane: ControlPlane | None = described("Settings of the control plane.")
    credential: Credential | None = described("Settings of Microsoft Entra ID.")
    visible_after: Annotated[Any, Number(minimum=0, closed=True)] = described(VISIBLE_AFTER)
    timeouts: Timeouts | None = described(TIMEOUTS)
    defaults: Defaults | None = described(DEFAULTS)


class OpenAI(ProviderBlock):
    """A project of the OpenAI platform."""

    type: Annotated[Any, Choice(words=("openai",), closed=True)] = required(PROVIDER_TYPE)
    api_key: Fixed = required("API key of the project. Read it from the environment: ${env.OPENAI_API_KEY}.")
    organization: Fixed = described("Organization, if the key belongs to several.")
    project: Fixed = described("Project, if the key belongs to several.")
    base_url: Fixed = described("Base URL of the platform.", "https://api.openai.com/v1")
    visible_after: Annotated[Any, Number(minimum=0, closed=True)] = described(VISIBLE_AFTER)
    timeouts: Timeouts | None = described(TIMEOUTS)


class Emulator(ProviderBlock):
    """The built-in emulator: a local server in place of Azure OpenAI."""

    type: Annotated[Any, Choice(words=("emulator",), closed=True)] = required(PROVIDER_TYPE)
    data: Fixed = described("Folder for its data, relative to the project root.", None)
    url: Fixed = described("URL of an emulator that is already running.")
    account: Fixed = described(
        "Name of its account; emulators that share models need different names; default: emulator."
    )
    api_key: Fixed = described("API key that it requires.")
    settings: Annotated[Any, Untyped(dict)] = described("Settings that are passed to it.")
    visible_after: Annotated[Any, Number(minimum=0, closed=True)] = described(VISIBLE_AFTER)
    timeouts: Timeouts | None = described(TIMEOUTS)
    defaults: Defaults | None = described(DEFAULTS)


class Memory(ProviderBlock):
    """Objects in memory, for tests."""

    type: Annotated[Any, Choice(words=("memory",), closed=True)] = required(PROVIDER_TYPE)


PROVIDER_TYPES: Mapping[str, type[ProviderBlock]] = {
    "azure_openai": AzureOpenAI,
    "openai": OpenAI,
    "emulator": Emulator,
    "memory": Memory,
}
PUBLIC_TYPES = ("azure_openai", "openai", "emulator")
NOT_TAKEN: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "openai": {
        "dataset": ("url",),
        "job": ("training_type",),
        "deployment": (
            "name",
            "version",
            "sku",
            "version_upgrade_option",
            "rai_policy",
            "tags",
            "replace",
            "source",
            "source_tenant",
        ),
    },
}
"""By type of provider and kind: keys that mean nothing there."""
