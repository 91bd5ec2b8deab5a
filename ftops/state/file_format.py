"""File format of a state and its journal: text ↔ values, without I/O.

A snapshot has a line for each field, so that diffs are small, and a checksum of its other lines. A journal
line is `<crc32> <json>` and ends with `\\n`; other line separators may be part of the JSON. A last line
without `\\n` was cut off by a crash, and one with a wrong checksum was edited. Files that can't be trusted or
are of a later version are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec
from msgspec import Struct

from ftops.core.address import Json, Value
from ftops.core.codec import Codec, Form, parse_address, same
from ftops.core.errors import StateError
from ftops.state.entries import Entry, Home, Reassignment
from ftops.state.state import STATE_VERSION, PendingOperation, ResourceState, Source, State

if TYPE_CHECKING:
    from ftops.state.encryption import Keys

Fields = Mapping[str, Any]


def _source(text: str) -> Source:
    address, _, key = text.rpartition("#")
    return parse_address(address), key


_ARRAYS = (Home, Reassignment)
_FORMS = {Source: Form(lambda source: f"{source[0]}#{source[1]}", _source)}
_CODEC = Codec(arrays=_ARRAYS, forms=_FORMS)
_PLAIN = Codec(arrays=_ARRAYS, forms={**_FORMS, Value: Form(same, same)})
"""For a file without `${`: no expressions have to be looked for."""

_encoded = msgspec.json.Encoder(order="deterministic").encode


def _dumps(value: object) -> str:
    return _encoded(value).decode()


def snapshot_text(state: State, spec: str, environment: str) -> str:
    """A snapshot, with sorted keys and its checksum."""
    fields = {**state_to_json(state), "environment": environment, "spec": spec, "version": STATE_VERSION}
    content = msgspec.json.format(_encoded(fields), indent=1).decode().removeprefix("{\n") + "\n"
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
    except (KeyError, TypeError, ValueError) as error:
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
    body = _encoded(row)
    return f"{crc32(body):08x} {body.decode()}\n"


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


class StateCodec(Struct, frozen=True):
    """How a state is written: as plain text, or encrypted if there are `keys`. Without a main key it writes
    plain text, but reads encrypted text.

    A snapshot is bound to its spec, environment, lineage and serial, a line of the journal to its lineage and
    serial, so that none can be used in place of another.
    """

    keys: Keys | None = None

    @property
    def is_changing(self) -> bool:
        """Whether it also reads what was written with another key, or as plain text."""
        return self.keys is not None and bool(self.keys.fallbacks or self.keys.accept_plain)

    @property
    def _sealing(self) -> Keys | None:
        """The keys, if they encrypt."""
        return self.keys if self.keys is not None and self.keys.key is not None else None

    def snapshot(self, state: State, spec: str, environment: str) -> str:
        text = snapshot_text(state, spec, environment)
        if self._sealing is None:
            return text
        header = {
            "environment": environment,
            "lineage": state.lineage,
            "serial": state.serial,
            "spec": spec,
            "version": STATE_VERSION,
        }
        sealed = self._sealing.encrypt(text, _of_snapshot(header))
        return json.dumps({**header, "sealed": sealed}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def parse(self, text: str, file: str, spec: str, environment: str) -> State:
        """The inverse of `snapshot`. Raises StateError."""
        raw = _json(text, file) if self.keys is not None and '"sealed"' in text else None
        if self.keys is not None and isinstance(raw, dict) and isinstance(raw.get("sealed"), str):
            check_version(raw, file)
            text = self.keys.decrypt(raw["sealed"], _of_snapshot(raw), file)
            return parse_snapshot(text, file, spec, environment)
        state = parse_snapshot(text, file, spec, environment)  # first, because its errors are more specific
        self._refuse_plain(file)
        return state

    def line(self, serial: int, entry: Entry, lineage: str) -> str:
        """A line of the journal. `serial` is that of the state including the entry."""
        row = entry_to_json(entry)
        if self._sealing is not None:
            body = json.dumps(row, ensure_ascii=False)
            row = {"sealed": self._sealing.encrypt(body, _of_entry(lineage, serial))}
        return checked_line({"serial": serial, **row})

    def entry(self, row: Fields, lineage: str, file: str) -> Entry:
        """The inverse of `line`, for the object of `parse_line`. Raises StateError."""
        if "sealed" in row:
            body = self._opening(file).decrypt(str(row["sealed"]), _of_entry(lineage, row["serial"]), file)
            row = {"serial": row["serial"], **json.loads(body)}
        else:
            self._refuse_plain(file)
        try:
            return entry_from_json(row)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(
                f"the journal has an entry that this version of ftops can't read: {file}",
                f"entry {row.get('serial')}: {error}",
                "upgrade ftops to the version that wrote it",
            ) from error

    def digest_key(self, spec: str, environment: str) -> str:
        """The key for digests of secrets in a new state; empty if it isn't encrypted."""
        key = self.keys.key if self.keys is not None else None
        return key.derived(f"digests of secrets:{spec}/{environment}") if key is not None else ""

    def mark(self, text: str) -> str:
        """Proves later that a text is unchanged; empty if it isn't encrypted."""
        return self._sealing.encrypt("", f"head:{text}") if self._sealing is not None else ""

    def check(self, text: str, mark: str, file: str) -> None:
        """Raises StateError if the mark isn't that of the text."""
        if mark:
            self._opening(file).decrypt(mark, f"head:{text}", file)
        else:
            self._refuse_plain(file)

    def _opening(self, file: str) -> Keys:
        if self.keys is None:
            raise sealed_without_key(file)
        return self.keys

    def _refuse_plain(self, file: str) -> None:
        if self._sealing is not None and not self._sealing.accept_plain:
            raise StateError(
                f"the state isn't encrypted, but the spec requires encryption: {file}",
                "either it was never encrypted, or it was replaced by another one.",
                "to encrypt it from now on, set `accept_plain: true` under `encryption` for one apply",
            )


