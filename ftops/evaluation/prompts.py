"""Prompts of an evaluation, with what is expected of an answer, read from JSON, JSON Lines or CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import PurePath
from typing import Any, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from ftops.core.errors import Diagnostic, Place, SpecError
from ftops.core.plurals import plural
from ftops.core.suggestions import did_you_mean, some
from ftops.dataset.files.jsonl_io import canonical
from ftops.dataset.formats.jsonl import MAX_DEPTH, decode, is_too_deep
from ftops.dataset.rules.findings import quote
from ftops.evaluation.expectations import (
    Expected,
    Unclear,
    expected_of,
    of_message,
    problems,
    schemas_of,
    tools_problem,
)
from ftops.evaluation.schemas import Schema

ROW_KEYS = ("prompt", "messages", "expect", "slice", "id", "cluster", "tools", "functions", "item")
MOST_ERRORS = 20
LONGEST_CELL = 1 << 30
_NOTHING = object()
_COLUMNS = 1 << 32
_BETWEEN_ROWS = re.compile(r"[\s,]*")


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
    line: int = 0
    """Where it begins in its file, if that is known. It isn't part of what is asked."""

    @property
    def group(self) -> tuple[str, str]:
        """Prompts of one group count as one observation; a cluster is never taken for a prompt's id."""
        return ("cluster", self.cluster) if self.cluster else ("id", self.id)

    @property
    def text(self) -> str:
        """The last message of the user, for people."""
        contents = (m.get("content") for m in reversed(self.messages) if m.get("role") == "user")
        return next((c for c in contents if isinstance(c, str)), "")


class _Row(Struct, frozen=True):
    values: Mapping[str, Any]
    place: Place
    is_placed: bool = True
    """Whether it begins at this place, and not just somewhere after it."""


class _Faults:
    """Collects errors, to report the first of them at once."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []
        self.count = 0
        self._alike: dict[tuple[str, str, str], list[Place]] = {}
        """By their words: the places of the faults that are alike, of which the first one is in `found`."""
        self.rows: dict[Place, int] = {}
        """Row numbers of a JSON list: a line number alone says little if the list is one line."""

    def add(self, summary: str, place: Place, detail: str = "", hint: str = "") -> None:
        alike = self._alike.setdefault((summary, detail, hint), [])
        alike.append(place)
        if len(alike) > 1:
            return
        self.count += 1
        if row := self.rows.get(place):
            summary = f"row {row}: {summary}"
        if len(self.found) < MOST_ERRORS:
            self.found.append(Diagnostic(summary, detail, hint, place))

    def summed_up(self) -> list[Diagnostic]:
        """What was found; a fault that others are like says where these are."""
        others = {places[0]: places[1:] for places in self._alike.values() if len(places) > 1}
        return [_with_others(one, others.get(one.place, ()) if one.place else ()) for one in self.found]


def _with_others(finding: Diagnostic, others: Sequence[Place]) -> Diagnostic:
    if not others:
        return finding
    lines = some((place.line for place in others), _LINES)
    detail = f"{finding.detail} It is the same in {plural(len(others), 'other prompt')}: line {lines}."
    return replace(finding, detail=detail.strip())


_LINES = 5
"""So many lines are named of faults that are alike."""


def read_prompts(content: bytes, name: str, tools: Sequence[Mapping[str, Any]] = ()) -> tuple[Prompt, ...]:
    """All prompts of a file, by the end of its name. Raises SpecError with its faults."""
    return tuple(stream_prompts(io.BytesIO(content), name, tools))


def stream_prompts(stream: BinaryIO, name: str, tools: Sequence[Mapping[str, Any]] = ()) -> Iterator[Prompt]:
    """The same, one by one. What is wrong with any of them is raised after the last one."""
    faults = _Faults()
    suffix = PurePath(name).suffix.lower()
    if suffix not in _READERS:
        summary = f"{name} isn't a file of prompts: its name ends with none of {', '.join(_READERS)}"
        raise SpecError(
            [Diagnostic(summary, "", "`ftops docs evaluation` describes the formats", Place(name))]
        )
    rows = _READERS[suffix](stream, name, faults)
    schemas = schemas_of(tools)
    places: dict[str, int] = {}
    """By id, packed, because there may be a million."""
    for row in rows:
        prompt = _prompt(row, schemas, faults)
        if prompt is None:
            continue
        if prompt.id in places:
            line, column = divmod(places[prompt.id], _COLUMNS)
            detail = f"The first one is at {Place(name, line, column)}."
            what = f"the id {quote(prompt.id)}" if "id" in row.values else "the same messages and slice"
            faults.add(f"two prompts have {what}", row.place, detail, "give each an `id` of its own")
            continue
        places[prompt.id] = row.place.line * _COLUMNS + row.place.column
        yield prompt
    if not places and not faults.count:
        faults.add(f"{name} has no prompts", Place(name), "", "an evaluation needs at least one")
    if more := faults.count - len(faults.found):
        faults.found.append(Diagnostic(f"{name} has {plural(more, 'more error')}", "", "", Place(name)))
    if faults.found:
        raise SpecError(faults.summed_up())


# Files to rows


def _text_of(content: bytes, place: Place) -> str:
    """Raises SpecError if it isn't UTF-8."""
    try:
        return content.decode("utf-8-sig" if place.line <= 1 else "utf-8")
    except UnicodeDecodeError as error:
        place = Place(place.file, max(1, place.line) + content.count(b"\n", 0, error.start))
        raise SpecError(
            [Diagnostic(f"{place.file} isn't UTF-8 text", "", "save it as UTF-8", place)]
        ) from error


