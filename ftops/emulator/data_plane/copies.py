"""Copies of checkpoints to other accounts, a preview of the v1 plane.

Source: Microsoft's document on copying checkpoints across regions. The account that a copy goes to is
another emulator, whose folder lies beside this one's; it takes the copy when it is asked for models or for
a deployment. Where there is no such account, the copy fails.
"""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account import other_accounts
from ftops.emulator.account.cloud import JSON, Checkpoint, Cloud, Copy
from ftops.emulator.http.errors import gateway_not_found, invalid, not_found
from ftops.emulator.http.messages import read_object, reply

_HEADER = "aoai-copy-ft-checkpoints"
_ACCOUNT_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.CognitiveServices/accounts/[^/]+",
    re.IGNORECASE,
)


async def start(cloud: Cloud, request: Request) -> Response:
    """POST …/checkpoints/{checkpoint}/copy: ``destinationResourceId`` and ``region``."""
    checkpoint = _checkpoint(cloud, request)
    body = await read_object(request)
    destination, region = body.get("destinationResourceId"), body.get("region")
    if not isinstance(destination, str) or not _ACCOUNT_ID.fullmatch(destination):
        raise invalid("'destinationResourceId' must be the id of an account in the control plane.")
    if not isinstance(region, str) or not region:
        raise invalid("The field 'region' is required.")
    now = cloud.clock.now()
    copy = Copy(
        f"{checkpoint.id}-to-{len(cloud.copies)}", now, checkpoint.job, checkpoint.model,
        destination, region, now + cloud.settings.copy_seconds,
    )  # fmt: skip
    cloud.copies.put(copy)
    return reply(_described(cloud, checkpoint))


async def get(cloud: Cloud, request: Request) -> Response:
    """GET …/checkpoints/{checkpoint}/copy: how far the copies are."""
    return reply(_described(cloud, _checkpoint(cloud, request)))


def _checkpoint(cloud: Cloud, request: Request) -> Checkpoint:
    if request.headers.get(_HEADER) != "preview":
        raise gateway_not_found()
    name = request.path_params["checkpoint"]
    found = cloud.checkpoints.get(name)
    known = found is not None and found.job == request.path_params["job"]
    if found is None or not known or found.created > cloud.clock.now():
        raise not_found("checkpoint", name)
    return found


def _described(cloud: Cloud, checkpoint: Checkpoint) -> JSON:
    rows = [
        {"destinationResourceId": copy.destination, "region": copy.region, "status": _status(cloud, copy)}
        for copy in cloud.copies.all()
        if copy.id.startswith(f"{checkpoint.id}-to-")
    ]
    return {
        "checkpointedModelName": checkpoint.model,
        "fineTuningJobId": checkpoint.job,
        "copiedAccountDetails": rows,
    }


def _status(cloud: Cloud, copy: Copy) -> str:
    if cloud.clock.now() < copy.ends:
        return "InProgress"
    return "Completed" if other_accounts.is_beside(cloud, copy.destination) else "Failed"
