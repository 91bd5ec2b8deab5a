"""JSON Schemas of tools: parts without references and alternatives, validators, and regular expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from ftops.core.same_object import SameObject

Schema = Mapping[str, Any]
"""JSON Schema of the parameters of a function."""
ANY: Schema = {}
"""Of a value of which the schema says nothing."""
MOST_REFERENCES = 32
"""`$ref`s in a row, after which a schema is taken to refer to itself."""


class Part(Struct, frozen=True):
    """What one alternative of a schema says of a value, as far as comparing needs it."""

    schema: Schema
    types: frozenset[type] | None
    """None: any."""
    is_whole: bool
    """A float must be an integer."""
    is_closed: bool
    """It lists the values that there are."""
    properties: Mapping[str, Any]
    first: Sequence[Any]
    """Schemas of the first items of an array."""
    rest: Any
    """The schema of all others."""

    def allows(self, value: Any) -> bool:
        """By its type only. An integer may be written as 50.0, and true is no number."""
        kind = type(value)
        if self.types is None:
            return True
        return kind in self.types and not (self.is_whole and kind is float and not value.is_integer())


_NUMBER = frozenset({int, float})
_TYPES: Mapping[str, frozenset[type]] = {
    "string": frozenset({str}), "number": _NUMBER, "integer": _NUMBER, "boolean": frozenset({bool}),
    "object": frozenset({dict}), "array": frozenset({list}), "null": frozenset({type(None)}),
}  # fmt: skip


def _part(schema: Schema) -> Part:
    declared = schema.get("type")
    names = declared if isinstance(declared, list) else [] if declared is None else [declared]
    known = [_TYPES.get(name) if isinstance(name, str) else None for name in names]
    types = frozenset[type]().union(*(t for t in known if t)) if names and None not in known else None
    properties = schema.get("properties")
    first, rest = schema.get("prefixItems"), schema.get("items", ANY)
    if isinstance(rest, list):  # before draft 2020-12
        first, rest = rest, schema.get("additionalItems", ANY)
    return Part(
        schema,
        types,
        "integer" in names and "number" not in names,
        "enum" in schema or "const" in schema,
        properties if isinstance(properties, dict) else {},
        first if isinstance(first, list) else (),
        rest,
    )


class Resolver:
    """Parts of one schema without references and alternatives, each computed once; `root` is what `$ref`s
    refer to."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        self._resolved: dict[int, tuple[Any, Schema]] = {}
        self._parts: dict[int, tuple[Any, list[Part]]] = {}
        """By the id of a schema, which is held here, so that the id isn't used again."""

    def parts(self, schema: Any) -> list[Part]:
        """What `anyOf` and `oneOf` allow, each with what holds for all; else the schema alone."""
        known = self._parts.get(id(schema))
        if known is None:
            known = self._parts[id(schema)] = (schema, [_part(s) for s in self.alternatives(schema)])
        return known[1]

    def alternatives(self, schema: Any) -> list[Schema]:
        resolved = self.resolve(schema)
        branches = resolved.get("anyOf") or resolved.get("oneOf")
        if not isinstance(branches, list):
            return [resolved]
        outside = {k: v for k, v in resolved.items() if k not in ("anyOf", "oneOf")}
        return [_merged(outside, self.resolve(branch)) for branch in branches]

    def resolve(self, schema: Any) -> Schema:
        """With what its local `$ref` and its `allOf` say. Anything else that isn't understood allows every
        value."""
        if known := self._resolved.get(id(schema)):
            return known[1]
        found = self._without_references(schema)
        self._resolved[id(schema)] = (schema, found)
        return found

    def _without_references(self, schema: Any) -> Schema:
        found: Schema = {}
        waiting = [schema]
        for _ in range(MOST_REFERENCES):
            if not waiting:
                break
            part = waiting.pop(0)
            if not isinstance(part, Mapping):
                continue
            if isinstance(reference := part.get("$ref"), str):
                waiting.append(self._at(reference))
            if isinstance(every := part.get("allOf"), list):
                waiting.extend(every)
            if not found and "$ref" not in part and "allOf" not in part:
                return part
            found = _merged({k: v for k, v in part.items() if k not in ("$ref", "allOf")}, found)
        return found

    def _at(self, reference: str) -> Any:
        node: Any = self.root
        for part in reference.partition("#")[2].split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                node = node.get(key) if isinstance(node, Mapping) else None
        return node


def resolver_of(root: Schema) -> Resolver:
    """The same one for the same object."""
    return _resolver(SameObject(root))


@lru_cache(maxsize=256)
def _resolver(root: SameObject[Schema]) -> Resolver:
    return Resolver(root.value)


def _merged(first: Schema, second: Schema) -> Schema:
    """Both hold; of what both say, the second counts."""
    merged = {**first, **second}
    if isinstance(a := first.get("properties"), dict) and isinstance(b := second.get("properties"), dict):
        merged["properties"] = {**a, **b}
    return merged


# Validators


def matches(pattern: object, text: object) -> bool:
    """Whether the whole text matches, in a time that grows with the text only: Rust's regular expressions,
    which have no references and no look-around. Raises ValueError if it isn't one."""
    if not isinstance(pattern, str):
        raise ValueError(f"not a regular expression: {pattern}")
    return bool(_pattern_validator(pattern).is_valid(text))


def pattern_hint(pattern: object) -> str:
    """What to do about a pattern that isn't a regular expression."""
    if not isinstance(pattern, str):
        return "put it in quotes"
    try:
        re.compile(pattern)
    except re.error as error:
        return f"correct it: {error}"
    return "use Rust's syntax, without look-around and backreferences"


@lru_cache(maxsize=256)
def _pattern_validator(pattern: str) -> Any:
    import jsonschema_rs

    try:  # alone, too: `a)|(b` would close the group
        for whole in (pattern, f"^(?:{pattern})$"):
            validator = jsonschema_rs.validator_for(
                {"type": "string", "pattern": whole}, pattern_options=jsonschema_rs.RegexOptions()
            )
    except unusable() as error:
        raise ValueError(f"not a regular expression: {pattern}") from error
    return validator


def json_validator(schema: Any, registry: Any = None) -> Any:
    """Nothing that the schema refers to is fetched or read. Raises ValueError if it can't be used."""
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(schema, retriever=no_address, registry=registry)
    except unusable() as error:
        raise ValueError(str(error).partition("\n")[0]) from error


@lru_cache(maxsize=256)
def kept_validator(schema: SameObject[Schema]) -> Any:
    """The same one for the same object. Raises ValueError if the schema can't be used."""
    return json_validator(schema.value)


def unusable() -> tuple[type[Exception], ...]:
    """What jsonschema-rs raises of a schema that it can't use."""
    import jsonschema_rs

    return (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError)


def no_address(address: str) -> Any:
    """The `retriever` of a validator: a schema by strangers may name files and hosts."""
    raise LookupError(address)
