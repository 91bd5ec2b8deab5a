"""Decision: what has to happen to one resource, and why; a value."""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct

from ftops.config.config import Resource
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.planning.desired import Desired
from ftops.planning.plan import Action, AttributeChange, Reason
from ftops.state.state import ResourceState, Status


class Decision(Struct, frozen=True):
    """What has to happen to one resource, and why. `recorded` is None where nothing exists."""

    resource: Resource
    desired: Desired | None
    action: Action
    reason: Reason
    recorded: ResourceState | None = None
    attributes: tuple[AttributeChange, ...] = ()
    elsewhere: bool = False
    """Whether the new object is in another account, where nothing of the old one is in its way."""

    @property
    def creates_first(self) -> bool:
        """Whether a replacement makes the new object before the old one goes.

        Not while the old one is still in the making or of no use: that would pay for both.
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
            return False  # one name stands for one object: the new one can't be there beside the old one
        return self.resource.lifecycle.create_before_destroy is not False

    @property
    def cannot_create_first(self) -> bool:
        """Whether it was asked for that the new object is made first, and isn't possible."""
        recorded = self.recorded is not None and self.recorded.status is Status.READY
        return recorded and self.deletes_first and bool(self.resource.lifecycle.create_before_destroy)

    @property
    def deletes_first(self) -> bool:
        return self.action is Action.REPLACE and not self.creates_first


def deposed_key(recorded: ResourceState) -> str:
    """Under which a replaced object is kept until it is deleted: 8 hex digits of where and what it is."""
    return sha256(f"{recorded.account} {recorded.remote_id}".strip().encode()).hexdigest()[:8]