def _csv(stream: BinaryIO, name: str, faults: _Faults) -> Iterator[_Row]:
    """A cell of `expect` that begins with a brace is JSON."""
    text = _text_of(stream.read(), Place(name))
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    line = 2
    try:
        for cells in reader:
            place, line = Place(name, line), reader.line_num + 1
            values: dict[str, Any] = {k: v for k, v in cells.items() if k and v}
            if cells.get(None):
                faults.add("a row has more cells than the first one", place, "", "quote texts with commas")
                continue
            if str(values.get("expect", "")).startswith("{"):
                values["expect"] = _decoded(values["expect"], place, faults)
                if values["expect"] is _NOTHING:
                    continue
            yield _Row(values, place)
    except csv.Error as error:
        faults.add(f"{name} isn't a CSV file", Place(name, reader.line_num), f"{error}.")


def _json(stream: BinaryIO, name: str, faults: _Faults) -> Iterator[_Row]:
    text = _text_of(stream.read(), Place(name))
    document = _decoded(text, Place(name), faults)
    if isinstance(document, list):
        for i, (value, place) in enumerate(zip(document, _row_places(text, name), strict=True), 1):
            faults.rows[place] = i
            yield from _object(value, place, faults)
    elif isinstance(document, dict):
        yield from _sections(document, Place(name), faults)
    elif document is not _NOTHING:
        faults.add("prompts must be a list or an object of sections", Place(name))


def _lines(stream: BinaryIO, name: str, faults: _Faults) -> Iterator[_Row]:
    for number, raw in enumerate(stream, 1):
        place = Place(name, number)
        line = _text_of(raw, place).removesuffix("\n")
        if line.strip():
            yield from _object(_decoded(line, place, faults), place, faults)


_READERS = {".json": _json, ".jsonl": _lines, ".csv": _csv}


def _row_places(text: str, name: str) -> Iterator[Place]:
    """Where the items of a JSON list begin."""
    decoder, line, line_start, position = json.JSONDecoder(), 1, 0, 0
    end = text.index("[") + 1
    while True:
        start = _BETWEEN_ROWS.match(text, end).end()  # type: ignore[union-attr]
        if text[start] == "]":
            return
        line += text.count("\n", position, start)
        line_start = text.rfind("\n", position, start) + 1 or line_start
        yield Place(name, line, start - line_start + 1)
        position = start
        _, end = decoder.raw_decode(text, start)


def _object(value: Any, place: Place, faults: _Faults) -> Iterator[_Row]:
    if isinstance(value, dict):
        yield _Row(value, place)
    elif value is not _NOTHING:
        faults.add("a row of prompts must be an object", place, "", 'write {"prompt": "…", "expect": "…"}')


