"""Rules: the model exists, and can be tuned or deployed in the way that is asked for, today."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date

from ftops import catalog
from ftops.catalog import CatalogModel
from ftops.catalog.fields import region
from ftops.config.config import Config
from ftops.core.address import Address
from ftops.core.errors import Diagnostic
from ftops.core.model_names import ModelName, base_of, split
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import ResourceType
from ftops.core.suggestions import did_you_mean, nearest
from ftops.planning.plan import MAKING, Change
from ftops.planning.preflight.context import MAKES, Situation, find, text
from ftops.planning.preflight.limits import size_of
from ftops.planning.preflight.shortage import Order
from ftops.planning.preflight.temporary import temporary
from ftops.providers.account_facts import OfferedModel, OfferedSku
from ftops.state.state import State

SOON_DAYS = 60
_AGED_DAYS = 90
_CORRECT = "if the catalogue is out of date, correct it in ftops.catalog.yaml"
_OTHER_MODEL = "choose another model"
_ENDING = frozenset({"deprecating", "deprecated"})
_IN_MODEL = ("model", "version", "sku")
"""Inputs of a deployment whose change makes it worth checking again."""


def known(situation: Situation) -> Iterator[Diagnostic]:
    """The account offers the model."""
    for change, model, offered, _ in _models(situation, _has_model):
        models = situation.accounts[change.provider].models
        if models is None:
            yield from _unheard_of(situation, change, model)
        elif model.literal and not change.after.get("source"):
            yield from _not_there(situation, change, model)
        elif model.base and offered is None and not model.tuned:
            yield _unknown(situation, change, model, models)


def spelled(situation: Situation) -> Iterator[Diagnostic]:
    """The model is written as the account lists it, or as the catalogue does. Whether a service tells small
    letters from capitals isn't documented; if it does, it refuses when what is to be replaced is gone."""
    for change, model, _, listed in _models(situation, _has_model):
        name = model.literal.partition(":ckpt")[0] or ("" if model.tuned else model.base)
        models = situation.accounts[change.provider].models or ()
        offered = find(models, name, "" if model.literal else model.version) if name else None
        known = listed if name == model.base else None
        if offered is None:
            continue
        right = (offered.id, offered.name, *((known.id, known.name, *known.aliases) if known else ()))
        if name in right:
            continue
        spelling = next((text for text in right if text.casefold() == name.casefold()), offered.id)
        yield situation.finding(
            change.address,
            f"{name} isn't how the account spells this model",
            f"Account {_where(situation, change)} lists {spelling}, and may refuse another spelling.",
            f"write {spelling}",
        )


def tunable(situation: Situation) -> Iterator[Diagnostic]:
    """The model can be fine-tuned at all. Accounts list open models without saying that they can be tuned, so
    what the catalogue knows counts for a warning against that."""
    for change, model, offered, listed in _models(situation, lambda kind: kind.trains):
        by_catalog = offered is None and listed is not None and listed.methods == frozenset()
        if by_catalog or (offered is not None and offered.tunable is False):
            models = situation.accounts[change.provider].models or ()
            others = sorted(m.id for m in models if m.tunable and not m.base)
            hint = f"{_OTHER_MODEL}: {', '.join(others[:8])}" if others else _OTHER_MODEL
            where = _where(situation, change)
            if listed is not None and listed.methods and listed.training:
                detail = (
                    f"Account {where} lists it without saying so, as accounts do of open models. The "
                    "catalogue has it as one that can."
                )
                summary = f"{model.base} isn't listed as one that can be fine-tuned"
                yield situation.warning(change.address, summary, detail, hint)
            else:
                detail = f"Account {where} doesn't offer it."
                yield situation.finding(change.address, f"{model.base} can't be fine-tuned", detail, hint)


def versioned(situation: Situation) -> Iterator[Diagnostic]:
    """A job names its model with its version, as the data plane does; open models have none."""
    for change, model, offered, listed in _models(situation, lambda kind: kind.trains):
        known = {one.id.casefold() for one in (offered, listed) if one is not None}
        if offered is None or model.tuned or model.base.casefold() in known:
            continue
        yield situation.warning(
            change.address,
            f"{model.base} has no version",
            "The service lists models for fine-tuning by name and version, and may refuse a name alone.",
            f"write {offered.id}",
        )


