"""Values of the wrong shape: how a list, a mapping or a scalar is written in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftops.config.schema.block import Block, Fault, Faulty, ListOf, MapOf, OrName
from ftops.config.schema.field_types import FieldType
from ftops.yaml.document import Plain, flow

_LONGEST = 60
"""Longer values aren't repeated in a hint."""
_ALONE: Mapping[str, str] = {
    "path": "One pattern names several files, such as `data/*.jsonl`.",
    "training": "Declare it under `datasets`, and write its name here. One dataset can have several files.",
    "validation": "Declare it under `datasets`, and write its name here.",
    "provider": "Declare it under `providers`, and write its name here.",
    "model": "Write the name of the model alone.",
}
"""By key that takes text: what to do instead of a list or mapping."""


def written_instead(fault: Fault) -> str:
    """A hint about a value that must be a mapping or a list."""
    if fault.kind == "list":
        return _as_list(fault)
    if not fault.keys:
        own = fault.owner
        return _with_key("", own, own.usual if own else "", fault.given) or _KEYS_BELOW
    key, inner = str(fault.keys[-1]), _type_of(fault)
    inner = inner.block if isinstance(inner, OrName) else inner
    if isinstance(inner, MapOf):
        return f"Write `{key}: {{name: value}}`."
    if isinstance(inner, type) and issubclass(inner, Block):
        first = next((one.key for one in inner.fields.values()), "")
        return _with_key(f"{key}: ", inner, first, fault.given) or _KEYS_BELOW
    return _KEYS_BELOW if isinstance(fault.keys[-1], int) else ""


_KEYS_BELOW = "Write its keys below it, or in `{…}`."


def written_alone(fault: Fault) -> str:
    """A hint about a list or mapping in place of a scalar."""
    given = fault.given
    if not isinstance(given, dict | list) or isinstance(fault.keys[-1], int):
        return ""
    value = given[0] if isinstance(given, list) and len(given) == 1 else _name_in(given)
    if type(value) in (str, Plain) and "${" not in value and len(value) <= _LONGEST:
        return f"Write `{fault.keys[-1]}: {value}`."
    return _ALONE.get(str(fault.keys[-1]), "")


def _name_in(given: Any) -> Any:
    """The name or type in a mapping, if it has nothing else to say."""
    keys = {"name", "type"} & given.keys() if isinstance(given, dict) else set()
    return given[keys.pop()] if len(keys) == 1 and len(given) == 1 else None


def _as_list(fault: Fault) -> str:
    given = fault.given
    if type(given) in (str, Plain, int, float) or (isinstance(given, dict) and _takes_blocks(fault)):
        text = given if type(given) is Plain else flow(given)
        if len(text) <= _LONGEST:
            return f"Write `{fault.keys[-1]}: [{text}]`."
    return "Start each entry with `- `."


def _takes_blocks(fault: Fault) -> bool:
    """Whether the entries of the list are mappings."""
    type_ = _type_of(fault)
    return isinstance(type_, ListOf) and not isinstance(type_.item, FieldType)


def _type_of(fault: Fault) -> Any:
    """The type of the field that has the value; None if it has none."""
    fields = fault.owner.fields.values() if fault.owner else ()
    return next((field.type for field in fields if field.key == fault.keys[-1]), None)


def _with_key(before: str, block: type[Block] | None, key: str, given: Any) -> str:
    """A hint, if a scalar is the name of a key that is true or false, or the value of this key."""
    if block is None or type(given) is not Plain or len(given) > _LONGEST:
        return ""
    flags = (str(given), "true") if _reads(block, str(given), Plain("true")) else None
    name, value = flags or (key, str(given))
    if not flags and not (key and _reads(block, key, given)):
        return ""
    return f"Write `{before}{{{name}: {value}}}`."


def _reads(block: type[Block], key: str, value: Any) -> bool:
    """Whether the block takes the value at this key, whatever else it lacks."""
    try:
        block.read({key: value})
    except Faulty as faulty:
        return all(fault.kind == "missing" for fault in faulty.faults)
    return True
