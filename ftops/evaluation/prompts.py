"""Prompts of an evaluation, with what is expected of an answer, read from JSON, JSON Lines or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import PurePath
from typing import Any

from msgspec import Struct

from ftops.core.errors import Diagnostic, Place, SpecError
from ftops.core.suggestions import did_you_mean
from ftops.dataset.files.jsonl_io import canonical
from ftops.dataset.formats.jsonl import decode
from ftops.evaluation.calls import ExpectedCall, Schema, matches, operator_of

ROW_KEYS = ("prompt", "messages", "expect", "slice", "id", "cluster", "tools", "functions", "item")
MOST_ERRORS = 20


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


class Prompt(Struct, frozen=True):
    """One row. `slice` and `cluster` are empty if the row names none."""

    id: str
    messages: tuple[Mapping[str, Any], ...]
    expected: Expected
    slice: str = ""
    cluster: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()
    """Of the row itself, in place of those of the evaluation."""
    item: Mapping[str, Any] = {}

    @property
    def text(self) -> str:
        """The last message of the user, for people."""
        contents = (m.get("content") for m in reversed(self.messages) if m.get("role") == "user")
        return next((c for c in contents if isinstance(c, str)), "")


class _Row(Struct, frozen=True):
    values: Mapping[str, Any]
    place: Place


class _Faults:
    """Collects what is wrong, to be told at once."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def add(self, summary: str, place: Place, detail: str = "", hint: str = "") -> None:
        self.found.append(Diagnostic(summary, detail, hint, place))


def read_prompts(content: bytes, name: str, tools: Sequence[Mapping[str, Any]] = ()) -> tuple[Prompt, ...]:
    """All prompts of a file, by the end of its name. Raises SpecError with every fault."""
    faults = _Faults()
    text = content.decode("utf-8-sig", errors="surrogateescape")
    if any("\udc80" <= character <= "\udcff" for character in text):
        faults.add(f"{name} isn't UTF-8 text", Place(name), "", "save it as UTF-8")
        raise SpecError(faults.found)
    suffix = PurePath(name).suffix.lower()
    rows = _csv(text, name) if suffix == ".csv" else _json_rows(text, name, suffix, faults)
    prompts: dict[str, Prompt] = {}
    for row in rows:
        if prompt := _prompt(row, tools, faults):
            if prompt.id in prompts:
                faults.add(
                    f"two prompts have the id {prompt.id}", row.place, "", "give each an id of its own"
                )
            prompts[prompt.id] = prompt
    if not prompts and not faults.found:
        faults.add(f"{name} has no prompts", Place(name), "", "an evaluation needs one at least")
    if faults.found:
        raise SpecError(faults.found[:MOST_ERRORS])
    return tuple(prompts.values())


# Files to rows


