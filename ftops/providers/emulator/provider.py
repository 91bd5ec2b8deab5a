"""Emulator provider (`type: emulator`): the Azure provider with a local server, which is started when needed.

The server keeps its objects in a folder. It outlives the command for a moment, so that the next command can
attach to it. If it has ended in between, the next call starts it again.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import IO, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

from msgspec.structs import replace

from ftops.config.config import ProviderConfig
from ftops.core.address import Address, Json, Value
from ftops.core.api_versions import PREVIEW
from ftops.core.confined_files import content, real, refuse_planted
from ftops.core.errors import Permanent, Temporary
from ftops.core.limited_replies import MOST_BYTES
from ftops.core.nested import object_at
from ftops.core.private_files import make_folder, open_private, write_private
from ftops.core.project import EMULATOR_DATA, made_here
from ftops.core.resource_types import kind_of
from ftops.core.trusted_hosts import EMULATOR
from ftops.providers.account_facts import AccountFacts, ManagedFacts, Reach
from ftops.providers.azure.provider import AzureProvider
from ftops.providers.dataplane.client import check_host
from ftops.providers.dataplane.dispatch import seconds_until_visible, timeouts_from
from ftops.providers.dataplane.errors import NO_REPLY, UNREACHABLE

P = ParamSpec("P")
T = TypeVar("T")

_HOST = "127.0.0.1"
_LINGER_SECONDS = 30
_START_SECONDS = 30.0
_CALL_SECONDS = 5.0
_POLL_SECONDS = 0.1
_ACCOUNT: Mapping[str, str] = {
    "subscription_id": "00000000-0000-0000-0000-000000000000",
    "resource_group": "rg-emulator",
    "account": "emulator",
}
"""The account of a server that doesn't name one."""
_KEY_VARIABLE = "FTOPS_EMULATOR_KEY"
"""If it is empty, the key in the folder is used."""
_RECORDINGS = "recordings"
"""A setting of the server: a path, relative to the project root in a spec."""
_LOG = "server.log"
_PORT = "port"
_NOTE_BYTES = 65536
"""A larger file isn't one of a server."""
_TAKEN = "already runs"
_TRUST = "--trust"
"""Part of the emulator's message about a folder that it didn't create, which says what to do."""
_OK, _REFUSED = 200, (401, 403)
_LOOK_SECONDS = 0.05


def open_provider(config: ProviderConfig, project: Path) -> EmulatorProvider:
    """The provider that one entry of `providers` declares."""
    return EmulatorProvider(config.settings, name=config.name, project=project)


def _forwarded(
    method: Callable[Concatenate[AzureProvider, P], T],
) -> Callable[Concatenate[EmulatorProvider, P], T]:
    """The method of the Azure provider, on a server that is started if needed."""

    @wraps(method)
    def forward(self: EmulatorProvider, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._call(lambda azure: method(azure, *args, **kwargs))

    return forward


class EmulatorProvider:
    """An Azure OpenAI account that exists on this machine."""

    def __init__(self, settings: Mapping[str, Value], *, name: str, project: Path) -> None:
        self.name = name
        self.visible_after = seconds_until_visible(settings, default=0.0)
        self.timeouts = timeouts_from(settings)
        self._own = {"visible_after": self.visible_after, "recreate_after": settings.get("recreate_after")}
        self._project = project
        self._server = _Server(settings, name, project)
        self._lock = threading.Lock()
        self._azure: AzureProvider | None = None
        self._left: list[AzureProvider] = []
        """Clients of servers that have ended; calls of other threads may still be in progress."""

    create = _forwarded(AzureProvider.create)
    read = _forwarded(AzureProvider.read)
    update = _forwarded(AzureProvider.update)
    delete = _forwarded(AzureProvider.delete)
    find_by_token = _forwarded(AzureProvider.find_by_token)
    existing = _forwarded(AzureProvider.existing)
    content = _forwarded(AzureProvider.content)
    model_exists = _forwarded(AzureProvider.model_exists)
    queued = _forwarded(AzureProvider.queued)
    progress = _forwarded(AzureProvider.progress)
    training_run = _forwarded(AzureProvider.training_run)
    job_events = _forwarded(AzureProvider.job_events)
    ask = _forwarded(AzureProvider.ask)
    grade = _forwarded(AzureProvider.grade)
    why_gone = _forwarded(AzureProvider.why_gone)
    validate_grader = _forwarded(AzureProvider.validate_grader)
    control = _forwarded(AzureProvider.control)

    def concurrency_key(self, address: Address) -> str | None:
        """As in Azure, without starting a server for the name of its account."""
        return f"emulator/{self.name}" if kind_of(address).by_control_plane else None

    def inspect(self, kinds: Collection[str]) -> AccountFacts:
        """As in Azure, except that no model retires."""
        azure = self._ensure()
        facts = azure.inspect(kinds)
        away = Reach.UNREACHABLE in (facts.training.reach, facts.deploying.reach)
        if away and self._has_vanished(azure):
            facts = self._ensure().inspect(kinds)
        return replace(facts, retires=False)

    def inspect_managed(self, location: str) -> ManagedFacts:
        """As in Azure."""
        return self._ensure().inspect_managed(location)

    def connection(self) -> Mapping[str, Json]:
        """The URL and key for other programs. Starts the server if needed."""
        openai = self._call(lambda azure: azure.account.for_openai)
        return {"api_version": PREVIEW, **openai, **self._server.connection}

    def close(self) -> None:
        """Releases the server: it ends, unless another command attaches to it."""
        with self._lock:
            opened, self._left = [*self._left, self._azure], []
            self._azure = None
            for azure in opened:
                if azure is not None:
                    azure.close()
            self._server.release()

    def _call(self, call: Callable[[AzureProvider], T]) -> T:
        azure = self._ensure()
        try:
            return call(azure)
        except Temporary as error:
            has_vanished = error.code in (UNREACHABLE, NO_REPLY) and self._has_vanished(azure)
            if not has_vanished or error.code != UNREACHABLE:
                raise
        # Nothing was sent, so this is still the first attempt.
        return call(self._ensure())

    def _ensure(self) -> AzureProvider:
        with self._lock:
            if self._azure is None:
                settings = {**self._server.start(), **self._own}
                self._azure = AzureProvider(settings, name=self.name, project=self._project)
            return self._azure

    def _has_vanished(self, azure: AzureProvider) -> bool:
        """Whether the server has ended; if so, the next call starts it again."""
        with self._lock:
            if self._azure is azure:
                if _answers(self._server.connection):
                    return False
                self._left.append(azure)
                self._azure = None
            return True


class _Server:
    """The server process: attached to, or started. For one thread at a time."""

    def __init__(self, settings: Mapping[str, Value], name: str, project: Path) -> None:
        self._name = name
        self._folder = project / str(settings.get("data") or EMULATOR_DATA)
        self._url = str(settings.get("url") or "").rstrip("/")
        self._key = str(settings.get("api_key") or "")
        self._account = str(settings.get("account") or "")
        self._settings = dict(object_at(settings, "settings"))
        if file := self._settings.get(_RECORDINGS):
            self._settings[_RECORDINGS] = str(project / str(file))
        self._pipe: IO[bytes] | None = None
        self.connection: Mapping[str, Json] = {}

    def start(self) -> dict[str, Value]:
        """The settings of an Azure provider for a running server."""
        self._check_folder()
        self.connection = self._given() if self._url else self._attached() or self._started()
        self._check_account()
        if self._settings:
            self._configure()
        found = self.connection
        return {
            "endpoint": found["url"],
            **{name: found.get(name) or usual for name, usual in _ACCOUNT.items()},
            "api_key": found["api_key"],
            "control_plane": {"endpoint": found["url"], "token": found["api_key"]},
            "poll_interval": _POLL_SECONDS,
        }

    def release(self) -> None:
        """Closes the pipe; the server ends some time after the last one is closed."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()

    def _given(self) -> Mapping[str, Json]:
        """A server that the spec names."""
        noted = self._noted()
        known = noted if str(noted.get("url") or "").rstrip("/") == self._url else {}
        connection: dict[str, Json] = {
            **known,
            "url": self._url,
            "api_key": self._key or known.get("api_key") or "",
        }
        if (status := _status(connection)) != _OK:
            raise self._unanswered(status, has_key=bool(connection["api_key"]))
        return {**connection, **_names(connection)}

    def _unanswered(self, status: int, *, has_key: bool) -> Permanent:
        """The error for a server in the spec that isn't running or rejects the key."""
        if status not in _REFUSED:
            return Permanent(
                f"provider {self._name}: no emulator answers at {self._url}",
                "`url` is the address of a running server, and `api_key` its key.",
                "start it (`ftops emulator`), or remove `url`: then one is started when needed",
                code="NoEmulator",
            )
        what = "rejects the `api_key`" if has_key else "requires a key, and the spec has no `api_key`"
        return Permanent(
            f"provider {self._name}: the emulator at {self._url} {what}",
            f"It replied with HTTP {status}. Its key is in `server.json` in its folder, or in "
            f"{_KEY_VARIABLE} when it is started.",
            f"set `api_key: ${{env.{_KEY_VARIABLE}}}` in the provider, and that variable to the server's key",
            code="NoKey",
        )

    def _check_folder(self) -> None:
        """The server writes to files in it; a checkout may have put links there."""
        try:
            refuse_planted(self._folder)
        except (FileNotFoundError, NotADirectoryError):
            return  # starting the server creates it, or reports why not
        except OSError as error:
            raise Permanent(
                f"provider {self._name}: the emulator's folder can't be used: {error.filename}",
                f"{error.strerror}.",
                getattr(error, "hint", "check the folder and its permissions"),
                code="NoEmulator",
            ) from error

    def _check_account(self) -> None:
        """With another account, all recorded objects would seem to be deleted."""
        found = str(self.connection.get("account") or _ACCOUNT["account"])
        if self._account and found.casefold() != self._account.casefold():
            raise Permanent(
                f"provider {self._name}: the emulator at {self.connection['url']} has another account",
                f"`account` is {self._account}, but the account of the running server is {found}.",
                f"set `account: {found}`, or start the server with `--account {self._account}`",
                code="WrongAccount",
            )

    def _attached(self) -> Mapping[str, Json] | None:
        """A server that another command has left running."""
        # A folder without the mark of a server may come from a checkout, and its address may be anything.
        noted = self._noted() if made_here(real(self._folder)) else {}
        is_here = urlsplit(str(noted.get("url") or "")).hostname == _HOST
        return noted if is_here and _answers(noted) else None

    def _started(self) -> Mapping[str, Json]:
        """A new server, if possible at the address of the previous one, which outputs may contain."""
        refusal = ""
        for port in dict.fromkeys((self._last_port(), 0)):
            self.release()
            announcement = self._launched(port)
            refusal = str(announcement.get("error") or "")
            connection = announcement if "url" in announcement else self._quicker(refusal)
            if connection is not None:
                self._remember(connection)
                return connection
        raise self._failure(refusal)

    def _quicker(self, refusal: str) -> Mapping[str, Json] | None:
        """The server of another command that started earlier: a folder has one server."""
        deadline = time.monotonic() + _START_SECONDS
        while _TAKEN in refusal and time.monotonic() < deadline:
            if connection := self._attached():
                return connection
            time.sleep(_LOOK_SECONDS)
        return None

    def _launched(self, port: int) -> Mapping[str, Json]:
        # -P: nothing is imported from the folder where the command was started.
        command = [sys.executable, "-P", "-m", "ftops.emulator"]
        command += ["--data", str(self._folder), "--port", str(port)]
        command += ["--parent-pipe", "--linger", str(_LINGER_SECONDS)]
        command += ["--account", self._account or _ACCOUNT["account"]]
        with self._log() as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, _KEY_VARIABLE: self._key},  # others can see arguments
                start_new_session=True,  # Ctrl-C is for the command only
            )
        self._pipe = process.stdin
        for needed in ("openai", "ftops.providers.azure.arm"):  # meanwhile the server starts
            import_module(needed)
        return _announced(process)

    def _last_port(self) -> int:
        try:
            return int(content(self._folder / _PORT, limit=_NOTE_BYTES, follow=False))
        except (OSError, ValueError):
            return 0

    def _remember(self, connection: Mapping[str, Json]) -> None:
        with contextlib.suppress(OSError):
            port = urlsplit(str(connection["url"])).port
            write_private(self._folder / _PORT, str(port).encode())

    def _log(self) -> IO[bytes]:
        try:
            make_folder(self._folder)
            return open(self._folder / _LOG, "ab", opener=open_private)
        except OSError as exc:
            raise self._failure(str(exc)) from exc

    def _configure(self) -> None:
        status, reply = _call(self.connection, "PATCH", "/_emulator/settings", self._settings)
        if status >= 500:
            raise Permanent(
                f"provider {self._name}: the emulator can't store its settings",
                _message(reply),
                f"see whether the disk of {self._folder} is full; {self._folder / _LOG} may say more",
                code="Settings",
            )
        if status != 200:
            raise Permanent(
                f"provider {self._name}: the emulator rejects its settings",
                _message(reply),
                f"check providers.{self._name}.settings",
                code="Settings",
            )

    def _noted(self) -> Mapping[str, Json]:
        try:
            noted = json.loads(content(self._folder / "server.json", limit=_NOTE_BYTES, follow=False))
        except (OSError, ValueError, RecursionError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def _failure(self, reason: str = "") -> Permanent:
        if not reason:
            with contextlib.suppress(OSError):
                reason = content(self._folder / _LOG, follow=False).decode("utf-8", "replace")[-800:]
        return Permanent(
            f"provider {self._name}: the emulator doesn't start",
            reason,
            "" if _TRUST in reason else f"try `ftops emulator --data {self._folder}`",
            code="NoEmulator",
        )


def _announced(process: subprocess.Popen[bytes]) -> Mapping[str, Json]:
    """The announcement of the started server: its `url` and more, an `error`, or nothing."""
    assert process.stdout is not None  # noqa: S101 (it is a pipe)
    late = threading.Timer(_START_SECONDS, process.kill)
    late.start()
    try:
        with process.stdout as output:
            line = output.readline()
    finally:
        late.cancel()
    try:
        announcement = json.loads(line)
    except ValueError:
        announcement = {}
    if isinstance(announcement, dict) and "url" in announcement:
        process.returncode = 0  # it outlives this process, which doesn't wait for it
        return announcement
    process.kill()
    process.wait()
    return announcement if isinstance(announcement, dict) else {}


def _answers(connection: Mapping[str, Json]) -> bool:
    """Whether the server is running and accepts its key."""
    return bool(connection.get("url") and connection.get("api_key")) and _status(connection) == _OK


def _status(connection: Mapping[str, Json]) -> int:
    """The HTTP status of a reply; 0 if there is none."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        # Not `/health`, which needs no key: another server may use the port by now.
        return _call(connection, "GET", "/_emulator/settings")[0]
    return 0


def _names(connection: Mapping[str, Json]) -> Mapping[str, Json]:
    """The account of the server; empty if it has an older version."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, RecursionError):
        status, reply = _call(connection, "GET", "/_emulator/account")
        if status == 200 and isinstance(names := json.loads(reply), dict):
            return names
    return {}


def _message(reply: str) -> str:
    """What an error of the server says."""
    try:
        return str(json.loads(reply)["error"]["message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return reply[:800]


def _call(connection: Mapping[str, Json], method: str, path: str, body: object = None) -> tuple[int, str]:
    """One admin request, without the SDKs: loading them takes longer than the call."""
    check_host(str(connection["url"]), EMULATOR)
    address = urlsplit(str(connection["url"]))
    client = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_CALL_SECONDS)
    headers = {"api-key": str(connection["api_key"]), "content-type": "application/json"}
    try:
        client.request(method, path, None if body is None else json.dumps(body), headers)
        reply = client.getresponse()
        return reply.status, reply.read(MOST_BYTES).decode("utf-8", "replace")
    finally:
        client.close()