def method(situation: Situation) -> Iterator[Diagnostic]:
    """The model can be tuned by the method."""
    for change, model, _, listed in _models(situation, lambda kind: kind.trains):
        asked = text(change.after, "method") or "supervised"
        if listed is None or not listed.methods or asked in listed.methods:
            continue
        models = situation.catalog_of(change.provider).models.values()
        others = [m.id for m in models if m.methods and asked in m.methods]
        hint = f"use one of these models: {', '.join(others)}; {_CORRECT}" if others else _CORRECT
        yield situation.finding(
            change.address,
            f"{model.base} doesn't support the method {asked}",
            f"It supports {' or '.join(sorted(listed.methods))} ({listed.source}).",
            hint,
        )


def training_type(situation: Situation) -> Iterator[Diagnostic]:
    """The model is trained in the account's region under the training type."""
    for change, model, _, listed in _models(situation, lambda kind: kind.trains):
        asked = text(change.after, "training_type") or "standard"
        location = situation.accounts[change.provider].location
        if listed is None or asked not in listed.training:
            continue
        regions = listed.training[asked]
        if regions is None or (regions and (not location or region(location) in regions)):
            continue
        where = f"in {location}" if regions else "in any region"
        available = f"It is available in {', '.join(sorted(regions))}" if regions else "It isn't offered"
        yield situation.finding(
            change.address,
            f"{asked} training of {model.base} isn't available {where}",
            f"{available} ({listed.source}).",
            _other_types(listed.training, location, asked) + _CORRECT,
        )


def training_retires(situation: Situation) -> Iterator[Diagnostic]:
    """The model's training hasn't ended, nor ends soon. An account that still lists a model as tunable knows
    better than a date."""
    for change, model, offered, listed in _models(situation, lambda kind: kind.trains):
        if not situation.accounts[change.provider].retires:
            continue
        what, still_tunable = f"training of {model.base}", offered is not None and offered.tunable is True
        day, is_earliest = None, still_tunable
        if offered is not None and offered.training_retires is not None:
            day, is_earliest = offered.training_retires, still_tunable or offered.is_tentative
        elif listed is not None:
            day, is_earliest = listed.training_retires, still_tunable or listed.training_is_earliest
        found = list(_retirement(situation, change.address, what, day, is_earliest))
        yield from found
        base = listed.base_retires if listed is not None and not found else None
        if base is not None and base <= situation.today and not model.tuned and not still_tunable:
            yield situation.warning(
                change.address,
                f"{what} may be refused",
                f"The base model ended on {base.isoformat()}: since then only customers who have tuned it "
                "before may train it.",
                _OTHER_MODEL,
            )


def inference_retires(situation: Situation) -> Iterator[Diagnostic]:
    """The model can still be deployed, and goes on answering for a while. The dates of a tuned model are its
    own: those of its base model say nothing about it."""
    for change, model, offered, listed in _models(situation, lambda kind: kind.serves):
        if not situation.accounts[change.provider].retires:
            continue
        row = _row_of_tuned(situation, change.provider, model) if model.tuned else offered
        day, is_earliest = _last_day(row, change), row is not None and row.is_tentative
        if day is None and listed is not None and model.tuned:
            day, is_earliest = listed.inference_retires, listed.inference_is_earliest
        elif day is None and listed is not None:
            day, is_earliest = listed.base_retires or listed.inference_retires, True
        yield from _retirement(situation, change.address, model.base, day, is_earliest)
        if offered is not None and not model.tuned and offered.lifecycle.casefold() in _ENDING:
            yield situation.warning(
                change.address,
                f"{model.base} is being retired",
                f"The account lists it as {offered.lifecycle}; new deployments of it may be refused.",
                _OTHER_MODEL,
            )


def aged(situation: Situation) -> Iterator[Diagnostic]:
    """The catalogue isn't much older than the plan."""
    for provider in sorted({change.provider for change, *_ in _models(situation, _has_model)}):
        dated = situation.catalog_of(provider).dated
        if dated is not None and situation.accounts[provider].retires:
            days = (situation.today - dated).days
            if days > _AGED_DAYS:
                yield situation.about_provider(
                    provider,
                    f"the catalogue of models is {days} days old",
                    f"Its newest source is of {dated.isoformat()}; models, dates and prices change.",
                    "upgrade ftops, or correct the catalogue in ftops.catalog.yaml",
                    "warning",
                )


