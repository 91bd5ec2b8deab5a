"""Deadlines: when what a spec uses stops working, by the account or else by the catalogue. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from msgspec import Struct

from ftops.core.address import Address
from ftops.core.resource_types import kind_of
from ftops.planning.preflight.context import Situation, has_model, models_of, trainings
from ftops.planning.preflight.retirement import AGED_DAYS, inference_end, training_end
from ftops.providers.deployment_expiry import CREATED, lasting_expiry, time_of
from ftops.state.state import State


class Deadline(Struct, frozen=True):
    """One end. `address`: the resource, or None for the catalogue."""

    address: Address | None
    what: str
    """What ends: `training of gpt-4o-mini`."""
    then: str
    """What that means for the resource."""
    day: date | None = None
    when: str = ""
    """If the day isn't known: `after 15 days without calls`."""
    is_earliest: bool = False
    told: str = ""
    """Whose day it is."""

    def days_left(self, today: date) -> int | None:
        """None if the day isn't known; 0 or less if it has come."""
        return None if self.day is None else (self.day - today).days

    def ends_within(self, days: int, today: date) -> bool:
        """Whether it ends in so many days, or has ended."""
        left = self.days_left(today)
        return left is not None and left <= days


def deadlines(situation: Situation, state: State) -> tuple[Deadline, ...]:
    """Those of the situation's changes, of recorded deployments, and of the catalogue; the next first."""
    found = [*_training(situation), *_serving(situation), *_expiring(state), *_catalogs(situation)]
    return tuple(sorted(found, key=_order))


def _order(one: Deadline) -> tuple[date, str, str]:
    return one.day or date.max, str(one.address or ""), one.what


def _training(situation: Situation) -> Iterator[Deadline]:
    for address, provider, model, offered, listed in trainings(situation):
        end = training_end(offered, listed) if situation.accounts[provider].retires else None
        if end is not None:
            what = f"training of {model.base}"
            then = "a change of it or of its data can no longer be trained"
            yield Deadline(address, what, then, end.day, "", end.is_earliest, end.told)


def _serving(situation: Situation) -> Iterator[Deadline]:
    for change, model, _, listed in models_of(situation, lambda kind: kind.serves):
        retires = situation.accounts[change.provider].retires
        end = inference_end(situation, change, model, listed) if retires else None
        if end is not None:
            what = f"deployments of {'models tuned from ' * model.tuned}{model.base}"
            yield Deadline(change.address, what, "calls of it fail", end.day, "", end.is_earliest, end.told)


def _expiring(state: State) -> Iterator[Deadline]:
    for address, recorded in state.resources.items():
        is_there = kind_of(address).serves and not recorded.is_off
        expiry = lasting_expiry(recorded.inputs) if is_there else None
        if expiry is None:
            continue
        created = time_of(recorded.outputs.get(CREATED))
        then = "the service deletes it; calls of it fail"
        if expiry.idle or created is None:
            yield Deadline(address, "the deployment", then, None, expiry.planned)
        else:
            ends = created + expiry.span
            yield Deadline(address, "the deployment", then, ends.date(), f"at {ends:%H:%M} UTC")


def _catalogs(situation: Situation) -> Iterator[Deadline]:
    dates = {
        situation.catalog_of(change.provider).dated
        for change, *_ in models_of(situation, has_model)
        if situation.accounts[change.provider].retires
    }
    for dated in sorted(filter(None, dates)):
        then = f"it is {AGED_DAYS} days old: models, dates and prices may have changed; upgrade ftops"
        told = f"its newest source is of {dated.isoformat()}"
        yield Deadline(None, "the catalogue", then, dated + timedelta(AGED_DAYS), "", False, told)
