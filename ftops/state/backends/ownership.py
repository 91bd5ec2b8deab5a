"""Ownership of a local state: the files of its spec, recorded in `<path>/<name>/.spec`.

A spec is called after its folder unless it says otherwise. So a folder that is renamed, copied, linked or
given another project would find no state, or that of another spec; either way objects would be made twice,
or those of another be deleted. Here that is noticed before anything is planned.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ftops.config.config import Config
from ftops.core.confined_files import content, folders, real
from ftops.core.errors import StateError
from ftops.core.private_files import make_folder, write_private
from ftops.state.backends.base import Elsewhere
from ftops.state.backends.local import LocalStore
from ftops.state.file_format import StateCodec
from ftops.state.state import State

NOTE = ".spec"
"""In the folder of a state: the files that it was made from."""
_CLOUD = Path(".ftops", "emulator")
"""The embedded cloud is kept beside the state."""
_AGAIN = "Everything would be created again, and existing objects would no longer be managed."


def note_origin(config: Config) -> None:
    """Remembers the files of the spec. Where that can't be written, nothing is noticed later: no more."""
    note = _folder(config) / config.name / NOTE
    text = "".join(f"{file}\n" for file in _files(config))
    with suppress(OSError):
        if not note.exists() or content(note, config.project) != text.encode():
            make_folder(note.parent)
            write_private(note, text.encode())


def check_origin(config: Config, state: State, form: StateCodec) -> None:
    """Raises StateError where the state recorded under the spec's name is that of another spec, or that of
    this spec is recorded elsewhere (`Elsewhere`)."""
    if not state.is_empty:
        _check_owner(config)
    elif not (state.lineage or _is_known(_folder(config) / config.name)):
        _check_other_folders(config, form)
        _check_other_names(config, form)


def is_other_spec(config: Config, place: Path) -> bool:
    """Whether the state in a folder is known to be that of other files."""
    owner = _noted(place, config.project)
    return bool(owner) and owner.isdisjoint(_files(config))


def _is_known(place: Path) -> bool:
    """Whether anything was recorded there, in any environment; who has the lock has made the folder."""
    return (place / NOTE).exists() or any(place.glob("*.json")) or any(place.glob("*.journal"))


def _check_owner(config: Config) -> None:
    place = _folder(config) / config.name
    if not is_other_spec(config, place):
        return
    owner = _noted(place, config.project)
    there = sorted(file for file in owner if (config.project / file).exists())
    if there:
        raise StateError(
            f"the state of `{config.name}` belongs to another spec: {there[0]}",
            f"this one is {_files(config)[0]}. Objects of the other spec would be replaced or deleted.",
            "give this spec another name: `ftops: {name: …}`",
        )


def _check_other_folders(config: Config, form: StateCodec) -> None:
    """A project begins where `.git` is, so that `git init` further up moves where the state is looked for."""
    between = [f for f in (config.folder, *config.folder.parents) if config.project in f.parents]
    for folder in between:
        found = folder / config.state.path / config.name
        if (found / f"{config.environment}.json").exists():
            clouds = (folder / _CLOUD, config.project / _CLOUD)
            moves = [(found, _folder(config) / config.name), *([clouds] if clouds[0].exists() else [])]
            raise Elsewhere(
                LocalStore(found.parent, config.name, config.environment, form),
                f"the state is in another folder: {found}",
                "it is expected at the root of the project, the nearest folder with `.git`: "
                f"{_folder(config)}. {_AGAIN}",
                f"move it: `{' && '.join(_move(*move) for move in moves)}`",
            )


def _check_other_names(config: Config, form: StateCodec) -> None:
    files = set(_files(config))
    names = {Path(file).name for file in files}
    for name, noted in _others(config):
        is_same = not noted.isdisjoint(files)
        is_gone = not any((config.project / file).exists() for file in noted)
        renamed = is_gone and not config.is_named and not names.isdisjoint(Path(file).name for file in noted)
        there = LocalStore(_folder(config), name, config.environment, form)
        if (is_same or renamed) and _holds_something(there):
            raise _known_as(config, there) if is_same else _renamed(config, there, sorted(noted)[0])


def _known_as(config: Config, there: LocalStore) -> Elsewhere:
    why, name = "" if config.is_named else ", after its folder", there.spec
    return Elsewhere(
        there,
        f"the state of this spec is recorded as `{name}`",
        f"the spec is now called `{config.name}`{why}, and there is no state of that name. {_AGAIN}",
        f"keep the name: `ftops: {{name: {name}}}`",
    )


def _renamed(config: Config, there: LocalStore, file: str) -> Elsewhere:
    name = there.spec
    return Elsewhere(
        there,
        f"there is no state for `{config.name}`, and the spec of `{name}` no longer exists",
        f"it was {file}. Was its folder renamed? {_AGAIN}",
        f"if so, set `ftops: {{name: {name}}}`; if this is another spec, set "
        f"`ftops: {{name: {config.name}}}`",
    )


def _others(config: Config) -> Iterator[tuple[str, frozenset[str]]]:
    with suppress(OSError):
        for place in folders(_folder(config)):
            noted = _noted(place, config.project)
            if noted and place.name != config.name:
                yield place.name, noted


def _holds_something(there: LocalStore) -> bool:
    with suppress(StateError):
        return not there.read().is_empty
    return False


def _noted(place: Path, project: Path) -> frozenset[str]:
    with suppress(OSError, UnicodeDecodeError):
        return frozenset(content(place / NOTE, project).decode().splitlines())
    return frozenset()


def _files(config: Config) -> list[str]:
    """Relative to the project, wherever it is; links are followed."""
    folder, project = real(config.folder), real(config.project)
    return sorted(
        Path(os.path.relpath(folder / Path(file).name, project)).as_posix() for file in config.files
    )


def _folder(config: Config) -> Path:
    return config.project / config.state.path


def _move(before: Path, after: Path) -> str:
    """All that is in a folder, for a shell; the other may be there, with nothing but a lock in it."""
    old, new = shlex.quote(str(before)), shlex.quote(str(after))
    return f"mkdir -p {new} && mv {old}/* {new}/"
