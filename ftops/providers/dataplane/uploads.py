"""Uploads: a file is sent in one request, or in parts if it is large.

Large files in one request are known to fail, or to be lost without an error. Parts that have arrived stay:
another call continues with the next part.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ftops.core.confined_files import opened
from ftops.core.errors import Permanent
from ftops.providers.base import Progress
from ftops.providers.dataplane.client import DataPlane, object_of, unusable
from ftops.providers.dataplane.errors import unless_refused

_TYPE = "application/jsonl"
_SECONDS = 3600.0


@dataclass(slots=True)
class Upload:
    """The upload of one file, and its progress."""

    path: Path
    name: str
    purpose: Any
    report: Callable[[Progress], None]
    planned: str = ""
    """The digest of the planned content, if there is one."""
    id: str = ""
    """Of an upload in parts."""
    parts: list[str] = field(default_factory=list)
    sent: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)
    _told: int = 0

    @property
    def digest(self) -> str:
        """Of the bytes that were sent."""
        return f"sha256:{self._hash.hexdigest()}"

    def restart(self) -> None:
        """Starts again with the first byte."""
        self.id, self.parts, self.sent, self._hash = "", [], 0, hashlib.sha256()

    def count(self, data: bytes, size: int) -> None:
        """Counts and hashes bytes that are being sent."""
        self._hash.update(data)
        self.sent += len(data)
        percent = 100 * self.sent // size if size else 100
        if percent > self._told:
            self._told = percent
            self.report(Progress(f"uploaded {_share(self.sent, size)}", float(percent)))


def send(clients: DataPlane, upload: Upload, action: str) -> dict[str, Any]:
    """Sends the file and returns the service's file object. If the file has changed since the plan, raises
    Permanent before anything is created, unless it changes during the upload."""
    size = upload.path.stat().st_size
    if size > clients.account.large_file_bytes:
        body = _send_parts(clients, upload, action, size)
        if body is not None:
            return body
    return _send_whole(clients, upload, action)


def check(upload: Upload, found: str, left: str = "") -> None:
    """Raises Permanent if `found` isn't the planned digest. `left` says what was left behind."""
    if upload.planned in ("", found):
        return
    raise Permanent(
        f"{upload.path.name} has changed since the plan",
        f"The plan has {upload.planned}, the file has {found}.{left}",
        "plan again",
        code="ContentChanged",
    )


def _send_whole(clients: DataPlane, upload: Upload, action: str) -> dict[str, Any]:
    upload.restart()
    if upload.planned:
        with opened(upload.path) as file:
            check(upload, f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
    with _Counted(upload) as file, clients.calling(action, creates=True):
        reply = clients.data.files.with_raw_response.create(
            file=(upload.name, file, _TYPE), purpose=upload.purpose, timeout=_SECONDS
        )
    return object_of(reply, action, creates=True)


def _send_parts(clients: DataPlane, upload: Upload, action: str, size: int) -> dict[str, Any] | None:
    """None if the service doesn't support uploads in parts. Only the dated routes are known to."""
    if not upload.id and not _begin(clients, upload, action, size):
        return None
    uploads = clients.extras.uploads
    with opened(upload.path) as file:
        file.seek(upload.sent)
        while data := file.read(clients.account.part_bytes):
            with clients.calling(action):
                part = uploads.parts.with_raw_response.create(upload.id, data=data)
            upload.parts.append(str(object_of(part, action)["id"]))
            upload.count(data, size)
    check(upload, upload.digest)
    with clients.calling(action, creates=True):
        reply = uploads.with_raw_response.complete(upload.id, part_ids=upload.parts)
    file_object = object_of(reply, action, creates=True).get("file")
    if not isinstance(file_object, dict) or not file_object.get("id"):
        raise unusable(action, creates=True)
    return file_object


def _begin(clients: DataPlane, upload: Upload, action: str, size: int) -> bool:
    what: dict[str, Any] = {"bytes": size, "filename": upload.name, "purpose": upload.purpose}
    with clients.calling(action):
        create = partial(clients.extras.uploads.with_raw_response.create, mime_type=_TYPE, **what)
        reply = unless_refused(create, 404, 405, 501)
    if reply is not None:
        upload.id = str(object_of(reply, action)["id"])
    return reply is not None


class _Counted(io.FileIO):
    """A file that counts and hashes what the SDK reads."""

    def __init__(self, upload: Upload) -> None:
        super().__init__(upload.path, "rb")
        self._upload = upload
        self._size = upload.path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._upload.count(data, self._size)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        position = super().seek(offset, whence)
        if position == 0:
            self._upload.restart()
        return position


def _share(sent: int, size: int) -> str:
    """`0.1 of 1.2 MB`: both in the unit of the size."""
    unit, scale = ("KB", 1e3) if size < 1e6 else ("MB", 1e6)
    return f"{sent / scale:.1f} of {size / scale:.1f} {unit}"
