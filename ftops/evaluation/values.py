"""Values of a call, compared with the expected ones through the schema of the tool."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from ftops.core.plurals import plural
from ftops.evaluation.schemas import ANY, Part, Schema, matches, resolver_of

MissKind = Literal[
    "no_call", "wrong_function", "wrong_count", "invalid_json", "missing", "unexpected", "wrong_type",
    "wrong_value", "truncated", "filtered", "unanswered", "ungraded",
]  # fmt: skip
"""Every answer that isn't right has one of these classes; the last two are no grade."""
OPERATORS = ("one_of", "range", "regex", "any", "optional", "absent", "literal")
"""What stands in place of an expected value, as the only key of an object."""
_KINDS: Mapping[type, str] = {int: "number", float: "number"}
"""Of types that are compared as one; any other is a kind of its own."""


class Rule(Struct, frozen=True):
    """How exactly calls are compared. With `loose`, case, spaces and `,./-_*^` of strings don't matter, as
    in the Berkeley Function Calling Leaderboard."""

    match: Literal["name", "arguments"] = "arguments"
    strings: Literal["exact", "loose"] = "exact"
    order: Literal["any", "strict"] = "any"
    extra: Literal["error", "ignore"] = "error"


EXACT = Rule()


class Miss(Struct, frozen=True):
    """Why an answer isn't right: its class, where, and in words."""

    kind: MissKind
    where: str = ""
    detail: str = ""


def operator_of(expected: Any) -> str:
    """The name of an operator, or "" if the value is a literal."""
    if isinstance(expected, dict) and len(expected) == 1:
        key = next(iter(expected))
        return key if key in OPERATORS else ""
    return ""


