"""Rules: the model hasn't ended, nor ends soon, by the account's dates or else by the catalogue's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from ftops import catalog
from ftops.catalog import CatalogModel
from ftops.config.config import Config
from ftops.core.address import Address
from ftops.core.errors import Diagnostic
from ftops.core.model_names import ModelName, base_of, split
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.planning.plan import Change
from ftops.planning.preflight.context import OTHER_MODEL, Situation, has_model, models_of, text, trainings
from ftops.providers.account_facts import OfferedModel
from ftops.state.state import State

SOON_DAYS = 60
AGED_DAYS = 90
_ENDING = frozenset({"deprecating", "deprecated"})


def training_retires(situation: Situation) -> Iterator[Diagnostic]:
    """The model's training hasn't ended, nor ends soon. An account that still lists a model as tunable knows
    better than a date."""
    for address, provider, model, offered, listed in trainings(situation):
        if not situation.accounts[provider].retires:
            continue
        what, still_tunable = f"training of {model.base}", _is_tunable(offered)
        found = list(_said_of(situation, address, what, training_end(offered, listed)))
        yield from found
        base = listed.base_retires if listed is not None and not found else None
        if base is not None and base <= situation.today and not model.tuned and not still_tunable:
            yield situation.warning(
                address,
                f"{what} may be refused",
                f"The base model ended on {base.isoformat()}: since then only customers who have tuned it "
                "before may train it.",
                OTHER_MODEL,
                at="model",
            )


def inference_retires(situation: Situation) -> Iterator[Diagnostic]:
    """The model can still be deployed, and goes on answering for a while. The dates of a tuned model are its
    own: those of its base model say nothing about it."""
    for change, model, offered, listed in models_of(situation, lambda kind: kind.serves):
        if not situation.accounts[change.provider].retires:
            continue
        end = inference_end(situation, change, model, listed)
        yield from _said_of(situation, change.address, model.base, end)
        if offered is not None and not model.tuned and offered.lifecycle.casefold() in _ENDING:
            yield situation.warning(
                change.address,
                f"{model.base} is being retired",
                f"The account lists it as {offered.lifecycle}; new deployments of it may be refused.",
                OTHER_MODEL,
                at="model",
            )


def aged(situation: Situation) -> Iterator[Diagnostic]:
    """The catalogue isn't much older than the plan."""
    for provider in sorted({change.provider for change, *_ in models_of(situation, has_model)}):
        dated = situation.catalog_of(provider).dated
        if dated is not None and situation.accounts[provider].retires:
            days = (situation.today - dated).days
            if days > AGED_DAYS:
                yield situation.about_provider(
                    provider,
                    f"the catalogue of models is {days} days old",
                    f"Its newest source is of {dated.isoformat()}; models, dates and prices change.",
                    "upgrade ftops, or correct the catalogue in ftops.catalog.yaml",
                    "warning",
                )


class End(NamedTuple):
    """A day on which something ends."""

    day: date
    is_earliest: bool = False
    """Whether it may be postponed."""
    told: str = ""
    """Whose day it is: pages and accounts contradict each other. With the other day, if there is one."""


def training_end(offered: OfferedModel | None, listed: CatalogModel | None) -> End | None:
    """When the training of a model ends: by the account that offers it, else by the catalogue."""
    still_tunable = _is_tunable(offered)
    own = offered.training_retires if offered else None
    if offered is not None and own is not None:
        is_earliest = still_tunable or offered.is_tentative
        return End(own, is_earliest, _own(own, listed.training_retires if listed else None))
    if listed is None or listed.training_retires is None:
        return None
    is_earliest = still_tunable or listed.training_is_earliest
    return End(listed.training_retires, is_earliest, listed.retirement_source)


def inference_end(
    situation: Situation, change: Change, model: ModelName, listed: CatalogModel | None
) -> End | None:
    """When deployments of a model end: by the account, else by the catalogue."""
    day, is_earliest = None, True
    if listed is not None and model.tuned:
        day, is_earliest = listed.inference_retires, listed.inference_is_earliest
    elif listed is not None:
        day = listed.base_retires or listed.inference_retires
    row = situation.deployed(change.provider, model)
    if row is not None and (own := _last_day(row, change)) is not None:
        return End(own, row.is_tentative, _own(own, day))
    return End(day, is_earliest, listed.retirement_source) if listed is not None and day else None


def _is_tunable(offered: OfferedModel | None) -> bool:
    return offered is not None and offered.tunable is True


def _own(day: date, by_catalog: date | None) -> str:
    other = f"; the catalogue has {by_catalog.isoformat()}" if by_catalog not in (None, day) else ""
    return f"the account's own date{other}"


def _said_of(situation: Situation, address: Address, what: str, end: End | None) -> Iterator[Diagnostic]:
    if end is None:
        return
    left, day = (end.day - situation.today).days, end.day.isoformat()
    by = f" ({end.told})" if end.told else ""
    hint = f"{OTHER_MODEL}, and move to it before that day"
    if left <= 0 and not end.is_earliest:
        detail = f"The service no longer accepts it{by}."
        yield situation.finding(address, f"{what} ended on {day}", detail, OTHER_MODEL, at="model")
    elif left <= 0:
        detail = f"It may have: {day} is the earliest day that was announced{by}."
        yield situation.warning(address, f"{what} may have ended", detail, hint, at="model")
    elif left <= SOON_DAYS:
        days = "a day" if left == 1 else f"{left} days"
        detail = f"It ends on {day}{' at the earliest' if end.is_earliest else ''}{by}."
        yield situation.warning(address, f"{what} ends in {days}", detail, hint, at="model")


def _last_day(offered: OfferedModel, change: Change) -> date | None:
    """When the model ends, or its SKU, whichever comes first."""
    asked = change.after.get("sku")
    name = asked.get("name") if isinstance(asked, dict) else None
    own = [s.retires for s in offered.skus or () if isinstance(name, str) and s.name.lower() == name.lower()]
    return min((day for day in (offered.inference_retires, *own) if day is not None), default=None)


def retired(
    gone: Iterable[Address], state: State, config: Config, environ: Mapping[str, str], today: date
) -> Iterator[Address]:
    """The deleted objects whose model was retired by `today`, according to the catalogue: the service has
    deleted them by itself. Raises SpecError if the catalogue can't be read."""
    known = catalog.load(config.project, environ)
    for address in gone:
        recorded = state.resources[address]
        provider = config.providers.get(recorded.provider)
        model = base_of(text(recorded.inputs, "model"))
        if not model or provider is None or not PROVIDER_TYPES[provider.type].retires_models:
            continue
        models = known.of(PROVIDER_TYPES[provider.type])
        name, version = split(model)
        found = models.find(name, text(recorded.inputs, "version") or version)
        if found is not None and found.inference_retires is not None and found.inference_retires <= today:
            yield address
