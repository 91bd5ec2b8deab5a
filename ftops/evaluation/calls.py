"""Function calls that a model made, compared with the expected ones through the schemas of the tools."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import unquote

from msgspec import Struct

from ftops.dataset.formats.jsonl import decode, is_too_deep

Schema = Mapping[str, Any]
"""JSON Schema of the parameters of a function."""

MISSES = (
    "no_call", "wrong_function", "wrong_count", "invalid_json", "missing", "unexpected", "wrong_type",
    "wrong_value", "truncated", "filtered",
)  # fmt: skip
"""Every wrong answer has one of these classes."""
OPERATORS = ("one_of", "range", "regex", "any", "optional", "absent", "literal")
"""What stands in place of an expected value, as the only key of an object."""
MOST_REFERENCES = 32
"""`$ref`s in a row, after which a schema is taken to refer to itself."""


class Call(Struct, frozen=True):
    """As the service returns it: `arguments` is the text that the model wrote."""

    name: str
    arguments: str


class ExpectedCall(Struct, frozen=True):
    """`arguments` has values or operators by parameter; None: any arguments are right."""

    name: str
    arguments: Mapping[str, Any] | None = None


class Rule(Struct, frozen=True):
    """How exactly calls are compared. With `loose`, case, spaces and `,./-_*^` of strings don't matter, as
    in the Berkeley Function Calling Leaderboard."""

    match: Literal["name", "arguments"] = "arguments"
    strings: Literal["exact", "loose"] = "exact"
    order: Literal["any", "strict"] = "any"
    extra: Literal["error", "ignore"] = "error"


EXACT = Rule()
_ANY: Schema = {}
"""Of a value of which the schema says nothing."""


class Miss(Struct, frozen=True):
    """Why an answer is wrong: a class of MISSES, where, and in words."""

    kind: str
    where: str = ""
    detail: str = ""


def compare_calls(
    expected: Sequence[ExpectedCall],
    actual: Sequence[Call],
    schemas: Mapping[str, Schema],
    rule: Rule = EXACT,
) -> Miss | None:
    """None if each expected call was made once and nothing else was. Parallel calls are assigned so that as
    many as possible match, not in their order, unless the rule is strict."""
    if not actual and expected:
        return Miss("no_call", detail=f"expected {names(expected)}")
    if len(actual) != len(expected):
        return Miss("wrong_count", detail=f"expected {names(expected) or 'no call'}, got {names(actual)}")
    misses = [[_compare(e, a, schemas.get(e.name, _ANY), rule) for a in actual] for e in expected]
    if rule.order == "strict":
        return next((misses[i][i] for i in range(len(expected)) if misses[i][i]), None)
    taken = _assignment(misses)
    unmatched = [j for j in range(len(actual)) if j not in taken.values()]
    for i, call in enumerate(expected):
        if i not in taken:
            nearest = min(unmatched, key=lambda j: actual[j].name != call.name)
            return misses[i][nearest]
    return None


def names(calls: Sequence[ExpectedCall] | Sequence[Call]) -> str:
    return ", ".join(call.name for call in calls)


def _assignment(misses: Sequence[Sequence[Miss | None]]) -> dict[int, int]:
    """A largest matching of rows to columns without a miss, by augmenting paths."""
    holder: dict[int, int] = {}

    def place(row: int, seen: set[int]) -> bool:
        for column, miss in enumerate(misses[row]):
            if miss is None and column not in seen:
                seen.add(column)
                if column not in holder or place(holder[column], seen):
                    holder[column] = row
                    return True
        return False

    for row in range(len(misses)):
        place(row, set())
    return {row: column for column, row in holder.items()}


def _compare(expected: ExpectedCall, actual: Call, schema: Schema, rule: Rule) -> Miss | None:
    if expected.name != actual.name:
        return Miss("wrong_function", detail=f"expected {expected.name}, got {actual.name}")
    if rule.match == "name" or expected.arguments is None:
        return None
    try:
        arguments = parse_arguments(actual.arguments)
    except ValueError as error:
        return Miss("invalid_json", actual.name, str(error))
    return Values(schema, rule).compare_arguments(expected.arguments, arguments, actual.name)


def parse_arguments(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, also for NaN, Infinity and a key that occurs twice."""
    try:
        value = decode(text)
        if is_too_deep(value):
            raise RecursionError
        return value
    except json.JSONDecodeError as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError as error:
        raise ValueError("it has a key twice, or a number that JSON doesn't have") from error


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
        self._root = root
        self._rule = rule
        self._is_literal = is_literal
        self._schemas = _resolver(_Identity(root))
        self._known: dict[tuple[int, int, int, str], Miss | None] = {}
        """What was compared: alternatives of alternatives would compare the same values over and over."""

    def compare_arguments(self, expected: Mapping[str, Any], actual: Any, where: str) -> Miss | None:
        """Of a whole call: a function's only parameter may have the name of an operator."""
        if not isinstance(actual, dict):
            return Miss("wrong_type", where, f"expected an object, got {_short(actual)}")
        return self._objects(expected, actual, self.resolve(self._root), where)

    def _operator(self, expected: Any) -> str:
        return operator_of(expected) if isinstance(expected, dict) and not self._is_literal else ""

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
        for alternative in self._schemas.alternatives(schema):
            miss = self._compare(expected, actual, alternative, where)
            if miss is None:
                return None
            first = first or miss
        return first

    def _compare(self, expected: Any, actual: Any, schema: Schema, where: str) -> Miss | None:
        operator = self._operator(expected)
        if operator == "one_of":
            kinds = set()
            for option in expected["one_of"]:
                miss = self.compare(option, actual, schema, where)
                if miss is None:
                    return None
                kinds.add(miss.kind)
            return Miss(kinds.pop() if len(kinds) == 1 else "wrong_value", where, _got(expected, actual))
        if operator == "optional":
            return self.compare(expected["optional"], actual, schema, where)
        if operator == "literal":
            return Values(self._root, self._rule, True).compare(expected["literal"], actual, schema, where)
        if not _has_type(actual, schema):
            return Miss("wrong_type", where, f"expected {schema['type']}, got {_short(actual)}")
        if operator:
            holds = _HOLDS[operator](expected[operator], actual)
            return None if holds else Miss("wrong_value", where, _got(expected, actual))
        if isinstance(expected, dict) and isinstance(actual, dict):
            return self._objects(expected, actual, schema, where)
        if isinstance(expected, list) and isinstance(actual, list):
            return self._arrays(expected, actual, schema, where)
        if _kind(expected) != _kind(actual):
            return Miss("wrong_type", where, _got(expected, actual))
        return (
            None
            if self._equal(expected, actual, schema)
            else Miss("wrong_value", where, _got(expected, actual))
        )

    def _objects(
        self, expected: Mapping[str, Any], actual: Mapping[str, Any], schema: Schema, where: str
    ) -> Miss | None:
        """First what is missing, then what is unexpected, then wrong values."""
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        pairs = []
        for key, wanted in expected.items():
            operator, place, known = self._operator(wanted), f"{where}.{key}", properties.get(key, _ANY)
            if operator == "absent":
                if key in actual and not self._is_default(actual[key], known):
                    return Miss("unexpected", place, f"got {_short(actual[key])}")
            elif key in actual:
                pairs.append((wanted, actual[key], known, place))
            elif operator != "optional" and not self._matches_default(wanted, known, place):
                return Miss("missing", place, f"expected {_short(wanted)}")
        for key in actual:
            known = properties.get(key, _ANY)
            if (
                key not in expected
                and self._rule.extra == "error"
                and not self._is_default(actual[key], known)
            ):
                return Miss("unexpected", f"{where}.{key}", f"got {_short(actual[key])}")
        return next((miss for pair in pairs if (miss := self.compare(*pair))), None)

    def _arrays(self, expected: list[Any], actual: list[Any], schema: Schema, where: str) -> Miss | None:
        if len(expected) != len(actual):
            return Miss("wrong_value", where, f"expected {len(expected)} items, got {len(actual)}")
        first, rest = schema.get("prefixItems"), schema.get("items", _ANY)
        if isinstance(rest, list):  # before draft 2020-12
            first, rest = rest, schema.get("additionalItems", _ANY)
        first = first if isinstance(first, list) else []
        for i, (wanted, value) in enumerate(zip(expected, actual, strict=True)):
            item = first[i] if i < len(first) else rest
            if miss := self.compare(wanted, value, item, f"{where}[{i}]"):
                return miss
        return None

    def _is_default(self, actual: Any, schema: Any) -> bool:
        resolved = self.resolve(schema)
        if "default" not in resolved:
            return False
        return Values(self._root, EXACT, True).compare(resolved["default"], actual, schema, "") is None

    def _matches_default(self, wanted: Any, schema: Any, where: str) -> bool:
        resolved = self.resolve(schema)
        return "default" in resolved and self.compare(wanted, resolved["default"], schema, where) is None

    def _equal(self, expected: Any, actual: Any, schema: Schema) -> bool:
        if isinstance(expected, str) and isinstance(actual, str):
            is_loose = self._rule.strings == "loose" and "enum" not in schema and "const" not in schema
            return _text(expected, is_loose) == _text(actual, is_loose)
        return bool(expected == actual)

    def resolve(self, schema: Any) -> Schema:
        return self._schemas.resolve(schema)

    def alternatives(self, schema: Any) -> Sequence[Schema]:
        """What `anyOf` and `oneOf` allow, each with what holds for all; else the schema alone."""
        return self._schemas.alternatives(schema)


