"""Candidates: answers that a policy tries for a row, made from its fields, as it knows no language."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice, product
from typing import Any, NamedTuple

_OF_PROMPTS = ("messages", "tools", "functions", "parallel_tool_calls")
_MOST = 16
"""Objects that are put together for a row."""


class Answers(NamedTuple):
    """The answers that a policy can give."""

    of_row: Callable[[Mapping[str, Any]], Iterable[str]]
    """The candidates of a row."""
    are_allowed: Callable[[str], bool]
    """Whether an answer, also one that the model has learned before, is possible."""


def texts() -> Answers:
    """The values of fields. Any text is possible."""
    return Answers(lambda item: filter(str.strip, map(_text, _fields(item).values())), lambda text: True)


def objects(schema: Mapping[str, Any], fits: Callable[[str], bool]) -> Answers:
    """What fits the schema of a response format: values of fields, and objects made of them."""

    def of_row(item: Mapping[str, Any]) -> Iterator[str]:
        fields = _fields(item)
        made = islice(_objects(schema, fields), _MOST)
        found = chain(map(_text, fields.values()), (json.dumps(one, ensure_ascii=False) for one in made))
        return filter(fits, found)

    return Answers(of_row, fits)


def _fields(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in _OF_PROMPTS}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _objects(schema: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """With, for each property: the field of its name, else one of the values that the schema lists, else any
    field."""
    properties = schema.get("properties") or {}
    choices = [
        [fields[name]] if name in fields else _listed(part) or list(fields.values())
        for name, part in properties.items()
    ]
    for values in product(*choices):
        yield dict(zip(properties, values, strict=True))


def _listed(part: Any) -> list[Any]:
    listed = part.get("enum") if isinstance(part, Mapping) else None
    if isinstance(listed, list):
        return listed
    return [True, False] if isinstance(part, Mapping) and part.get("type") == "boolean" else []
