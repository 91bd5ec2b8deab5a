"""Normal form of inputs: two values are the same if their normal forms are, however they are written.

Absent, null, `[]` and `{}` are the same; so are `1` and `1.0`, and two Unicode forms of one text. What else
doesn't count (letter case, a number as text) depends on the field: `resource_types` has a row for each. Pure.

The normal form is for comparing only: what is sent and shown is written as in the spec, or as the service
took it before.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import NamedTuple

from msgspec import Struct
from msgspec.json import Encoder

from ftops.core.address import EXPRESSIONS, SCALARS, Json, Scalar, Value, escape

Form = Callable[[Scalar], Scalar]
"""The normal form of the scalars of a field."""

canonical = Encoder(order="deterministic").encode
"""One text for values that are equal as JSON: `true` is not `1`."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z", re.ASCII)
_EXACT = 2**63
"""Below this, a whole number has one text, whether it is an integer or a float."""


class Spelling(Struct, frozen=True):
    """How the inputs of a kind may be written without another meaning."""

    forms: Mapping[str, Form] = {}
    """By dotted path; `hyperparameters.*` is every key below that has no row of its own."""
    folded_keys: frozenset[str] = frozenset()
    """Mappings whose keys are the same in either letter case."""

    def form(self, path: str) -> Form | None:
        own = self.forms.get(path)
        if own is not None or "." not in path:
            return own
        return self.forms.get(f"{path.rpartition('.')[0]}.*")


AS_WRITTEN = Spelling()
"""No field has rules of its own."""


def name(value: Scalar) -> Scalar:
    """Text in which letter case doesn't count."""
    return value.casefold() if isinstance(value, str) else value


def model(value: Scalar) -> Scalar:
    """A model's name. The id at the end of `ft:<base>:<organization>::<id>` is told apart by letter case."""
    return name(value) if not str(value).startswith("ft:") else value


def number(value: Scalar) -> Scalar:
    """A number, also written as text; `auto` leaves the choice to the service, as being absent does."""
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
    """One of these words: letter case, `-`, `_` and blanks don't count."""
    known = {_squeezed(text): text for text in words}

    def form(value: Scalar) -> Scalar:
        return known.get(_squeezed(value), value.casefold()) if isinstance(value, str) else value

    return form


def _squeezed(text: str) -> str:
    return re.sub(r"[-_\s]", "", text).casefold()


def normal(value: Value, spelling: Spelling = AS_WRITTEN, path: str = "") -> Json:
    """The normal form of what stands at a dotted path, as JSON; None if that is the same as nothing."""
    if isinstance(value, SCALARS):
        return _scalar(value, spelling.form(path))
    if isinstance(value, EXPRESSIONS):
        return str(value)
    if isinstance(value, Mapping):
        return {item.key: item.meaning for item in _items(value, spelling, path)} or None
    return [normal(item, spelling, path) for item in value] or None


def same(one: Value, other: Value, spelling: Spelling = AS_WRITTEN, path: str = "") -> bool:
    """Whether two values at a dotted path are spellings of one value."""
    return canonical(normal(one, spelling, path)) == canonical(normal(other, spelling, path))


class Leaf(NamedTuple):
    """A value that is no mapping: where it stands and what it is, as written, and its meaning as text."""

    path: str
    value: Value
    meaning: str


def leaves(
    tree: Mapping[str, Value], spelling: Spelling = AS_WRITTEN, above: tuple[str, ...] = (), path: str = ""
) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    """Leaves by the normal form of the keys that lead to them, without those that are the same as nothing."""
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
    """Those that aren't the same as nothing. Keys that only their spelling tells apart stay as written."""
    folded = path in spelling.folded_keys
    found: list[tuple[str, _Item]] = []
    for own, value in tree.items():
        here = f"{path}.{own}" if path else own
        meaning = normal(value, spelling, here)
        if meaning is not None:
            key = _composed(own)
            found.append((own, _Item(key.casefold() if folded else key, here, value, meaning)))
    if len({item.key for _, item in found}) == len(found):
        return [item for _, item in found]
    counts = Counter(item.key for _, item in found)
    return [item._replace(key=own) if counts[item.key] > 1 else item for own, item in found]


def _scalar(value: Scalar, form: Form | None) -> Scalar:
    if isinstance(value, str):
        value = _composed(value)
    if form is not None:
        value = form(value)
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)
