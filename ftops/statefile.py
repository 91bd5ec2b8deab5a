"""How State and journal entries are written down, and read back. Text in, values out; no I/O.

A snapshot has one line per field, so that a change of one field is one line of a diff. A journal line
is `<crc32> <json>`: a line that a crash cut off can be told from one that somebody edited.
Reading is tolerant of keys it doesn't know; a file of a later version is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol
from zlib import crc32

import msgspec

from ftops.address import Address, Json, decode, encode
from ftops.errors import StateError
from ftops.state import (
    STATE_VERSION,
    Begun,
    Entry,
    Failed,
    Moved,
    Operation,
    OutputsRecorded,
    PendingOperation,
    ProviderReplaced,
    Recorded,
    Removed,
    ResourceState,
    State,
    Status,
)

Fields = Mapping[str, Any]
_dumps = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode
_address = lru_cache(maxsize=65_536)(Address.parse)
"""An address stands at its resource, and wherever something depends on it."""
_quoted = lru_cache(maxsize=1024)(_dumps)
"""The same few names of fields come again and again."""


def snapshot_text(state: State, spec: str, environment: str) -> str:
    """The whole state, keys sorted, a line per field."""
    resources = {str(a): resource_to_json(r) for a, r in state.resources.items()}
    deposed = {f"{a}#{key}": resource_to_json(r) for (a, key), r in state.deposed.items()}
    pending = {str(a): operation_to_json(p) for a, p in state.pending.items()}
    rows = [
        f' "deposed": {_objects(deposed)}',
        f' "environment": {_dumps(environment)}',
        f' "lineage": {_dumps(state.lineage)}',
        f' "outputs": {_fields(state.outputs, 2)}',
        f' "pending": {_objects(pending)}',
        f' "resources": {_objects(resources)}',
        f' "serial": {state.serial}',
        f' "spec": {_dumps(spec)}',
        f' "version": {STATE_VERSION}',
    ]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def parse_snapshot(text: str, file: str, spec: str = "", environment: str = "") -> State:
    """The inverse of `snapshot_text`. Raises StateError for what can't be trusted, and for the state of
    another spec or environment than these, where they are given."""
    raw = _json(text, file)
    check_version(raw, file)
    if "sealed" in raw:
        raise sealed_without_key(file)
    _check_owner(raw, file, spec, environment)
    inputs = _inputs if "${" in text else _plain_inputs
    try:
        return State(
            lineage=_text(raw["lineage"]),
            serial=_count(raw["serial"]),
            resources={_address(a): _resource(r, inputs) for a, r in raw["resources"].items()},
            deposed={_deposed_key(a): _resource(r) for a, r in raw.get("deposed", {}).items()},
            pending={_address(a): _operation(p) for a, p in raw.get("pending", {}).items()},
            outputs=dict(raw.get("outputs", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateError(
            f"the state file is damaged: {file}",
            f"it is JSON, but not of the form that ftops writes ({_what(error)}).",
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
            f"{why}. Without its state ftops can't know what exists, so nothing was done.",
            "restore the file from a backup or from version control",
        ) from error


def check_version(raw: Any, file: str) -> None:
    """Refuses what isn't a state file, and one that a later ftops wrote."""
    version = raw.get("version") if isinstance(raw, dict) else None
    if isinstance(raw, dict) and "terraform_version" in raw:
        raise StateError(
            f"this is a state of Terraform: {file}",
            "what it records, ftops can't manage.",
            "let `ftops: {state: {path: …}}` name another folder",
        )
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise StateError(
            f"not a state file of ftops: {file}",
            "it has no `version` number, so it was not written by ftops, or was edited.",
            "restore the file, or point `ftops: {state: {path: …}}` to where the state is",
        )
    if version > STATE_VERSION:
        raise StateError(
            f"the state file is of version {version}, this ftops knows {STATE_VERSION}: {file}",
            "a later ftops wrote it; this one could lose what it recorded.",
            "upgrade ftops",
        )


def _check_owner(raw: Fields, file: str, spec: str, environment: str) -> None:
    for what, wanted in (("spec", spec), ("environment", environment)):
        found = raw.get(what, wanted)
        if wanted and found != wanted:
            raise StateError(
                f"the state file belongs to another {what}: {file}",
                f"it was written for the {what} {found!r}, and this is {wanted!r}.",
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


def entry_to_json(entry: Entry) -> dict[str, Json]:
    match entry:
        case Begun(operation):
            return {"entry": "begun", "operation": operation_to_json(operation)}
        case Recorded(resource, deposes):
            body: dict[str, Json] = {"entry": "recorded", "resource": resource_to_json(resource)}
            return {**body, "deposes": deposes} if deposes else body
        case Removed(address, deposed):
            body = {"entry": "removed", "address": str(address)}
            return {**body, "deposed": deposed} if deposed else body
        case Failed(address, message):
            return {"entry": "failed", "address": str(address), "message": message}
        case OutputsRecorded(outputs):
            return {"entry": "outputs", "outputs": dict(outputs)}
        case Moved(moves):
            return {"entry": "moved", "moves": [[str(source), str(target)] for source, target in moves]}
        case ProviderReplaced(before, after):
            return {"entry": "provider_replaced", "before": before, "after": after}


_ENTRIES: Mapping[str, Callable[[Fields], Entry]] = {
    "begun": lambda raw: Begun(_operation(raw["operation"])),
    "recorded": lambda raw: Recorded(_resource(raw["resource"]), raw.get("deposes", "")),
    "removed": lambda raw: Removed(_address(raw["address"]), raw.get("deposed", "")),
    "failed": lambda raw: Failed(_address(raw["address"]), raw.get("message", "")),
    "outputs": lambda raw: OutputsRecorded(dict(raw["outputs"])),
    "moved": lambda raw: Moved(tuple((_address(a), _address(b)) for a, b in raw["moves"])),
    "provider_replaced": lambda raw: ProviderReplaced(_text(raw["before"]), _text(raw["after"])),
}


def entry_from_json(raw: Fields) -> Entry:
    """Raises KeyError, TypeError or ValueError where `raw` is no entry."""
    return _ENTRIES[raw["entry"]](raw)


class Form(Protocol):
    """How a state is written down: in the clear, or sealed."""

    def snapshot(self, state: State, spec: str, environment: str) -> str:
        """The whole state."""

    def parse(self, text: str, file: str, spec: str, environment: str) -> State:
        """Its inverse. Raises StateError."""

    def line(self, serial: int, entry: Entry, lineage: str) -> str:
        """One line of a journal, with its end."""

    def entry(self, row: Fields, lineage: str, file: str) -> Entry:
        """Of a line as `parse_line` gives it. Raises StateError."""

    def mark(self, text: str) -> str:
        """What tells later that a text is as it was; empty where nothing can."""

    def check(self, text: str, mark: str, file: str) -> None:
        """Raises StateError where the mark is not that of the text."""


class Plain:
    """In the clear."""

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
                f"the journal has an entry that this ftops can't read: {file}",
                f"entry {row.get('serial')}: {error}",
                "upgrade ftops to the version that wrote it",
            ) from error

    def mark(self, text: str) -> str:
        return ""

    def check(self, text: str, mark: str, file: str) -> None:
        if mark:
            raise sealed_without_key(file)


