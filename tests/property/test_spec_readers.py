"""The two readers of a block give the same answer: the quick one, and pydantic's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from ftops.config import schema
from ftops.config.schema.block import Block
from ftops.config.schema.field_types import UNKNOWN, Hidden
from ftops.config.schema.pydantic_models import faults, model_of
from ftops.core.address import Address, Reference, Secret, Template
from ftops.yaml.document import Plain

BLOCKS: tuple[type[Block], ...] = (
    *schema.RESOURCE_MODELS.values(),
    *schema.PROVIDER_TYPES.values(),
    *schema.REFACTORINGS.values(),
    schema.Settings,
    schema.Variable,
    schema.Environment,
    schema.Hyperparameters,
    schema.OutputBlock,
)
REFERENCE = Reference(Address("job", "a"), "fine_tuned_model")
WORDS = (
    "auto",
    "no",
    "1",
    "8",
    "0.5",
    "true",
    "standard",
    "Standard",
    "chat",
    "local",
    "delete",
    "a b",
    "",
    "x",
)
scalars = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(WORDS).map(Plain),
    st.integers(-2, 300),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.just(UNKNOWN),
    st.just(REFERENCE),
    st.just(Template(("x-", REFERENCE))),
    st.builds(lambda v: Hidden(Secret("env", "X"), v), st.sampled_from(("1", "x", "true"))),
)


def values(keys: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=6,
    )


@st.composite
def data(draw: st.DrawFn, block: type[Block]) -> Any:
    """Mostly mappings of the block's own keys; required ones are mostly there."""
    nested = [key for f in block.fields.values() if f.block for key in _keys(f.block)]
    keys = st.sampled_from([*_keys(block), *nested, "typo"])
    found: dict[str, Any] = draw(st.dictionaries(keys, values(keys), max_size=5))
    for field in block.fields.values():
        if field.is_required and draw(st.integers(0, 9)):
            found[field.key] = draw(st.sampled_from(["job.a", *schema.PROVIDER_TYPES]))
    return found if draw(st.integers(0, 19)) else draw(values(keys))


def _keys(block: type[Block]) -> list[str]:
    return [field.key for field in block.fields.values()]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
@settings(max_examples=40)
@given(st.data())
def test_both_readers_agree(block: type[Block], draws: st.DataObject) -> None:
    given_data = draws.draw(data(block))
    try:
        read = block.read(given_data)
    except ValueError:
        assert faults(block, given_data)
        with pytest.raises(ValidationError):
            model_of(block).model_validate(given_data)
        return
    assert not faults(block, given_data)
    assert plain(read) == plain(model_of(block).model_validate(given_data))


def plain(value: object) -> object:
    """Fields as a mapping, whichever reader made it, with what was set."""
    if isinstance(value, Block):
        return {n: plain(v) for n, v in vars(value).items()} | {"": sorted(value.given)}
    if isinstance(value, BaseModel):
        return {n: plain(v) for n, v in vars(value).items()} | {"": sorted(value.model_fields_set)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def test_a_block_stays_as_it_was_read() -> None:
    with pytest.raises(AttributeError):
        schema.Sku.read({"capacity": 1}).capacity = 2
