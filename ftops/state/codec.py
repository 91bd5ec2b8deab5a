"""State codec: state and journal entries ↔ JSON values.

Reading ignores unknown keys, and raises KeyError, TypeError, ValueError or AttributeError for invalid values.
`file_format` turns these into errors that name the file.
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
"""For a file without `${`: no expressions have to be looked for."""


def state_from_json(raw: Fields, *, is_plain: bool) -> State:
    """`is_plain`: there is no `${` in it."""
    codec = _PLAIN if is_plain else _CODEC
    resources = codec.form(Mapping[Address, ResourceState]).read
    pending = codec.form(Mapping[Address, PendingOperation]).read
    serial = codec.read(int, raw["serial"])
    if serial < 0:
        raise ValueError(f"{serial} is not a serial")
    return State(
        lineage=codec.read(str, raw["lineage"]),
        serial=serial,
        resources=resources(raw["resources"]),
        deposed={
            (parse_address(address), key): codec.read(ResourceState, row)
            for name, row in raw.get("deposed", {}).items()
            for address, _, key in [name.rpartition("#")]
        },
        pending=pending(raw.get("pending", {})),
        outputs=dict(raw.get("outputs", {})),
        digest_key=_digest_key(raw.get("digest_key", "")),
    )


def entry_to_json(entry: Entry) -> dict[str, Json]:
    return _CODEC.form(Entry).write(entry)  # type: ignore[no-any-return]


def entry_from_json(raw: Fields) -> Entry:
    """Raises KeyError, TypeError or ValueError."""
    return _CODEC.form(Entry).read(raw)  # type: ignore[no-any-return]


def record_to_json(record: ResourceState | PendingOperation) -> dict[str, Json]:
    """Without empty optional fields."""
    return _CODEC.write(record)  # type: ignore[no-any-return]


def _digest_key(raw: Any) -> str:
    key = _CODEC.read(str, raw)
    if key and not re.fullmatch(r"[0-9a-f]{64}", key):
        raise ValueError("digest_key is not 64 hex digits")
    return key
