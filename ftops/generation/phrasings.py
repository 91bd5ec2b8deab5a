"""Phrasings: requests written as templates, which take the place of a language model.

    {"openers": ["{}", "please {}"],
     "words": {"meters": ["meters", "m"]},
     "requests": [
       {"function": "takeoff_drone", "say": ["take off to {altitude} {meters}"]},
       {"function": "land_drone", "with": {"location": "home_base"}, "say": ["land at home base"]},
       {"reject": "near", "theme": "sound", "say": ["play some music"]}]}

`{altitude}` is the value of a parameter, `{direction:pan}` only if it is among the words `pan`, and any
other `{meters}` one of these words. A request that starts with a lower-case letter is a command, and gets an
opener.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from msgspec import Struct

from ftops.core.errors import Diagnostic, Place, SpecError
from ftops.core.suggestions import did_you_mean
from ftops.dataset.formats.jsonl import decode
from ftops.evaluation.schemas import Schema
from ftops.generation.draws import pick, shuffled
from ftops.generation.targets import Target

SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")
KEYS = ("openers", "words", "requests")
REQUEST_KEYS = ("function", "reject", "theme", "with", "say")
REJECTED = ("near", "ambiguous", "missing")
"""Why a request can't be met: there is nothing for it, it isn't clear, or something is missing in it."""
_TRIES = 4
"""For each request that is wanted; those that come again don't count."""


class _Phrase(NamedTuple):
    """A template, and the parameters that its request sets to fixed values."""

    text: str
    fixed: Mapping[str, Any]

    @property
    def slots(self) -> list[tuple[str, str]]:
        return SLOT.findall(self.text)


class Theme(Struct, frozen=True):
    """Requests of one kind that are to be rejected."""

    reason: str
    name: str
    phrases: tuple[_Phrase, ...]


