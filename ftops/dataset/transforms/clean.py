"""Cleaning: mends what can be mended without guessing, and lists it. Cleaning twice changes nothing more.

Of a file: byte order marks between lines, carriage returns, blank lines. Of an example: keys of messages that
are null, empty `content` beside calls, empty messages, consecutive assistant messages (if asked), nothing but
empty answers, and repetitions. All else stays as it is, byte by byte, broken lines too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import compress, groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from xxhash import xxh3_128_intdigest

from ftops.core.confined_files import opened
from ftops.core.errors import Place
from ftops.core.snippets import command
from ftops.dataset.checks import chunk
from ftops.dataset.checks.checker import lines_at
from ftops.dataset.files.jsonl_io import (
    BOM,
    TOO_LONG,
    DataError,
    Example,
    blocks,
    canonical,
    dump,
    unreadable,
)
from ftops.dataset.formats import OUTPUTS, vision
from ftops.dataset.formats.chat import SYSTEM, means_nothing
from ftops.dataset.formats.functions import CALLS
from ftops.dataset.formats.jsonl import parse
from ftops.dataset.profile.tokens import calls
from ftops.dataset.rules.findings import Finding, Inspection

MENDED: Mapping[str, tuple[str, ...]] = {
    "file/mark-inside": (),
    "file/line-ends": (),
    "chat/null-content": (),
    "chat/empty-content": (),
    "chat/empty-message": (),
    "chat/empty-reply": (),
    "chat/role-order": ("--merge-assistants",),
    "data/duplicate": (),
}
"""Rules whose findings may disappear, and the option of the command that this takes."""
_OF_EXAMPLES = "chat/"
"""Of such a rule, a finding disappears or not; those of the others all do."""
_OPTIONAL = ("tools", "functions", "tool_choice", "function_call", "parallel_tool_calls")
"""Keys of an example that mean the same if they are null or absent."""

_BETWEEN = re.compile(b"\r|" + BOM)
"""What may be between examples instead of a line end."""
Message = dict[str, Any]


class Consecutive(Enum):
    """What becomes of assistant messages that follow one another."""

    LEAVE = "leave"
    MERGE = "merge"
    """They become one message."""
    KEEP_LAST = "keep-last"


class Change(NamedTuple):
    """What was done with a line of the source."""

    line: int
    kind: str
    """Such as `duplicate`."""
    text: str
    other: int = 0
    """Another line of the source, that the text ends with; 0: none."""


class Cleaned(NamedTuple):
    """What becomes of a line: its new bytes (None: it is removed), and all that was changed."""

    raw: bytes | None
    changes: tuple[Change, ...] = ()


def clean(
    path: Path, consecutive: Consecutive = Consecutive.LEAVE, *, keep_duplicates: bool = False
) -> Iterator[Cleaned]:
    """Every line of a file, in order. Raises UsageError if it can't be read."""
    first: dict[int, int] = {}
    for number, raw, changes in _lines(path):
        example = _parsed(raw)
        texts = [] if example is None else list(dict.fromkeys(_mend(example, consecutive)))
        changes += tuple(Change(number, kind, text) for kind, text in texts)
        if example is not None and _only_empty_answers(example):
            yield Cleaned(None, (*changes, Change(number, "empty-answer", "removed: its answers are empty")))
            continue
        content = raw.strip() if example is None else canonical(example)
        before = first.setdefault(xxh3_128_intdigest(content), number)
        if before != number and not keep_duplicates:
            text = "removed: the same example as in line"
            yield Cleaned(None, (*changes, Change(number, "duplicate", text, before)))
        else:
            yield Cleaned(dump(example) if texts else raw, changes)


def mended(path: Path, inspection: Inspection) -> tuple[str, ...]:
    """Rules whose findings `clean` removes, or some of them, by the lines that are listed. Raises OSError."""
    listed = [f for f in inspection.found if f.rule in MENDED and f.line]
    texts = dict(lines_at(path, {f.line for f in listed if f.rule.startswith(_OF_EXAMPLES)}))
    format = inspection.format or "chat"
    return tuple(
        rule
        for rule in MENDED
        if rule in inspection.counts
        and (
            not rule.startswith(_OF_EXAMPLES)
            or any(f.rule == rule and _helps(texts.get(f.line, "").encode(), rule, format) for f in listed)
        )
    )


def _helps(raw: bytes, rule: str, format: str) -> bool:
    """Whether a rule finds less in an example when it is cleaned."""
    example = _parsed(raw)
    if example is None:
        return False
    changes = list(_mend(example, Consecutive.MERGE if MENDED[rule] else Consecutive.LEAVE))
    if _only_empty_answers(example) or not changes:
        return _only_empty_answers(example)
    return chunk.read(dump(example), format).counts.get(rule, 0) < chunk.read(raw, format).counts[rule]


def _parsed(raw: bytes) -> Example | None:
    """The object on a line; None if the checks find that it isn't one."""
    try:
        example = parse(raw.decode())
    except UnicodeDecodeError:
        return None
    return None if isinstance(example, Finding) else example


def _lines(path: Path) -> Iterator[tuple[int, bytes, tuple[Change, ...]]]:
    """Lines that aren't blank, without their line ends, and what was changed about them."""
    number = 0
    try:
        with opened(path) as stream:
            for block in blocks(stream):
                for raw in block.removesuffix(b"\n").split(b"\n"):
                    number += 1
                    if raw == TOO_LONG:
                        raise _too_long(path, number)
                    yield from _split(number, raw)
    except OSError as error:
        raise unreadable(path, error) from error


