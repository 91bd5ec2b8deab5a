"""Blocks: the mappings of a spec, each declared as a class with its fields, their types and defaults.

    class Sku(Block, noun="`sku`"):
        name: SkuName = optional("Kind of capacity.")
        capacity: Annotated[Any, Integer(1)] = optional("Thousands of tokens per minute.", 1)

`Block.read` validates a mapping and reports every fault at once. `json_schema` generates the JSON Schema from
the same declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from inspect import get_annotations
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, NamedTuple, Self, Union, get_args, get_origin

from msgspec import Struct

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
    """The value."""
    why: Refused | None = None


class Faulty(ValueError):
    """A block is not valid."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("the block is not valid")
        self.faults = faults


Reader = Callable[[Any, Keys, list[Fault]], Any]
"""Reads the value at these keys; adds its faults to the list."""


class Declaration(Struct, frozen=True):
    """A field as declared. `key`: its name in the spec, if that isn't a valid name in Python."""

    text: str
    default: Any = None
    key: str = ""


def optional(text: str, default: Any = None, key: str = "") -> Any:
    """Declares an optional field and its description."""
    return Declaration(text, default, key)


def required(text: str, key: str = "") -> Any:
    """Declares a required field and its description."""
    return Declaration(text, REQUIRED, key)


class Field(Struct, frozen=True):
    """A field of a block. `key` is its name in the spec."""

    key: str
    annotation: Any
    description: str
    default: Any

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED

    @property
    def block(self) -> type[Block] | None:
        """The type of its value, if that is a block."""
        return next((a for a in _parts(self.annotation) if is_block(a)), None)

    @property
    def item(self) -> type[Block] | None:
        """The type of its entries, if it is a list of blocks."""
        lists = (a for a in _parts(self.annotation) if get_origin(a) is list)
        return next((get_args(a)[0] for a in lists if is_block(get_args(a)[0])), None)


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
    _defaults: ClassVar[Mapping[str, Any]] = {}
    _required: ClassVar[frozenset[str]] = frozenset()
    _readers: ClassVar[Mapping[str, tuple[str, Reader]]] = {}
    """By key in the spec: the name in Python and the reader of its value. Filled when first needed."""
    given: frozenset[str]
    """Names of the fields that were set."""

    def __init_subclass__(cls, noun: str = "") -> None:
        cls.noun = noun
        annotations = get_annotations(cls, eval_str=True)
        declared = [(name, d) for name, d in vars(cls).items() if isinstance(d, Declaration)]
        own = {name: Field(d.key or name, annotations[name], d.text, d.default) for name, d in declared}
        cls.fields = {**cls.fields, **own}
        cls._defaults = {name: None if f.is_required else f.default for name, f in cls.fields.items()}
        cls._required = frozenset(name for name, f in cls.fields.items() if f.is_required)
        cls._readers = {}

    def __init__(self, given: Mapping[str, Any] = {}) -> None:
        object.__setattr__(self, "given", frozenset(given))
        self.__dict__.update(self._defaults)
        self.__dict__.update(given)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} can't be changed")

    def as_data(self) -> dict[str, Any]:
        """The fields that are set or have a default, as plain data."""
        return {
            name: value.as_data() if isinstance(value, Block) else value
            for name, value in self.__dict__.items()
            if value is not None
        }

    @classmethod
    def readers(cls) -> Mapping[str, tuple[str, Reader]]:
        if len(cls._readers) != len(cls.fields):
            cls._readers = {f.key: (name, _reader(f.annotation)) for name, f in cls.fields.items()}
        return cls._readers

    @classmethod
    def read(cls, data: Any) -> Self:
        """The block that `data` describes. Raises Faulty with every fault."""
        faults: list[Fault] = []
        block = cls._read(data, (), faults)
        if faults:
            raise Faulty(faults)
        return block

    @classmethod
    def _read(cls, data: Any, keys: Keys, faults: list[Fault]) -> Self:
        if not isinstance(data, dict):
            faults.append(Fault("mapping", keys, data))
            return cls()
        given: dict[str, Any] = {}
        readers = cls.readers()
        for key, (name, reader) in readers.items():
            value = data.get(key)
            if value is not None:
                given[name] = reader(value, (*keys, key), faults)
            elif name in cls._required:
                faults.append(Fault("missing", (*keys, key)))
        if not data.keys() <= readers.keys():
            unknown = (key for key, value in data.items() if key not in readers and value is not None)
            faults += [Fault("unknown", (*keys, key), data[key]) for key in unknown]
        return cls(given)


def _reader(annotation: Any) -> Reader:
    """The reader of values of this type. Raises TypeError for a type that fields can't have."""
    parts = _parts(annotation)
    kind = next((part for part in parts if isinstance(part, FieldType)), None)
    if kind is not None:
        return partial(_read_scalar, kind)
    (inner,) = (part for part in parts if isinstance(part, type) or get_origin(part))
    if is_block(inner):
        reader: Reader = inner._read
        return reader
    origin, arguments = get_origin(inner), get_args(inner)
    if origin is list:
        return partial(_read_list, _reader(arguments[0]))
    if origin is dict and arguments[0] is str:
        return partial(_read_mapping, _reader(arguments[1]))
    raise TypeError(f"a field of a spec can't be {annotation}")


def _parts(annotation: Any) -> Iterable[Any]:
    """The parts of a type, without None: X and y of `Annotated[X | None, y]`."""
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return [*_parts(inner), *marks]
    if get_origin(annotation) in (Union, UnionType):
        return [part for part in get_args(annotation) if part is not NoneType]
    return [annotation]


def is_block(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Block)


def _read_scalar(kind: FieldType, value: Any, keys: Keys, faults: list[Fault]) -> Any:
    try:
        return kind.read(value)
    except Refused as why:
        faults.append(Fault("refused", keys, value, why))


def _read_list(reader: Reader, value: Any, keys: Keys, faults: list[Fault]) -> list[Any]:
    if isinstance(value, list):
        return [reader(item, (*keys, index), faults) for index, item in enumerate(value)]
    faults.append(Fault("list", keys, value))
    return []


def _read_mapping(reader: Reader, value: Any, keys: Keys, faults: list[Fault]) -> dict[str, Any]:
    if isinstance(value, dict):
        return {key: reader(item, (*keys, key), faults) for key, item in value.items() if item is not None}
    faults.append(Fault("mapping", keys, value))
    return {}
