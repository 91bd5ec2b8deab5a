"""Struct codec: frozen values to JSON values and back, by the annotations of their fields.

A new field of a class is written and read without another line. Structs and named tuples become objects,
members of a union of tagged structs carry their tag, addresses and expressions become text. Fields that have
their default are left out, unless their class lists them in `always_written`.

`msgspec.convert` can't do this: it calls its hooks only for types that it doesn't know. It would write an
`Address` as an array and a `Reference` as an object, and not escape a literal `${`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin

from msgspec import NODEFAULT, Struct
from msgspec.structs import astuple

from ftops.core.address import Address, Json, Value, decode, encode

T = TypeVar("T")


class Form(NamedTuple):
    """How values of one type are written and read. `read` raises KeyError, TypeError or ValueError."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


class Codec:
    """`strict`: unknown fields are errors. `arrays`: named tuples that become arrays. `forms` override
    the forms that types have otherwise."""

    def __init__(
        self, *, strict: bool = False, arrays: Sequence[type] = (), forms: Mapping[Any, Form] | None = None
    ) -> None:
        self._strict = strict
        self._arrays = frozenset(arrays)
        self._known = {**_KNOWN, **(forms or {})}
        self.form: Callable[[Any], Form] = cache(self._form)

    def write(self, value: Any) -> Any:
        return self.form(type(value)).write(value)

    def read(self, kind: type[T], raw: Any) -> T:
        """The inverse of `write`. Raises KeyError, TypeError or ValueError if `raw` isn't of that form."""
        return self.form(kind).read(raw)  # type: ignore[no-any-return]

    def _form(self, kind: Any) -> Form:
        if kind in self._known:
            return self._known[kind]
        origin, inner = get_origin(kind), get_args(kind)
        if origin is tuple:
            is_open = inner[1:] == (...,)
            return _sequence(self.form(inner[0])) if is_open else _row(tuple, [self.form(i) for i in inner])
        if origin is Mapping:
            return _mapping(self.form(inner[0]), self.form(inner[1]))
        if origin is UnionType and NoneType in inner:
            return _optional(self.form(inner[0]))
        if origin is UnionType:
            return self._tagged(inner)
        if isinstance(kind, type) and issubclass(kind, Enum):
            members = {member.value: member for member in kind}
            return Form(lambda member: member.value, lambda raw: members.get(raw) or kind(raw))
        if isinstance(kind, type) and hasattr(kind, "__match_args__"):
            return self._record(kind)
        raise TypeError(f"the codec has no form for {kind}")

    def _record(self, kind: type) -> Form:
        fields = [(name, self.form(hint), default) for name, hint, default in _fields(kind)]
        if kind in self._arrays:
            return _row(lambda items: kind(*items), [form for _, form, _ in fields])
        writers = [(name, form.write, default) for name, form, default in fields]
        readers = {name: form.read for name, form, _ in fields}

        items: Callable[[Any], Iterable[Any]] = astuple if issubclass(kind, Struct) else iter

        def write(value: Any) -> dict[str, Any]:
            return {
                name: item if write is same else write(item)
                for (name, write, default), item in zip(writers, items(value), strict=True)
                if item != default
            }

        def read(raw: Any) -> Any:
            try:
                return kind(**{name: readers[name](item) for name, item in _dict(raw).items()})
            except KeyError:
                unknown = raw.keys() - readers.keys()
                if not unknown:
                    raise
                if self._strict:
                    raise ValueError(f"{kind.__name__} has no field {min(unknown)}") from None
                return read({name: item for name, item in raw.items() if name in readers})

        return Form(write, read)

    def _tagged(self, kinds: Sequence[type[Struct]]) -> Form:
        """A union of structs of which each has a tag."""
        tags = {kind: kind.__struct_config__.tag for kind in kinds}
        (key,) = {kind.__struct_config__.tag_field for kind in kinds}
        by_tag = {tag: kind for kind, tag in tags.items()}

        def write(value: Any) -> dict[str, Any]:
            return {key: tags[type(value)], **self.write(value)}

        def read(raw: Any) -> Any:
            fields = dict(_dict(raw))
            return self.read(by_tag[fields.pop(key)], fields)

        return Form(write, read)


