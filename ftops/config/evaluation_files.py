"""Evaluations with the content of their files: a digest of what is asked, and the model to compare with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ftops.config.config import Config, Resource
from ftops.config.model_references import lessons, started_from
from ftops.core.address import Address, Reference, Value
from ftops.core.errors import Diagnostic, SpecError
from ftops.core.model_names import BASE_MODEL, NO_BASELINE, SERVING
from ftops.core.resource_types import is_several, kind_of
from ftops.core.suggestions import did_you_mean

if TYPE_CHECKING:
    from ftops.config.data_sources import Inspected
    from ftops.dataset import Cache
    from ftops.evaluation.evaluation import Inputs


def with_prompts(
    resource: Resource, config: Config, inspected: Mapping[Address, Inspected], cache: Cache
) -> tuple[Resource, list[Diagnostic]]:
    """The evaluation, identified by what its files say, and warnings about it. Raises SpecError and
    UsageError with what is wrong in them."""
    from ftops.evaluation.inputs import digest, load

    inputs: dict[str, Any] = dict(resource.inputs)
    inputs["prompts"] = _prompts_file(resource, config, inspected)
    asked = load(inputs, config.folder, config.project)
    names = [grader.name for grader in asked.graders]
    if (decide := inputs.get("decide")) and decide not in names:
        raise _problem(f"there is no grader `{decide}` to decide", did_you_mean(decide, names), resource)
    inputs["content"] = digest(asked)
    inputs.update(_baseline(resource, config))
    if faults := list(_out_of_reach(resource, config, asked)):
        raise SpecError(faults)
    warnings = [*_flattering(resource, config), *_trained_on(resource, config, asked, inspected, cache)]
    facts = {"prompts": len(asked.prompts), "clusters": len({prompt.group for prompt in asked.prompts})}
    return replace(resource, inputs=inputs, facts=facts), warnings


def _baseline(resource: Resource, config: Config) -> dict[str, Value]:
    wanted = resource.inputs["baseline"]
    candidates: Any = resource.inputs.get("candidates") or [resource.inputs.get("model")]
    bases = [started_from(one, config.by_address) for one in candidates]
    base = bases[0]
    if wanted == SERVING:
        served = next((d.inputs.get("name") for d, _ in config.gates_on(resource.address)), None)
        if served is None:
            hint = "write `baseline: base_model`, or give a deployment a `gate` that names this evaluation"
            raise _problem("no deployment is gated by this evaluation, so none is `serving`", hint, resource)
        return {"serving": served, **({} if base is None else {"base_model": base})}
    if wanted != BASE_MODEL:
        return {}
    if base is None:
        what = "`base_model` isn't known: what is evaluated isn't the model of a job"
        raise _problem(what, "name the model in `baseline`, or write `baseline: none`", resource)
    if several := sorted({str(one) for one in bases if one is not None and one != base}):
        what = f"its candidates have several base models: {' and '.join((str(base), *several))}"
        raise _problem(what, "name one of them in `baseline`, or write `baseline: none`", resource)
    return {"baseline": base}


def _prompts_file(resource: Resource, config: Config, inspected: Mapping[Address, Inspected]) -> str:
    """Relative to the spec."""
    name = str(resource.inputs["prompts"])
    named = (a for a in config.by_address if kind_of(a).is_data and a.name == name)
    address = next(named, None)
    if address is None:
        return name
    if address not in inspected:
        hint = "if it is generated, run `ftops data generate`; otherwise, name a file"
        raise _problem(f"{address} has no file whose examples could be prompts", hint, resource)
    return os.path.relpath(inspected[address].source.file, config.folder)


def _trained_on(
    resource: Resource, config: Config, asked: Inputs, inspected: Mapping[Address, Inspected], cache: Cache
) -> Iterator[Diagnostic]:
    """Warnings about prompts from which a model has learned."""
    from ftops.evaluation.known_prompts import in_training

    texts = "prompts:" + sha256("\0".join(prompt.text for prompt in asked.prompts).encode()).hexdigest()
    for address in dict.fromkeys(lessons(resource, config.by_address)):
        data = inspected.get(address)
        if data is None or data.inspection.is_refused(data.severity):
            continue
        find = partial(in_training, asked.prompts, data.source.file)
        found = cache.overlap(texts, data.inspection.digest, find)
        if found.first_same is not None:
            position, line = found.first_same
            yield Diagnostic(
                f"{found.same} of {len(asked.prompts)} prompts of {resource.address} are in {address}",
                f"{data.source.line(line)} asks the same as the prompt {asked.prompts[position].id}, and the "
                "model learns its answer.",
                "remove them from the training data, or evaluate with other prompts",
                resource.place,
                "warning",
            )


def _flattering(evaluation: Resource, config: Config) -> Iterator[Diagnostic]:
    """Warnings about gates that ask the prompts by which the model was chosen from several."""
    picking = _choosing(evaluation, config)
    if picking is None or picking.inputs["prompts"] != evaluation.inputs["prompts"]:
        return
    for deployment, _ in config.gates_on(evaluation.address):
        yield Diagnostic(
            f"{deployment.address}: its gate asks the prompts by which {picking.address} chooses",
            "The best of several models looks better on these prompts than it is.",
            "choose by one set of prompts, and let another evaluation of the best model be the gate",
            deployment.reference_places.get(evaluation.address, deployment.place),
            "warning",
        )


def _choosing(evaluation: Resource, config: Config) -> Resource | None:
    """Which evaluation chooses the model of this one from several, if one does."""
    candidates: Any = evaluation.inputs.get("candidates") or ()
    several = (isinstance(one, Reference) and is_several(one) for one in candidates)
    if len(candidates) > 1 or any(several):
        return evaluation
    model = evaluation.inputs.get("model")
    if not isinstance(model, Reference) or model.address.kind != evaluation.address.kind:
        return None
    chosen = config.by_address.get(model.address)
    return _choosing(chosen, config) if chosen else None


def _out_of_reach(resource: Resource, config: Config, asked: Inputs) -> Iterator[Diagnostic]:
    """Gates that no answers can pass."""
    for deployment, require in config.gates_on(resource.address):
        place = deployment.reference_places.get(resource.address, deployment.place)
        summary = f"{deployment.address}: its gate can't pass"
        faults = _never_better(resource, asked) if require.get("verdict") == "better" else ()
        for detail, hint in faults:
            yield Diagnostic(f"{summary}: no verdict can be `better`", detail, hint, place)
        for metric, hint in _never_known(require, asked):
            yield Diagnostic(f"{summary}: {resource.address} has no `{metric}`", "", hint, place)


def _never_known(require: Mapping[str, Any], asked: Inputs) -> Iterator[tuple[str, str]]:
    """Metrics of slices, functions and graders that there aren't, and which there are."""
    from ftops.evaluation.comparison import names_in

    names = {
        "slices": names_in(asked.prompts, "slice"),
        "functions": names_in(asked.prompts, "function"),
        "graders": [grader.name for grader in asked.graders],
        "kappa": list(asked.labels),
    }
    for metric in require:
        head, _, name = metric.partition(".")
        short = name.removesuffix(".accuracy")
        if head in names and not {name, short} & set(names[head]):
            nothing = "give a judge `agreement`" if head == "kappa" else f"name several {head} in the prompts"
            yield metric, did_you_mean(short, names[head], nothing=nothing)


def _never_better(resource: Resource, asked: Inputs) -> Iterator[tuple[str, str]]:
    """Why no model can be significantly better than the baseline, and what to do."""
    from ftops.evaluation.comparison import fewest_for

    independent, fewest = len({prompt.group for prompt in asked.prompts}), fewest_for(asked.alpha)
    if resource.inputs["baseline"] == NO_BASELINE:
        detail = f"{resource.address} has no baseline."
        yield detail, "set `baseline`, or require a metric such as `accuracy: {at_least: 0.9}`"
    elif independent < fewest:
        detail = (
            f"A difference is significant (p ≤ {asked.alpha:g}) from {fewest} prompts on, where those of a "
            f"cluster count as one. {resource.address} has {independent}."
        )
        yield detail, "add prompts, or require a metric such as `accuracy: {at_least: 0.9}`"


def _problem(summary: str, hint: str, resource: Resource) -> SpecError:
    return SpecError([Diagnostic(f"{resource.address}: {summary}", "", hint, resource.place)])
