"""Profiler: one pass over a file, for its statistics and a row for each example; excerpts of examples.

A big file is divided among processes, since counting tokens takes most of the time.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, get_args

from msgspec import Struct, field, json
from msgspec.msgpack import Decoder, Encoder
from msgspec.structs import replace

from ftops.core.confined_files import opened
from ftops.core.gc_pause import no_garbage_collection
from ftops.dataset.checks.process_pool import spread
from ftops.dataset.files.jsonl_io import (
    BOM,
    Example,
    Line,
    blocks,
    canonical,
    lines_of,
    read,
    unreadable,
)
from ftops.dataset.formats import offering, plain
from ftops.dataset.formats.chat import grader_fields
from ftops.dataset.formats.plain import PlainBlock
from ftops.dataset.profile import example_digest
from ftops.dataset.profile.details import Details
from ftops.dataset.profile.example_digest import NOT_COMPARED
from ftops.dataset.profile.plain_block import TEXT, add_plain, digest_of_system, short_answer
from ftops.dataset.profile.tokens import Counter, calls, counter
from ftops.dataset.rules.sensitive_data import mask

PARALLEL = 8 * 1024 * 1024
"""Bytes from which on other processes are worth their start."""
BLOCK = 512 * 1024
"""Bytes that are measured at once."""
MAX_LABELS = 1000
OTHER = "(other)"
MAX_VALUES = 10_000
EXCERPT = 72


def as_tally(kind: Any, mapping: Mapping[Any, int]) -> Any:
    """For decoders: a Counter of a mapping, whose keys are text in JSON."""
    (key,) = get_args(kind)
    return Tally({key(name): number for name, number in mapping.items()})


class Use(NamedTuple):
    """How often a function is called, and with how many tokens."""

    calls: int
    tokens: int


class Sums(Struct):
    """The counts of a file. Tokens are 0 if no encoding is known."""

    examples: int = 0
    messages: int = 0
    tokens: int = 0
    trained: int = 0
    """Tokens of the assistant's messages whose weight isn't 0."""
    unreadable: int = 0
    """Lines that aren't JSON objects."""
    images: int = 0
    roles: Tally[str] = field(default_factory=Tally)
    """Tokens by role; `functions` are definitions, `framing` is what a service adds."""
    turns: Tally[str] = field(default_factory=Tally)
    """Messages by role."""
    calls: Tally[str] = field(default_factory=Tally)
    call_tokens: Tally[str] = field(default_factory=Tally)
    labels: Tally[str] = field(default_factory=Tally)
    """What the model learns to answer: functions to call, short answers, or `(text)`."""
    systems: set[str] = field(default_factory=set)
    """Digests of the different system messages."""
    offers: set[str] = field(default_factory=set)
    """Digests of the different lists of functions."""
    pairs: int = 0
    """Examples that are preference pairs."""
    prompts: int = 0
    """Examples that end without an answer: the model's own answers are graded."""
    fields: Tally[str] = field(default_factory=Tally)
    """Such examples by the keys that a grader gets."""
    field_values: set[str] = field(default_factory=set)
    """The different values of these keys: `key=<digest>`, about MAX_VALUES of them."""
    turns_each: Tally[int] = field(default_factory=Tally)
    """Examples by their number of user messages; likewise the next two."""
    messages_each: Tally[int] = field(default_factory=Tally)
    calls_each: Tally[int] = field(default_factory=Tally)
    answer_tokens: Tally[int] = field(default_factory=Tally)
    """Answers that are trained on, by their number of tokens."""

    def add(self, other: Sums) -> None:
        for name in self.__struct_fields__:
            ours, theirs = getattr(self, name), getattr(other, name)
            if isinstance(ours, int):
                setattr(self, name, ours + theirs)
            else:
                ours.update(theirs)


class Measured(NamedTuple):
    """A measured file: the digest of its bytes, its sums, and a packed row per example (`example_digest`)."""

    digest: str
    sums: Sums
    rows: bytes
    details: Details | None = None


Part = tuple[Sums, bytes, Details | None]
"""The same of a block."""


class Measurement(Struct, frozen=True):
    """What is measured."""

    encoding: str = ""
    """If empty, tokens aren't counted."""
    is_detailed: bool = False
    is_comparable: bool = True
    """Whether rows have what a comparison of prompts and texts needs, which takes a sixth of the time."""
    vectorised: bool = False
    """With numpy, if there is enough to be worth its import."""


def measure(path: Path, encoding: str = "", processes: int = 0) -> Measured:
    """Measures a file. Without an `encoding`, tokens aren't counted. `processes`: 0 means as many as help.

    Raises UsageError if it can't be read, NoEncoding.
    """
    return measure_as(path, Measurement(encoding), processes)


