"""Conditions: one function for each, from the settings of a rule and a plan to what violates it. Pure.

A function judges what the plan does, not what exists untouched. It never takes for granted what isn't known:
that is a violation of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ftops.config.model_references import referenced_model
from ftops.core.address import Address, Reference, Value
from ftops.core.durations import seconds_of
from ftops.core.model_names import BASELINES, ModelName, split
from ftops.core.normal_form import squeezed
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of
from ftops.core.serving import Serving, serving_of
from ftops.planning.estimate import dollars
from ftops.planning.plan import Action, Change
from ftops.planning.policy.context import (
    Context,
    Settings,
    Violation,
    about,
    about_provider,
    is_permitted,
    permitted_words,
)
from ftops.planning.preflight.context import has_model, models_of
from ftops.planning.preflight.retirement import inference_end, training_end

_NAMES_MODELS = ("model", "candidates", "baseline", "source_model")
"""Keys of inputs, at any depth, whose values are models."""
_LONGEST = 100
"""References in one chain."""


class Row(NamedTuple):
    """A condition: what judges it, and what has to be read for it first."""

    judge: Callable[[Settings, Context], Iterator[Violation]]
    asks_accounts: bool = False
    reads_data: bool = False
    counts_costs: bool = False


def deleted(settings: Settings, context: Context) -> Iterator[Violation]:
    """The old object of a replaced resource may go in a later plan, if the run was killed before."""
    changes = context.plan.changes
    deleting = [c for c in changes if c.action is Action.DELETE]
    replaced = {c.address for c in changes if c.action is Action.REPLACE}
    gone = {c.address for c in deleting if not c.deposed} - replaced
    replaced |= {c.address for c in deleting if c.deposed} - gone
    counted = gone | replaced if settings.get("replaced") else gone
    kinds, patterns = settings.get("kinds"), settings.get("addresses")
    chosen = [
        address
        for address in sorted(counted, key=lambda a: a.sort_key)
        if (kinds is None or address.kind in kinds)
        and (patterns is None or any(_is_named(address, pattern) for pattern in patterns))
    ]
    if len(chosen) > settings["max"]:
        verb = {True: "replaced", False: "deleted"}
        detail = f"{_allowed(settings['max'])} (`max`), and the plan has {len(chosen)}."
        for address in chosen:
            yield about(context, address, f"must not be {verb[address in replaced]}", detail)


def _is_named(address: Address, pattern: str) -> bool:
    return any(fnmatchcase(str(one), pattern) for one in (address, address._replace(key=None)))


def _allowed(number: int) -> str:
    return "None is allowed" if not number else f"{number} {'is' if number == 1 else 'are'} allowed"


def retrained(settings: Settings, context: Context) -> Iterator[Violation]:
    jobs = [c.address for c in context.made(lambda kind: kind.trains) if c.action is Action.REPLACE]
    limit, cost = settings.get("max"), settings.get("cost")
    if limit is None and cost is None:
        limit = 0
    if limit is not None and len(jobs) > limit:
        detail = f"{_allowed(limit)} (`max`), and the plan has {len(jobs)}."
        yield from (about(context, job, "must not be trained again", detail) for job in jobs)
    if cost is not None:
        prices = {job: price for job, price in _training(context).items() if job in jobs}
        yield from _too_expensive(context, prices, cost, "training again")


def costs(settings: Settings, context: Context) -> Iterator[Violation]:
    if settings.get("training") is not None:
        yield from _too_expensive(context, _training(context), settings["training"], "training")
    if settings.get("hosting_per_month") is not None:
        limit = settings["hosting_per_month"]
        yield from _too_expensive(context, _hosting(context), limit, "a month of hosting")


def _too_expensive(
    context: Context, prices: Mapping[Address, float | None], limit: float, what: str
) -> Iterator[Violation]:
    total = sum(price or 0 for price in prices.values())
    if total > limit:
        largest = max(prices, key=lambda address: prices[address] or 0)
        text = f"{what} would cost about {dollars(total)}, and {dollars(limit)} is allowed"
        yield about(context, largest, text, f"It has the largest share of {len(prices)}.")
    for address, price in prices.items():
        if price is None:
            yield about(context, address, f"the cost of {what} isn't known", unknown=True)


def _training(context: Context) -> dict[Address, float | None]:
    """The highest known price of each job."""
    found: dict[Address, float | None] = {}
    for estimate in context.estimates:
        for cost in estimate.training:
            known = [p for p in (found.get(cost.address), cost.dollars) if p is not None]
            found[cost.address] = max(known, default=None)
    return found


def _hosting(context: Context) -> dict[Address, float | None]:
    """The highest known price of a month of each deployment that costs by the hour. Those of base models
    with capacity of their own, and changes of capacity, aren't estimated."""
    found: dict[Address, float | None] = {}
    for estimate in context.estimates:
        for cost in estimate.hosting:
            known = [p for p in (found.get(cost.address), cost.per_month) if p is not None]
            found[cost.address] = max(known, default=None)
    for change in context.made(lambda kind: kind.serves):
        provisioned = "provisioned" in squeezed(_sku(change) or "")
        hourly = provisioned or serving_of(change.after) is Serving.MANAGED
        resized = any(a.path.partition(".")[0] == "sku" for a in change.attributes)
        if hourly and resized if change.action is Action.UPDATE else provisioned:
            found.setdefault(change.address, None)
    return found


