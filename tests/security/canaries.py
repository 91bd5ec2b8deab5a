"""Canaries: files outside of a project that nothing may read, print, change or delete."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

WORD = "canary-5f1c7e"
"""Stands in every canary."""
_READ = 0x1 | 0x20  # IN_ACCESS, IN_OPEN
_EVENT = struct.Struct("iIII")


class Canaries:
    """A folder of files, watched by the kernel (Linux) or, elsewhere, only looked at afterwards."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._known: dict[Path, tuple[str, int]] = {}
        self._watch = -1
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._watch = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            assert self._watch >= 0
            self._add(folder)

    def file(self, name: str, text: str = "") -> Path:
        """A canary, with a text that would do for what it is named as."""
        path = self.folder / name
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            self._add(path.parent)
        path.write_text(f"{text}# {WORD}\n" if not text.startswith("{") else text, encoding="utf-8")
        self._known[path] = (path.read_text(encoding="utf-8"), path.stat().st_mtime_ns)
        self._events()
        return path

    def assert_untouched(self) -> None:
        """Neither opened nor changed, and nothing was put beside them. What is allowed to the test itself."""
        assert self._events() == []
        for path, known in self._known.items():
            assert (path.read_text(encoding="utf-8"), path.stat().st_mtime_ns) == known, path
        found = {path for path in self.folder.rglob("*") if not path.is_dir()}
        assert found == set(self._known)
        self._events()

    def close(self) -> None:
        if self._watch >= 0:
            os.close(self._watch)

    def _add(self, folder: Path) -> None:
        if self._watch >= 0:
            assert self._libc.inotify_add_watch(self._watch, os.fsencode(folder), _READ) >= 0

    def _events(self) -> list[str]:
        """What was opened or read since the last look: names in the folders that are watched."""
        if self._watch < 0:
            return []
        try:
            data = os.read(self._watch, 1 << 16)
        except BlockingIOError:
            return []
        found = []
        while data:
            _, mask, _, size = _EVENT.unpack_from(data)
            name = data[_EVENT.size : _EVENT.size + size].rstrip(b"\0").decode(errors="replace")
            found.append(f"{'read' if mask & 1 else 'opened'} {name or 'the folder'}")
            data = data[_EVENT.size + size :]
        return found
