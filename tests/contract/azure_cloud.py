"""A running emulator as the tests of the Azure provider use it: a real process, asked over HTTP."""

from __future__ import annotations

import http.client
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from msgspec.structs import replace

from ftops.core.address import Address, Json
from ftops.providers.azure.provider import AzureProvider
from ftops.providers.base import Progress, Provider, Request
from ftops.state.state import (
    Operation,
    PendingOperation,
    RemoteObject,
    ResourceState,
    Status,
    observed_as,
    resource_from,
)
from tests.support import forked

SETTLED = {
    "file_processing_seconds": 0,
    "queue_seconds": 0,
    "min_training_seconds": 0,
    "evaluation_seconds": 0,
    "deployment_seconds": 0,
    "deletion_seconds": 0,
    "not_found_seconds": 0,
    "stale_route_seconds": 0,
    "managed_seconds": 0,
    "adapter_seconds": 0,
}
"""Settings under which nothing takes longer than it takes to compute."""
BASE_MODEL = "gpt-4o-mini-2024-07-18"
_DEADLINE = 120.0
_tokens = itertools.count(1)


@dataclass(frozen=True)
class Cloud:
    """An emulator, and what is needed to speak to it."""

    connection: Mapping[str, Any]
    folder: Path

    @property
    def url(self) -> str:
        return str(self.connection["url"])

    @property
    def key(self) -> str:
        return str(self.connection["api_key"])

    def provider(self, **settings: Json) -> AzureProvider:
        """A provider for the emulated account."""
        return AzureProvider(self.settings() | settings, name="azure")

    def settings(self) -> dict[str, Json]:
        return {
            "endpoint": self.url,
            "subscription_id": self.connection["subscription_id"],
            "resource_group": self.connection["resource_group"],
            "account": self.connection["account"],
            "api_key": self.key,
            "control_plane": {"endpoint": self.url, "token": self.key},
            "poll_interval": 0.0,
            "visible_after": 0,
        }

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """An admin request; what it replied."""
        address = urlsplit(self.url)
        client = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120)
        try:
            headers = {"api-key": self.key, "content-type": "application/json"}
            client.request(method, f"/_emulator/{path}", None if body is None else json.dumps(body), headers)
            reply = client.getresponse()
            text = reply.read()
        finally:
            client.close()
        assert reply.status < 300, f"{method} {path}: {reply.status} {text!r}"
        return json.loads(text) if text else None

    def control(self, method: str, body: object = None, path: str = "") -> requests.Response:
        """A bare request to the account in the control plane, or to what is under it."""
        names = self.connection
        url = (
            f"{self.url}/subscriptions/{names['subscription_id']}/resourceGroups/{names['resource_group']}"
            f"/providers/Microsoft.CognitiveServices/accounts/{names['account']}{path}"
        )
        version = {"api-version": "2026-09-15-preview"}  # the first that has managed compute
        headers = {"authorization": f"Bearer {self.key}"}
        content = None if body is None else json.dumps(body)
        return requests.request(method, url, params=version, headers=headers, data=content, timeout=120)

    def fault(self, match: str, **fault: Any) -> None:
        """The next request that matches goes wrong."""
        self.admin("POST", "faults", {"match": match, **fault})

    @contextmanager
    def set(self, **settings: Any) -> Iterator[None]:
        """Settings that hold for a while; afterwards nothing takes time again, and no fault is left."""
        self.admin("PATCH", "settings", settings)
        try:
            yield
        finally:
            self.admin("PATCH", "settings", {**_usual(settings), **SETTLED})

    def clear_faults(self) -> None:
        self.admin("DELETE", "faults")


def _usual(changed: Mapping[str, Any]) -> dict[str, Any]:
    usual = {
        "metadata": "stored",
        "strict": False,
        "audience": "either",
        "job_dialect": "dated",
        "base_deployment_async": False,
        "ft_put_async_header": True,
        "patch_async": False,
        "delete_async": True,
        "base_delete_async": False,
        "disable_local_auth": False,
        "deployed_model_delete_status": 409,
        "dated_model_delete": True,
        "v1_model_delete": True,
        "default_effort": "default",
        "quota_return_seconds": 0,
        "model_quota": 1000,
        "max_file_bytes": 512_000_000,
        "list_order": "newest",
        "list_lag_seconds": 0.0,
        "retarget_reply": "requested",
    }
    return {name: usual[name] for name in changed if name in usual}


