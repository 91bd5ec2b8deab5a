"""Edits: the fields of an edited example that differ, as text. Secrets and personal data are masked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from ftops.dataset.files.jsonl_io import Example, canonical, lines_of, read
from ftops.dataset.profile.example_digest import Row
from ftops.dataset.rules.sensitive_data import mask

_DEPTH = 8
"""What is deeper is one text."""
_ASKED_AND_ANSWERED = ("user", "assistant")


class Edit(Struct, frozen=True):
    """A field before and after. None: the version has no such field."""

    field: str
    """The role of a message, or a path: `assistant 2`, `tools[1].function.name`."""
    old: str | None
    new: str | None


def edits(
    old: Path | bytes | None, new: Path | bytes, pairs: Sequence[tuple[Row, Row]]
) -> dict[int, tuple[Edit, ...]]:
    """What differs in pairs of examples, by the line of the new one. If the old version isn't at hand: the
    last question and the last answer of the new one."""
    after = _fields_of(new, {row.line for _, row in pairs})
    if old is None:
        return {line: _latest(fields) for line, fields in after.items()}
    before = _fields_of(old, {row.line for row, _ in pairs})
    return {
        row.line: _differing(before[was.line], after[row.line])
        for was, row in pairs
        if was.line in before and row.line in after
    }


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Edit, ...]:
    found = (Edit(name, old.get(name), new.get(name)) for name in dict.fromkeys((*new, *old)))
    return tuple(edit for edit in found if edit.old != edit.new)


def _latest(fields: Mapping[str, str]) -> tuple[Edit, ...]:
    last = {name.split()[0]: Edit(name, None, text) for name, text in fields.items() if name.strip()}
    return tuple(last[role] for role in _ASKED_AND_ANSWERED if role in last)


def _fields_of(source: Path | bytes, numbers: set[int]) -> dict[int, dict[str, str]]:
    if not numbers:
        return {}
    lines = lines_of(source) if isinstance(source, bytes) else read(source)
    found: dict[int, Example] = {n: one for n, _, one in lines if n in numbers and one is not None}
    return {n: {mask(name): mask(text) for name, text in _fields(one)} for n, one in found.items()}


def _fields(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Texts by name. Messages are named by their role, from the second of a role on with a number."""
    if isinstance(value, str):
        yield name, value
    elif not value or not isinstance(value, dict | list) or depth == _DEPTH:
        yield name, canonical(value).decode(errors="replace")
    elif isinstance(value, dict):
        is_message = isinstance(value.get("role"), str)
        for key, below in value.items():
            if not (is_message and key == "role"):
                is_said = is_message and key == "content"
                path = name if is_said else f"{name}.{key}" if name else key
                yield from _fields(below, path, depth + 1)
    else:
        holder = "" if name in ("messages", "input.messages") else f"{name} "
        roles: Counter[str] = Counter()
        for number, below in enumerate(value, 1):
            path = f"{name}[{number}]"
            if isinstance(below, dict) and isinstance(role := below.get("role"), str):
                roles[role] += 1
                path = f"{holder}{role}" if roles[role] == 1 else f"{holder}{role} {roles[role]}"
            yield from _fields(below, path, depth + 1)