class Phrasings(Struct, frozen=True):
    """By function: the phrases that ask for it."""

    openers: tuple[str, ...]
    words: Mapping[str, Sequence[Any]]
    phrases: Mapping[str, tuple[_Phrase, ...]]
    themes: tuple[Theme, ...]
    content: Any
    """As it was read: what it is compared by."""

    def requests(
        self, target: Target, schema: Schema, count: int, seed: int, first: int = 0
    ) -> Iterator[str]:
        """Up to so many different requests for a call, whose values needn't be valid. They begin with the
        phrase number `first`: if each call has another one, phrases are used equally often."""
        parameters = schema.get("properties") or {}
        fitting = [p for p in self.phrases.get(target.function, ()) if self._fits(p, target, parameters)]
        order = shuffled(fitting, seed, target.function)
        yield from self._vary(order, target.arguments, count, first, (seed, target.key))

    def rejected(self, theme: Theme, count: int, seed: int) -> Iterator[str]:
        yield from self._vary(theme.phrases, {}, count, 0, (seed, theme.reason, theme.name))

    def _fits(self, phrase: _Phrase, target: Target, parameters: Mapping[str, Any]) -> bool:
        """Whether a phrase says exactly the arguments of a call."""
        said = set(phrase.fixed)
        for name, words in phrase.slots:
            if name in parameters:
                said.add(name)
                if words and target.arguments.get(name) not in self.words[words]:
                    return False
        arguments = target.arguments
        return said == set(arguments) and all(arguments[k] == v for k, v in phrase.fixed.items())

    def _vary(
        self,
        phrases: Sequence[_Phrase],
        arguments: Mapping[str, Any],
        count: int,
        first: int,
        of: tuple[object, ...],
    ) -> Iterator[str]:
        found: dict[str, None] = {}
        step = max(1, len(phrases) // count) if count else 1
        for turn in range(_TRIES * count if phrases else 0):
            if len(found) == count:
                break
            rounds, at = divmod(turn * step, len(phrases))
            phrase = phrases[(first + at + rounds) % len(phrases)]
            found.setdefault(self._written(phrase, arguments, (*of, turn)))
        yield from found

    def _written(self, phrase: _Phrase, arguments: Mapping[str, Any], of: tuple[object, ...]) -> str:
        def word(slot: re.Match[str]) -> str:
            name, words = slot[1], slot[2]
            value = arguments[name] if name in arguments else pick(self.words[words or name], *of, slot[0])
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

        text = SLOT.sub(word, phrase.text)
        opener = pick(self.openers, *of) if phrase.text[0].islower() else "{}"
        said = opener.replace("{}", text)
        return said[0].upper() + said[1:]


def read_phrasings(content: bytes, name: str, schemas: Mapping[str, Schema]) -> Phrasings:
    """Raises SpecError with every fault."""
    try:
        text = content.decode("utf-8-sig")
        document = decode(text)
        if "\\ud" in text.lower():
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        place = Place(name, content.count(b"\n", 0, error.start) + 1)
        raise SpecError([Diagnostic(f"{name} isn't UTF-8 text", "", "save it as UTF-8", place)]) from error
    except json.JSONDecodeError as error:
        place = Place(name, error.lineno, error.colno)
        raise SpecError([Diagnostic("invalid JSON", error.msg, "", place)]) from error
    except (ValueError, RecursionError) as error:
        what = "it has a key twice, half of a surrogate pair, is nested too deeply or has no such numbers"
        raise SpecError([Diagnostic("invalid JSON", what, "", Place(name))]) from error
    reader = _Reader(text, name, schemas)
    phrasings = reader.read(document)
    if reader.faults:
        raise SpecError(reader.faults)
    return phrasings


class _Reader:
    def __init__(self, text: str, name: str, schemas: Mapping[str, Schema]) -> None:
        self._text, self._name, self._schemas = text, name, schemas
        self.faults: list[Diagnostic] = []

    def read(self, document: Any) -> Phrasings:
        content = document if isinstance(document, dict) else {}
        if not isinstance(document, dict):
            self._fault("phrasings must be an object", hint='write {"requests": […]}')
        self._unknown_keys(content, KEYS, "in phrasings")
        words = self._lists(content.get("words", {}), "words")
        openers = content.get("openers", ["{}"])
        if not _is_texts(openers) or not all(opener.count("{}") == 1 for opener in openers):
            self._fault("`openers` must be a list of texts with `{}` in each", '"openers"')
            openers = ["{}"]
        phrases: dict[str, tuple[_Phrase, ...]] = {}
        themes: list[Theme] = []
        requests = content.get("requests", [])
        for request in requests if isinstance(requests, list) else [None]:
            if not isinstance(request, dict):
                self._fault("`requests` must be a list of objects", '"requests"')
            elif isinstance(function := request.get("function"), str) and function in self._schemas:
                found = self._phrases(request, words, self._schemas[function])
                phrases[function] = (*phrases.get(function, ()), *found)
            elif function is not None:
                hint = did_you_mean(str(function), self._schemas)
                self._fault(f"there is no function `{function}`", f'"{function}"', hint=hint)
            else:
                themes.append(self._theme(request, words, len(themes)))
        return Phrasings(tuple(openers), words, phrases, tuple(themes), document)

    def _theme(self, request: Mapping[str, Any], words: Mapping[str, Any], number: int) -> Theme:
        reason = request.get("reject")
        if reason not in REJECTED:
            at = f'"{reason}"' if isinstance(reason, str) else str(request.get("theme", ""))
            hint = f"reasons are {', '.join(REJECTED)}"
            self._fault("a request needs a `function`, or a reason under `reject`", at, hint=hint)
        phrases = tuple(self._phrases(request, words, {}))
        return Theme(str(reason), str(request.get("theme", number)), phrases)

    def _phrases(
        self, request: Mapping[str, Any], words: Mapping[str, Any], schema: Schema
    ) -> Iterator[_Phrase]:
        function, fixed, say = request.get("function"), request.get("with", {}), request.get("say")
        self._unknown_keys(request, REQUEST_KEYS, "in a request")
        parameters = schema.get("properties") or {}
        if not isinstance(fixed, dict) or (unknown := [key for key in fixed if key not in parameters]):
            at = f'"{unknown[0]}"' if isinstance(fixed, dict) else '"with"'
            self._fault(f"`with` must have parameters of `{function}`", at)
            return
        if not _is_texts(say) or "" in say:
            self._fault("`say` must be a list of texts", f'"{function or request.get("theme")}"')
            return
        for text in say:
            phrase = _Phrase(text, fixed)
            if "{" in SLOT.sub("", text) or "}" in SLOT.sub("", text):
                self._fault("a brace isn't part of a `{word}`", text, text)
            for name, source in phrase.slots:
                if (source or name) not in words and (source or name not in parameters):
                    hint = did_you_mean(source or name, [*words, *parameters])
                    self._fault(f"there are no words `{source or name}`", text, text, hint)
            yield phrase

    def _lists(self, value: Any, what: str) -> dict[str, Sequence[Any]]:
        if isinstance(value, dict) and all(isinstance(each, list) and each for each in value.values()):
            return value
        self._fault(f"`{what}` must be an object of lists", f'"{what}"')
        return {}

    def _unknown_keys(self, value: Mapping[str, Any], known: Sequence[str], where: str) -> None:
        for key in value:
            if key not in known:
                self._fault(f"unknown key `{key}` {where}", f'"{key}"', hint=did_you_mean(key, known))

    def _fault(self, summary: str, at: str = "", detail: str = "", hint: str = "") -> None:
        """At the first place of this text."""
        position = max(0, self._text.find(at))
        line = self._text.count("\n", 0, position) + 1
        column = position - self._text.rfind("\n", 0, position)
        self.faults.append(Diagnostic(summary, detail, hint, Place(self._name, line, column)))


def _is_texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)
