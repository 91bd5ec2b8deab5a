"""States of other specs: `${state.shared.outputs.model}` is an output as it was last recorded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.config.config import OutputsRead, ReadOutputs, StateSettings, StateSource
from ftops.config.loader.expressions import Evaluator, Scope, evaluate_keys
from ftops.config.loader.phases import FIXED, STATE, STATE_PHASES
from ftops.config.loader.settings import check_name, state_settings
from ftops.config.loader.source import Entry, Source
from ftops.config.loader.validate import read_block
from ftops.config.schema.field_types import has_unknown
from ftops.config.schema.settings import StateBlock, StateReference
from ftops.core.address import references, secrets
from ftops.core.confined_files import outside, real
from ftops.core.errors import FtopsError
from ftops.core.suggestions import did_you_mean

_NOT_READ = FtopsError("states of other specs aren't read here", "", "use `ftops plan`")


def read_sources(source: Source, project: Path, environment: str, scope: Scope) -> dict[str, StateSource]:
    """The declared states, by name."""
    found = {}
    for entry in source["states"].values():
        one = _read(entry, source.folder, project, environment, scope)
        if check_name(entry, "a state", scope.findings) and one is not None:
            found[entry.name] = one
    return found


def _read(entry: Entry, folder: Path, project: Path, environment: str, scope: Scope) -> StateSource | None:
    findings = scope.findings
    given = entry.data if isinstance(entry.data, dict) else {}
    fixed = {key: value for key, value in given.items() if key != "state"} if given else entry.data
    data = Evaluator(entry, Scope({}, {}, findings), FIXED).evaluate(fixed)
    block = None if has_unknown(data) else read_block(StateReference, data, entry, findings)
    if block is None:
        return None
    if bool(block.spec) == bool(block.name) or bool(block.name) != ("state" in given):
        summary = "a state needs `spec`, or `name` and `state`"
        detail = "The first is a folder of this project, the others say where the state of another one is."
        entry.report(findings, (), summary, detail, "Write `{spec: ../shared}`.", key=True)
        return None
    home = (folder, environment)
    if block.name:
        state = _bucket(entry, scope)
        if state is None:
            return None
        return StateSource(entry.name, folder, block.env or environment, home, block.name, state)
    path = folder / block.spec
    if "\0" in block.spec or outside(path, project, {}) is not None:
        detail = f"It is {_shown(path)}. The project is {project}; other states are read only within it."
        hint = "Name the folder of a spec in the same project."
        entry.report(findings, ("spec",), "`spec` leads out of the project", detail, hint)
        return None
    found = StateSource(entry.name, real(path), block.env or environment, home)
    if found.place == found.home:
        detail = "A spec knows its own resources: `${kind.name.attribute}`."
        entry.report(findings, ("spec",), "a spec can't read its own outputs", detail, "Remove the state.")
        return None
    return found


def _bucket(entry: Entry, scope: Scope) -> StateSettings | None:
    """Where the state of a spec in another project is: read like that of this one."""
    key, node = entry.document.find(entry.key, entry.node, ("state",))
    data = entry.data["state"]
    own = Entry(entry.section, entry.name, entry.document, key, node or key, data)
    before = len(scope.findings)
    value = evaluate_keys(own, scope, STATE_PHASES, STATE)[0] if isinstance(data, dict) else data
    block = read_block(StateBlock, value, own, scope.findings)
    settings = state_settings(block, own, scope) if block is not None else None
    if settings is None or len(scope.findings) > before or has_unknown(value):
        return None
    if not settings.is_in_bucket:
        detail = "A state in files belongs to a spec of this project."
        entry.report(scope.findings, ("state",), "`state` isn't a bucket", detail, "Name its folder: `spec`.")
        return None
    return settings


def _shown(path: Path) -> str:
    """Where a path leads, with links resolved."""
    return repr(str(path)) if "\0" in str(path) else os.path.realpath(path)


class OtherStates(Struct):
    """Looks up outputs of the declared states. Each state is read once, when it is first referred to."""

    sources: Mapping[str, StateSource] = {}
    read: ReadOutputs | None = None
    _found: dict[str, OutputsRead | FtopsError] = field(default_factory=dict)
    _used: dict[str, dict[str, Any]] = field(default_factory=dict)

    def output(self, name: str, output: str) -> Any:
        """The value of an output. Raises FtopsError."""
        source = self.sources.get(name)
        if source is None:
            nothing = "declare it under `states`"
            hint = did_you_mean(name, self.sources, nothing=nothing)
            raise FtopsError(f"there is no state `{name}`", "", hint)
        if name not in self._found:
            self._found[name] = self._look(source)
        found = self._found[name]
        if isinstance(found, FtopsError):
            raise found
        if output not in found.values:
            detail = (
                f"{found.title} has those of its last apply, at serial {found.serial}; sensitive ones are "
                "never recorded."
            )
            nothing = "declare it there and apply that spec"
            hint = did_you_mean(output, found.values, nothing=nothing)
            raise FtopsError(f"the state `{name}` has no output `{output}`", detail, hint)
        value = found.values[output]
        if value is None or references(value) or secrets(value):
            summary = f"the output `{output}` of the state `{name}` has no value yet"
            raise FtopsError(summary, f"{found.title} hasn't recorded one.", "apply that spec first")
        self._used.setdefault(name, {})[output] = value
        return value

    def _look(self, source: StateSource) -> OutputsRead | FtopsError:
        try:
            if self.read is None:
                raise _NOT_READ
            return self.read(source)
        except FtopsError as error:
            first = error.diagnostics[0]
            summary = f"the state `{source.name}` can't be read: {first.summary}"
            return FtopsError(summary, first.detail, first.hint)

    def reads(self) -> tuple[OutputsRead, ...]:
        """What was read of each state: only the outputs that are used."""
        return tuple(
            replace(found, values=self._used[name])
            for name, found in sorted(self._found.items())
            if isinstance(found, OutputsRead) and name in self._used
        )
