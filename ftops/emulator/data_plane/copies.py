"""Copies of checkpoints to other accounts, a preview of the v1 plane.

Source: Microsoft's document on copying checkpoints across regions. The destination is another emulator, whose
folder is beside this one's. It fetches the copy when it lists models or creates a deployment. If there is no
such account, the copy fails.
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
    checkpoint = _checkpoint(cloud, request)
    body = await read_object(request)
    destination, region = body.get("destinationResourceId"), body.get("region")
    if not isinstance(destination, str) or not _ACCOUNT_ID.fullmatch(destination):
        raise invalid("'destinationResourceId' must be the ARM id of an account.")
    if not isinstance(region, str) or not region:
        raise invalid("The field 'region' is required.")
    id, now = f"{checkpoint.id}-to-{len(cloud.copies)}", cloud.clock.now()
    ends = now + cloud.settings.copy_seconds
    cloud.copies.put(Copy(id, now, checkpoint.job, checkpoint.model, destination, region, ends))
    return reply(_described(cloud, checkpoint))


async def get(cloud: Cloud, request: Request) -> Response:
    return reply(_described(cloud, _checkpoint(cloud, request)))


def _checkpoint(cloud: Cloud, request: Request) -> Checkpoint:
    if request.headers.get(_HEADER) != "preview":
        raise gateway_not_found()
    name = request.path_params["checkpoint"]
    checkpoint = cloud.checkpoints.get(name)
    if checkpoint is None or checkpoint.job != request.path_params["job"]:
        raise not_found("checkpoint", name)
    if checkpoint.created > cloud.clock.now():
        raise not_found("checkpoint", name)
    return checkpoint


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