def models(settings: Settings, context: Context) -> Iterator[Violation]:
    versioned = {name.casefold() for name, version in map(split, settings.get("deny") or ()) if version}
    for change in context.made():
        version = change.after.get("version") if kind_of(change.address).serves else ""
        found: dict[str, bool] = {}
        for value in _models_in(change.after):
            for model in _named(value, str(version or ""), context):
                if model is None or not model.base:
                    yield about(context, change.address, f"the model `{value}` isn't known", unknown=True)
                    continue
                shown = f"{model.base}-{model.version}" if model.version else model.base
                found[shown] = is_permitted(settings, _spellings(model, change, context), str.casefold)
                if found[shown] and shown.casefold() in versioned:
                    text = f"the version of {shown} isn't known"
                    yield about(context, change.address, text, permitted_words(settings), unknown=True)
        for shown, fine in found.items():
            if not fine:
                text = f"the model {shown} isn't allowed"
                yield about(context, change.address, text, permitted_words(settings))


def _models_in(value: Any) -> Iterator[Value]:
    """The models that inputs name."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in _NAMES_MODELS and not isinstance(inner, Mapping):
                given = inner if isinstance(inner, list) else [inner]
                yield from (one for one in given if one is not None and one not in BASELINES)
            else:
                yield from _models_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _models_in(inner)


def _named(value: Value, version: str, context: Context, depth: int = 0) -> Iterator[ModelName | None]:
    """The base models that a value leads to, through what it refers to; None for one that isn't known."""
    if isinstance(value, Reference):
        source = context.situation.resources.get(value.address)
        inputs = source.inputs if source is not None and depth < _LONGEST else {}
        several: Any = inputs.get("candidates") or ()
        leads_to = [one for one in (inputs.get("model"), *several) if one is not None]
        version = str(inputs.get("version") or "")
        if not leads_to:
            yield None
        for one in leads_to:
            yield from _named(one, version, context, depth + 1)
    else:
        yield referenced_model(value, {}, version) if isinstance(value, str) else None


def _spellings(model: ModelName, change: Change, context: Context) -> list[frozenset[str]]:
    """The names of the model, and without a version, also those of all models that it may be."""
    own = split(model.base)[1]
    if model.version and own and own != model.version:  # a contradiction: nothing is known by this name
        return [frozenset({f"{model.base}-{model.version}"})]
    service = PROVIDER_TYPES[context.config.providers[change.provider].type]
    catalog, asked = context.situation.catalog.of(service), model.base.casefold()
    found = catalog.find(model.base, model.version)
    if found is not None and (model.version or own or not found.version or asked != found.name.casefold()):
        return [found.names]
    name, version = split(model.base)[0], model.version or own
    if version:
        return [frozenset({name, f"{name}-{version}"})]
    return [frozenset({model.base}), *(m.names for m in catalog.models.values() if asked in m.names)]


