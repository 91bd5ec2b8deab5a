"""Files on their way up: in one request, or where they are large in parts.

A large file in one request is known to break off, or to be lost without an error. Of parts, those that
have arrived stay: a call that is made again goes on where the one before broke off.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftops.core.confined_files import opened
from ftops.core.errors import Permanent
from ftops.providers.base import Progress
from ftops.providers.dataplane.client import DataPlane, object_of, unusable
from ftops.providers.dataplane.errors import refusal_from

_TYPE = "application/jsonl"
_SECONDS = 3600.0


@dataclass(slots=True)
class Sending:
    """One file to send, and how far that has come."""

    path: Path
    name: str
    purpose: Any
    report: Callable[[Progress], None]
    planned: str = ""
    """The digest that its content is to have, where one was planned."""
    upload: str = ""
    parts: list[str] = field(default_factory=list)
    sent: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)
    _told: int = 0

    @property
    def digest(self) -> str:
        """Of what was sent."""
        return f"sha256:{self._hash.hexdigest()}"

    @property
    def is_as_planned(self) -> bool:
        """Whether what was sent is what was planned."""
        return self.planned in ("", self.digest)

    def restart(self) -> None:
        """From the first byte."""
        self.upload, self.parts, self.sent, self._hash = "", [], 0, hashlib.sha256()

    def count(self, data: bytes, size: int) -> None:
        """Takes note of bytes that leave."""
        self._hash.update(data)
        self.sent += len(data)
        percent = 100 * self.sent // size if size else 100
        if percent > self._told:
            self._told = percent
            self.report(Progress(f"uploaded {_share(self.sent, size)}", float(percent)))


def send(clients: DataPlane, sending: Sending, action: str) -> dict[str, Any]:
    """Sends the file; the service's file object. Raises Permanent where the file has changed since it was
    planned, before there is an object: as long as it doesn't change while it is being sent."""
    size = sending.path.stat().st_size
    if size > clients.account.large_file_bytes:
        body = _send_parts(clients, sending, action, size)
        if body is not None:
            return body
    return _send_whole(clients, sending, action)


def check(sending: Sending, found: str, left: str = "") -> None:
    """Raises Permanent where that is not the digest that was planned. `left` says what is there now."""
    if sending.planned in ("", found):
        return
    raise Permanent(
        f"{sending.path.name} has changed since it was planned",
        f"Planned was {sending.planned}, on disk is {found}.{left}",
        "plan again",
        code="ContentChanged",
    )


def _send_whole(clients: DataPlane, sending: Sending, action: str) -> dict[str, Any]:
    sending.restart()
    if sending.planned:
        with opened(sending.path) as file:
            check(sending, f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
    with _Counted(sending) as file, clients.calling(action, creates=True):
        reply = clients.data.files.with_raw_response.create(
            file=(sending.name, file, _TYPE), purpose=sending.purpose, timeout=_SECONDS
        )
    return object_of(reply, action, creates=True)


def _send_parts(clients: DataPlane, sending: Sending, action: str, size: int) -> dict[str, Any] | None:
    """None where the service knows no uploads. The dated routes do; of the others it isn't sure."""
    if not sending.upload and not _begin(clients, sending, action, size):
        return None
    uploads = clients.extras.uploads
    with opened(sending.path) as file:
        file.seek(sending.sent)
        while data := file.read(clients.account.part_bytes):
            with clients.calling(action):
                part = uploads.parts.with_raw_response.create(sending.upload, data=data)
            sending.parts.append(str(object_of(part, action)["id"]))
            sending.count(data, size)
    check(sending, sending.digest)
    with clients.calling(action, creates=True):
        reply = uploads.with_raw_response.complete(sending.upload, part_ids=sending.parts)
    made = object_of(reply, action, creates=True).get("file")
    if not isinstance(made, dict) or not made.get("id"):
        raise unusable(action, creates=True)
    return made


def _begin(clients: DataPlane, sending: Sending, action: str, size: int) -> bool:
    with clients.calling(action):
        try:
            reply = clients.extras.uploads.with_raw_response.create(
                bytes=size, filename=sending.name, mime_type=_TYPE, purpose=sending.purpose
            )
        except Exception as exc:
            refusal = refusal_from(exc)
            if refusal is None or refusal.status not in (404, 405, 501):
                raise
            return False
    sending.upload = str(object_of(reply, action)["id"])
    return True


class _Counted(io.FileIO):
    """A file that the SDK reads piece by piece: what is read is hashed and counted."""

    def __init__(self, sending: Sending) -> None:
        super().__init__(sending.path, "rb")
        self._sending = sending
        self._size = sending.path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._sending.count(data, self._size)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        position = super().seek(offset, whence)
        if position == 0:
            self._sending.restart()
        return position


def _share(sent: int, size: int) -> str:
    """`0.1 of 1.2 MB`, in the unit of the whole."""
    unit, scale = ("KB", 1e3) if size < 1e6 else ("MB", 1e6)
    return f"{sent / scale:.1f} of {size / scale:.1f} {unit}"
