"""Drift as text and as JSON, without a plan around it."""

from __future__ import annotations

from collections.abc import Iterator

from ftops.core.address import Json
from ftops.core.drift_classes import IGNORE
from ftops.core.plurals import plural
from ftops.planning.plan import Plan
from ftops.planning.plan_document import drift_to_json
from ftops.views.paint import Painter
from ftops.views.plan import drift_lines, subject


def to_json(plan: Plan) -> dict[str, Json]:
    """The document of `drift -o json`."""
    found = [drift for drift in plan.drift if not drift.is_expected]
    return {
        "spec": plan.spec,
        "environment": plan.environment,
        "lineage": plan.lineage,
        "serial": plan.serial,
        "drift": [drift_to_json(drift) for drift in plan.drift],
        "summary": {"drift": len(found), "expected": len(plan.drift) - len(found)},
    }


def draw(plan: Plan, everything: bool, paint: Painter) -> Iterator[str]:
    """Unexpected drift; the rest as a count, or in full with `everything`."""
    found = [drift for drift in plan.drift if not drift.is_expected]
    rest = [drift for drift in plan.drift if drift.is_expected]
    if found:
        yield paint(f"Changed outside ftops ({subject(plan)}):", "bold")
        yield ""
        for drift in found:
            yield from drift_lines(drift, paint)
        yield ""
    if rest and everything:
        yield paint("Expected or ignored:", "bold")
        yield ""
        for drift in rest:
            first, *more = drift_lines(drift, paint)
            why = "ignored by the spec" if drift.policy == IGNORE else f"the plan will {drift.policy} it"
            yield from (f"{first}{paint(f'  ({why})', 'dim')}", *more)
        yield ""
    count = len({drift.address for drift in found})
    summary = f"Drift: {plural(count, 'resource')}." if found else f"No drift in {subject(plan)}."
    hidden = f" {plural(len(rest), 'difference')} expected or ignored (--all shows them)." if rest else ""
    yield paint(summary, "bold") + (paint(hidden, "dim") if rest and not everything else "")
