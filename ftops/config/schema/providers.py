"""The models of `providers`: what each type of provider takes, and what its resources get from it."""

from collections.abc import Mapping
from typing import Annotated, Any

from ftops.config.schema.block import Block, described, required
from ftops.config.schema.field_aliases import Fixed, Flag, Plainly, SkuName, TrainingType, UpgradeOption
from ftops.config.schema.field_types import Choice, Integer, Number, Untyped

PROVIDER_TYPE = "Which kind of provider this is: azure_openai, openai or emulator."
DEFAULTS = "Inputs of its jobs and deployments that don't set them."
TIMEOUTS = "How long to wait for objects that the service works on, by kind."
VISIBLE_AFTER = (
    "Seconds after which a new object is shown for sure: until then a 404 means that it isn't visible yet, "
    "and what a lost reply may have created is looked for before it is created again. Default: 30; for an "
    "emulator 0."
)


class Sku(Block):
    """Size of a deployment."""

    name: Annotated[Any, SkuName] = described(
        "Kind of capacity, such as GlobalStandard; default: that of the provider, else Standard."
    )
    capacity: Annotated[Any, Integer(1)] = described(
        "Thousands of tokens per minute; default: that of the provider, else 1."
    )


class Defaults(Block):
    """Inputs of the provider's jobs and deployments that don't set them."""

    training_type: Annotated[Any, TrainingType] = described("Where jobs train.")
    sku: Sku | None = described("Size of deployments; each of its keys by itself.")
    tags: dict[str, Plainly] | None = described("Tags of deployments, beside their own.")
    version_upgrade_option: Annotated[Any, UpgradeOption] = described(
        "When the service may move base models to a newer version."
    )
    rai_policy: Plainly = described("Name of the content filter.")


class Timeouts(Block):
    """How long a step waits for a pending object before it fails; the next apply goes on waiting."""

    dataset: Annotated[Any, Number(minimum=0, closed=True)] = described(
        "Seconds that the service may process a file. Default: 3600."
    )
    job: Annotated[Any, Number(minimum=0, closed=True)] = described(
        "Seconds that a job may take, its time in the queue included. Default: no limit."
    )
    deployment: Annotated[Any, Number(minimum=0, closed=True)] = described(
        "Seconds that a deployment may take to be created, changed or deleted. Default: 3600."
    )


class ProviderBlock(Block):
    """Keys of every provider."""

    type: Fixed = required(PROVIDER_TYPE)
    default: Flag = described("Manages the resources that name no provider.", False)


class ControlPlane(Block):
    """Azure Resource Manager, which manages deployments."""

    endpoint: Fixed = described("Address of the resource manager.")
    api_version: Fixed = described("Version of its interface.")


class Credential(Block):
    """How DefaultAzureCredential finds an identity, where the default is not enough."""

    tenant_id: Fixed = described("Microsoft Entra tenant.")
    client_id: Fixed = described("Client id of the managed or workload identity.")


class AzureOpenAI(ProviderBlock):
    """An Azure OpenAI resource."""

    type: Annotated[Any, Choice(words=("azure_openai",), closed=True)] = required(PROVIDER_TYPE)
    endpoint: Fixed = required("Address of the resource, such as https://acme.openai.azure.com/.")
    subscription_id: Fixed = described("Subscription of the resource; deployments need it.")
    resource_group: Fixed = described("Resource group of the resource; deployments need it.")
    account: Fixed = described("Name of the resource; deployments need it.")
    location: Fixed = described("Region of the resource.")
    api_version: Fixed = described("Version of the data plane.", "2024-10-21")
    api_key: Fixed = described("Key; without one, Microsoft Entra ID is used. Never write it out: ${env.…}.")
    control_plane: ControlPlane | None = described("Settings of the control plane.")
    credential: Credential | None = described("Settings of Microsoft Entra ID.")
    visible_after: Annotated[Any, Number(minimum=0, closed=True)] = described(VISIBLE_AFTER)
    timeouts: Timeouts | None = described(TIMEOUTS)
    defaults: Defaults | None = described(DEFAULTS)


class OpenAI(ProviderBlock):
    """A project of the OpenAI platform."""

    type: Annotated[Any, Choice(words=("openai",), closed=True)] = required(PROVIDER_TYPE)
    api_key: Fixed = required("Key of the project. Never write it out: ${env.OPENAI_API_KEY}.")
    organization: Fixed = described("Organization, where the key belongs to several.")
    project: Fixed = described("Project, where the key belongs to several.")
    base_url: Fixed = described("Address of the platform.", "https://api.openai.com/v1")
    visible_after: Annotated[Any, Number(minimum=0, closed=True)] = described(VISIBLE_AFTER)
    timeouts: Timeouts | None = described(TIMEOUTS)


class Emulator(ProviderBlock):
    """The embedded cloud: a server on this machine which stands in for Azure OpenAI."""

    type: Annotated[Any, Choice(words=("emulator",), closed=True)] = required(PROVIDER_TYPE)
    data: Fixed = described("Folder that it keeps its data in, below the project root.", None)
    url: Fixed = described("Address of an emulator that is running already.")
    account: Fixed = described(
        "Name of its account; two that exchange models need two names; default: emulator."
    )
    api_key: Fixed = described("Key that it asks for.")
    settings: Annotated[Any, Untyped(dict)] = described("Settings that are passed on to it.")
    visible_after: Annotated[Any, Number(minimum=0, closed=True)] = described(VISIBLE_AFTER)
    timeouts: Timeouts | None = described(TIMEOUTS)
    defaults: Defaults | None = described(DEFAULTS)


class Memory(ProviderBlock):
    """Objects that live as long as the process: for tests."""

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
