"""Head of a state in a bucket: the one small object that decides every write.

It says who holds the lease, which snapshot is current, and how many segments of the journal count. It is
replaced only on condition that it is as it was read: so of two writers one is refused, whatever their
clocks say, and nothing counts that the head doesn't name.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from ftops.core.errors import StateError
from ftops.core.timestamps import iso_timestamp
from ftops.state.backends.base import LockInfo, Version, lock_info_from
from ftops.state.file_format import StateCodec, check_version
from ftops.state.state import STATE_VERSION

NAME = "head.json"


class Lease(Struct, frozen=True):
    """Who is at work, and for how many seconds after the last renewal that holds. `expires` is for people."""

    holder: LockInfo
    seconds: float
    expires: str


class Snapshot(Struct, frozen=True):
    """A version of the state, and the object that holds it. `digest`: SHA-256 of its content, in hex."""

    name: str
    digest: str
    version: Version


class Head(Struct, frozen=True):
    """`fence` grows with every holder; `segments`: how many of each fence count. The first snapshot is
    the current one; `serial` is that of the state with all that counts."""

    spec: str
    environment: str
    lineage: str = ""
    serial: int = 0
    fence: int = 0
    lease: Lease | None = None
    snapshots: tuple[Snapshot, ...] = ()
    segments: tuple[tuple[int, int], ...] = ()
    stamp: str = ""
    """Another one in each head ever written: bucket services that name versions by content can be trusted."""

    @property
    def segment_names(self) -> Iterator[str]:
        return (segment_name(fence, n) for fence, count in self.segments for n in range(1, count + 1))

    def written(self, **changes: Any) -> Head:
        """The next head."""
        return replace(self, stamp=secrets.token_hex(8), **changes)


def segment_name(fence: int, number: int) -> str:
    return f"journal/{fence:08}-{number:06}.journal"


def snapshot_name(serial: int, fence: int, number: int) -> str:
    return f"versions/{serial:010}-{fence:08}-{number:03}.json"


_FENCE = re.compile(r"journal/(\d+)-\d+\.journal|versions/\d+-(\d+)-\d+\.json|clock/(0)")


def fence_of(name: str) -> float:
    """Which holder has written an object of one of these names; infinite for any other."""
    found = _FENCE.match(name)
    return float(found[found.lastindex or 0]) if found else inf


def lease(holder: LockInfo, seconds: float, now: datetime) -> Lease:
    expires = iso_timestamp(now + timedelta(seconds=seconds))
    return Lease(holder, seconds, expires)


def head_to_bytes(head: Head, form: StateCodec) -> bytes:
    body = {"version": STATE_VERSION, **to_builtins(head)}
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    mark = form.mark(text)
    rows = {**body, "mark": mark} if mark else body
    return (json.dumps(rows, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def head_from_bytes(content: bytes, place: str, form: StateCodec, spec: str, environment: str) -> Head:
    """Raises StateError for what isn't the head of this state, or was changed by somebody else."""
    raw = _object(content, place)
    check_version(raw, place)
    mark = raw.pop("mark", "")
    form.check(json.dumps(raw, sort_keys=True, ensure_ascii=False), mark, place)
    try:
        head = _head(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(place, f"it is JSON, but not in the format of ftops ({error})") from error
    if (head.spec, head.environment) != (spec, environment):
        raise StateError(
            f"the state in the bucket belongs to another spec or environment: {place}",
            f"it was written for {head.spec}/{head.environment}; this is {spec}/{environment}.",
            "set another prefix in `ftops: {state: {path: …}}`",
        )
    return head


def _object(content: bytes, place: str) -> dict[str, Any]:
    try:
        raw = json.loads(content)
    except ValueError as error:
        raise _damaged(place, f"it is not valid JSON ({error})") from error
    if not isinstance(raw, dict):
        raise _damaged(place, "it isn't a JSON object")
    return raw


def _damaged(place: str, why: str) -> StateError:
    return StateError(
        f"the state in the bucket is damaged: {place}",
        f"{why}. Without its state ftops doesn't know what exists, so nothing was changed.",
        "restore the object from the bucket's object versions or from a backup",
    )


def _head(raw: Mapping[str, Any]) -> Head:
    return Head(
        spec=str(raw["spec"]),
        environment=str(raw["environment"]),
        lineage=str(raw["lineage"]),
        serial=int(raw["serial"]),
        fence=int(raw["fence"]),
        lease=_lease(raw["lease"]),
        snapshots=tuple(
            Snapshot(str(s["name"]), str(s["digest"]), Version(**s["version"])) for s in raw["snapshots"]
        ),
        segments=tuple((int(fence), int(count)) for fence, count in raw["segments"]),
        stamp=str(raw["stamp"]),
    )


def _lease(raw: Mapping[str, Any] | None) -> Lease | None:
    if raw is None:
        return None
    return Lease(lock_info_from(raw["holder"]), float(raw["seconds"]), str(raw["expires"]))
