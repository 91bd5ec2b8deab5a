"""Pydantic models of the blocks: what is wrong with a mapping, and the JSON Schema of the language.

They are made when there is something to say. A spec without fault is read by `Block.read`, which takes the
time of pydantic's import from nobody; a property test holds the two readers to the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)

from ftops.config.schema import block as blocks
from ftops.config.schema.block import Block

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Strict(BaseModel):
    """Refuses unknown keys; a key without a value counts as not set."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _drop_unset(cls, given: Any) -> Any:
        return _without_unset(given)


def _without_unset(given: Any) -> Any:
    if isinstance(given, dict) and None in given.values():
        return {key: value for key, value in given.items() if value is not None}
    return given


_MODELS: dict[type[Block], type[BaseModel]] = {}


def model_of(block: type[Block]) -> type[BaseModel]:
    """The pydantic model of a block, of the same name and with the same words."""
    if block not in _MODELS:
        fields: dict[str, Any] = {name: (_type(f), _info(name, f)) for name, f in block.fields.items()}
        _MODELS[block] = create_model(block.__name__, __base__=Strict, __doc__=block.__doc__, **fields)
    return _MODELS[block]


def _type(field: blocks.Field) -> Any:
    return (
        Annotated[field.annotation, BeforeValidator(_without_unset)] if field.is_mapping else field.annotation
    )


def _info(name: str, field: blocks.Field) -> Any:
    alias = field.key if field.key != name else None
    return Field(field.default, description=field.description, alias=alias)


def faults(block: type[Block], data: Any) -> Sequence[ErrorDetails]:
    """Everything that is wrong with the data; nothing where they describe the block."""
    try:
        model_of(block).model_validate(data)
    except ValidationError as error:
        return error.errors(include_url=False)
    return ()
