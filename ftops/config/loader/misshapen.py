"""Values of the wrong shape: how a list, a mapping or a scalar is written in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ftops.config.schema import resource_block
from ftops.config.schema.block import Block, Fault, Faulty, ListOf, MapOf, OneOf, OneOrMore, OrName
from ftops.config.schema.field_types import Choice, FieldType, Number, Untyped
from ftops.config.schema.hyperparameters import Hyperparameters
from ftops.config.schema.value_hints import without_braces
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.yaml.document import Plain, flow, number

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
    inner = _type_of(fault) if fault.keys else fault.owner
    if isinstance(inner, ListOf | OneOrMore) and isinstance(fault.keys[-1], int):
        inner = inner.item
    is_named = bool(fault.keys) and isinstance(fault.keys[-1], str)
    return _as_mapping(f"{fault.keys[-1]}: " if is_named else "", inner, fault.given)


def _as_mapping(before: str, inner: Any, given: Any) -> str:
    """A hint about a value that must be a mapping of this type. `before`: its key."""
    alone = _alone(given)
    if isinstance(inner, OrName) and type(alone) is Plain:
        return f"Write `{before}{alone}`."
    inner = inner.block if isinstance(inner, OrName) else inner
    inner = inner.item if isinstance(inner, OneOrMore) else inner
    if isinstance(inner, MapOf):
        value = inner.value.words[-1] if isinstance(inner.value, Choice) else "value"
        name = alone if isinstance(given, list) and type(alone) is Plain else "name"
        return f"Write `{before}{{{name}: {value}}}`."
    if isinstance(inner, OneOf):
        type_ = alone if isinstance(alone, str) and alone in inner.blocks else next(iter(inner.blocks))
        return f"Write its keys in braces, or below it: `{before}{{type: {type_}, …}}`."
    if isinstance(alone, dict):
        where = f"`{before.rstrip()}`" if before else "its name"
        return f"Write its keys directly below {where}, without `- ` or brackets."
    if not (isinstance(inner, type) and issubclass(inner, Block)):
        return ""
    first = inner.usual or next((one.key for one in inner.fields.values()), "")
    hint = _with_list(before, inner, first, given) or _with_key(before, inner, first, alone)
    return hint or f"Write its keys in braces, or below it: `{before}{{{first}: …}}`."


def _alone(given: Any) -> Any:
    """The only entry of a list; any other value as it is."""
    return given[0] if isinstance(given, list) and len(given) == 1 else given


def _with_list(before: str, block: type[Block], first: str, given: Any) -> str:
    """A hint, if a list is the value of this key."""
    is_list = isinstance(given, list) and _reads(block, first, given)
    return f"Write `{before}{{{first}: {flow(given)}}}`." if is_list and len(flow(given)) <= _LONGEST else ""


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
            hint = _hyperparameters_instead(error, str(data.get("hyperparameters")))
            return error._replace(keys=keys[:1], summary=summary, hint=hint)
        matrix = entry.value("for_each", "matrix")
        if isinstance(matrix, dict) and keys[-1] in matrix:
            values = matrix[keys[-1]]
            at = [values.index(error.given)] if isinstance(values, list) and error.given in values else []
            hint = error.hint
            if error.at_key and "beside" in hint:
                value = f"{keys[-1]}: ${{each.value.{keys[-1]}}}"
                hint = f"Write `{value}` beside `hyperparameters`, and name the others in it."
            return error._replace(keys=("for_each", "matrix", keys[-1], *at), hint=hint)
    if error.summary.endswith("is missing") and keys:
        place = entry.place(keys, key=True)
        if re.match(r"\s*:\s+#", place.text[place.column - 1 + place.width :]):
            hint = "What follows ` #` is a comment: put the value in quotes."
            return error._replace(hint=hint)
    return error


def _hyperparameters_instead(error: Explained, written: str) -> str:
    """A hint about `hyperparameters` that are neither a mapping nor a name."""
    if "each.key" in written:
        return "Write `${each.value}` for the values of an entry; `${each.key}` is its name."
    if "${" in written and "each." not in written:
        return "Give it a mapping, such as `{n_epochs: 2}`, or the name of one under `hyperparameters`."
    if "each.value" in written:
        return 'Name what it is: `hyperparameters: {n_epochs: "${each.value}"}`.'
    _, dot, name = str(error.given).rpartition("hyperparameters.")
    return f"Write `{name}`." if dot else error.hint


def _is_key(entry: Entry) -> bool:
    """Whether the name of the entry is a key of the entries of its section."""
    kinds = [row.kind for row in RESOURCE_TYPES.values() if row.section == entry.section]
    return bool(kinds) and entry.name in {field.key for field in resource_block(kinds[0]).fields.values()}


def written_alone(fault: Fault) -> str:
    """A hint about a list or mapping in place of a scalar."""
    given = fault.given
    if not isinstance(given, dict | list) or isinstance(fault.keys[-1], int):
        return ""
    key = str(fault.keys[-1])
    value = given[0] if isinstance(given, list) and len(given) == 1 else None
    if isinstance(given, dict) and len(given) == 1 and key not in _DECLARED:
        value = given.get("name", given.get("type"))
    text = value if type(value) is Plain else flow(value) if type(value) is str else "${"
    if "${" not in text and len(text) <= _LONGEST:
        return without_braces(text) or f"Write `{key}: {text}`."
    if isinstance(given, list) and key in _HYPERPARAMETERS:
        return f"Write one value. A sweep tries several: `for_each: {{matrix: {{{key}: {flow(given)}}}}}`."
    is_scalar = not isinstance(_type_of(fault), Untyped)
    return _ALONE.get(key, "Write one value, without brackets or keys." * is_scalar)


def _as_list(fault: Fault) -> str:
    given, key, type_ = fault.given, fault.keys[-1], _type_of(fault)
    if type(given) in (str, Plain, int, float):
        text = given if type(given) is Plain else flow(given)
        if _takes_blocks(fault):
            return _as_mapping(f"{key}: ", type_.item, given).replace("{", "[{", 1).replace("}`", "}]`")
        short = len(text) <= _LONGEST
        if dash := re.match(r"[-\u2010-\u2015\u2022*]\s*(?=\w)", text):
            return f"Write a hyphen and a space before the entry: `- {text[dash.end() :]}`."
        return "Name each entry." if given in _EVERY else f"Write `{key}: [{text}]`." if short else _LISTED
    if isinstance(given, dict) and given and not _takes_blocks(fault):
        names = ", ".join(given)
        return f"Write `{key}: [{names}]`." if len(names) <= _LONGEST else _LISTED
    if isinstance(given, dict) and given:
        is_flat = not any(isinstance(one, dict | list) for one in given.values())
        text = flow(given) if is_flat else f"{{{next(iter(given))}: …}}"
        return f"Write it as the entry of a list: `{key}: [{text}]`." if len(text) <= _LONGEST else _LISTED
    return _LISTED


_LISTED = "Start each entry with `- `."
_EVERY = ("all", "*", "any", "everything")


def _takes_blocks(fault: Fault) -> bool:
    """Whether the entries of the list are mappings."""
    type_ = _type_of(fault)
    return isinstance(type_, ListOf) and not isinstance(type_.item, FieldType)


def _type_of(fault: Fault) -> Any:
    """The type of the field that has the value, or the list with it; None if it has none."""
    fields = fault.owner.fields.values() if fault.owner else ()
    name = next((key for key in reversed(fault.keys) if isinstance(key, str)), "")
    return next((field.type for field in fields if field.key == name), None)


def _with_key(before: str, block: type[Block] | None, key: str, given: Any) -> str:
    """A hint, if a scalar is the name of a key that is true or false, or the value of this key."""
    if block is None or type(given) is not Plain or len(given) > _LONGEST:
        return ""
    type_ = next((one.type for one in block.fields.values() if one.key == "type"), None)
    if isinstance(type_, Choice) and given in type_.words:
        return f"Write `{before}{{type: {given}, …}}`."
    flags = (str(given), "true") if _reads(block, str(given), Plain("true")) else None
    if not flags and any(one.key == given and _holds(one.type) for one in block.fields.values()):
        return f"Write `{before}{{{given}: {{…}}}}`."
    usual = next((one.type for one in block.fields.values() if one.key == key), None)
    if number(given) is not None and not isinstance(usual, Untyped | Number):
        numeric = (one.key for one in block.fields.values() if isinstance(one.type, Number))
        key = next((one for one in numeric if _reads(block, one, given)), key)
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
