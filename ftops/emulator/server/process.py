"""Server process: socket, lock, signals, the pipe from the parent, shutdown."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import Server as UvicornServer

from ftops.emulator.account import folder_ownership
from ftops.emulator.account.cloud import Account, Cloud
from ftops.emulator.account.settings import Settings
from ftops.emulator.account.storage import read_json, write_json
from ftops.emulator.data_plane import files
from ftops.emulator.data_plane.graders import Permissions
from ftops.emulator.http.auth import Credentials
from ftops.emulator.server import certificate
from ftops.emulator.server.app import App

HOST = "127.0.0.1"
_CHECK_INTERVAL = 0.25  # real seconds between checks whether to shut down
_SWITCH_INTERVAL = 0.001  # real seconds until a training thread lets requests run


class AlreadyRunning(Exception):
    """Another server uses the same folder."""


def serve(folder: Path, options: argparse.Namespace, settings: Settings) -> int:
    """Serve the account in ``folder`` until stopped."""
    with _locked(folder):
        credentials = Credentials(folder, options.tenant_id, options.api_key)
        account = Account(options.subscription_id, options.resource_group, options.account, options.location)
        cloud = Cloud(folder, account, settings, options.clock_rate)
        with contextlib.ExitStack() as stack:
            listeners = [stack.enter_context(_listening(options.port))]
            if options.tls is not None:
                listeners.append(stack.enter_context(_listening(options.tls)))
            asyncio.run(_Process(cloud, credentials, listeners, options).run())
    return 0


def _listening(port: int) -> socket.socket:
    # If the protocol is given, asyncio turns off Nagle's algorithm, which delays replies by 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(512)
    except OSError as exc:
        listener.close()
        raise OSError(exc.errno, f"port {port}: {exc.strerror}") from exc
    return listener


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "server.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            running = read_json(folder / "server.json") or {}
            where = f" at {running['url']} (process {running['pid']})" if running else ""
            raise AlreadyRunning(f"a server already runs in {folder}{where}") from exc
        yield


class _Uvicorn(UvicornServer):
    """uvicorn without its signal handlers, which would end the process by the signal itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _IdleTimeout(H11Protocol):
    """Closes idle connections, even if no complete request has arrived. uvicorn does so only after a
    reply."""

    _last: RequestResponseCycle | None = None
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._last = self.cycle
        self._timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _close_if_idle(self) -> None:
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self.cycle is self._last:
            self.timeout_keep_alive_handler()
        else:
            self._wait()


