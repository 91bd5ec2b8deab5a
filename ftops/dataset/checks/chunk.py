"""Chunk check: some whole lines of a file, checked without I/O, so that any process can do it.

A chunk that has only plain conversations is read by the fast reader, which accepts only what the precise
reader finds nothing wrong with. All others are read by the precise reader, line by line.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import sub
from typing import Any

from msgspec import Struct, field, msgpack
from xxhash import xxh3_64_hexdigest, xxh3_128_digest

from ftops.dataset.checks.beginnings import opening_of, openings
from ftops.dataset.checks.minhash import MAX_LABEL, TEXT, extract, minhashes, starts
from ftops.dataset.files.jsonl_io import canonical
from ftops.dataset.formats import OUTPUTS, chat, foreign, functions, is_conversation, plain, vision
from ftops.dataset.formats.jsonl import parse, span
from ftops.dataset.formats.plain import PlainBlock
from ftops.dataset.rules.catalogue import RULES
from ftops.dataset.rules.escapes import unescaped
from ftops.dataset.rules.findings import MAX_SHOWN, Finding, LocatedFinding, place, spell
from ftops.dataset.rules.sensitive_data import hits

Check = Callable[[Mapping[str, Any]], Iterator[Finding]]
CHECKS: Mapping[str, Check] = {
    "chat": chat.check,
    "preference": chat.check_pair,
    "reinforcement": chat.check_task,
}
KEPT = 1000
"""Different system messages, answers and definitions that are told apart."""

_SPECIAL = re.compile(
    rb"<\|(?:im_start|im_end|im_sep|endoftext|endofprompt|fim_prefix|fim_middle|fim_suffix|"
    rb"start|end|message|channel|constrain|return|call)\|>"
)
_LINE_END = b"\r\n"

Where = tuple[int, int]
"""The line of the first occurrence, and the number of occurrences."""


class Chunk(Struct):
    """What is known of some lines. Line numbers count from 1 at the first line of the chunk."""

    lines: int = 0
    examples: int = 0
    longest: int = 0
    images: int = 0
    """Examples with images."""
    contents: bytes = b""
    """For each example, 16 bytes: the digest of its content."""
    minhashes: bytes = b""
    """For each example, 16 bytes (ftops.dataset.checks.minhash)."""
    openings: bytes = b""
    """For each example, 8 bytes (ftops.dataset.checks.beginnings)."""
    numbers: bytes = b""
    """For each example, 4 bytes: its line."""
    counts: dict[str, int] = field(default_factory=dict)
    found: list[LocatedFinding] = field(default_factory=list)
    """The first of each rule."""
    systems: dict[str, Where] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    fields: dict[str, Where] = field(default_factory=dict)
    definitions: dict[str, dict[str, Where]] = field(default_factory=dict)
    """By name of the function and digest of its definition."""


def read(block: bytes, format: str, *, vectorised: bool = False) -> Chunk:
    """Checks some whole lines. The last one may lack its line end. `vectorised`: with numpy, if there is
    enough to read."""
    decoded = plain.decode(block, vectorised=vectorised) if format == "chat" else None
    return read_decoded(block, decoded, format, vectorised=vectorised)


def read_decoded(block: bytes, decoded: PlainBlock | None, format: str, *, vectorised: bool) -> Chunk:
    """As `read`, of lines that are parsed, if all of them are plain conversations."""
    builder = _ChunkBuilder(format)
    if not (decoded and format == "chat" and builder.add_plain(block, decoded)):
        builder.add_precisely(block)
    builder.scan(block, vectorised)
    return builder.finish(vectorised)


def answering(format: str) -> Callable[[bytes], bytes]:
    """For other processes (ftops.dataset.checks.process_pool): checks the chunks of a big file."""
    return lambda block: msgpack.encode(read(block, format, vectorised=True))


def detect(line: bytes) -> str | None:
    """The format of an example, ours or that of another tool; None if it can't be told from this line."""
    try:
        example = parse(line.strip().decode())
    except UnicodeDecodeError:
        return None
    if isinstance(example, Finding):
        return None
    given = example.get("input")
    if not example.keys().isdisjoint(OUTPUTS) or (isinstance(given, dict) and "messages" in given):
        return "preference"
    if other := foreign.recognise(example):
        return other.name
    messages = example.get("messages")
    if is_conversation(messages) and isinstance(messages, list) and messages:
        roles = [message["role"] for message in messages]
        if roles[-1] == "user" and ("assistant" not in roles or chat.grader_fields(example)):
            return "reinforcement"
    return "chat" if messages is not None else None


@lru_cache(maxsize=4096)
def _system_count(roles: tuple[str, ...]) -> int:
    """The number of system messages that a sequence of roles starts with; -1 if the order is wrong."""
    return -1 if chat.order(roles) else int(roles[0] in chat.SYSTEM)


class _ChunkBuilder:
    def __init__(self, format: str) -> None:
        self.chunk = Chunk()
        self._check = CHECKS[format]
        self._graded = format == "reinforcement"
        self._contents = bytearray()
        self._texts: list[str] = []
        self._openings = array("Q")
        self._numbers = array("I")
        self._systems: dict[str, list[int]] = {}
        self._definitions: dict[int, tuple[chat.Offer, list[int]]] = {}
        self._labels = self.chunk.labels

    def add_plain(self, block: bytes, decoded: PlainBlock) -> bool:
        """The fast reader. Types, keys and roles were checked while the lines were parsed; the order of
        roles, blank texts and duplicate keys are checked here. False if anything may be wrong."""
        system_counts = [*map(_system_count, decoded.roles)]
        if min(system_counts) < 0 or any(map(str.isspace, chain.from_iterable(decoded.texts))):
            return False
        # Lines without spaces, or all with one after each comma and colon, have no room for duplicate keys.
        spaces = [4 * len(texts) for texts in decoded.texts]
        more = [*map(sub, decoded.sizes, map(len, decoded.canonical))]
        messages = sum(spaces) // 4
        counts = (messages, messages)
        if more != spaces and any(more):
            if (block.count(b'"role"'), block.count(b'"content"')) != counts:
                return False
            if b"\\u006" in block or b"\\u007" in block:  # letters that are escaped may be those of a key
                return False
        both = [*zip(decoded.texts, system_counts, strict=True)]
        systems = [texts[0] if count else "" for texts, count in both]
        texts_of_all = [texts[1:] if count else texts for texts, count in both]
        self._contents += b"".join(map(xxh3_128_digest, decoded.canonical))
        self._texts = starts(texts_of_all)
        self._openings = openings(texts_of_all)
        self._numbers = array("I", range(1, len(systems) + 1))
        for system, count in Counter(systems).items():
            self._systems[system] = [systems.index(system) + 1, count]
        answers = [texts[-1] for texts in texts_of_all]
        self._labels.update(Counter([a if len(a) <= MAX_LABEL else TEXT for a in answers]))
        self.chunk.lines, self.chunk.longest = len(decoded.sizes), max(decoded.sizes)
        return True

    def add_precisely(self, block: bytes) -> None:
        """Any lines, by the precise reader."""
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        for number, line in enumerate(lines, 1):
            if line.strip():
                self._add_line(number, line)
        self.chunk.lines = len(lines)
        self.chunk.longest = max(map(len, lines), default=0)

    def scan(self, block: bytes, vectorised: bool) -> None:
        """Searches all bytes for what no text should contain: secrets and special tokens."""
        text, offset = unescaped(block)
        for rule, start, end in hits(text, vectorised=vectorised):
            what = RULES[rule].what.removeprefix("The examples contain no ").removesuffix(".")
            self._report_bytes(block, offset(start), offset(end), Finding(rule, what))
        for match in _SPECIAL.finditer(text) if b"|" in text and b"<|" in text else ():
            finding = Finding("data/special-token", f"the special token {match[0].decode()}")
            self._report_bytes(block, offset(match.start()), offset(match.end()), finding)

    def finish(self, vectorised: bool) -> Chunk:
        chunk = self.chunk
        chunk.examples = len(self._numbers)
        chunk.contents = bytes(self._contents)
        chunk.minhashes = minhashes(self._texts, vectorised=vectorised)
        chunk.openings = self._openings.tobytes()
        chunk.numbers = self._numbers.tobytes()
        for text, (first, count) in self._systems.items():
            if len(chunk.systems) < KEPT:
                chunk.systems[_digest(text)] = (first, count)
        for by_name, (first, count) in self._definitions.values():
            for name, function in by_name.items():
                self._add_definition(name, function, first, count)
        if len(self._labels) > KEPT:
            chunk.labels = dict(sorted(self._labels.items(), key=lambda item: -item[1])[:KEPT])
        return chunk

    def _add_line(self, number: int, raw: bytes) -> None:
        try:
            line = raw.rstrip(_LINE_END).decode()
        except UnicodeDecodeError as error:
            line = raw.rstrip(_LINE_END).decode(errors="replace")
            summary = f"the byte 0x{raw[error.start]:02x} is not UTF-8"
            self._report(number, line, Finding("file/not-utf8", summary, len(raw[: error.start].decode())))
            self._add(number, xxh3_128_digest(raw.strip()), None, (), "", 0)
            return
        example = parse(line)
        if isinstance(example, Finding):
            self._report(number, line, example)
            self._add(number, xxh3_128_digest(raw.strip()), None, (), "", 0)
            return
        findings = list(self._check(example))
        for finding in findings:
            self._report(number, line, finding)
        system, texts, label = extract(example)
        digest, compared = xxh3_128_digest(canonical(example)), () if findings else texts
        self._add(number, digest, system, compared, label, opening_of(example))
        self._add_features(number, example)

    def _add(
        self,
        number: int,
        content: bytes,
        system: str | None,
        texts: Sequence[str],
        label: str,
        opening: int,
    ) -> None:
        self._contents += content
        self._openings.append(opening)
        self._numbers.append(number)
        self._texts += starts([texts])
        if system is not None:
            self._systems.setdefault(system, [number, 0])[1] += 1
        if label:
            self._labels[label] = self._labels.get(label, 0) + 1

    def _add_features(self, number: int, example: Mapping[str, Any]) -> None:
        """The functions, images and grader fields of an example."""
        holder = example.get("input", example)
        if isinstance(holder, dict):
            offer, _ = chat.check_offer(holder, ())
            if offer:
                seen = self._definitions.setdefault(id(offer), (offer, [number, 0]))
                seen[1][1] += 1
        messages = holder.get("messages") if isinstance(holder, dict) else None
        if isinstance(messages, list) and vision.count_images(messages):
            self.chunk.images += 1
        if self._graded and len(self.chunk.fields) < KEPT:
            key = ", ".join(sorted(chat.grader_fields(example)))[:200]
            first, count = self.chunk.fields.get(key, (number, 0))
            self.chunk.fields[key] = (first, count + 1)

    def _add_definition(self, name: str, function: functions.Function, number: int, count: int) -> None:
        definitions = self.chunk.definitions
        if name in definitions or len(definitions) < KEPT:
            variants = definitions.setdefault(name, {})
            digest = _digest(function.text)
            first, before = variants.get(digest, (number, 0))
            variants[digest] = (min(first, number), before + count)

    def _report(self, number: int, line: str, finding: Finding) -> None:
        """Finding the place costs more than finding the mistake, so it is done only for the first few."""
        if self._is_shown(finding.rule):
            start, width = (finding.at, 1) if isinstance(finding.at, int) else span(line, finding.at)
            path = "" if isinstance(finding.at, int) else spell(finding.at)
            self.chunk.found.append(finding.located(place("", number, line, start, width), path))

    def _report_bytes(self, block: bytes, start: int, end: int, finding: Finding) -> None:
        if not self._is_shown(finding.rule):
            return
        begin = block.rfind(b"\n", 0, start) + 1
        stop = block.find(b"\n", start)
        raw = block[begin : stop if stop >= 0 else len(block)]
        line = raw.rstrip(_LINE_END).decode(errors="replace")
        index = len(raw[: start - begin].decode(errors="replace"))
        width = len(block[start:end].decode(errors="replace"))
        number = block.count(b"\n", 0, start) + 1
        self.chunk.found.append(finding.located(place("", number, line, index, width)))

    def _is_shown(self, rule: str) -> bool:
        """Counts a finding; only the first few of a rule are shown."""
        counts = self.chunk.counts
        counts[rule] = counts.get(rule, 0) + 1
        return counts[rule] <= MAX_SHOWN


def _digest(text: str) -> str:
    return xxh3_64_hexdigest(text.encode("utf-8", "replace"))
