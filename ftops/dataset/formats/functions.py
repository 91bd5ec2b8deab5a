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
from ftops.dataset.formats.jsonl import Duplicate, NotANumber, decode, describe, is_too_deep
from ftops.dataset.formats.schemas import check_schema, schema_error, validator
from ftops.dataset.rules.findings import Finding, Key, Steps, quote

CALLS = ("tool_calls", "function_call")
RESULTS = ("tool", "function")
MAX_FUNCTIONS = 128
MAX_DESCRIPTION = 1024
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NAMES = "Use at most 64 letters, digits, `_` and `-`."
_FUNCTION_KEYS = frozenset({"name", "description", "parameters", "strict"})
_TOOL_KEYS = frozenset({"type", "function"})
_CALL_KEYS = frozenset({"id", "type", "function"})
_CALLED_KEYS = frozenset({"name", "arguments"})
_FORMS = {"tools": "tool_calls", "functions": "function_call"}
"""Keys of definitions, and of calls of the functions that they define."""
_NEST = 'Write {"type": "function", "function": {"name": …}}; the other form is that of the Responses API.'


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
    if not given:
        yield Finding("tools/requests", f"`{key}` is empty", at, "Leave it out.")
    if len(given) > MAX_FUNCTIONS:
        yield Finding("tools/too-many", f"{len(given)} functions, more than {MAX_FUNCTIONS}", at)
    for index, item in enumerate(given):
        here = (*at, index)
        if key == "tools" and _is_flat(item):
            yield Finding("tools/definition", "the definition isn't in `function`", here, _NEST)
            item = {name: value for name, value in item.items() if name != "type"}
        elif key == "tools":
            if not isinstance(item, dict) or item.get("type") != "function":
                yield Finding("tools/definition", "a tool must be an object of type function", here)
                continue
            yield from _unknown_keys(item, _TOOL_KEYS, "a tool", here)
            here = (*here, "function") if "function" in item else here
            item = item.get("function")
        yield from _check_definition(item, here, known)


def _is_flat(item: object) -> bool:
    """Whether a tool has its definition beside `type`, as in the Responses API."""
    if not isinstance(item, dict) or item.get("type") != "function":
        return False
    return "name" in item and "function" not in item


def check_calls(message: Mapping[str, Any], offered: Mapping[str, Function], at: Steps) -> Iterator[Finding]:
    """Calls of an assistant message, against the functions that are offered."""
    if message.get("function_call") is not None:
        if message.get("tool_calls") is not None:
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
        if "type" not in call:
            yield Finding("tools/requests", "a call without its `type`", here, 'Write "type": "function".')
        elif call["type"] != "function":
            yield Finding("tools/call", f"unknown type {quote(call['type'])} of a call", (*here, "type"))
        if not isinstance(call.get("id"), str) or not call["id"]:
            yield Finding("tools/call", "a call without an `id`", (*here, "id") if "id" in call else here)
        yield from _unknown_keys(call, _CALL_KEYS, "a call", here)
        yield from _check_call(
            call.get("function"), offered, (*here, "function") if "function" in call else here
        )


def check_forms(holder: Mapping[str, Any], conversations: Mapping[Steps, Any]) -> Iterator[Finding]:
    """Whether all definitions and calls of an example have the same form, and no more calls at once than it
    allows. `holder` has the definitions; `conversations` are lists of messages by their path."""
    form = next((calls for key, calls in _FORMS.items() if holder.get(key)), "")
    is_single = holder.get("parallel_tool_calls") is False
    for path, messages in conversations.items():
        for index, message in enumerate(messages if isinstance(messages, list) else ()):
            calls_something = isinstance(message, dict) and message.get("role") == "assistant"
            used = [key for key in CALLS if calls_something and message.get(key)]
            if len(used) != 1:  # both in one message is a finding about that message
                continue
            if form and used[0] != form:
                summary = f"`{used[0]}`, where the rest of the example has the form of `{form}`"
                yield Finding("tools/mixed", summary, (*path, index, Key(used[0])))
            form = form or used[0]
            calls = message[used[0]]
            if is_single and isinstance(calls, list) and len(calls) > 1:
                summary = f"{len(calls)} calls at once, but `parallel_tool_calls` is false"
                yield Finding("tools/parallel", summary, (*path, index, "tool_calls"))


