"""Name rules: the names of deployments are valid and not taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ftops.config.accounts import is_exclusive
from ftops.config.config import Resource
from ftops.core.address import Reference, Value
from ftops.core.errors import Diagnostic
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import deployment_name, kind_of
from ftops.core.snippets import import_block
from ftops.core.suggestions import some
from ftops.planning.plan import Action
from ftops.planning.preflight.context import Situation, text
from ftops.planning.preflight.limits import Order


def taken(situation: Situation) -> Iterator[Diagnostic]:
    """No deployment of that name exists, unless the plan deletes it first."""
    order: Order | None = None
    for change in situation.concerned(lambda kind: kind.serves):
        model = change.after.get("model")
        model = situation.known.get(str(model), model) if isinstance(model, Reference) else model
        name = _name({**change.after, "model": model})
        existing = situation.accounts[change.provider].deployments
        if not name or existing is None or name not in existing:
            continue
        order = order or Order(situation.changes)
        if not _goes_before(situation, order, change.step, change.provider, name):
            yield situation.finding(
                change.address,
                f"account {situation.accounts[change.provider].name} already has a deployment `{name}`",
                "The service would change that deployment instead of creating another one.",
                f"import it ({import_block(change.address, name)}), or choose another `name`",
            )


def long_enough(situation: Situation) -> Iterator[Diagnostic]:
    """The name is as long as the service requires. The loader checks the other rules of names."""
    for change in situation.concerned(lambda kind: kind.serves):
        name = _name(change.after)
        shortest = PROVIDER_TYPES[situation.accounts[change.provider].service].shortest_name
        if 0 < len(name) < shortest:
            yield situation.finding(
                change.address,
                f"`{name}` is too short for the name of a deployment",
                f"The service takes {shortest} to 64 characters.",
                "give it a longer `name`",
            )


def shared(situation: Situation) -> Iterator[Diagnostic]:
    """Two providers for one account don't use a name twice. Within one provider, the loader refuses it."""
    declared: dict[tuple[str, str], list[Resource]] = {}
    for resource in situation.declared(lambda kind: kind.serves):
        home = situation.homes.get(resource.provider, resource.provider)
        name = _name(resource.inputs) if is_exclusive(home, resource.address.kind) else ""
        if name:
            declared.setdefault((home, name), []).append(resource)
    changed = {change.address for change in situation.concerned(lambda kind: kind.serves)}
    for (_, name), resources in declared.items():
        addresses = [resource.address for resource in resources]
        if len({resource.provider for resource in resources}) > 1 and changed & {*addresses}:
            yield situation.finding(
                addresses[-1],
                f"several deployments of the account have the name `{name}`",
                f"They are {some(addresses)}: their providers use the same account, and one would overwrite "
                "the other.",
                "give each a `name` of its own",
            )


def _name(inputs: Mapping[str, Value]) -> str:
    """The name at the service in lower case; empty if it depends on a model that has yet to be trained."""
    name = text(inputs, "name")
    return deployment_name(name, inputs).lower() if name else ""


def _goes_before(situation: Situation, order: Order, step: str, provider: str, name: str) -> bool:
    return any(
        other.provider == provider
        and other.remote_id.rstrip("/").rpartition("/")[2].lower() == name
        and not order.waits(other.step, step)
        for other in situation.changes
        if other.action is Action.DELETE and kind_of(other.address).serves
    )