class _Identity:
    """A schema as a key of a cache, without its content being hashed."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.schema is other.schema


class _Resolver:
    """Parts of one schema without references and alternatives, each computed once."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._resolved: dict[int, tuple[Any, Schema]] = {}
        self._alternatives: dict[int, tuple[Any, list[Schema]]] = {}
        """By the id of a schema, which is held here, so that the id isn't used again."""

    def alternatives(self, schema: Any) -> list[Schema]:
        if known := self._alternatives.get(id(schema)):
            return known[1]
        resolved = self.resolve(schema)
        branches = resolved.get("anyOf") or resolved.get("oneOf")
        found = [resolved]
        if isinstance(branches, list):
            outside = {k: v for k, v in resolved.items() if k not in ("anyOf", "oneOf")}
            found = [_merged(outside, self.resolve(branch)) for branch in branches]
        self._alternatives[id(schema)] = (schema, found)
        return found

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
        node: Any = self._root
        for part in reference.partition("#")[2].split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                node = node.get(key) if isinstance(node, Mapping) else None
        return node


@lru_cache(maxsize=256)
def _resolver(root: _Identity) -> _Resolver:
    return _Resolver(root.schema)


def _merged(first: Schema, second: Schema) -> Schema:
    """Both hold; of what both say, the second counts."""
    merged = {**first, **second}
    if isinstance(a := first.get("properties"), dict) and isinstance(b := second.get("properties"), dict):
        merged["properties"] = {**a, **b}
    return merged


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "number": (int, float), "integer": (int, float), "boolean": (bool,),
    "object": (dict,), "array": (list,), "null": (type(None),),
}  # fmt: skip


