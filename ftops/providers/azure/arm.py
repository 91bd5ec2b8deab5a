"""The control plane: deployments of one account, as JSON, through Azure's management SDK.

Imported only where a deployment is at stake: it loads the SDK. Every call is one attempt and returns at
once; what takes long is left running, with a token to ask about it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.core.polling.base_polling import BadResponse, BadStatus
from azure.core.rest import HttpRequest
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
from azure.mgmt.core.polling.arm_polling import ARMPolling

from ftops.core.trusted_hosts import RESOURCE_MANAGER
from ftops.providers.azure.settings import Account
from ftops.providers.dataplane.client import check_host
from ftops.providers.dataplane.errors import absent_is_none, is_absent, refusal_from

SCOPE = "https://management.azure.com/.default"
_VERSION = "2024-10-01"
"""Of what is only read: the account, and what it offers."""
_PERMISSIONS_VERSION = "2022-04-01"
_PAGES_AT_MOST = 100
_CONNECT_SECONDS = 10
_READ_SECONDS = 120


class Arm:
    """Reads and writes the deployments of one account."""

    def __init__(self, account: Account, credential: Any | None) -> None:
        check_host(account.control_endpoint, RESOURCE_MANAGER)
        options: dict[str, Any] = {
            "base_url": account.control_endpoint,
            "per_call_policies": [_KnownHosts()],
            "permit_redirects": False,
            "retry_total": 0,
            "connection_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
        }
        if account.control_api_version:
            options["api_version"] = account.control_api_version
        if account.control_endpoint.lower().startswith("http://"):
            # The SDK sends no token over http unless a policy of our own does it.
            options["authentication_policy"] = _Bearer(account.control_token, credential)
            options["transport"] = RequestsTransport(use_env_settings=False)
        self.absent_since: dict[str, datetime] = {}
        """By name, when the service last said that a deployment is not there. By its own clock."""
        self._client = CognitiveServicesManagementClient(
            credential or _Fixed(account.control_token), account.subscription_id, **options
        )
        self._place = (account.resource_group, account.name)
        self._id = quote(account.id)
        subscription = f"/subscriptions/{quote(account.subscription_id)}"
        self._services = f"{subscription}/providers/Microsoft.CognitiveServices"
        self._version = account.control_api_version or _VERSION

    def get(self, name: str) -> dict[str, Any] | None:
        """The deployment; None where there is none."""
        try:
            body: Any = self._client.deployments.get(*self._place, name, cls=_json)
        except Exception as exc:
            if is_absent(refusal_from(exc, control_plane=True)):
                self.absent_since[name] = _date_of(exc)
                return None
            raise
        return dict(body)

    def put(self, name: str, body: dict[str, Any], headers: Mapping[str, str]) -> tuple[dict[str, Any], str]:
        """Asks for a deployment. What the service replied, and a token for `failure`."""
        polling = _NotNow()
        content: Any = json.dumps(body).encode()
        self._client.deployments.begin_create_or_update(
            *self._place, name, content, polling=polling, headers=dict(headers)
        )
        return polling.first, polling.get_continuation_token()

    def patch(self, name: str, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Changes sku and tags. What the service replied, and a token for `failure`."""
        polling = _NotNow()
        content: Any = json.dumps(body).encode()
        self._client.deployments.begin_update(*self._place, name, content, polling=polling)
        return polling.first, polling.get_continuation_token()

    def delete(self, name: str) -> str:
        """Asks for the deletion. A token for `failure`; empty where it was gone already."""
        polling = _NotNow()
        begin = partial(self._client.deployments.begin_delete, *self._place, name, polling=polling)
        begun = absent_is_none(begin, control_plane=True)
        return "" if begun is None else polling.get_continuation_token()

    def failure(self, name: str, token: str) -> str:
        """Why the operation of that token failed; empty while it runs, where it succeeded, and where
        the service has forgotten it."""
        polling = _NotNow()
        empty: Any = b""
        try:
            self._client.deployments.begin_create_or_update(
                *self._place, name, empty, polling=polling, continuation_token=token
            )
            return polling.failure()
        except (AzureError, BadStatus, BadResponse, ValueError):
            return ""

    def account(self) -> dict[str, Any]:
        """The account itself."""
        return self._read(f"{self._id}?{urlencode({'api-version': self._version})}")

    def models(self) -> list[dict[str, Any]]:
        """What the account can deploy, its own tuned models included."""
        return self._list(f"{self._id}/models", self._version)

    def deployments(self) -> list[dict[str, Any]]:
        """All deployments of the account."""
        return self._list(f"{self._id}/deployments", self._version)

    def usages(self, location: str) -> list[dict[str, Any]]:
        """The quotas of the subscription in a region."""
        return self._list(f"{self._services}/locations/{quote(location)}/usages", self._version)

    def deleted(self) -> list[dict[str, Any]]:
        """Accounts that are deleted, and still hold their names."""
        return self._list(f"{self._services}/deletedAccounts", self._version)

    def permissions(self) -> list[dict[str, Any]]:
        """What the roles of who asks allow on the account."""
        path = f"{self._id}/providers/Microsoft.Authorization/permissions"
        return self._list(path, _PERMISSIONS_VERSION)

    def close(self) -> None:
        self._client.close()

    def _list(self, path: str, version: str) -> list[dict[str, Any]]:
        return [item for page in self._pages(path, version) for item in page if isinstance(item, dict)]

    def _pages(self, path: str, version: str) -> Iterator[list[Any]]:
        url = f"{path}?{urlencode({'api-version': version})}"
        for _ in range(_PAGES_AT_MOST):
            body = self._read(url)
            yield body.get("value") or []
            url = str(body.get("nextLink") or "")
            if not url:
                return

    def _read(self, url: str) -> dict[str, Any]:
        """A GET; the body as it was sent. The SDK's own models would drop what they don't know."""
        response = self._client._send_request(HttpRequest("GET", url))
        response.raise_for_status()
        return _object(response.text())


