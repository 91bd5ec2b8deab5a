"""Graders of the service: it grades a sample, or says whether it accepts a grader. One attempt each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ftops.providers.dataplane.client import DataPlane, body_of
from ftops.providers.dataplane.errors import refusal_from


def run_grader(
    service: DataPlane, grader: Mapping[str, Any], sample: str, item: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The whole reply, with `reward` and `metadata.errors`. Raises Temporary and Permanent."""
    action = f"run grader {grader.get('name') or grader.get('type')}"
    body: Any = {"grader": grader, "model_sample": sample, "item": item}
    with service.calling(action):
        graders = service.latest.fine_tuning.alpha.graders.with_raw_response
        # As it is: the SDK drops what its types don't know, such as `graders` of a `multi`.
        reply = graders.run(grader=body["grader"], model_sample=sample, extra_body=body)
        return body_of(reply, action)


def refusal_of_grader(service: DataPlane, grader: Mapping[str, Any]) -> str:
    """Why the service refuses a grader; empty if it accepts it, or has no such route. Raises Temporary and
    Permanent for replies that aren't about the grader."""
    body: Any = {"grader": grader}
    with service.calling(f"check grader {grader.get('name') or grader.get('type')}"):
        try:
            service.latest.fine_tuning.alpha.graders.validate(grader=body["grader"], extra_body=body)
        except Exception as exc:
            refusal = refusal_from(exc)
            if refusal is not None and refusal.status in _NO_ROUTE:
                return ""
            if refusal is not None and refusal.status in _BAD and _ABOUT_GRADERS.search(refusal.message):
                return refusal.message
            raise
    return ""


_NO_ROUTE = (404, 405)
_BAD = (400, 422)
_ABOUT_GRADERS = re.compile(
    r"grader|string_check|text_similarity|score_model|calculate_output|evaluation_metric|\boperation\b",
    re.IGNORECASE,
)
