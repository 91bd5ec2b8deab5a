"""The JSON Schema of the language: the copy in the package is the one that the models give."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ftops
from ftops.config import schema as spec_schema

COPY = Path(ftops.__file__).parent / "schema.json"


def test_the_copy_in_the_package_is_up_to_date() -> None:
    """UPDATE_GOLDEN=1 writes it anew."""
    text = json.dumps(spec_schema.json_schema(), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        COPY.write_text(text, "utf-8")
    assert COPY.read_text("utf-8") == text


def properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for definition in [schema, *schema["$defs"].values()]:
        yield from definition.get("properties", {}).items()


def test_every_field_says_what_it_means() -> None:
    schema = spec_schema.json_schema()
    assert [name for name, field in properties(schema) if not field.get("description")] == []


def test_every_block_refuses_unknown_keys() -> None:
    schema = spec_schema.json_schema()
    blocks = [schema, *schema["$defs"].values()]
    assert all(block["additionalProperties"] is False for block in blocks)


def test_expressions_may_stand_for_numbers() -> None:
    capacity = spec_schema.json_schema()["$defs"]["Sku"]["properties"]["capacity"]
    assert {"type": "integer", "minimum": 1} in capacity["anyOf"]
    assert {"type": "string", "pattern": r"\$\{"} in capacity["anyOf"]


def test_sections_are_those_of_the_models() -> None:
    assert tuple(spec_schema.json_schema()["properties"]) == spec_schema.sections()
