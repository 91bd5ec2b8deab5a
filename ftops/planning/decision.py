"""Decision: what has to happen to one resource, and why. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct

from ftops.config.config import Resource
from ftops.config.sweeps import is_best
from ftops.core.address import Address, Json, encode, references
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.planning.desired import Desired
from ftops.planning.gating import gates_of
from ftops.planning.plan import CREATING, MAKING, Action, AttributeChange, Gate, Promoted, Reason
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
    override: str = ""
    """Why it is made although a gate may not pass."""
    promoted: Promoted | None = None
    goes_first: bool = False
    """Whether a job that it may use is deleted before its replacement is created, so that it can't wait until
    the best one is known."""

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Those that it has to pass: what a deployment already serves needs none."""
        if "gate" not in self.resource.inputs:
            return ()
        changes_model = self.action in CREATING or any(a.path == "model" for a in self.attributes)
        return gates_of(self.resource) if changes_model and self.action in MAKING else ()

    @property
    def unless(self) -> Mapping[str, Json]:
        """The values of expressions with which there is nothing to do: those of the best of a sweep."""
        follows = (
            self.reason.code == "inputs"
            and not self.goes_first
            and all(is_best(a.after) for a in self.attributes)
        )
        return {str(a.after): encode(a.before) for a in self.attributes} if follows else {}

    @property
    def goes_on_without(self) -> tuple[Address, ...]:
        """What needn't succeed: the evaluations of an overridden gate, unless they are needed for more."""
        if not self.override:
            return ()
        values = (value for name, value in self.resource.inputs.items() if name != "gate")
        needed = {*self.resource.depends_on, *(r.address for value in values for r in references(value))}
        return tuple(gate.evaluation for gate in self.gates if gate.evaluation not in needed)

    @property
    def creates_first(self) -> bool:
        """Whether a replacement creates the new object before it deletes the old one.

        Not while the old one is still being created or is unusable: that would cost twice.
        """
        if self.action is not Action.REPLACE or self.recorded is None or self.is_rerecorded:
            return False
        if self.recorded.status is not Status.READY:
            return False
        if self.elsewhere:
            return True
        if self.loses_base:
            return False
        if self.resource.inputs.get("replace") == "blue_green":
            return any(a.forces_replacement for a in self.attributes)
        kind = RESOURCE_TYPES[self.resource.address.kind]
        if kind.named_by and not any(a.path == kind.named_by for a in self.attributes):
            return False  # a name can be used only once, so both objects can't exist at the same time
        return self.resource.lifecycle.create_before_destroy is not False

    @property
    def loses_base(self) -> bool:
        """Whether it stands on an object that is deleted before its replacement is created."""
        paths = RESOURCE_TYPES[self.resource.address.kind].stands_on
        moves = (a for a in self.attributes if a.path in paths and a.before and a.after)
        return any(a.forces_replacement for a in moves)

    @property
    def cannot_create_first(self) -> bool:
        """Whether create_before_destroy is set, and isn't possible."""
        recorded = self.recorded is not None and self.recorded.status is Status.READY
        return recorded and self.deletes_first and bool(self.resource.lifecycle.create_before_destroy)

    @property
    def deletes_first(self) -> bool:
        return self.action is Action.REPLACE and not self.creates_first and not self.is_rerecorded

    @property
    def is_rerecorded(self) -> bool:
        """Whether a new record takes the place of the old one, and there is nothing to delete."""
        is_whole = self.recorded is not None and self.recorded.status is Status.READY
        is_record = RESOURCE_TYPES[self.resource.address.kind].is_record
        return self.action is Action.REPLACE and is_record and is_whole


def deposed_key(recorded: ResourceState) -> str:
    """The key of a replaced object until it is deleted: 8 hex digits of a digest of its account and id."""
    return sha256(f"{recorded.account} {recorded.remote_id}".strip().encode()).hexdigest()[:8]
