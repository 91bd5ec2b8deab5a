"""Bucket interface: the operations and errors that the bucket backend needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from ftops.core.errors import StateError


class Tag(Struct, frozen=True):
    """Identifies a version of an object. If the tags are equal, the object is unchanged."""

    e_tag: str | None = None
    version: str | None = None


class StoredObject(Struct, frozen=True):
    """An object as read. `modified`: when it was written, by the bucket's clock, in seconds."""

    content: bytes
    tag: Tag
    modified: float


class Conflict(Exception):
    """The object was written or deleted by another run, or exists already. Nothing was changed."""


class BucketError(StateError):
    """The bucket can't be used. A write may have taken effect."""

    def __init__(self, summary: str, detail: str = "", hint: str = "", *, temporary: bool = False) -> None:
        super().__init__(summary, detail, hint)
        self.temporary = temporary


class Bucket(Protocol):
    """Names are relative to the place of the state. Every call may raise BucketError. Thread-safe."""

    @property
    def place(self) -> str:
        """Such as s3://models/state/support/prod"""

    def get(self, name: str) -> StoredObject | None: ...

    def create(self, name: str, content: bytes) -> Tag:
        """Raises Conflict if the object exists."""

    def replace(self, name: str, content: bytes, tag: Tag) -> Tag:
        """Raises Conflict if the object doesn't have this tag any more."""

    def delete(self, names: Iterable[str]) -> None:
        """Ignores objects that don't exist."""

    def names(self, prefix: str) -> list[str]: ...

    def ages(self, prefix: str, limit: int) -> list[tuple[str, float]]:
        """The names of at most `limit` objects, and when each was written, as in `StoredObject`."""
