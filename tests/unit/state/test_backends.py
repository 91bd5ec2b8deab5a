"""The state on disk: torn, damaged, foreign, future, locked, read-only, full."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from ftops.core.address import Address, Secret
from ftops.core.errors import StateError, StateLocked
from ftops.state.backends.base import lock_info
from ftops.state.backends.local import LocalStore
from ftops.state.entries import Begun, Entry, Failed, OutputsRecorded, Recorded, Removed
from ftops.state.file_format import entry_from_json, entry_to_json
from ftops.state.live_state import fold
from ftops.state.state import Operation, PendingOperation, ResourceState, State, Status

JOB = Address("job", "copilot", 'a "quoted" key')
RESOURCE = ResourceState(
    JOB,
    "azure",
    "ftjob-1",
    Status.READY,
    inputs={"model": "m", "note": "costs ${not} a reference", "key": Secret("env", "KEY")},
    outputs={"fine_tuned_model": "m.ft-1", "checkpoint": {"best": "m.ft-1"}},
    identities={"training": "sha256:1"},
    dependencies=(Address("dataset", "train"),),
    fingerprint="f",
    token="t",
    prevent_destroy=True,
)
OPERATION = PendingOperation(
    JOB, Operation.CREATE, "azure", "t", {"model": "m"}, started_at="2026-01-01T00:00:00Z"
)
ENTRIES: tuple[Entry, ...] = (
    Begun(OPERATION),
    Recorded(RESOURCE),
    Recorded(replace(RESOURCE, remote_id="ftjob-2"), "0a1b2c3d"),
    Removed(JOB, "0a1b2c3d"),
    Begun(OPERATION),
    Failed(JOB, "refusé – 拒否 ⚙ \x85 \u2028"),
    OutputsRecorded({"model": "m.ft-1"}),
    Removed(JOB),
)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "state", "spec", "default")


def write(store: LocalStore, entries: tuple[Entry, ...]) -> State:
    """Leaves a journal behind, as a killed run does."""
    journal = store.open_journal(State("lineage"))
    journal.append(entries)
    journal.close()
    return fold(State("lineage"), entries)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: type(e).__name__)
def test_entries_round_trip(entry: Entry) -> None:
    assert entry_from_json(json.loads(json.dumps(entry_to_json(entry)))) == entry


def test_what_is_appended_is_read_back(store: LocalStore) -> None:
    assert store.read() == State("")
    assert write(store, ENTRIES[:3]) == store.read()


def test_folding_empties_the_journal_and_changes_nothing(store: LocalStore) -> None:
    journal = store.open_journal(State("lineage"))
    journal.append(ENTRIES[:3])
    state = store.read()
    journal.fold(state)
    assert not store.journal_path.exists()
    assert store.read() == state
    assert state.serial == 3


def test_a_crash_between_snapshot_and_the_end_of_the_journal_counts_nothing_twice(store: LocalStore) -> None:
    state = write(store, ENTRIES[:3])
    store.write_snapshot(state)
    assert store.journal_path.exists()
    assert store.read() == state


def test_a_journal_cut_at_any_byte_loses_only_what_was_being_written(store: LocalStore) -> None:
    """Inside a character too; and the next run goes on from there."""
    write(store, ENTRIES)
    whole = store.journal_path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    assert not whole.isascii()
    for cut in range(len(whole)):
        store.journal_path.write_bytes(whole[:cut])
        complete = sum(1 for end in ends if end <= cut) - 1
        expected = fold(State("lineage"), ENTRIES[: max(complete, 0)])
        assert store.read() == (expected if complete >= 0 else State("")), cut
        journal = store.open_journal(expected)
        journal.append(ENTRIES[:1])
        journal.close()
        assert store.read() == fold(expected, ENTRIES[:1]), cut


def test_a_torn_line_is_cut_before_anything_is_appended(store: LocalStore) -> None:
    write(store, ENTRIES[:2])
    torn = store.journal_path.read_bytes()[:-5]
    store.journal_path.write_bytes(torn)
    state = store.read()
    journal = store.open_journal(state)
    journal.append(ENTRIES[1:2])
    journal.close()
    assert store.read() == fold(State("lineage"), ENTRIES[:2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = content.index(b"\n", content.index(b"\n") + 1) - 10
    content[middle] ^= 1
    path.write_bytes(bytes(content))


SNAPSHOT = {
    "version": 1,
    "lineage": "l",
    "serial": 1,
    "resources": {},
    "spec": "spec",
    "environment": "default",
}
BAD_SNAPSHOTS: dict[str, tuple[str, str]] = {
    "not-json": ("{", "is not valid JSON"),
    "empty": ("", "is not valid JSON"),
    "merge-conflict": ('<<<<<<< HEAD\n{"version": 1}\n', "is not valid JSON"),
    "a-list": ("[]", "not a state file of ftops"),
    "no-version": ("{}", "not a state file of ftops"),
    "version-as-text": ('{"version": "1"}', "not a state file of ftops"),
    "version-as-boolean": ('{"version": true}', "not a state file of ftops"),
    "terraform-state": ('{"version": 4, "terraform_version": "1.11.4"}', "a Terraform state"),
    "sealed": (json.dumps({**SNAPSHOT, "sealed": "0a:AA=="}), "is encrypted, but the spec has no key"),
    "future": ('{"version": 99}', "has version 99"),
    "another-spec": (json.dumps({**SNAPSHOT, "spec": "other"}), "belongs to another spec"),
    "another-environment": (json.dumps({**SNAPSHOT, "environment": "prod"}), "belongs to another env"),
    "no-resources": ('{"version": 1, "lineage": "l", "serial": 1}', "is damaged"),
    "serial-as-text": (json.dumps({**SNAPSHOT, "serial": "1"}), "is damaged"),
    "negative-serial": (json.dumps({**SNAPSHOT, "serial": -1}), "is damaged"),
    "bad-address": (json.dumps({**SNAPSHOT, "resources": {"Job.X": {}}}), "is damaged"),
    "bad-status": (
        json.dumps(
            {
                **SNAPSHOT,
                "resources": {
                    "job.a": {"address": "job.a", "provider": "p", "remote_id": "1", "status": "odd"}
                },
            }
        ),
        "is damaged",
    ),
    "resource-as-text": (json.dumps({**SNAPSHOT, "resources": {"job.a": "x"}}), "is damaged"),
    "resources-as-list": (json.dumps({**SNAPSHOT, "resources": []}), "is damaged"),
}


@pytest.mark.parametrize("name", BAD_SNAPSHOTS)
def test_a_bad_snapshot_is_refused_and_left_as_it_is(store: LocalStore, name: str) -> None:
    text, expected = BAD_SNAPSHOTS[name]
    store.snapshot_path.parent.mkdir(parents=True)
    store.snapshot_path.write_text(text, encoding="utf-8")
    with pytest.raises(StateError, match=expected) as caught:
        store.read()
    assert caught.value.hint
    assert str(store.snapshot_path) in str(caught.value)
    assert store.snapshot_path.read_text(encoding="utf-8") == text


FILE = ResourceState(Address("dataset", "a"), "p", "file-1", Status.READY)
EDITS: dict[str, Callable[[str], str]] = {
    "another id": lambda text: text.replace('"file-1"', '"file-2"'),
    "another serial": lambda text: text.replace('"serial": 1', '"serial": 2'),
    "a line taken out": lambda text: text.replace(' "outputs": {},\n', ""),
    "formatted otherwise": lambda text: json.dumps(json.loads(text)),
    "another checksum": lambda text: text.replace('"checksum": "', '"checksum": "0'),
    "a checksum that is no text": lambda text: re.sub('"checksum": "[0-9a-f]*"', '"checksum": 7', text),
    "line ends": lambda text: text.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_snapshot_is_refused_and_left_as_it_is(store: LocalStore, name: str) -> None:
    store.write_snapshot(State("line", 1, {FILE.address: FILE}))
    text = store.snapshot_path.read_bytes().decode()
    edited = EDITS[name](text)
    assert edited != text
    store.snapshot_path.write_bytes(edited.encode())
    with pytest.raises(StateError, match="was edited or damaged") as caught:
        store.read()
    assert "ftops state push" in caught.value.hint
    assert store.snapshot_path.read_bytes().decode() == edited


def test_a_snapshot_of_an_older_version_has_no_checksum(store: LocalStore) -> None:
    state = State("line", 1, {FILE.address: FILE})
    store.write_snapshot(state)
    lines = store.snapshot_path.read_text("utf-8").splitlines(keepends=True)
    assert [line for line in lines if "checksum" in line] == [lines[1]]
    store.snapshot_path.write_text("".join([lines[0], *lines[2:]]), "utf-8")
    assert store.read() == state


def test_a_version_that_was_edited_is_refused(store: LocalStore) -> None:
    store.write_snapshot(State("line", 1, {FILE.address: FILE}))
    (kept,) = store.snapshot_path.with_suffix(".history").glob("1.json")
    kept.write_text(kept.read_text("utf-8").replace("file-1", "file-2"), "utf-8")
    with pytest.raises(StateError, match="was edited or damaged"):
        store.read_version("1")


def test_bytes_that_are_no_text_are_refused(store: LocalStore) -> None:
    store.snapshot_path.parent.mkdir(parents=True)
    store.snapshot_path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(StateError, match="is damaged"):
        store.read()


def _foreign(store: LocalStore) -> None:
    store.write_snapshot(State("another"))


def _edited(store: LocalStore) -> None:
    _flip(store.journal_path)


def _lines_taken_out(store: LocalStore) -> None:
    lines = store.journal_path.read_text(encoding="utf-8").splitlines(keepends=True)
    store.journal_path.write_text("".join(lines[:2] + lines[3:]), encoding="utf-8")


def _future_entry(store: LocalStore) -> None:
    body = json.dumps({"serial": len(ENTRIES) + 1, "entry": "teleported"})
    with store.journal_path.open("a", encoding="utf-8") as file:
        file.write(f"{zlib.crc32(body.encode()):08x} {body}\n")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_foreign, "the journal belongs to another state"),
        (_edited, "the journal is damaged"),
        (_lines_taken_out, "the journal has a gap"),
        (_future_entry, "an entry that this version of ftops can't read"),
    ],
)
def test_a_bad_journal_is_refused(
    store: LocalStore, damage: Callable[[LocalStore], None], expected: str
) -> None:
    write(store, ENTRIES)
    damage(store)
    with pytest.raises(StateError, match=expected):
        store.read()


def test_a_second_run_is_told_who_is_at_work(store: LocalStore) -> None:
    with store.lock(lock_info("id-1", "apply", "2026-01-01T00:00:00Z")):
        with pytest.raises(StateLocked) as caught, store.lock(lock_info("id-2", "plan", "now")):
            raise AssertionError("two hold the lock")
        assert f"process {os.getpid()}" in caught.value.detail
        assert "`ftops apply` since 2026-01-01T00:00:00Z" in caught.value.detail
    with store.lock(lock_info("id-3", "apply", "now")):
        pass
    assert not store.lock_path.exists()


HOLD = """
import sys, time
from pathlib import Path
from ftops.state.backends.base import lock_info
from ftops.state.backends.local import LocalStore
with LocalStore(Path(sys.argv[1]), "spec", "default").lock(lock_info("id", "apply", "then")):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_leaves_no_lock(store: LocalStore) -> None:
    command = [sys.executable, "-c", HOLD, str(store.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(StateLocked), store.lock(lock_info("id", "apply", "now")):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert store.lock_path.exists()
        with store.lock(lock_info("id", "apply", "now")):
            pass


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be", encoding="utf-8")
    store = LocalStore(tmp_path / "state", "spec", "default")
    with pytest.raises(StateError, match="can't use the state at") as caught:
        store.open_journal(State("lineage"))
    assert "disk has free space" in caught.value.hint


FULL = """
import resource, signal, sys
from pathlib import Path
from ftops.state.entries import OutputsRecorded
from ftops.state.state import State
from ftops.state.backends.local import LocalStore
from ftops.core.errors import StateError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = LocalStore(Path(sys.argv[1]), "spec", "default")
journal = store.open_journal(State("lineage"))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    for number in range(1000):
        journal.append([OutputsRecorded({"n": number})])
except StateError as error:
    print(error.summary)
    print(number)
"""


def test_a_full_disk_is_an_error_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    message, number = done.stdout.splitlines()
    assert message.startswith("can't use the state at")
    state = LocalStore(tmp_path, "spec", "default").read()
    assert state.outputs == {"n": int(number) - 1}
