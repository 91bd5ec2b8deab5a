"""Base model: an untuned model calls the function that shares the most words with the request.

It learns nothing and seldom declines, so that a tuned model is visibly better.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ftops.emulator.trainer.examples import Call, Context, Function, Reply

GREETING = (
    "I am an untuned base model in the ftops emulator, not a language model: I have no functions to call "
    "here, and nothing was taught to me. Fine-tune me on examples, and I answer as they do."
)
_WORD = re.compile(r"[A-Za-z]+|-?\d+(?:\.\d+)?")
_COMMON_WORDS = """
    a an and are as at be by can could do for from i if in is it its me my of off on or our please
    so that the this to up us use want we will with would you your function drone set
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_ENDINGS = ("ing", "ed", "es", "s", "e")
_NEGATIVE = frozenset(["off", "disable", "stop", "deactivate", "no", "not", "without", "end"])
_PREPOSITIONS = frozenset(["to", "at", "in", "into", "of", "as", "by", "for", "on"])


def answer(context: Context, *, calls: bool, texts: bool) -> Reply:
    scored = [(_overlap(context, function), function) for function in context.functions]
    best = max(scored, key=lambda pair: pair[0], default=None)
    if not calls or best is None or (best[0] == 0 and texts):
        return Reply(GREETING)
    return Reply(calls=(call(best[1], context.prompt),), legacy=context.legacy)


def call(function: Function, prompt: str) -> Call:
    return Call(function.name, _arguments(function, prompt))


def _overlap(context: Context, function: Function) -> float:
    """The weight of shared stems. A stem that many functions have counts less."""
    spread = Counter(stem for other in context.functions for stem in set(_stems(_description(other))))
    named = set(_stems(function.name))
    shared = set(_stems(context.prompt)) & set(_stems(_description(function)))
    return sum((2.0 if stem in named else 1.0) / spread[stem] for stem in sorted(shared))


def _description(function: Function) -> str:
    listed = [str(value) for rule in function.parameters.values() for value in rule.get("enum", ())]
    return " ".join([function.name, function.description, *function.parameters, *listed])


@lru_cache(maxsize=1024)
def _stems(text: str) -> tuple[str, ...]:
    words = [word.lower() for word in _WORD.findall(text.replace("_", " "))]
    return tuple(_stem(word) for word in words if word not in _COMMON and word.isalpha())


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _arguments(function: Function, prompt: str) -> dict[str, Any]:
    """The required arguments, by simple rules for each type."""
    words = _WORD.findall(prompt)
    numbers = [word for word in words if word.lstrip("-")[0].isdigit()]
    required = {name: rule for name, rule in function.parameters.items() if name in function.required}
    return {name: _value(rule, words, numbers) for name, rule in required.items()}


def _value(schema: Mapping[str, Any], words: list[str], numbers: list[str]) -> Any:
    """A value for a parameter. Each number of the prompt is used only once."""
    listed = schema.get("enum")
    if listed:
        stems = {_stem(word.lower()) for word in words}
        return next((item for item in listed if set(_stems(str(item))) & stems), listed[0])
    kind = schema.get("type", "string")
    if kind in ("integer", "number"):
        number = float(numbers.pop(0)) if numbers else 0.0
        return int(number) if kind == "integer" or number.is_integer() else number
    if kind == "boolean":
        return not any(word.lower() in _NEGATIVE for word in words)
    empty: dict[str, Any] = {"object": {}, "array": [], "null": None}
    if kind in empty:
        return empty[kind]
    # The words after the last preposition, or the last word.
    places = [index for index, word in enumerate(words) if word.lower() in _PREPOSITIONS]
    tail = words[places[-1] + 1 :] if places else words[-1:]
    return " ".join(word for word in tail if word.lower() not in ("the", "a", "an"))
