"""Storage: a JSON file for each object, with an index in memory.

A file is written to a temporary one and renamed, so that a killed server leaves only whole objects. Keys that
another version wrote are ignored.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from msgspec import Struct, convert, to_builtins

MAX_NAME = 220
"""Bytes in the name of a file. File systems take 255, and the temporary file has a longer name."""


class NameTooLong(ValueError):
    """The id of an object is too long to be stored."""


class Stored(Struct, frozen=True):
    """An object of JSON values. Times are virtual seconds since the epoch."""

    id: str
    created: float


T = TypeVar("T", bound=Stored)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in ``path``; None if there is no such file."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    value = json.loads(text)
    return value if isinstance(value, dict) else None


def write_json(path: Path, value: object) -> None:
    replace_text(path, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def replace_text(path: Path, text: str) -> None:
    """Replace the file atomically."""
    temporary = path.with_name(f".{path.name}.{threading.get_ident()}.tmp")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


class Collection(Generic[T]):
    """The objects of one kind, oldest first. Threads may share it."""

    def __init__(
        self, folder: Path, kind: type[T], lock: threading.RLock, on_new: Callable[[], None]
    ) -> None:
        folder.mkdir(exist_ok=True)
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink()
        self._lock = lock
        self._folder = folder
        self._on_new = on_new
        loaded = [convert(read_json(path), kind) for path in folder.glob("[!.]*.json")]
        self._items = {item.id: item for item in sorted(loaded, key=lambda item: (item.created, item.id))}

    def get(self, key: str) -> T | None:
        return self._items.get(key)

    def all(self) -> list[T]:
        """Oldest first."""
        with self._lock:
            return list(self._items.values())

    def put(self, item: T) -> None:
        """Create or replace an object. Raises NameTooLong."""
        values = {name: value for name, value in to_builtins(item).items() if value is not None}
        with self._lock:
            is_new = item.id not in self._items
            write_json(self._path(item.id), values)
            self._items[item.id] = item
            if is_new:
                self._on_new()

    def remove(self, key: str) -> None:
        """Delete an object, if it exists."""
        with self._lock:
            if self._items.pop(key, None) is not None:
                self._path(key).unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete every object and all other files in the folder."""
        with self._lock:
            self._items.clear()
            for path in self._folder.iterdir():
                path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._items)

    def _path(self, key: str) -> Path:
        name = f"{quote(key, safe='')}.json"
        if len(name) > MAX_NAME:
            raise NameTooLong(
                f"The name '{key[:40]}…' is too long: its file would have {len(name)} characters."
            )
        return self._folder / name
