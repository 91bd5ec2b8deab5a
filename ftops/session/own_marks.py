"""Own marks: what this machine has approved and recorded itself.

A local state that isn't encrypted may come from somebody else's checkout. So what it says was approved counts
only where the approval was given, and only for objects that were recorded there. A state in a bucket, or an
encrypted one, needs no marks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from ftops.core.confined_files import content
from ftops.core.private_files import open_private, write_private
from ftops.core.project import ignore, made_here, make_own, own_folder
from ftops.state.backends.base import Journal
from ftops.state.backends.factory import is_protected
from ftops.state.entries import Begun, Entry, Recorded
from ftops.state.state import State, recorded_objects

if TYPE_CHECKING:
    from ftops.session.environment_state import EnvironmentState

_OBJECTS = "objects"


def is_marked(session: EnvironmentState, topic: str, name: str, mark: bytes) -> bool:
    """Whether whoever wrote this into the state could write the state, and not only a checkout."""
    if is_protected(session.store):
        return True
    folder = own_folder(session.config.project, topic)
    with suppress(OSError):
        return made_here(folder) and content(folder / _file(session, name)) == mark
    return False


def set_marks(
    session: EnvironmentState, topic: str, marks: Mapping[str, bytes], still: Collection[str] | None = None
) -> None:
    """Remembers what this machine has approved, by name; forgets those of the spec that aren't in `still`, if
    that is given. Raises OSError."""
    if is_protected(session.store):
        return
    folder = _own(session, topic)
    if still is not None:
        kept = {_file(session, name) for name in (*still, *marks)}
        for path in folder.glob(_file(session, "*")):
            if path.name not in kept:
                path.unlink(missing_ok=True)
    for name, mark in marks.items():
        write_private(folder / _file(session, name), mark)


def own_objects(session: EnvironmentState) -> OwnObjects:
    """What was recorded here. Never raises: what can't be read wasn't."""
    if is_protected(session.store):
        return OwnObjects(None)
    folder = own_folder(session.config.project, _OBJECTS)
    known: list[str] = []
    with suppress(OSError, UnicodeDecodeError):
        known = content(folder / _file(session, "")).decode().splitlines() if made_here(folder) else []
    return OwnObjects(frozenset(known))


class OwnObjects(Struct, frozen=True):
    """The ids and tokens of objects that this machine has recorded; None: all of them count."""

    known: frozenset[str] | None

    def __contains__(self, id: str) -> bool:
        return self.known is None or not id or id in self.known


def noting(session: EnvironmentState, journal: Journal, before: State) -> Journal:
    """The same journal; it remembers the objects that it records, unless they are in the state already. If
    that can't be written, what is unattended is refused, but no more."""
    if is_protected(session.store):
        return journal
    known = {record.remote_id for _, record in recorded_objects(before.resources, before.deposed)}
    known |= {operation.token for operation in before.pending.values()}

    def note(entries: Sequence[Entry]) -> None:
        new = {id for entry in entries if (id := _id_of(entry)) and id not in known}
        if new:
            with suppress(OSError), _opened(session) as file:
                file.write("".join(f"{id}\n" for id in sorted(new)).encode())
        known.update(new)

    return NotingJournal(journal, note)


class NotingJournal(Struct):
    """A journal whose entries are noted before they are written: so what is noted counts wherever a run is
    killed."""

    _journal: Journal
    _note: Callable[[Sequence[Entry]], None]

    def append(self, entries: Iterable[Entry]) -> None:
        entries = list(entries)
        self._note(entries)
        self._journal.append(entries)

    def sync(self) -> None:
        self._journal.sync()

    def close(self) -> None:
        self._journal.close()

    def fold(self, state: State) -> None:
        self._journal.fold(state)


def _opened(session: EnvironmentState) -> FileIO:
    """The file of what was recorded here, to add to it. Raises OSError."""
    folder = _own(session, _OBJECTS)
    return open(folder / _file(session, ""), "ab", buffering=0, opener=open_private)


def _own(session: EnvironmentState, topic: str) -> Path:
    """The folder of a topic, which exists. Raises OSError."""
    project = session.config.project
    ignore(project)
    folder = own_folder(project, topic)
    make_own(folder)
    return folder


def _id_of(entry: Entry) -> str:
    if isinstance(entry, Recorded):
        return entry.resource.remote_id
    return entry.operation.token if isinstance(entry, Begun) else ""


def _file(session: EnvironmentState, name: str) -> str:
    return f"{session.config.name}.{session.config.environment}.{name}"
