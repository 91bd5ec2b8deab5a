"""A bucket in memory with a clock of its own, and a client whose requests can fail.

A fault is a word for each call: "" none; "lost" the request never arrives; "unknown" it takes effect but the
reply is lost; "late" it takes effect after the caller has given up; "refused" (403).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from ftops.state.backends.bucket_interface import BucketError, Conflict, StoredObject, Tag

FAULTS = ("", "lost", "unknown", "late", "refused")


@dataclass
class MemoryBucket:
    """Objects by name. Tags are counted, as in Azure; with `by_content` they are digests, as in S3."""

    now: Callable[[], float] = lambda: 0.0
    by_content: bool = False
    things: dict[str, StoredObject] = field(default_factory=dict)
    writes: int = 0
    place: str = "memory://bucket"

    def get(self, name: str) -> StoredObject | None:
        return self.things.get(name)

    def create(self, name: str, content: bytes) -> Tag:
        if name in self.things:
            raise Conflict(name)
        return self._write(name, content)

    def replace(self, name: str, content: bytes, tag: Tag) -> Tag:
        existing = self.things.get(name)
        if existing is None or existing.tag != tag:
            raise Conflict(name)
        return self._write(name, content)

    def delete(self, names: Iterable[str]) -> None:
        for name in list(names):
            self.things.pop(name, None)

    def names(self, prefix: str) -> list[str]:
        return [name for name in self.things if name.startswith(prefix)]

    def ages(self, prefix: str, limit: int) -> list[tuple[str, float]]:
        return [(name, self.things[name].modified) for name in self.names(prefix)][:limit]

    def _write(self, name: str, content: bytes) -> Tag:
        self.writes += 1
        tag = Tag(str(hash(content)) if self.by_content else str(self.writes))
        self.things[name] = StoredObject(content, tag, float(int(self.now())))
        return tag


@dataclass
class Wire:
    """A client of a bucket."""

    bucket: MemoryBucket
    fault: Callable[[], str] = lambda: ""
    late: list[Callable[[], object]] = field(default_factory=list)
    """Requests that haven't arrived yet."""

    @property
    def place(self) -> str:
        return self.bucket.place

    def get(self, name: str) -> StoredObject | None:
        if self.fault():
            raise away()
        return self.bucket.get(name)

    def create(self, name: str, content: bytes) -> Tag:
        return self._write(lambda: self.bucket.create(name, content))

    def replace(self, name: str, content: bytes, tag: Tag) -> Tag:
        return self._write(lambda: self.bucket.replace(name, content, tag))

    def delete(self, names: Iterable[str]) -> None:
        wanted = list(names)
        self._write(partial(self._delete, wanted))

    def _delete(self, names: list[str]) -> Tag:
        self.bucket.delete(names)
        return Tag()

    def names(self, prefix: str) -> list[str]:
        if self.fault():
            raise away()
        return self.bucket.names(prefix)

    def ages(self, prefix: str, limit: int) -> list[tuple[str, float]]:
        if self.fault():
            raise away()
        return self.bucket.ages(prefix, limit)

    def _write(self, call: Callable[[], Tag]) -> Tag:
        match self.fault():
            case "":
                return call()
            case "unknown":
                call()
            case "late":
                self.late.append(call)
            case "refused":
                raise BucketError("can't use the state", "403")
        raise away()


def land(late: list[Callable[[], object]]) -> None:
    """Late requests arrive."""
    while late:
        try:
            late.pop(0)()
        except Conflict:
            continue


def away() -> BucketError:
    return BucketError("can't use the state", "the bucket is away", temporary=True)