def _of_snapshot(header: Fields) -> str:
    names = ("spec", "environment", "lineage", "serial")
    return "snapshot:" + json.dumps([header.get(name) for name in names])


def _of_entry(lineage: str, serial: int) -> str:
    return "entry:" + json.dumps([lineage, serial])


def sealed_without_key(file: str) -> StateError:
    return StateError(
        f"the state is encrypted, but the spec has no key: {file}",
        "without the key it can neither be read nor trusted, so nothing was changed.",
        'add `ftops: {state: {encryption: {key: "${env.FTOPS_STATE_KEY}"}}}`',
    )


PLAIN = StateCodec()


def state_to_json(state: State) -> dict[str, Json]:
    return _CODEC.write(state)  # type: ignore[no-any-return]


def state_from_json(raw: Fields, *, is_plain: bool) -> State:
    """`is_plain`: there is no `${` in it."""
    required = {name: raw[name] for name in ("lineage", "serial", "resources")}
    state = (_PLAIN if is_plain else _CODEC).read(State, {**raw, **required})
    if state.serial < 0:
        raise ValueError(f"{state.serial} is not a serial")
    if not re.fullmatch(r"([0-9a-f]{64})?", state.digest_key):
        raise ValueError("digest_key is not 64 hex digits")
    return state


def entry_to_json(entry: Entry) -> dict[str, Json]:
    return _CODEC.form(Entry).write(entry)  # type: ignore[no-any-return]


def entry_from_json(raw: Fields) -> Entry:
    """Raises KeyError, TypeError or ValueError."""
    return _CODEC.form(Entry).read(raw)  # type: ignore[no-any-return]


def record_to_json(record: ResourceState | PendingOperation) -> dict[str, Json]:
    """Without empty optional fields."""
    return _CODEC.write(record)  # type: ignore[no-any-return]
