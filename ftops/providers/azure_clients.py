"""One Azure OpenAI account and the SDK clients for it, built on first use and shared by all threads.

Importing this module loads no SDK: that takes up to a second, and many commands need none.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from ftops.address import Expression, Json, Value
from ftops.errors import Permanent, Temporary
from ftops.providers.azure_errors import NO_REPLY, translated

if TYPE_CHECKING:
    from openai import OpenAI

    from ftops.providers.azure_arm import Arm

DATA_SCOPE = "https://cognitiveservices.azure.com/.default"
STABLE_VERSION = "2024-10-21"
CONTROL_ENDPOINT = "https://management.azure.com"
_V1_VERSIONS = frozenset({"v1", "preview", "latest"})
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 120.0
_PAGES_AT_MOST = 100


@dataclass(frozen=True, slots=True)
class Account:
    """One Azure OpenAI account as the spec's `providers` describe it."""

    provider: str
    endpoint: str = ""
    subscription_id: str = ""
    resource_group: str = ""
    name: str = ""
    api_version: str = STABLE_VERSION
    api_key: str = field(default="", repr=False)
    control_endpoint: str = CONTROL_ENDPOINT
    control_api_version: str = ""
    control_token: str = field(default="", repr=False)
    poll_interval: float = 30.0
    probe: bool = True
    tenant_id: str = ""
    client_id: str = ""
    """Of the identity to sign in with, where there are several."""
    large_file_bytes: int = 100 << 20
    """Beyond it, a file is sent in parts."""
    part_bytes: int = 16 << 20

    @property
    def id(self) -> str:
        """The ARM id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.CognitiveServices/accounts/{self.name}"
        )

    @property
    def is_v1(self) -> bool:
        return self.api_version.lower() in _V1_VERSIONS

    @property
    def knows_method(self) -> bool:
        """Whether a job's body has a `method`: the stable dated versions know hyperparameters only."""
        return self.is_v1 or "preview" in self.api_version.lower()

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.api_key, self.control_token)))


def plain(inputs: Mapping[str, Value]) -> dict[str, Json]:
    """Recorded inputs, without those that hold a secret: their values are on record nowhere, so that
    nothing the service reports can be compared with them."""
    return {name: value for name, value in inputs.items() if _is_plain(value)}


def account_from(settings: Mapping[str, Value], name: str) -> Account:
    """The account that a provider's settings describe. Nothing is checked that isn't needed yet."""
    control = settings.get("control_plane")
    control = control if isinstance(control, Mapping) else {}
    credential = settings.get("credential")
    credential = credential if isinstance(credential, Mapping) else {}
    interval = settings.get("poll_interval")
    return Account(
        provider=name,
        endpoint=_text(settings, "endpoint").rstrip("/"),
        subscription_id=_text(settings, "subscription_id"),
        resource_group=_text(settings, "resource_group"),
        name=_text(settings, "account"),
        api_version=_text(settings, "api_version") or STABLE_VERSION,
        api_key=_text(settings, "api_key"),
        control_endpoint=(_text(control, "endpoint") or CONTROL_ENDPOINT).rstrip("/"),
        control_api_version=_text(control, "api_version"),
        control_token=_text(control, "token"),
        poll_interval=float(interval) if isinstance(interval, int | float) else 30.0,
        probe=settings.get("probe") is not False,
        tenant_id=_text(credential, "tenant_id"),
        client_id=_text(credential, "client_id"),
        large_file_bytes=_whole(settings, "large_file_bytes", 100 << 20),
        part_bytes=_whole(settings, "part_bytes", 16 << 20),
    )


