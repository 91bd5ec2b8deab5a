"""Blocks: the mappings of a spec, each declared as a class with its fields, their types and defaults.

    class Sku(Block, noun="`sku`"):
        name = optional(SKU_NAME, "Kind of capacity.")
        capacity = optional(Integer(1), "Thousands of tokens per minute.", 1)

`Block.read` validates a mapping and reports every fault at once. `json_schema` generates the JSON Schema from
the same declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any, ClassVar, NamedTuple, Self

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.schema.field_types import FieldType, Refused

Keys = tuple[str | int, ...]
"""Path to a value: keys of mappings, indices of lists."""
REQUIRED: Any = ...
"""The default of a required field."""


class Fault(NamedTuple):
    """An error in the value at `keys`."""

    kind: str
    """`unknown` (a key), `missing` (a key), `mapping` or `list` (the value must be one), or `refused`."""
    keys: Keys
    given: Any = None
    """The value; of a missing one, whether its key is there."""
    why: Refused | None = None
    owner: type[Block] | None = None
    """The innermost block that has the key; if there are no keys, the block itself."""

    def within(self, block: type[Block]) -> Fault:
        """The fault, of this block if it isn't that of a block within it."""
        return self if self.owner else self._replace(owner=block)


class Faulty(ValueError):
    """A block is not valid."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("the block is not valid")
        self.faults = faults


Reader = Callable[[Any, Keys, list[Fault]], Any]
"""Reads the value at these keys; adds its faults to the list."""


class ListOf(Struct, frozen=True):
    """The type of a list. `maximum`: its most entries; 0: any number."""

    item: Any
    maximum: int = 0


class OneOrMore(Struct, frozen=True):
    """The type of a list that may also be its only item."""

    item: Any


class MapOf(Struct, frozen=True):
    """The type of a mapping with any keys."""

    value: Any


class OrName(Struct, frozen=True):
    """The type of a block that may also be the name of one; the loader replaces the name."""

    block: type[Block]


class OneOf(Struct, frozen=True):
    """The type of a mapping whose `type` says which block it is. `base`: what all of them have in common."""

    base: type[Block]
    blocks: Mapping[str, type[Block]]

    def read(self, data: Any) -> Block:
        """The block that `data` describes. Raises Faulty with every fault."""
        faults: list[Fault] = []
        block = self.read_into(data, (), faults)
        if faults:
            raise Faulty([fault.within(self.base) for fault in faults])
        return block

    def read_into(self, data: Any, keys: Keys, faults: list[Fault]) -> Block:
        kind = data.get("type") if isinstance(data, dict) else None
        block = self.blocks.get(kind) if isinstance(kind, str) else None
        if block is None and isinstance(data, dict):  # which other keys it takes isn't known
            data = {key: item for key, item in data.items() if key in self.base.fields}
        return (block or self.base)._read(data, keys, faults)


class Field(Struct, frozen=True):
    """A field of a block. `type` is a FieldType, ListOf, OneOrMore, MapOf, OneOf, OrName or a block; `key` is
    its name in the spec."""

    type: Any
    description: str
    default: Any = None
    key: str = ""
    method: str | None = None
    """The only method of a job that supports it. None: all."""

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED


def optional(
    type: Any, description: str, default: Any = None, key: str = "", method: str | None = None
) -> Any:
    """Declares an optional field. `key`: its name in the spec, if that isn't a valid name in Python.
    `method`: the only method of a job that supports it."""
    return Field(type, description, default, key, method)


def required(type: Any, description: str, key: str = "") -> Any:
    """Declares a required field."""
    return Field(type, description, REQUIRED, key)


class FieldsOfRows(Mapping[str, Field]):
    """The fields of a block that has one for each row of a table, whenever it was added."""

    def __init__(self, make: Callable[[], Mapping[str, Field]]) -> None:
        self._make = make

    def __getitem__(self, name: str) -> Field:
        return self._make()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make())

    def __len__(self) -> int:
        return len(self._make())


class Block:
    """A mapping of the spec. Unknown keys are errors; a key without a value counts as not set.

    A subclass gives the `noun` that messages call it by.
    """

    __slots__ = ("__dict__", "given")

    noun: ClassVar[str] = ""
    fields: ClassVar[Mapping[str, Field]] = {}
    """By the name in Python."""
    elsewhere: ClassVar[Mapping[str, str]] = {}
    """What other tools call a key → its name here, for hints."""
    secrets: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Keys of secrets that a spec doesn't take → detail and hint of the error, whose line isn't shown."""
    usual: ClassVar[str] = ""
    """The key that a value in place of the whole block is probably meant for, for hints."""
    _defaults: ClassVar[Mapping[str, Any]] = {}
    _required: ClassVar[frozenset[str]] = frozenset()
    _readers: ClassVar[Mapping[str, tuple[str, Reader]]] = {}
    """By key in the spec: the name in Python and the reader of its value. Filled when first needed."""
    given: frozenset[str]
    """Names of the fields that were set."""

    def __init_subclass__(cls, noun: str = "") -> None:
        cls.noun = noun
        declared = [(name, field) for name, field in vars(cls).items() if isinstance(field, Field)]
        own = {name: replace(field, key=field.key or name) for name, field in declared}
        cls.fields = {**cls.fields, **own}
        cls._defaults = {name: None if f.is_required else f.default for name, f in cls.fields.items()}
        for name, value in cls._defaults.items():
            setattr(cls, name, value)
        cls._required = frozenset(name for name, f in cls.fields.items() if f.is_required)
        cls._readers = {}

    def __init__(self, given: Mapping[str, Any] = {}) -> None:
        object.__setattr__(self, "given", frozenset(given))
        self.__dict__.update(given)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} can't be changed")

    @classmethod
    @cache
    def without_secrets(cls) -> frozenset[str]:
        """The keys whose values may not be secrets."""
        types = ((f.key, f.type) for f in cls.fields.values() if isinstance(f.type, FieldType))
        return frozenset(key for key, type in types if type.closed or type.is_shown)

    def as_data(self) -> dict[str, Any]:
        """The fields that are set or have a default, as plain data."""
        return {name: _as_data(value) for name, value in self.values().items() if value is not None}

    def values(self) -> Mapping[str, Any]:
        """The values of all fields by their names in Python, in the order of their declaration."""
        return {**self._defaults, **self.__dict__}

    @classmethod
    def readers(cls) -> Mapping[str, tuple[str, Reader]]:
        if len(cls._readers) != len(cls.fields):
            cls._readers = {f.key: (name, _reader(f.type)) for name, f in cls.fields.items()}
        return cls._readers

    @classmethod
    def read(cls, data: Any) -> Self:
        """The block that `data` describes. Raises Faulty with every fault."""
        faults: list[Fault] = []
        block = cls._read(data, (), faults)
        if faults:
            raise Faulty([fault.within(cls) for fault in faults])
        return block

    @classmethod
    def _read(cls, data: Any, keys: Keys, faults: list[Fault]) -> Self:
        if not isinstance(data, dict):
            faults.append(Fault("mapping", keys, data))
            return cls()
        first = len(faults)
        given: dict[str, Any] = {}
        readers = cls.readers()
        for key, value in data.items():
            if key not in readers:
                faults.append(Fault("unknown", (*keys, key), value))
                continue
            if value is None:
                continue
            name, reader = readers[key]
            given[name] = reader(value, (*keys, key), faults)
        missing = cls._required - given.keys()
        absent = (cls.fields[name].key for name in cls.fields if name in missing)
        faults += [Fault("missing", (*keys, key), key in data) for key in absent]
        if faults[first:]:
            faults[first:] = [fault.within(cls) for fault in faults[first:]]
        return cls(given)