def _has_type(actual: Any, schema: Schema) -> bool:
    declared = schema.get("type")
    if declared is None:
        return True
    if isinstance(declared, list):
        return any(_is(actual, str(name)) for name in declared)
    return _is(actual, str(declared))


def _is(actual: Any, name: str) -> bool:
    """An integer may be written as 50.0, and true is no number."""
    if isinstance(actual, bool) and name != "boolean":
        return False
    if name == "integer" and isinstance(actual, float) and not actual.is_integer():
        return False
    return isinstance(actual, _TYPES.get(name, (object,)))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _text(text: str, is_loose: bool) -> str:
    text = unicodedata.normalize("NFC", text)
    return re.sub(r"[ ,./\-_*^]", "", text).lower().replace("'", '"') if is_loose else text


def _in_range(bounds: Sequence[float], actual: Any) -> bool:
    return _kind(actual) == "number" and bounds[0] <= actual <= bounds[1]


def matches(pattern: object, text: object) -> bool:
    """Whether the whole text matches, in a time that grows with the text only: Rust's regular expressions,
    which have no references and no look-around. Raises ValueError if it isn't one."""
    if not isinstance(pattern, str):
        raise ValueError(f"not a regular expression: {pattern}")
    return bool(_pattern_validator(pattern).is_valid(text))


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


def unusable() -> tuple[type[Exception], ...]:
    """What jsonschema-rs raises of a schema that it can't use."""
    import jsonschema_rs

    return (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError)


def no_address(address: str) -> Any:
    """The `retriever` of a validator: a schema by strangers may name files and hosts."""
    raise LookupError(address)


_HOLDS: Mapping[str, Any] = {
    "any": lambda _, actual: True,
    "absent": lambda _, actual: False,
    "range": _in_range,
    "regex": matches,
}


def _got(expected: Any, actual: Any) -> str:
    return f"expected {_short(expected)}, got {_short(actual)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