def _csv(text: str, name: str) -> Iterator[_Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for values in reader:
        yield _Row({k: v for k, v in values.items() if k and v}, Place(name, reader.line_num))


def _json_rows(text: str, name: str, suffix: str, faults: _Faults) -> Iterator[_Row]:
    if suffix == ".json":
        document = _decoded(text, Place(name), faults)
        if isinstance(document, list):
            pairs = enumerate(document, 1)
            yield from (_Row(_object(v), Place(name, text=f"row {i}")) for i, v in pairs)
        elif isinstance(document, dict):
            yield from _sections(document, Place(name), faults)
        elif document is not None:
            faults.add("prompts are a list or an object of sections", Place(name))
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            place = Place(name, number)
            value = _decoded(line, place, faults)
            if isinstance(value, dict):
                yield _Row(value, place)
            elif value is not None:
                faults.add("a line of prompts is an object", place)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {"": value}


def _sections(document: Mapping[str, Any], place: Place, faults: _Faults) -> Iterator[_Row]:
    """`{section: {prompt: expected}}`."""
    for section, prompts in document.items():
        if not isinstance(prompts, dict):
            faults.add(f"section `{section}` is no object of prompts", place)
            continue
        for prompt, expected in prompts.items():
            yield _Row({"prompt": prompt, "expect": expected, "slice": section}, place)


def _decoded(text: str, place: Place, faults: _Faults) -> Any:
    try:
        return decode(text)
    except json.JSONDecodeError as error:
        line = place.line + error.lineno - 1
        faults.add("invalid JSON", Place(place.file, line, error.colno), error.msg)
    except (ValueError, RecursionError):
        faults.add("invalid JSON", place, "it has a key twice, is nested too deeply or has no such numbers")
    return None


# Rows to prompts


def _prompt(row: _Row, tools: Sequence[Mapping[str, Any]], faults: _Faults) -> Prompt | None:
    values = row.values
    if isinstance(values.get("item"), dict):
        values = {**values["item"], **{k: v for k, v in values.items() if k != "item"}}
    elif unknown := [key for key in values if key not in ROW_KEYS]:
        hint = did_you_mean(unknown[0], ROW_KEYS)
        faults.add(f"unknown key `{unknown[0]}` in a prompt", row.place, "", hint)
        return None
    own = _tools(values)
    messages, expectation = _messages(values)
    if messages is None:
        faults.add("a prompt has neither `prompt` nor `messages`", row.place)
        return None
    if expectation is None:
        hint = "add `expect`, or end `messages` with the assistant's message"
        faults.add("a prompt says nothing of the answer", row.place, "", hint)
        return None
    schemas = schemas_of(own or tools)
    expected = _expected(expectation, schemas)
    for problem, hint in _problems(expected, schemas):
        faults.add(problem, row.place, f"prompt: {_text(messages)}", hint)
    part, cluster = str(values.get("slice") or ""), str(values.get("cluster") or "")
    id = str(values.get("id") or sha256(canonical([messages, part])).hexdigest()[:12])
    return Prompt(id, messages, expected, part, cluster, own, row.values.get("item") or {})


def _text(messages: Sequence[Mapping[str, Any]]) -> str:
    return str(messages[-1].get("content"))[:80] if messages else ""


def _tools(values: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    if isinstance(values.get("tools"), list):
        return tuple(values["tools"])
    functions = values.get("functions")
    return (
        tuple({"type": "function", "function": f} for f in functions) if isinstance(functions, list) else ()
    )


def _messages(values: Mapping[str, Any]) -> tuple[tuple[Mapping[str, Any], ...] | None, Any]:
    """What is asked, and what is expected; None where a row doesn't say it."""
    expectation, messages = values.get("expect"), values.get("messages")
    if not isinstance(messages, list):
        prompt = values.get("prompt")
        return (({"role": "user", "content": prompt},), expectation) if prompt else (None, expectation)
    if expectation is None and messages and _role(messages[-1]) == "assistant":
        return tuple(messages[:-1]), _of_message(messages[-1])
    return tuple(messages), expectation


def _role(message: Any) -> Any:
    return message.get("role") if isinstance(message, dict) else None


def _of_message(message: Mapping[str, Any]) -> Any:
    """A message of the assistant as an expectation: its values are literals."""
    calls = [call.get("function") or {} for call in message.get("tool_calls") or ()]
    if legacy := message.get("function_call"):
        calls.append(legacy)
    if not calls:
        return {"text": message.get("content") or ""}
    return {"calls": [{"call": c.get("name", ""), "arguments": _literals(c.get("arguments"))} for c in calls]}


def _literals(arguments: Any) -> Any:
    try:
        values = decode(arguments or "{}") if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        return None
    return {k: {"literal": v} for k, v in values.items()} if isinstance(values, dict) else None


def _expected(expectation: Any, schemas: Mapping[str, Schema]) -> Expected:
    """If there are tools, a text is the name of a function; `{"text": …}` expects that text and no call."""
    if isinstance(expectation, str) and schemas:
        return Expected((ExpectedCall(expectation),), expectation)
    if isinstance(expectation, dict):
        if expectation.get("no_call") is True:
            return Expected((), expectation)
        if "text" in expectation:
            return Expected(() if schemas else None, expectation["text"])
        calls = expectation.get("calls") if "calls" in expectation else [expectation]
        if isinstance(calls, list) and all(isinstance(c, dict) and "call" in c for c in calls):
            return Expected(tuple(ExpectedCall(c["call"], c.get("arguments")) for c in calls), expectation)
    return Expected(None, expectation)


def schemas_of(tools: Sequence[Mapping[str, Any]]) -> dict[str, Schema]:
    """The schema of the parameters of each function."""
    functions = [tool.get("function", tool) for tool in tools]
    return {f["name"]: f.get("parameters") or {} for f in functions if isinstance(f.get("name"), str)}


# What can't be right


def _problems(expected: Expected, schemas: Mapping[str, Schema]) -> Iterator[tuple[str, str]]:
    for call in expected.calls or ():
        if call.name not in schemas:
            yield f"expected function `{call.name}` isn't among the tools", did_you_mean(call.name, schemas)
            continue
        schema = schemas[call.name]
        known = schema.get("properties") or {}
        for key, value in (call.arguments or {}).items():
            if key not in known and schema.get("additionalProperties") is False:
                yield f"`{call.name}` has no parameter `{key}`", did_you_mean(key, known)
            else:
                yield from _value_problems(value, known.get(key, {}), schema, f"{call.name}.{key}")


def _value_problems(value: Any, schema: Any, root: Schema, where: str) -> Iterator[tuple[str, str]]:
    """Of an operator, its own form; of a literal, whether the tool's schema allows it."""
    import jsonschema_rs

    operator = operator_of(value)
    if not operator and isinstance(value, dict) and any(operator_of(v) for v in value.values()):
        properties = schema.get("properties") or {} if isinstance(schema, dict) else {}
        for key, part in value.items():
            yield from _value_problems(part, properties.get(key, {}), root, f"{where}.{key}")
        return
    for literal in _literals_in(value, operator):
        definitions = {k: root[k] for k in ("$defs", "definitions") if k in root}
        whole = {**schema, **definitions} if isinstance(schema, dict) else {}
        try:
            error = next(iter(jsonschema_rs.validator_for(whole).iter_errors(literal)), None)
        except (ValueError, jsonschema_rs.ValidationError):
            return
        if error is not None:
            yield f"`{where}` can't be {json.dumps(literal)[:60]}: {error.message}", ""
    if operator == "range" and not _is_range(value["range"]):
        yield f"`range` of `{where}` is two numbers, the lower one first", "write {range: [1, 120]}"
    if operator == "regex":
        try:
            matches(str(value["regex"]), "")
        except ValueError as error:
            yield f"`regex` of `{where}`: {error}", "it is Rust's syntax, without look-around and references"


def _literals_in(value: Any, operator: str) -> list[Any]:
    if operator == "one_of":
        options = value["one_of"]
        return [o for o in options if not operator_of(o)] if isinstance(options, list) else []
    if operator in ("optional", "literal"):
        return [] if operator_of(value[operator]) and operator == "optional" else [value[operator]]
    return [] if operator else [value]


def _is_range(bounds: Any) -> bool:
    return (
        isinstance(bounds, list)
        and len(bounds) == 2
        and all(isinstance(b, int | float) and not isinstance(b, bool) for b in bounds)
        and bounds[0] <= bounds[1]
    )