def _too_long(path: Path, number: int) -> DataError:
    hint = f"remove it, then run {command('ftops', 'data', 'clean', str(path))}"
    place = Place(str(path), number)
    return DataError("a line of more than 32 MiB isn't read, so it can't be cleaned", "", hint, place)


def _split(number: int, raw: bytes) -> Iterator[tuple[int, bytes, tuple[Change, ...]]]:
    """One line, or several that only carriage returns or byte order marks separate."""
    line = raw.removesuffix(b"\r").removeprefix(BOM)
    parts, between = [line], b""
    if _parsed(line) is None:
        apart = [part for part in _BETWEEN.split(line) if part.strip()]
        if all(_parsed(part) is not None for part in apart):
            parts, between = apart, line
    changes: list[Change] = []
    if raw.endswith(b"\r") or b"\r" in between:
        changes.append(Change(number, "line-end", "carriage returns became line ends"))
    if BOM in between or (number > 1 and raw.startswith(BOM)):
        changes.append(Change(number, "byte-order-mark", "removed a byte order mark between lines"))
    for part in parts:
        if part.strip(b" \t\r"):
            yield number, part, tuple(changes)
            changes = []


def _mend(example: Example, consecutive: Consecutive) -> Iterator[tuple[str, str]]:
    """Mends an example in place. Yields (kind, text) of what it did."""
    holders = [example]
    if isinstance(example.get("input"), dict):
        holders.append(example["input"])
    for holder in holders:
        for key in _OPTIONAL:
            if key in holder and holder[key] is None:
                del holder[key]
                yield "null", f"removed `{key}`, which was null"
        for key in ("messages", *OUTPUTS):
            messages = holder.get(key)
            if isinstance(messages, list) and all(isinstance(m, dict) for m in messages):
                yield from _mend_messages(messages, consecutive)


def _mend_messages(messages: list[Message], consecutive: Consecutive) -> Iterator[tuple[str, str]]:
    for message in messages:
        empty = [key for key, value in message.items() if value is None and key not in ("role", "content")]
        content = message.get("content")
        says = any(calls(message)) or (content is None and message.get("refusal"))
        if (
            "content" in message
            and says
            and message.get("role") == "assistant"
            and (content is None or means_nothing(content))
        ):
            empty.append("content")
        if isinstance(content, list) and 0 < sum(texts := [not _is_blank(part) for part in content]) < len(
            texts
        ):
            message["content"] = [*compress(content, texts)]
            yield "empty-part", "removed a part without text"
        for key in empty:
            del message[key]
            yield "null", f"removed empty `{key}` of a message"
    before = None
    while before != len(messages):  # without one of them, others may be superfluous
        before = len(messages)
        for index in reversed(range(before)):
            if _is_superfluous(messages, index):
                yield "empty-message", f"removed an empty message of the role {messages[index]['role']}"
                del messages[index]
    if consecutive is not Consecutive.LEAVE:
        yield from _join(messages, consecutive)


def _is_blank(part: object) -> bool:
    return isinstance(part, dict) and vision.is_blank(part)


def _is_superfluous(messages: list[Message], index: int) -> bool:
    """Whether a message is empty, and the others are as good a conversation without it: a question stays
    before each answer, and no answers or system messages follow one another."""
    role = messages[index].get("role")
    if role not in (*SYSTEM, "user") or not _is_empty(messages[index]):
        return False
    around = [messages[i].get("role") for i in (index - 1, index + 1) if 0 <= i < len(messages)]
    if role == "user":
        return "user" in around
    return bool(around) and not (len(set(around)) == 1 < len(around) and around[0] != "user")


def _is_empty(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    has_content = bool(content.strip() if isinstance(content, str) else content)
    return not (has_content or any(message.get(key) for key in (*CALLS, "refusal")))


def _only_empty_answers(example: Example) -> bool:
    """Whether it is a conversation that ends with an answer, and all its answers are empty."""
    messages = example.get("messages")
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages) or not messages:
        return False
    answers = [m for m in messages if m.get("role") == "assistant"]
    return messages[-1] in answers and all(map(_is_empty, answers))


def _join(messages: list[Message], consecutive: Consecutive) -> Iterator[tuple[str, str]]:
    """Joins consecutive assistant messages, or keeps the last of them."""
    runs = [(role, list(run)) for role, run in groupby(messages, key=lambda m: m.get("role"))]
    joined: list[Message] = []
    for role, run in runs:
        kept = run
        if role == "assistant" and len(run) > 1:
            if consecutive is Consecutive.KEEP_LAST:
                kept = run[-1:]
                yield "consecutive", f"kept the last of {len(run)} consecutive assistant messages"
            elif _can_be_merged(run):
                kept = [_merged(run)]
                yield "consecutive", f"merged {len(run)} consecutive assistant messages"
        joined += kept
    messages[:] = joined


def _can_be_merged(run: list[Message]) -> bool:
    """Whether one message can say the same: texts before calls, all with one weight and name."""
    if any(m.keys() - {"role", "content", "tool_calls", "weight", "name"} for m in run):
        return False
    if any(not isinstance(m.get("content", ""), str) for m in run) or any(
        not isinstance(m.get("tool_calls", []), list) for m in run
    ):
        return False
    if len({(str(m.get("weight", 1)), str(m.get("name"))) for m in run}) > 1:
        return False
    return not any("tool_calls" in before and "content" in after for before, after in pairwise(run))


def _merged(run: list[Message]) -> Message:
    result: Message = {"role": "assistant"}
    texts = [m["content"] for m in run if m.get("content")]
    called = [call for m in run for call in m.get("tool_calls", ())]
    if texts or not called:
        result["content"] = "\n\n".join(texts)
    if called:
        result["tool_calls"] = called
    return result | {key: run[0][key] for key in ("weight", "name") if key in run[0]}
