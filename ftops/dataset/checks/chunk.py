"""Chunk check: some whole lines of a file, checked without I/O, so that any process can do it.

A piece of plain conversations alone is read fast, which takes only what the precise reader finds nothing in;
any other piece is read by the precise one, line by line, which says what is wrong.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import MsgspecError, Struct, field, msgpack
from xxhash import xxh3_64_hexdigest, xxh3_128_digest

from ftops.dataset.checks.example_facts import MAX_LABEL, TEXT, beginning, facts
from ftops.dataset.checks.minhash import sketches
from ftops.dataset.files.jsonl_io import canonical
from ftops.dataset.formats import chat, fast_reader, functions, preference, reinforcement, vision
from ftops.dataset.formats.jsonl import DOCUMENT_START, parse, span
from ftops.dataset.rules.catalogue import RULES
from ftops.dataset.rules.findings import MAX_SHOWN, Finding, Found, place, spell
from ftops.dataset.rules.sensitive_data import hits

Check = Callable[[Mapping[str, Any]], Iterator[Finding]]
CHECKS: Mapping[str, Check] = {
    "chat": chat.check,
    "preference": preference.check,
    "reinforcement": reinforcement.check,
}
KEPT = 1000
"""Different system messages, answers, definitions that are told apart."""

_SPECIAL = re.compile(
    rb"<\|(?:im_start|im_end|im_sep|endoftext|endofprompt|fim_prefix|fim_middle|fim_suffix|"
    rb"start|end|message|channel|constrain|return|call)\|>"
)
_LINE_END = b"\r\n"

Where = tuple[int, int]
"""The line where something was seen first, and how often it was seen."""


class Chunk(Struct):
    """What is known of some lines. Line numbers count from 1 at the piece's first."""

    lines: int = 0
    examples: int = 0
    longest: int = 0
    images: int = 0
    """Examples with images."""
    contents: bytes = b""
    """16 bytes for each example, by what is in it."""
    sketches: bytes = b""
    """16 bytes for each example, by what is said in it (ftops.dataset.checks.minhash)."""
    numbers: bytes = b""
    """The line of each example: 4 bytes."""
    counts: dict[str, int] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)
    """The first of each rule."""
    systems: dict[str, Where] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    fields: dict[str, Where] = field(default_factory=dict)
    definitions: dict[str, dict[str, Where]] = field(default_factory=dict)
    """By name of the function and digest of its definition."""
    is_document: bool = False
    """The first line is that of a document over many lines: what follows is no JSON Lines."""


