"""JSON Schema of the document that `plan -o json` prints, for rules in other languages and for programs.

Written by hand: a test validates documents of real plans with it, and refuses a key that it lacks. Later
versions of ftops may add keys; `format_version` changes if one is removed or means something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftops.core.drift_classes import DRIFT_CLASSES
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.planning.plan import Action, Mode
from ftops.planning.plan_document import PLAN_VERSION
from ftops.views.verdict import Level

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
ANY: Schema = {}
MAPPING: Schema = {"type": "object"}
TEXTS: Schema = {"type": "array", "items": TEXT}


def _words(words: Any) -> Schema:
    return {"enum": [str(word) for word in words]}


def _maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _map(schema: Schema) -> Schema:
    return {"type": "object", "additionalProperties": schema}


def _object(keys: Mapping[str, Schema], optional: Mapping[str, Schema] = {}) -> Schema:
    return {"type": "object", "properties": {**keys, **optional}, "required": list(keys)}


_PLACE = _object({"file": TEXT, "line": COUNT, "column": COUNT, "text": TEXT, "width": COUNT})
_DIAGNOSTIC = _object(
    {"severity": _words(("error", "warning", "note")), "summary": TEXT, "detail": TEXT, "hint": TEXT},
    {"rule": TEXT, "path": TEXT, "place": _PLACE},
)
_LINE = _object({"file": TEXT, "line": COUNT})
_ATTRIBUTE = _object(
    {"path": TEXT, "before": ANY, "after": ANY, "forces_replacement": FLAG, "note": TEXT}, {"place": _LINE}
)
_GATED_BY = {row.gated_by[0]: TEXT for row in RESOURCE_TYPES.values() if row.gated_by}
_GATE = _object({"model": ANY, "require": MAPPING, "allow_override": FLAG, **_GATED_BY})
_EVALUATED = _object(
    {
        "address": TEXT,
        "score": _maybe(NUMBER),
        "baseline_score": _maybe(NUMBER),
        "verdict": TEXT,
        "at": TEXT,
    }
)
_PROMOTED = _object({"environment": TEXT, "model": TEXT, "trained": TEXT, "evaluated": _list(_EVALUATED)})
_CHANGE = _object(
    {
        "step": TEXT,
        "address": TEXT,
        "action": _words(Action),
        "reason": _object({"code": TEXT, "text": TEXT}),
        "provider": TEXT,
        "waits_for": TEXTS,
    },
    {
        "place": _LINE,
        "before": MAPPING,
        "after": MAPPING,
        "attributes": _list(_ATTRIBUTE),
        "fingerprint": TEXT,
        "remote_id": TEXT,
        "deposed": TEXT,
        "deposes": TEXT,
        "gates": _list(_GATE),
        "override": TEXT,
        "promoted": _PROMOTED,
        "facts": MAPPING,
        "examples_digest": TEXT,
    },
)
_DRIFT = _object(
    {
        "address": TEXT,
        "kind": _words(DRIFT_CLASSES),
        "policy": TEXT,
        "expected": FLAG,
        "attributes": _list(_ATTRIBUTE),
    }
)
_TRAINING = _object(
    {
        "address": TEXT,
        "examples": COUNT,
        "tokens": COUNT,
        "epochs": COUNT,
        "epochs_estimated": FLAG,
        "examples_cut": COUNT,
        "per_million": _maybe(NUMBER),
        "per_hour": _maybe(NUMBER),
        "spending_limit": _maybe(NUMBER),
        "hours_recorded": _maybe({"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}),
        "jobs_recorded": COUNT,
        "dollars": _maybe(NUMBER),
        "note": TEXT,
    }
)
_DATA = _object(
    {
        "address": TEXT,
        "examples": COUNT,
        "added": COUNT,
        "removed": COUNT,
        "edited": COUNT,
        "tokens": _maybe({"type": "integer"}),
        "dollars": _maybe(NUMBER),
        "note": TEXT,
    },
    {"reordered": FLAG, "lines": _list(_LINE)},
)
_TEMPORARY = _object({"model": TEXT, "sku": TEXT, "per_hour": _maybe(NUMBER), "is_certain": FLAG})
_ASKING = _object(
    {
        "address": TEXT,
        "prompts": COUNT,
        "samples": COUNT,
        "models": _maybe(COUNT),
        "answers": _maybe(COUNT),
        "answers_cached": _maybe(COUNT),
        "answers_too_old": COUNT,
        "may_stop_early": FLAG,
        "grading_requests": COUNT,
        "input_tokens": _maybe(COUNT),
        "output_tokens": _maybe(COUNT),
        "output_is_limit": FLAG,
        "input_dollars": _maybe(NUMBER),
        "dollars": _maybe(NUMBER),
        "detectable_difference": _maybe(NUMBER),
        "independent_prompts": COUNT,
        "is_compared": FLAG,
        "temporary_deployments": _list(_TEMPORARY),
    }
)
_HOSTING = _object({"address": TEXT, "per_hour": _maybe(NUMBER), "hours_per_month": NUMBER}, {"note": TEXT})
_ESTIMATE = _object(
    {
        "currency": {"const": "USD"},
        "is_rehearsal": FLAG,
        "training": _list(_TRAINING),
        "hosting": _list(_HOSTING),
        "training_total": NUMBER,
        "training_total_is_complete": FLAG,
        "hosting_per_hour": NUMBER,
        "hosting_per_month": NUMBER,
        "data": _list(_DATA),
        "asking": _list(_ASKING),
    }
)
_OVERRIDDEN = _object({"rule": TEXT, "reason": TEXT, "until": TEXT, "place": TEXT, "denied": TEXTS})
_POLICY = _object(
    {
        "changes": _list(_object({"rule": TEXT, "what": _words(("added", "removed", "changed"))})),
        "overridden": _list(_OVERRIDDEN),
    }
)
_DOCUMENT: Mapping[str, Schema] = {
    "format_version": {"const": PLAN_VERSION},
    "spec": TEXT,
    "environment": TEXT,
    "mode": _words(Mode),
    "lineage": TEXT,
    "serial": COUNT,
    "changes": _list({"$ref": "#/$defs/Change"}),
    "drift": _list(_DRIFT),
    "outputs": _list(_object({"name": TEXT, "before": ANY, "after": ANY, "sensitive": FLAG})),
    "moves": _list(_object({"from": TEXT, "to": TEXT})),
    "settings": _list(_object({"address": TEXT, "path": TEXT, "before": ANY, "after": ANY})),
    "unchanged": COUNT,
    "held": _list(_object({"address": TEXT, "reasons": TEXTS})),
    "off": _list(_object({"address": TEXT, "hours": TEXT, "until": TEXT, "text": TEXT})),
    "choices": _list(
        _object(
            {
                "sweep": TEXT,
                "metric": TEXT,
                "mode": _words(("min", "max")),
                "ranked": _list(
                    _object({"address": TEXT, "key": TEXT, "value": NUMBER, "difference": NUMBER})
                ),
            }
        )
    ),
    "summary": _object({action.value: COUNT for action in Action}),
    "pins": _list(
        _object(
            {
                "address": TEXT,
                "model": TEXT,
                "trained_by": TEXT,
                "at": TEXT,
                "who": TEXT,
                "reason": TEXT,
                "evaluated": TEXT,
            }
        )
    ),
    "pinning": _list(_object({"address": TEXT, "model": TEXT, "why": TEXT})),
    "warnings": TEXTS,
    "policy": _POLICY,
    "estimate": _ESTIMATE,
    "destination": _object(
        {"providers": _map(_map(TEXT)), "state": _map(TEXT), "variables": _map(TEXT), "policies": _map(TEXT)}
    ),
    "known": MAPPING,
    "reads": _list(
        _object(
            {
                "name": TEXT,
                "spec": TEXT,
                "environment": TEXT,
                "lineage": TEXT,
                "serial": COUNT,
                "values": MAPPING,
            }
        )
    ),
    "ttl": TEXT,
    "expires_at": TEXT,
    "verdict": _object({"level": _words(Level), "sentence": TEXT}),
    "digest": _maybe(TEXT),
    "findings": _list({"$ref": "#/$defs/Diagnostic"}),
    "diagnostics": _list({"$ref": "#/$defs/Diagnostic"}),
}


def plan_schema() -> Schema:
    """The whole schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"ftops plan, format {PLAN_VERSION}",
        "description": "The document of `ftops plan -o json`; `ftops docs json-output` describes its keys.",
        "$defs": {"Change": _CHANGE, "Diagnostic": _DIAGNOSTIC},
        **_object(_DOCUMENT),
    }