def sealed_without_key(file: str) -> StateError:
    return StateError(
        f"the state is encrypted, and the spec names no key: {file}",
        "without the key it can be neither read nor trusted, so nothing was done.",
        'add `ftops: {state: {encryption: {key: "${env.FTOPS_STATE_KEY}"}}}`',
    )


PLAIN = Plain()


def resource_to_json(resource: ResourceState) -> dict[str, Json]:
    """Empty optional fields are left out."""
    fields: dict[str, Json] = {
        "dependencies": [str(a) for a in resource.dependencies],
        "fingerprint": resource.fingerprint,
        "identities": dict(resource.identities),
        "inputs": encode(dict(resource.inputs)),
        "message": resource.message,
        "outputs": dict(resource.outputs),
        "prevent_destroy": resource.prevent_destroy,
        "resume": resource.resume,
        "retain": resource.retain,
        "shared": resource.shared,
        "token": resource.token,
    }
    return {
        "address": str(resource.address),
        "provider": resource.provider,
        "remote_id": resource.remote_id,
        "schema_version": resource.schema_version,
        "status": resource.status.value,
        **{k: v for k, v in fields.items() if v},
    }


def operation_to_json(operation: PendingOperation) -> dict[str, Json]:
    """Empty optional fields are left out."""
    optional: dict[str, Json] = {
        "facts": dict(operation.facts),
        "prevent_destroy": operation.prevent_destroy,
        "retain": operation.retain,
    }
    return {
        "address": str(operation.address),
        "dependencies": [str(a) for a in operation.dependencies],
        "fingerprint": operation.fingerprint,
        "identities": dict(operation.identities),
        "inputs": encode(dict(operation.inputs)),
        "operation": operation.operation.value,
        "provider": operation.provider,
        "started_at": operation.started_at,
        "token": operation.token,
        **{k: v for k, v in optional.items() if v},
    }


def _resource(raw: Fields, inputs: Callable[[Any], dict[str, Any]] | None = None) -> ResourceState:
    return ResourceState(
        address=_address(raw["address"]),
        provider=_text(raw["provider"]),
        remote_id=_text(raw["remote_id"]),
        status=Status(raw["status"]),
        inputs=(inputs or _inputs)(raw.get("inputs", {})),
        outputs=dict(raw.get("outputs", {})),
        identities=dict(raw.get("identities", {})),
        dependencies=tuple(_address(a) for a in raw.get("dependencies", ())),
        fingerprint=raw.get("fingerprint", ""),
        token=raw.get("token", ""),
        message=raw.get("message", ""),
        resume=raw.get("resume", ""),
        prevent_destroy=raw.get("prevent_destroy", False),
        retain=raw.get("retain", False),
        shared=raw.get("shared", False),
        schema_version=raw.get("schema_version", 1),
    )


def _operation(raw: Fields) -> PendingOperation:
    return PendingOperation(
        address=_address(raw["address"]),
        operation=Operation(raw["operation"]),
        provider=_text(raw["provider"]),
        token=_text(raw["token"]),
        inputs=_inputs(raw["inputs"]),
        identities=dict(raw.get("identities", {})),
        dependencies=tuple(_address(a) for a in raw.get("dependencies", ())),
        fingerprint=raw.get("fingerprint", ""),
        started_at=raw.get("started_at", ""),
        facts=dict(raw.get("facts", {})),
        prevent_destroy=raw.get("prevent_destroy", False),
        retain=raw.get("retain", False),
    )


def _inputs(raw: Any) -> dict[str, Any]:
    decoded = decode(raw)
    if not isinstance(decoded, dict):
        raise TypeError("inputs are no mapping")
    return decoded


def _plain_inputs(raw: Any) -> dict[str, Any]:
    """Of a file in which there is no `${`: nothing has to be looked for."""
    if not isinstance(raw, dict):
        raise TypeError("inputs are no mapping")
    return raw


def _deposed_key(text: str) -> tuple[Address, str]:
    address, _, key = text.rpartition("#")
    return _address(address), key


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError(f"{raw!r} is no text")
    return raw


def _count(raw: Any) -> int:
    if not isinstance(raw, int) or raw < 0:
        raise TypeError(f"{raw!r} is no count")
    return raw


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