def _as_data(value: Any) -> Any:
    match value:
        case Block():
            return value.as_data()
        case list():
            return [_as_data(item) for item in value]
        case dict():
            return {key: _as_data(item) for key, item in value.items()}
    return value


def _reader(type_: Any) -> Reader:
    match type_:
        case FieldType():
            return partial(_read_scalar, type_)
        case ListOf(item, maximum):
            return partial(_read_list, _reader(item), maximum=maximum)
        case OneOrMore(item):
            return partial(_read_one_or_more, _reader(item))
        case MapOf(value):
            return partial(_read_mapping, _reader(value))
        case OrName(block):
            return _reader(block)
        case OneOf():
            return type_.read_into
    reader: Reader = type_._read
    return reader


def _read_scalar(kind: FieldType, value: Any, keys: Keys, faults: list[Fault]) -> Any:
    try:
        return kind.read(value)
    except Refused as why:
        faults.append(Fault("refused", keys, value, why))


def _read_list(reader: Reader, value: Any, keys: Keys, faults: list[Fault], maximum: int = 0) -> list[Any]:
    if isinstance(value, list):
        if maximum and len(value) > maximum:
            why = Refused(f"takes at most {maximum} entries", f"It has {len(value)}.", "Remove the others.")
            faults.append(Fault("refused", keys, value, why))
        return [reader(item, (*keys, index), faults) for index, item in enumerate(value)]
    faults.append(Fault("list", keys, value))
    return []


def _read_one_or_more(reader: Reader, value: Any, keys: Keys, faults: list[Fault]) -> list[Any]:
    return (
        _read_list(reader, value, keys, faults) if isinstance(value, list) else [reader(value, keys, faults)]
    )


def _read_mapping(reader: Reader, value: Any, keys: Keys, faults: list[Fault]) -> dict[str, Any]:
    if isinstance(value, dict):
        return {key: reader(item, (*keys, key), faults) for key, item in value.items() if item is not None}
    faults.append(Fault("mapping", keys, value))
    return {}