def regions(settings: Settings, context: Context) -> Iterator[Violation]:
    for name in context.used_providers():
        facts = context.situation.accounts.get(name)
        if facts is None or not facts.location or not facts.is_located:
            detail = "The account wasn't asked, or doesn't say it."
            yield about_provider(context, name, "the region of its account isn't known", detail, unknown=True)
        elif not is_permitted(settings, [[facts.location]], squeezed):
            text = f"the region {facts.location} isn't allowed"
            yield about_provider(context, name, text, permitted_words(settings))


def skus(settings: Settings, context: Context) -> Iterator[Violation]:
    for address, sku in _skus_used(context):
        if not sku:
            yield about(context, address, "its SKU isn't known", unknown=True)
        elif not is_permitted(settings, [[sku]], squeezed):
            yield about(context, address, f"the SKU {sku} isn't allowed", permitted_words(settings))


def _skus_used(context: Context) -> Iterator[tuple[Address, str | None]]:
    """Of deployments with capacity of their own, and of those that exist while an evaluation runs."""
    for change in context.made(lambda kind: kind.serves):
        type_ = PROVIDER_TYPES[context.config.providers[change.provider].type]
        if type_.has_deployments and serving_of(change.after) is not Serving.ADAPTER:
            yield change.address, _sku(change)
    for cost in context.plan.estimate.asking:
        yield from ((cost.address, str(one.sku["name"])) for one in cost.temporary)


def _sku(change: Change) -> str | None:
    """Empty without one; None if it isn't known."""
    sku = change.after.get("sku")
    name = sku.get("name") if isinstance(sku, Mapping) else sku
    return name if isinstance(name, str) else "" if name is None else None


def accounts(settings: Settings, context: Context) -> Iterator[Violation]:
    for name in context.used_providers(Action.DELETE):
        declared = context.config.providers.get(name)
        if declared is None or declared.possible or name not in context.situation.homes:
            yield about_provider(context, name, "its account isn't known", unknown=True)
            continue
        groups = _account_names(context.situation.homes[name])
        is_named = all(map(all, groups)) and not (settings.get("deny") and _is_of_key(groups))
        if not is_named and is_permitted(settings, groups, str.casefold):
            yield about_provider(context, name, "its account isn't known", unknown=True)
        elif not is_permitted(settings, groups, str.casefold):
            shown = " and ".join(dict.fromkeys(part for group in groups for part in sorted(group)))
            text = f"the account {shown.rstrip('/')} isn't allowed"
            yield about_provider(context, name, text, permitted_words(settings))


def _account_names(home: str) -> list[set[str]]:
    """Of `azure:host#account#group#subscription`, that of the host and that in Azure Resource Manager: a spec
    can set one without the other."""
    kind, _, rest = home.partition(":")
    head, *named = rest.split("#")
    row = PROVIDER_TYPES.get(kind)
    if row is not None and row.names_own_account and named:
        return [{named[0]}]
    return [{head}, *({one} for one in named[:1])]


def _is_of_key(groups: list[set[str]]) -> bool:
    """Whether only the key decides which account it is: organization or project aren't set."""
    return any(name.endswith("/") for group in groups for name in group)


def training_types(settings: Settings, context: Context) -> Iterator[Violation]:
    for change in context.made(lambda kind: kind.trains):
        value = change.after.get("training_type") or kind_of(change.address).defaults["training_type"]
        if not isinstance(value, str):
            yield about(context, change.address, "its training type isn't known", unknown=True)
        elif not is_permitted(settings, [[value]], squeezed):
            text = f"the training type {value} isn't allowed"
            yield about(context, change.address, text, permitted_words(settings))


def data(settings: Settings, context: Context) -> Iterator[Violation]:
    for change in context.made(lambda kind: kind.is_data):
        sources = context.sources.get(change.address)
        if not sources:
            yield about(context, change.address, "the source of its data isn't known", unknown=True)
        for source in sources or ():
            if not is_permitted(settings["sources"], [[source]], str):
                text = f"data from {source} isn't allowed"
                yield about(context, change.address, text, permitted_words(settings["sources"]))


