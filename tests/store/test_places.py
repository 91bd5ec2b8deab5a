"""A setting of the state that changes: what was recorded at the place of before is not forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ftops.config.config import Config, StateSettings
from ftops.core.errors import StateError
from ftops.state.backends.bucket import BucketStore
from ftops.state.backends.factory import check_location, record_location
from ftops.state.backends.local import LocalStore
from tests.golden.cli import SPEC, Folder
from tests.support.buckets import MemoryBucket
from tests.support.specs import config


def bucket(found: Config, memory: MemoryBucket | None = None) -> BucketStore:
    return BucketStore(memory or MemoryBucket(), found.name, found.environment)


def spec(folder: Path) -> Config:
    return replace(config(), folder=folder, project=folder)


def test_another_bucket_that_is_empty(tmp_path: Path) -> None:
    found = replace(spec(tmp_path), state=StateSettings("s3"))
    store = bucket(found)
    record_location(found, store)
    check_location(found, store, store.read())
    other = bucket(found, MemoryBucket(place="memory://elsewhere"))
    with pytest.raises(StateError) as refused:
        check_location(found, other, other.read())
    assert refused.value.summary == f"the state was stored at {store.place}"
    note = refused.value.hint.rpartition("remove ")[2]
    Path(note).unlink()
    check_location(found, other, other.read())
    record_location(found, other)
    check_location(found, other, other.read())


def test_from_a_bucket_to_a_folder(tmp_path: Path) -> None:
    found = replace(spec(tmp_path), state=StateSettings("gcs"))
    record_location(found, bucket(found))
    local = replace(found, state=StateSettings())
    store = LocalStore(tmp_path / "state", found.name, found.environment)
    with pytest.raises(StateError, match="the state was stored at"):
        check_location(local, store, store.read())


def test_from_a_folder_of_its_own_to_a_bucket(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, SPEC.replace("{name: drone}", "{name: test, state: {path: kept}}"))
    folder.ok("apply", "-y")
    found = replace(spec(tmp_path), state=StateSettings("s3"), files=("ftops.yaml",))
    store = bucket(found)
    with pytest.raises(StateError) as refused:
        check_location(found, store, store.read())
    assert refused.value.summary.startswith("the state is still in a local folder: ")
    assert refused.value.hint.endswith(f"`ftops state migrate --from {tmp_path}/kept`")
