"""Managed compute: deployments of open models on GPUs, adapters on them, and versions of project models."""

from __future__ import annotations

from typing import Any, ClassVar

from ftops.emulator.account.storage import Stored


class ManagedDeployment(Stored, frozen=True):
    """A deployment on GPUs as last written. Its id is the name in lower case."""

    collection: ClassVar[str] = "managed"
    name: str
    sku: dict[str, Any]
    properties: dict[str, Any]  # as requested: model, deploymentTemplate, acceleratorType, …
    base: str  # the id of the base model
    accelerators: int  # of an instance
    takes_adapters: bool
    modified: float
    accepted: float  # until then it is Accepted
    ready: float  # until then it is Creating or Updating
    routed: float  # when the data plane knows it
    etag: str
    final_state: str = "Succeeded"
    error: dict[str, Any] | None = None
    pending: str = "Creating"
    deleting: float | None = None  # when it is gone
    unready: bool = False

    @property
    def total(self) -> int:
        """The accelerators of all instances."""
        return int(self.sku["capacity"]) * self.accelerators


class Adapter(Stored, frozen=True):
    """A deployed adapter as last written. Its id is the name in lower case."""

    collection: ClassVar[str] = "adapters"
    name: str
    source: str  # azureai://accounts/<a>/projects/<p>/models/<m>/versions/<v>
    model: str  # the id of the tuned model
    target: str  # as requested
    kind: str  # of the last operation: Create, Update, Delete
    modified: float
    accepted: float
    ready: float
    routed: float
    etag: str
    before: str | None = None  # the target that serves until ready
    final_state: str = "Succeeded"
    error: dict[str, Any] | None = None
    pending: str = "Creating"
    deleting: float | None = None
    unready: bool = False


class ModelVersion(Stored, frozen=True):
    """A version of a project model that somebody has registered."""

    name: str
    version: str
    properties: dict[str, Any]  # as requested: weightType, baseModel, source, loraConfig, …
