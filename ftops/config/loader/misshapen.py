"""Values of the wrong shape: how a list, a mapping or a scalar is written in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ftops.config.schema import resource_block
from ftops.config.schema.block import Block, Fault, Faulty, ListOf, MapOf, OneOf, OneOrMore, OrName
from ftops.config.schema.field_types import FieldType, Untyped
from ftops.config.schema.hyperparameters import Hyperparameters
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.yaml.document import Plain, flow

if TYPE_CHECKING:
    from ftops.config.loader.source import Entry
    from ftops.config.loader.validate import Explained

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
_HYPERPARAMETERS = frozenset(field.key for field in Hyperparameters.fields.values())
_DECLARED = ("training", "validation", "provider")
"""Keys that name an entry of another section."""


def written_instead(fault: Fault) -> str:
    """A hint about a value that must be a mapping or a list."""
    if fault.kind == "list":
        return _as_list(fault)
    if not fault.keys:
        own = fault.owner
        return _with_key("", own, own.usual if own else "", fault.given) or _KEYS_BELOW
    key, inner = str(fault.keys[-1]), _type_of(fault)
    alone = _alone(fault.given)
    if isinstance(inner, OrName) and type(alone) is Plain:
        return f"Write `{key}: {alone}`."
    inner = inner.block if isinstance(inner, OrName) else inner
    inner = inner.item if isinstance(inner, OneOrMore) else inner
    if isinstance(inner, MapOf):
        return f"Write `{key}: {{name: value}}`."
    if isinstance(inner, OneOf) and alone in inner.blocks:
        return f"Write `{key}: {{type: {alone}, …}}`."
    if isinstance(alone, dict):
        return f"Write its keys directly below `{key}:`, without `- ` or brackets."
    if isinstance(inner, type) and issubclass(inner, Block):
        first = inner.usual or next((one.key for one in inner.fields.values()), "")
        as_list = _with_list(key, inner, first, fault.given)
        return as_list or _with_key(f"{key}: ", inner, first, alone) or _KEYS_BELOW
    return _KEYS_BELOW if isinstance(fault.keys[-1], int) or isinstance(inner, OneOf) else ""


def _alone(given: Any) -> Any:
    """The only entry of a list; any other value as it is."""
    return given[0] if isinstance(given, list) and len(given) == 1 else given


def _with_list(key: str, block: type[Block], first: str, given: Any) -> str:
    """A hint, if a list is the value of this key."""
    is_list = isinstance(given, list) and first and _reads(block, first, given)
    return f"Write `{key}: {{{first}: {flow(given)}}}`." if is_list and len(flow(given)) <= _LONGEST else ""


def as_written(error: Explained, entry: Entry, own: int) -> Explained:
    """An error in the words and at the place of what the entry has, if the block was made of it: of a name
    alone, or of the values of a `matrix`."""
    keys, data = error.keys[own:], entry.data if isinstance(entry.data, dict) else {}
    if not keys and not error.at_key and not own and _is_key(entry):
        return error._replace(hint=f"`{entry.name}` is a key of one: write it below a name.")
    if keys[:1] == ("hyperparameters",) and not isinstance(data.get("hyperparameters"), dict | list | None):
        if keys[1:] == ("use",):
            summary = error.summary.replace("`use`", "`hyperparameters`")
            summary = summary.replace("a name:", "a mapping, or a name:")
            _, dot, name = str(error.given).rpartition("hyperparameters.")
            hint = f"Write `{name}`." if dot else error.hint
            return error._replace(keys=keys[:1], summary=summary, hint=hint)
        matrix = entry.value("for_each", "matrix")
        if isinstance(matrix, dict) and keys[-1] in matrix:
            values = matrix[keys[-1]]
            at = [values.index(error.given)] if isinstance(values, list) and error.given in values else []
            return error._replace(keys=("for_each", "matrix", keys[-1], *at))
    if error.summary.endswith("is missing") and keys:
        place = entry.place(keys, key=True)
        if re.match(r"\s*:\s+#", place.text[place.column - 1 + place.width :]):
            hint = "What follows ` #` is a comment: put the value in quotes."
            return error._replace(hint=hint)
    return error


def _is_key(entry: Entry) -> bool:
    """Whether the name of the entry is a key of the entries of its section."""
    kinds = [row.kind for row in RESOURCE_TYPES.values() if row.section == entry.section]
    return bool(kinds) and entry.name in {field.key for field in resource_block(kinds[0]).fields.values()}


_KEYS_BELOW = "Write its keys below it, or in `{…}`."


def written_alone(fault: Fault) -> str:
    """A hint about a list or mapping in place of a scalar."""
    given = fault.given
    if not isinstance(given, dict | list) or isinstance(fault.keys[-1], int):
        return ""
    key = str(fault.keys[-1])
    value = given[0] if isinstance(given, list) and len(given) == 1 else None
    if isinstance(given, dict) and len(given) == 1 and key not in _DECLARED:
        value = given.get("name", given.get("type"))
    text = value if isinstance(value, str) and type(value) in (str, Plain) else "${"
    if "${" not in text and len(text) <= _LONGEST:
        return f"Write `{key}: {text}`."
    if isinstance(given, list) and key in _HYPERPARAMETERS:
        return f"Write one value. A sweep tries several: `for_each: {{matrix: {{{key}: {flow(given)}}}}}`."
    is_scalar = not isinstance(_type_of(fault), Untyped)
    return _ALONE.get(key, "Write one value, without brackets or keys." * is_scalar)


def _as_list(fault: Fault) -> str:
    given = fault.given
    is_flat = isinstance(given, dict) and not any(isinstance(one, dict | list) for one in given.values())
    if type(given) in (str, Plain, int, float) or (is_flat and _takes_blocks(fault)):
        text = given if type(given) is Plain else flow(given)
        if len(text) <= _LONGEST:
            every = given in _EVERY
            return "Name each entry." if every else f"Write `{fault.keys[-1]}: [{text}]`."
    if isinstance(given, dict) and len(given) == 1 and _takes_blocks(fault):
        return f"Write it as the entry of a list: `{fault.keys[-1]}: [{{{next(iter(given))}: …}}]`."
    return "Start each entry with `- `."


_EVERY = ("all", "*", "any", "everything")


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
    if not flags and any(one.key == given and _holds(one.type) for one in block.fields.values()):
        return f"Write `{before}{{{given}: {{…}}}}`."
    name, value = flags or (key, str(given))
    if not flags and not (key and _reads(block, key, given)):
        return ""
    return f"Write `{before}{{{name}: {value}}}`."


def _holds(type_: Any) -> bool:
    """Whether a value of this type is a mapping."""
    return isinstance(type_, MapOf | OneOf) or (isinstance(type_, type) and issubclass(type_, Block))


def _reads(block: type[Block], key: str, value: Any) -> bool:
    """Whether the block takes the value at this key, whatever else it lacks."""
    try:
        block.read({key: value})
    except Faulty as faulty:
        return all(fault.kind == "missing" for fault in faulty.faults)
    return True
