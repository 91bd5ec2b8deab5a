"""A cloud in a folder, which outlives the process, and an apply to it in a process of its own:

python -m tests.support.on_disk FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ftops.applying.run import Report, Settings
from ftops.config.graph import build
from ftops.core.address import Address
from ftops.providers.base import Request
from ftops.session.apply import apply_plan
from ftops.session.session import Session
from ftops.state.backends.local import LocalStore
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status
from tests.support.specs import config, dataset, deployment, job, tuned

WANTED = config(dataset("train", "sha256:1"), job("copilot", "train"), deployment("prod", tuned("copilot")))


class FolderCloud:
    """A provider with a file for each object, named by kind and token."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def create(self, request: Request) -> RemoteObject:
        id = f"{request.address.kind}-{request.token}"
        with (self.folder / id).open("x", encoding="utf-8") as file:
            json.dump({"address": str(request.address)}, file)
        return self._show(id)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        return self._show(resource.remote_id) if (self.folder / resource.remote_id).exists() else None

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        return self._show(resource.remote_id)

    def delete(self, resource: ResourceState) -> None:
        (self.folder / resource.remote_id).unlink(missing_ok=True)

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        id = f"{operation.address.kind}-{operation.token}"
        return self._show(id) if (self.folder / id).exists() and id not in known else None

    def concurrency_key(self, address: Address) -> str | None:
        return None

    def close(self) -> None:
        return None

    def kinds(self) -> list[str]:
        return sorted(path.name.partition("-")[0] for path in self.folder.iterdir())

    def _show(self, id: str) -> RemoteObject:
        attributes = {"id": id, "fine_tuned_model": f"{id}.ft", "name": id, "digest": "sha256:1"}
        return RemoteObject(id, Status.READY, attributes)


class OneProvider:
    """The providers of a session: the same one for every name."""

    def __init__(self, provider: FolderCloud) -> None:
        self._provider = provider

    def __call__(self, name: str) -> FolderCloud:
        return self._provider

    def close(self) -> None:
        return None


def session(folder: Path) -> Session:
    providers: Any = OneProvider(FolderCloud(folder / "cloud"))
    return Session(
        WANTED,
        LocalStore(folder / "state", "test", "default"),
        graph=build(WANTED),
        providers=providers,
    )


def apply(folder: Path) -> Report:
    """Plans and applies, with the state locked."""
    with session(folder) as opened, opened.locked("apply"):
        return apply_plan(opened, opened.plan(), Settings(), lambda event: None)


def main() -> None:
    print("begins", flush=True)
    report = apply(Path(sys.argv[1]))
    print("has ended", flush=True)
    sys.exit(report.result != "done")


if __name__ == "__main__":
    main()
