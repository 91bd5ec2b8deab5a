"""Runs of graders: the service grades one sample, one attempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftops.providers.dataplane.client import DataPlane, body_of


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