class Clients:
    """The clients of one account."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._lock = threading.RLock()
        self._built: dict[str, Any] = {}

    @property
    def data(self) -> OpenAI:
        """The data plane in the version that the spec asks for."""
        return self.v1 if self.account.is_v1 else self.dated

    @property
    def dated(self) -> OpenAI:
        """The routes with a date for a version."""
        client: OpenAI = self._once("dated", self._build_dated)
        return client

    @property
    def v1(self) -> OpenAI:
        """The routes under /openai/v1/."""
        client: OpenAI = self._once("v1", self._build_v1)
        return client

    @property
    def arm(self) -> Arm:
        """The control plane."""
        arm: Arm = self._once("arm", self._build_arm)
        return arm

    def calling(
        self, action: str, *, creates: bool = False, control_plane: bool = False
    ) -> AbstractContextManager[None]:
        """Errors of the SDK calls inside leave as Temporary or Permanent."""
        return translated(action, creates=creates, secrets=self.account.secrets, control_plane=control_plane)

    def close(self) -> None:
        """Gives the connections back."""
        with self._lock:
            built, self._built = self._built, {}
        for client in built.values():
            close = getattr(client, "close", None)
            if close is not None:
                close()

    def _once(self, what: str, build: Callable[[], Any]) -> Any:
        with self._lock:
            if what not in self._built:
                self._built[what] = build()
            return self._built[what]

    def _build_dated(self) -> OpenAI:
        from openai import AzureOpenAI

        account = self.account
        version = STABLE_VERSION if account.is_v1 else account.api_version
        options = {"azure_endpoint": self._endpoint(), "api_version": version, **self._common_options()}
        if account.api_key:
            return AzureOpenAI(api_key=account.api_key, **options)
        return AzureOpenAI(azure_ad_token_provider=self._data_token(), **options)

    def _build_v1(self) -> OpenAI:
        from openai import OpenAI

        account = self.account
        query = {"api-version": "preview"} if account.api_version.lower() == "preview" else None
        return OpenAI(
            base_url=f"{self._endpoint()}/openai/v1/",
            api_key=account.api_key or self._data_token(),
            default_query=query,
            **self._common_options(),
        )

    def _common_options(self) -> dict[str, Any]:
        from openai import DefaultHttpxClient, Timeout

        timeout = Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
        options: dict[str, Any] = {"max_retries": 0, "timeout": timeout}
        if self.account.endpoint.startswith("http://"):
            # A server on this machine: a proxy from the environment can't reach it.
            options["http_client"] = DefaultHttpxClient(timeout=timeout, trust_env=False)
        return options

    def _build_arm(self) -> Arm:
        from ftops.providers.azure_arm import Arm

        missing = [
            name
            for name, value in (
                ("subscription_id", self.account.subscription_id),
                ("resource_group", self.account.resource_group),
                ("account", self.account.name),
            )
            if not value
        ]
        if missing:
            raise Permanent(
                f"provider {self.account.provider} has no {', '.join(missing)}",
                "Deployments are made through Azure's control plane, which needs all three.",
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

    def _data_token(self) -> Callable[[], str]:
        from azure.identity import get_bearer_token_provider

        return get_bearer_token_provider(self._credential(), DATA_SCOPE)

    def _credential(self) -> Any:
        def build() -> Any:
            from azure.identity import DefaultAzureCredential

            client, tenant = self.account.client_id, self.account.tenant_id
            options: dict[str, Any] = {"managed_identity_client_id": client} if client else {}
            if not tenant:
                return DefaultAzureCredential(**options)
            return _InTenant(DefaultAzureCredential(additionally_allowed_tenants=[tenant], **options), tenant)

        return self._once("credential", build)


class _InTenant:
    """A credential that asks for tokens of one tenant."""

    def __init__(self, credential: Any, tenant: str) -> None:
        self._credential = credential
        self._tenant = tenant

    def get_token(self, *scopes: str, **options: Any) -> Any:
        return self._credential.get_token(*scopes, **{**options, "tenant_id": self._tenant})

    def close(self) -> None:
        self._credential.close()


def body_of(reply: Any, action: str, *, creates: bool = False) -> dict[str, Any]:
    """The JSON object of a raw reply of the openai SDK: as it was sent, no model in between."""
    try:
        body = json.loads(reply.http_response.content)
    except ValueError as exc:
        raise unusable(action, creates) from exc
    if not isinstance(body, dict):
        raise unusable(action, creates)
    return body


def object_of(reply: Any, action: str, *, creates: bool = False) -> dict[str, Any]:
    """The object of a raw reply: a body with an id."""
    body = body_of(reply, action, creates=creates)
    if not body.get("id"):
        raise unusable(action, creates)
    return body


def items_of(fetch: Callable[[str | None], Any], action: str) -> Iterator[list[dict[str, Any]]]:
    """The pages of a list. Ends where the service says so, and where it repeats itself: some versions
    know no paging, ignore `after` and send no `has_more`."""
    seen: set[str] = set()
    after: str | None = None
    for _ in range(_PAGES_AT_MOST):
        body = body_of(fetch(after), action)
        data = [item for item in body.get("data") or () if isinstance(item, dict) and item.get("id")]
        new = [item for item in data if item["id"] not in seen]
        seen.update(item["id"] for item in new)
        if new:
            yield new
        if not new or body.get("has_more") is False:
            return
        after = new[-1]["id"]


def unusable(action: str, creates: bool) -> Temporary:
    return Temporary(
        f"{action}: no usable reply",
        "The service answered with something that is no JSON object, as a gateway in between may do.",
        code=NO_REPLY,
        effect_unknown=creates,
    )


def _is_plain(value: Value) -> TypeGuard[Json]:
    if isinstance(value, Expression):
        return False
    if isinstance(value, Mapping):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(_is_plain(item) for item in value)
    return True


def _whole(settings: Mapping[str, Value], name: str, default: int) -> int:
    value = settings.get(name)
    return value if isinstance(value, int) and value > 0 else default


def _text(settings: Mapping[str, Value], name: str) -> str:
    value = settings.get(name)
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)
