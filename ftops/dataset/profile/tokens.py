"""Token counts of texts and examples, with the model's encoding, offline.

Text is counted exactly. The tokens that a service adds (the framing of messages, the format of functions)
aren't published; the constants are what OpenAI documents. docs/data.md says what is exact.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from itertools import chain
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from ftops.dataset.files.jsonl_io import canonical, list_at

_TEXTS = 2_000
"""Texts whose counts are cached: system messages, functions and short answers are repeated."""
_LONGEST = 20_000
"""A longer text isn't cached."""
_DEFINITIONS = 200
_WORDS = 200_000
"""Words whose counts are cached."""
_BY_WORDS = 2_000_000
"""Characters of a text that is divided into words: they take up ten times as much memory."""
_WORD = 40
"""A longer word isn't cached."""


class NoEncoding(Exception):
    """The package with the vocabularies isn't installed, or doesn't have the encoding."""


# Tokens that are added around texts.
# Source: OpenAI's cookbook, "How to count tokens with tiktoken", read 2026-11-21.
REPLY = 3
"""The start of the reply, once per example."""
MESSAGE = 3
_NAME = 1
"""For a message with a name."""
_FUNCTION = {"o200k_base": 7, "cl100k_base": 10}
"""Before each function."""
_PROPERTIES = 3
"""Before the parameters of a function, if it has any."""
_PARAMETER = 3
_ENUMERATION = -3
_CHOICE = 3
"""For each value of an enumeration."""
_FUNCTIONS = 12
"""After all functions, once per example."""
_IMAGE = 85
"""An image in low detail; in high detail, the number depends on its size."""
ENCODINGS = tuple(_FUNCTION)


class TokenCount(NamedTuple):
    """The tokens of one part of an example."""

    role: str
    """A role; `functions` for definitions, `framing` for what the service adds."""
    tokens: int
    trained: bool = False
    """The model is trained on them."""
    function: str = ""
    """The function that is called in this part."""


class Counter(Struct, frozen=True):
    """Counts texts and examples in one encoding."""

    encoding: str
    count: Callable[[str], int]
    count_definitions: Callable[[bytes], int]
    """Counts a list of functions, given as canonical JSON."""
    count_all: Callable[[Sequence[str]], list[int]]
    """Counts many texts, with numpy, which takes a tenth of a second to import."""

    def parts(self, example: Mapping[str, Any]) -> Iterator[TokenCount]:
        """The counts of an example of any format; malformed parts count as nothing."""
        yield TokenCount("framing", REPLY)
        given = example.get("input")
        source = given if isinstance(given, dict) else example
        offers = [example] if len(example) > 1 else []
        for holder in offers if source is example else [*offers, source]:
            offered = definitions(holder)
            if offered:
                yield TokenCount("functions", self.count_definitions(canonical(offered)))
        outputs = [m for key in ("preferred_output", "non_preferred_output") for m in list_at(example, key)]
        for message in list_at(source, "messages"):
            if isinstance(message, dict):
                yield from self._message(message, is_given=bool(outputs))
        for message in outputs:
            if isinstance(message, dict):
                yield from self._message(message, is_given=False)

    def prepared(self, examples: Iterable[Mapping[str, Any]]) -> Counter:
        """A counter that knows the texts of these examples, which are counted at once."""
        texts = [*dict.fromkeys(text for example in examples for text in _texts(example))]
        known = _Known(self.count, zip(texts, self.count_all(texts), strict=True))
        return replace(self, count=known.__getitem__)

    def tokens(self, example: Mapping[str, Any]) -> int:
        """All tokens of one example."""
        return sum(part.tokens for part in self.parts(example))

    def _message(self, message: Mapping[str, Any], is_given: bool) -> Iterator[TokenCount]:
        count = self.count
        role = _text(message, "role")
        trained = role == "assistant" and not is_given and message.get("weight") != 0
        content = message.get("content")
        yield TokenCount("framing", MESSAGE + count(role), trained)
        tokens = (
            count(content) if isinstance(content, str) else sum(map(self._part, list_at(message, "content")))
        )
        yield TokenCount(role, tokens, trained)
        if len(message) <= 2 and "content" in message:
            return
        name = message.get("name")
        if isinstance(name, str):
            yield TokenCount(role, count(name) + _NAME, trained)
        for call in calls(message):
            tokens = count(call.name) + count(call.arguments) + MESSAGE
            yield TokenCount(role, tokens, trained, call.name)

    def _part(self, part: Any) -> int:
        if not isinstance(part, dict):
            return 0
        if "image_url" in part:
            return _IMAGE
        text = part.get("text", part.get("refusal"))
        return self.count(text) if isinstance(text, str) else 0


class _Known(dict[str, int]):
    """The tokens of texts; others are counted when they are asked for."""

    def __init__(self, count: Callable[[str], int], counted: Iterable[tuple[str, int]]) -> None:
        super().__init__(counted)
        self._count = count

    def __missing__(self, text: str) -> int:
        tokens = self[text] = self._count(text)
        return tokens


def _texts(example: Mapping[str, Any]) -> Iterator[str]:
    """Most texts of an example that are counted."""
    given = example.get("input")
    asked = list_at(given if isinstance(given, dict) else example, "messages")
    outputs = (list_at(example, key) for key in ("preferred_output", "non_preferred_output"))
    for message in chain(asked, *outputs):
        if isinstance(message, dict):
            content = message.get("content")
            parts = [part.get("text") for part in list_at(message, "content") if isinstance(part, dict)]
            called = (text for call in calls(message) for text in call)
            yield from (text for text in (content, *parts, *called) if isinstance(text, str))


