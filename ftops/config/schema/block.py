"""Blocks: what a mapping of the spec may hold, declared once as a class.

A class names its fields, their types, what they mean and what they are where nothing is given:

    class Sku(Block):
        name: Annotated[Any, SkuName] = described("Kind of capacity.")
        capacity: Annotated[Any, Integer(1)] = described("Thousands of tokens per minute.", 1)

Two readers serve it. `Block.read` takes what has no fault, quickly. `pydantic_models` makes
models of the same declarations: they say what is wrong with the rest, and publish the JSON Schema. Both read
a value by the same `field_types.FieldType`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from inspect import get_annotations
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Self, Union, cast, get_args, get_origin

from msgspec import Struct

from ftops.config.schema.field_types import FieldType

Reader = Callable[[Any], Any]
REQUIRED: Any = ...
"""Stands for the default of a field that has to be set."""


class Described(Struct, frozen=True):
    """What a declaration says of a field. `key`: how the spec writes it, where that is no name in Python."""

    text: str
    default: Any = None
    key: str = ""


def described(text: str, default: Any = None, key: str = "") -> Any:
    """An optional field and what it means."""
    return Described(text, default, key)


def required(text: str, key: str = "") -> Any:
    """A field that has to be set, and what it means."""
    return Described(text, REQUIRED, key)


class Field(Struct, frozen=True):
    """A field of a block: how the spec writes it, its type, its meaning and its default."""

    key: str
    annotation: Any
    description: str
    default: Any

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED

    @property
    def block(self) -> type[Block] | None:
        """The block that is its value, if it is one."""
        return next((a for a in _parts(self.annotation) if _is_block(a)), None)

    @property
    def is_mapping(self) -> bool:
        """Whether its value is a mapping of any keys."""
        return any(get_origin(part) is dict for part in _parts(self.annotation))

    @property
    def item(self) -> type[Block] | None:
        """The block that each entry of its list is, if it is a list of such."""
        lists = (a for a in _parts(self.annotation) if get_origin(a) is list)
        return next((get_args(a)[0] for a in lists if _is_block(get_args(a)[0])), None)


class Block:
    """A mapping of the spec. Unknown keys are refused; a key without a value counts as not set."""

    __slots__ = ("__dict__", "given")

    fields: ClassVar[Mapping[str, Field]] = {}
    """By the name in Python."""
    _defaults: ClassVar[Mapping[str, Any]] = {}
    _required: ClassVar[frozenset[str]] = frozenset()
    _readers: ClassVar[Mapping[str, tuple[str, Reader]]] = {}
    """By the key in the spec: the name in Python, and how its value is read. Made when first needed."""
    given: frozenset[str]
    """Names of the fields that were set."""

    def __init_subclass__(cls) -> None:
        annotations = get_annotations(cls)
        said = {name: value for name, value in vars(cls).items() if isinstance(value, Described)}
        own = {name: Field(d.key or name, annotations[name], d.text, d.default) for name, d in said.items()}
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
        if not cls._readers:
            cls._readers = {f.key: (name, _reader(f.annotation)) for name, f in cls.fields.items()}
        return cls._readers

    @classmethod
    def read(cls, data: Any) -> Self:
        """The block that `data` describes. Raises ValueError where anything is wrong with it."""
        if not isinstance(data, dict):
            raise Faulty
        readers = cls._readers or cls.readers()
        given: dict[str, Any] = {}
        for key, value in data.items():
            if value is not None:
                name, reader = readers.get(key, _UNKNOWN_KEY)
                given[name] = reader(value)
        if not given.keys() >= cls._required:
            raise Faulty
        return cls(given)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: Any) -> Any:
        from ftops.config.schema.pydantic_models import model_of

        block: type[Block] = cls
        return handler.generate_schema(model_of(block))


class Faulty(ValueError):
    """The data are not what a block takes; `pydantic_models.faults` tells why."""


def _refuse(value: Any) -> Any:
    raise Faulty


_UNKNOWN_KEY: tuple[str, Reader] = ("", _refuse)


def _reader(annotation: Any) -> Reader:
    """How a value of that type is read. Raises TypeError for a type that no field has had so far."""
    parts = _parts(annotation)
    kind = next((part for part in parts if isinstance(part, FieldType)), None)
    if kind is not None:
        return kind.read
    (inner,) = (part for part in parts if isinstance(part, type) or get_origin(part))
    if _is_block(inner):
        return cast(Reader, inner.read)
    origin, arguments = get_origin(inner), get_args(inner)
    if origin is list:
        return partial(_read_list, _reader(arguments[0]))
    if origin is dict and arguments[0] is str:
        return partial(_read_mapping, _reader(arguments[1]))
    raise TypeError(f"a field of a spec can't be {annotation}")


def _parts(annotation: Any) -> Iterable[Any]:
    """A type without what is put around it: `Annotated[X | None, y]` is made of X and y."""
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return [*_parts(inner), *marks]
    if get_origin(annotation) in (Union, UnionType):
        return [part for part in get_args(annotation) if part is not NoneType]
    return [annotation]


def _is_block(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Block)


def _read_list(reader: Reader, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Faulty
    return [reader(item) for item in value]


def _read_mapping(reader: Reader, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise Faulty
    return {key: reader(item) for key, item in value.items() if item is not None}
