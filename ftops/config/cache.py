"""Spec cache: a spec as loaded before, if none of its sources has changed.

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
from typing import Any

from msgspec import json

from ftops import __version__
from ftops.config.config import (
    Budget,
    Config,
    Import,
    Lifecycle,
    Move,
    Output,
    ProviderConfig,
    Refactorings,
    Removal,
    Resource,
    StateSettings,
)
from ftops.core.address import Address, decode, encode
from ftops.core.confined_files import SPEC_BYTES, content, opened, outside
from ftops.core.errors import Place
from ftops.core.private_files import write_private
from ftops.core.project import SPECS, ignore, make_own, own_folder, project_root, spec_folder
from ftops.core.trusted_hosts import ALLOW_VARIABLE

FORMAT = 4
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
    return not config.asks_for_secrets and not any("api_key" in p.settings for p in config.providers.values())


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
            return config_from_json(json.decode(kept.read()))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _keep(file: Path, key: str, config: Config) -> None:
    """Whole or not at all. A folder that can't be written only costs time."""
    kept = f"{key}\n".encode() + json.encode(config_to_json(config))
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        ignore(file.parent.parent.parent)
        make_own(file.parent)
        write_private(temporary, kept)
        temporary.replace(file)


def config_to_json(config: Config) -> dict[str, Any]:
    """Everything but secrets, of which a kept config has none."""
    return {
        "name": config.name,
        "environment": config.environment,
        "folder": str(config.folder),
        "project": str(config.project),
        "resources": [_resource_to_json(r) for r in config.resources],
        "providers": {
            p.name: [p.type, encode(dict(p.settings)), _place_to_json(p.place), p.sources]
            for p in config.providers.values()
        },
        "outputs": [
            [o.name, encode(o.value), o.description, o.sensitive, _place_to_json(o.place)]
            for o in config.outputs
        ],
        "budget": _budget_to_json(config.budget),
        "drift": config.drift,
        "state": [config.state.backend, config.state.path, encode(dict(config.state.settings))],
        "variables": config.variables,
        "given": config.given,
        "refactorings": [
            [[*m.source, *m.target, _place_to_json(m.place)] for m in config.refactorings.moves],
            [[*i.target, i.remote_id, _place_to_json(i.place)] for i in config.refactorings.imports],
            [[*r.source, r.retain, _place_to_json(r.place)] for r in config.refactorings.removals],
        ],
        "is_named": config.is_named,
        "files": config.files,
    }


def config_from_json(raw: Mapping[str, Any]) -> Config:
    """The inverse of `config_to_json`. Raises KeyError, TypeError or ValueError."""
    backend, path, settings = raw["state"]
    return Config(
        name=raw["name"],
        environment=raw["environment"],
        folder=Path(raw["folder"]),
        project=Path(raw["project"]),
        resources=tuple(_resource(r) for r in raw["resources"]),
        providers={
            name: ProviderConfig(name, kind, _decoded(options), _place(place), tuple(sources))
            for name, (kind, options, place, sources) in raw["providers"].items()
        },
        outputs=tuple(
            Output(name, decode(value), description, sensitive, _place(place))
            for name, value, description, sensitive, place in raw["outputs"]
        ),
        state=StateSettings(backend, path, _decoded(settings)),
        budget=_budget(raw["budget"]),
        drift=raw["drift"],
        variables=raw["variables"],
        given=tuple(raw["given"]),
        refactorings=_refactorings(*raw["refactorings"]),
        is_named=raw["is_named"],
        files=tuple(raw["files"]),
    )


def _refactorings(moves: Sequence[Any], imports: Sequence[Any], removals: Sequence[Any]) -> Refactorings:
    return Refactorings(
        tuple(Move(Address(*m[:3]), Address(*m[3:6]), _place(m[6])) for m in moves),
        tuple(Import(Address(*i[:3]), i[3], _place(i[4])) for i in imports),
        tuple(Removal(Address(*r[:3]), r[3], _place(r[4])) for r in removals),
    )


def _budget_to_json(budget: Budget) -> list[Any]:
    places = [[name, _place_to_json(place)] for name, place in budget.places]
    return [budget.training, budget.hosting_per_hour, places]


def _budget(raw: Sequence[Any]) -> Budget:
    training, hosting, places = raw
    return Budget(training, hosting, tuple((name, Place(*place)) for name, place in places))


def _resource_to_json(resource: Resource) -> list[Any]:
    lifecycle = resource.lifecycle
    plain = lifecycle == Lifecycle()
    return [
        *resource.address,
        resource.provider,
        encode(dict(resource.inputs)),
        [list(a) for a in resource.depends_on],
        None if plain else [getattr(lifecycle, name) for name in Lifecycle.__struct_fields__],
        dict(resource.sources),
        _place_to_json(resource.place),
        [[*a, *(_place_to_json(p) or ())] for a, p in resource.reference_places.items()],
    ]


def _resource(raw: Sequence[Any]) -> Resource:
    kind, name, key, provider, inputs, needs, lifecycle, sources, place, references = raw
    return Resource(
        Address(kind, name, key),
        provider,
        _decoded(inputs),
        tuple(Address(*a) for a in needs),
        _lifecycle(lifecycle),
        sources,
        place=_place(place),
        reference_places={Address(*r[:3]): Place(*r[3:]) for r in references},
    )


def _lifecycle(raw: Sequence[Any] | None) -> Lifecycle:
    if raw is None:
        return _PLAIN
    values = dict(zip(Lifecycle.__struct_fields__, raw, strict=True))
    return Lifecycle(**{**values, "ignore_changes": tuple(values["ignore_changes"])})


_PLAIN = Lifecycle()


def _decoded(raw: Any) -> dict[str, Any]:
    value = decode(raw)
    if not isinstance(value, dict):
        raise TypeError("not a mapping")
    return value


def _place_to_json(place: Place | None) -> list[Any] | None:
    return None if place is None else [place.file, place.line, place.column, place.text, place.width]


def _place(raw: Sequence[Any] | None) -> Place | None:
    return None if raw is None else Place(*raw)