def _has_model(kind: ResourceType) -> bool:
    return kind.trains or kind.serves


def format_(situation: Situation) -> Iterator[Diagnostic]:
    """The word for the model's publisher is known, and is that of the account. With a wrong one, the service
    answers with an internal error."""
    for change, model, offered, listed in _models(situation, lambda kind: kind.serves):
        if not PROVIDER_TYPES[situation.accounts[change.provider].service].has_deployments:
            continue
        row = (_row_of_tuned(situation, change.provider, model) if model.tuned else None) or offered
        own, theirs = text(change.after, "format"), row.format if row else ""
        if own and theirs and own != theirs:
            yield situation.warning(
                change.address,
                f"the format {own} isn't that of {model.base}",
                f"Account {_where(situation, change)} lists it with {theirs}.",
                f"write `format: {theirs}`, or leave it out",
            )
        elif listed is not None and not (own or theirs or listed.format):
            yield situation.warning(
                change.address,
                f"the format of {model.base} isn't known",
                "Neither the account nor the catalogue says it, so OpenAI is sent, which may be refused.",
                "set `format` of the deployment",
            )


def sku(situation: Situation) -> Iterator[Diagnostic]:
    """The model is offered under the SKU, in that size."""
    deployed = [(change, change.after) for change, *_ in _models(situation, lambda kind: kind.serves)]
    briefly = temporary(situation, Order(situation.changes))
    asked = [(change, inputs) for change in situation.changes for inputs in briefly.get(change.step, ())]
    for change, inputs in (*deployed, *asked):
        size = size_of(situation, inputs)
        skus = _skus(situation, change.provider, size.model) if size else None
        if size is None or skus is None:
            continue
        model = size.model
        own = next((s for s in skus if s.name.casefold() == size.sku.casefold()), None)
        quotas = {usage.name for usage in situation.accounts[change.provider].usages or ()}
        if own is None:
            names = [s.name for s in skus]
            unsure = "" if situation.accounts[change.provider].models else f" {_CORRECT.capitalize()}."
            yield situation.finding(
                change.address,
                f"{model.base} isn't available with the SKU {size.sku}",
                f"Available SKUs: {', '.join(names)}.",
                did_you_mean(size.sku, names) + unsure,
            )
        elif size.capacity > (own.maximum or size.capacity) and own.usage not in quotas:
            yield situation.finding(
                change.address,
                f"capacity {size.capacity} is too much for a deployment of {model.base}",
                f"With the SKU {own.name} it is at most {own.maximum}.",
                "lower sku.capacity",
            )


def _models(
    situation: Situation, is_wanted: Callable[[ResourceType], bool]
) -> Iterator[tuple[Change, ModelName, OfferedModel | None, CatalogModel | None]]:
    """Resources of the wanted kinds that are created, or given another model or SKU, with the model of each:
    as it is named, as the account lists it, and as the catalogue does."""
    for change in situation.concerned(is_wanted, actions=MAKING):
        touched = change.action in MAKES or any(
            a.path.partition(".")[0] in _IN_MODEL and a.path != "sku.capacity" for a in change.attributes
        )
        after = change.after
        model = situation.named(after.get("model"), text(after, "version")) if touched else None
        if model is not None:
            name = change.provider
            yield change, model, situation.offered(name, model), situation.listed(name, model)


def _unknown(
    situation: Situation, change: Change, model: ModelName, listed: Iterable[OfferedModel]
) -> Diagnostic:
    base = [m for m in listed if not m.base]
    versions = [m.version for m in base if m.name.casefold() == split(model.base)[0].casefold()]
    asked = f"{model.base} {model.version}".strip()
    catalogued = situation.listed(change.provider, model)
    detail = f"Account {_where(situation, change)} doesn't list it."
    if versions:
        detail += f" It lists the versions {', '.join(versions)}."
    elif catalogued is not None and catalogued.training:
        detail += " It exists: another region may have it."
    hint = did_you_mean(model.base, [m.id for m in base], nothing=_OTHER_MODEL)
    return situation.finding(change.address, f"model {asked} isn't available in this account", detail, hint)


