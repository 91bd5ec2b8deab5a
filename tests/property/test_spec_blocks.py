"""Blocks of a spec: what is read, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.config import schema
from ftops.config.schema import providers
from ftops.config.schema.block import Block, Faulty
from ftops.config.schema.field_types import UNKNOWN, Hidden
from ftops.config.schema.hyperparameters import Hyperparameters
from ftops.config.schema.policy import OverrideBlock, PolicyRule
from ftops.config.schema.refactorings import REFACTORINGS
from ftops.config.schema.resources import Deployment
from ftops.config.schema.settings import Environment, OutputBlock, Settings, Variable
from ftops.core.address import Address, Reference, Secret, Template
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.yaml.document import Plain

BLOCKS: tuple[type[Block], ...] = (
    *map(schema.resource_block, RESOURCE_TYPES),
    *map(schema.provider_block, PROVIDER_TYPES),
    *REFACTORINGS.values(),
    Settings,
    Variable,
    Environment,
    Hyperparameters,
    OutputBlock,
    PolicyRule,
    OverrideBlock,
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
    inner = (getattr(f.type, "item", getattr(f.type, "block", f.type)) for f in block.fields.values())
    nested = [key for one in inner if isinstance(one, type) for key in _keys(one)]
    keys = st.sampled_from([*_keys(block), *nested, "typo"])
    found: dict[str, Any] = draw(st.dictionaries(keys, values(keys), max_size=5))
    for field in block.fields.values():
        if field.is_required and draw(st.integers(0, 9)):
            found[field.key] = draw(st.sampled_from(["job.a", *PROVIDER_TYPES]))
    return found if draw(st.integers(0, 19)) else draw(values(keys))


def _keys(block: type[Block]) -> list[str]:
    return [field.key for field in block.fields.values()]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
@settings(max_examples=40)
@given(st.data())
def test_a_block_is_read_or_each_fault_has_its_place(block: type[Block], draws: st.DataObject) -> None:
    given_data = draws.draw(data(block))
    try:
        read = block.read(given_data)
    except Faulty as error:
        assert error.faults
        for fault in error.faults:
            keys = fault.keys[:-1] if fault.kind == "missing" else fault.keys
            value = value_at(given_data, keys)
            assert value.get(fault.keys[-1]) is None if fault.kind == "missing" else value is fault.given
        return
    names = {field.key: name for name, field in block.fields.items()}
    assert read.given == {names[key] for key, value in given_data.items() if value is not None}
    assert read.values().keys() >= block.fields.keys()


def value_at(value: Any, keys: Sequence[str | int]) -> Any:
    for key in keys:
        value = value[key]
    return value


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(Faulty) as raised:
        Deployment.read({"sku": {"capacity": "x", "typo": 1}, "tags": [], "depends_on": {}})
    assert [(fault.kind, fault.keys) for fault in raised.value.faults] == [
        ("refused", ("sku", "capacity")),
        ("unknown", ("sku", "typo")),
        ("mapping", ("tags",)),
        ("list", ("depends_on",)),
        ("missing", ("model",)),
    ]


def test_a_block_stays_as_it_was_read() -> None:
    with pytest.raises(AttributeError):
        providers.Sku.read({"capacity": 1}).capacity = 2