def required(settings: Settings, context: Context) -> Iterator[Violation]:
    for key, judge in _REQUIREMENTS.items():
        if settings.get(key):
            yield from judge(settings[key], context)


def _protection(kinds: list[str], context: Context) -> Iterator[Violation]:
    declared = context.situation.resources
    for change in context.made(lambda kind: kind.kind in kinds):
        if change.address in declared and not declared[change.address].lifecycle.prevent_destroy:
            yield about(context, change.address, "needs `lifecycle: {prevent_destroy: true}`")
    for setting in context.plan.settings:
        lifted = setting.path == "lifecycle.prevent_destroy" and setting.after is not True
        if lifted and setting.address.kind in kinds:
            yield about(context, setting.address, "must keep `lifecycle: {prevent_destroy: true}`")


def _tags(tags: list[str], context: Context) -> Iterator[Violation]:
    for change in context.made(lambda kind: kind.serves):
        type_ = PROVIDER_TYPES[context.config.providers[change.provider].type]
        without = type_.unsupported.get(change.address.kind)
        if serving_of(change.after) is not Serving.SERVERLESS or (without and "tags" in without.inputs):
            continue  # it can't have tags
        given = change.after.get("tags")
        known = (
            {key.casefold() for key, value in given.items() if value} if isinstance(given, Mapping) else set()
        )
        missing = [tag for tag in tags if tag.casefold() not in known]
        if missing:
            yield about(context, change.address, f"needs the tags {', '.join(missing)}")


def _validation(wanted: bool, context: Context) -> Iterator[Violation]:
    for change in context.made(lambda kind: kind.trains):
        if not change.after.get("validation"):
            yield about(context, change.address, "needs validation data")


def _gates(wanted: bool, context: Context) -> Iterator[Violation]:
    declared = context.situation.resources
    for change in context.made(lambda kind: kind.serves):
        resource = declared.get(change.address)
        model = context.situation.named(change.after.get("model"))
        if resource is not None and not resource.inputs.get("gate") and (model is None or model.tuned):
            yield about(context, change.address, "needs a `gate`")


_REQUIREMENTS: Mapping[str, Callable[[Any, Context], Iterator[Violation]]] = {
    "prevent_destroy": _protection,
    "tags": _tags,
    "validation_data": _validation,
    "gates": _gates,
}


def retirement(settings: Settings, context: Context) -> Iterator[Violation]:
    situation = context.situation
    days = (seconds_of(settings["within"]) or 0) / 86_400
    for change, model, offered, listed in models_of(situation, has_model):
        if not situation.accounts[change.provider].retires:
            continue
        trains, name = kind_of(change.address).trains, model.base or "its model"
        end = training_end(offered, listed) if trains else inference_end(situation, change, model, listed)
        if end is None:
            yield about(context, change.address, f"when {name} retires isn't known", unknown=True)
        elif (end.day - situation.today).days <= days:
            detail = f"That is within {settings['within']} of today{f' ({end.told})' if end.told else ''}."
            yield about(context, change.address, f"{name} retires on {end.day.isoformat()}", detail)
    for change in situation.concerned(has_model):
        is_listed = serving_of(change.after) is Serving.SERVERLESS
        model_known = situation.named(change.after.get("model")) is not None
        if is_listed and not model_known and situation.accounts[change.provider].retires:
            yield about(context, change.address, "when its model retires isn't known", unknown=True)


CONDITIONS: Mapping[str, Row] = {
    "delete": Row(deleted),
    "retrain": Row(retrained, counts_costs=True),
    "cost": Row(costs, counts_costs=True),
    "models": Row(models),
    "regions": Row(regions, asks_accounts=True),
    "skus": Row(skus),
    "accounts": Row(accounts),
    "training_types": Row(training_types),
    "data": Row(data, reads_data=True),
    "require": Row(required),
    "retirement": Row(retirement, asks_accounts=True),
}
