"""Spec folders: finds the specs below a folder, and says which of them a set of changed files touches."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from ftops.config.config import Config
from ftops.config.loader.files import keys_of
from ftops.core.confined_files import content, folders, real
from ftops.core.project import CATALOG_FILE, SPEC_SUFFIXES
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.dataset import is_pattern
from ftops.yaml.document import MAX_BYTES

_NAMES = ("ftops.yaml", "ftops.yml")
_MARKS = {"ftops", "providers", *(row.section for row in RESOURCE_TYPES.values() if not row.trains)}
"""Sections that make a folder a spec. Others are also keys of other tools: workflows of CI have `jobs`."""
_LEFT_OUT = frozenset({"node_modules"})


def find_specs(folder: Path) -> Iterator[Path]:
    """The folders of specs at and below a folder, each before those below it, sorted. Hidden folders, links
    to folders, `node_modules`, and folders that are repositories of their own aren't searched. Raises
    OSError."""
    todo = [folder]
    while todo:
        here = todo.pop()
        if _is_spec(here):
            yield here
        todo += reversed([below for below in folders(here) if not _is_left_out(below)])


def _is_left_out(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in _LEFT_OUT or os.path.lexists(folder / ".git")


def _is_spec(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if Path(entry.name).suffix in SPEC_SUFFIXES]
    files = [name for name in sorted(names) if not name.startswith(".") and name != CATALOG_FILE]
    return any(name in _NAMES or not _MARKS.isdisjoint(_sections(folder / name)) for name in files)


def _sections(file: Path) -> set[str]:
    """The top-level keys of a file, which need not be valid YAML; none if it can't be read, or is a link."""
    try:
        return keys_of(content(file, limit=MAX_BYTES, follow=False).decode("utf-8", "replace"))
    except OSError:
        return set()


class ChangedFiles(Struct, frozen=True):
    """Files that were changed, added, renamed or deleted: absolute, normalised paths."""

    paths: frozenset[Path]

    def touch(self, config: Config, more: Collection[Path] = ()) -> bool:
        """Whether one of them belongs to a spec: a YAML file of its folder, or a file that the spec names or
        that matches one of its patterns. `more`: other files that it is read with."""
        folder = config.folder
        named = {place for path in (*_named(config), *more) for place in (_normal(path), real(path))}
        named = {path for path in named if not folder.is_relative_to(path)}
        patterns = [text for text in _texts(config) if is_pattern(text)]
        return any(
            (path.parent == folder and path.suffix in SPEC_SUFFIXES)
            or not named.isdisjoint((path, *path.parents))
            or any(_matches(path, folder, pattern) for pattern in patterns)
            for path in self.paths
        )


def _named(config: Config) -> Iterator[Path]:
    """What a spec may name: each text of it, taken as a path. One that is none names no file."""
    yield from (named.path for named in config.named_paths())
    yield from (config.folder / text for text in _texts(config) if "\0" not in text)
    for resource in config.resources:
        if resource.generated is not None:
            yield config.folder / resource.generated.folder
    for provider in config.providers.values():
        yield from (config.project / text for text in _strings(provider.settings) if "\0" not in text)


def _texts(config: Config) -> Iterator[str]:
    for resource in config.resources:
        yield from _strings(resource.inputs)
        if resource.generated is not None:
            yield from _strings(resource.generated.settings)


def _strings(value: Any) -> Iterator[str]:
    """Every text in a value that isn't empty."""
    if isinstance(value, str):
        yield from (str(value),) if value else ()
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _matches(path: Path, folder: Path, pattern: str) -> bool:
    from ftops.dataset.files.derived_files import divided, fits  # only for patterns

    start, rest = divided(folder, pattern)
    start = _normal(start)
    return path.is_relative_to(start) and fits(path.relative_to(start).parts, Path(rest).parts)


def _normal(path: Path) -> Path:
    """Without `..`; links aren't resolved."""
    return Path(os.path.normpath(path))
