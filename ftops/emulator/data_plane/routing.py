"""Routing: the model that answers for a name, in whichever way it is deployed."""

from __future__ import annotations

from typing import NamedTuple

from ftops.emulator.account.cloud import JSON, Cloud, Deployment
from ftops.emulator.control_plane import deployment_state, managed_state
from ftops.emulator.http.errors import Plane, deployment_not_found


class Served(NamedTuple):
    """What a request for a name leads to."""

    model: JSON
    deployment: Deployment | None
    """The one whose rate limits count; managed compute has none."""
    name: str
    """What ``model`` of an answer is, if it isn't the id of the model."""


def served(cloud: Cloud, plane: Plane, name: str) -> Served:
    """Raises ServiceError if nothing answers for the name."""
    is_known = plane is not Plane.DATED or cloud.settings.managed_on_dated_routes
    managed = managed_state.answering(cloud, name) if is_known else None
    if managed is not None:
        return Served(
            managed.model, None, managed.name if cloud.settings.managed_model_name == "deployment" else ""
        )
    model = deployment_state.serving(cloud, name)
    deployment = deployment_state.find(cloud, name)
    if deployment is None:
        raise deployment_not_found()
    return Served(model, deployment, "")
