"""Functions: their definitions, calls and results, as `tools` or in the legacy format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from msgspec import Struct

from ftops.dataset.files.jsonl_io import canonical
from ftops.dataset.formats.jsonl import decode, describe
from ftops.dataset.rules.findings import Finding, Key, Steps, quote

CALLS = ("tool_calls", "function_call")
RESULTS = ("tool", "function")
MAX_FUNCTIONS = 128
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_FUNCTION_KEYS = frozenset({"name", "description", "parameters", "strict"})
_CHECK_DEPTH = 30


class Function(Struct, frozen=True):
    """One definition, as JSON text."""

    name: str
    text: str
    """The whole definition as canonical JSON."""
    parameters: str
    """Canonical JSON of the parameters; empty if arguments can't be checked against them."""


def check_definitions(given: object, key: str, at: Steps, known: dict[str, Function]) -> Iterator[Finding]:
    """The value of `tools` or `functions`. Well-formed definitions are added to `known`."""
    if not isinstance(given, list):
        yield Finding("chat/type", f"`{key}` is {describe(given)}, not a list", at)
        return
    if len(given) > MAX_FUNCTIONS:
        yield Finding("tools/too-many", f"{len(given)} functions, more than {MAX_FUNCTIONS}", at)
    for index, item in enumerate(given):
        here = (*at, index)
        if key == "tools":
            if not isinstance(item, dict) or item.get("type") != "function":
                yield Finding("tools/definition", "a tool must be an object of type function", here)
                continue
            here = (*here, "function") if "function" in item else here
            item = item.get("function")
        yield from _check_definition(item, here, known)


def check_calls(message: Mapping[str, Any], offered: Mapping[str, Function], at: Steps) -> Iterator[Finding]:
    """Calls of an assistant message, against the functions that are offered."""
    if "function_call" in message:
        if "tool_calls" in message:
            yield Finding("tools/mixed", "both `tool_calls` and `function_call`", (*at, Key("function_call")))
        yield from _check_call(message["function_call"], offered, (*at, "function_call"))
    calls = message.get("tool_calls", [])
    if not isinstance(calls, list):
        yield Finding("chat/type", f"`tool_calls` is {describe(calls)}, not a list", (*at, "tool_calls"))
        return
    if not calls and "tool_calls" in message:
        yield Finding("tools/call", "`tool_calls` is empty", (*at, "tool_calls"), "Leave it out.")
    for index, call in enumerate(calls):
        here = (*at, "tool_calls", index)
        if not isinstance(call, dict):
            yield Finding("tools/call", f"a call is {describe(call)}, not an object", here)
            continue
        if call.get("type", "function") != "function":
            yield Finding("tools/call", f"unknown type {quote(call['type'])} of a call", (*here, "type"))
        if not isinstance(call.get("id"), str) or not call["id"]:
            yield Finding("tools/call", "a call without an `id`", (*here, "id") if "id" in call else here)
        yield from _check_call(
            call.get("function"), offered, (*here, "function") if "function" in call else here
        )


def check_results(messages: Sequence[object], at: Steps) -> Iterator[Finding]:
    """Whether results belong to calls, and calls get their results before the conversation continues."""
    waiting: dict[str, Steps] = {}
    seen: set[str] = set()
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            continue
        here = (*at, index)
        role = message.get("role")
        if role == "tool" or role == "function":
            yield from _check_result(message, role, waiting, here)
            continue
        for where in waiting.values():
            yield Finding("tools/no-result", "the result of this call is missing", where)
        waiting = {}
        for name, where in _called(message, here):
            if name in seen and where[-1] != "function_call":
                yield Finding("tools/call", f"the id {quote(name)} is used twice", (*where, "id"))
            waiting[name] = where
            seen.add(name)


def _check_definition(item: object, at: Steps, known: dict[str, Function]) -> Iterator[Finding]:
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(name, str):
        yield Finding("tools/definition", "a function without a `name`", at)
        return
    if not _NAME.fullmatch(name):
        yield Finding("tools/definition", f"the name {quote(name)} is not allowed", (*at, "name"))
    elif name in known:
        yield Finding("tools/definition", f"two functions with the name {quote(name)}", (*at, "name"))
    for key in sorted(item.keys() - _FUNCTION_KEYS)[:5]:
        yield Finding("chat/unknown-key", f"unknown key {quote(key)} of a function", (*at, Key(key)))
    if not isinstance(item.get("description", ""), str):
        summary = f"`description` is {describe(item['description'])}, not text"
        yield Finding("chat/type", summary, (*at, "description"))
    parameters = ""
    if "parameters" in item:
        findings = list(_check_schema(item["parameters"], (*at, "parameters")))
        yield from findings
        if not any(f.rule == "tools/schema" for f in findings):
            parameters = canonical(item["parameters"]).decode()
    known.setdefault(name, Function(name, canonical(item).decode(), parameters))


def _check_schema(schema: object, at: Steps) -> Iterator[Finding]:
    if not isinstance(schema, dict):
        yield Finding("tools/schema", f"`parameters` is {describe(schema)}, not an object", at)
        return
    if schema.get("type", "object") != "object" or not isinstance(schema.get("properties", {}), dict):
        yield Finding("tools/schema", "`parameters` must describe an object", at)
        return
    _, why = _validator(canonical(schema).decode())
    if why:
        yield Finding("tools/schema", f"`parameters` isn't a valid JSON Schema: {why}", at)
    yield from _extras(schema, at)


def _extras(schema: object, at: Steps) -> Iterator[Finding]:
    """What the service's preprocessing rejects, anywhere in a schema."""
    if not isinstance(schema, dict) or len(at) > _CHECK_DEPTH:
        return
    if isinstance(schema.get("title"), str):
        yield Finding("tools/schema-extras", "`title` in a schema", (*at, Key("title")))
    if "default" in schema and schema["default"] is None:
        yield Finding("tools/schema-extras", "`default` null in a schema", (*at, "default"))
    options = schema.get("anyOf")
    if isinstance(options, list):
        for index, option in enumerate(options):
            if isinstance(option, dict) and option.get("type") == "null":
                yield Finding("tools/schema-extras", "`anyOf` with null in a schema", (*at, "anyOf", index))
            yield from _extras(option, (*at, "anyOf", index))
    properties = schema.get("properties")
    if isinstance(properties, dict):
        for name, rule in properties.items():
            yield from _extras(rule, (*at, "properties", name))
    yield from _extras(schema.get("items"), (*at, "items"))


def _check_call(call: object, offered: Mapping[str, Function], at: Steps) -> Iterator[Finding]:
    name = call.get("name") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(name, str) or not name:
        yield Finding("tools/call", "a call without the `name` of a function", at)
        return
    if "arguments" not in call:
        yield Finding("tools/call", "a call without `arguments`", at, 'Write "arguments": "{}".')
    elif not isinstance(call["arguments"], str):
        summary = f"`arguments` is {describe(call['arguments'])}, not text"
        yield Finding("tools/arguments", summary, (*at, "arguments"))
    else:
        parameters = offered[name].parameters if name in offered else ""
        for rule, summary in _wrong_arguments(call["arguments"], parameters):
            yield Finding(rule, summary, (*at, "arguments"))
    if not offered:
        yield Finding("tools/none-offered", f"{quote(name)} is called, but the example has no functions", at)
    elif name not in offered:
        listed = ", ".join(list(offered)[:8])
        hint = f"The functions are {listed}{' and others' if len(offered) > 8 else ''}."
        yield Finding("tools/not-offered", f"{quote(name)} is not among the functions", (*at, "name"), hint)


def _check_result(
    message: Mapping[str, Any], role: str, waiting: dict[str, Steps], at: Steps
) -> Iterator[Finding]:
    key = "tool_call_id" if role == "tool" else "name"
    name = message.get(key)
    if not isinstance(name, str) or not name:
        yield Finding("tools/result", f"a result without `{key}`", (*at, key) if key in message else at)
    elif name not in waiting:
        yield Finding("tools/result", f"no call before it has the {key} {quote(name)}", (*at, key))
    else:
        del waiting[name]


def _called(message: Mapping[str, Any], at: Steps) -> Iterator[tuple[str, Steps]]:
    """Ids (or names, in the legacy format) of the calls of a message, and where they are."""
    if message.get("role") != "assistant":
        return
    call = message.get("function_call")
    if isinstance(call, dict) and isinstance(call.get("name"), str):
        yield call["name"], (*at, "function_call")
    calls = message.get("tool_calls")
    for index, call in enumerate(calls if isinstance(calls, list) else ()):
        if isinstance(call, dict) and isinstance(call.get("id"), str) and call["id"]:
            yield call["id"], (*at, "tool_calls", index)


@lru_cache(maxsize=4096)
def _wrong_arguments(arguments: str, parameters: str) -> tuple[tuple[str, str], ...]:
    """Rules and summaries of what is wrong with the arguments of a call."""
    try:
        value = decode(arguments)
    except (ValueError, RecursionError):
        return (("tools/arguments", f"the arguments {quote(arguments)} are not JSON"),)
    if not isinstance(value, dict):
        return (("tools/arguments", f"the arguments are {describe(value)}, not an object"),)
    if not parameters:
        return ()
    validator, _ = _validator(parameters)
    if validator is None or validator.is_valid(value):
        return ()
    errors = islice(validator.iter_errors(value), 5)
    return tuple(("tools/arguments-schema", _schema_error(error)) for error in errors)


@lru_cache(maxsize=512)
def _validator(schema: str) -> tuple[Any, str]:
    """The validator, or None and why the text isn't a JSON Schema; the reason is empty if it isn't known,
    as for a schema that refers to others."""
    import jsonschema_rs  # only if there are functions to check

    try:
        return jsonschema_rs.validator_for(json.loads(schema), retriever=_fetch_nothing), ""
    except jsonschema_rs.ValidationError as error:
        return None, "" if '"$ref"' in schema else _schema_error(error)
    except (ValueError, RecursionError):
        return None, ""


def _fetch_nothing(url: str) -> Any:
    raise LookupError(url)


def _schema_error(error: Any) -> str:
    text = error.message.partition("\n")[0]
    text = text if len(text) <= 160 else f"{text[:159]}…"
    where = f"at {quote('.'.join(map(str, error.instance_path)))}: " if error.instance_path else ""
    return where + "".join(c if c.isprintable() else " " for c in text)
