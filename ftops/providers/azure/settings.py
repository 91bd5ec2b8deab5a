"""Settings of one Azure OpenAI account, as the spec describes it. Loads no SDK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ftops.core import api_versions, azure_endpoint
from ftops.core.address import Value
from ftops.core.azure_clouds import PUBLIC, AzureCloud, cloud_of
from ftops.core.nested import object_at
from ftops.providers.dataplane.client import AccountSettings, shared_settings
from ftops.providers.dataplane.client import text_setting as _text

MANAGED_VERSION = "2026-09-15-preview"
"""The first API version of the control plane with managed compute and adapters."""
AUXILIARY = "x-ms-authorization-auxiliary"
"""The header with the token of another tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(AccountSettings):
    """One Azure OpenAI account as the spec's `providers` describe it."""

    endpoint: str = ""
    """Of the resource."""
    training_types: Mapping[str, str] = field(default_factory=dict)
    """What the service calls training types, if it isn't what is usual."""
    project: str = ""
    """The path of a project in it, if the spec names one."""
    cloud: AzureCloud = PUBLIC
    scope: str = PUBLIC.resource_scope
    """Of the tokens for the data plane."""
    subscription_id: str = ""
    resource_group: str = ""
    name: str = ""
    location: str = ""
    """From the spec; the account's own value has precedence."""
    api_version: str = api_versions.V1
    control_endpoint: str = PUBLIC.control_endpoint
    control_api_version: str = ""
    managed_api_version: str = MANAGED_VERSION
    """Of the control plane for managed compute and adapters."""
    control_token: str = field(default="", repr=False)
    probe: bool = True
    recreate_after: float | None = None
    """Seconds after which a new deployment that only says that it isn't ready is to be created once more."""
    tenant_id: str = ""
    client_id: str = ""
    """Of the identity to sign in with, if there are several."""

    @property
    def id(self) -> str:
        """The ARM id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.CognitiveServices/accounts/{self.name}"
        )

    @property
    def v1_url(self) -> str:
        """The base URL of the routes without a date."""
        return azure_endpoint.Endpoint(self.endpoint, self.project).v1

    @property
    def for_openai(self) -> dict[str, str]:
        """The connection of clients that know only the OpenAI platform, if they can connect by a key."""
        return {"openai_url": self.v1_url.rstrip("/"), "openai_key": self.api_key} if self.api_key else {}

    @property
    def serving_url(self) -> str:
        """The base URL of the routes without a date that know managed compute, too."""
        return azure_endpoint.Endpoint(azure_endpoint.of_foundry(self.endpoint)).v1

    @property
    def lacking(self) -> list[str]:
        """The settings of the control plane that aren't set."""
        named = (self.subscription_id, self.resource_group, self.name)
        keys = ("subscription_id", "resource_group", "account")
        return [key for key, value in zip(keys, named, strict=True) if not value]

    @property
    def is_v1(self) -> bool:
        return api_versions.is_v1(self.api_version)

    @property
    def dated_version(self) -> str:
        """Of the routes with a date."""
        return api_versions.PREVIEW if self.is_v1 else self.api_version

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.api_key, self.control_token, *self.hidden)))


def account_from(settings: Mapping[str, Value], name: str, hidden: tuple[str, ...] = ()) -> Account:
    """The account that a provider's settings describe. What is missing is reported when it is needed."""
    control, credential = object_at(settings, "control_plane"), object_at(settings, "credential")
    endpoint = azure_endpoint.parse(_text(settings, "endpoint"))
    cloud = cloud_of(endpoint.resource, _text(control, "endpoint"))
    return Account(
        endpoint=endpoint.resource,
        project=endpoint.project,
        training_types={k: str(v) for k, v in object_at(settings, "training_types").items()},
        cloud=cloud,
        scope=_text(settings, "scope") or (cloud.project_scope if endpoint.project else cloud.resource_scope),
        subscription_id=_text(settings, "subscription_id"),
        resource_group=_text(settings, "resource_group"),
        name=_text(settings, "account"),
        location=_text(settings, "location"),
        api_version=_text(settings, "api_version") or api_versions.V1,
        control_endpoint=(_text(control, "endpoint") or cloud.control_endpoint).rstrip("/"),
        control_api_version=_text(control, "api_version"),
        managed_api_version=_text(control, "managed_api_version") or MANAGED_VERSION,
        control_token=_text(control, "token"),
        probe=settings.get("probe") is not False,
        recreate_after=_number(settings.get("recreate_after")),
        tenant_id=_text(credential, "tenant_id"),
        client_id=_text(credential, "client_id"),
        **shared_settings(settings, name, hidden),
    )


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None
