"""Details of a file beyond its sums: sequences of calls, values of arguments, pairs, grader fields.

Only a report needs them. What is kept is limited: values that don't fit are counted as OTHER.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any

from msgspec import Struct, field

from ftops.dataset.files.jsonl_io import dump, list_at, parse
from ftops.dataset.formats.chat import grader_fields
from ftops.dataset.profile.example_digest import Messages
from ftops.dataset.profile.tokens import REPLY, Counter, calls, definitions
from ftops.dataset.rules.sensitive_data import mask

START, END, OTHER = "(start)", "(end)", "(other)"
MAX_VALUES = 200
"""Different values of an argument, and different names, that are told apart."""
_LONGEST = 60
"""Characters of a value that are kept."""
_SEARCHED = 2_000
"""Characters that are searched for secrets: none of them reaches into the part that is kept."""

Values = dict[str, Tally[str]]


class Details(Struct):
    """Counts of a file."""

    steps: Values = field(default_factory=dict)
    """Function → the function that is called next in the same example; START and END are its ends."""
    arguments: dict[str, Values] = field(default_factory=dict)
    """Function → argument → values."""
    offered: Tally[str] = field(default_factory=Tally)
    """Functions by the number of examples that offer them."""
    fields: Values = field(default_factory=dict)
    """Keys beside `messages`, for a grader, with their values."""
    preferred: Tally[int] = field(default_factory=Tally)
    """Preferred outputs by tokens; likewise `rejected`."""
    rejected: Tally[int] = field(default_factory=Tally)
    longer: int = 0
    """Pairs whose preferred output has more tokens."""
    images: Tally[int] = field(default_factory=Tally)
    """Examples with images, by their number."""

    def add_example(self, example: Mapping[str, Any], messages: Messages, count: Counter | None) -> None:
        """`count`: None if tokens aren't counted."""
        if len(example) == 1 and all(len(m) == 2 and "content" in m for m in messages):
            self._add_images(messages)
            return  # as most conversations are: texts only
        source = example.get("input")
        holders = [example, source] if isinstance(source, dict) else [example]
        self._count(self.offered, {str(f.get("name")) for h in holders for f in definitions(h)})
        learnt = messages if "preferred_output" not in example else list_at(example, "preferred_output")
        called = [call for m in learnt if isinstance(m, dict) for call in calls(m)]
        if called:
            self._add_calls([call.name for call in called])
        for call in called:
            self._add_arguments(call.name, call.arguments)
        if "preferred_output" in example:
            self._add_pair(example, count)
        elif messages and messages[-1].get("role") != "assistant":
            for name in grader_fields(example):
                self._add_value(self.fields, name, example[name])
        self._add_images(messages)

    def add(self, other: Details) -> None:
        """Adds what is known of other lines."""
        self.longer += other.longer
        for name in ("offered", "preferred", "rejected", "images"):
            getattr(self, name).update(getattr(other, name))
        for name in ("steps", "fields"):
            _merge(getattr(self, name), getattr(other, name))
        for function, values in other.arguments.items():
            _merge(self.arguments.setdefault(_room(self.arguments, function), {}), values)

    def _add_calls(self, names: list[str]) -> None:
        for before, after in pairwise(chain((START,), map(_spelt, names), (END,))):
            tally = self.steps.setdefault(_room(self.steps, before), Tally())
            tally[_room(tally, after)] += 1

    def _add_arguments(self, function: str, text: str) -> None:
        given = parse(text.encode("utf-8", "replace")) or {}
        name = _spelt(function)
        values = self.arguments.setdefault(_room(self.arguments, name), {}) if given else {}
        for key, value in given.items():
            self._add_value(values, key, value)

    def _add_value(self, values: Values, key: str, value: object) -> None:
        name = _spelt(key)
        tally = values.setdefault(_room(values, name), Tally())
        text = _spelt(_shown(value))
        tally[_room(tally, text)] += 1

    def _add_pair(self, example: Mapping[str, Any], count: Counter | None) -> None:
        if count is None:
            return
        preferred, rejected = (
            count.tokens({"messages": list_at(example, key)}) - REPLY
            for key in ("preferred_output", "non_preferred_output")
        )
        self.preferred[preferred] += 1
        self.rejected[rejected] += 1
        self.longer += preferred > rejected

    def _add_images(self, messages: Messages) -> None:
        images = sum(
            1
            for m in messages
            for part in list_at(m, "content")
            if isinstance(part, dict) and "image_url" in part
        )
        if images:
            self.images[images] += 1

    def _count(self, tally: Tally[str], names: set[str]) -> None:
        for name in map(_spelt, names):
            tally[_room(tally, name)] += 1


def ranked(values: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The most frequent first; equal ones by name, and OTHER last."""
    return iter(sorted(values.items(), key=lambda item: (item[0] == OTHER, -item[1], item[0])))


def _merge(ours: Values, theirs: Values) -> None:
    for key, tally in theirs.items():
        into = ours.setdefault(_room(ours, key), Tally())
        for value, number in tally.items():
            into[_room(into, value)] += number


def _room(known: Mapping[str, object], name: str) -> str:
    """The name, or OTHER if there are too many."""
    return name if name in known or len(known) < MAX_VALUES else OTHER


def _spelt(text: str) -> str:
    """A short text that can be encoded in UTF-8; secrets are masked before it is cut."""
    return _mask(text[:_SEARCHED])


@lru_cache(maxsize=1000)
def _mask(text: str) -> str:
    """Cached: the names of functions and arguments are repeated."""
    shown = mask(text)
    shown = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
    return shown.encode("utf-8", "replace").decode()


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return f"({'object' if isinstance(value, dict) else 'list'} of {len(value)})"
    return value if isinstance(value, str) else dump(value).decode()
