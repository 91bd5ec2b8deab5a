"""JSON Schema: generated from the declarations of blocks, for editors."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from ftops.config.schema.block import REQUIRED, Block, Field, is_block
from ftops.config.schema.field_aliases import OrName, Shown
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
    default = {} if field.default in (None, REQUIRED) else {"default": field.default}
    return _schema(field.annotation, definitions) | default | {"description": field.description}


def _schema(annotation: Any, definitions: dict[str, JsonSchema]) -> JsonSchema:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _marked(arguments[0], arguments[1:], definitions)
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(part, definitions) for part in arguments]}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions) or True}
    if annotation is NoneType:
        return {"type": "null"}
    if not is_block(annotation):
        return {}
    name = annotation.__name__
    if name not in definitions:
        definitions[name] = _object(annotation, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _marked(inner: Any, marks: tuple[Any, ...], definitions: dict[str, JsonSchema]) -> JsonSchema:
    """Of `Annotated[inner, *marks]`; the last mark decides."""
    match marks[-1]:
        case Shown(schema=schema):
            return schema
        case FieldType() as kind:
            return kind.schema()
        case OrName():
            return {"anyOf": [{"type": "string"}, _schema(inner, definitions)]}
    raise TypeError(f"a field of a spec can't be marked with {marks[-1]}")


def _sorted(schema: Any, parent: str = "") -> Any:
    if isinstance(schema, list):
        return [_sorted(item, parent) for item in schema]
    if not isinstance(schema, dict):
        return schema
    keys = schema if parent in _IN_OWN_ORDER else sorted(schema)
    return {key: _sorted(schema[key], key) for key in keys}
