"""Imports: existing objects that `import` blocks bring under management. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ftops.config.config import Config, Import, Resource
from ftops.config.graph import Graph
from ftops.core.address import Address, Value, references
from ftops.core.errors import Diagnostic, SpecError
from ftops.planning.desired import Desired, at
from ftops.state.state import Observed, RemoteObject, ResourceState, State, Status


def to_read(config: Config, graph: Graph, state: State) -> list[ResourceState]:
    """The objects to read for the spec's `import` blocks: those that aren't recorded yet. References are
    empty, so that the service's value shows."""
    records = []
    for one in _unrecorded(config, state):
        if resource := graph.resources.get(one.target):
            inputs = {n: "" if references(value) else value for n, value in resource.inputs.items()}
            record = ResourceState(one.target, resource.provider, one.remote_id, Status.READY, inputs)
            records.append(record)
    return records


def left_out(config: Config, state: State) -> list[str]:
    """Warnings about `import` blocks that have no effect, because the environment expires. The object belongs
    to another environment: a name of this one would replace it, and so delete it there."""
    why = f"isn't imported: `{config.environment}` expires, and has no objects of others"
    return [f"{one.target} {why}" for one in _unrecorded(config, state)] if config.ttl else []


def _unrecorded(config: Config, state: State) -> list[Import]:
    known = state.resources.keys() | state.pending.keys()
    return [one for one in config.refactorings.imports if one.target not in known]


def check_imports(
    imports: Collection[Import],
    recorded: Mapping[Address, ResourceState],
    deposed: Mapping[tuple[Address, str], ResourceState],
    seen: Observed,
) -> None:
    """Raises SpecError if an object doesn't exist, or is already managed."""
    if not seen.imported:
        return
    owners = {r.remote_id: r.address for r in recorded.values()}
    old = {r.remote_id: r.address for r in deposed.values()}
    found: list[Diagnostic] = []
    for one in (one for one in imports if one.target in seen.imported):
        remote = seen.imported[one.target]
        if refusal := _refusal(one, remote, owners, old):
            found.append(Diagnostic(*refusal, one.place))
        if remote is not None:
            owners[remote.remote_id] = one.target
    if found:
        raise SpecError(found)


def arrived(
    resource: Resource,
    desired: Desired,
    remote: RemoteObject,
    dependencies: tuple[Address, ...],
    account: str,
) -> ResourceState:
    """The record of an imported or adopted object. Inputs that the service doesn't report are those of the
    spec."""
    inputs: dict[str, Value] = {**desired.inputs, **remote.inputs}
    content = resource.inputs.get("content")
    has_same_content = remote.inputs.get("content", content) == content
    is_same = bool(desired.fingerprint) and remote.fingerprint == desired.fingerprint
    identities = {
        path: meaning
        for path, meaning in desired.identities.items()
        if is_same or at(inputs, path) == at(desired.inputs, path)
    }
    return ResourceState(
        address=resource.address,
        provider=resource.provider,
        remote_id=remote.remote_id,
        status=remote.status,
        inputs=inputs,
        outputs={**(resource.facts if has_same_content else {}), **remote.attributes},
        identities=identities,
        dependencies=dependencies,
        message=remote.message,
        resume=remote.resume,
        prevent_destroy=resource.lifecycle.prevent_destroy,
        retain=resource.lifecycle.on_destroy == "retain",
        account=account,
    )


def _refusal(
    one: Import, remote: RemoteObject | None, owners: Mapping[str, Address], old: Mapping[str, Address]
) -> tuple[str, str, str] | None:
    """Why an object can't be imported: summary, detail and hint."""
    if remote is None:
        return (
            f"there is no {one.target.kind} {one.remote_id}",
            f"The `import` block of {one.target} names it, but its provider has no such object.",
            "correct the id, or remove the `import` entry and let ftops create the object",
        )
    if owner := owners.get(remote.remote_id):
        return (
            f"{one.remote_id} is already managed as {owner}",
            "One object can't have two addresses: changes to one would undo changes to the other.",
            f"to rename it to {one.target}, write `moved: [{{from: {owner}, to: {one.target}}}]`",
        )
    if owner := old.get(remote.remote_id):
        return (
            f"{one.remote_id} is managed as the old object of {owner}",
            "It was replaced, and will be deleted when nothing uses it any more.",
            f"remove the `import` entry: if {one.target} is declared like that object, the plan reuses it",
        )
    return None
