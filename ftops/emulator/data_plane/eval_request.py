"""Requests for evals and runs: parsing and validation.

Sources: Azure's v1 reference of evals, the types of the openai SDK, and a recorded eval. Of data sources,
those that read rows (``jsonl``) or also ask a deployment (``completions``, ``responses``) are emulated.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from ftops.emulator.account.cloud import JSON
from ftops.emulator.data_plane.graders import Graders
from ftops.emulator.grading import judge
from ftops.emulator.http.errors import invalid

ASKING = ("completions", "responses")
LABEL = "label_model"
_SOURCES = ("jsonl", *ASKING)
_TEXT: JSON = {"type": "string"}
_CALL: JSON = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["function"]},
        "function": {"type": "object", "properties": {"name": _TEXT, "arguments": _TEXT}},
        "id": _TEXT,
    },
}
_MESSAGE: JSON = {
    "type": "object",
    "properties": {
        "role": {"type": "string", "enum": ["assistant"]},
        "content": {"type": ["string", "array", "null"]},
        "refusal": {"type": ["boolean", "null"]},
        "tool_calls": {"type": ["array", "null"], "items": _CALL},
    },
    "required": ["role"],
}
SAMPLE_SCHEMA: JSON = {
    "type": "object",
    "properties": {
        "model": _TEXT,
        "choices": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"message": _MESSAGE, "finish_reason": _TEXT},
                "required": ["index", "message", "finish_reason"],
            },
        },
        "output_text": _TEXT,
        "output_json": {"type": "object"},
        "output_tools": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["model", "choices"],
}
"""Of the answers that a run generates."""


def metadata(body: Mapping[str, Any]) -> JSON | None:
    given = body.get("metadata")
    if given is None:
        return None
    are_short = isinstance(given, dict) and all(
        isinstance(value, str) and len(key) <= 64 and len(value) <= 512 for key, value in given.items()
    )
    if not are_short or len(given) > 16:
        raise invalid("'metadata' takes 16 pairs of keys of at most 64 and values of at most 512 characters.")
    return dict(given)


def name(body: Mapping[str, Any], usual: str = "") -> str:
    given = body.get("name")
    if given is not None and not isinstance(given, str):
        raise invalid("'name' must be a string.")
    return usual if given is None else given


def config(body: Mapping[str, Any]) -> JSON:
    """The data source of an eval. Raises ServiceError."""
    given = body.get("data_source_config")
    if not isinstance(given, dict):
        raise invalid("The field 'data_source_config' is required.")
    if given.get("type") != "custom":
        raise invalid(f"The emulator keeps no logs: 'data_source_config.type' is '{given.get('type')}'.")
    if not isinstance(given.get("item_schema"), dict):
        raise invalid("The field 'data_source_config.item_schema' is required.")
    row_validator(given)
    return given


def row_validator(given: JSON) -> Any:
    """What checks a row's item. Raises ServiceError."""
    try:
        return jsonschema_rs.validator_for(given["item_schema"], retriever=_nothing)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as exc:
        reason = str(exc).partition("\n")[0]
        raise invalid(f"'data_source_config.item_schema' is not a JSON Schema: {reason}") from exc


def _nothing(address: str) -> Any:
    """Instead of what a schema refers to: it may name files and hosts."""
    raise LookupError(address)


def described_config(given: JSON) -> JSON:
    """On the wire, the item's schema is a part of the schema of rows."""
    parts = {"item": given["item_schema"]}
    if given.get("include_sample_schema"):
        parts["sample"] = SAMPLE_SCHEMA
    schema = {"type": "object", "properties": parts, "required": list(parts)}
    return {"type": "custom", "schema": schema, "max_items": None}


def criteria(body: Mapping[str, Any], graders: Graders) -> list[JSON]:
    """The criteria with their ids, ``<name>-<guid>``. Raises ServiceError."""
    given = body.get("testing_criteria")
    if not isinstance(given, list) or not given:
        raise invalid("'testing_criteria' must be a list with at least one grader.")
    for criterion in given:
        _check_criterion(criterion, graders)
    return [
        {**criterion, "id": f"{criterion['name']}-{uuid.uuid4()}", "grdr_id": None, "inactive_at": None}
        for criterion in given
    ]


def _check_criterion(criterion: Any, graders: Graders) -> None:
    if not isinstance(criterion, dict) or not isinstance(criterion.get("name"), str) or not criterion["name"]:
        raise invalid("A criterion must be a grader with a 'name'.")
    threshold = criterion.get("pass_threshold")
    if threshold is not None and type(threshold) not in (int, float):
        raise invalid("'pass_threshold' must be a number.")
    if criterion.get("type") == "text_similarity" and threshold is None:
        raise invalid("A criterion of type text_similarity needs 'pass_threshold'.")
    if criterion.get("type") != LABEL:
        graders.check(criterion)
    elif problem := judge.label_problem(criterion):
        raise invalid(problem)


# Runs


def source(body: Mapping[str, Any]) -> JSON:
    """The data source of a run. Raises ServiceError."""
    given = body.get("data_source")
    if not isinstance(given, dict) or not isinstance(given.get("source"), dict):
        raise invalid("'data_source' needs a 'type' and a 'source'.")
    if given.get("type") not in _SOURCES:
        raise invalid(f"The emulator has only runs of the types {', '.join(_SOURCES)}.")
    _check_rows(given["source"])
    if given["type"] in ASKING:
        _check_question(given)
    return given


def _check_rows(rows: JSON) -> None:
    if rows.get("type") == "file_id" and isinstance(rows.get("id"), str):
        return
    content = rows.get("content")
    if rows.get("type") != "file_content" or not isinstance(content, list) or not content:
        raise invalid("'data_source.source' must be a file_id with 'id' or file_content with 'content'.")


def _check_question(given: JSON) -> None:
    if not isinstance(given.get("model"), str) or not given["model"]:
        raise invalid("'data_source.model' must be the name of a deployment.")
    messages, params = given.get("input_messages"), given.get("sampling_params")
    messages = messages if isinstance(messages, dict) else {}
    if params is not None and not isinstance(params, dict):
        raise invalid("'data_source.sampling_params' must be an object.")
    kind = messages.get("type")
    if kind == "item_reference" and isinstance(messages.get("item_reference"), str):
        return
    template = messages.get("template") if kind == "template" else None
    if not isinstance(template, list) or not template or not all(map(judge.is_message, template)):
        raise invalid(
            "'data_source.input_messages' must be a template with messages, or an item_reference to a field."
        )
