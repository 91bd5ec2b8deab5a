"""JSON Schemas of functions: whether they are valid, and what the service rejects in them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from ftops.dataset.files.jsonl_io import canonical
from ftops.dataset.formats.jsonl import describe
from ftops.dataset.rules.findings import Finding, Key, Steps, quote

_STRICT = 'Write "additionalProperties": false and all properties in `required`, or remove `strict`.'
_COPY = "Copy the definition into `$defs`, and refer to it as `#/$defs/…`."
_UNREAD = (
    "Nothing says that the service reads other documents, and ftops doesn't: what is behind it isn't part "
    "of the prompt, and arguments can't be checked against it."
)
_OF_SCHEMAS = (
    *("items", "additionalItems", "unevaluatedItems", "contains", "not", "if", "then", "else"),
    *("additionalProperties", "unevaluatedProperties", "propertyNames"),
)
_OF_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
_OF_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
"""Keys of a JSON Schema, of any dialect, whose values are schemas, lists of them, or schemas by name."""


def check_schema(schema: object, at: Steps, is_strict: bool) -> Iterator[Finding]:
    if not isinstance(schema, dict):
        yield Finding("tools/schema", f"`parameters` is {describe(schema)}, not an object", at)
        return
    if schema.get("type", "object") != "object" or not isinstance(schema.get("properties", {}), dict):
        yield Finding("tools/schema", "`parameters` must describe an object", at)
        return
    if "type" not in schema and schema:
        summary = "`parameters` without a `type`"
        yield Finding("tools/requests", summary, at, 'Write "type": "object".')
    _, why = validator(canonical(schema).decode())
    if why:
        yield Finding("tools/schema", f"`parameters` isn't a valid JSON Schema: {why}", at)
    inside = list(_schemas(schema, at))
    if circle := next((where for inner, where in inside if _is_circle(inner, schema)), None):
        yield Finding("tools/schema", "a `$ref` that leads only to itself", (*circle, "$ref"))
    loose = next((where for inner, where in inside if is_strict and _is_loose(inner)), None)
    if loose:
        yield Finding("tools/requests", "`strict`, but an object may have other keys", loose, _STRICT)
    ids = {inner["$id"] for inner, _ in inside if isinstance(inner.get("$id"), str)}
    for inner, where in inside:
        yield from _extras(inner, where)
        if _leads_outside(inner.get("$ref"), ids):
            summary = f"`$ref` to another document, {quote(inner['$ref'])}"
            yield Finding("tools/requests", summary, (*where, "$ref"), _COPY, _UNREAD)


def _is_loose(schema: Mapping[str, Any]) -> bool:
    """Whether a schema describes an object that isn't closed, or that may lack a property."""
    properties, required = schema.get("properties"), schema.get("required", ())
    is_object = schema.get("type") == "object" or isinstance(properties, dict)
    named = properties if isinstance(properties, dict) else {}
    is_complete = isinstance(required, list | tuple) and named.keys() <= {*map(str, required)}
    return is_object and not (schema.get("additionalProperties") is False and is_complete)


def _leads_outside(reference: object, ids: Collection[str]) -> bool:
    """Whether a reference leads to a document that isn't part of the schema. `ids`: names of its parts."""
    if not isinstance(reference, str) or reference.startswith("#"):
        return False
    document = reference.partition("#")[0]
    return not any(document == id or id.endswith(f"/{document}") for id in ids)


def _is_circle(schema: Mapping[str, Any], root: Any) -> bool:
    """Whether its `$ref` leads, over others, to itself, so that it describes nothing."""
    passed: list[str] = []
    inner: Any = schema
    while isinstance(inner, dict) and str(inner.get("$ref", "")).startswith("#/"):
        if inner["$ref"] in passed:
            return True
        passed.append(inner["$ref"])
        inner = root
        for step in passed[-1].split("/")[1:]:
            inner = inner.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(inner, dict) else None
    return False


def _schemas(schema: object, at: Steps) -> Iterator[tuple[dict[str, Any], Steps]]:
    """A JSON Schema and all schemas in it, with their paths."""
    if not isinstance(schema, dict):
        return
    yield schema, at
    for key in _OF_SCHEMAS:
        yield from _schemas(schema.get(key), (*at, key))
    for key in _OF_LISTS:
        options = schema.get(key)
        for index, option in enumerate(options if isinstance(options, list) else ()):
            yield from _schemas(option, (*at, key, index))
    for key in _OF_NAMED:
        named = schema.get(key)
        for name, rule in named.items() if isinstance(named, dict) else ():
            yield from _schemas(rule, (*at, key, name))


def _extras(schema: Mapping[str, Any], at: Steps) -> Iterator[Finding]:
    """What the service's preprocessing or requests reject in a schema."""
    if isinstance(schema.get("title"), str):
        yield Finding("tools/schema-extras", "`title` in a schema", (*at, Key("title")))
    if "default" in schema and schema["default"] is None:
        yield Finding("tools/schema-extras", "`default` null in a schema", (*at, "default"))
    options = schema.get("anyOf")
    for index, option in enumerate(options if isinstance(options, list) else ()):
        if isinstance(option, dict) and option.get("type") in ("null", ["null"]):
            yield Finding("tools/schema-extras", "`anyOf` with null in a schema", (*at, "anyOf", index))
    kinds = schema.get("type")
    is_array = kinds == "array" or (isinstance(kinds, list) and "array" in kinds)
    if is_array and not {"items", "prefixItems", "$ref"} & schema.keys():
        yield Finding("tools/requests", "an array without `items`", at, 'Write "items": {"type": …}.')


@lru_cache(maxsize=512)
def validator(schema: str) -> tuple[Any, str]:
    """The validator, or None and why the text isn't a JSON Schema; the reason is empty if it isn't known,
    as for a schema that refers to other documents."""
    import jsonschema_rs  # only if there are functions to check

    document = json.loads(schema)
    usual = {key: value for key, value in document.items() if key != "$schema"}
    # A dialect that isn't known changes nothing for the service: the schema is read as the usual one. What
    # refers to other documents accepts everything.
    for attempt in (document, usual, _confined(usual)):
        try:
            return jsonschema_rs.validator_for(attempt, retriever=_fetch_nothing), ""
        except jsonschema_rs.ValidationError as error:
            if not isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Referencing):
                return None, schema_error(error)
            why = schema_error(error) if error.message.startswith("Pointer ") else ""
        except (ValueError, RecursionError):
            return None, ""
    return None, why


def _confined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a JSON Schema without references to other documents."""
    copy: dict[str, Any] = json.loads(json.dumps(schema))
    for inner, _ in _schemas(copy, ()):
        if not str(inner.get("$ref", "#")).startswith("#"):
            del inner["$ref"]
    return copy


def _fetch_nothing(url: str) -> Any:
    raise LookupError(url)


def schema_error(error: Any) -> str:
    text = error.message.partition("\n")[0]
    text = text if len(text) <= 160 else f"{text[:159]}…"
    where = f"at {quote('.'.join(map(str, error.instance_path)))}: " if error.instance_path else ""
    return where + "".join(c if c.isprintable() else " " for c in text)
