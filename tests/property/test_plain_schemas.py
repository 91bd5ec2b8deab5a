"""Plain schemas say no more than a validator of JSON Schema: it takes what they take; the plain are sound."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.dataset.formats import simple_schema

NUMBERS = st.one_of(st.integers(-5, 5), st.sampled_from([0.5, 1.0, -2.0, True, False]))
TEXTS = st.sampled_from(["a", "b", "", "1"])
ODD = st.one_of(st.none(), NUMBERS, TEXTS, st.lists(TEXTS, max_size=2))
PROPERTY = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null", 1]),
        "description": st.one_of(TEXTS, ODD),
        "enum": st.one_of(st.lists(st.one_of(TEXTS, NUMBERS), max_size=3), ODD),
        "minimum": st.one_of(NUMBERS, ODD),
        "maximum": st.one_of(NUMBERS, ODD),
        "pattern": TEXTS,
        "items": st.just({"type": "string"}),
    },
)
SCHEMA = st.fixed_dictionaries(
    {"type": st.sampled_from(["object", "object", "object", "string"])},
    optional={
        "properties": st.dictionaries(TEXTS, PROPERTY, max_size=3),
        "required": st.one_of(st.lists(TEXTS, max_size=3), ODD),
        "additionalProperties": st.one_of(st.booleans(), ODD),
        "description": TEXTS,
        "minProperties": st.integers(0, 2),
    },
)
VALUE = st.dictionaries(TEXTS, ODD, max_size=3)


@settings(max_examples=3000, deadline=None)
@given(schema=SCHEMA, values=st.lists(VALUE, max_size=4))
def test_what_is_plain_is_sound_and_what_it_takes_is_taken(
    schema: dict[str, Any], values: list[dict[str, Any]]
) -> None:
    text = json.dumps(schema)
    if simple_schema.rules(text) is None:
        assert not any(simple_schema.takes(text, value) for value in values)
        return
    validator = jsonschema_rs.validator_for(schema)
    for value in values:
        assert not simple_schema.takes(text, value) or validator.is_valid(value), value
        # Whole numbers written as 1.0 are integers to JSON Schema; they are left to it.
        if not any(type(one) is float for one in value.values()):
            assert simple_schema.takes(text, value) == validator.is_valid(value), value
