"""Rules: the model exists, and can be tuned or deployed in the way that is asked for, today."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ftops.catalog.fields import region
from ftops.config.config import Resource
from ftops.core.address import Reference
from ftops.core.errors import Diagnostic
from ftops.core.model_names import ModelName, split
from ftops.core.nested import number_at, object_at
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of, step_of
from ftops.core.serving import MANAGED_SKU
from ftops.core.suggestions import did_you_mean, nearest, some
from ftops.planning.plan import MAKING, Change
from ftops.planning.preflight.context import (
    OTHER_MODEL,
    Situation,
    account_name,
    find,
    has_model,
    models_of,
    text,
)
from ftops.planning.preflight.limits import size_of
from ftops.planning.preflight.temporary import temporary
from ftops.providers.account_facts import OfferedModel, OfferedSku

_KEPT = 3
"""Checkpoints of a job that the service keeps."""
_CORRECT = "if the catalogue is out of date, correct it in ftops.catalog.yaml"


def known(situation: Situation) -> Iterator[Diagnostic]:
    """The account offers the model."""
    for change, model, offered, _ in models_of(situation, has_model):
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
    for change, model, _, listed in models_of(situation, has_model):
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
            f"Account {account_name(situation, change)} lists {spelling}, and may refuse another spelling.",
            f"write {spelling}",
            at="model",
        )


def tunable(situation: Situation) -> Iterator[Diagnostic]:
    """The model can be fine-tuned at all. Accounts list open models without saying that they can be tuned, so
    what the catalogue knows counts for a warning against that."""
    for change, model, offered, listed in models_of(situation, lambda kind: kind.trains):
        by_catalog = offered is None and listed is not None and listed.methods == frozenset()
        if by_catalog or (offered is not None and offered.tunable is False):
            models = situation.accounts[change.provider].models or ()
            others = sorted(m.id for m in models if m.tunable and not m.base)
            hint = f"{OTHER_MODEL}: {', '.join(others[:8])}" if others else OTHER_MODEL
            where = account_name(situation, change)
            if listed is not None and listed.methods and listed.training:
                detail = (
                    f"Account {where} lists it without saying so, as accounts do of open models. The "
                    "catalogue has it as one that can."
                )
                summary = f"{model.base} isn't listed as one that can be fine-tuned"
                hint = "nothing to do, unless the service refuses the job"
                yield situation.warning(change.address, summary, detail, hint, at="model")
            else:
                detail = f"Account {where} doesn't offer it."
                yield situation.finding(
                    change.address, f"{model.base} can't be fine-tuned", detail, hint, at="model"
                )


def versioned(situation: Situation) -> Iterator[Diagnostic]:
    """A job names its model with its version, as the data plane does; open models have none. If the account
    lists no models, by the catalogue."""
    for change, model, offered, listed in models_of(situation, lambda kind: kind.trains):
        known = {one.id.casefold() for one in (offered, listed) if one is not None}
        has_list = bool(situation.accounts[change.provider].models)
        named = offered.id if offered else listed.id if listed and not has_list else ""
        if not named or model.tuned or model.base.casefold() in known:
            continue
        yield situation.warning(
            change.address,
            f"{model.base} has no version",
            "The service lists models for fine-tuning by name and version, and may refuse a name alone.",
            f"write {named}",
            at="model",
        )


def training_type_listed(situation: Situation) -> Iterator[Diagnostic]:
    """The catalogue has the training type for the model. If not, it is probably misspelled, and the service
    decides."""
    for change in situation.concerned(lambda kind: kind.trains):
        model = situation.named(change.after.get("model"))
        known = situation.listed(change.provider, model) if model else None
        asked = text(change.after, "training_type") or "standard"
        if model is None or known is None or not known.training or asked in known.training:
            continue
        yield situation.warning(
            change.address,
            f"the catalogue has no training type {asked} for {model.base}",
            f"It is sent to the service as it is ({known.source}).",
            did_you_mean(asked, known.training),
            at="training_type",
        )


def method(situation: Situation) -> Iterator[Diagnostic]:
    """The model can be tuned by the method."""
    for change, model, _, listed in models_of(situation, lambda kind: kind.trains):
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
            at="method",
        )


def training_type(situation: Situation) -> Iterator[Diagnostic]:
    """The model is trained in the account's region under the training type."""
    for change, model, _, listed in models_of(situation, lambda kind: kind.trains):
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
            at="training_type",
        )


