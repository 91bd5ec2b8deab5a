"""Manifest of a state in a bucket: the small object that decides every write.

It contains the lease, the snapshots and the number of journal segments. Objects that it doesn't name are
ignored. It is replaced only if it is unchanged since it was read, so that one of two concurrent writers
fails, whatever their clocks say. Its object is called `head.json`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from math import inf
from typing import Any

from msgspec import Struct, ValidationError, convert, to_builtins
from msgspec.structs import replace

from ftops.core.errors import StateError
from ftops.state.backends.base import LockInfo, Version
from ftops.state.file_format import StateCodec, check_version
from ftops.state.state import STATE_VERSION

NAME = "head.json"


class Lease(Struct, frozen=True):
    """Who holds the lock, for how many seconds after the last renewal. `expires` is only informative."""

    holder: LockInfo
    seconds: float
    expires: str


class Snapshot(Struct, frozen=True):
    """A version of the state, and its object. `digest`: SHA-256 of its content, in hex."""

    name: str
    digest: str
    version: Version


class Manifest(Struct, frozen=True):
    """`fence` is incremented by every holder of the lock. `segments` are pairs of fence and number of valid
    segments. The first snapshot is the current one. `serial` is that of the state after all segments."""

    spec: str
    environment: str
    lineage: str = ""
    serial: int = 0
    fence: int = 0
    lease: Lease | None = None
    snapshots: tuple[Snapshot, ...] = ()
    segments: tuple[tuple[int, int], ...] = ()
    stamp: str = ""
    """Unique, because some services derive an object's version from its content."""

    @property
    def segment_names(self) -> Iterator[str]:
        return (segment_name(fence, n) for fence, count in self.segments for n in range(1, count + 1))

    def updated(self, **changes: Any) -> Manifest:
        return replace(self, stamp=secrets.token_hex(8), **changes)


def segment_name(fence: int, number: int) -> str:
    return f"journal/{fence:08}-{number:06}.journal"


def snapshot_name(serial: int, fence: int, number: int) -> str:
    return f"versions/{serial:010}-{fence:08}-{number:03}.json"


_FENCE = re.compile(r"journal/(\d+)-\d+\.journal|versions/\d+-(\d+)-\d+\.json|clock/(0)")


def fence_of(name: str) -> float:
    """The fence in the name of an object; infinite if it has none."""
    found = _FENCE.match(name)
    return float(found[found.lastindex or 0]) if found else inf


def manifest_to_bytes(manifest: Manifest, codec: StateCodec) -> bytes:
    body = {"version": STATE_VERSION, **to_builtins(manifest)}
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    mark = codec.mark(text)
    rows = {**body, "mark": mark} if mark else body
    return (json.dumps(rows, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def manifest_from_bytes(
    content: bytes, place: str, codec: StateCodec, spec: str, environment: str
) -> Manifest:
    """Raises StateError if it isn't the manifest of this state, or was altered."""
    try:
        raw: dict[str, Any] = convert(json.loads(content), dict[str, Any])
    except ValidationError as error:
        raise damaged(place, "it isn't a JSON object") from error
    except ValueError as error:
        raise damaged(place, f"it is not valid JSON ({error})") from error
    check_version(raw, place)
    mark = raw.pop("mark", "")
    codec.check(json.dumps(raw, sort_keys=True, ensure_ascii=False), mark, place)
    try:
        manifest = convert({name: raw[name] for name in Manifest.__struct_fields__}, Manifest)
    except (KeyError, ValidationError) as error:
        raise damaged(place, f"it is JSON, but not in the format of ftops ({error})") from error
    if (manifest.spec, manifest.environment) != (spec, environment):
        raise StateError(
            f"the state in the bucket belongs to another spec or environment: {place}",
            f"it was written for {manifest.spec}/{manifest.environment}; this is {spec}/{environment}.",
            "set another prefix in `ftops: {state: {path: …}}`",
        )
    return manifest


def damaged(place: str, why: str) -> StateError:
    return StateError(
        f"the state in the bucket is damaged: {place}",
        f"{why}. Without its state ftops doesn't know what exists, so nothing was changed.",
        "restore the object from the bucket's object versions, or use `ftops state restore`",
    )
