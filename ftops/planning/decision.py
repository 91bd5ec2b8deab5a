"""Decision: what has to happen to one resource, and why. Values only."""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct

from ftops.config.config import Resource
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.planning.desired import Desired
from ftops.planning.plan import Action, AttributeChange, Reason
from ftops.state.state import ResourceState, Status


class Decision(Struct, frozen=True):
    """What has to happen to one resource, and why. `recorded` is None if nothing exists."""

    resource: Resource
    desired: Desired | None
    action: Action
    reason: Reason
    recorded: ResourceState | None = None
    attributes: tuple[AttributeChange, ...] = ()
    elsewhere: bool = False
    """Whether the new object is in another account, where the old one can't conflict with it."""

    @property
    def creates_first(self) -> bool:
        """Whether a replacement creates the new object before it deletes the old one.

        Not while the old one is still being created or is unusable: that would cost twice.
        """
        if self.action is not Action.REPLACE or self.recorded is None:
            return False
        if self.recorded.status is not Status.READY:
            return False
        if self.elsewhere:
            return True
        if self.resource.inputs.get("replace") == "blue_green":
            return any(a.forces_replacement for a in self.attributes)
        kind = RESOURCE_TYPES[self.resource.address.kind]
        if kind.named_by and not any(a.path == kind.named_by for a in self.attributes):
            return False  # a name can be used only once, so both objects can't exist at the same time
        return self.resource.lifecycle.create_before_destroy is not False

    @property
    def cannot_create_first(self) -> bool:
        """Whether create_before_destroy is set, and isn't possible."""
        recorded = self.recorded is not None and self.recorded.status is Status.READY
        return recorded and self.deletes_first and bool(self.resource.lifecycle.create_before_destroy)

    @property
    def deletes_first(self) -> bool:
        return self.action is Action.REPLACE and not self.creates_first


def deposed_key(recorded: ResourceState) -> str:
    """The key of a replaced object until it is deleted: 8 hex digits of a digest of its account and id."""
    return sha256(f"{recorded.account} {recorded.remote_id}".strip().encode()).hexdigest()[:8]