def format_(situation: Situation) -> Iterator[Diagnostic]:
    """The word for the model's publisher is known, and is that of the account. With a wrong one, the service
    answers with an internal error."""
    for change, model, offered, listed in models_of(situation, lambda kind: kind.serves):
        if not PROVIDER_TYPES[situation.accounts[change.provider].service].has_deployments:
            continue
        row = situation.deployed(change.provider, model) or offered
        own, theirs = text(change.after, "format"), row.format if row else ""
        if own and theirs and own != theirs:
            yield situation.warning(
                change.address,
                f"the format {own} isn't that of {model.base}",
                f"Account {account_name(situation, change)} lists it with {theirs}.",
                f"write `format: {theirs}`, or leave it out",
                at="format",
            )
        elif listed is not None and not (own or theirs or listed.format):
            yield situation.warning(
                change.address,
                f"the format of {model.base} isn't known",
                "Neither the account nor the catalogue says it, so OpenAI is sent, which may be refused.",
                "set `format` of the deployment",
                at="format",
            )


def sku(situation: Situation) -> Iterator[Diagnostic]:
    """The model is offered under the SKU, in that size."""
    deployed = [(change, change.after) for change, *_ in models_of(situation, lambda kind: kind.serves)]
    briefly = temporary(situation, situation.order())
    asked = [(change, inputs) for change in situation.changes for inputs in briefly.get(change.step, ())]
    for change, inputs in (*deployed, *asked):
        size = size_of(situation, inputs)
        skus = _skus(situation, change.provider, size.model) if size else None
        if size is None or skus is None:
            continue
        model = size.model
        own = next((s for s in skus if s.name.casefold() == size.sku.casefold()), None)
        quotas = {usage.name for usage in situation.accounts[change.provider].usages or ()}
        if own is None and model.tuned and [s.name for s in skus] == [MANAGED_SKU]:
            yield situation.finding(
                change.address,
                f"fine-tuned models of {model.base} are served on managed compute only",
                "There, each is an adapter on a deployment of the base model.",
                f"deploy {model.base} with `sku: {{name: {MANAGED_SKU}}}`, and the model with `target` "
                "instead of `sku`; an evaluation asks it there if it `depends_on` that deployment",
                at="sku.name",
            )
        elif own is None:
            names = [s.name for s in skus]
            unsure = "" if situation.accounts[change.provider].models else f" {_CORRECT.capitalize()}."
            yield situation.finding(
                change.address,
                f"{model.base} isn't available with the SKU {size.sku}",
                f"Available SKUs: {', '.join(names)}.",
                _other_sku(size.sku, names) + unsure,
                at="sku.name",
            )
        elif size.capacity > (own.maximum or size.capacity) and own.usage not in quotas:
            yield situation.finding(
                change.address,
                f"capacity {size.capacity} is too much for a deployment of {model.base}",
                f"With the SKU {own.name} it is at most {own.maximum}.",
                "lower sku.capacity",
                at="sku.capacity",
            )


def _other_sku(asked: str, available: Sequence[str]) -> str:
    """A hint: the nearest one, else the first; all of them are in the detail."""
    if near := nearest(asked, available):
        return f"did you mean `{near}`?"
    return f"write `sku: {{name: {available[0]}}}`." if available else OTHER_MODEL


def checkpointed(situation: Situation) -> Iterator[Diagnostic]:
    """The job saves a checkpoint at the step that is named, as far as its steps are known before it runs."""
    for change in situation.concerned(has_model, MAKING):
        model = change.after.get("model")
        step = step_of(model.attribute) if isinstance(model, Reference) else None
        job = situation.resources.get(model.address) if isinstance(model, Reference) else None
        if step is None or job is None or str(model) in situation.known:
            continue
        best = f"`${{{job.address}.checkpoint.best}}`"
        if why := _why_unknown(situation, job):
            found = f"whether {model} will exist is known when the job has run", why, f"write {best}"
        elif step not in (steps := _steps_saved(situation, job)):
            kept = f"{_SAVED}, and the service keeps the last three, which are those of step {some(steps)}."
            found = f"{model} probably won't exist", kept, f"write one of these steps, or {best}"
        else:
            continue
        yield situation.warning(change.address, *found, at="model")


_SAVED = "A job saves a checkpoint at the end of each epoch"


def _unknown(
    situation: Situation, change: Change, model: ModelName, listed: Iterable[OfferedModel]
) -> Diagnostic:
    base = [m for m in listed if not m.base]
    versions = [m.version for m in base if m.name.casefold() == split(model.base)[0].casefold()]
    asked = model.base if model.base.endswith(model.version) else f"{model.base} {model.version}"
    catalogued = situation.listed(change.provider, model)
    detail = f"Account {account_name(situation, change)} doesn't list it."
    if versions:
        detail += f" It lists the versions {', '.join(versions)}."
    elif catalogued is not None and catalogued.training:
        detail += " It exists: another region may have it."
    hint = did_you_mean(model.base, [m.id for m in base], nothing=OTHER_MODEL)
    hint = _job_of_this_name(situation, model) or hint
    is_version = bool(versions and text(change.after, "version"))
    hint = f"write `version: {versions[-1]}`" if is_version else hint
    summary, at = f"model {asked} isn't available in this account", "version" if is_version else "model"
    return situation.finding(change.address, summary, detail, hint, at=at)


