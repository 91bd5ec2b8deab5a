"""Errors of the service: one exception, which each plane writes in its own format.

Messages and codes are from public documents and issue threads. If none is known, the nearest documented code
is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ftops.emulator.account.settings import Settings


class Plane(StrEnum):
    """A group of routes with the same authentication and error format."""

    DATED = "dated"
    V1 = "v1"
    PROJECT = "project"
    ARM = "arm"
    ADMIN = "admin"


DATA_PLANES = (Plane.DATED, Plane.V1, Plane.PROJECT)


@dataclass
class ServiceError(Exception):
    """An error reply of the service."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    param: str | None = None  # of inference: which parameter is wrong

    def body(self, plane: Plane) -> dict[str, Any]:
        """The JSON body in the format of ``plane``."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if plane in (Plane.V1, Plane.PROJECT) or self.param is not None:
            error |= {"param": self.param, "type": _V1_TYPES.get(self.status, "invalid_request_error")}
        return {"error": error}


_V1_TYPES = {
    401: "authentication_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
    500: "server_error",
}


def invalid(message: str) -> ServiceError:
    return ServiceError(400, "invalidPayload", message)


def bad_request(message: str) -> ServiceError:
    return ServiceError(400, "BadRequest", message)


def bad_parameter(param: str, message: str, code: str = "invalid_value") -> ServiceError:
    """A wrong parameter of inference, which has errors of its own on every plane."""
    return ServiceError(400, code, message, param=param)


def wrong_state(settings: Settings, message: str) -> ServiceError:
    """The object is in a state that does not allow this. The service's status and code are not known."""
    return ServiceError(settings.wrong_state_status, settings.wrong_state_code, message)


def over_quota(settings: Settings, message: str) -> ServiceError:
    """A limit of the account is reached. The service's status is not known."""
    return ServiceError(settings.over_limit_status, "quotaExceeded", message)


def not_found(what: str, name: str) -> ServiceError:
    """An object of the data plane."""
    return ServiceError(404, "notFound", f"The specified {what} '{name}' was not found.")


def gateway_not_found() -> ServiceError:
    """An unknown path or api-version."""
    return ServiceError(404, "404", "Resource not found")


def deployment_not_found() -> ServiceError:
    """Inference with a deployment that the data plane does not know (yet)."""
    return ServiceError(
        404,
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment "
        "within the last 5 minutes, please wait a moment and try again.",
    )


def deployment_not_ready() -> ServiceError:
    """Inference with a deployment that is provisioned, but doesn't answer yet, or never will. The message is
    not known."""
    return ServiceError(404, "DeploymentNotReady", "The API deployment for this resource is not ready.")


def resource_not_found(resource: str, group: str) -> ServiceError:
    """A resource of the control plane."""
    return ServiceError(
        404,
        "ResourceNotFound",
        f"The Resource '{resource}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )
