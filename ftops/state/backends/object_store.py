"""Object store interface: the five calls and three errors that a backend needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from ftops.core.errors import StateError


class Tag(Struct, frozen=True):
    """A version of an object, as the bucket names it. Equal tags: nobody has written in between."""

    e_tag: str | None = None
    version: str | None = None


class Thing(Struct, frozen=True):
    """An object as read. `modified`: when it was written, by the bucket's own clock, in seconds."""

    content: bytes
    tag: Tag
    modified: float


class Conflict(Exception):
    """Somebody else has written the object, or there is one already, or none any more. Nothing was done."""


class BucketError(StateError):
    """The bucket can't be used: it refuses, or it isn't there. Whether a write took effect is not known."""

    def __init__(self, summary: str, detail: str = "", hint: str = "", *, temporary: bool = False) -> None:
        super().__init__(summary, detail, hint)
        self.temporary = temporary


class Bucket(Protocol):
    """Names are relative to the place of the state. Every call may raise BucketError. For many threads."""

    @property
    def place(self) -> str:
        """Where it is, for people: s3://models/state/support/prod"""

    def get(self, name: str) -> Thing | None:
        """None where there is no such object."""

    def create(self, name: str, content: bytes) -> Tag:
        """Raises Conflict where there is one of that name."""

    def replace(self, name: str, content: bytes, tag: Tag) -> Tag:
        """Raises Conflict where it is not of that version any more."""

    def delete(self, names: Iterable[str]) -> None:
        """Those that exist."""

    def names(self, prefix: str) -> list[str]:
        """Every object whose name begins like that."""
