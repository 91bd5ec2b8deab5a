"""A small validator: of Swagger 2 and OpenAPI 3 schemas, and of ARM's type index made into such ones.

It knows what the descriptions at hand use. Keys that a schema does not declare are no problem of the
type, and are listed apart: a reply may have more than its description, but never by accident.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minLength": lambda value, bound: not isinstance(value, str) or len(value) >= bound,
    "maxLength": lambda value, bound: not isinstance(value, str) or len(value) <= bound,
    "pattern": lambda value, bound: not isinstance(value, str) or re.search(bound, value) is not None,
    "minimum": lambda value, bound: type(value) not in (int, float) or value >= bound,
    "enum": lambda value, bound: value in bound,
    "const": lambda value, bound: value == bound,
}


@dataclass(slots=True)
class Findings:
    """What is wrong, as ``path: why``; and the paths of keys that no schema declares."""

    problems: list[str] = field(default_factory=list)
    undeclared: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Document:
    """A description with its definitions."""

    root: Any

    def check(self, schema: Schema, value: Any, path: str = "") -> Findings:
        """Compare a value with a schema of this document."""
        findings = Findings()
        self._check(schema, value, path or "$", findings)
        return findings

    def _check(self, schema: Schema, value: Any, path: str, found: Findings) -> None:
        schema = self._resolved(schema)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                self._check_choice(schema[word], value, path, found)
        for part in schema.get("allOf", ()):
            self._check(part, value, path, found)
        found.problems += [f"{path}: {problem}" for problem in _plain_problems(schema, value)]
        if isinstance(value, dict) and ("properties" in schema or "additionalProperties" in schema):
            self._check_object(schema, value, path, found)
        if isinstance(value, list) and "items" in schema:
            for item in value:
                self._check(schema["items"], item, f"{path}[]", found)

    def _check_choice(self, choices: list[Schema], value: Any, path: str, found: Findings) -> None:
        tried = [self.check(choice, value, path) for choice in choices]
        best = min(tried, key=lambda one: len(one.problems))
        found.problems += best.problems
        found.undeclared |= best.undeclared

    def _check_object(self, schema: Schema, value: dict[str, Any], path: str, found: Findings) -> None:
        declared = schema.get("properties", {})
        more = schema.get("additionalProperties")
        found.problems += [
            f"{path}.{key}: is missing" for key in schema.get("required", ()) if key not in value
        ]
        for key, item in value.items():
            if key in declared:
                self._check(declared[key], item, f"{path}.{key}", found)
            elif isinstance(more, dict):
                self._check(more, item, f"{path}.*", found)
            elif more is not True:
                found.undeclared.add(f"{path}.{key}")

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            target: Any = self.root
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[int(part)] if isinstance(target, list) else target[part]
            schema = target
        return schema


def _plain_problems(schema: Schema, value: Any) -> Iterator[str]:
    kinds = schema.get("type")
    if kinds is not None and kinds != "file":
        wanted = [kinds] if isinstance(kinds, str) else kinds
        if not any(_is(value, kind) for kind in wanted):
            yield f"{type(value).__name__} instead of {' or '.join(wanted)}"
            return
    for word, holds in _BOUNDS.items():
        if word in schema and not holds(value, schema[word]):
            yield f"{value!r} breaks {word} {schema[word]!r}"


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def from_types(types: list[Schema]) -> Document:
    """A document of the schemas in ARM's type index (one entry per type, references by number)."""
    return Document([_converted(entry) for entry in types])


def _converted(entry: Schema) -> Schema:
    kind = entry["$type"]
    if kind == "ObjectType":
        rows = entry.get("properties", {})
        made: dict[str, Any] = {
            "type": "object",
            "properties": {name: row["type"] for name, row in rows.items()},
            "required": [name for name, row in rows.items() if row.get("flags", 0) & 1],
        }
        if "additionalProperties" in entry:
            made["additionalProperties"] = entry["additionalProperties"]
        return made
    simple: dict[str, Schema] = {
        "StringType": {"type": "string"},
        "IntegerType": {"type": "integer"},
        "BooleanType": {"type": "boolean"},
        "ArrayType": {"type": "array", "items": entry.get("itemType", {})},
        "UnionType": {"anyOf": entry.get("elements", [])},
        "StringLiteralType": {"enum": [entry.get("value")]},
    }
    bounds = {key: entry[key] for key in ("minLength", "maxLength", "pattern") if key in entry}
    return {**simple.get(kind, {}), **bounds}


def shape(value: Any) -> Any:
    """The keys and types of a value; of a list, the union of its items' shapes."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        merged: dict[str, Any] = {}
        kinds = set()
        for item in value:
            if isinstance(item, dict):
                merged = _merged(merged, shape(item))
            else:
                kinds.add(type(item).__name__)
        return [merged] if merged else sorted(kinds)
    return "number" if type(value) in (int, float) else type(value).__name__


def _merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            key: _merged(one.get(key, other.get(key)), other.get(key, one.get(key))) for key in one | other
        }
    if isinstance(one, list) and isinstance(other, list) and one and other:
        return [_merged(one[0], other[0])]
    return one or other


def differences(wanted: Any, got: Any, path: str = "") -> tuple[set[str], set[str]]:
    """Keys of ``wanted`` that ``got`` lacks or has in another type; and keys that it has beyond."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        lacking = {f"{path}.{key}" for key in wanted.keys() - got.keys()}
        beyond = {f"{path}.{key}" for key in got.keys() - wanted.keys()}
        for key in wanted.keys() & got.keys():
            less, more = differences(wanted[key], got[key], f"{path}.{key}")
            lacking, beyond = lacking | less, beyond | more
        return lacking, beyond
    if isinstance(wanted, list) and isinstance(got, list):
        if not wanted or not got:
            return (set(), set()) if not wanted or not got else ({path}, set())
        return differences(wanted[0], got[0], f"{path}[]")
    return (set(), set()) if wanted == got else ({path}, set())
