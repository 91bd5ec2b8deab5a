"""A real emulator in a process of its own, and the real SDKs pointed at it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
from openai import AzureOpenAI, OpenAI
from openai.types.fine_tuning import FineTuningJob

from tests.support import forked

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "specs" / "quickstart"
VERSION = "2024-10-21"
MODEL = "gpt-4o-mini-2024-07-18"
STANDARD = {"trainingType": "Standard"}
DEADLINE = 120.0


class Emulator:
    """One server process on one folder."""

    def __init__(self, folder: Path, *arguments: str, stdin: int | None = None) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "ftops.emulator", "--data", str(folder), *arguments]
        self.process = forked.Popen(command, stdout=subprocess.PIPE, stdin=stdin, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.place: dict[str, Any] = json.loads(line)
        self.url = str(self.place.get("url"))
        self.key = str(self.place.get("api_key"))
        self.tls_url = str(self.place.get("tls_url"))
        self.ca = str(self.place.get("ca"))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the process by a signal; its exit code."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        code = self.process.wait(300)
        for stream in (self.process.stdout, self.process.stdin):
            if stream is not None:
                stream.close()
        return code

    def call(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """A bare request: status, headers, body (JSON where it is)."""
        return self._call(method, path, None if body is None else json.dumps(body).encode(), headers)

    def call_raw(
        self, method: str, path: str, content: bytes, content_type: str
    ) -> tuple[int, dict[str, str], Any]:
        """A request with a body that is not JSON."""
        return self._call(method, path, content, {"content-type": content_type})

    def _call(
        self, method: str, path: str, content: bytes | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=120)
        try:
            given = {"authorization": f"Bearer {self.key}", **headers}
            connection.request(method, path, content, given)
            response = connection.getresponse()
            answer = response.read()
            plain = {name.lower(): value for name, value in response.getheaders()}
        finally:
            connection.close()
        if plain.get("content-type", "").startswith("application/json"):
            return response.status, plain, json.loads(answer)
        return response.status, plain, answer

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """A request to the emulator's own endpoints, which must succeed."""
        status, _, answer = self.call(method, f"/_emulator/{path}", body)
        assert status == 200, answer
        return answer

    def advance(self, seconds: float) -> None:
        """Put the clock forward."""
        self.admin("POST", "clock", {"advance": seconds})

    def settings(self, **changes: Any) -> None:
        """Change settings."""
        self.admin("PATCH", "settings", changes)

    def reset(self, **changes: Any) -> None:
        """An empty cloud with the settings that the server started with, and ``changes``."""
        self.admin("POST", "reset")
        if changes:
            self.settings(**changes)

    def fault(self, **rule: Any) -> None:
        """Put one fault in force."""
        self.admin("POST", "faults", rule)

    def data(self, **options: Any) -> AzureOpenAI:
        """A client of the dated data plane, without retries."""
        return AzureOpenAI(
            azure_endpoint=self.url,
            **{"api_key": self.key, "api_version": VERSION, "max_retries": 0, **options},
        )

    def v1(self) -> OpenAI:
        """A client of the v1 data plane, without retries."""
        return OpenAI(base_url=f"{self.url}/openai/v1/", api_key=self.key, max_retries=0)

    def control(self) -> Any:
        """A client of the control plane; untyped, as its models make nearly everything optional."""
        return CognitiveServicesManagementClient(
            _NoCredential(),
            str(self.place["subscription_id"]),
            base_url=self.url,
            authentication_policy=_Bearer(self.key),
            polling_interval=0.05,
            retry_total=0,
        )

    @property
    def arm(self) -> str:
        """The path of the account in the control plane."""
        return (
            f"/subscriptions/{self.place['subscription_id']}/resourceGroups/rg-emulator"
            "/providers/Microsoft.CognitiveServices/accounts/emulator"
        )


class _NoCredential:
    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        raise AssertionError(f"no token should be asked for: {scopes}")


class _Bearer(SansIOHTTPPolicy[Any, Any]):
    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def on_request(self, request: PipelineRequest[Any]) -> None:
        request.http_request.headers["Authorization"] = f"Bearer {self._token}"


def until(check: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    """What ``check`` returns, once it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := check():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not true within {seconds} seconds")


def upload(client: OpenAI, content: bytes | Path, name: str = "train.jsonl") -> str:
    """Upload a file and wait until it is processed; its id."""
    data = content.read_bytes() if isinstance(content, Path) else content
    file = client.files.create(file=(name, data), purpose="fine-tune")
    until(lambda: client.files.retrieve(file.id).status == "processed")
    return file.id


def ended(client: OpenAI, job: str) -> FineTuningJob:
    """The job, once it has ended."""

    def check() -> FineTuningJob | None:
        found = client.fine_tuning.jobs.retrieve(job)
        return found if found.status in ("succeeded", "failed", "cancelled") else None

    found = until(check)
    assert isinstance(found, FineTuningJob)
    return found


def deployment(model: str, version: str = "1", capacity: int = 1, sku: str = "Standard") -> Any:
    """The body of a PUT."""
    return {
        "sku": {"name": sku, "capacity": capacity},
        "properties": {"model": {"format": "OpenAI", "name": model, "version": version}},
    }


def base_deployment(capacity: int = 1) -> Any:
    """The body of a PUT for a base model."""
    return deployment("gpt-4o-mini", "2024-07-18", capacity)
