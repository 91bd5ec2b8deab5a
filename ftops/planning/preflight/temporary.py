"""Temporary deployments of the evaluations in a plan, as far as preflight knows that they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ftops.core.address import Reference, Value
from ftops.core.normal_form import model as spelled
from ftops.evaluation.temporary import PREFIX
from ftops.planning.estimate import Temporary
from ftops.planning.plan import Change
from ftops.planning.preflight.context import Situation
from ftops.planning.preflight.shortage import Order

Briefly = Mapping[str, Sequence[Mapping[str, Value]]]
"""Steps → the inputs of the deployments that each creates and deletes again, one after the other."""


def temporary(situation: Situation, order: Order) -> Briefly:
    """Those of all evaluations."""
    found: dict[str, list[Mapping[str, Value]]] = {}
    for change in situation.concerned(lambda kind: kind.is_record):
        for one in situation.temporary.get(change.address, ()):
            if not (_is_served(situation, change, one) or _will_be_served(situation, change, one, order)):
                found.setdefault(change.step, []).append({"model": one.model, "sku": one.sku})
    return found


def _is_served(situation: Situation, change: Change, one: Temporary) -> bool:
    """Whether a deployment of the account serves the model already. Those of other evaluations will soon
    go."""
    deployed = situation.accounts[change.provider].deployments or {}
    served = (spelled(model) for name, model in deployed.items() if not name.startswith(PREFIX))
    return isinstance(one.model, str) and spelled(one.model) in served


def _will_be_served(situation: Situation, change: Change, one: Temporary, order: Order) -> bool:
    """Whether the plan creates such a deployment, which can begin no later than the evaluation."""
    return any(
        _known(situation, model) == _known(situation, one.model)
        and all(order.waits(change.step, step) for step in waits_for)
        for model, waits_for in situation.new_deployments(change.provider)
    )


def _known(situation: Situation, model: Value) -> Value:
    """The name of a model, if the plan knows what a reference to it stands for."""
    return situation.known.get(str(model), model) if isinstance(model, Reference) else model