def _not_there(situation: Situation, change: Change, model: ModelName) -> Iterator[Diagnostic]:
    """A tuned model that is written out. An error if an object gives way to what would not be made."""
    name = model.literal.partition(":ckpt")[0]
    listed = situation.accounts[change.provider].models or ()
    if name.startswith("ftchkpt-") or find(listed, name) is not None:
        return
    yield situation.finding(
        change.address,
        f"the fine-tuned model {model.literal} isn't in this account",
        f"Account {_where(situation, change)} doesn't list it: it may be in another account, or deleted.",
        "refer to the job that makes it: ${job.<name>.fine_tuned_model}",
        severity="error" if change.remote_id else "warning",
    )


def _unheard_of(situation: Situation, change: Change, model: ModelName) -> Iterator[Diagnostic]:
    """Where the account doesn't say what it has, a misspelled name can still be seen."""
    names = [m.id for m in situation.catalog_of(change.provider).models.values()]
    if not model.base or model.tuned or situation.listed(change.provider, model) is not None:
        return
    if any(model.base.casefold() in m.names for m in situation.catalog_of(change.provider).models.values()):
        return
    near = nearest(model.base, names)
    if near is not None and split(near)[0].casefold() != split(model.base)[0].casefold():
        yield situation.warning(
            change.address,
            f"unknown model {model.base}",
            "The catalogue has no model of that name, and the account wasn't asked or lists none.",
            f"did you mean {near}?",
        )


def _retirement(
    situation: Situation, address: Address, what: str, day: date | None, is_earliest: bool
) -> Iterator[Diagnostic]:
    if day is None:
        return
    left = (day - situation.today).days
    hint = f"{_OTHER_MODEL}, and move to it before that day"
    if left <= 0 and not is_earliest:
        summary = f"{what} ended on {day.isoformat()}"
        yield situation.finding(address, summary, "The service no longer accepts it.", _OTHER_MODEL)
    elif left <= 0:
        detail = f"It may have: {day.isoformat()} is the earliest day that was announced."
        yield situation.warning(address, f"{what} may have ended", detail, hint)
    elif left <= SOON_DAYS:
        days = "a day" if left == 1 else f"{left} days"
        summary = f"{what} ends in {days}"
        detail = f"It ends on {day.isoformat()}{' at the earliest' if is_earliest else ''}."
        yield situation.warning(address, summary, detail, hint)


def _last_day(offered: OfferedModel | None, change: Change) -> date | None:
    """When the model ends, or its SKU, whichever comes first."""
    if offered is None:
        return None
    asked = change.after.get("sku")
    name = asked.get("name") if isinstance(asked, dict) else None
    own = [s.retires for s in offered.skus or () if isinstance(name, str) and s.name.lower() == name.lower()]
    return min((day for day in (offered.inference_retires, *own) if day is not None), default=None)


def _skus(situation: Situation, provider: str, model: ModelName) -> tuple[OfferedSku, ...] | None:
    """What is offered; of a tuned model, by its like of the same base, else by the catalogue."""
    offered = situation.offered(provider, model)
    if not model.tuned:
        return offered.skus if offered else None
    alike = _row_of_tuned(situation, provider, model)
    if alike is not None and alike.skus:
        return alike.skus
    listed = situation.listed(provider, model)
    location = region(situation.accounts[provider].location)
    skus = listed.skus_in(location) if listed else None
    return None if skus is None else tuple(map(OfferedSku, skus))


def _row_of_tuned(situation: Situation, provider: str, model: ModelName) -> OfferedModel | None:
    """The account's row of a tuned model, or else of another one of the same base."""
    rows = [row for row in situation.accounts[provider].models or () if row.base]
    own = find(rows, model.literal.partition(":ckpt")[0]) if model.literal else None
    offered = situation.offered(provider, model)
    alike = (row for row in rows if offered and row.base.casefold() == offered.id.casefold())
    return own or next(alike, None)


def _other_types(training: Mapping[str, Collection[str] | None], location: str, asked: str) -> str:
    fits = [
        kind
        for kind, regions in training.items()
        if kind != asked and (regions is None or (region(location) in regions if location else regions))
    ]
    return f"use training_type: {' or '.join(fits)}; " if fits else ""


def _where(situation: Situation, change: Change) -> str:
    facts = situation.accounts[change.provider]
    return f"{facts.name} ({facts.location})" if facts.location else facts.name


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
