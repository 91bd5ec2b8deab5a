"""Object storage servers on 127.0.0.1: Azurite for Blob Storage, moto for S3, `tests.support.gcs` for GCS.

Azurite is installed from npm, into `.cache` of the project, when it is first needed. If that fails, the tests
that need it are skipped.
"""

from __future__ import annotations

import base64
import fcntl
import hmac
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.support.gcs import serving

ROOT = Path(__file__).parent.parent.parent
AZURITE_VERSION = "3.37.0"
AZURITE = ROOT / ".cache" / f"azurite-{AZURITE_VERSION}"
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account and key that every Azurite has, from its own documentation."""
BUCKET = "models"


@dataclass(frozen=True)
class Service:
    """A running server, its settings in a spec, and its credentials."""

    backend: str
    url: str
    settings: Mapping[str, str]
    environ: Mapping[str, str] = field(default_factory=dict)

    def at(self, url: str) -> Service:
        """The same server at another URL."""
        settings = {k: v.replace(self.url, url) for k, v in self.settings.items()}
        return Service(self.backend, url, settings, self.environ)

    def spec(self, **more: object) -> str:
        """`ftops: {name: small, state: …}` in YAML."""
        settings = {"backend": self.backend, **self.settings, **more}
        return "ftops:\n  name: small\n  state:\n" + "".join(f"    {k}: {v}\n" for k, v in settings.items())


@contextmanager
def azurite() -> Iterator[Service]:
    port = free_port()
    script = _azurite_script()
    command = ["node", str(script), "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    flags = ["--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    with _running([*command, *flags], port):
        url = f"http://127.0.0.1:{port}/{ACCOUNT}"
        _make_container(f"{url}/{BUCKET}")
        settings = {"account_url": url, "container": BUCKET}
        yield Service("azure_blob", url, settings, {"AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY})


@contextmanager
def s3() -> Iterator[Service]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, port):
        url = f"http://127.0.0.1:{port}"
        ask = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
        urllib.request.urlopen(ask, timeout=120).close()
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        yield Service("s3", url, {"bucket": BUCKET, "region": "us-east-1", "endpoint_url": url}, keys)


@contextmanager
def gcs() -> Iterator[Service]:
    with serving() as url:
        yield Service("gcs", url, {"bucket": BUCKET}, {"STORAGE_EMULATOR_HOST": url})


SERVICES: Mapping[str, Callable[[], AbstractContextManager[Service]]] = {
    "azure_blob": azurite,
    "s3": s3,
    "gcs": gcs,
}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _azurite_script() -> Path:
    script = AZURITE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if script.exists():
        return script
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("AZURE BLOB STORAGE IS NOT TESTED: Azurite needs node and npm")
    AZURITE.parent.mkdir(exist_ok=True)
    with AZURITE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes share it
        if not script.exists():
            _install_azurite()
    return script


def _install_azurite() -> None:
    """Installs Azurite into a temporary folder, which is renamed when it is complete."""
    half = AZURITE.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    command = ["npm", "install", "--prefix", str(half), "--no-audit", "--no-fund"]
    done = subprocess.run(
        [*command, f"azurite@{AZURITE_VERSION}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"AZURE BLOB STORAGE IS NOT TESTED: npm can't install Azurite: {done.stderr[-300:]}")
    half.replace(AZURITE)


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, env=_plain()) as server:
        try:
            end = time.monotonic() + 300
            while not _answers(port):
                assert server.poll() is None, f"{command[0]} has ended with {server.returncode}"
                assert time.monotonic() < end, f"{command[0]} does not answer"
                time.sleep(0.05)
            yield
        finally:
            server.kill()


def _plain() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "AZURE_"))}


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _make_container(url: str) -> None:
    """Signs the request with the shared key: obstore doesn't create containers."""
    date, version = formatdate(usegmt=True), "2023-11-03"
    path = url.partition("://")[2].partition("/")[2]
    signed = (
        f"PUT{chr(10) * 12}x-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}/{path}\nrestype:container"
    )
    mac = hmac.new(base64.b64decode(ACCOUNT_KEY), signed.encode(), "sha256").digest()
    headers = {
        "x-ms-date": date,
        "x-ms-version": version,
        "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(mac).decode()}",
        "Content-Length": "0",
    }
    ask = urllib.request.Request(f"{url}?restype=container", method="PUT", headers=headers)
    urllib.request.urlopen(ask, timeout=120).close()
