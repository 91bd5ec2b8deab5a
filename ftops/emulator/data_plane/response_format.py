"""Response formats: JSON, or JSON by a schema.

Sources: Azure OpenAI's documents on JSON mode and structured outputs, which list what a strict schema needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jsonschema_rs

from ftops.emulator.http.errors import ServiceError, bad_parameter

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_PROBLEM = 200


class Format(NamedTuple):
    """What a text must be: a JSON object that fits the schema."""

    validator: Any

    def problem(self, text: str) -> str:
        """Why a text doesn't fit; empty if it does."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return "it is not JSON"
        error = next(self.validator.iter_errors(value), None)
        if error is None:
            return ""
        place = "".join(f"[{json.dumps(step)}]" for step in error.instance_path)
        return f"{place} {error.message}".strip().partition("\n")[0][:_LONGEST_PROBLEM]

    def fits(self, text: str) -> bool:
        return not self.problem(text)


_ANY_OBJECT = Format(jsonschema_rs.validator_for({"type": "object"}))


def parsed(value: Any, param: str = "response_format") -> Format | None:
    """The format in a request; None for texts. Raises ServiceError."""
    kind = value.get("type") if isinstance(value, dict) else value
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return _ANY_OBJECT
    if kind != "json_schema":
        raise bad_parameter(f"{param}.type", f"'{param}.type' must be text, json_object or json_schema.")
    given = value.get("json_schema")
    if not isinstance(given, dict) or not _NAME.fullmatch(str(given.get("name", ""))):
        message = "A json_schema needs a 'name' of up to 64 letters, digits, '_' and '-'."
        raise bad_parameter(f"{param}.json_schema.name", message)
    return Format(_validator(given.get("schema", {}), str(given["name"]), bool(given.get("strict")), param))


def _validator(schema: Any, name: str, strict: bool, param: str) -> Any:
    problem = next(_problems(schema), "") if strict else ""
    if not problem and (not isinstance(schema, dict) or schema.get("type", "object") != "object"):
        problem = "schema must be a JSON Schema of 'type: \"object\"'"
    if problem:
        raise _invalid_schema(name, problem, param)
    try:
        return jsonschema_rs.validator_for(schema, retriever=_nothing)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as exc:
        raise _invalid_schema(name, str(exc).partition("\n")[0], param) from exc


def _problems(schema: Any, context: tuple[str, ...] = ()) -> Iterator[str]:
    """What a strict schema lacks, in the words of the service."""
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties")
    if isinstance(properties, dict) or schema.get("type") == "object":
        properties = properties if isinstance(properties, dict) else {}
        if schema.get("additionalProperties") is not False:
            yield f"In context={context}, 'additionalProperties' is required to be supplied and to be false."
        if missing := [key for key in properties if key not in (schema.get("required") or ())]:
            yield (
                f"In context={context}, 'required' is required to be supplied and to be an array including "
                f"every key in properties. Missing '{missing[0]}'."
            )
    for key, part in schema.items():
        yield from _inner_problems(key, part, context)


def _inner_problems(key: str, part: Any, context: tuple[str, ...]) -> Iterator[str]:
    if key in ("properties", "$defs", "definitions") and isinstance(part, Mapping):
        for name, inner in part.items():
            yield from _problems(inner, (*context, key, str(name)))
    elif key == "items":
        yield from _problems(part, (*context, key))
    elif key == "anyOf" and isinstance(part, list):
        for index, inner in enumerate(part):
            yield from _problems(inner, (*context, key, str(index)))


def _invalid_schema(name: str, problem: str, param: str) -> ServiceError:
    return bad_parameter(param, f"Invalid schema for response_format '{name}': {problem}")


def _nothing(address: str) -> Any:
    """Instead of what a schema refers to: it may name files and hosts."""
    raise LookupError(address)