def _fields(kind: type) -> list[tuple[str, Any, Any]]:
    """Name, type and default of each field; NODEFAULT also for a field that is always written."""
    if issubclass(kind, Struct):
        names = kind.__struct_fields__
        values = [d.factory() if hasattr(d, "factory") else d for d in kind.__struct_defaults__]
        defaults = dict(zip(names[len(names) - len(values) :], values, strict=True))
        defaults.update(dict.fromkeys(getattr(kind, "always_written", ()), NODEFAULT))
    else:
        names, defaults = kind._fields, kind._field_defaults  # type: ignore[attr-defined]
    # Neither `structs.fields` nor `typing.get_type_hints`: both expand recursive aliases, and then `Value` is
    # not recognised.
    module = vars(sys.modules[kind.__module__])
    hints = (eval(_text(kind.__annotations__[name]), module) for name in names)  # noqa: S307
    return [(name, hint, defaults.get(name, NODEFAULT)) for name, hint in zip(names, hints, strict=True)]


def _text(annotation: Any) -> str:
    """An annotation as it was written: named tuples wrap it."""
    return getattr(annotation, "__forward_arg__", annotation)  # type: ignore[no-any-return]


def same(value: Any) -> Any:
    return value


def _exactly(kind: type) -> Callable[[Any], Any]:
    def read(raw: Any) -> Any:
        if type(raw) is not kind:
            raise TypeError(f"{raw!r} is not a {kind.__name__}")
        return raw

    return read


_str, _list, _dict = _exactly(str), _exactly(list), _exactly(dict)


def _number(raw: Any) -> Any:
    if type(raw) not in (int, float):
        raise TypeError(f"{raw!r} is not a number")
    return raw


def _optional(inner: Form) -> Form:
    return Form(
        lambda value: None if value is None else inner.write(value),
        lambda raw: None if raw is None else inner.read(raw),
    )


def _sequence(item: Form) -> Form:
    write, read = item
    return Form(
        lambda value: [write(each) for each in value],
        lambda raw: tuple([read(each) for each in _list(raw)]),
    )


def _row(make: Callable[[list[Any]], Any], forms: list[Form]) -> Form:
    """An array with an item for each form."""
    return Form(
        lambda value: [f.write(item) for f, item in zip(forms, value, strict=True)],
        lambda raw: make([f.read(item) for f, item in zip(forms, _list(raw), strict=True)]),
    )


def _mapping(key: Form, item: Form) -> Form:
    if key is _TEXT:
        return _object(item)

    def read(raw: Any) -> dict[Any, Any]:
        found = {key.read(k): item.read(v) for k, v in _dict(raw).items()}
        if len(found) < len(raw):
            raise ValueError("two addresses in it differ only in how Unicode encodes their characters")
        return found

    return Form(lambda value: {key.write(k): item.write(v) for k, v in value.items()}, read)


def _object(item: Form) -> Form:
    write, read = item
    return Form(
        dict if write is same else lambda value: {k: write(v) for k, v in value.items()},
        _dict if read is same else lambda raw: {k: read(v) for k, v in _dict(raw).items()},
    )


parse_address = lru_cache(maxsize=65_536)(Address.parse)
"""Cached: an address is also in the dependencies of other resources."""
_TEXT = Form(same, _str)
_KNOWN: Mapping[Any, Form] = {
    str: _TEXT,
    int: Form(same, _exactly(int)),
    bool: Form(same, _exactly(bool)),
    float: Form(same, _number),
    Json: Form(same, same),
    Value: Form(encode, decode),
    Address: Form(str, parse_address),
}
