"""Expectations: what a prompt says is right, and what the schemas of the tools don't allow in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from msgspec import Struct

from ftops.core.suggestions import did_you_mean
from ftops.dataset.files.jsonl_io import canonical
from ftops.dataset.formats.jsonl import decode
from ftops.evaluation.calls import ExpectedCall
from ftops.evaluation.schemas import (
    Schema,
    json_validator,
    matches,
    no_address,
    pattern_hint,
    resolver_of,
    unusable,
)
from ftops.evaluation.values import operator_of

KINDS = ("call", "calls", "no_call", "text", "schema")
"""Keys of an `expect` that is an object; each stands alone, but for `arguments` beside `call`."""
_URI = "urn:tool"

Problem = tuple[str, str]
"""What is wrong, and what to do about it."""


class Unclear(ValueError):
    """An `expect` that says nothing that an answer could be compared with."""

    def __init__(self, summary: str, hint: str = "") -> None:
        super().__init__(summary)
        self.hint = hint


class Expected(Struct, frozen=True):
    """What is right. `calls` is None if text is expected; `value` is what a row says, for graders of text."""

    calls: tuple[ExpectedCall, ...] | None = None
    value: Any = None

    @property
    def function(self) -> str:
        """By which results are sliced."""
        if self.calls is None:
            return ""
        return " + ".join(sorted(call.name for call in self.calls)) or "no_call"


def expected_of(expectation: Any, schemas: Mapping[str, Schema]) -> Expected:
    """If there are tools, a text is the name of a function; `{"text": …}` expects that text, or one of a
    list, and no call. Raises Unclear."""
    if isinstance(expectation, str):
        return Expected((ExpectedCall(expectation),) if schemas else None, expectation)
    if not isinstance(expectation, dict):
        raise Unclear("`expect` must be a string or an object", 'write {"call": "land_drone"}')
    no_call = () if schemas else None
    kind = next((key for key in KINDS if key in expectation), "")
    known = ("call", "arguments") if kind == "call" else (kind,) if kind else KINDS
    unknown = [key for key in expectation if key not in known]
    if unknown:
        raise Unclear(f"unknown key `{unknown[0]}` in `expect`", did_you_mean(unknown[0], known))
    if not kind:
        raise Unclear("`expect` is empty", 'write {"no_call": true} if no function is to be called')
    value = expectation[kind]
    if kind == "text":
        if not isinstance(value, str) and not is_list_of_texts(value):
            raise Unclear("`text` in `expect` must be a string or a list of strings")
        return Expected(no_call, value)
    if kind == "schema":
        try:
            json_validator(value)
        except ValueError as error:
            raise Unclear(f"`schema` in `expect` can't be used: {error}") from error
        return Expected(no_call, value)
    if kind == "no_call":
        if value is not True:
            raise Unclear("`no_call` in `expect` must be true")
        return Expected((), expectation)
    calls = value if kind == "calls" else [expectation]
    if not isinstance(calls, list):
        raise Unclear("`calls` in `expect` must be a list")
    return Expected(tuple(_call(call) for call in calls), expectation)


def is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)


def _call(call: Any) -> ExpectedCall:
    if isinstance(call, str):
        return ExpectedCall(call)
    if not isinstance(call, dict) or not isinstance(call.get("call"), str):
        raise Unclear("an expected call has no name", 'write {"call": "land_drone"}')
    if unknown := [key for key in call if key not in ("call", "arguments")]:
        hint = did_you_mean(unknown[0], ("call", "arguments"))
        raise Unclear(f"unknown key `{unknown[0]}` in an expected call", hint)
    arguments = call.get("arguments")
    if arguments is not None and not isinstance(arguments, dict):
        raise Unclear(f"`arguments` of `{call['call']}` must be an object", 'write {"location": "home_base"}')
    return ExpectedCall(call["call"], arguments)


def of_message(message: Mapping[str, Any]) -> Any:
    """A message of the assistant as an expectation: its values are literals. Raises Unclear."""
    tools = message.get("tool_calls")
    calls = [tool.get("function") if isinstance(tool, dict) else None for tool in tools or ()] if (
        tools is None or isinstance(tools, list)
    ) else [None]  # fmt: skip
    if legacy := message.get("function_call"):
        calls.append(legacy)
    if not calls:
        return {"text": message.get("content") or ""}
    if not all(isinstance(call, dict) for call in calls):
        raise Unclear("a call of the last message has no `function`")
    return {"calls": [{"call": c.get("name", ""), "arguments": _literals(c)} for c in calls if c]}


def _literals(call: Mapping[str, Any]) -> Any:
    arguments = call.get("arguments")
    try:
        values = decode(arguments or "{}") if isinstance(arguments, str) else arguments or {}
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise Unclear(f"the last message calls `{call.get('name')}`, but its arguments aren't a JSON object")
    return {k: {"literal": v} for k, v in values.items()}


# Tools


def tools_problem(tools: Any) -> str:
    """Why these are no tools; empty if they are."""
    if not isinstance(tools, list | tuple):
        return "`tools` must be a list"
    names = set()
    for tool in tools:
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(function, dict):
            return "a tool must be an object with a `function`"
        name, schema = function.get("name"), function.get("parameters")
        if tool.get("type", "function") != "function":
            continue
        if not isinstance(name, str) or not name:
            return "a function has no `name`"
        if name in names:
            return f"two functions are named `{name}`"
        names.add(name)
        if not isinstance(schema or {}, dict) or not isinstance((schema or {}).get("properties") or {}, dict):
            return f"`parameters` of `{name}` must be the JSON Schema of an object"
    return ""


def schemas_of(tools: Sequence[Mapping[str, Any]]) -> dict[str, Schema]:
    """The schema of the parameters of each function."""
    functions = [tool.get("function", tool) for tool in tools]
    return {f["name"]: f.get("parameters") or {} for f in functions if isinstance(f.get("name"), str)}


# What can't be right


def problems(expected: Expected, schemas: Mapping[str, Schema]) -> Iterator[Problem]:
    """Functions that there aren't, and arguments that the schemas don't allow."""
    for call in expected.calls or ():
        if call.name not in schemas:
            hint = did_you_mean(call.name, schemas, nothing="there are no tools: add --tools FILE")
            yield f"expected function `{call.name}` isn't among the tools", hint
        elif call.arguments is not None:
            yield from _checked(canonical(schemas[call.name])).call_problems(call)


@lru_cache(maxsize=512)
def _checked(schema: bytes) -> _Tool:
    return _Tool(json.loads(schema))


class _Tool:
    """The schema of a function, whose `$ref`s are absolute so that each part of it can be checked alone."""

    def __init__(self, schema: Any) -> None:
        import jsonschema_rs

        self._root = _absolute(schema)
        self._schemas = resolver_of(self._root)
        self._registry: Any = None
        self._validators: dict[int, Any] = {}
        with suppress(*unusable()):  # if it refers to what isn't here, nothing is checked
            self._registry = jsonschema_rs.Registry([(_URI, self._root)], retriever=no_address)

    def call_problems(self, call: ExpectedCall) -> Iterator[Problem]:
        arguments = call.arguments or {}
        known, required = self._root.get("properties") or {}, self._root.get("required")
        for key in required if isinstance(required, list) else ():
            if key not in arguments:
                yield (
                    f"`{call.name}` needs the parameter `{key}`",
                    'write {"any": true} if any value is right',
                )
        for key, value in arguments.items():
            if key not in known and self._root.get("additionalProperties") is False:
                yield f"`{call.name}` has no parameter `{key}`", did_you_mean(key, known)
            else:
                yield from self._value(value, known.get(key, {}), f"{call.name}.{key}")

    def _value(self, value: Any, schema: Any, where: str) -> Iterator[Problem]:
        """Of an operator, its own form; of a literal, whether the schema allows it."""
        if operator := operator_of(value):
            yield from self._operator(operator, value[operator], schema, where)
        elif not _has_operator(value):
            yield from self._literal(value, schema, where)
        elif isinstance(value, dict):
            for key, part in value.items():
                yield from self._value(part, self._part(schema, "properties", key), f"{where}.{key}")
        else:
            for i, part in enumerate(value):
                yield from self._value(part, self._part(schema, "items", i), f"{where}[{i}]")

    def _operator(self, name: str, value: Any, schema: Any, where: str) -> Iterator[Problem]:
        if name == "literal":
            yield from self._literal(value, schema, where)
        elif name == "optional":
            yield from self._value(value, schema, where)
        elif name == "range" and not _is_range(value):
            yield f"`range` of `{where}` must be two numbers, the lower one first", "write {range: [1, 120]}"
        elif name in ("any", "absent") and value is not True:
            yield f"`{name}` of `{where}` must be true", ""
        elif name == "one_of":
            if not isinstance(value, list) or not value:
                yield f"`one_of` of `{where}` must be a list of values", "write {one_of: [1, 2]}"
                return
            if any(operator_of(option) in ("absent", "optional") for option in value):
                yield (
                    f"`one_of` of `{where}` can't contain `absent` or `optional`",
                    "write {optional: {one_of: […]}}",
                )
            for option in value:
                yield from self._value(option, schema, where)
        elif name == "regex":
            try:
                matches(value, "")
            except ValueError as error:
                yield (
                    f"`regex` of `{where}`: {error}",
                    pattern_hint(value),
                )

    def _literal(self, value: Any, schema: Any, where: str) -> Iterator[Problem]:
        if not schema or self._registry is None:
            return
        if id(schema) not in self._validators:  # a part of the root, which stays
            self._validators[id(schema)] = _validator(schema, self._registry)
        validator = self._validators[id(schema)]
        error = next(validator.iter_errors(value), None) if validator else None
        if error is not None:
            message = error.message if len(error.message) <= 200 else f"{error.message[:199]}…"
            yield f"`{where}` can't be {json.dumps(value)[:60]}: {message}", ""

    def _part(self, schema: Any, kind: str, key: Any) -> Any:
        """The schema of a member or an item; {} if it isn't plain to see, which allows everything."""
        resolved = self._schemas.resolve(schema)
        parts = resolved.get(kind)
        if not isinstance(parts, dict):
            return {}
        if kind == "items":
            return {} if "prefixItems" in resolved else parts
        return parts.get(key, {})


def _validator(schema: Any, registry: Any) -> Any:
    try:
        return json_validator(schema, registry)
    except ValueError:
        return None


def _absolute(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_absolute(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"{_URI}{part}"
        if key == "$ref" and isinstance(part, str) and part.startswith("#")
        else _absolute(part)
        for key, part in schema.items()
        if key != "$schema"
    }


def _has_operator(value: Any) -> bool:
    if operator_of(value):
        return True
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_has_operator(part) for part in parts)


def _is_range(bounds: Any) -> bool:
    return (
        isinstance(bounds, list)
        and len(bounds) == 2
        and all(isinstance(b, int | float) and not isinstance(b, bool) for b in bounds)
        and bounds[0] <= bounds[1]
    )
