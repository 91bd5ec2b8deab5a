"""Token counts of texts and examples, with the model's encoding, offline.

Text is counted exactly. What a service puts around it (the framing of messages, the form in which it
shows functions to the model) is not published; what OpenAI documents of it is used here and named
`FRAMES`. docs/data.md says what is exact and what isn't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any, NamedTuple

from msgspec import Struct

from ftops.dataset.files.jsonl_io import canonical

ENCODINGS = ("o200k_base", "cl100k_base")
_ROOM = 8_000_000
"""Characters of texts whose counts are kept: system messages, functions and short answers come again and
again."""
_LONGEST = 20_000
"""Characters of such a text at most."""
_ENTRY = 100
"""What a text takes beside its characters."""
_DEFINITIONS = 200
_WORDS = 200_000
"""Words whose counts are kept."""
_WORD = 40
"""Characters of a word at most."""


class NoEncoding(Exception):
    """The package that carries the vocabularies isn't there, or has no such encoding."""


class Frame(NamedTuple):
    """Tokens that are added around texts.

    Source: OpenAI's cookbook, "How to count tokens with tiktoken", read 2026-11-21: its figures for
    messages and for functions.
    """

    function: int
    """Before each function."""
    message: int = 3
    name: int = 1
    """For a message with a name."""
    reply: int = 3
    """What primes the reply, once an example."""
    properties: int = 3
    """Before the parameters of a function that has any."""
    parameter: int = 3
    enumeration: int = -3
    choice: int = 3
    """For each value of an enumeration."""
    functions: int = 12
    """After all functions, once an example."""
    image: int = 85
    """An image in low detail; in high detail it is more, by its size."""


FRAMES: Mapping[str, Frame] = {"o200k_base": Frame(function=7), "cl100k_base": Frame(function=10)}


class Piece(NamedTuple):
    """Tokens of one part of an example: whose it is, and whether the model is trained on it."""

    role: str
    """A role; `functions` for definitions, `framing` for what is added."""
    tokens: int
    trained: bool = False
    function: str = ""
    """The function that is called here."""


class Counter(Struct, frozen=True):
    """Counts texts and examples in one encoding."""

    encoding: str
    count: Callable[[str], int]
    frame: Frame
    count_definitions: Callable[[list[Mapping[str, Any]]], int]

    def pieces(self, example: Mapping[str, Any]) -> Iterator[Piece]:
        """The parts of an example of any format; whatever is malformed counts nothing."""
        frame = self.frame
        yield Piece("framing", frame.reply)
        if len(example) > 1:
            yield from self._definitions(example)
        given = example.get("input")
        source = given if isinstance(given, dict) else example
        if source is not example:
            yield from self._definitions(source)
        preferred = [m for key in ("preferred_output", "non_preferred_output") for m in _list(example, key)]
        for message in _list(source, "messages"):
            if isinstance(message, dict):
                yield from self._message(message, is_given=bool(preferred))
        for message in preferred:
            if isinstance(message, dict):
                yield from self._message(message, is_given=False)

    def tokens(self, example: Mapping[str, Any]) -> int:
        """All of one example."""
        return sum(piece.tokens for piece in self.pieces(example))

    def _message(self, message: Mapping[str, Any], is_given: bool) -> Iterable[Piece]:
        role = message.get("role")
        role = role if isinstance(role, str) else ""
        trained = role == "assistant" and not is_given and message.get("weight") != 0
        content = message.get("content")
        found = [
            Piece("framing", self.frame.message + self.count(role), trained),
            Piece(role, self.count(content) if isinstance(content, str) else self._parts(content), trained),
        ]
        if len(message) > 2 or "content" not in message:
            found += self._beside_content(message, role, trained)
        return found

    def _beside_content(self, message: Mapping[str, Any], role: str, trained: bool) -> Iterator[Piece]:
        frame, count = self.frame, self.count
        name = message.get("name")
        if isinstance(name, str):
            yield Piece(role, count(name) + frame.name, trained)
        for call in calls(message):
            tokens = count(call.name) + count(call.arguments) + frame.message
            yield Piece(role, tokens, trained, call.name)

    def _parts(self, content: Any) -> int:
        if not isinstance(content, list):
            return 0
        return sum(self._part(part) for part in content)

    def _part(self, part: Any) -> int:
        if not isinstance(part, dict):
            return 0
        if "image_url" in part:
            return self.frame.image
        text = part.get("text", part.get("refusal"))
        return self.count(text) if isinstance(text, str) else 0

    def _definitions(self, holder: Mapping[str, Any]) -> Iterator[Piece]:
        found = definitions(holder)
        if found:
            yield Piece("functions", self.count_definitions(found))


class Call(NamedTuple):
    """A function call in a message."""

    name: str
    arguments: str


def calls(message: Mapping[str, Any]) -> Iterator[Call]:
    """The function calls of a message, in either form."""
    legacy = message.get("function_call")
    if legacy is None and "tool_calls" not in message:
        return
    if isinstance(legacy, dict):
        yield Call(_text(legacy, "name"), _text(legacy, "arguments"))
    for call in _list(message, "tool_calls"):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield Call(_text(function, "name"), _text(function, "arguments"))


