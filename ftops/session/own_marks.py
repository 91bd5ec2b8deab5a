"""Own marks: what this machine has approved itself.

A local state that isn't encrypted may come from somebody else's checkout. So what it says was approved counts
only where the approval was given. A state in a bucket, or an encrypted one, needs no marks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from ftops.core.confined_files import content
from ftops.core.private_files import write_private
from ftops.core.project import ignore, made_here, make_own, own_folder
from ftops.state.backends.factory import is_protected

if TYPE_CHECKING:
    from ftops.session.session import Session


def is_marked(session: Session, topic: str, name: str, mark: bytes) -> bool:
    """Whether whoever wrote this into the state could write the state, and not only a checkout."""
    if is_protected(session.store):
        return True
    folder = own_folder(session.config.project, topic)
    with suppress(OSError):
        return made_here(folder) and content(folder / _file(session, name)) == mark
    return False


def set_marks(session: Session, topic: str, marks: Mapping[str, bytes], still: Collection[str]) -> None:
    """Remembers what this machine has approved, by name; forgets those of the spec that aren't in `still`.
    Raises OSError."""
    if is_protected(session.store):
        return
    project = session.config.project
    ignore(project)
    folder = own_folder(project, topic)
    make_own(folder)
    kept = {_file(session, name) for name in (*still, *marks)}
    for path in folder.glob(_file(session, "*")):
        if path.name not in kept:
            path.unlink(missing_ok=True)
    for name, mark in marks.items():
        write_private(folder / _file(session, name), mark)


def _file(session: Session, name: str) -> str:
    return f"{session.config.name}.{session.config.environment}.{name}"
