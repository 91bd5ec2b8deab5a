"""The server's process: socket, lock, signals, the pipe to its parent, and its end."""

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
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import Server as UvicornServer

from ftops.emulator.account.cloud import Account, Cloud
from ftops.emulator.account.settings import Settings
from ftops.emulator.account.storage import read_json, write_json
from ftops.emulator.data_plane import imports
from ftops.emulator.http.auth import Credentials, stored_key
from ftops.emulator.server.app import App

HOST = "127.0.0.1"
_LOOK_EVERY = 0.25  # real seconds between two looks at what may end the server
_SWITCH_EVERY = 0.001  # how soon a training thread lets a request through, real seconds


class AlreadyRunning(Exception):
    """Another server works in the same folder."""


def serve(folder: Path, options: argparse.Namespace, settings: Settings) -> int:
    """Serve the cloud in ``folder`` until told to end."""
    with _locked(folder):
        key = stored_key(folder / "key", options.api_key)
        account = Account(options.subscription_id, options.resource_group, options.account, options.location)
        cloud = Cloud(folder, account, settings, options.clock_rate)
        with _listening(options.port) as listener:
            life = _Life(cloud, Credentials(key), listener, options)
            asyncio.run(life.live())
    return 0


def _listening(port: int) -> socket.socket:
    # With the protocol named, asyncio turns Nagle's delay (40 ms a reply) off.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "server.lock").open("a") as file:
        _lock(file, folder)
        yield


def _lock(file: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        running = read_json(folder / "server.json") or {}
        where = f" at {running['url']} (process {running['pid']})" if running else ""
        raise AlreadyRunning(f"a server already runs in {folder}{where}") from exc


class _Uvicorn(UvicornServer):
    """uvicorn without its signals, which would end the process by the signal itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Impatient(H11Protocol):
    """Closes a connection on which no request has come for a while, also where its head never ends; uvicorn
    by itself does so only after a first reply."""

    _last: RequestResponseCycle | None = None
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._last = self.cycle
        self._look = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _close_if_idle(self) -> None:
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self.cycle is self._last:
            self.timeout_keep_alive_handler()
        else:
            self._wait()


class _Life:
    """From the first request to the clean end."""

    def __init__(
        self,
        cloud: Cloud,
        credentials: Credentials,
        listener: socket.socket,
        options: argparse.Namespace,
    ) -> None:
        self._cloud = cloud
        self._key = credentials.key
        self._listener = listener
        self._parent_pipe: bool = options.parent_pipe
        self._linger: float = options.linger
        self._orphaned = threading.Event()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._app = App(cloud, credentials, self._notify, options.idle)
        config = Config(
            self._app, http=_Impatient, ws="none", lifespan="off", loop="asyncio", log_config=None,
            log_level="critical", access_log=False, proxy_headers=False, server_header=False,
            date_header=False,  # the virtual clock says what day it is
            timeout_keep_alive=options.idle, timeout_graceful_shutdown=2,
        )  # fmt: skip
        self._server = _Uvicorn(config)

    async def live(self) -> None:
        """Serve until a signal, the loss of the parent, or the loss of the folder."""
        sys.setswitchinterval(_SWITCH_EVERY)
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._end)
        if self._parent_pipe:
            threading.Thread(target=self._watch_parent, daemon=True).start()
        self._announce()
        tasks = [asyncio.create_task(self._keep_schedule()), asyncio.create_task(self._look())]
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            for task in tasks:
                task.cancel()
            self._app.schedule.stop_all()
            self._withdraw()

    def _announce(self) -> None:
        """The listener accepts from here on, so that whoever reads this may connect."""
        account = self._cloud.account
        place = {
            "url": f"http://{HOST}:{self._listener.getsockname()[1]}",
            "pid": os.getpid(),
            "api_key": self._key,
            "subscription_id": account.subscription,
            "resource_group": account.group,
            "account": account.name,
            "data": str(self._cloud.folder),
        }
        write_json(self._cloud.folder / "server.json", place)
        text = _for_people(place) if sys.stdout.isatty() else json.dumps(place)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def _withdraw(self) -> None:
        (self._cloud.folder / "server.json").unlink(missing_ok=True)

    def _end(self) -> None:
        self._withdraw()
        self._server.should_exit = True

    def _notify(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def _keep_schedule(self) -> None:
        """Start jobs when they are due, though nobody asks."""
        self._app.schedule.resume()
        imports.resume(self._cloud)
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
        """Read stdin to its end: its other side is held by the parent only."""
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        self._orphaned.set()

    async def _look(self) -> None:
        orphaned_since = None
        while not self._server.should_exit:
            await asyncio.sleep(_LOOK_EVERY)
            if not (self._cloud.folder / "server.lock").exists():
                self._server.should_exit = True
            if not self._orphaned.is_set():
                continue
            orphaned_since = orphaned_since or time.monotonic()
            quiet_since = max(orphaned_since, self._app.last_request)
            if not self._app.in_flight and time.monotonic() - quiet_since >= self._linger:
                self._end()


def _for_people(place: dict[str, object]) -> str:
    return f"""The emulator runs at {place["url"]} and keeps its data in {place["data"]}.
Press Ctrl+C to end it.

    export AZURE_OPENAI_ENDPOINT={place["url"]}
    export AZURE_OPENAI_API_KEY={place["api_key"]}
    export OPENAI_API_VERSION=2024-10-21

    from openai import AzureOpenAI
    client = AzureOpenAI()

Control plane: subscription {place["subscription_id"]},
resource group {place["resource_group"]}, account {place["account"]}."""