class _Process:
    def __init__(
        self,
        cloud: Cloud,
        credentials: Credentials,
        listeners: list[socket.socket],
        options: argparse.Namespace,
    ) -> None:
        self._cloud = cloud
        self._credentials = credentials
        credentials.on_new_key = self._note
        self._listeners = listeners  # one for HTTP, and perhaps one for HTTPS
        self._options = options
        self._orphaned = threading.Event()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        permissions = Permissions(options.allow_python_graders, options.allow_remote_graders)
        self._app = App(cloud, credentials, permissions, self._notify, options.idle)
        certificates: list[Path | None] = [None]
        if options.tls is not None:
            owner = folder_ownership.fingerprint(cloud.folder)
            certificates.append(certificate.server_certificate(cloud.folder, owner))
        self._servers = [_Uvicorn(self._config(path)) for path in certificates]

    def _config(self, certificate: Path | None) -> Config:
        return Config(
            self._app, http=_IdleTimeout, ws="none", lifespan="off", loop="asyncio", log_config=None,
            log_level="critical", access_log=False, proxy_headers=False, server_header=False,
            date_header=False,  # the application sets it by the virtual clock
            timeout_keep_alive=self._options.idle, timeout_graceful_shutdown=2, ssl_certfile=certificate,
        )  # fmt: skip

    async def run(self) -> None:
        """Serve until a signal, the end of the parent, or the removal of the folder."""
        sys.setswitchinterval(_SWITCH_INTERVAL)
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._stop)
        if self._options.parent_pipe:
            threading.Thread(target=self._watch_parent, daemon=True).start()
        self._announce()
        tasks = [asyncio.create_task(self._run_schedule()), asyncio.create_task(self._watch())]
        try:
            pairs = zip(self._servers, self._listeners, strict=True)
            await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in pairs))
        finally:
            for task in tasks:
                task.cancel()
            self._app.schedule.stop_all()
            self._app.eval_runs.stop_all()
            self._stop()

    def _announce(self) -> None:
        server = self._note()
        text = _welcome(server) if sys.stdout.isatty() else json.dumps(server)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def _note(self) -> dict[str, object]:
        """Write where the server is. The listeners accept connections already, so a reader can connect."""
        account = self._cloud.account
        addresses = [f"{HOST}:{listener.getsockname()[1]}" for listener in self._listeners]
        server: dict[str, object] = {
            "url": f"http://{addresses[0]}",
            "pid": os.getpid(),
            "api_key": self._credentials.key,
            "tenant_id": self._credentials.tenant,
            "subscription_id": account.subscription,
            "resource_group": account.group,
            "account": account.name,
            "data": str(self._cloud.folder),
        }
        if len(addresses) > 1:
            server["tls_url"] = f"https://{addresses[1]}"
            server["ca"] = str(self._cloud.folder / certificate.AUTHORITY)
        write_json(self._cloud.folder / "server.json", server)
        return server

    def _stop(self) -> None:
        (self._cloud.folder / "server.json").unlink(missing_ok=True)
        self._end()

    def _end(self) -> None:
        for server in self._servers:
            server.should_exit = True

    def _notify(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def _run_schedule(self) -> None:
        """Start jobs when they are due, even without requests."""
        self._app.schedule.resume()
        self._app.eval_runs.resume()
        files.resume_imports(self._cloud)
        self._app.schedule.settle()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._seconds_to_next())
                self._wake.clear()
                continue
            self._app.schedule.settle()

    def _seconds_to_next(self) -> float | None:
        due, rate = self._app.schedule.next_due(), self._cloud.clock.rate
        if due is None or rate == 0:
            return None
        return max(0.0, (due - self._cloud.clock.now()) / rate)

    def _watch_parent(self) -> None:
        """Wait for the end of stdin: only the parent holds the other side."""
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        self._orphaned.set()

    async def _watch(self) -> None:
        orphaned_since = None
        while not self._servers[0].should_exit:
            await asyncio.sleep(_CHECK_INTERVAL)
            if not (self._cloud.folder / "server.lock").exists():
                self._end()
            if not self._orphaned.is_set():
                continue
            orphaned_since = orphaned_since or time.monotonic()
            quiet_since = max(orphaned_since, self._app.last_request)
            if not self._app.in_flight and time.monotonic() - quiet_since >= self._options.linger:
                self._stop()


def _welcome(server: dict[str, object]) -> str:
    return f"""The emulator runs at {server["url"]} and keeps its data in {server["data"]}.
Press Ctrl+C to stop it.

    export AZURE_OPENAI_ENDPOINT={server["url"]}
    export AZURE_OPENAI_API_KEY={server["api_key"]}
    export OPENAI_API_VERSION=2024-10-21

    from openai import AzureOpenAI
    client = AzureOpenAI()

Control plane: tenant {server["tenant_id"]}, subscription {server["subscription_id"]},
resource group {server["resource_group"]}, account {server["account"]}.{_over_tls(server)}"""


def _over_tls(server: Mapping[str, object]) -> str:
    if "ca" not in server:
        return ""
    variables = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    lines = "".join(f"\n    export {name}={server['ca']}" for name in variables)
    return f"\n\nOver HTTPS, for clients that trust its certificate: {server['tls_url']}\n{lines}"