def measure_as(path: Path, what: Measurement, processes: int = 0) -> Measured:
    """As `measure`."""
    if what.encoding:
        counter(what.encoding)
    sha = sha256()
    parts = Parts(what)
    try:
        with opened(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            what = replace(what, vectorised=size >= PARALLEL)
            here = partial(measure_block, what=what)
            argument = json.encode(what).decode()
            numbered = _numbered(stream, sha.update)
            for part in spread(__name__, argument, numbered, here, _decode, processes or worth(size)):
                parts.add(part)
    except OSError as error:
        raise unreadable(path, error) from error
    return parts.measured(f"sha256:{sha.hexdigest()}")


def worth(size: int) -> int:
    """The number of processes that are worth their start."""
    return min(4, os.cpu_count() or 1) if size >= PARALLEL else 1


class Parts:
    """The measurements of the blocks of a file, added up in their order."""

    def __init__(self, what: Measurement) -> None:
        self._sums, self._rows = Sums(), bytearray()
        self._details = Details() if what.is_detailed else None

    def add(self, part: Part) -> None:
        """Adds the next block."""
        sums, rows, details = part
        self._sums.add(sums)
        self._rows += rows
        if self._details and details:
            self._details.add(details)

    def measured(self, digest: str) -> Measured:
        """The whole file; `digest` is that of its bytes."""
        _cap(self._sums.labels)
        return Measured(digest, self._sums, bytes(self._rows), self._details)


def measure_block(numbered: bytes, what: Measurement) -> Part:
    """The sums and rows of whole lines, which follow the number of the first one (8 bytes)."""
    first, block = number_of(numbered)
    content = block.removeprefix(BOM) if first == 1 else block
    return measure_decoded(block, plain.decode(content, vectorised=what.vectorised), first, what)


def measure_decoded(block: bytes, decoded: PlainBlock | None, first: int, what: Measurement) -> Part:
    """As `measure_block`, of lines that are parsed, if all of them are plain conversations."""
    run = _Block(what)
    with no_garbage_collection():
        run.add(block, first, decoded)
    _cap(run.sums.labels)
    _spell(run.sums)
    return run.sums, b"".join(run.rows), run.details


def number_of(numbered: bytes) -> tuple[int, bytes]:
    """The number of the first line of a block, and the block."""
    return int.from_bytes(numbered[:8], "big"), numbered[8:]


def answering(argument: str) -> Callable[[bytes], bytes]:
    """For other processes (ftops.dataset.checks.process_pool): measures blocks."""
    what = json.decode(argument, type=Measurement)
    return lambda numbered: _encode(measure_block(numbered, what))


def label(example: Mapping[str, Any], messages: example_digest.Messages) -> str:
    """What the model learns to answer: functions to call, a short answer with personal data as dots, or
    `(text)`."""
    answers = example_digest.answers(example, messages)
    called = [call.name for message in answers for call in calls(message)]
    if called:
        return "+".join(dict.fromkeys(called))
    texts = [m["content"] for m in answers if isinstance(m.get("content"), str)]
    return short_answer(texts[-1]) if texts else TEXT


class _Block:
    """The measurement of some lines."""

    def __init__(self, what: Measurement) -> None:
        self.sums = Sums()
        self.details = Details() if what.is_detailed else None
        self.rows: list[bytes] = []
        self._count = counter(what.encoding) if what.encoding else None
        self._what = what

    def add(self, block: bytes, first: int, decoded: PlainBlock | None) -> None:
        """Adds some whole lines; `first` is the number of the first one. `decoded`: if all are plain."""
        if decoded:
            self.rows += add_plain(decoded, first, self.sums, self._count, self._what)
        else:
            self._add_lines([*lines_of(block, first)])

    def _add_lines(self, lines: Sequence[Line]) -> None:
        """Lines with examples of any format."""
        examples = [(line.number, line.example) for line in lines if line.example is not None]
        self.sums.unreadable += len(lines) - len(examples)
        if self._count and self._what.vectorised:
            self._count = self._count.prepared(example for _, example in examples)
        for number, example in examples:
            self._add(number, example)

    def _add(self, number: int, example: Mapping[str, Any]) -> None:
        messages = example_digest.messages(example)
        sums = self.sums
        sums.examples += 1
        sums.messages += len(messages)
        sums.labels[label(example, messages)] += 1
        sums.messages_each[len(messages)] += 1
        sums.calls_each[sum(map(self._add_message, messages))] += 1
        sums.turns_each[sum(m.get("role") == "user" for m in messages)] += 1
        if "preferred_output" in example:
            sums.pairs += 1
        elif messages and messages[-1].get("role") != "assistant":
            sums.prompts += 1
            self._add_fields(example)
        holder = offering(example)
        offered = holder.get("tools") or holder.get("functions")
        if offered:
            sums.offers.add(example_digest.short(offered))
        tokens = self._add_tokens(example, self._count) if self._count else 0
        compared = example_digest.compared(example, messages) if self._what.is_comparable else NOT_COMPARED
        self.rows.append(example_digest.pack_row(number, tokens, canonical(example), compared))
        if self.details:
            self.details.add_example(example, messages, self._count)

    def _add_fields(self, example: Mapping[str, Any]) -> None:
        for key in grader_fields(example):
            name = key.encode("utf-8", "replace").decode()
            self.sums.fields[name] += 1
            if len(self.sums.field_values) < MAX_VALUES:
                self.sums.field_values.add(f"{name}={example_digest.short(example[key])}")

    def _add_message(self, message: Mapping[str, Any]) -> int:
        """Returns the number of its calls."""
        sums = self.sums
        role, content = message.get("role"), message.get("content")
        role = role if isinstance(role, str) else ""
        sums.turns[role] += 1
        if role in ("system", "developer"):
            sums.systems.add(
                digest_of_system(content) if isinstance(content, str) else example_digest.short(content)
            )
        if isinstance(content, list):
            sums.images += sum(1 for part in content if isinstance(part, dict) and "image_url" in part)
        called = [call.name for call in calls(message)]
        if called:
            sums.calls.update(called)
        return len(called)

    def _add_tokens(self, example: Mapping[str, Any], count: Counter) -> int:
        total = answer = 0
        sums = self.sums
        for role, tokens, trained, function in count.parts(example):
            total += tokens
            if role == "framing":  # a message begins
                self._add_answer(answer)
                answer = 0
            elif trained:
                answer += tokens
            sums.roles[role] += tokens
            if trained:
                sums.trained += tokens
            if function:
                sums.call_tokens[function] += tokens
        self._add_answer(answer)
        sums.tokens += total
        return total

    def _add_answer(self, tokens: int) -> None:
        if tokens:
            self.sums.answer_tokens[tokens] += 1


def _numbered(stream: BinaryIO, update: Callable[[bytes], None]) -> Iterator[bytes]:
    """Blocks of lines, each after the number of its first line."""
    first = 1
    for block in blocks(stream, BLOCK, update):
        yield first.to_bytes(8, "big") + block
        first += block.count(b"\n")


_encode = Encoder().encode
_decode = Decoder(Part, dec_hook=as_tally).decode


def _spell(sums: Sums) -> None:
    """Replaces lone surrogates in names and answers, since they can't be encoded in UTF-8."""
    for name in ("roles", "turns", "calls", "call_tokens", "labels"):
        tally: Tally[str] = getattr(sums, name)
        try:
            "".join(tally).encode()
        except UnicodeEncodeError:
            spelt: Tally[str] = Tally()
            for key, count in tally.items():
                spelt[key.encode("utf-8", "replace").decode()] += count
            setattr(sums, name, spelt)


def _cap(labels: Tally[str]) -> None:
    """Sums up the rare labels if there are very many: then they are texts rather than labels."""
    if len(labels) > MAX_LABELS:
        rare = labels.most_common()[MAX_LABELS:]
        for name, _ in rare:
            del labels[name]
        labels[OTHER] += sum(number for _, number in rare)


def excerpt(example: Example) -> str:
    """`question → answer`, cut to one line; secrets and personal data are dots."""
    messages = example_digest.messages(example)
    questions = [
        m["content"] for m in messages if m.get("role") == "user" and isinstance(m.get("content"), str)
    ]
    answer = label(example, messages)
    answers = example_digest.answers(example, messages)
    texts = [m["content"] for m in answers if isinstance(m.get("content"), str)]
    if answer == TEXT and texts:
        answer = texts[-1]
    return f"{_cut(questions[-1] if questions else '', EXCERPT - 24)} → {_cut(answer, 24)}"


def excerpts(source: Path | bytes, numbers: Collection[int]) -> dict[int, str]:
    """Excerpts of the lines with these numbers, from a file or its content."""
    wanted = set(numbers)
    if not wanted:
        return {}
    lines = lines_of(source) if isinstance(source, bytes) else read(source)
    return {n: excerpt(example) for n, _, example in lines if n in wanted and example is not None}


def _cut(text: str, length: int) -> str:
    text = mask(" ".join(text.split()))
    return text if len(text) <= length else f"{text[: length - 1]}…"
