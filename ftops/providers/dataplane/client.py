"""Data plane client: the SDK client, its replies, and the differences between services (`Dialect`).

Azure OpenAI and the OpenAI platform share it. Importing this module loads no SDK: that takes up to a second,
and many commands need none.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

from ftops.core.address import Expression, Json, Value
from ftops.core.errors import Permanent, ProviderError, Temporary
from ftops.core.nested import list_at
from ftops.core.reply_json import parsed
from ftops.core.sign_in import NOT_SIGNED_IN
from ftops.core.trusted_hosts import Service, refusal, scope_refusal
from ftops.providers.account_facts import Reach
from ftops.providers.dataplane.errors import (
    AZURE,
    NO_REPLY,
    UNREACHABLE,
    Call,
    Refusal,
    Words,
    absent_is_none,
    error_for,
    translated,
)
from ftops.state.state import Status

if TYPE_CHECKING:
    from openai import OpenAI

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 120.0
_PAGES_AT_MOST = 100
_FILE_STATUS: Mapping[str, Status] = {
    "processed": Status.READY,
    "error": Status.TAINTED,
    "failed": Status.TAINTED,
    "deleted": Status.TAINTED,
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """The differences between the data planes of services."""

    service: str
    words: Words = AZURE
    has_method: bool = True
    """Whether a job's body has a `method`, or hyperparameters only."""
    has_training_type: bool = True
    training_types: Mapping[str, str] = field(default_factory=dict)
    """Other names that the service has for training types, by those in specs."""
    fetches_files: bool = True
    """Whether it imports a file from a URL."""
    deletes_jobs: bool = True
    file_status: Mapping[str, Status] = field(default_factory=lambda: _FILE_STATUS)
    """Any other status means that the file is still being processed."""


AZURE_OPENAI = Dialect("Azure OpenAI")
OPENAI_FILE_STATUS: Mapping[str, Status] = {**_FILE_STATUS, "": Status.READY}
"""The platform has deprecated the field and may remove it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """The settings that accounts of all services have."""

    provider: str
    api_key: str = field(default="", repr=False)
    poll_interval: float = 30.0
    large_file_bytes: int = 100 << 20
    """Larger files are sent in parts."""
    part_bytes: int = 16 << 20
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """Values of other settings that no message may contain."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that no message may contain."""
        return tuple(filter(None, (self.api_key, *self.hidden)))


_OWN_NUMBERS = ("poll_interval", "large_file_bytes", "part_bytes")
"""Settings that a spec can't have."""


def shared_settings(settings: Mapping[str, Value], provider: str, hidden: tuple[str, ...]) -> dict[str, Any]:
    """The arguments of any AccountSettings."""
    own = {name: settings[name] for name in _OWN_NUMBERS if name in settings}
    return {"provider": provider, "api_key": text_setting(settings, "api_key"), "hidden": hidden, **own}


class DataPlane:
    """The SDK clients of one account, built on first use and shared by all threads."""

    account: AccountSettings
    dialect: Dialect

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._built: dict[str, Any] = {}

    @property
    def data(self) -> OpenAI:
        """For files, jobs and models."""
        raise NotImplementedError

    @property
    def extras(self) -> OpenAI:
        """For files from a URL or in parts, and for deleting jobs."""
        return self.data

    @property
    def latest(self) -> OpenAI:
        """For what only v1 has: deleting models, running graders, and pausing jobs (also in a preview)."""
        return self.data

    def elsewhere(self, deployment: str) -> OpenAI | None:
        """Where a deployment may answer that `data` doesn't know."""
        return None

    @property
    def home(self) -> Mapping[str, Json]:
        """The computed attributes of a job that say in which account its model is."""
        return {}

    def calling(
        self, action: str, *, creates: bool = False, control_plane: bool = False
    ) -> AbstractContextManager[None]:
        """Turns errors of the SDK calls inside into Temporary or Permanent."""
        account = self.account
        call = Call(
            action, account.secrets, self.dialect.words, creates, control_plane, provider=account.provider
        )
        return translated(call)

    def error(self, refusal: Refusal, action: str) -> ProviderError:
        """An error reply as an error for the engine."""
        return error_for(refusal, Call(action, self.account.secrets, self.dialect.words))

    def look_up(self, retrieve: Callable[[str], Any], remote_id: str, action: str) -> dict[str, Any] | None:
        """The object with this ID; None if it doesn't exist. `retrieve`: the SDK's method."""
        with self.calling(action):
            reply = absent_is_none(lambda: retrieve(remote_id))
        return None if reply is None else object_of(reply, action)

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


