"""Plan store: kept plans beside a state, as files or objects that are named by digests.

What is stored isn't trusted: whoever reads a plan checks it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from ftops.core.private_files import make_folder, replace_file
from ftops.state.backends.bucket_interface import Bucket, Conflict
from ftops.state.backends.local import read_bytes, sync_folder, translated

LOOKED_AT = 10_000
"""How many plans are looked at to find those that are too old."""


class PlanStore(Protocol):
    """Names are hex digits. Every method may raise StateError."""

    @property
    def place(self) -> str:
        """Where the plans are, for messages."""

    def get(self, name: str) -> bytes | None: ...

    def put(self, name: str, content: bytes) -> None:
        """Durable. Replaces an older one: plans of the same digest do the same."""

    def prune(self, written_before: float) -> None:
        """Deletes plans that were written before this time, in seconds since 1970. Looks at a limited
        number."""


class LocalPlans(Struct, frozen=True):
    """Files in a folder of the project, which only their owner can read."""

    folder: Path

    @property
    def place(self) -> str:
        return str(self.folder)

    def get(self, name: str) -> bytes | None:
        return read_bytes(self.folder / name)

    def put(self, name: str, content: bytes) -> None:
        with translated(self.folder):
            make_folder(self.folder)
            replace_file(self.folder / name, content)
            sync_folder(self.folder)

    def prune(self, written_before: float) -> None:
        if not self.folder.is_dir():
            return
        with translated(self.folder), os.scandir(self.folder) as entries:
            for entry in islice(entries, LOOKED_AT):
                with suppress(FileNotFoundError):  # another run deletes it, too
                    if _is_plan(entry.name) and entry.stat().st_mtime < written_before:
                        Path(entry).unlink()


class BucketPlans(Struct, frozen=True):
    """Objects beside the states, so that writing plans needs no right to write states."""

    bucket: Bucket

    @property
    def place(self) -> str:
        return self.bucket.place

    def get(self, name: str) -> bytes | None:
        found = self.bucket.get(name)
        return found.content if found else None

    def put(self, name: str, content: bytes) -> None:
        try:
            self.bucket.create(name, content)
        except Conflict:
            found = self.bucket.get(name)
            with suppress(Conflict):  # another run writes the same plan
                if found is None:
                    self.bucket.create(name, content)
                else:
                    self.bucket.replace(name, content, found.tag)

    def prune(self, written_before: float) -> None:
        ages = self.bucket.ages("", LOOKED_AT)
        self.bucket.delete(name for name, age in ages if _is_plan(name) and age < written_before)


def _is_plan(name: str) -> bool:
    return len(name) == 64 and not name.strip("0123456789abcdef")