class Values:
    """Compares the values of one call; `root` is the schema that its `$ref`s refer to. With `is_literal`,
    an object that looks like an operator is an object."""

    def __init__(self, root: Schema, rule: Rule = EXACT, is_literal: bool = False) -> None:
        self._rule = rule
        self._is_literal = is_literal
        self._schemas = resolver_of(root)
        self._known: dict[tuple[int, int, int, str], Miss | None] = {}
        """What was compared: alternatives of alternatives would compare the same values over and over."""

    def compare_arguments(self, expected: Mapping[str, Any], actual: Any, where: str) -> Miss | None:
        """Of a whole call: a function's only parameter may have the name of an operator."""
        if not isinstance(actual, dict):
            return Miss("wrong_type", where, f"expected an object, got {_short(actual)}")
        properties = self._schemas.resolve(self._schemas.root).get("properties")
        return self._objects(expected, actual, properties if isinstance(properties, dict) else {}, where)

    def compare(self, expected: Any, actual: Any, schema: Any, where: str) -> Miss | None:
        """None if they are equal in any of the schema's alternatives."""
        if not isinstance(expected, dict | list):
            return self._compare_any(expected, actual, schema, where)
        key = (id(expected), id(actual), id(schema), where)
        if key not in self._known:
            self._known[key] = self._compare_any(expected, actual, schema, where)
        return self._known[key]

    def _compare_any(self, expected: Any, actual: Any, schema: Any, where: str) -> Miss | None:
        first: Miss | None = None
        for part in self._schemas.parts(schema):
            miss = self._compare(expected, actual, part, where)
            if miss is None:
                return None
            first = first or miss
        return first

    def _compare(self, expected: Any, actual: Any, part: Part, where: str) -> Miss | None:
        if operator := self._operator(expected):
            return self._operated(operator, expected, actual, part, where)
        if not part.allows(actual):
            return _wrong_type(actual, part, where)
        kind, other = type(expected), type(actual)
        if kind is dict and other is dict:
            return self._objects(expected, actual, part.properties, where)
        if kind is list and other is list:
            return self._arrays(expected, actual, part, where)
        if _KINDS.get(kind, kind) != _KINDS.get(other, other):
            return Miss("wrong_type", where, _got(expected, actual))
        if expected == actual or (kind is str and self._reads_alike(expected, actual, part)):
            return None
        return Miss("wrong_value", where, _got(expected, actual))

    def _operator(self, expected: Any) -> str:
        return operator_of(expected) if type(expected) is dict and not self._is_literal else ""

    def _operated(self, operator: str, expected: Any, actual: Any, part: Part, where: str) -> Miss | None:
        value = expected[operator]
        if operator == "one_of":
            return self._one_of(expected, actual, part, where)
        if operator == "optional":
            return self.compare(value, actual, part.schema, where)
        if operator == "literal":
            return Values(self._schemas.root, self._rule, True).compare(value, actual, part.schema, where)
        if not part.allows(actual):
            return _wrong_type(actual, part, where)
        return None if _HOLDS[operator](value, actual) else Miss("wrong_value", where, _got(expected, actual))

    def _one_of(self, expected: Any, actual: Any, part: Part, where: str) -> Miss | None:
        kinds = set[MissKind]()
        for option in expected["one_of"]:
            miss = self.compare(option, actual, part.schema, where)
            if miss is None:
                return None
            kinds.add(miss.kind)
        return Miss(kinds.pop() if len(kinds) == 1 else "wrong_value", where, _got(expected, actual))

    def _objects(
        self, expected: Mapping[str, Any], actual: Mapping[str, Any], schemas: Mapping[str, Any], where: str
    ) -> Miss | None:
        """First what is missing, then what is unexpected, then wrong values. `schemas`: of the properties."""
        for key, wanted in expected.items():
            if miss := self._presence(wanted, key, actual, schemas.get(key, ANY), where):
                return miss
        if self._rule.extra == "error":
            for key, value in actual.items():
                if key not in expected and not self._is_default(value, schemas.get(key, ANY)):
                    return Miss("unexpected", f"{where}.{key}", f"got {_short(value)}")
        for key, wanted in expected.items():
            if key in actual and self._operator(wanted) != "absent":
                miss = self.compare(wanted, actual[key], schemas.get(key, ANY), f"{where}.{key}")
                if miss:
                    return miss
        return None

    def _presence(
        self, wanted: Any, key: str, actual: Mapping[str, Any], schema: Any, where: str
    ) -> Miss | None:
        """Whether a parameter is there, or left out, as expected."""
        operator = self._operator(wanted)
        if operator == "absent":
            if key in actual and not self._is_default(actual[key], schema):
                return Miss("unexpected", f"{where}.{key}", f"got {_short(actual[key])}")
            return None
        if key in actual or operator == "optional" or self._matches_default(wanted, schema, where):
            return None
        return Miss("missing", f"{where}.{key}", f"expected {_short(wanted)}")

    def _arrays(self, expected: list[Any], actual: list[Any], part: Part, where: str) -> Miss | None:
        if len(expected) != len(actual):
            return Miss("wrong_value", where, f"expected {plural(len(expected), 'item')}, got {len(actual)}")
        for i, (wanted, value) in enumerate(zip(expected, actual, strict=True)):
            item = part.first[i] if i < len(part.first) else part.rest
            if miss := self.compare(wanted, value, item, f"{where}[{i}]"):
                return miss
        return None

    def _is_default(self, actual: Any, schema: Any) -> bool:
        resolved = self._schemas.resolve(schema)
        if "default" not in resolved:
            return False
        literal = Values(self._schemas.root, EXACT, True)
        return literal.compare(resolved["default"], actual, schema, "") is None

    def _matches_default(self, wanted: Any, schema: Any, where: str) -> bool:
        resolved = self._schemas.resolve(schema)
        return "default" in resolved and self.compare(wanted, resolved["default"], schema, where) is None

    def _reads_alike(self, expected: str, actual: str, part: Part) -> bool:
        is_loose = self._rule.strings == "loose" and not part.is_closed
        return _text(expected, is_loose) == _text(actual, is_loose)


def _text(text: str, is_loose: bool) -> str:
    text = unicodedata.normalize("NFC", text)
    return re.sub(r"[ ,./\-_*^]", "", text).lower().replace("'", '"') if is_loose else text


def _in_range(bounds: Sequence[float], actual: Any) -> bool:
    return type(actual) in _KINDS and bounds[0] <= actual <= bounds[1]


_HOLDS: Mapping[str, Any] = {
    "any": lambda _, actual: True,
    "absent": lambda _, actual: False,
    "range": _in_range,
    "regex": matches,
}


def _wrong_type(actual: Any, part: Part, where: str) -> Miss:
    return Miss("wrong_type", where, f"expected {part.schema['type']}, got {_short(actual)}")


def _got(expected: Any, actual: Any) -> str:
    return f"expected {_short(expected)}, got {_short(actual)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