def _job_of_this_name(situation: Situation, model: ModelName) -> str:
    """A hint, if a model is named as a job of the spec is; else empty."""
    jobs = (a for a in situation.resources if a.name == model.base and kind_of(a).trains)
    job = next(jobs, None)
    return f"{job} is a job of the spec: write `${{{job}.fine_tuned_model}}` for its model" if job else ""


def _not_there(situation: Situation, change: Change, model: ModelName) -> Iterator[Diagnostic]:
    """A tuned model that is written out. An error if an object gives way to what would not be made."""
    name = model.literal.partition(":ckpt")[0]
    listed = situation.accounts[change.provider].models or ()
    if name.startswith("ftchkpt-") or find(listed, name) is not None:
        return
    yield situation.finding(
        change.address,
        f"the fine-tuned model {model.literal} isn't in this account",
        f"Account {account_name(situation, change)} doesn't list it: it may be in another account, or "
        "deleted.",
        "refer to the job that makes it: ${job.<name>.fine_tuned_model}",
        severity="error" if change.remote_id else "warning",
        at="model",
    )


def _unheard_of(situation: Situation, change: Change, model: ModelName) -> Iterator[Diagnostic]:
    """Where the account doesn't say what it has, the catalogue still tells a misspelled name, and a model
    that is trained though it isn't listed. Base models that are only deployed needn't be."""
    listed = situation.catalog_of(change.provider).models.values()
    if not model.base or model.tuned or situation.listed(change.provider, model) is not None:
        return
    if any(model.base.casefold() in m.names for m in listed):
        return
    if hint := _job_of_this_name(situation, model):
        yield situation.warning(
            change.address,
            f"{model.base} is the name of a job, and no model in the catalogue",
            "Text is used as it is, so this names a base model.",
            hint,
            at="model",
        )
        return
    near, trains = nearest(model.base, [m.id for m in listed]), kind_of(change.address).trains
    is_version = near is not None and split(near)[0].casefold() == split(model.base)[0].casefold()
    dated = situation.catalog_of(change.provider).dated
    if is_version and (not trains or dated is None or split(model.base)[1] > dated.isoformat()):
        return  # another version of a model that is only deployed, or one that the catalogue can't have yet
    if near is not None or trains:
        yield situation.warning(
            change.address,
            f"unknown model{' version' if is_version else ''} {model.base}",
            "The catalogue has no model of that name, and the account wasn't asked or lists none.",
            f"did you mean `{near}`?" if near else "`ftops models` lists those that can be fine-tuned",
            at="model",
        )


def _why_unknown(situation: Situation, job: Resource) -> str:
    """Why it isn't known at which steps a job saves checkpoints; empty if it is."""
    chosen = object_at(job.inputs, "hyperparameters")
    left = [f"`{name}`" for name in ("n_epochs", "batch_size") if not number_at(chosen, name)]
    if text(job.inputs, "method") not in ("", "supervised", "dpo"):
        return "The service doesn't say before at which steps it saves them with this method."
    if left:
        return f"{_SAVED}. The service chooses {' and '.join(left)}, and so at which steps that is."
    if not _examples(situation, job):
        return f"{_SAVED}. At which steps that is depends on the number of examples."
    return "Its `stop` may end the job before its last epoch." if "stop" in job.inputs else ""


def _steps_saved(situation: Situation, job: Resource) -> tuple[int, ...]:
    """The steps whose checkpoints are kept, if that is known."""
    chosen = object_at(job.inputs, "hyperparameters")
    epochs, batch = number_at(chosen, "n_epochs"), number_at(chosen, "batch_size")
    each = -(-_examples(situation, job) // batch)
    return tuple(each * epoch for epoch in range(max(1, epochs - _KEPT + 1), epochs + 1))


def _examples(situation: Situation, job: Resource) -> int:
    data = job.inputs.get("training")
    source = situation.resources.get(data.address) if isinstance(data, Reference) else None
    return number_at(source.facts, "examples") if source else 0


def _skus(situation: Situation, provider: str, model: ModelName) -> tuple[OfferedSku, ...] | None:
    """What is offered; of a tuned model, by its like of the same base, else by the catalogue."""
    row = situation.deployed(provider, model)
    if not model.tuned:
        return row.skus if row else None
    if row is not None and row.skus:
        return row.skus
    listed = situation.listed(provider, model)
    location = region(situation.accounts[provider].location)
    skus = listed.skus_in(location) if listed else None
    return None if skus is None else tuple(map(OfferedSku, skus))


def _other_types(training: Mapping[str, Collection[str] | None], location: str, asked: str) -> str:
    fits = [
        kind
        for kind, regions in training.items()
        if kind != asked and (regions is None or (region(location) in regions if location else regions))
    ]
    return f"use training_type: {' or '.join(fits)}; " if fits else ""
