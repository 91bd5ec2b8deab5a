"""Reads a spec, or what was made of it last time when nothing that it is made from has changed.

Parsing and checking a spec takes longer than all the rest of a plan without changes. What comes out is a
value; it is kept in `.ftops/cache` below the project, under a digest of everything that went in. A spec
that asked for an environment variable, or that holds a secret, is never kept.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from msgspec import json

from ftops import __version__
from ftops.config.config import Config
from ftops.core.codec import Codec
from ftops.core.confined_files import SPEC_BYTES, content, opened, outside
from ftops.core.errors import Place
from ftops.core.private_files import write_private
from ftops.core.project import SPECS, ignore, make_own, own_folder, project_root, spec_folder
from ftops.core.trusted_hosts import ALLOW_VARIABLE

FORMAT = 5
CODEC = Codec(strict=True, arrays=(Place,))
VARIABLE_PREFIX = "FTOPS_VAR_"
_SUFFIXES = (".yaml", ".yml")


def read(
    path: Path,
    *,
    environment: str | None = None,
    variables: Sequence[str] = (),
    variable_files: Sequence[Path] = (),
    environ: Mapping[str, str],
) -> Config:
    """As `ftops.config.loader.load`, which it calls where it has to. Raises SpecError."""
    given = [environment, *variables, *(f"{n}={v}" for n, v in sorted(_variables(environ).items()))]
    key = _key(path, variable_files, given)
    kept = _kept_file(path, environment)
    config = _recall(kept, key)
    if config is None or not _still_holds(config, path):
        from ftops.config.loader import load

        config = load(
            path,
            environment=environment,
            variables=variables,
            variable_files=variable_files,
            environ=environ,
        )
        if key and _may_be_kept(config):
            _keep(kept, key, config)
    return config


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(VARIABLE_PREFIX) or name == ALLOW_VARIABLE
    }


def _still_holds(config: Config, path: Path) -> bool:
    """Whether a config that was kept is about this folder, and what it names is still within the project."""
    folder = spec_folder(path)
    is_here = (config.folder, config.project) == (folder, project_root(folder))
    return is_here and not any(outside(named.path, config.project) for named in config.named_paths())


def _may_be_kept(config: Config) -> bool:
    if config.asks_for_secrets or config.secrets:
        return False
    return not any(p.hidden or "api_key" in p.settings for p in config.providers.values())


def _key(path: Path, variable_files: Sequence[Path], given: Sequence[str | None]) -> str:
    """A digest of all that a config is made from; empty where a file can't be read."""
    try:
        digest = sha256(json.encode([FORMAT, __version__, _code_age(), str(Path.cwd()), given]))
        folder = spec_folder(path)
        root = project_root(folder)
        files = [(file, root) for file in _spec_files(path)] if path.is_dir() else [(path, None)]
        for file, within in (*files, *((file, None) for file in variable_files)):
            text = content(file, within, limit=SPEC_BYTES)
            digest.update(f"\n{file.absolute()} {len(text)}\n".encode())
            digest.update(text)
        digest.update(f"\n{folder}\n{root}".encode())
    except (OSError, UnicodeError):  # a name that isn't UTF-8
        return ""
    return digest.hexdigest()


_ROOMS = ("config", "config/loader", "config/schema", "core", "yaml")
"""Folders of the modules that make a config of a spec."""


def _spec_files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.suffix in _SUFFIXES and not f.is_dir())


def _code_age() -> int:
    """When the newest module was written: what an older ftops made of a spec is not trusted."""
    package = Path(__file__).parents[1]
    modules = (entry for room in _ROOMS for entry in os.scandir(package / room))
    return max(entry.stat().st_mtime_ns for entry in modules if entry.name.endswith(".py"))


def _kept_file(path: Path, environment: str | None) -> Path:
    """One file a spec and environment: the newest only."""
    root = project_root(spec_folder(path))
    name = sha256(f"{path.absolute()}\n{environment}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return own_folder(root, SPECS) / f"{name}.json"


def _recall(file: Path, key: str) -> Config | None:
    """None where nothing is kept, or it was made from something else, or can't be read."""
    if not key:
        return None
    try:
        with opened(file, file.parents[2]) as kept:
            if kept.readline().strip().decode() != key:
                return None
            return CODEC.read(Config, json.decode(kept.read()))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _keep(file: Path, key: str, config: Config) -> None:
    """Whole or not at all. A folder that can't be written only costs time."""
    kept = f"{key}\n".encode() + json.encode(CODEC.write(config))
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        ignore(file.parent.parent.parent)
        make_own(file.parent)
        write_private(temporary, kept)
        temporary.replace(file)
