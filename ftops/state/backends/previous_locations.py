"""Previous locations of a state: found if settings have changed and the new location is empty.

The last place is noted in `.ftops` of the project, which may be lost; a local state is also looked for in the
folders of the project. To go on without it would make everything anew.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ftops.config.config import Config, StateSettings
from ftops.core.confined_files import content, folders, outside
from ftops.core.errors import StateError
from ftops.core.private_files import make_folder, write_private
from ftops.core.project import FOLDER, ignore
from ftops.core.snippets import command
from ftops.state.backends.base import Elsewhere, Store
from ftops.state.backends.local import LocalStore
from ftops.state.backends.ownership import NOTE, is_other_spec
from ftops.state.file_format import PLAIN, StateCodec

LOCAL_FOLDER = StateSettings().path
"""Where a spec that says nothing keeps its state."""
_LOCAL = "local"
_AGAIN = (
    "there is no state there: everything would be created again, and existing objects would no "
    "longer be managed."
)


def note_place(config: Config, store: Store) -> None:
    """Remembers it. Where that can't be written, nothing is noticed later: no more."""
    note = _note(config)
    text = f"{_backend(store, config)} {_place(config, store)}\n"
    with suppress(OSError):
        if not note.exists() or content(note, config.project) != text.encode():
            ignore(config.project)
            make_folder(note.parent)
            write_private(note, text.encode())


def check_other_places(config: Config, store: Store) -> None:
    """Raises StateError where the spec's state is recorded at another place than this one, which is empty."""
    form = getattr(store, "form", PLAIN)
    for folder in _folders(config):
        there = LocalStore(folder, config.name, config.environment, form)
        if there.place != store.place and _is_ours(config, there, form):
            raise _kept_in_folder(there, store)
    backend, _, place = _noted(config).partition(" ")
    if backend not in ("", _LOCAL) and place != store.place:
        raise StateError(
            f"the state was stored at {place}",
            f"the spec now stores it at {store.place}, but {_AGAIN}",
            "restore the setting, or move the state: `ftops state pull` with the previous setting, "
            "`ftops state push FILE` with the new one. If the old state no longer exists, remove "
            f"{_note(config)}",
        )


def _kept_in_folder(there: LocalStore, store: Store) -> Elsewhere:
    summary = f"the state is in another folder: {there.snapshot_path.parent}"
    if not isinstance(store, LocalStore):
        summary = f"the state is still in a local folder: {there.snapshot_path}"
        named = () if there.folder.name == LOCAL_FOLDER else ("--from", there.folder)
        how = command("ftops", "state", "migrate", *named)
    else:
        old, new = (shlex.quote(str(s.snapshot_path.parent)) for s in (there, store))
        how = f"`mkdir -p {new} && mv {old}/{there.environment}.* {new}/`"
    detail = f"the spec now stores it at {store.place}, but {_AGAIN}"
    return Elsewhere(there, summary, detail, f"restore the setting of `state`, or move it: {how}")


def _folders(config: Config) -> Iterator[Path]:
    """Where a local state of that name may be."""
    backend, _, noted = _noted(config).partition(" ")
    found = [config.project / noted] if backend == _LOCAL else []
    found.append(config.project / LOCAL_FOLDER)
    with suppress(OSError):
        for folder in folders(config.project):
            found += [f for f in (folder, *folders(folder)) if (f / config.name / NOTE).exists()]
    for folder in dict.fromkeys(found):
        if outside(folder / config.name, config.project) is None:
            yield folder


def _is_ours(config: Config, there: LocalStore, form: StateCodec) -> bool:
    if not (there.snapshot_path.exists() or there.journal_path.exists()):
        return False
    if is_other_spec(config, there.snapshot_path.parent):
        return False
    try:
        return not there.read().is_empty
    except StateError:
        return True


def _backend(store: Store, config: Config) -> str:
    return _LOCAL if isinstance(store, LocalStore) else config.state.backend


def _place(config: Config, store: Store) -> str:
    """A folder as the settings name it: a project may move as a whole."""
    return config.state.path if isinstance(store, LocalStore) else store.place


def _noted(config: Config) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return content(_note(config), config.project).decode().strip()
    return ""


def _note(config: Config) -> Path:
    return config.project / FOLDER / "places" / f"{config.name}.{config.environment}"
