"""Normal form: two inputs are equal if their normal forms are, however they are written. Pure.

Absent, null, `[]` and `{}` are equal; so are `1` and `1.0`, and two Unicode forms of one text. Other rules
(letter case, numbers as text) depend on the field: `resource_types` has them.

The normal form is only for comparison. What is sent and shown is written as in the spec, or as it was sent
before.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import NamedTuple

from msgspec import Struct
from msgspec.json import Encoder

from ftops.core.address import EXPRESSIONS, SCALARS, Json, Scalar, Value, composed, escape

Form = Callable[[Scalar], Scalar]
"""The normal form of the scalars of a field."""

canonical = Encoder(order="deterministic").encode
"""One text for values that are equal in JSON, where `true` isn't `1`."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z", re.ASCII)
_EXACT = 2**63
"""Below this, a whole number has the same text as integer and as float."""


class Spelling(Struct, frozen=True):
    """Which spellings of the inputs of a kind have the same meaning."""

    forms: Mapping[str, Form] = {}
    """By dotted path; `hyperparameters.*` stands for all keys below without their own entry."""
    folded_keys: frozenset[str] = frozenset()
    """Mappings with case-insensitive keys."""

    def form(self, path: str) -> Form | None:
        own = self.forms.get(path)
        if own is not None or "." not in path:
            return own
        return self.forms.get(f"{path.rpartition('.')[0]}.*")


AS_WRITTEN = Spelling()
"""No field has rules."""


def name(value: Scalar) -> Scalar:
    """Case-insensitive text."""
    return value.casefold() if isinstance(value, str) else value


def model(value: Scalar) -> Scalar:
    """A model name. The ID at the end of `ft:<base>:<organization>::<id>` is case-sensitive."""
    return name(value) if not str(value).startswith("ft:") else value


def number(value: Scalar) -> Scalar:
    """A number, also as text. `auto` means the same as an absent value: the service chooses."""
    if not isinstance(value, str):
        return value
    if value.casefold() == "auto":
        return None
    found = float(value) if _NUMBER.match(value) else None
    if found is None or not isfinite(found):
        return value
    whole = int(value) if value.lstrip("+-").isdecimal() else _EXACT
    return whole if abs(whole) < _EXACT else found


def word(*words: str) -> Form:
    """One of these words, ignoring case, `-`, `_` and blanks."""
    known = {squeezed(text): text for text in words}

    def form(value: Scalar) -> Scalar:
        return known.get(squeezed(value), value.casefold()) if isinstance(value, str) else value

    return form


def squeezed(text: str) -> str:
    """A word in lower case, without `-`, `_` and blanks."""
    return re.sub(r"[-_\s]", "", text).casefold()


def normal(value: Value, spelling: Spelling = AS_WRITTEN, path: str = "") -> Json:
    """The normal form of a value at a dotted path, as JSON; None if it equals an absent value."""
    if isinstance(value, SCALARS):
        return _scalar(value, spelling.form(path))
    if isinstance(value, EXPRESSIONS):
        return str(value)
    if isinstance(value, Mapping):
        return {item.key: item.meaning for item in _items(value, spelling, path)} or None
    return [normal(item, spelling, path) for item in value] or None


def same(one: Value, other: Value, spelling: Spelling = AS_WRITTEN, path: str = "") -> bool:
    """Whether two values at a dotted path are equal."""
    return canonical(normal(one, spelling, path)) == canonical(normal(other, spelling, path))


class Leaf(NamedTuple):
    """A value that isn't a mapping: its path and value as written, and its meaning as text."""

    path: str
    value: Value
    meaning: str


def leaves(
    tree: Mapping[str, Value], spelling: Spelling = AS_WRITTEN, above: tuple[str, ...] = (), path: str = ""
) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    """Leaves by the normal form of their keys, without those that equal an absent value."""
    for item in _items(tree, spelling, path):
        place = (*above, item.key)
        if isinstance(item.value, Mapping):
            yield from leaves(item.value, spelling, place, item.path)
        else:
            yield place, Leaf(item.path, item.value, canonical(item.meaning).decode())


class _Item(NamedTuple):
    """An entry of a mapping: its key and meaning in normal form, its path and value as written."""

    key: str
    path: str
    value: Value
    meaning: Json


def _items(tree: Mapping[str, Value], spelling: Spelling, path: str) -> list[_Item]:
    """The entries that don't equal an absent value. Keys that only differ in spelling stay as written."""
    folded = path in spelling.folded_keys
    found: list[tuple[str, _Item]] = []
    for own, value in tree.items():
        here = f"{path}.{own}" if path else own
        meaning = normal(value, spelling, here)
        if meaning is not None:
            key = composed(own)
            found.append((own, _Item(key.casefold() if folded else key, here, value, meaning)))
    if len({item.key for _, item in found}) == len(found):
        return [item for _, item in found]
    counts = Counter(item.key for _, item in found)
    return [item._replace(key=own) if counts[item.key] > 1 else item for own, item in found]


def _scalar(value: Scalar, form: Form | None) -> Scalar:
    if isinstance(value, str):
        value = composed(value)
    if form is not None:
        value = form(value)
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value
