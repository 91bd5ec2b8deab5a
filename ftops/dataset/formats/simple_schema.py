"""The schemas that most functions have: a flat object of texts, numbers and choices. They are sound, and what
they take is told at once; to load a validator of all that JSON Schema can say takes longer than a small file.

Whatever isn't plain, and whatever a plain schema doesn't take, is for the validator.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

_OBJECT = frozenset({"type", "properties", "required", "additionalProperties", "description"})
_VALUE = frozenset({"type", "description", "enum", "minimum", "maximum"})
_ENDLESS = float("inf")
_TEXT = (str,)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": _TEXT,
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


class Value(NamedTuple):
    """What a plain schema asks of a property."""

    types: tuple[type, ...]
    choices: frozenset[str] | None = None
    minimum: float = -_ENDLESS
    maximum: float = _ENDLESS

    def takes(self, value: Any) -> bool:
        if type(value) not in self.types:
            return False
        if self.choices is not None:
            return value in self.choices
        return self.types == _TEXT or self.minimum <= value <= self.maximum


class Rules(NamedTuple):
    """What a plain schema asks of an object."""

    required: frozenset[str]
    closed: bool
    """No other properties are taken."""
    properties: Mapping[str, Value]


def takes(schema: str, value: Mapping[str, Any]) -> bool:
    """Whether an object is what a schema (JSON) asks for. False may mean that it isn't plain."""
    wanted = rules(schema)
    if wanted is None or not wanted.required <= value.keys():
        return False
    if wanted.closed and not value.keys() <= wanted.properties.keys():
        return False
    known = wanted.properties
    return all(known[name].takes(one) for name, one in value.items() if name in known)


@lru_cache(maxsize=512)
def rules(schema: str) -> Rules | None:
    """None where a schema (JSON) isn't plain, or no JSON at all."""
    try:
        given = json.loads(schema)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict) or not given.keys() <= _OBJECT or given.get("type") != "object":
        return None
    required, closed = given.get("required", []), given.get("additionalProperties", True)
    properties = given.get("properties", {})
    described = isinstance(given.get("description", ""), str)
    if not (described and _texts(required) and isinstance(closed, bool) and isinstance(properties, dict)):
        return None
    found = {name: _value(one) for name, one in properties.items()}
    plain = {name: one for name, one in found.items() if one is not None}
    return Rules(frozenset(required), not closed, plain) if len(plain) == len(found) else None


def _value(schema: object) -> Value | None:
    if not isinstance(schema, dict) or not schema.keys() <= _VALUE:
        return None
    types = _TYPES.get(schema["type"]) if isinstance(schema.get("type"), str) else None
    if types is None or not isinstance(schema.get("description", ""), str):
        return None
    limits = [schema.get("minimum", -_ENDLESS), schema.get("maximum", _ENDLESS)]
    if any(type(limit) not in (int, float) for limit in limits):
        return None
    if "enum" not in schema:
        return Value(types, None, *limits)
    choices = schema["enum"]
    return Value(types, frozenset(choices)) if types == _TEXT and choices and _texts(choices) else None


def _texts(given: object) -> bool:
    """Whether it is a list of texts, each once."""
    return (
        isinstance(given, list) and all(isinstance(t, str) for t in given) and len(set(given)) == len(given)
    )
