"""File format of a state and its journal: text ↔ values, without I/O.

A snapshot has a line for each field, so that diffs are small, and a checksum of its other lines. A journal
line is `<crc32> <json>` and ends with `\\n`; other line separators may be part of the JSON. A last line
without `\\n` was cut off by a crash, and one with a wrong checksum was edited. Files that can't be trusted or
are of a later version are refused. The values of fields are written by `codec`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol
from zlib import crc32

import msgspec

from ftops.core.errors import StateError
from ftops.state.codec import Fields, entry_from_json, entry_to_json, record_to_json, state_from_json
from ftops.state.state import STATE_VERSION, Entry, State

_dumps = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode
_quoted = lru_cache(maxsize=1024)(_dumps)
"""For names of fields, which are few."""


def snapshot_text(state: State, spec: str, environment: str) -> str:
    """A snapshot, with sorted keys and its checksum."""
    resources = {str(a): record_to_json(r) for a, r in state.resources.items()}
    deposed = {f"{a}#{key}": record_to_json(r) for (a, key), r in state.deposed.items()}
    pending = {str(a): record_to_json(p) for a, p in state.pending.items()}
    rows = [
        f' "deposed": {_objects(deposed)}',
        *([f' "digest_key": {_dumps(state.digest_key)}'] if state.digest_key else []),
        f' "environment": {_dumps(environment)}',
        f' "lineage": {_dumps(state.lineage)}',
        f' "outputs": {_fields(state.outputs, 2)}',
        f' "pending": {_objects(pending)}',
        f' "resources": {_objects(resources)}',
        f' "serial": {state.serial}',
        f' "spec": {_dumps(spec)}',
        f' "version": {STATE_VERSION}',
    ]
    content = ",\n".join(rows) + "\n}\n"
    return _start(_checksum(content)) + content


def parse_snapshot(
    text: str, file: str, spec: str = "", environment: str = "", *, edited: bool = False
) -> State:
    """The inverse of `snapshot_text`. Raises StateError if it can't be trusted, or belongs to another spec or
    environment, if these are given. `edited`: the checksum isn't checked."""
    raw = _json(text, file)
    check_version(raw, file)
    if "sealed" in raw:
        raise sealed_without_key(file)
    if not edited:
        _check_checksum(text, raw, file)
    _check_owner(raw, file, spec, environment)
    try:
        return state_from_json(raw, is_plain="${" not in text)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise StateError(
            f"the state file is damaged: {file}",
            f"it is JSON, but not in the format of ftops ({why}).",
            "restore the file from a backup or from version control",
        ) from error


def decode(content: bytes, file: str) -> str:
    """The text of a snapshot. Raises StateError."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise StateError(
            f"the state file is damaged: {file}",
            f"it isn't UTF-8 text ({error.reason}).",
            "restore it from a backup",
        ) from error


def _json(text: str, file: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        pass  # json.loads reports the position
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f"{file}:{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else file
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise StateError(
            f"the state file is not valid JSON: {place}",
            f"{why}. Without its state ftops doesn't know what exists, so nothing was changed.",
            "restore the file from a backup or from version control",
        ) from error


def check_version(raw: Any, file: str) -> None:
    """Raises StateError if it isn't a state file, or one of a later version."""
    version = raw.get("version") if isinstance(raw, dict) else None
    if isinstance(raw, dict) and "terraform_version" in raw:
        raise StateError(
            f"this is a Terraform state: {file}",
            "ftops can't manage its resources.",
            "set another folder in `ftops: {state: {path: …}}`",
        )
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise StateError(
            f"not a state file of ftops: {file}",
            "it has no `version` number: it wasn't written by ftops, or was edited.",
            "restore the file, or set `ftops: {state: {path: …}}` to the folder of the state",
        )
    if version > STATE_VERSION:
        raise StateError(
            f"the state file has version {version}, but this ftops supports {STATE_VERSION}: {file}",
            "a later version of ftops wrote it; this version could lose data.",
            "upgrade ftops",
        )


def _check_checksum(text: str, raw: Fields, file: str) -> None:
    """Older versions wrote no checksum."""
    checksum = raw.get("checksum")
    if checksum is None:
        return
    start = _start(str(checksum))
    if not text.startswith(start) or checksum != _checksum(text[len(start) :]):
        raise StateError(
            f"the state file was edited or damaged: {file}",
            "its checksum doesn't match its content. Without its state ftops doesn't know what exists, so "
            "nothing was changed.",
            "undo the edit, or restore a version (`ftops state history`, `ftops state restore ID`). A state "
            "is edited with `ftops state pull` and `ftops state push`; if the edit is intended, `ftops state "
            "push --force` accepts the file",
        )


def _checksum(content: str) -> str:
    return f"{crc32(content.encode()):08x}"


def _start(checksum: str) -> str:
    return f'{{\n "checksum": {_dumps(checksum)},\n'


