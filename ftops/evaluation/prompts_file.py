"""Prompts file of an evaluation, as a plan sees it: read once, and not again before it changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct
from xxhash import xxh3_64_intdigest

from ftops.dataset import Cache
from ftops.dataset.files.jsonl_io import canonical
from ftops.dataset.profile.tokens import REPLY
from ftops.evaluation.answers import Question
from ftops.evaluation.evaluation import Inputs
from ftops.evaluation.graders import default_graders
from ftops.evaluation.inputs import digest_of_prompt, digest_with, stream
from ftops.evaluation.known_prompts import VERSION as KNOWN_VERSION
from ftops.evaluation.known_prompts import Known, Texts, in_training
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.spending import input_tokens, tools_tokens

ENCODING = "o200k_base"
"""Of all but old models: tokens in another one are counted by whoever needs them."""
VERSION = 1
"""Raise it whenever prompts are read or counted otherwise."""


class Summary(Struct, frozen=True):
    """`questions` and `tokens` are those of one sample, in which equal questions are one."""

    content: str
    """Digest of all that is asked and expected."""
    prompts: int
    independent: int
    """Prompts of one cluster count as one."""
    questions: int
    tokens: int | None
    """In ENCODING; None if its vocabulary isn't installed."""
    slices: tuple[str, ...]
    """Those that have a row of their own in results."""
    functions: tuple[str, ...]
    graders: tuple[str, ...]


class PromptsFile:
    """`rest`: the evaluation without prompts. Everything may raise SpecError and UsageError with what is
    wrong in the file."""

    def __init__(
        self, inputs: Mapping[str, Any], rest: Inputs, folder: Path, project: Path, cache: Cache
    ) -> None:
        self._inputs = inputs
        self._rest = rest
        self._folder = folder
        self._project = project
        self._cache = cache
        self._file = folder / str(inputs["prompts"])

    def prompts(self) -> Iterator[Prompt]:
        return stream(self._inputs, self._rest, self._folder, self._project)

    @property
    def summary(self) -> Summary:
        depends = canonical([VERSION, digest_with(self._rest, ()), self._inputs.get("graders")])
        return self._cache.found(self._file, depends.decode(), lambda: self._read.summary(), Summary)

    def known_in(self, training: Path, digest: str) -> Known:
        """Which prompts are in training data with this digest."""

        def find() -> Known:
            return in_training(self._read.texts, training, self.prompts)

        depends = f"{KNOWN_VERSION} {self.summary.content} {digest}"
        return self._cache.found(self._file, depends, find, Known)

    @cached_property
    def _read(self) -> _Reading:
        reading = _Reading(self._rest)
        for prompt in self.prompts():
            reading.add(prompt)
        return reading


class _Reading:
    """One reading of all prompts, of each of which it keeps a few digests."""

    def __init__(self, rest: Inputs) -> None:
        self.texts = Texts()
        self._rest = rest
        self._prompts = bytearray()
        self._questions: set[int] = set()
        self._shared = input_tokens(Question(rest.first_messages, rest.tools), ENCODING)
        """Tokens that all questions have in common; None if the vocabulary isn't installed."""
        self._tokens = 0
        self._clustered = 0
        self._clusters: set[str] = set()
        self._slices: dict[str, None] = {}
        self._functions: dict[str, None] = {}
        self._kinds: dict[tuple[bool, ...], Prompt] = {}
        """One prompt of each kind between which `default_graders` makes a difference."""

    def add(self, prompt: Prompt) -> None:
        self._prompts += digest_of_prompt(prompt)
        self.texts.add(prompt.text)
        self._count(prompt)
        if prompt.cluster:
            self._clustered += 1
            self._clusters.add(prompt.cluster)
        self._slices[prompt.slice] = None
        self._functions[prompt.expected.function] = None
        calls = prompt.expected.calls
        self._kinds.setdefault((calls is None, any(c.arguments is not None for c in calls or ())), prompt)

    def _count(self, prompt: Prompt) -> None:
        """Equal questions are asked once."""
        asked = xxh3_64_intdigest(canonical([prompt.messages, prompt.tools]))
        if asked in self._questions:
            return
        self._questions.add(asked)
        if self._shared is not None:
            replaced = tools_tokens(self._rest.tools, ENCODING) if prompt.tools else 0
            own = input_tokens(Question(prompt.messages, prompt.tools), ENCODING) or 0
            self._tokens += self._shared - replaced + own - REPLY

    def summary(self) -> Summary:
        rest = self._rest
        graders = rest.graders or default_graders(list(self._kinds.values()))
        count = len(self.texts.words)
        return Summary(
            digest_with(rest, _parts(self._prompts, 32)),
            count,
            count - self._clustered + len(self._clusters),
            len(self._questions),
            None if self._shared is None else self._tokens,
            _with_rows(self._slices),
            _with_rows(self._functions),
            tuple(grader.name for grader in graders),
        )


def _parts(content: bytearray, size: int) -> Iterator[bytes]:
    return (bytes(content[i : i + size]) for i in range(0, len(content), size))


def _with_rows(names: Iterable[str]) -> tuple[str, ...]:
    """The only slice has no row of its own."""
    found = tuple(filter(None, names))
    return found if len(found) > 1 else ()
