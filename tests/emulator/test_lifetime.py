"""The server's process: start, end, restart, and the folder that it keeps."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.conftest import Start
from tests.emulator.samples import jsonl, lines
from tests.emulator.server import (
    MODEL,
    ROOT,
    STANDARD,
    Emulator,
    base_deployment,
    deployment,
    ended,
    until,
    upload,
)


@pytest.fixture
def emulator(start: Start) -> Emulator:
    """A server of the test's own: it ends here."""
    return start()


def test_it_says_where_it_is_and_ends_cleanly(emulator: Emulator) -> None:
    stored = json.loads((emulator.folder / "server.json").read_text())
    assert stored == emulator.place
    assert set(stored) == {
        "url", "pid", "api_key", "tenant_id", "subscription_id", "resource_group", "account", "data",
    }  # fmt: skip
    assert stored["pid"] == emulator.process.pid
    assert (emulator.folder / "key").stat().st_mode & 0o777 == 0o600
    assert (emulator.folder / "server.json").stat().st_mode & 0o777 == 0o600
    assert emulator.stop() == 0
    assert not (emulator.folder / "server.json").exists()


def test_ctrl_c_ends_it_cleanly(emulator: Emulator) -> None:
    assert emulator.stop(signal.SIGINT) == 0


def test_one_server_per_folder(emulator: Emulator) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "ftops.emulator", "--data", str(emulator.folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert emulator.url in json.loads(second.stdout)["error"]
    assert "already runs" in second.stderr


def test_it_keeps_its_key_and_settings(start: Start) -> None:
    first = start("--queue-seconds", "5")
    assert first.admin("GET", "settings")["queue_seconds"] == 5
    first.settings(evaluation_seconds=9)
    first.stop()
    second = start()
    assert second.key == first.key
    assert second.admin("GET", "settings")["evaluation_seconds"] == 9


def test_the_package_imports_nothing_of_the_rest_of_ftops() -> None:
    code = (
        "import sys, ftops.emulator; before = {m for m in sys.modules}; "
        "assert not {'starlette', 'numpy', 'uvicorn'} & before; "
        "import ftops.emulator.server.process, ftops.emulator.data_plane.job_run; "
        "print([m for m in sys.modules if m.startswith('ftops.') and "
        "not m.startswith('ftops.emulator')])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_killed_server_goes_on_where_it_was(start: Start) -> None:
    first = start()
    first.settings(min_training_seconds=60.0)
    with first.data() as client:
        training = upload(client, jsonl(lines(40)))
        job = client.fine_tuning.jobs.create(model=MODEL, training_file=training, extra_body=STANDARD, seed=3)
        until(lambda: client.fine_tuning.jobs.retrieve(job.id).status == "running")
        first.advance(30)
        before = until(lambda: {
            event.id: event.message
            for event in client.fine_tuning.jobs.list_events(job.id, limit=1000).data
            if event.type == "metrics"
        })  # fmt: skip
    first.stop(signal.SIGKILL)

    second = start("--deployment-seconds=100")
    second.advance(60)
    with second.data() as client, second.control() as control:
        done = ended(client, job.id)
        assert done.status == "succeeded", done.error
        after = [
            (event.id, event.message)
            for event in client.fine_tuning.jobs.list_events(job.id, limit=1000).data
        ]
        assert len(dict(after)) == len(after)
        assert set(before.items()) <= set(after)
        objects = second.admin("GET", "objects")
        assert objects["created"]["jobs"] == 1
        assert sum(file["purpose"] == "fine-tune-results" for file in objects["files"]) == 1
        body: Any = deployment(done.fine_tuned_model or "")
        poller = control.deployments.begin_create_or_update("rg-emulator", "emulator", "tuned", body)
        token = poller.continuation_token()
    second.stop(signal.SIGKILL)

    third = start("--port", second.url.rpartition(":")[2])
    third.advance(101)
    with third.control() as control:
        resumed = control.deployments.begin_create_or_update(
            "rg-emulator", "emulator", "tuned", body, continuation_token=token
        )
        assert resumed.result().properties.provisioning_state == "Succeeded"


def test_the_same_seed_and_data_give_the_same_numbers(start: Start, tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        emulator = start(folder=tmp_path / name)
        with emulator.data() as client:
            training = upload(client, jsonl(lines(20)))
            job = client.fine_tuning.jobs.create(
                model=MODEL, training_file=training, extra_body=STANDARD, seed=11
            )
            done = ended(client, job.id)
            assert done.result_files
            texts.append(client.files.content(done.result_files[0]).text)
    assert texts[0] == texts[1]


@pytest.mark.parametrize("busy", [False, True])
def test_it_outlives_its_parent_only_as_long_as_it_is_used(start: Start, busy: bool) -> None:
    emulator = start("--parent-pipe", "--linger", "2", stdin=subprocess.PIPE)
    assert emulator.process.stdin is not None
    emulator.process.stdin.close()
    for _ in range(15 if busy else 0):
        emulator.admin("GET", "health")
        with pytest.raises(subprocess.TimeoutExpired):
            emulator.process.wait(0.2)
    assert emulator.process.wait(300) == 0
    assert not (emulator.folder / "server.json").exists()


def test_it_ends_when_its_folder_is_gone(emulator: Emulator) -> None:
    with emulator.control() as control:
        control.deployments.begin_create_or_update(
            "rg-emulator", "emulator", "base", base_deployment()
        ).result()
    shutil.rmtree(emulator.folder)
    assert emulator.process.wait(300) == 0


def test_the_clock_may_run_fast(start: Start) -> None:
    emulator = start("--clock-rate", "3600", "--file-processing-seconds", "7200")
    with emulator.data() as client:
        file = client.files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune")
        assert str(file.status) == "pending"
        until(lambda: client.files.retrieve(file.id).status == "processed")
    status, _, _ = emulator.call("POST", "/_emulator/clock", {"advance": -1})
    assert status == 400