class Call(NamedTuple):
    """A function call in a message."""

    name: str
    arguments: str


def calls(message: Mapping[str, Any]) -> Iterator[Call]:
    """The function calls of a message, in either format."""
    legacy = message.get("function_call")
    if legacy is None and "tool_calls" not in message:
        return
    if isinstance(legacy, dict):
        yield Call(_text(legacy, "name"), _text(legacy, "arguments"))
    for call in list_at(message, "tool_calls"):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield Call(_text(function, "name"), _text(function, "arguments"))


def definitions(holder: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The functions that an example offers, in either format."""
    wrapped = [tool.get("function") for tool in list_at(holder, "tools") if isinstance(tool, dict)]
    return [f for f in (*list_at(holder, "functions"), *wrapped) if isinstance(f, dict)]


@cache
def counter(encoding: str) -> Counter:
    """Loads a vocabulary (a tenth of a second) on first use. Raises NoEncoding."""
    if encoding not in ENCODINGS:
        raise NoEncoding(f"unknown encoding {encoding!r}; known encodings are {', '.join(ENCODINGS)}")
    counted_exactly = exact(encoding)
    words = _Words(counted_exactly, ""), _Words(counted_exactly, " ")
    count = _cached(by_words(counted_exactly, words))

    @cache
    def table() -> Callable[[Sequence[str]], list[int]]:
        from ftops.dataset.profile.word_table import WordTable  # only if there is much to count

        return WordTable(count, *words).count

    return counter_by(encoding, count, lambda texts: table()(texts))


def counter_by(
    encoding: str, count: Callable[[str], int], count_all: Callable[[Sequence[str]], list[int]] | None = None
) -> Counter:
    """A counter of examples whose texts `count` counts. `encoding`: one of ENCODINGS."""

    @lru_cache(_DEFINITIONS)
    def count_definitions(functions: bytes) -> int:
        """Cached by their JSON: most files offer the same functions in every example."""
        return _FUNCTIONS + sum(_FUNCTION[encoding] + _definition(f, count) for f in json.loads(functions))

    return Counter(encoding, count, count_definitions, count_all or (lambda texts: [*map(count, texts)]))


def exact(encoding: str) -> Callable[[str], int]:
    """Counts one text without a cache. Raises NoEncoding; the result raises UnicodeEncodeError for a lone
    surrogate."""
    count: Callable[[str], int] = _bindings().tokenizer_for_encoding(encoding).count
    return count


def by_words(count: Callable[[str], int], words: tuple[_Words, _Words] | None = None) -> Callable[[str], int]:
    """Counts a text word by word, with a cache of words. This is exact: both encodings split a text by
    patterns in which a space is either the first character of a part or followed by white space. So any other
    space starts a new part, and the counts of parts add up. `words`: the first ones of texts, and the
    others."""
    first, others = words or (_Words(count, ""), _Words(count, " "))

    def add(text: str) -> int:
        head, space, rest = text.partition(" ")
        if not space or len(text) > _BY_WORDS or "  " in text:
            return count(text)
        try:
            return first[head] + sum(map(others.__getitem__, rest.split(" ")))
        except NotAWord:
            return count(text)

    return add


class NotAWord(Exception):
    """A text that may form one token part with the space before it."""


class _Words(dict[str, int]):
    """The tokens of words, each with the text before it."""

    def __init__(self, count: Callable[[str], int], before: str) -> None:
        self._count = count
        self._before = before

    def __missing__(self, word: str) -> int:
        if self._before and (not word or word[0].isspace()):
            raise NotAWord
        tokens = self._count(self._before + word)
        if len(word) <= _WORD:
            if len(self) >= _WORDS:
                self.clear()
            self[word] = tokens
        return tokens


def _cached(count: Callable[[str], int]) -> Callable[[str], int]:
    def count_any(text: str) -> int:
        try:
            return count(text)
        except UnicodeEncodeError:  # a lone surrogate, which the checks report
            return count(text.encode("utf-8", "replace").decode())

    count_short = lru_cache(_TEXTS)(count_any)
    return lambda text: (count_short if len(text) <= _LONGEST else count_any)(text)


def _definition(function: Mapping[str, Any], count: Callable[[str], int]) -> int:
    """Counts as the cookbook does: `name:description`, then `name:type:description` of each parameter."""
    tokens = count(f"{_text(function, 'name')}:{_sentence(function)}")
    parameters = function.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    if not isinstance(properties, dict) or not properties:
        return tokens
    tokens += _PROPERTIES
    for key, value in properties.items():
        schema = value if isinstance(value, dict) else {}
        tokens += _PARAMETER + count(f"{key}:{_text(schema, 'type')}:{_sentence(schema)}")
        choices = schema.get("enum")
        if isinstance(choices, list):
            tokens += _ENUMERATION + sum(_CHOICE + count(str(c)) for c in choices)
    return tokens


@cache
def _bindings() -> Any:
    """The compiled part of bpe-openai only: its Python part takes a second to build tables that aren't needed
    here."""
    package = find_spec("bpe_openai")
    spec = package and PathFinder.find_spec("bpe_openai._bindings", package.submodule_search_locations)
    if not spec or spec.loader is None:
        raise NoEncoding("the package bpe-openai, which has the vocabularies, is not installed")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""


def _sentence(holder: Mapping[str, Any]) -> str:
    return _text(holder, "description").removesuffix(".")