def client_options(url: str, service: Service, *, key_header: str = "") -> dict[str, Any]:
    """Arguments of every client of the SDK: one attempt a call. Raises Permanent where no credentials may be
    sent to that address. `key_header`: the header for the key, if it isn't `Authorization`."""
    from openai import Timeout

    from ftops.providers.dataplane.http_client import LimitedClient

    check_host(url, service)
    timeout = Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    is_tls = not url.lower().startswith("http://")
    # On a redirect to another host, httpx would drop `Authorization`, but not Azure's `api-key`. And a proxy
    # from the environment can't reach a server on this machine, for which no certificates are read, either.
    client = LimitedClient(
        timeout=timeout,
        follow_redirects=False,
        trust_env=is_tls,
        verify=is_tls,
        event_hooks={"request": [partial(_move_key, key_header)]} if key_header else None,
    )
    return {"max_retries": 0, "timeout": timeout, "http_client": client}


def _move_key(header: str, request: Any) -> None:
    """The SDK sends a key as a bearer token."""
    request.headers[header] = request.headers.pop("Authorization").removeprefix("Bearer ")


def check_host(url: str, service: Service) -> None:
    """Raises Permanent if credentials must not be sent to an address."""
    if found := refusal(url, service, os.environ):
        raise Permanent(*found, code="UntrustedHost")


def check_scope(scope: str) -> None:
    """Raises Permanent if no token for a scope may be asked for."""
    if found := scope_refusal(scope, os.environ):
        raise Permanent(*found, code="UntrustedScope")


def plain(inputs: Mapping[str, Value]) -> dict[str, Json]:
    """Recorded inputs without those that contain a secret. Its value isn't recorded, so they can't be
    compared with what the service reports."""
    return {name: value for name, value in inputs.items() if _is_plain(value)}


def body_of(reply: Any, action: str, *, creates: bool = False) -> dict[str, Any]:
    """The JSON object of a raw reply, without the SDK's models, which drop unknown fields."""
    return decoded(reply.http_response.content, action, creates=creates)


def decoded(content: bytes, action: str, *, creates: bool = False) -> dict[str, Any]:
    """The JSON object that is the content of a reply."""
    try:
        body = parsed(content)
    except (ValueError, RecursionError) as exc:
        raise unusable(action, creates) from exc
    if not isinstance(body, dict):
        raise unusable(action, creates)
    return body


def object_of(reply: Any, action: str, *, creates: bool = False) -> dict[str, Any]:
    """The object in a raw reply: a body with an id."""
    body = body_of(reply, action, creates=creates)
    if not has_id(body):
        raise unusable(action, creates)
    return body


def has_id(item: Any) -> bool:
    """Whether an item of a list is an object with an ID."""
    return isinstance(item, dict) and isinstance(item.get("id"), str | int) and bool(item["id"])


def items_of(fetch: Callable[..., Any], action: str) -> Iterator[list[dict[str, Any]]]:
    """The pages of a list. `fetch` takes `after`, except for the first page. Also ends if a page repeats:
    versions without paging ignore `after` and send no `has_more`."""
    seen: set[str] = set()
    after: dict[str, str] = {}
    for _ in range(_PAGES_AT_MOST):
        body = body_of(fetch(**after), action)
        data = [item for item in list_at(body, "data") if has_id(item)]
        new = [item for item in data if item["id"] not in seen]
        seen.update(item["id"] for item in new)
        if new:
            yield new
        if not new or body.get("has_more") is False:
            return
        after = {"after": new[-1]["id"]}


def unusable(action: str, creates: bool) -> Temporary:
    return Temporary(
        f"{action}: no usable reply",
        "The reply isn't a JSON object; it may come from a gateway.",
        code=NO_REPLY,
        effect_unknown=creates,
    )


_REACH = {UNREACHABLE: Reach.UNREACHABLE, NOT_SIGNED_IN: Reach.SIGNED_OUT}
"""By the code of an error."""


def reach_of(error: ProviderError) -> Reach:
    """How far a failed read came."""
    if error.code in _REACH:
        return _REACH[error.code]
    return Reach.REFUSED if isinstance(error, Permanent) else Reach.BUSY


def text_setting(settings: Mapping[str, Value], name: str) -> str:
    """A setting as text; empty if it isn't set."""
    value = settings.get(name)
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)


def _is_plain(value: Value) -> TypeGuard[Json]:
    if isinstance(value, Expression):
        return False
    if isinstance(value, Mapping):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(_is_plain(item) for item in value)
    return True
