"""What users of such tools suffer from, by number: locks, secrets, crashes and the price of a record.

Pain 2, the lock that a cancelled run leaves, is in `test_processes`, for a state in a bucket.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from ftops.config.config import Config, Lifecycle
from ftops.core.address import Address, Value
from ftops.state.backends.base import LockInfo
from ftops.state.backends.bucket import BucketStore
from ftops.state.backends.bucket_interface import Tag
from ftops.state.backends.bucket_lock import Pace
from ftops.state.backends.local import LocalStore
from ftops.state.entries import Begun, Recorded
from ftops.state.live_state import fold
from ftops.state.state import Operation, PendingOperation, ResourceState, State, Status
from tests.golden.cli import Folder as Golden
from tests.support import forked
from tests.support.buckets import MemoryBucket
from tests.support.cloud import Cloud
from tests.support.command import environment
from tests.support.embedded import SPEC, Folder
from tests.support.on_disk import FolderCloud, apply, session
from tests.support.specs import World, config, dataset, deployment

INFO = LockInfo("id", "ann", "host", 1, "apply", "then")
CANARY = "canary-3f9a1c77"


def test_pain_2_a_cancelled_run_leaves_no_lock_in_a_folder(tmp_path: Path) -> None:
    """setup-terraform#441, azure-pipelines-terraform#312, dflook#176"""
    folder = Folder.make(tmp_path, SPEC.replace("min_training_seconds: 0.2", "min_training_seconds: 1.5"))
    with forked.Popen(
        folder.command("apply", "-y"),
        cwd=folder.path,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "job.copilot: creat" in line)
        folder.run("destroy", "-y", expect=1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 130
    folder.run("apply", "-y")
    assert folder.cloud().counts() == (1, 1, 1, 1)


def test_pain_6_secrets_are_in_no_file(tmp_path: Path) -> None:
    """hashicorp/terraform#9556: neither in state nor in its journal, its past, its log or a cache."""
    here = Golden.make(tmp_path)
    here.write("extra.yaml", 'deployments:\n  extra: {model: gpt-4o, tags: {key: "${env.CANARY}"}}\n')
    done = here.run("apply", "-y", environ={"CANARY": CANARY})
    assert done.code == 0, done
    assert CANARY not in done.out + done.err
    files = [path for path in here.path.rglob("*") if path.is_file()]
    assert any(b"${env.CANARY}" in path.read_bytes() for path in files if path.suffix == ".json")
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_pain_8_an_object_that_a_crash_left_out_of_the_state_is_found(tmp_path: Path) -> None:
    """hashicorp/terraform#20344, #31258, azurerm#22395: the process died before it heard of it."""
    apply(tmp_path)
    with session(tmp_path) as made, made.locked("apply"):
        state = made.state
        job = state.resources[Address("job", "copilot")]
        made.store.write(_without(state, job))
        journal = made.store.open_journal(made.store.read())
        operation = PendingOperation(
            job.address,
            Operation.CREATE,
            job.provider,
            job.token,
            job.inputs,
            job.identities,
            job.dependencies,
            job.fingerprint,
        )
        journal.append([Begun(operation)])
        journal.close()
    apply(tmp_path)
    with session(tmp_path) as made:
        assert made.state.resources[job.address].remote_id == job.remote_id
        assert made.plan().is_empty
    assert FolderCloud(tmp_path / "cloud").kinds() == ["dataset", "deployment", "job"]


def _without(state: State, resource: ResourceState) -> State:
    left = {a: r for a, r in state.resources.items() if a != resource.address}
    return replace(state, resources=left, serial=state.serial + 1)


def _sized(capacity: int) -> Config:
    plain = Lifecycle()
    return config(dataset("train", "sha256:1"), deployment("prod", "gpt-4o", capacity, plain))


@pytest.mark.parametrize("is_applied", [False, True])
def test_pain_9_an_interrupted_update_is_taken_up_by_itself(tmp_path: Path, is_applied: bool) -> None:
    """pulumi#4265, #5377: nobody edits the state, whether the service got the update or not."""
    world = World(tmp_path, Cloud())
    world.apply(_sized(1))
    before = world.state.resources[Address("deployment", "prod")]
    inputs: dict[str, Value] = {**before.inputs, "sku": {"name": "Standard", "capacity": 2}}
    journal = world.store.open_journal(world.state)
    operation = PendingOperation(before.address, Operation.UPDATE, before.provider, "t", inputs)
    journal.append([Begun(operation)])
    journal.close()
    if is_applied:
        world.cloud.things[before.remote_id].inputs = dict(inputs)  # type: ignore[arg-type]
    assert world.apply(_sized(2)).result == "done"
    after = world.state.resources[before.address]
    assert after.remote_id == before.remote_id
    assert world.cloud.things[after.remote_id].inputs["sku"] == {"name": "Standard", "capacity": 2}
    assert not world.state.pending
    assert world.plan(_sized(2)).is_empty


def _resource(number: int) -> ResourceState:
    address = Address("job", "copilot", f"{number:06}")
    return ResourceState(address, "azure", f"ftjob-{number:06}", Status.READY, outputs={"id": f"{number:06}"})


def _state(size: int) -> State:
    return State("lineage", 500_000, {r.address: r for r in map(_resource, range(size))})


def test_pain_13_a_record_writes_as_much_whatever_the_size_of_the_state(tmp_path: Path) -> None:
    """Terraform rewrites its state after every resource: 9,999 of them took it 2,172 s."""
    written = []
    for size in (10, 10_000):
        store = LocalStore(tmp_path / str(size), "spec", "env")
        store.write(_state(size))
        snapshot = store.snapshot_path.stat()
        journal = store.open_journal(store.read())
        before = store.journal_path.stat().st_size
        for number in range(20):
            journal.append([Recorded(_resource(number))])
            journal.sync()
        journal.close()
        assert store.snapshot_path.stat() == snapshot, "the snapshot was touched"
        written.append(store.journal_path.stat().st_size - before)
    assert written[0] == written[1]


def test_pain_13_also_in_a_bucket() -> None:
    written = []
    for size in (10, 10_000):
        bucket = _Counting()
        store = BucketStore(bucket, "spec", "env", pace=Pace(tick=0))
        with store.lock(INFO):
            store.write(_state(size))
            state = store.read()
            journal = store.open_journal(state)
            bucket.written = bucket.writes = 0
            entries = [Recorded(_resource(number)) for number in range(20)]
            for entry in entries:
                journal.append([entry])
                journal.sync()
            assert bucket.writes == 40, "a segment and the head for each"
            written.append(bucket.written)
            journal.close()
            assert store.read() == fold(state, entries)
    assert abs(written[0] - written[1]) < 200


class _Counting(MemoryBucket):
    written = 0

    def _write(self, name: str, content: bytes) -> Tag:
        self.written += len(content)
        return super()._write(name, content)