class _NotNow(ARMPolling):  # type: ignore[misc, unused-ignore]
    """A polling that doesn't: the SDK would wait in a thread of its own."""

    def run(self) -> None:
        """Leaves the operation to itself."""

    @property
    def first(self) -> dict[str, Any]:
        """The body of the reply that started the operation."""
        return _object(self._initial_response.http_response.text())

    def failure(self) -> str:
        """Asks once how the operation stands."""
        if not self.finished():
            self.update_status()
        if self.status().lower() not in ("failed", "canceled", "cancelled"):
            return ""
        body = _object(self._pipeline_response.http_response.text())
        error = body.get("error") or (body.get("properties") or {}).get("error") or {}
        message = error.get("message") or f"the operation ended as {self.status()}"
        return f"{message} ({error['code']})" if error.get("code") else str(message)


class _Fixed:
    """A credential that is one known token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(self._token, int(time.time()) + 3600)


class _KnownHosts(SansIOHTTPPolicy[Any, Any]):
    """Keeps the token from other hosts: replies name the addresses of next pages and of operations."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        scheme, empty, host, *_ = f"{request.http_request.url}//".split("/")
        check_host(f"{scheme}/{empty}/{host.partition('?')[0]}", RESOURCE_MANAGER)


class _Bearer(SansIOHTTPPolicy[Any, Any]):
    """Sends the token over plain http, for a server on this machine."""

    def __init__(self, token: str, credential: Any | None) -> None:
        self._token = token
        self._credential = credential

    def on_request(self, request: PipelineRequest[Any]) -> None:
        token = self._token or (self._credential.get_token(SCOPE).token if self._credential else "")
        request.http_request.headers["Authorization"] = f"Bearer {token}"


def _date_of(exc: Exception) -> datetime:
    """When a refusal was sent, by the clock of who sent it; else now."""
    headers = getattr(getattr(exc, "response", None), "headers", None) or {}
    try:
        sent = parsedate_to_datetime(str(headers.get("Date")))
        return sent if sent.tzinfo else sent.replace(tzinfo=UTC)
    except ValueError:
        return datetime.now(UTC)


def _json(response: Any, model: object, headers: object) -> dict[str, Any]:
    """Instead of the SDK's model, which drops what it doesn't know."""
    return _object(response.http_response.text())


def _object(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text or "{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