class Reader:
    """Reads the pieces of one file."""

    def __init__(self, format: str, *, vectorised: bool = False) -> None:
        """`vectorised`: with numpy, where there is enough to read."""
        self._vectorised = vectorised
        self._check = CHECKS[format]
        self._is_chat = format == "chat"
        self._graded = format == "reinforcement"

    def read(self, block: bytes) -> Chunk:
        """Checks some whole lines. The last needs no end."""
        run = _Piece(self._check, self._graded)
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if not (self._is_chat and self._read_plain(run, block, lines)):
            run.add_precisely(lines)
        run.piece.lines = len(lines)
        run.piece.longest = max(map(len, lines), default=0)
        run.scan(block, self._vectorised)
        return run.end(self._vectorised)

    def _read_plain(self, run: _Piece, block: bytes, lines: Sequence[bytes]) -> bool:
        """False where a line isn't a plain conversation."""
        try:
            examples = [*map(fast_reader.decode, lines)]
        except (MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        starts = _StartOf()
        said: list[list[str]] = []
        systems: list[str] = []
        messages = 0
        for example in examples:
            start = starts[tuple([m.role for m in example.messages])]
            texts = [m.content for m in example.messages]
            messages += len(texts)
            if start < 0 or any(map(str.isspace, texts)):
                return False
            systems.append(texts.pop(0) if start else "")
            said.append(texts)
        encoded = [*map(fast_reader.encode, examples)]
        # Written without spaces, or with one after each comma and colon, nothing else can be in it.
        is_tight = all(
            len(line) - len(text) in (0, 4 * len(example.messages))
            for line, text, example in zip(lines, encoded, examples, strict=True)
        )
        if not is_tight and fast_reader.count_keys(block) != (messages, messages):
            return False
        run.add_plain(encoded, systems, said)
        return True


def answering(format: str) -> Callable[[bytes], bytes]:
    """For other processes: checks a piece of a big file, one after the other."""
    reader = Reader(format, vectorised=True)
    return lambda block: msgpack.encode(reader.read(block))


def detect(line: bytes) -> str | None:
    """The format of an example; None where it can't be told from this line."""
    try:
        example = parse(line.strip().decode())
    except UnicodeDecodeError:
        return None
    if isinstance(example, Finding):
        return None
    if {"input", *preference.OUTPUTS} & example.keys():
        return "preference"
    messages = example.get("messages")
    if chat.is_conversation(messages) and isinstance(messages, list) and reinforcement.fields(example):
        roles = [message["role"] for message in messages]
        if "assistant" not in roles or roles[-1] == "user":
            return "reinforcement"
    return "chat" if messages is not None else None


def _find_special(block: bytes) -> Iterator[re.Match[bytes]]:
    return _SPECIAL.finditer(block) if b"|" in block and b"<|" in block else iter(())


class _StartOf(dict[tuple[str, ...], int]):
    """How many system messages a sequence of roles starts with; -1 where it isn't in order. Each is
    looked at once."""

    def __missing__(self, roles: tuple[str, ...]) -> int:
        self[roles] = start = -1 if chat.order(roles) else int(roles[0] in chat.SYSTEM)
        return start


class _Piece:
    """A piece in the making."""

    def __init__(self, check: Check, graded: bool) -> None:
        self.piece = Chunk()
        self.check = check
        self.graded = graded
        self.contents = bytearray()
        self.said: list[str] = []
        self.numbers = array("I")
        self.systems: dict[str, list[int]] = {}
        self.definitions: dict[int, tuple[Mapping[str, functions.Function], list[int]]] = {}
        self.labels = self.piece.labels

    def add_plain(
        self, encoded: Sequence[bytes], systems: Sequence[str], said: Sequence[Sequence[str]]
    ) -> None:
        """Plain conversations, one a line: canonical texts, system messages, all other messages."""
        self.contents += b"".join(map(xxh3_128_digest, encoded))
        self.said = [*map(beginning, said)]
        self.numbers = array("I", range(1, len(encoded) + 1))
        for system, count in Counter(systems).items():
            self.systems[system] = [systems.index(system) + 1, count]
        answers = [texts[-1] for texts in said]
        self.labels.update(Counter([a if len(a) <= MAX_LABEL else TEXT for a in answers]))

    def add_precisely(self, lines: Sequence[bytes]) -> None:
        for number, line in enumerate(lines, 1):
            if line.strip():
                self._add_line(number, line)
                if self.piece.is_document:
                    return

    def _add_line(self, number: int, raw: bytes) -> None:
        """Says what is wrong with a line."""
        try:
            line = raw.rstrip(_LINE_END).decode()
        except UnicodeDecodeError as error:
            self._add_undecodable(number, raw, error)
            return
        example = parse(line)
        if isinstance(example, Finding):
            self.say(number, line, example)
            self.piece.is_document = number == 1 and line.strip() in DOCUMENT_START
            self._add(number, xxh3_128_digest(raw.strip()), None, (), "")
            return
        findings = list(self.check(example))
        for finding in findings:
            self.say(number, line, finding)
        system, said, label = facts(example)
        self._add(number, xxh3_128_digest(canonical(example)), system, () if findings else said, label)
        self._add_facts(number, example)

    def say(self, number: int, line: str, finding: Finding) -> None:
        """Finding the place costs more than finding the fault, so it is only done for the first few."""
        counts = self.piece.counts
        counts[finding.rule] = counts.get(finding.rule, 0) + 1
        if counts[finding.rule] > MAX_SHOWN:
            return
        start, width = (finding.at, 1) if isinstance(finding.at, int) else span(line, finding.at)
        path = "" if isinstance(finding.at, int) else spell(finding.at)
        self._say_at(number, line, (start, width), path, finding)

    def scan(self, block: bytes, vectorised: bool) -> None:
        """Looks for what no text should hold, whoever says it."""
        for rule, start, end in hits(block, vectorised=vectorised):
            what = RULES[rule].what.removeprefix("The examples contain no ").removesuffix(".")
            self._say_within(block, start, end, Finding(rule, what))
        for match in _find_special(block):
            finding = Finding("data/special-token", f"the special token {match[0].decode()}")
            self._say_within(block, match.start(), match.end(), finding)

    def end(self, vectorised: bool) -> Chunk:
        piece = self.piece
        piece.examples = len(self.numbers)
        piece.contents = bytes(self.contents)
        piece.sketches = sketches(self.said, vectorised=vectorised)
        piece.numbers = self.numbers.tobytes()
        for text, (first, count) in self.systems.items():
            if len(piece.systems) < KEPT:
                piece.systems[xxh3_64_hexdigest(text.encode("utf-8", "replace"))] = (first, count)
        for by_name, (first, count) in self.definitions.values():
            for name, function in by_name.items():
                self._add_definition(name, function, first, count)
        if len(self.labels) > KEPT:
            piece.labels = dict(sorted(self.labels.items(), key=lambda item: -item[1])[:KEPT])
        return piece

    def _add(self, number: int, content: bytes, system: str | None, said: Sequence[str], label: str) -> None:
        self.contents += content
        self.numbers.append(number)
        self.said.append(beginning(said))
        if system is not None:
            self.systems.setdefault(system, [number, 0])[1] += 1
        if label:
            self.labels[label] = self.labels.get(label, 0) + 1

    def _add_facts(self, number: int, example: Mapping[str, Any]) -> None:
        holder = example.get("input", example)
        if isinstance(holder, dict):
            offer, _ = chat.check_offer(holder, ())
            if offer.by_name:
                seen = self.definitions.setdefault(id(offer.by_name), (offer.by_name, [number, 0]))
                seen[1][1] += 1
        messages = holder.get("messages") if isinstance(holder, dict) else None
        if isinstance(messages, list) and vision.count_images(messages):
            self.piece.images += 1
        if self.graded and len(self.piece.fields) < KEPT:
            key = ", ".join(sorted(reinforcement.fields(example)))[:200]
            first, count = self.piece.fields.get(key, (number, 0))
            self.piece.fields[key] = (first, count + 1)

    def _add_definition(self, name: str, function: functions.Function, number: int, count: int) -> None:
        definitions = self.piece.definitions
        if name in definitions or len(definitions) < KEPT:
            known = definitions.setdefault(name, {})
            digest = xxh3_64_hexdigest(function.text.encode("utf-8", "replace"))
            first, before = known.get(digest, (number, 0))
            known[digest] = (min(first, number), before + count)

    def _add_undecodable(self, number: int, raw: bytes, error: UnicodeDecodeError) -> None:
        line = raw.rstrip(_LINE_END).decode(errors="replace")
        at = len(raw[: error.start].decode())
        summary = f"the byte 0x{raw[error.start]:02x} is not UTF-8"
        self.say(number, line, Finding("file/not-utf8", summary, at))
        self._add(number, xxh3_128_digest(raw.strip()), None, (), "")

    def _say_within(self, block: bytes, start: int, end: int, finding: Finding) -> None:
        counts = self.piece.counts
        counts[finding.rule] = counts.get(finding.rule, 0) + 1
        if counts[finding.rule] > MAX_SHOWN:
            return
        begin = block.rfind(b"\n", 0, start) + 1
        stop = block.find(b"\n", start)
        raw = block[begin : stop if stop >= 0 else len(block)]
        number = block.count(b"\n", 0, start) + 1
        at = len(raw[: start - begin].decode(errors="replace"))
        width = len(block[start:end].decode(errors="replace"))
        line = raw.rstrip(_LINE_END).decode(errors="replace")
        self._say_at(number, line, (at, width), "", finding)

    def _say_at(self, number: int, line: str, where: tuple[int, int], path: str, finding: Finding) -> None:
        at = place("", number, line, *where)
        rule = RULES[finding.rule]
        self.piece.found.append(
            Found(
                finding.rule,
                number,
                at.column,
                at.width,
                at.text,
                path,
                finding.summary,
                finding.detail or rule.why,
                finding.hint or rule.fix,
            )
        )
