"""State codec: state and journal entries ↔ JSON values. It doesn't know files, lines and checksums.

Reading is tolerant of keys it doesn't know, and raises KeyError, TypeError, ValueError or AttributeError for
what isn't of this form: who knows the file says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ftops.core.address import Address, Json, Value
from ftops.core.codec import Codec, Form, parse_address, same
from ftops.state.state import Entry, Home, PendingOperation, Reassignment, ResourceState, State

Fields = Mapping[str, Any]
_ARRAYS = (Home, Reassignment)
_CODEC = Codec(arrays=_ARRAYS)
_PLAIN = Codec(arrays=_ARRAYS, forms={Value: Form(same, same)})
"""Of a file in which there is no `${`: nothing has to be looked for."""


def state_from_json(raw: Fields, *, is_plain: bool) -> State:
    """`is_plain`: there is no `${` in it."""
    codec = _PLAIN if is_plain else _CODEC
    resources = codec.form(Mapping[Address, ResourceState]).read
    pending = codec.form(Mapping[Address, PendingOperation]).read
    serial = codec.read(int, raw["serial"])
    if serial < 0:
        raise ValueError(f"{serial} is no serial")
    return State(
        lineage=codec.read(str, raw["lineage"]),
        serial=serial,
        resources=resources(raw["resources"]),
        deposed={
            _deposed_key(key): codec.read(ResourceState, row) for key, row in raw.get("deposed", {}).items()
        },
        pending=pending(raw.get("pending", {})),
        outputs=dict(raw.get("outputs", {})),
        digest_key=_digest_key(raw.get("digest_key", "")),
    )


def entry_to_json(entry: Entry) -> dict[str, Json]:
    return _CODEC.form(Entry).write(entry)  # type: ignore[no-any-return]


def entry_from_json(raw: Fields) -> Entry:
    """Raises KeyError, TypeError or ValueError if `raw` is no entry."""
    return _CODEC.form(Entry).read(raw)  # type: ignore[no-any-return]


def resource_to_json(resource: ResourceState) -> dict[str, Json]:
    """Empty optional fields are left out."""
    return _CODEC.write(resource)  # type: ignore[no-any-return]


def operation_to_json(operation: PendingOperation) -> dict[str, Json]:
    """Empty optional fields are left out."""
    return _CODEC.write(operation)  # type: ignore[no-any-return]


def _digest_key(raw: Any) -> str:
    key = _CODEC.read(str, raw)
    if key and not re.fullmatch(r"[0-9a-f]{64}", key):
        raise ValueError("digest_key is not 64 hex digits")
    return key


def _deposed_key(text: str) -> tuple[Address, str]:
    address, _, key = text.rpartition("#")
    return parse_address(address), key
