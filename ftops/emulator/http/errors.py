"""What the service refuses, as one exception that each plane writes in its own way.

Texts and codes are those of the public documents and of issue threads; where none is known,
the nearest documented code is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ftops.emulator.account.settings import Settings


class Plane(StrEnum):
    """A family of routes that share authentication and the form of errors."""

    DATED = "dated"
    V1 = "v1"
    ARM = "arm"
    ADMIN = "admin"


@dataclass
class ServiceError(Exception):
    """A refusal: HTTP status, the service's code and its message."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, plane: Plane) -> dict[str, Any]:
        """The JSON body in the form of ``plane``."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if plane is Plane.V1:
            error |= {"param": None, "type": _V1_TYPES.get(self.status, "invalid_request_error")}
        return {"error": error}


_V1_TYPES = {
    401: "authentication_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
    500: "server_error",
}


def invalid(message: str) -> ServiceError:
    """A request body that the data plane cannot accept."""
    return ServiceError(400, "invalidPayload", message)


def wrong_state(settings: Settings, message: str) -> ServiceError:
    """The object exists but is in a state that does not allow this; status and code are unknown."""
    return ServiceError(settings.wrong_state_status, settings.wrong_state_code, message)


def over_quota(settings: Settings, message: str) -> ServiceError:
    """A count limit of the account is reached; the status is unknown."""
    return ServiceError(settings.over_limit_status, "quotaExceeded", message)


def not_found(what: str, name: str) -> ServiceError:
    """An object of the data plane that does not exist."""
    return ServiceError(404, "notFound", f"The specified {what} '{name}' was not found.")


def gateway_not_found() -> ServiceError:
    """What the gateway says to an unknown path or api-version."""
    return ServiceError(404, "404", "Resource not found")


def deployment_not_found() -> ServiceError:
    """Inference on a name that the data plane does not know (yet)."""
    return ServiceError(
        404,
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment "
        "within the last 5 minutes, please wait a moment and try again.",
    )


def deployment_paused(name: str) -> ServiceError:
    """Inference on a paused deployment; the status is documented, the wording is not."""
    return ServiceError(423, "Locked", f"The deployment '{name}' is paused.")


def resource_not_found(resource: str, group: str) -> ServiceError:
    """A control-plane resource that does not exist."""
    return ServiceError(
        404,
        "ResourceNotFound",
        f"The Resource '{resource}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )
