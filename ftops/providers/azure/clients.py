"""SDK clients of one Azure OpenAI account, built on first use and shared by all threads.

Importing this module loads no SDK: that takes up to a second, and many commands need none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ftops.core.address import Json
from ftops.core.api_versions import describe
from ftops.core.azure_clouds import PUBLIC, other_scope
from ftops.core.errors import Permanent
from ftops.core.trusted_hosts import AZURE_OPENAI as AZURE_OPENAI_HOSTS
from ftops.providers.azure.settings import AUXILIARY, Account
from ftops.providers.dataplane.client import AZURE_OPENAI, DataPlane, check_scope, client_options
from ftops.providers.dataplane.errors import AZURE, Words, never

if TYPE_CHECKING:
    from openai import OpenAI

    from ftops.providers.azure.arm import Arm


_AUTHORITY_VARIABLE = "AZURE_AUTHORITY_HOST"
"""The SDK's own setting for the host of Microsoft Entra ID."""
_SIGN_IN_RETRIES = 1
"""If there is no connection. Calls are tried again in any case, and each would wait for all of these."""


class Clients(DataPlane):
    """The clients of one account."""

    account: Account

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.account = account
        has_method = "dpo" in describe(account.api_version).methods
        self.dialect = replace(
            AZURE_OPENAI,
            has_method=has_method,
            training_types=account.training_types,
            words=_words(account),
        )

    @property
    def data(self) -> OpenAI:
        """The data plane in the version that the spec asks for."""
        return self.v1 if self.account.is_v1 else self.dated

    @property
    def extras(self) -> OpenAI:
        return self.dated

    @property
    def latest(self) -> OpenAI:
        return self.v1

    def elsewhere(self, deployment: str) -> OpenAI | None:
        return None if self.data.base_url == self.managed.base_url else self.managed

    @property
    def home(self) -> Mapping[str, Json]:
        account = self.account
        found = {"account": "" if account.lacking else account.id, "tenant": account.tenant_id}
        return {name: value for name, value in found.items() if value}

    @property
    def dated(self) -> OpenAI:
        """The routes with a date as API version."""
        client: OpenAI = self._once("dated", self._build_dated)
        return client

    @property
    def v1(self) -> OpenAI:
        """The routes under /openai/v1/."""
        client: OpenAI = self._once("v1", self._build_v1)
        return client

    @property
    def managed(self) -> OpenAI:
        """The routes under /openai/v1/ that know managed compute and adapters."""
        account = self.account
        is_same = account.is_v1 and account.serving_url == account.v1_url
        client: OpenAI = (
            self.v1 if is_same else self._once("managed", lambda: self._bare_client(account.serving_url))
        )
        return client

    def project(self, url: str) -> OpenAI:
        """The routes of a project, which are beside its /openai/v1/."""
        base, scope = f"{url.rstrip('/')}/", self.account.cloud.project_scope
        client: OpenAI = self._once(f"project {base}", lambda: self._bare_client(base, scope=scope))
        return client

    @property
    def arm(self) -> Arm:
        """The control plane."""
        arm: Arm = self._once("arm", self._build_arm)
        return arm

    def auxiliary_headers(self, tenant: str) -> dict[str, str]:
        """The header that shows Azure that you may also use resources of another tenant."""
        if not tenant or tenant == self.account.tenant_id:
            return {}
        account = self.account
        token = account.control_token or self._credential(tenant).get_token(account.cloud.control_scope).token
        return {AUXILIARY: f"Bearer {token}"}

    def _build_dated(self) -> OpenAI:
        from openai import AzureOpenAI

        account = self.account
        options = {
            "azure_endpoint": self._endpoint(),
            "api_version": account.dated_version,
            **client_options(account.endpoint, AZURE_OPENAI_HOSTS),
        }
        if account.api_key:
            return AzureOpenAI(api_key=account.api_key, **options)
        return AzureOpenAI(azure_ad_token_provider=self._data_token(), **options)

    def _build_v1(self) -> OpenAI:
        self._endpoint()
        is_preview = self.account.api_version.lower() == "preview"
        query = {"api-version": "preview"} if is_preview else None
        return self._bare_client(self.account.v1_url, query=query)

    def _bare_client(self, url: str, *, query: Mapping[str, object] | None = None, scope: str = "") -> OpenAI:
        """A client of routes without a date."""
        from openai import OpenAI

        key = self.account.api_key
        return OpenAI(
            base_url=url,
            api_key=key or self._data_token(scope),
            default_query=query,
            **client_options(url, AZURE_OPENAI_HOSTS, key_header="api-key" if key else ""),
        )

    def _build_arm(self) -> Arm:
        from ftops.providers.azure.arm import Arm

        if missing := self.account.lacking:
            raise Permanent(
                f"provider {self.account.provider} has no {', '.join(missing)}",
                "Deployments are managed through Azure's control plane, which needs all three.",
                f"add them under providers.{self.account.provider}",
                code="Settings",
            )
        return Arm(self.account, None if self.account.control_token else self._credential())

    def _endpoint(self) -> str:
        if not self.account.endpoint:
            raise Permanent(
                f"provider {self.account.provider} has no endpoint",
                hint=f"add providers.{self.account.provider}.endpoint: https://<account>.openai.azure.com/",
                code="Settings",
            )
        return self.account.endpoint

    def _data_token(self, scope: str = "") -> Callable[[], str]:
        from azure.identity import get_bearer_token_provider

        scope = scope or self.account.scope
        check_scope(scope)
        return get_bearer_token_provider(self._credential(), scope)

    def _credential(self, tenant: str = "") -> Any:
        """Signs in to a tenant: by default that of the provider, else that of the identity."""
        wanted = tenant or self.account.tenant_id

        def build() -> Any:
            from azure.identity import DefaultAzureCredential

            client, cloud = self.account.client_id, self.account.cloud
            options: dict[str, Any] = {"retry_connect": _SIGN_IN_RETRIES}
            if client:
                options["managed_identity_client_id"] = client
            if cloud is not PUBLIC and not os.environ.get(_AUTHORITY_VARIABLE):
                options["authority"] = cloud.authority
            if not wanted:
                return DefaultAzureCredential(**options)
            return _InTenant(DefaultAzureCredential(additionally_allowed_tenants=[wanted], **options), wanted)

        return self._once(f"credential {wanted}", build)


def _words(account: Account) -> Words:
    """What errors mean for an account with a key, or for one to which tokens of a scope are sent."""
    if account.api_key:
        return AZURE
    other = other_scope(account.scope, account.cloud)
    hint = (
        f"the token is for the scope {account.scope}: if the service wants another one, set "
        f"`scope: {other}` in the provider; or sign in (`az login`) to the tenant of the account"
    )
    return replace(AZURE, by_status={401: never("authentication failed", hint)})


class _InTenant:
    """A credential that asks for tokens of one tenant."""

    def __init__(self, credential: Any, tenant: str) -> None:
        self._credential = credential
        self._tenant = tenant

    def get_token(self, *scopes: str, **options: Any) -> Any:
        return self._credential.get_token(*scopes, **{**options, "tenant_id": self._tenant})

    def close(self) -> None:
        self._credential.close()
