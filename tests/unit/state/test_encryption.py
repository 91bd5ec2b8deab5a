"""Encryption at rest: keys, rotation, and what is noticed when somebody changes what is written."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.core.errors import StateError
from ftops.state.backends.base import LockInfo
from ftops.state.backends.bucket import BucketStore
from ftops.state.backends.bucket_lock import Pace
from ftops.state.backends.local import LocalStore
from ftops.state.encryption import Key, Keys, key_of
from ftops.state.entries import OutputsRecorded
from ftops.state.file_format import StateCodec
from ftops.state.live_state import fold
from ftops.state.state import State
from tests.support.buckets import MemoryBucket

OLD = key_of("11" * 32, "the key")
NEW = key_of(base64.b64encode(b"2" * 32).decode(), "the key")
ENTRIES = [OutputsRecorded({"n": n}) for n in range(1, 5)]
EMPTY = State("lineage")


def local(folder: Path, keys: Keys | None) -> LocalStore:
    return LocalStore(folder, "spec", "env", StateCodec(keys))


def write(store: LocalStore, serial: int = 3) -> State:
    state = State("lineage", serial, outputs={"secret": f"value {serial}"})
    store.write(state)
    return state


@given(st.text(), st.text())
def test_what_is_sealed_is_unsealed(plain: str, bound: str) -> None:
    keys = Keys(NEW)
    sealed = keys.encrypt(plain, bound)
    assert keys.decrypt(sealed, bound, "here") == plain
    assert sealed != keys.encrypt(plain, bound)


@given(st.integers(0, 200), st.integers(1, 255))
def test_one_changed_byte_is_noticed(at: int, flip: int) -> None:
    keys = Keys(NEW)
    id, _, body = keys.encrypt("x" * 150, "bound").partition(":")
    raw = bytearray(base64.b64decode(body))
    raw[at % len(raw)] ^= flip
    with pytest.raises(StateError, match="was altered: here"):
        keys.decrypt(f"{id}:{base64.b64encode(raw).decode()}", "bound", "here")


@pytest.mark.parametrize("bound", ["", "other", "bound "])
def test_what_was_sealed_for_something_else_is_refused(bound: str) -> None:
    with pytest.raises(StateError, match="was altered"):
        Keys(NEW).decrypt(Keys(NEW).encrypt("x", "bound"), bound, "here")


@pytest.mark.parametrize(
    "text", ["", "abc", "11" * 31, "11" * 33, "not a key at all", base64.b64encode(b"x" * 16).decode()]
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(StateError, match="isn't a valid encryption key") as caught:
        key_of(text, "`key`")
    assert "openssl rand -base64 32" in caught.value.hint
    assert not text or text not in f"{caught.value.summary} {caught.value.detail}"


@pytest.mark.parametrize(
    "text", ["ab" * 32, "AB" * 32 + "\n", base64.b64encode(b"\xff" * 32).decode(), "_" * 42 + "8"]
)
def test_ways_to_write_a_key(text: str) -> None:
    assert len(key_of(text, "here").secret) == 32


def test_a_key_is_never_shown() -> None:
    assert repr(Keys(NEW, (OLD,))) == (
        f"Keys(key=Key({NEW.id}), fallbacks=(Key({OLD.id}),), accept_plain=False)"
    )


def test_rotation(tmp_path: Path) -> None:
    state = write(local(tmp_path, Keys(OLD)))
    rotated = local(tmp_path, Keys(NEW, (OLD,)))
    assert rotated.read() == state
    rotated.write(state)
    assert local(tmp_path, Keys(NEW)).read() == state
    with pytest.raises(StateError, match="encrypted with another key") as caught:
        local(tmp_path, Keys(OLD)).read()
    assert f"needs the key {NEW.id}; given: {OLD.id}" in caught.value.detail


def test_on_and_off_again(tmp_path: Path) -> None:
    state = write(local(tmp_path, None))
    with pytest.raises(StateError, match="isn't encrypted, but the spec requires encryption"):
        local(tmp_path, Keys(NEW)).read()
    taking = local(tmp_path, Keys(NEW, accept_plain=True))
    assert taking.read() == state
    taking.write(state)
    with pytest.raises(StateError, match="is encrypted, but the spec has no key"):
        local(tmp_path, None).read()
    off = local(tmp_path, Keys(None, (NEW,)))
    assert off.read() == state
    off.write(state)
    assert local(tmp_path, None).read() == state


def test_a_journal_is_sealed_line_by_line(tmp_path: Path) -> None:
    store = local(tmp_path, Keys(NEW))
    journal = store.open_journal(EMPTY)
    journal.append(ENTRIES)
    journal.close()
    assert store.read() == fold(EMPTY, ENTRIES)
    with pytest.raises(StateError, match="is encrypted, but the spec has no key"):
        local(tmp_path, None).read()
    with pytest.raises(StateError, match="encrypted with another key"):
        local(tmp_path, Keys(OLD)).read()


def _outside(**changes: object) -> Callable[[LocalStore], None]:
    def change(store: LocalStore) -> None:
        raw = json.loads(store.snapshot_path.read_text(encoding="utf-8"))
        store.snapshot_path.write_text(json.dumps({**raw, **changes}), encoding="utf-8")

    return change


def _older_in_newer_clothes(store: LocalStore) -> None:
    old = json.loads(store.history.path("2").read_text(encoding="utf-8"))
    _outside(sealed=old["sealed"])(store)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_outside(serial=99), id="another-serial"),
        pytest.param(_outside(lineage="other"), id="another-lineage"),
        pytest.param(_outside(spec="other"), id="another-spec"),
        pytest.param(_outside(environment="prod"), id="another-environment"),
        pytest.param(_older_in_newer_clothes, id="an-older-content"),
        pytest.param(_outside(sealed=f"{NEW.id}:AAAA"), id="too-short"),
        pytest.param(_outside(sealed=f"{NEW.id}:%"), id="no-base64"),
    ],
)
def test_a_changed_snapshot_is_refused(tmp_path: Path, change: Callable[[LocalStore], None]) -> None:
    store = local(tmp_path, Keys(NEW))
    write(store, 2)
    write(store, 3)
    change(store)
    with pytest.raises(StateError, match="was altered"):
        store.read()


# in a bucket, the head vouches for the whole


def remote(bucket: MemoryBucket) -> BucketStore:
    return BucketStore(
        bucket, "spec", "env", StateCodec(Keys(NEW)), pace=Pace(tick=0, pause=lambda seconds: None)
    )


def _recorded(bucket: MemoryBucket) -> BucketStore:
    store = remote(bucket)
    with store.lock(LockInfo("id", "ann", "host", 1, "apply", "then")):
        store.write(State("lineage", 1))
        store.write(State("lineage", 2))
        journal = store.open_journal(store.read())
        journal.append(ENTRIES)
        journal.close()
    return store


@pytest.mark.parametrize(
    "changes",
    [{"serial": 2, "segments": []}, {"lease": None, "fence": 0}, {"mark": ""}, {"lineage": "other"}],
    ids=lambda changes: "-".join(changes),
)
def test_an_edited_head_is_refused(changes: dict[str, object]) -> None:
    bucket = MemoryBucket()
    store = _recorded(bucket)
    head = json.loads(bucket.things["head.json"].content)
    bucket._write("head.json", json.dumps({**head, **changes}).encode())
    with pytest.raises(StateError, match=r"was altered|isn't encrypted, but the spec requires"):
        store.read()


def test_an_old_snapshot_in_place_of_the_current_one_is_refused() -> None:
    bucket = MemoryBucket()
    store = _recorded(bucket)
    new, old = sorted(bucket.names("versions/"), reverse=True)
    bucket._write(new, bucket.things[old].content)
    with pytest.raises(StateError, match="is damaged"):
        store.read()


def test_no_key_shows_in_what_a_lock_or_a_refusal_says() -> None:
    assert "2222" not in repr(remote(MemoryBucket()))
    assert isinstance(NEW, Key)
