"""State codec: state and journal entries ↔ JSON values.

Reading ignores unknown keys, and raises KeyError, TypeError or ValueError for invalid values.
`file_format` turns these into errors that name the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ftops.core.address import Json, Value
from ftops.core.codec import Codec, Form, parse_address, same
from ftops.state.state import Entry, Home, PendingOperation, Reassignment, ResourceState, Source, State

Fields = Mapping[str, Any]


def _source(text: str) -> Source:
    address, _, key = text.rpartition("#")
    return parse_address(address), key


_ARRAYS = (Home, Reassignment)
_FORMS = {Source: Form(lambda source: f"{source[0]}#{source[1]}", _source)}
_CODEC = Codec(arrays=_ARRAYS, forms=_FORMS)
_PLAIN = Codec(arrays=_ARRAYS, forms={**_FORMS, Value: Form(same, same)})
"""For a file without `${`: no expressions have to be looked for."""


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
