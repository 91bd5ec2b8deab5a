"""A backend of the state that only has a row: specs, commands and the check of addresses take it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ftops.config.config import StateSettings
from ftops.core.backend_types import BACKEND_TYPES
from ftops.state.backends.bucket import BucketStore
from ftops.state.backends.factory import open_store
from tests.golden.cli import SPEC, Folder
from tests.support.command import environment
from tests.support.specs import config

PROGRAM = """\
import sys
from obstore.store import MemoryStore
from ftops.core.backend_types import BACKEND_TYPES, BackendType
from ftops.core.trusted_hosts import BLOB_STORAGE

SHELF = MemoryStore()

def open_shelf(settings):
    return SHELF, f"shelf://{settings['bucket']}"

BACKEND_TYPES["shelf"] = BackendType(
    type="shelf",
    addresses={("account_url",): BLOB_STORAGE},
    required=("bucket",),
    optional=("account_url", "history"),
    opens="__main__:open_shelf",
)

from ftops.cli.main import run

for arguments in sys.argv[1:]:
    print(run(arguments.split()), "is the exit code of", arguments, flush=True)
"""


def shelf(folder: Folder, state: str, *commands: str) -> str:
    """The output of commands in one process, in which there is another backend."""
    folder.edit("{name: drone}", f"{{name: drone, state: {{backend: shelf, {state}}}}}")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *commands],
        cwd=folder.path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout + done.stderr


def test_commands_use_it(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, SPEC)
    output = shelf(folder, "bucket: b", "apply -y", "state list", "plan --offline")
    assert "0 is the exit code of apply -y" in output
    assert "job.copilot" in output.partition("apply -y\n")[2].partition("state list\n")[0]
    assert "The backend is shelf" in output
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("history: 3", "`bucket` is missing"),
        ("bucket: b, region: r", "the backend shelf doesn't support `region`"),
        ("bucket: b, account_url: 'https://evil.example'", "isn't a known host of Azure Blob Storage"),
    ],
)
def test_its_settings_are_checked(tmp_path: Path, state: str, message: str) -> None:
    assert message in shelf(Folder.make(tmp_path, SPEC), state, "validate")


@pytest.mark.parametrize("backend", [row.type for row in BACKEND_TYPES.values() if row.opens])
def test_every_bucket_opens(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY"):
        monkeypatch.setenv(name, "a2V5")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    row = BACKEND_TYPES[backend]
    addresses = {key: service.hosts[0].replace("*", "acme") for (key,), service in row.addresses.items()}
    settings = {key: f"https://{addresses[key]}" if key in addresses else "acme" for key in row.required}
    store = open_store(config(state=StateSettings(backend, settings=settings)))
    assert isinstance(store, BucketStore)
    assert store.place.endswith("/state/test/default")
