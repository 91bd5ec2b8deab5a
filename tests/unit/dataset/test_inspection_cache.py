"""The cache of inspections: what it knows, what it must not believe, and that it is never in the way."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from ftops.dataset import Cache, Inspection, inspect
from ftops.dataset.checks import inspection_cache
from ftops.dataset.files import file_identity

LINE = '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}\n'


def later() -> int:
    """A clock by which a file written just now has settled."""
    return time.time_ns() + 2 * file_identity.SETTLED


class Folder:
    """A data file and a place for the cache; each call of `inspect` stands for one run of ftops."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data.jsonl"
        self.data.write_text(LINE * 10)
        os.utime(self.data, (0, 0))
        self.cache = root / "cache"
        self.file = self.cache / "datasets.json"

    def inspect(self, format: str = "", *, now: bool = False) -> Inspection:
        with Cache(self.cache, clock=time.time_ns if now else later) as known:
            return inspect(self.data, format=format, cache=known)

    def pretend(self) -> None:
        """Puts a false digest into the cache, by which a hit can be told."""
        saved = json.loads(self.file.read_text())
        for row in saved["files"].values():
            row["inspection"]["digest"] = FALSE
        self.file.write_text(json.dumps(saved))


FALSE = "sha256:" + "0" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_an_unchanged_file_is_not_read_again(folder: Folder) -> None:
    first = folder.inspect()
    assert folder.inspect() == first
    folder.pretend()
    assert folder.inspect() == replace(first, digest=FALSE)


def test_an_unchanged_file_takes_no_time(folder: Folder) -> None:
    folder.data.write_text(LINE * 20_000)
    folder.inspect()
    times = []
    for _ in range(5):
        start = time.process_time()
        folder.inspect()
        times.append(time.process_time() - start)
    assert min(times) < 0.005, "of the processor, whatever else it does"


def edit(folder: Folder) -> None:
    folder.data.write_text(LINE * 11)


def edit_to_same_size(folder: Folder) -> None:
    folder.data.write_text(LINE.replace("Hi", "Ho") * 10)


def edit_and_restore_the_time(folder: Folder) -> None:
    status = folder.data.stat()
    # The clock of files ticks every few milliseconds; SETTLED is why that is safe outside of tests.
    while folder.data.stat().st_ctime_ns == status.st_ctime_ns:
        edit_to_same_size(folder)
        os.utime(folder.data, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace_by_another(folder: Folder) -> None:
    other = folder.data.with_name("other")
    other.write_text(LINE.replace("Hi", "Ho") * 10)
    other.replace(folder.data)


@pytest.mark.parametrize("change", [edit, edit_to_same_size, edit_and_restore_the_time, replace_by_another])
def test_a_changed_file_is_read_again(folder: Folder, change: Callable[[Folder], None]) -> None:
    first = folder.inspect()
    change(folder)
    assert folder.inspect().digest not in (first.digest, FALSE)


def test_a_young_file_is_not_kept(folder: Folder) -> None:
    folder.inspect(now=True)
    assert not folder.file.exists()


def test_a_file_from_the_future_is_not_kept(folder: Folder) -> None:
    ahead = time.time_ns() + 10 * file_identity.SETTLED
    os.utime(folder.data, ns=(ahead, ahead))
    folder.inspect()
    assert not folder.file.exists()


def test_what_was_found_is_kept_with_a_file(folder: Folder) -> None:
    folder.data.write_text(LINE * 9)
    first = folder.inspect()
    assert first.is_refused()
    folder.pretend()
    again = folder.inspect()
    assert again.digest == FALSE
    assert [*again.diagnostics("data.jsonl")] == [*first.diagnostics("data.jsonl")]


def test_formats_are_kept_apart(folder: Folder) -> None:
    assert not folder.inspect("chat").is_refused()
    assert folder.inspect("preference").is_refused()


def test_other_checks_see_the_file_again(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.inspect()
    folder.pretend()
    monkeypatch.setattr(inspection_cache, "CHECKS_VERSION", inspection_cache.CHECKS_VERSION + 1)
    assert folder.inspect().digest != FALSE


def test_files_that_are_gone_are_dropped_and_others_stay(folder: Folder) -> None:
    for name in ("one", "two", "three"):
        folder.data = folder.data.with_name(name)
        folder.data.write_text(LINE * 10)
        if name == "three":
            folder.data.with_name("one").unlink()
        folder.inspect()
    names = {Path(key).name for key in json.loads(folder.file.read_text())["files"]}
    assert names == {"two", "three"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"version": 2, "checks": 2, "files": 7}',
        b'{"version": 99, "checks": 1, "files": {}}',
    ],
)
def test_a_corrupt_cache_is_as_none(folder: Folder, content: bytes) -> None:
    first = folder.inspect()
    folder.file.write_bytes(content)
    assert folder.inspect() == first
    folder.pretend()
    assert folder.inspect().digest == FALSE


@pytest.mark.parametrize(
    ("key", "value"),
    [("identity", None), ("identity", [1, 2]), ("inspection", 7), ("inspection", {"bytes": "1"})],
)
def test_a_corrupt_entry_is_as_none(folder: Folder, key: str, value: object) -> None:
    first = folder.inspect()
    saved = json.loads(folder.file.read_text())
    for row in saved["files"].values():
        row[key] = value
    folder.file.write_text(json.dumps(saved))
    assert folder.inspect() == first


def test_a_place_that_cannot_be_written_is_no_error(folder: Folder) -> None:
    folder.cache.write_text("a file where the folder should be")
    assert not folder.inspect().is_refused()
    assert not folder.inspect().is_refused()


def test_no_drafts_are_left(folder: Folder) -> None:
    folder.cache.mkdir()
    folder.file.mkdir()
    assert not folder.inspect().is_refused()
    assert [p.name for p in folder.cache.iterdir()] == ["datasets.json"]
