"""Features: text as a sparse vector of hashed words, word pairs and letter triples; candidates for arguments.

The hash is CRC-32, so that a text has the same features in every process. A candidate for the value of an
argument is a value known from training or from the schema, or a span of the prompt (a number, a word, a few
words). It has a set of hashed features, whose weights the trainer learns.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ftops.emulator.trainer.examples import Context, Function

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PROMPT_BUCKETS = 1 << 13
_BIAS = 0.3
_SYSTEM = 0.05
_EARLIER = 0.3
_TOKEN = re.compile(r"-?\d+(?:[.,]\d+)?|[^\W\d_]+(?:['’][^\W\d_]+)?|_|[^\w\s]")
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")


class Sparse(NamedTuple):
    """A vector as its non-zero places, without repetition, and their values."""

    places: Ints
    values: Floats


class Token(NamedTuple):
    """A word, number or punctuation mark, with its position in the text."""

    text: str
    start: int
    end: int

    @property
    def is_number(self) -> bool:
        return _NUMBER.fullmatch(self.text) is not None

    @property
    def key(self) -> str:
        """The token as a feature. Of numbers only the sign counts."""
        if self.is_number:
            return "<negative>" if self.text.startswith("-") else "<number>"
        return self.text.lower()


def tokens(text: str) -> list[Token]:
    return [Token(match[0], match.start(), match.end()) for match in _TOKEN.finditer(text)]


@lru_cache(maxsize=1 << 16)
def bucket(key: str, size: int) -> int:
    """The place of a feature. Place 0 is for the bias."""
    return crc32(key.encode()) % (size - 1) + 1


def prompt_vector(context: Context) -> Sparse:
    """The features of a context: mostly those of the last user message and of what functions then
    returned."""
    weights: dict[str, float] = {}
    last = max((i for i, (role, _) in enumerate(context.turns) if role == "user"), default=-1)
    for index, (role, text) in enumerate(context.turns):
        mark = "" if index == last else f"{role}~"
        _add(weights, mark, text, _EARLIER if index < last else 1.0)
    _add(weights, "system~", context.system, _SYSTEM)
    norm = math.sqrt(sum(value * value for value in weights.values())) or 1.0
    vector: dict[int, float] = {0: _BIAS}
    for key, value in weights.items():
        place = bucket(key, PROMPT_BUCKETS)
        vector[place] = vector.get(place, 0.0) + value / norm
    places = sorted(vector)
    return Sparse(np.array(places, dtype=np.int64), np.array([vector[place] for place in places]))


def _add(weights: dict[str, float], mark: str, text: str, weight: float) -> None:
    for key, value in _ngrams(text):
        weights[mark + key] = weights.get(mark + key, 0.0) + weight * value


def _ngrams(text: str) -> Iterable[tuple[str, float]]:
    """The words, pairs of words and letter triples of ``text``, with their weights."""
    keys = [token.key for token in tokens(text)]
    for key in keys:
        yield key, 1.0
        padded = f"<{key}>"
        for start in range(len(padded) - 2) if key[0].isalpha() else ():
            yield f"#{padded[start : start + 3]}", 0.3
    padded_keys = ["^", *keys, "$"]
    for first, second in itertools.pairwise(padded_keys):
        yield f"{first} {second}", 0.6


def canonical(value: Any) -> str:
    """A value as a string that is the same for equal values: 50 and 50.0, "Red" and "red"."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, str):
        return " ".join(value.lower().split())
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    return "{" + ",".join(f"{key}:{canonical(value[key])}" for key in sorted(value)) + "}"


