"""Pins and served models: notes of a plan, and the list of models for a rollback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ftops.core.address import Address, Json
from ftops.core.snippets import command
from ftops.planning.plan import Plan
from ftops.planning.plan_document import pin_to_json
from ftops.state.state import Pin
from ftops.views.paint import Painter
from ftops.views.table import draw_table

if TYPE_CHECKING:
    from ftops.session.rollback import Candidate

_RELEASED: Mapping[str, str] = {
    "account": "isn't pinned any more: the pinned model doesn't exist in its new account",
    "asked": "is released: it gets the model that the spec asks for",
    "declared": "is released: the spec asks for the pinned model itself",
    "served": "isn't pinned any more: the spec serves its model in another way",
    "undeclared": "isn't pinned any more: it is no longer declared",
    "destroyed": "isn't pinned any more: it is destroyed",
}


def pin_notes(plan: Plan) -> list[str]:
    """What is pinned, newly or until now, and how that ends."""
    new = {change.address for change in plan.pinning if change.model}
    return [
        *(_new(pin) for pin in plan.pins if pin.address in new),
        *(pin_line(pin) for pin in plan.pins if pin.address not in new),
        *(f"{change.address} {_RELEASED[change.why]}" for change in plan.pinning if not change.model),
    ]


def _new(pin: Pin) -> str:
    return f"{pin.address} is pinned to {pin.model}{_more(pin)}, until it is released"


def _more(pin: Pin) -> str:
    """What it has passed, and why it is pinned."""
    said = "; ".join(filter(None, (pin.evaluated, pin.reason)))
    return f" ({said})" if said else ""


def pin_line(pin: Pin) -> str:
    """`deployment.copilot is pinned to … of job.copilot since … by alice (why); release it with …`."""
    by = f" by {pin.who}" if pin.who else ""
    return (
        f"{pin.address} is pinned to {pin.model} of {pin.trained_by} since {pin.at}{by}{_more(pin)}; "
        f"release it with {command('ftops', 'rollback', pin.address, '--release')}"
    )


def candidate_lines(
    address: Address,
    candidates: Sequence[Candidate],
    pin: Pin | None,
    paint: Painter,
    columns: int | None = None,
) -> Iterator[str]:
    """A table, the model that is served first."""
    if pin is not None:
        yield from (paint(pin_line(pin)), "")
    if not candidates:
        yield f"{paint(str(address))} hasn't served a fine-tuned model yet, as far as the state knows."
        return
    rows = [("", "model", "trained by", "since", "evaluated", "")]
    rows += [
        (
            str(one.number or "*"),
            one.served.model,
            str(one.served.trained_by),
            f"{one.served.at[:19]}Z",
            one.served.evaluated or "-",
            "serves now" if not one.number else "" if one.is_there else "deleted",
        )
        for one in candidates
    ]
    yield from draw_table(rows, paint, columns)


def candidates_to_json(address: Address, candidates: Sequence[Candidate], pin: Pin | None) -> dict[str, Json]:
    """The document of `rollback --list -o json`."""
    models: list[Json] = [
        {
            "number": one.number,
            "model": one.served.model,
            "trained_by": str(one.served.trained_by),
            "since": one.served.at,
            "evaluated": one.served.evaluated,
            "is_there": one.is_there,
        }
        for one in candidates
    ]
    return {"address": str(address), "models": models, "pin": pin_to_json(pin) if pin else None}
