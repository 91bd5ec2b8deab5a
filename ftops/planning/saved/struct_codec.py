"""Frozen values ↔ JSON objects, by the annotations of their fields.

A class that is written down is registered once; its fields are read from the class, so that a field that
is added later is written and read without another line. Fields that have their default are left out.
Reading is strict: what is written here decides what is applied, so a key that isn't known is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ForwardRef, NamedTuple

from msgspec import NODEFAULT, Struct, structs

from ftops.core.address import Address, decode, encode


class Form(NamedTuple):
    """How a value of one type is written, and read back. `read` raises TypeError or ValueError."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


class Field(NamedTuple):
    name: str
    form: Form
    default: Any
    """NODEFAULT where there is none."""


_GENERIC = re.compile(r"(?P<outer>tuple|Mapping)\[(?P<inner>.*)\]\Z")


class Records:
    """The classes that can be written down. `forms` are those of the annotations that are no such class."""

    def __init__(self, classes: Mapping[str, type], forms: Mapping[str, Form]) -> None:
        self._classes = classes
        self._forms = {**_PLAIN, **forms}
        self.form = cache(self._form)
        self._fields = cache(self._fields_of)

    def write(self, value: Any) -> dict[str, Any]:
        """A registered value as a JSON object."""
        return self.form(type(value).__name__).write(value)  # type: ignore[no-any-return]

    def read(self, kind: type, raw: Any) -> Any:
        """The inverse. Raises TypeError or ValueError where `raw` isn't of that form."""
        return self.form(kind.__name__).read(raw)

    def check(self) -> None:
        """Raises TypeError where a registered class has a field that can't be written down."""
        for kind in self._classes.values():
            self._fields(kind)

    def _form(self, annotation: str) -> Form:
        if annotation in self._forms:
            return self._forms[annotation]
        if annotation in self._classes:
            return self._record(self._classes[annotation])
        if annotation.endswith(" | None"):
            return _optional(self.form(annotation.removesuffix(" | None")))
        generic = _GENERIC.match(annotation)
        if generic and generic["outer"] == "tuple":
            return _sequence(self.form(generic["inner"].removesuffix(", ...")))
        if generic:
            return _mapping(self.form(generic["inner"].removeprefix("str, ")))
        raise TypeError(f"there is no way to write down a field of type {annotation}")

    def _record(self, kind: type) -> Form:
        def write(value: Any) -> dict[str, Any]:
            return {
                name: form.write(found)
                for name, form, default in self._fields(kind)
                if (found := getattr(value, name)) != default or default is NODEFAULT
            }

        def read(raw: Any) -> Any:
            known = {f.name: f.form for f in self._fields(kind)}
            given = _checked(raw, dict)
            if unknown := given.keys() - known.keys():
                raise ValueError(f"{kind.__name__} has no {sorted(unknown)[0]}")
            return kind(**{name: known[name].read(value) for name, value in given.items()})

        return Form(write, read)

    def _fields_of(self, kind: type) -> tuple[Field, ...]:
        defaults = _struct_defaults(kind) if issubclass(kind, Struct) else _tuple_defaults(kind)
        hints = kind.__annotations__
        return tuple(
            Field(name, self.form(_text(hints[name])), default) for name, default in defaults.items()
        )


def _struct_defaults(kind: type[Struct]) -> dict[str, Any]:
    return {
        f.name: f.default if f.default_factory is NODEFAULT else f.default_factory()
        for f in structs.fields(kind)
    }


def _tuple_defaults(kind: type) -> dict[str, Any]:
    known = kind._field_defaults  # type: ignore[attr-defined]
    return {name: known.get(name, NODEFAULT) for name in kind.__annotations__}


def _text(annotation: Any) -> str:
    """An annotation as it was written."""
    return annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else str(annotation)


def _same(value: Any) -> Any:
    return value


def _checked(raw: Any, kind: type) -> Any:
    if type(raw) is not kind:
        raise TypeError(f"{raw!r} is no {kind.__name__}")
    return raw


def _number(raw: Any) -> Any:
    if type(raw) not in (int, float):
        raise TypeError(f"{raw!r} is no number")
    return raw


def _atom(kind: type) -> Form:
    return Form(_same, lambda raw: _checked(raw, kind))


def word(kind: Callable[[str], Any]) -> Form:
    """A value that is written as one text."""
    return Form(str, lambda raw: kind(_checked(raw, str)))


def _optional(inner: Form) -> Form:
    return Form(
        lambda value: None if value is None else inner.write(value),
        lambda raw: None if raw is None else inner.read(raw),
    )


def _sequence(inner: Form) -> Form:
    return Form(
        lambda value: [inner.write(v) for v in value],
        lambda raw: tuple(inner.read(v) for v in _checked(raw, list)),
    )


def _mapping(inner: Form) -> Form:
    return Form(
        lambda value: {k: inner.write(v) for k, v in value.items()},
        lambda raw: {k: inner.read(v) for k, v in _checked(raw, dict).items()},
    )


_PLAIN: Mapping[str, Form] = {
    "str": _atom(str),
    "int": _atom(int),
    "bool": _atom(bool),
    "float": Form(_same, _number),
    "Json": Form(_same, _same),
    "Value": Form(encode, decode),
    "Address": word(Address.parse),
}
