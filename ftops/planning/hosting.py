"""Hosting: which deployments are created or deleted because of their hosting hours. Pure.

What is recorded decides: the inputs that an applied plan had. A newer apply records others, and a destroy
nothing. So no more is ever switched than was approved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from ftops.core.address import Address, Value
from ftops.core.hosting_hours import hours_of, is_off_at
from ftops.core.nested import object_at
from ftops.core.timestamps import iso_timestamp
from ftops.planning.plan import Action, Change, Off, Reason
from ftops.state.state import ResourceState, Status, carried_over


def is_due(recorded: ResourceState, moment: datetime) -> bool:
    """Whether a recorded deployment exists outside its hours, or doesn't yet, although they have begun. What
    belongs to another state is left alone."""
    hours = hours_of(recorded.inputs)
    if hours is None or recorded.shared:
        return False
    return recorded.is_off == hours.is_on(moment) or recorded.status is Status.PENDING


def switches(records: Iterable[ResourceState], moment: datetime | None) -> Iterator[Change]:
    """A step for each deployment that is to be created or deleted now."""
    if moment is not None:
        yield from (_switch(recorded, moment) for recorded in records if is_due(recorded, moment))


def _switch(recorded: ResourceState, moment: datetime) -> Change:
    hours = hours_of(recorded.inputs)
    assert hours is not None  # noqa: S101 - it is due
    what = "have begun" if hours.is_on(moment) else "have ended"
    reason = Reason("on" if hours.is_on(moment) else "off", f"its hosting hours {what}")
    return Change(
        **carried_over(recorded, Change),
        step=str(recorded.address),
        action=Action.SWITCH,
        reason=reason,
        before=recorded.inputs,
        after=recorded.inputs,
        facts=recorded.outputs,
    )


def off_at(deployments: Mapping[Address, Mapping[str, Value]], moment: datetime | None) -> Iterator[Off]:
    """Of deployments with these inputs, those that don't exist now."""
    for address, inputs in deployments.items():
        hours = hours_of(inputs)
        if moment is not None and hours is not None and is_off_at(inputs, moment):
            begin = iso_timestamp(hours.until(moment).astimezone(UTC))
            text = f"{hours.until_text(moment)} {hours.zone}"
            yield Off(address, str(object_at(inputs, "hosting")["hours"]), begin, text)
