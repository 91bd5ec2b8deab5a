"""What stands in the way of a plan, whoever asked for it: an empty spec, drift, protected resources. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ftops.address import Address
from ftops.config import Config
from ftops.drift import DRIFT_CLASSES, FAIL
from ftops.errors import Blocked, Diagnostic
from ftops.plan import Action, Drift, Mode
from ftops.schedule import Decision
from ftops.state import State


def check_empty(config: Config, state: State, mode: Mode, allowed: bool) -> None:
    """Raises Blocked where an empty spec would delete everything."""
    if mode is not Mode.NORMAL or config.resources or allowed or not state.resources:
        return
    count = len(state.resources)
    raise Blocked(
        [
            Diagnostic(
                f"the spec declares nothing, but {count} resource{'s' if count > 1 else ''} exist",
                "an empty spec is more often a mistake (a wrong folder, a lost file) than a wish to delete.",
                "to delete everything, run `ftops destroy`, or plan with --allow-empty",
            )
        ]
    )


def check_drift(drift: Iterable[Drift], mode: Mode) -> None:
    """Raises Blocked where something was changed outside, and the spec says to stop then."""
    found = [
        Diagnostic(
            f"{d.address} {DRIFT_CLASSES[d.kind].says}",
            f"The spec says to stop then, so that somebody looks into it (`drift: {{{d.kind}: fail}}`).",
            "see `ftops drift`; to take what exists for granted, `ftops apply --refresh-only`",
        )
        for d in drift
        if d.policy == FAIL and mode is Mode.NORMAL
    ]
    if found:
        raise Blocked(found)


_PROTECTED: Mapping[bool, tuple[str, str]] = {
    True: ("", "undo the change that causes it, or set prevent_destroy to false and apply that first"),
    False: (
        " and on record, though its lines are gone",
        "declare it again, with prevent_destroy: false, and apply that first; or let ftops forget it and "
        "keep the object: `removed: [{{from: {address}, retain: true}}]`",
    ),
}
"""What to say of a protected resource, by whether it is declared: how it is protected, and what to do."""


def check_protection(decisions: Mapping[Address, Decision], declared: Collection[Address]) -> None:
    """Raises Blocked where a protected resource would be deleted or replaced."""
    found = [
        Diagnostic(
            f"{address} is protected, and the plan would {decision.action.value} it",
            f"lifecycle.prevent_destroy is set{_PROTECTED[address in declared][0]}. "
            f"Reason of the plan: {decision.reason.text}.",
            _PROTECTED[address in declared][1].format(address=address),
            decision.resource.place,
        )
        for address, decision in decisions.items()
        if decision.action in (Action.DELETE, Action.REPLACE)
        and decision.recorded is not None
        and decision.resource.lifecycle.prevent_destroy
    ]
    if found:
        raise Blocked(found)
