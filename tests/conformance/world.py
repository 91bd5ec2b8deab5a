"""The emulated cloud of the conformance tests: realistic times under a settable clock."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.emulator.samples import jsonl, text
from tests.emulator.server import Emulator, deployment, until

STABLE = "2024-10-21"
PREVIEW = "2025-04-01-preview"
CONTROL = "2025-09-01"
BASE = "gpt-4.1-2025-04-14"
TERMINAL = ("succeeded", "failed", "cancelled")
TIMES = {
    "file_processing_seconds": 5.0,
    "queue_seconds": 1200.0,
    "min_training_seconds": 1200.0,
    "evaluation_seconds": 9.0,
    "deployment_seconds": 240.0,
    "deletion_seconds": 20.0,
    "not_found_seconds": 300.0,
    "quota_return_seconds": 17.0,
}
"""As the service takes them, by its documents and recordings."""
ARGUMENTS = [f"--{name.replace('_', '-')}={value}" for name, value in TIMES.items()]
TRAINING = jsonl([text(f"Say number {n} in a sad way", f"Oh no, {n}, how very sad") for n in range(40)])
VALIDATION = jsonl([text(f"Say letter {n} in a sad way", f"Oh no, {n}, how sad") for n in "abcdefgh"])
_BOUNDARY = "conformance-boundary"


class World(Emulator):
    """A server, and short words for what the checks do with it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, *ARGUMENTS)

    def data_call(self, method: str, path: str, body: Any = None, **options: str) -> tuple[int, Any, Any]:
        """A call of the dated plane."""
        version = options.pop("version", STABLE)
        joint = "&" if "?" in path else "?"
        return self.call(method, f"/openai/{path}{joint}api-version={version}", body, **options)

    def v1_call(self, method: str, path: str, body: Any = None, **options: str) -> tuple[int, Any, Any]:
        """A call of the v1 plane."""
        return self.call(method, f"/openai/v1/{path}", body, **options)

    def arm_call(self, method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
        """A call of the control plane, below the account."""
        return self.call(method, f"{self.arm}{path}?api-version={CONTROL}", body)

    def post_form(self, path: str, fields: dict[str, str], name: str, content: bytes) -> tuple[int, Any, Any]:
        """A multipart upload; the content's part is ``name``."""
        lines = [b"--%s" % _BOUNDARY.encode()]
        for key, value in fields.items():
            lines += [f'Content-Disposition: form-data; name="{key}"'.encode(), b"", value.encode()]
            lines += [b"--%s" % _BOUNDARY.encode()]
        head = f'Content-Disposition: form-data; name="{name}"; filename="puppy.jsonl"'
        lines += [head.encode(), b"Content-Type: application/octet-stream", b"", content]
        lines += [b"--%s--" % _BOUNDARY.encode(), b""]
        return self.call_raw("POST", path, b"\r\n".join(lines), f"multipart/form-data; boundary={_BOUNDARY}")

    def upload(self, content: bytes = TRAINING, path: str = f"/openai/files?api-version={STABLE}") -> Any:
        """A new file, as the reply says it."""
        return self.post_form(path, {"purpose": "fine-tune"}, "file", content)

    def file(self, content: bytes = TRAINING) -> str:
        """The id of a processed file."""
        name = str(self.upload(content)[2]["id"])
        self.advance(6)
        return name

    def job(self, **changes: Any) -> tuple[int, Any, Any]:
        """Create a job by the dated plane."""
        given = {"model": BASE, "trainingType": "Standard", **changes}
        given.setdefault("training_file", self.file())
        return self.data_call("POST", "fine_tuning/jobs", given)

    def started(self, **changes: Any) -> str:
        """The id of a job that is running, and computed to its end."""
        name = str(self.job(**changes)[2]["id"])
        self.advance(TIMES["queue_seconds"] + 1)
        until(lambda: self._computed(name))
        return name

    def finished(self, **changes: Any) -> Any:
        """A job that has ended."""
        name = self.started(**changes)
        self.advance(TIMES["min_training_seconds"] + TIMES["evaluation_seconds"] + 1)
        return until(lambda: self._ended(name))

    def _computed(self, name: str) -> bool:
        jobs = self.admin("GET", "objects")["jobs"]
        return bool(next(job["computed"] for job in jobs if job["id"] == name))

    def _ended(self, name: str) -> Any:
        body = self.data_call("GET", f"fine_tuning/jobs/{name}")[2]
        return body if body["status"] in TERMINAL else None

    def deploy(self, name: str, model: str, **options: Any) -> tuple[int, Any, Any]:
        """PUT a deployment."""
        return self.arm_call("PUT", f"/deployments/{name}", deployment(model, **options))

    def rest(self) -> None:
        """Let the clock pass every time that a write may take."""
        self.advance(900)

    def undeploy(self, *names: str) -> None:
        """Take deployments away and get their quota back."""
        self.rest()
        for name in names:
            self.arm_call("DELETE", f"/deployments/{name}")
            self.rest()

    @contextlib.contextmanager
    def changed(self, **settings: Any) -> Iterator[None]:
        """Other settings for a while."""
        before = self.admin("GET", "settings")
        self.settings(**settings)
        try:
            yield
        finally:
            self.settings(**{name: before[name] for name in settings})

    @contextlib.contextmanager
    def calls(self) -> Iterator[list[dict[str, Any]]]:
        """The requests that a block makes, as the server saw them; filled at its end."""
        made: list[dict[str, Any]] = []
        mark = f"/openai/{uuid.uuid4()}"
        self.call("GET", mark)
        yield made
        log = self.admin("GET", "log")["requests"]
        start = next(index for index, request in enumerate(log) if request["path"] == mark)
        made += [row for row in log[start + 1 :] if not row["path"].startswith("/_emulator/")]