def _check_owner(raw: Fields, file: str, spec: str, environment: str) -> None:
    for what, wanted in (("spec", spec), ("environment", environment)):
        found = raw.get(what, wanted)
        if wanted and found != wanted:
            raise StateError(
                f"the state file belongs to another {what}: {file}",
                f"it was written for the {what} {found!r}; this is {wanted!r}.",
                f"put the state of {wanted!r} there; a state is moved with `ftops state pull` and "
                "`ftops state push`",
            )


def checked_line(row: Fields) -> str:
    """A line of a journal, with its checksum."""
    body = _dumps(row)
    return f"{_checksum(body)} {body}\n"


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a journal line; None if its checksum doesn't match."""
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % crc32(body):
        return None
    try:
        raw = json.loads(body.decode())
    except ValueError:
        return None
    return raw if isinstance(raw, dict) else None


class DamagedJournal(Exception):
    """A journal isn't as it was written. `line` counts from 1; 0: an entry is missing."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.why = why
        self.line = line


def journal_rows(content: bytes, *, may_be_torn: bool = False) -> Iterator[dict[str, Any]]:
    """The objects of the lines. Raises DamagedJournal. `may_be_torn`: an incomplete last line is ignored,
    because it was cut off by a crash and never acknowledged."""
    *lines, rest = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        row = parse_line(line)
        if row is None:
            why = "a line of it doesn't match its checksum: it was changed after it was written"
            raise DamagedJournal(why, number)
        yield row
    if rest and not may_be_torn:
        raise DamagedJournal("its last line is incomplete", len(lines) + 1)


def journal_entries(
    rows: Iterable[Fields], after: int, codec: StateCodec, lineage: str, place: str
) -> Iterator[Entry]:
    """The entries after a serial: the snapshot includes those before. Raises DamagedJournal if one is
    missing, StateError if one can't be read."""
    for row in rows:
        serial = row.get("serial", 0)
        if serial <= after:
            continue
        if serial != after + 1:
            raise DamagedJournal(f"entry {after + 1} is missing before entry {serial}")
        yield codec.entry(row, lineage, place)
        after = serial


class StateCodec(Protocol):
    """How a state is written: as plain text, or encrypted."""

    @property
    def is_changing(self) -> bool:
        """Whether it also reads what was written with another key, or as plain text."""

    def snapshot(self, state: State, spec: str, environment: str) -> str: ...

    def parse(self, text: str, file: str, spec: str, environment: str) -> State:
        """The inverse of `snapshot`. Raises StateError."""

    def line(self, serial: int, entry: Entry, lineage: str) -> str:
        """A line of the journal. `serial` is that of the state including the entry."""

    def entry(self, row: Fields, lineage: str, file: str) -> Entry:
        """The inverse of `line`, for the object of `parse_line`. Raises StateError."""

    def digest_key(self, spec: str, environment: str) -> str:
        """The key for digests of secrets in a new state; empty if it isn't encrypted."""

    def mark(self, text: str) -> str:
        """Proves later that a text is unchanged; empty if it isn't encrypted."""

    def check(self, text: str, mark: str, file: str) -> None:
        """Raises StateError if the mark isn't that of the text."""


class PlainCodec:
    """A state as plain text."""

    is_changing = False

    def snapshot(self, state: State, spec: str, environment: str) -> str:
        return snapshot_text(state, spec, environment)

    def parse(self, text: str, file: str, spec: str, environment: str) -> State:
        return parse_snapshot(text, file, spec, environment)

    def line(self, serial: int, entry: Entry, lineage: str) -> str:
        return checked_line({"serial": serial, **entry_to_json(entry)})

    def entry(self, row: Fields, lineage: str, file: str) -> Entry:
        if "sealed" in row:
            raise sealed_without_key(file)
        try:
            return entry_from_json(row)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(
                f"the journal has an entry that this version of ftops can't read: {file}",
                f"entry {row.get('serial')}: {error}",
                "upgrade ftops to the version that wrote it",
            ) from error

    def digest_key(self, spec: str, environment: str) -> str:
        return ""

    def mark(self, text: str) -> str:
        return ""

    def check(self, text: str, mark: str, file: str) -> None:
        if mark:
            raise sealed_without_key(file)


def sealed_without_key(file: str) -> StateError:
    return StateError(
        f"the state is encrypted, but the spec has no key: {file}",
        "without the key it can neither be read nor trusted, so nothing was changed.",
        'add `ftops: {state: {encryption: {key: "${env.FTOPS_STATE_KEY}"}}}`',
    )


PLAIN = PlainCodec()


def _objects(objects: Mapping[str, Fields]) -> str:
    if not objects:
        return "{}"
    rows = (f"  {_dumps(name)}: {_fields(objects[name], 3)}" for name in sorted(objects))
    return "{\n" + ",\n".join(rows) + "\n }"


def _fields(fields: Fields, indent: int) -> str:
    if not fields:
        return "{}"
    pad = " " * indent
    rows: Iterable[str] = (f"{pad}{_quoted(k)}: {_dumps(fields[k])}" for k in sorted(fields))
    return "{\n" + ",\n".join(rows) + "\n" + pad[1:] + "}"
