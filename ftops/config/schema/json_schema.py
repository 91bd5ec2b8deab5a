"""JSON Schema: generated from the declarations of blocks, for editors."""

from __future__ import annotations

from typing import Any

from ftops.config.schema.block import REQUIRED, Block, Field, ListOf, MapOf, OneOf, OneOrMore, OrName
from ftops.config.schema.field_types import FieldType, JsonSchema

_IN_OWN_ORDER = ("properties", "default")
"""Keys of these stay in the order of their declaration; all others are sorted."""


def schema_of(block: type[Block], title: str) -> JsonSchema:
    """The schema of a block, and of those within it as `$defs`."""
    definitions: dict[str, JsonSchema] = {}
    whole = _object(block, definitions)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    body: JsonSchema = _sorted({"$defs": definitions} | whole)
    return head | body


def _object(block: type[Block], definitions: dict[str, JsonSchema]) -> JsonSchema:
    fields = block.fields.values()
    schema: JsonSchema = {
        "type": "object",
        "description": block.__doc__,
        "properties": {field.key: _property(field, definitions) for field in fields},
        "additionalProperties": False,
    }
    needed = [field.key for field in fields if field.is_required]
    return schema | {"required": needed} if needed else schema


def _property(field: Field, definitions: dict[str, JsonSchema]) -> JsonSchema:
    schema = _schema(field.type, definitions)
    if not isinstance(field.type, FieldType | OrName):
        schema = _nullable(schema)
    default = {} if field.default in (None, REQUIRED) else {"default": field.default}
    return schema | default | {"description": field.description}


def _nullable(schema: JsonSchema) -> JsonSchema:
    return {"anyOf": [schema, {"type": "null"}]}


def _schema(type_: Any, definitions: dict[str, JsonSchema]) -> JsonSchema:
    match type_:
        case FieldType():
            return type_.schema()
        case OrName(block):
            return {"anyOf": [{"type": "string"}, _nullable(_schema(block, definitions))]}
        case ListOf(item, maximum):
            limit = {"maxItems": maximum} if maximum else {}
            return {"type": "array", "items": _schema(item, definitions)} | limit
        case OneOrMore(item):
            one = _schema(item, definitions)
            return {"anyOf": [one, {"type": "array", "items": one}]}
        case MapOf(value):
            return {"type": "object", "additionalProperties": _schema(value, definitions) or True}
        case OneOf():
            return _schema(tuple(type_.blocks.values()), definitions)
        case tuple():
            return {"anyOf": [_schema(block, definitions) for block in type_]}
    name = type_.__name__
    if name not in definitions:
        definitions[name] = _object(type_, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _sorted(schema: Any, parent: str = "") -> Any:
    if isinstance(schema, list):
        return [_sorted(item, parent) for item in schema]
    if not isinstance(schema, dict):
        return schema
    keys = schema if parent in _IN_OWN_ORDER else sorted(schema)
    return {key: _sorted(schema[key], key) for key in keys}
