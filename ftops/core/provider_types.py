"""Provider types: one row for each type of provider, with all that other modules ask of a type.

No other module branches on the name of a type. docs/providers.md describes the types.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from ftops.core.backend_types import BACKEND_TYPES
from ftops.core.trusted_hosts import AZURE_OPENAI, EMULATOR, OPENAI, RESOURCE_MANAGER, Service


class Unsupported(Struct, frozen=True):
    """Inputs of one kind that mean nothing to a provider, and why."""

    inputs: tuple[str, ...]
    why: str


class ProviderType(Struct, frozen=True):
    """One type of provider. Functions and classes of other packages are named as `module:object`, and loaded
    when they are first used."""

    type: str
    opens: str
    """The function that opens a provider: (ProviderConfig, project root) → Provider."""
    block: str
    """The class that declares its settings, a `ProviderBlock`."""
    account: str
    """The function that names its account: (ProviderConfig, project root) → text."""
    addresses: Mapping[tuple[str, ...], Service]
    """The settings that say where credentials go, and to which service. First the account's own."""
    account_settings: tuple[str, ...] = ("account",)
    """Other settings that lead to the account."""
    default_address: str = ""
    data_folder: str = ""
    """The setting that names its folder on this machine, if it runs here while it has no address."""
    key_variable: str = ""
    """The environment variable that usually holds its key, if the key opens more than this machine."""
    account_part: str = ".*"
    """What a part of the name of its account can be, as a regular expression."""
    may_be_emulator: bool = False
    """Whether an address of this machine is that of an emulator."""
    control_plane: tuple[str, ...] = ()
    """Settings without which its control plane, and the ARM ID of its account, can't be found."""
    exchanges_models: bool = False
    """Whether it serves models of other accounts."""
    names_own_account: bool = False
    """Whether the spec gives an account that runs here its name."""
    has_deployments: bool = True
    """Whether a deployment is an object of its own. If not, the model itself is called."""
    shortest_name: int = 1
    """Characters of the name of a deployment."""
    unsupported: Mapping[str, Unsupported] = field(default_factory=dict)
    """By kind of resource."""
    refine: str = ""
    """The function that adds what settings imply, and finds those that exclude each other: settings →
    (settings, faults by key)."""
    checks_settings: str = ""
    """The function that finds faults in the settings of its own server: settings → faults by name."""
    describes: str = ""
    """The function that says what the description of its `api_version` has for jobs: text → Description."""
    platform_catalog: bool = False
    """Whether the catalogue lists its models under `openai`."""
    retires_models: bool = True
    is_rehearsal: bool = False
    """Whether what it trains stands for what another provider would train at a price."""
    is_billed: bool = True
    """Whether its objects cost anything, or stand for objects that would."""
    is_public: bool = True
    """Whether messages suggest it."""
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """Settings of templates, whose values stand for those of an account. First those that only it has."""
    import_settings: str = ""
    """The function that makes the settings that `import --discover` writes, if that is possible: options →
    providers by name."""

    @property
    def address(self) -> str:
        """The setting that has the account's address; empty if there is none."""
        return next((path[0] for path in self.addresses), "")

    @property
    def place_settings(self) -> frozenset[str]:
        """All settings that lead to the account."""
        heads = (path[0] for path in self.addresses)
        return frozenset((*heads, *self.account_settings, self.data_folder, "credential"))


PROVIDER_TYPES: dict[str, ProviderType] = {
    row.type: row
    for row in (
        ProviderType(
            type="azure_openai",
            opens="ftops.providers.azure.provider:open_provider",
            block="ftops.config.schema.providers:AzureOpenAI",
            account="ftops.config.accounts:azure_account",
            addresses={("endpoint",): AZURE_OPENAI, ("control_plane", "endpoint"): RESOURCE_MANAGER},
            account_settings=("account", "resource_group", "subscription_id"),
            key_variable="AZURE_OPENAI_API_KEY",
            account_part="[^#]*",
            may_be_emulator=True,
            control_plane=("subscription_id", "resource_group", "account"),
            exchanges_models=True,
            shortest_name=2,
            refine="ftops.config.accounts:azure_settings",
            describes="ftops.core.api_versions:describe",
            import_settings="ftops.cli.commands.import_:azure_settings",
            placeholders={
                "endpoint": "https://acme.openai.azure.com/",
                "account": "acme",
                "resource_group": "rg-ai",
            },
        ),
        ProviderType(
            type="openai",
            opens="ftops.providers.openai.provider:open_provider",
            block="ftops.config.schema.providers:OpenAI",
            account="ftops.config.accounts:openai_account",
            addresses={("base_url",): OPENAI},
            account_settings=("organization", "project"),
            default_address="https://api.openai.com/v1",
            key_variable="OPENAI_API_KEY",
            account_part="[^/]*",
            has_deployments=False,
            unsupported={
                "dataset": Unsupported(
                    ("url",), "The OpenAI platform doesn't fetch files: they are uploaded."
                ),
                "job": Unsupported(("training_type",), "The OpenAI platform has only one training type."),
                "deployment": Unsupported(
                    (
                        "name",
                        "version",
                        "format",
                        "sku",
                        "version_upgrade_option",
                        "rai_policy",
                        "spillover",
                        "service_tier",
                        "deployment_state",
                        "tags",
                        "replace",
                        "source",
                        "source_tenant",
                        "target",
                        "source_model",
                        "accelerator_type",
                        "deployment_template",
                    ),
                    "On the OpenAI platform the model itself is called: nothing is deployed, sized or named.",
                ),
            },
            platform_catalog=True,
            import_settings="ftops.cli.commands.import_:openai_settings",
        ),
        ProviderType(
            type="emulator",
            opens="ftops.providers.emulator.provider:open_provider",
            block="ftops.config.schema.providers:Emulator",
            account="ftops.config.accounts:emulator_account",
            addresses={("url",): EMULATOR},
            data_folder="data",
            account_part="[^#]*",
            exchanges_models=True,
            names_own_account=True,
            shortest_name=2,
            retires_models=False,
            is_rehearsal=True,
            checks_settings="ftops.emulator.account.settings:faults",
            import_settings="ftops.cli.commands.import_:emulator_settings",
        ),
        ProviderType(
            type="memory",
            opens="ftops.providers.memory:open_provider",
            block="ftops.config.schema.providers:Memory",
            account="ftops.config.accounts:memory_account",
            addresses={},
            retires_models=False,
            is_billed=False,
            is_public=False,
        ),
    )
}


def address_keys() -> frozenset[str]:
    """The last keys of all settings of providers and state that say where credentials go."""
    rows = (row.addresses for table in (PROVIDER_TYPES, BACKEND_TYPES) for row in table.values())
    return frozenset(path[-1] for addresses in rows for path in addresses)
