"""Objects on disk, one JSON file each, with an index in memory.

A file is written beside its place and renamed, so that a killed server leaves whole objects
only. Reading tolerates keys that another version wrote.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar
from urllib.parse import quote

if TYPE_CHECKING:
    from dataclasses import Field


class Stored(Protocol):
    """A frozen dataclass of JSON values with an id and a creation time."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def id(self) -> str: ...

    @property
    def created(self) -> float: ...


T = TypeVar("T", bound=Stored)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in ``path``, or None when there is no such file."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    value = json.loads(text)
    return value if isinstance(value, dict) else None


def write_json(path: Path, value: object) -> None:
    """Replace ``path`` by ``value`` in one step."""
    replace_text(path, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def replace_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in one step."""
    temporary = path.with_name(f".{path.name}.{threading.get_ident()}.tmp")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


class Collection(Generic[T]):
    """The objects of one kind, oldest first. Threads may share it."""

    def __init__(
        self, folder: Path, kind: type[T], lock: threading.RLock, on_new: Callable[[], None]
    ) -> None:
        folder.mkdir(exist_ok=True)
        for left_over in folder.glob(".*.tmp"):
            left_over.unlink()
        self._lock = lock
        self._folder = folder
        self._on_new = on_new
        self._names = {field.name for field in dataclasses.fields(kind)}
        self._items: dict[str, T] = {}
        loaded = [self._load(kind, path) for path in folder.glob("[!.]*.json")]
        for item in sorted(loaded, key=lambda item: (item.created, item.id)):
            self._items[item.id] = item

    def get(self, key: str) -> T | None:
        """The object with this id, if it exists."""
        return self._items.get(key)

    def all(self) -> list[T]:
        """Every object, oldest first."""
        with self._lock:
            return list(self._items.values())

    def put(self, item: T) -> None:
        """Create or replace an object."""
        with self._lock:
            new = item.id not in self._items
            write_json(self._path(item.id), _plain(item))
            self._items[item.id] = item
            if new:
                self._on_new()

    def remove(self, key: str) -> None:
        """Delete an object; nothing happens when it does not exist."""
        with self._lock:
            self._items.pop(key, None)
            self._path(key).unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete every object, and everything that lies beside them."""
        with self._lock:
            self._items.clear()
            for path in self._folder.iterdir():
                path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._items)

    def _path(self, key: str) -> Path:
        return self._folder / f"{quote(key, safe='')}.json"

    def _load(self, kind: type[T], path: Path) -> T:
        stored = read_json(path) or {}
        return kind(**{name: stored[name] for name in self._names if name in stored})


def _plain(item: Stored) -> dict[str, Any]:
    values = {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
    return {name: value for name, value in values.items() if value is not None}


class Counters:
    """How many objects of each kind were ever created."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: dict[str, int] = dict(read_json(path) or {})

    def add(self, kind: str) -> None:
        """One more of ``kind``."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        write_json(self._path, self._counts)

    def clear(self) -> None:
        """Count from nothing again."""
        self._counts = {}
        self._path.unlink(missing_ok=True)

    def values(self) -> dict[str, int]:
        """A copy of the counts."""
        return dict(self._counts)
