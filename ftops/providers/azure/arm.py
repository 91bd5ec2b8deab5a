"""Control plane client: the deployments of one account as JSON, through Azure's management SDK.

Importing this module loads the SDK. Every call is one attempt and doesn't wait for long-running operations:
it returns a token, with which `failure` asks for the result.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.core.polling.base_polling import BadResponse, BadStatus
from azure.core.rest import HttpRequest
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
from azure.mgmt.core.polling.arm_polling import ARMPolling
from requests import Response, Session
from requests.adapters import HTTPAdapter

from ftops.core.errors import Permanent
from ftops.core.limited_replies import EndlessReply, limited
from ftops.core.nested import list_at, object_at
from ftops.core.reply_json import parsed
from ftops.core.trusted_hosts import RESOURCE_MANAGER, is_local
from ftops.providers.azure.settings import Account
from ftops.providers.dataplane.client import check_host
from ftops.providers.dataplane.errors import absent_is_none, is_absent, refusal_from

_VERSION = "2024-10-01"
"""API version of reads other than deployments."""
_PERMISSIONS_VERSION = "2022-04-01"
_PAGES_AT_MOST = 100
_CONNECT_SECONDS = 10
_READ_SECONDS = 120


class Reply(NamedTuple):
    """A JSON object, and headers by their names in lower case."""

    body: dict[str, Any]
    headers: Mapping[str, str]


class Arm:
    """Reads and writes the deployments of one account."""

    def __init__(self, account: Account, credential: Any | None) -> None:
        check_host(account.control_endpoint, RESOURCE_MANAGER)
        credential = credential or _Fixed(account.control_token)
        is_plain = account.control_endpoint.lower().startswith("http://")
        options: dict[str, Any] = {
            "base_url": account.control_endpoint,
            "transport": RequestsTransport(session=_session(), use_env_settings=not is_plain),
            "credential_scopes": [account.cloud.control_scope],
            "per_call_policies": [_KnownHosts(account.control_endpoint)],
            "permit_redirects": False,
            "retry_total": 0,
            "connection_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
        }
        if account.control_api_version:
            options["api_version"] = account.control_api_version
        if is_plain:
            # The SDK itself sends no token over http.
            options["authentication_policy"] = _Bearer(credential, account.cloud.control_scope)
        self.absent_since: dict[str, datetime] = {}
        """By name, when the service last reported that a deployment doesn't exist, by its clock."""
        self._client = CognitiveServicesManagementClient(credential, account.subscription_id, **options)
        self._place = (account.resource_group, account.name)
        self._id = quote(account.id)
        subscription = f"/subscriptions/{quote(account.subscription_id)}"
        self._services = f"{subscription}/providers/Microsoft.CognitiveServices"
        self._version = account.control_api_version or _VERSION

    def get(self, name: str) -> dict[str, Any] | None:
        """The deployment; None if it doesn't exist."""
        try:
            body: Any = self._client.deployments.get(*self._place, name, cls=_json)
        except Exception as exc:
            if is_absent(refusal_from(exc, control_plane=True)):
                self.absent_since[name] = _date_of(exc)
                return None
            raise
        return dict(body)

    def put(self, name: str, body: dict[str, Any], headers: Mapping[str, str]) -> tuple[dict[str, Any], str]:
        """Creates or replaces a deployment. Returns the reply and a token for `failure`."""
        polling = _NotNow()
        content: Any = json.dumps(body).encode()
        self._client.deployments.begin_create_or_update(
            *self._place, name, content, polling=polling, headers=dict(headers)
        )
        return polling.first, polling.get_continuation_token()

    def patch(self, name: str, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Changes sku and tags. Returns the reply and a token for `failure`."""
        polling = _NotNow()
        content: Any = json.dumps(body).encode()
        self._client.deployments.begin_update(*self._place, name, content, polling=polling)
        return polling.first, polling.get_continuation_token()

    def delete(self, name: str) -> str:
        """Deletes a deployment. Returns a token for `failure`; empty if it didn't exist."""
        polling = _NotNow()
        begin = partial(self._client.deployments.begin_delete, *self._place, name, polling=polling)
        begun = absent_is_none(begin, control_plane=True)
        return "" if begun is None else polling.get_continuation_token()

    def failure(self, name: str, token: str) -> str:
        """Why the operation with that token failed; empty if it runs, has succeeded, or is no longer known to
        the service."""
        polling = _NotNow()
        empty: Any = b""
        try:
            self._client.deployments.begin_create_or_update(
                *self._place, name, empty, polling=polling, continuation_token=token
            )
            return polling.failure()
        except (AzureError, BadStatus, BadResponse, ValueError):
            return ""

    def send(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """A bare request, for what the SDK in use has no types for."""
        request = HttpRequest(method, url, headers=dict(headers or {}), json=body)
        response = self._client._send_request(request)
        response.raise_for_status()
        named = {str(name).lower(): str(value) for name, value in response.headers.items()}
        return Reply(_object(response.text()), named)

    def list_at(self, path: str, version: str) -> list[dict[str, Any]]:
        """Every object of a list."""
        return self._list(path, version)

    def account(self) -> dict[str, Any]:
        """The account itself."""
        return self._read(f"{self._id}?{urlencode({'api-version': self._version})}")

    def models(self) -> list[dict[str, Any]]:
        """The models that the account can deploy, including its fine-tuned ones."""
        return self._list(f"{self._id}/models", self._version)

    def deployments(self) -> list[dict[str, Any]]:
        """All deployments of the account."""
        return self._list(f"{self._id}/deployments", self._version)

    def usages(self, location: str) -> list[dict[str, Any]]:
        """The quotas of the subscription in a region."""
        return self.at_location(location, "usages", self._version)

    def at_location(self, location: str, what: str, version: str) -> list[dict[str, Any]]:
        """A list of the subscription in a region."""
        return self._list(f"{self._services}/locations/{quote(location)}/{what}", version)

    def deleted(self) -> list[dict[str, Any]]:
        """Deleted accounts whose names are still reserved."""
        return self._list(f"{self._services}/deletedAccounts", self._version)

    def permissions(self) -> list[dict[str, Any]]:
        """What your roles allow on the account."""
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
            yield list_at(body, "value")
            url = str(body.get("nextLink") or "")
            if not url:
                return

    def _read(self, url: str) -> dict[str, Any]:
        """GET; the body without the SDK's models, which drop unknown fields."""
        return self.send("GET", url).body


def failure_in(body: Mapping[str, Any], status: str) -> str:
    """Why an operation failed, by the status of it and the body of that reply; empty if it didn't."""
    if status.lower() not in ("failed", "canceled", "cancelled"):
        return ""
    error = object_at(body, "error") or object_at(body, "properties", "error")
    message = error.get("message") or f"the operation ended as {status}"
    return f"{message} ({error['code']})" if error.get("code") else str(message)


class _NotNow(ARMPolling):  # type: ignore[misc, unused-ignore]
    """A polling method that doesn't wait; the SDK's own would, in a thread."""

    def run(self) -> None:
        """Doesn't wait for the operation."""

    @property
    def first(self) -> dict[str, Any]:
        """The body of the reply that started the operation."""
        return _object(self._initial_response.http_response.text())

    def failure(self) -> str:
        """Asks once for the state of the operation, and returns why it failed."""
        if not self.finished():
            self.update_status()
        return failure_in(_object(self._pipeline_response.http_response.text()), self.status())


class _LimitedAdapter(HTTPAdapter):
    """Limits the content of replies."""

    def send(self, *args: Any, **options: Any) -> Response:
        """Reading the content raises EndlessReply."""
        response = super().send(*args, **options)
        stream = response.raw.stream

        def limited_stream(*args: Any, **options: Any) -> Iterator[bytes]:
            try:
                yield from limited(stream(*args, **options))
            except EndlessReply:
                response.close()
                raise

        response.raw.stream = limited_stream
        return response


def _session() -> Session:
    session = Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, _LimitedAdapter())
    return session


class _Fixed:
    """A credential that is one known token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(self._token, int(time.time()) + 3600)


class _KnownHosts(SansIOHTTPPolicy[Any, Any]):
    """Refuses other hosts: replies contain the URLs of next pages and of operations. On this machine, every
    port is another one."""

    def __init__(self, endpoint: str) -> None:
        self._own = _origin(endpoint)

    def on_request(self, request: PipelineRequest[Any]) -> None:
        address = _origin(request.http_request.url)
        check_host(address, RESOURCE_MANAGER)
        if is_local(address) and address != self._own:
            raise Permanent(
                f"{address} isn't {self._own}",
                "A reply leads to another server on this machine, which would get the token.",
                code="UntrustedHost",
            )


def _origin(url: str) -> str:
    """Scheme, host and port of a URL."""
    scheme, empty, host, *_ = f"{url}//".split("/")
    return f"{scheme}/{empty}/{host.partition('?')[0]}".lower()


class _Bearer(SansIOHTTPPolicy[Any, Any]):
    """Sends the token over plain http, for a server on this machine."""

    def __init__(self, credential: Any, scope: str) -> None:
        self._credential = credential
        self._scope = scope

    def on_request(self, request: PipelineRequest[Any]) -> None:
        token = self._credential.get_token(self._scope).token
        request.http_request.headers["Authorization"] = f"Bearer {token}"


def _date_of(exc: Exception) -> datetime:
    """When a reply was sent, by the clock of the sender; else now."""
    headers = getattr(getattr(exc, "response", None), "headers", None) or {}
    try:
        sent = parsedate_to_datetime(str(headers.get("Date")))
        return sent if sent.tzinfo else sent.replace(tzinfo=UTC)
    except ValueError:
        return datetime.now(UTC)


def _json(response: Any, model: object, headers: object) -> dict[str, Any]:
    """Replaces the SDK's model, which drops unknown fields."""
    return _object(response.http_response.text())


def _object(text: str) -> dict[str, Any]:
    try:
        body = parsed(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