SLOT_BUCKETS = 1 << 16
MAX_SPAN = 5
_UNIT_WORDS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen
"""
_UNITS = _UNIT_WORDS.split()
_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_NUMBER_WORDS = {word: number for number, word in enumerate(_UNITS)} | {
    word: 10 * number for number, word in enumerate(_TENS) if number > 1
}
_NEGATIONS = ("negative", "minus")


class Parameter(NamedTuple):
    """A parameter of a function, from its schema and the training data."""

    function: str
    name: str
    kind: str  # a JSON schema type
    values: tuple[Any, ...]  # known values
    required: bool


class Choice(NamedTuple):
    """The candidates for an argument. The last one stands for any other value.

    ``features`` are the places of all candidates' features, ``owner`` the candidates that they belong to.
    ``group`` numbers the different values, because several candidates may have the same.
    """

    values: tuple[Any, ...]
    keys: tuple[str, ...]
    features: Ints
    owner: Ints
    group: Ints


def parameter_of(function: Function, name: str, seen: tuple[Any, ...]) -> Parameter:
    """From the schema and the values ``seen`` in training."""
    schema: Mapping[str, Any] = function.parameters.get(name, {})
    listed = tuple(schema.get("enum", ()))
    known = {canonical(value) for value in listed}
    values = listed + tuple(value for value in seen if canonical(value) not in known)
    kind = schema.get("type") or _kind(values)
    if kind == "boolean":
        values = (True, False)
    return Parameter(function.name, name, str(kind), values, name in function.required)


def _kind(values: tuple[Any, ...]) -> str:
    if values and all(type(value) in (int, float) for value in values):
        return "integer" if all(type(value) is int for value in values) else "number"
    return "string" if all(isinstance(value, str) for value in values) else "object"


def presence_features(parameter: Parameter, words: list[str]) -> Ints:
    """The features that decide whether an argument is given."""
    own = f"{parameter.function}.{parameter.name}"
    keys = [f"has~{own}", f"has~required={parameter.required}"]
    keys += [f"has~{own}~{word}" for word in words]
    return _places(keys)


def choice(parameter: Parameter, prompt: str) -> Choice:
    """The candidates for an argument."""
    prompt_tokens = tokens(prompt)
    words = [token.key for token in prompt_tokens]
    rows: list[tuple[Any, str, list[str]]] = []
    for value in parameter.values:
        rows.append((value, canonical(value), list(_known_features(parameter, value, words))))
    if parameter.kind not in ("boolean", "object", "array", "null"):
        for value, start, end in _spans(parameter, prompt, prompt_tokens):
            features = list(_copy_features(parameter, prompt_tokens, start, end))
            rows.append((value, canonical(value), features))
    rows.append((None, "\0", [f"other~{parameter.function}.{parameter.name}", "other"]))
    groups: dict[str, int] = {}
    group = [groups.setdefault(key, len(groups)) for _, key, _ in rows]
    owner = [index for index, (_, _, features) in enumerate(rows) for _ in features]
    places = _places([feature for _, _, features in rows for feature in features])
    return Choice(
        tuple(value for value, _, _ in rows),
        tuple(groups),
        places,
        np.array(owner, dtype=np.int64),
        np.array(group, dtype=np.int64),
    )


def _places(keys: list[str]) -> Ints:
    return np.array([bucket(key, SLOT_BUCKETS) for key in keys], dtype=np.int64)


def _known_features(parameter: Parameter, value: Any, words: list[str]) -> Iterator[str]:
    own = f"{parameter.function}.{parameter.name}={canonical(value)}"
    yield own
    yield from (f"{own}~{word}" for word in sorted(set(words)))
    yield from (f"{own}~{a} {b}" for a, b in itertools.pairwise(words))
    parts = [part for part in re.split(r"[\s_-]+", canonical(value)) if part]
    hits = sum(any(_is_similar(part, word) for word in words) for part in parts)
    mentioned = "all" if parts and hits == len(parts) else "some" if hits else "none"
    yield f"known~said={mentioned}"
    yield f"known~{parameter.function}.{parameter.name}~said={mentioned}"


def _is_similar(part: str, word: str) -> bool:
    short = min(len(part), len(word))
    return part == word or (short >= 4 and part[: short - 1] == word[: short - 1])


def _spans(parameter: Parameter, prompt: str, prompt_tokens: list[Token]) -> Iterator[tuple[Any, int, int]]:
    if parameter.kind in ("integer", "number"):
        for index in range(len(prompt_tokens)):
            if (number := _number(prompt_tokens, index)) is not None:
                yield number, index, index + 1
        return
    known = [len(tokens(str(value))) for value in parameter.values]
    longest = min(max(known or [MAX_SPAN]), MAX_SPAN)
    for start, first in enumerate(prompt_tokens):
        if first.text[0].isalpha() or first.is_number:
            for end in range(start + 1, min(start + longest, len(prompt_tokens)) + 1):
                yield prompt[first.start : prompt_tokens[end - 1].end], start, end


def _number(prompt_tokens: list[Token], index: int) -> int | float | None:
    token = prompt_tokens[index]
    if token.is_number:
        text = token.text.replace(",", ".")
        value = float(text) if "." in text else int(text)
    elif (small := _NUMBER_WORDS.get(token.text.lower())) is not None:
        value = small
    else:
        return None
    is_negated = index > 0 and prompt_tokens[index - 1].text.lower() in _NEGATIONS
    return -value if is_negated else value


def _copy_features(parameter: Parameter, prompt_tokens: list[Token], start: int, end: int) -> Iterator[str]:
    first = prompt_tokens[start]
    before = ["^", "^", *(token.key for token in prompt_tokens[:start])]
    after = [token.key for token in prompt_tokens[end : end + 1]] or ["$"]
    numbers = sum(token.is_number for token in prompt_tokens[:start]) if first.is_number else "-"
    what = "number" if first.is_number else "word"
    shape = f"{what}{end - start}~{'title' if first.text[:1].isupper() else 'low'}"
    local = [
        "here", f"<{before[-1]}", f"<<{before[-2]} {before[-1]}", f">{after[0]}", f"#{numbers}", f"={shape}",
        f"w{first.key}" if end == start + 1 else "w",
    ]  # fmt: skip
    own = f"copy~{parameter.function}.{parameter.name}~"
    yield from (own + feature for feature in local)
    yield from (f"copy~{parameter.kind}~{feature}" for feature in local)


def summed(weights: Floats, picked: Choice) -> Floats:
    """The score of every candidate."""
    sums = np.bincount(picked.owner, weights[picked.features], len(picked.values))
    return np.asarray(sums, dtype=np.float64)


def words_of(context: Context) -> list[str]:
    """The distinct words of the prompt, as features."""
    return sorted({token.key for token in tokens(context.prompt)})