def check_results(
    messages: Sequence[object], at: Steps, before: Sequence[Mapping[str, Any]] = ()
) -> Iterator[Finding]:
    """Whether results belong to calls, and calls get their results before the conversation continues.
    `before`: messages whose last one may have calls."""
    waiting: dict[str, Steps] = dict(_called(before[-1], at)) if before else {}
    elsewhere = {*waiting.values()}
    seen: set[str] = set()
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            continue
        here = (*at, index)
        role = message.get("role")
        if role == "tool" or role == "function":
            yield from _check_result(message, role, waiting, here)
            continue
        for where in (where for where in waiting.values() if where not in elsewhere):
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
    yield from _unknown_keys(item, _FUNCTION_KEYS, "a function", at)
    description, strict = item.get("description"), item.get("strict")
    if strict is not None and not isinstance(strict, bool):
        summary = f"`strict` is {describe(strict)}, not true or false"
        yield Finding("chat/type", summary, (*at, "strict"), "Write true or false.")
    if description is not None and not isinstance(description, str):
        summary = f"`description` is {describe(description)}, not text"
        yield Finding("chat/type", summary, (*at, "description"), "Write it in double quotes.")
    elif description is not None and len(description) > MAX_DESCRIPTION:
        summary = f"a description of {len(description):,} characters, more than {MAX_DESCRIPTION:,}"
        yield Finding("tools/requests", summary, (*at, "description"), "Shorten it.")
    parameters = ""
    if item.get("parameters") is not None:
        findings = list(check_schema(item["parameters"], (*at, "parameters"), strict is True))
        yield from findings
        if not any(f.rule == "tools/schema" for f in findings):
            parameters = canonical(item["parameters"]).decode()
    known.setdefault(name, Function(name, canonical(item).decode(), parameters))


def _unknown_keys(
    holder: Mapping[str, Any], known: frozenset[str], what: str, at: Steps
) -> Iterator[Finding]:
    for key in sorted(holder.keys() - known)[:5]:
        yield Finding("chat/unknown-key", f"unknown key {quote(key)} of {what}", (*at, Key(key)))


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
        yield from _unknown_keys(call, _CALLED_KEYS, "a called function", at)
        parameters = offered[name].parameters if name in offered else ""
        for rule, summary in _wrong_arguments(call["arguments"], parameters):
            yield Finding(rule, summary, (*at, "arguments"))
    if not offered and not _NAME.fullmatch(name):
        summary = f"the name {quote(name)} of a called function is not allowed"
        yield Finding("tools/call", summary, (*at, "name"), _NAMES)
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
    if waiting and all((where[-1] == "function_call") is (role == "tool") for where in waiting.values()):
        other = "function_call" if role == "tool" else "tool_calls"
        yield Finding("tools/mixed", f"a result with the role {role} of a call in `{other}`", (*at, "role"))
        del waiting[next(iter(waiting))]
        return
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
    except NotANumber as error:
        why = "is too large" if str(error)[-1].isdigit() else "is not JSON"
        return (("tools/arguments", f"the number {error} in the arguments {why}"),)
    except Duplicate as error:
        return (("tools/arguments", f"the arguments have the key {quote(str(error))} twice"),)
    except json.JSONDecodeError:
        return (("tools/arguments", f"the arguments {quote(arguments)} are not JSON"),)
    except RecursionError:
        return (("tools/arguments", f"the arguments {quote(arguments)} are nested too deeply"),)
    except ValueError:
        return (("tools/arguments", "a number in the arguments has too many digits"),)
    if not isinstance(value, dict):
        return (("tools/arguments", f"the arguments are {describe(value)}, not an object"),)
    if is_too_deep(value):
        return (("tools/arguments", f"the arguments {quote(arguments)} are nested too deeply"),)
    if not parameters:
        return ()
    schema, _ = validator(parameters)
    if schema is None or schema.is_valid(value):
        return ()
    errors = islice(schema.iter_errors(value), 5)
    return tuple(("tools/arguments-schema", schema_error(error)) for error in errors)