def _sections(document: Mapping[str, Any], place: Place, faults: _Faults) -> Iterator[_Row]:
    """`{section: {prompt: expected}}`."""
    if "prompt" in document or "messages" in document:
        faults.add("one row isn't a list of prompts", place, "", "write a list of rows: [{…}, {…}]")
        return
    for section, prompts in document.items():
        if not isinstance(prompts, dict):
            faults.add(f"section `{section}` must be an object of prompts", place)
            continue
        for prompt, expected in prompts.items():
            yield _Row({"prompt": prompt, "expect": expected, "slice": section}, place, False)


def _decoded(text: str, place: Place, faults: _Faults) -> Any:
    """_NOTHING if it is no JSON, or none that a service could be sent."""
    try:
        value = decode(text)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
        if text.count("[") + text.count("{") > MAX_DEPTH and is_too_deep(value):
            raise RecursionError
        return value
    except json.JSONDecodeError as error:
        line = place.line + error.lineno - 1
        faults.add("invalid JSON", Place(place.file, line, error.colno), error.msg)
    except UnicodeEncodeError:
        faults.add("half of a surrogate pair", place, "It isn't a character and can't be sent.")
    except (ValueError, RecursionError):
        faults.add("invalid JSON", place, "it has a key twice, is nested too deeply or has no such numbers")
    return _NOTHING


# Rows to prompts


def _prompt(row: _Row, shared: Mapping[str, Schema], faults: _Faults) -> Prompt | None:
    values = row.values
    if isinstance(values.get("item"), dict):
        values = {**values["item"], **{k: v for k, v in values.items() if k != "item"}}
    elif unknown := [key for key in values if key not in ROW_KEYS]:
        hint = did_you_mean(unknown[0], ROW_KEYS, said=faults.count)
        faults.add(f"unknown key `{unknown[0]}` in a prompt", row.place, "", hint)
        return None
    try:
        if not isinstance(row.values.get("item", {}), dict):
            raise Unclear("`item` must be an object")
        own = _tools(values)
        messages, expectation = _messages(values)
        schemas = schemas_of(own) if own else shared
        expected = expected_of(expectation, schemas)
    except Unclear as error:
        faults.add(str(error), row.place, "", error.hint)
        return None
    for problem, hint in problems(expected, schemas):
        faults.add(problem, row.place, f"prompt: {_text(messages)}", hint)
    part, cluster = _label(values, "slice"), _label(values, "cluster")
    id = _label(values, "id") or sha256(canonical([messages, part])).hexdigest()[:12]
    line = row.place.line if row.is_placed else 0
    return Prompt(id, messages, expected, part, cluster, own, row.values.get("item") or {}, line)


def _label(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _text(messages: Sequence[Mapping[str, Any]]) -> str:
    return str(messages[-1].get("content"))[:80] if messages else ""


def _tools(values: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    tools = values.get("tools")
    if tools is None and isinstance(functions := values.get("functions"), list):
        tools = [{"type": "function", "function": function} for function in functions]
    if problem := tools_problem(tools or ()):
        raise Unclear(problem)
    return tuple(tools or ())


def _messages(values: Mapping[str, Any]) -> tuple[tuple[Mapping[str, Any], ...], Any]:
    """What is asked, and what is expected. Raises Unclear."""
    expectation, messages = values.get("expect"), values.get("messages")
    if messages is None:
        prompt = values.get("prompt")
        if not isinstance(prompt, str) or not prompt:
            raise Unclear("a prompt has neither `prompt` nor `messages`", "`prompt` must be a string")
        messages = [{"role": "user", "content": prompt}]
    elif not isinstance(messages, list) or not all(
        isinstance(m, dict) and isinstance(m.get("role"), str) for m in messages
    ):
        raise Unclear("`messages` must be a list of objects with a `role`")
    elif expectation is None and messages and messages[-1]["role"] == "assistant":
        messages, expectation = messages[:-1], of_message(messages[-1])
    if expectation is None:
        hint = "add `expect`, or end `messages` with the assistant's message"
        raise Unclear("a prompt has no expected answer", hint)
    if not messages:
        raise Unclear("a prompt has no message to send")
    return tuple(messages), expectation
