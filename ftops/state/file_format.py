"""File format of a state and its journal: text ↔ values, without I/O.

A snapshot has one line per field, so that a change of one field is one line of a diff, and a checksum of its
other lines. A journal line is `<crc32> <json>`: a line that a crash cut off can be told from one that
somebody edited.
What can't be trusted is refused, with what to do about it; so is a file of a later version. What stands in
a field is none of its concern: that is `codec`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol
from zlib import crc32

import msgspec

from ftops.core.errors import StateError
from ftops.state.codec import (
    Fields,
    entry_from_json,
    entry_to_json,
    operation_to_json,
    resource_to_json,
    state_from_json,
)
from ftops.state.state import STATE_VERSION, Entry, State

_dumps = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode
_quoted = lru_cache(maxsize=1024)(_dumps)
"""The same few names of fields come again and again."""


def snapshot_text(state: State, spec: str, environment: str) -> str:
    """The whole state, keys sorted, a line per field, with its checksum."""
    resources = {str(a): resource_to_json(r) for a, r in state.resources.items()}
    deposed = {f"{a}#{key}": resource_to_json(r) for (a, key), r in state.deposed.items()}
    pending = {str(a): operation_to_json(p) for a, p in state.pending.items()}
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
    return "{\n" + _checksum_row(_checksum(content)) + content


def parse_snapshot(
    text: str, file: str, spec: str = "", environment: str = "", *, edited: bool = False
) -> State:
    """The inverse of `snapshot_text`. Raises StateError for what can't be trusted, and for the state of
    another spec or environment than these, where they are given. `edited`: it needn't have its checksum."""
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
        raise StateError(
            f"the state file is damaged: {file}",
            f"it is JSON, but not in the format of ftops ({_what(error)}).",
            "restore the file from a backup or from version control",
        ) from error


def _json(text: str, file: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        pass  # the other reader can say where
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
    """Refuses what isn't a state file, and one that a later ftops wrote."""
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
    """Older versions wrote none."""
    found = raw.get("checksum")
    if found is None:
        return
    start = "{\n" + _checksum_row(str(found))
    if not text.startswith(start) or found != _checksum(text[len(start) :]):
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


def _checksum_row(checksum: str) -> str:
    return f' "checksum": {_dumps(checksum)},\n'


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


def journal_line(serial: int, entry: Entry) -> str:
    """One line, with its end. `serial` is that of the state once the entry is in it."""
    body = _dumps({"serial": serial, **entry_to_json(entry)})
    return f"{crc32(body.encode()):08x} {body}\n"


def sealed_line(serial: int, sealed: str) -> str:
    """As `journal_line`, of an entry that only who has the key can read."""
    body = _dumps({"serial": serial, "sealed": sealed})
    return f"{crc32(body.encode()):08x} {body}\n"


def header_line(lineage: str) -> str:
    """The first line of a journal: which state it belongs to."""
    body = _dumps({"journal": STATE_VERSION, "lineage": lineage})
    return f"{crc32(body.encode()):08x} {body}\n"


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a journal line, without its end; None where the line is not whole."""
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % crc32(body):
        return None
    try:
        raw = json.loads(body.decode())
    except ValueError:
        return None
    return raw if isinstance(raw, dict) else None


class StateCodec(Protocol):
    """How a state is written down: in the clear, or sealed."""

    @property
    def is_changing(self) -> bool:
        """Whether it also reads what is written with another key, or otherwise."""

    def snapshot(self, state: State, spec: str, environment: str) -> str:
        """The whole state."""

    def parse(self, text: str, file: str, spec: str, environment: str) -> State:
        """Its inverse. Raises StateError."""

    def line(self, serial: int, entry: Entry, lineage: str) -> str:
        """One line of a journal, with its end."""

    def entry(self, row: Fields, lineage: str, file: str) -> Entry:
        """Of a line as `parse_line` gives it. Raises StateError."""

    def digest_key(self, spec: str, environment: str) -> str:
        """With what a new state keys digests of secrets; empty if there is no key to make it of."""

    def mark(self, text: str) -> str:
        """What tells later that a text is as it was; empty where nothing can."""

    def check(self, text: str, mark: str, file: str) -> None:
        """Raises StateError where the mark is not that of the text."""


class PlainCodec:
    """In the clear."""

    is_changing = False

    def snapshot(self, state: State, spec: str, environment: str) -> str:
        return snapshot_text(state, spec, environment)

    def parse(self, text: str, file: str, spec: str, environment: str) -> State:
        return parse_snapshot(text, file, spec, environment)

    def line(self, serial: int, entry: Entry, lineage: str) -> str:
        return journal_line(serial, entry)

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


def _what(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
