"""State codec: state and journal entries ↔ JSON values. It doesn't know files, lines and checksums.

Reading is tolerant of keys it doesn't know, and raises KeyError, TypeError, ValueError or AttributeError for
what isn't of this form: who knows the file says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from ftops.core.address import Address, Json, decode, encode
from ftops.state.state import (
    Begun,
    DigestKeySet,
    Entry,
    Failed,
    Home,
    Moved,
    Operation,
    OutputsRecorded,
    PendingOperation,
    ProviderReplaced,
    Reassigned,
    Reassignment,
    Recorded,
    Removed,
    ResourceState,
    State,
    Status,
)

Fields = Mapping[str, Any]
T = TypeVar("T")
_address = lru_cache(maxsize=65_536)(Address.parse)
"""An address stands at its resource, and wherever something depends on it."""


def state_from_json(raw: Fields, *, is_plain: bool) -> State:
    """`is_plain`: there is no `${` in it, so that nothing has to be looked for."""
    inputs = _plain_inputs if is_plain else _inputs
    return State(
        lineage=_text(raw["lineage"]),
        serial=_count(raw["serial"]),
        resources=_by_address(raw["resources"], lambda r: _resource(r, inputs)),
        deposed={_deposed_key(a): _resource(r) for a, r in raw.get("deposed", {}).items()},
        pending=_by_address(raw.get("pending", {}), _operation),
        outputs=dict(raw.get("outputs", {})),
        digest_key=_text(raw.get("digest_key", "")),
    )


def _by_address(rows: Fields, read: Callable[[Fields], T]) -> dict[Address, T]:
    found = {_address(a): read(row) for a, row in rows.items()}
    if len(found) < len(rows):
        raise ValueError("two addresses differ only in their Unicode encoding")
    return found


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
        case Reassigned(objects):
            rows: list[Json] = [[str(o.source), o.key, str(o.target), o.deposes] for o in objects]
            return {"entry": "reassigned", "objects": rows}
        case ProviderReplaced(before, after):
            return {"entry": "provider_replaced", "before": [*before], "after": [*after]}
        case DigestKeySet(key):
            return {"entry": "digest_key", "key": key}


def entry_from_json(raw: Fields) -> Entry:
    """Raises KeyError, TypeError or ValueError where `raw` is no entry."""
    return _ENTRIES[raw["entry"]](raw)


def resource_to_json(resource: ResourceState) -> dict[str, Json]:
    """Empty optional fields are left out."""
    fields: dict[str, Json] = {
        "account": resource.account,
        "created_at": resource.created_at,
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
        "account": operation.account,
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


_ENTRIES: Mapping[str, Callable[[Fields], Entry]] = {
    "begun": lambda raw: Begun(_operation(raw["operation"])),
    "recorded": lambda raw: Recorded(_resource(raw["resource"]), raw.get("deposes", "")),
    "removed": lambda raw: Removed(_address(raw["address"]), raw.get("deposed", "")),
    "failed": lambda raw: Failed(_address(raw["address"]), raw.get("message", "")),
    "outputs": lambda raw: OutputsRecorded(dict(raw["outputs"])),
    "moved": lambda raw: Moved(tuple((_address(a), _address(b)) for a, b in raw["moves"])),
    "reassigned": lambda raw: Reassigned(tuple(_reassignment(*row) for row in raw["objects"])),
    "provider_replaced": lambda raw: ProviderReplaced(_home(*raw["before"]), _home(*raw["after"])),
    "digest_key": lambda raw: DigestKeySet(_text(raw["key"])),
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
        created_at=raw.get("created_at", ""),
        schema_version=raw.get("schema_version", 1),
        account=raw.get("account", ""),
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
        account=raw.get("account", ""),
    )


def _home(provider: Any, account: Any) -> Home:
    return Home(_text(provider), _text(account))


def _reassignment(source: Any, key: Any, target: Any, deposes: Any) -> Reassignment:
    return Reassignment(_address(source), _text(key), _address(target), _text(deposes))


def _inputs(raw: Any) -> dict[str, Any]:
    decoded = decode(raw)
    if not isinstance(decoded, dict):
        raise TypeError("inputs aren't a mapping")
    return decoded


def _plain_inputs(raw: Any) -> dict[str, Any]:
    """Of a file in which there is no `${`: nothing has to be looked for."""
    if not isinstance(raw, dict):
        raise TypeError("inputs aren't a mapping")
    return raw


def _deposed_key(text: str) -> tuple[Address, str]:
    address, _, key = text.rpartition("#")
    return _address(address), key


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError(f"{raw!r} isn't text")
    return raw


def _count(raw: Any) -> int:
    if not isinstance(raw, int) or raw < 0:
        raise TypeError(f"{raw!r} isn't a count")
    return raw