@contextmanager
def running_cloud(folder: Path, *arguments: str) -> Iterator[Cloud]:
    """An emulator of its own."""
    command = [sys.executable, "-m", "ftops.emulator", "--port", "0", "--data", str(folder)]
    command += ["--parent-pipe", "--linger", "0", *arguments]
    process = forked.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout
    try:
        cloud = Cloud(json.loads(process.stdout.readline()), folder)
        cloud.admin("PATCH", "settings", SETTLED)
        yield cloud
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=300)


def new_token() -> str:
    return f"tok{next(_tokens):013x}"


def chat_file(path: Path, count: int = 12, word: str = "north") -> Path:
    """A small file of chat examples."""
    rows = (
        {
            "messages": [
                {"role": "user", "content": f"turn {number % 3}"},
                {"role": "assistant", "content": f"{word} {number % 3}"},
            ]
        }
        for number in range(count)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def request(address: str, folder: Path, inputs: Mapping[str, Json], token: str = "", **more: Any) -> Request:
    return Request(Address.parse(address), inputs, token or new_token(), folder, **more)


def operation_of(asked: Request) -> PendingOperation:
    """The intent on record for a request."""
    return PendingOperation(
        address=asked.address,
        operation=Operation.CREATE,
        provider="azure",
        token=asked.token,
        inputs=asked.inputs,
        started_at=datetime.now(UTC).isoformat(),
    )


def recorded(asked: Request, remote: RemoteObject) -> ResourceState:
    """What the engine records of a new object."""
    return resource_from(operation_of(asked), remote)


def settled(provider: Provider, resource: ResourceState) -> ResourceState:
    """The resource once it is no longer pending."""
    remote = until(lambda: _ended(provider, resource))
    return observed_as(resource, remote)


def made(provider: Provider, asked: Request) -> ResourceState:
    """The resource that a request makes, once it is no longer pending."""
    return settled(provider, recorded(asked, provider.create(asked)))


def _ended(provider: Provider, resource: ResourceState) -> RemoteObject | None:
    remote = provider.read(resource)
    assert remote is not None, f"{resource.address} has vanished"
    return None if remote.status is Status.PENDING else remote


def until(look: Callable[[], Any]) -> Any:
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("nothing came of it in time")


def gone(provider: Provider, resource: ResourceState) -> bool:
    """Deletes as the engine does: asks until there is nothing left."""
    if provider.delete(resource) is not None:
        until(lambda: provider.read(resource) is None)
    return provider.read(resource) is None


def dataset(folder: Path, name: str = "train", token: str = "") -> Request:
    file = chat_file(folder / f"{name}.jsonl")
    inputs = {"path": file.name, "format": "chat", "purpose": "fine-tune", "content": digest(file)}
    return request(f"dataset.{name}", folder, inputs, token)


def digest(file: Path) -> str:
    import hashlib

    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


def job(folder: Path, training: str, **inputs: Json) -> Request:
    chosen: dict[str, Json] = {
        "model": BASE_MODEL,
        "method": "supervised",
        "training": training,
        "training_type": "standard",
        "suffix": "copilot",
        "hyperparameters": {"n_epochs": 2, "batch_size": 4},
    }
    return request("job.copilot", folder, chosen | inputs)


def deployment(folder: Path, name: str, model: str = BASE_MODEL, **inputs: Json) -> Request:
    chosen: dict[str, Json] = {"name": name, "model": model, "sku": {"name": "Standard", "capacity": 1}}
    return request(f"deployment.{name}", folder, chosen | inputs)


def changed(asked: Request, **inputs: Json) -> Request:
    """The same resource, asked for with other inputs."""
    return replace(asked, inputs={**asked.inputs, **inputs}, token=new_token())


def said(lines: list[Progress]) -> str:
    return "\n".join(line.message for line in lines)
