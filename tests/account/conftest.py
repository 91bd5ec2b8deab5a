"""An emulator for the tests of a module, emptied before each; an account as a team without ftops has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ftops.core.confined_files import ALLOW
from tests.emulator.server import MODEL, STANDARD, Emulator, deployment, ended, upload
from tests.golden.cli import Folder, examples

QUICK = (
    "--file-processing-seconds=0", "--queue-seconds=0", "--min-training-seconds=0", "--evaluation-seconds=0",
    "--deployment-seconds=0", "--deletion-seconds=0", "--not-found-seconds=0", "--stale-route-seconds=0",
)  # fmt: skip


@dataclass(frozen=True)
class Account:
    """Makes objects by plain SDK calls, as anybody would."""

    emulator: Emulator

    @property
    def provider(self) -> str:
        """The line of a spec that says where it is."""
        return f"  here: {{type: emulator, data: {json.dumps(str(self.emulator.folder))}}}\n"

    def upload(self, content: str, name: str = "train.jsonl") -> str:
        with self.emulator.data() as client:
            return upload(client, content.encode(), name)

    def train(self, training: str, **arguments: Any) -> Any:
        """A finished job."""
        job = self.start(training, **arguments)
        with self.emulator.data() as client:
            found = ended(client, job)
        assert found.status == "succeeded", found.error
        return found

    def start(self, training: str, **arguments: Any) -> str:
        with self.emulator.data() as client:
            body = {"model": MODEL, "training_file": training, "extra_body": STANDARD, **arguments}
            return str(client.fine_tuning.jobs.create(**body).id)

    def deploy(self, name: str, model: str, version: str = "1", **more: Any) -> None:
        with self.emulator.control() as client:
            body = {**deployment(model, version), **more}
            client.deployments.begin_create_or_update("rg-emulator", "emulator", name, body).result()

    def jobs(self) -> list[Any]:
        with self.emulator.data() as client:
            return list(client.fine_tuning.jobs.list().data)

    def files(self) -> list[Any]:
        """Those that somebody has uploaded."""
        with self.emulator.data() as client:
            return [file for file in client.files.list().data if file.purpose == "fine-tune"]

    def deployments(self) -> list[str]:
        with self.emulator.control() as client:
            return [str(found.name) for found in client.deployments.list("rg-emulator", "emulator")]


@pytest.fixture(autouse=True)
def allowed(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Specs name its folder, which is in none of their projects."""
    monkeypatch.setenv(ALLOW, str(server.folder))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path_factory.mktemp("account"), "--port", "0", *QUICK)
    yield emulator
    emulator.stop()


@pytest.fixture
def account(server: Emulator) -> Account:
    server.reset()
    server.admin("DELETE", "faults")
    return Account(server)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A project without a spec, with data."""
    folder = Folder(tmp_path / "project")
    folder.write("data/train.jsonl", examples(12))
    return folder