def definitions(holder: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The functions that an example offers, in either form."""
    wrapped = [tool.get("function") for tool in _list(holder, "tools") if isinstance(tool, dict)]
    return [f for f in (*_list(holder, "functions"), *wrapped) if isinstance(f, dict)]


@cache
def counter(encoding: str) -> Counter:
    """Loads a vocabulary (a tenth of a second) on first use. Raises NoEncoding."""
    if encoding not in FRAMES:
        raise NoEncoding(f"unknown encoding {encoding!r}; known encodings are {', '.join(ENCODINGS)}")
    count = _remembering(by_words(exact(encoding)))
    frame = FRAMES[encoding]
    return Counter(encoding, count, frame, _remembering_definitions(count, frame))


def exact(encoding: str) -> Callable[[str], int]:
    """Counts one text, remembering none. Raises NoEncoding; what it returns, UnicodeEncodeError for a lone
    surrogate."""
    count: Callable[[str], int] = _bindings().tokenizer_for_encoding(encoding).count
    return count


def by_words(count: Callable[[str], int]) -> Callable[[str], int]:
    """Counts a text word by word, each word once. Exact: the patterns by which both encodings divide a text
    take a space in only as the first of a part, or where white space follows; so before any other space a
    new part begins, and the counts of parts add up."""
    first, others = _Words(count, ""), _Words(count, " ")

    def add(text: str) -> int:
        head, space, rest = text.partition(" ")
        if not space or "  " in text:
            return count(text)
        try:
            return first[head] + sum(map(others.__getitem__, rest.split(" ")))
        except _NotAWord:
            return count(text)

    return add


class _NotAWord(Exception):
    """Something that a space before it may belong together with."""


class _Words(dict[str, int]):
    """The tokens of words, with what stands before each."""

    def __init__(self, count: Callable[[str], int], before: str) -> None:
        self._count = count
        self._before = before

    def __missing__(self, word: str) -> int:
        if self._before and (not word or word[0].isspace()):
            raise _NotAWord
        tokens = self._count(self._before + word)
        if len(word) <= _WORD:
            if len(self) >= _WORDS:
                self.clear()
            self[word] = tokens
        return tokens


def _remembering(count: Callable[[str], int]) -> Callable[[str], int]:
    known: dict[str, int] = {}
    room = _ROOM

    def remember(text: str) -> int:
        nonlocal room
        tokens = known.get(text)
        if tokens is None:
            try:
                tokens = count(text)
            except UnicodeEncodeError:  # a lone surrogate: no text at all, and the checks say so
                tokens = count(text.encode("utf-8", "replace").decode())
            if len(text) <= _LONGEST:
                room -= len(text) + _ENTRY
                if room < 0:
                    known.clear()
                    room = _ROOM
                known[text] = tokens
        return tokens

    return remember


def _remembering_definitions(
    count: Callable[[str], int], frame: Frame
) -> Callable[[list[Mapping[str, Any]]], int]:
    """Most files offer the same functions in every example."""
    known: dict[bytes, int] = {}

    def remember(functions: list[Mapping[str, Any]]) -> int:
        key = canonical(functions)
        tokens = known.get(key)
        if tokens is None:
            if len(known) >= _DEFINITIONS:
                known.clear()
            tokens = known[key] = frame.functions + sum(_definition(f, count, frame) for f in functions)
        return tokens

    return remember


def _definition(function: Mapping[str, Any], count: Callable[[str], int], frame: Frame) -> int:
    """As the cookbook counts: `name:description`, then `name:type:description` of each parameter."""
    tokens = frame.function + count(f"{_text(function, 'name')}:{_sentence(function)}")
    parameters = function.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    if not isinstance(properties, dict) or not properties:
        return tokens
    tokens += frame.properties
    for key, value in properties.items():
        schema = value if isinstance(value, dict) else {}
        tokens += frame.parameter + count(f"{key}:{_text(schema, 'type')}:{_sentence(schema)}")
        choices = schema.get("enum")
        if isinstance(choices, list):
            tokens += frame.enumeration + sum(frame.choice + count(str(c)) for c in choices)
    return tokens


@cache
def _bindings() -> Any:
    """The compiled part of bpe-openai alone: its Python part builds tables that nobody needs here, which
    takes a second."""
    package = find_spec("bpe_openai")
    found = package and PathFinder.find_spec("bpe_openai._bindings", package.submodule_search_locations)
    if not found or found.loader is None:
        raise NoEncoding("the package bpe-openai, which carries the vocabularies, is not installed")
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _list(holder: Mapping[str, Any], key: str) -> list[Any]:
    value = holder.get(key)
    return value if isinstance(value, list) else []


def _text(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""


def _sentence(holder: Mapping[str, Any]) -> str:
    return _text(holder, "description").removesuffix(".")
