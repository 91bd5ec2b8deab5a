"""Evaluations with the content of their files: a digest of what is asked, and the model to compare with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import json
from msgspec.structs import replace

from ftops.config.config import Config, Resource
from ftops.config.model_references import lessons, started_from
from ftops.core.address import Address, Json, Reference, Value
from ftops.core.errors import Diagnostic, SpecError
from ftops.core.model_names import BASE_MODEL, NO_BASELINE, SERVING
from ftops.core.normal_form import model as spelled
from ftops.core.plurals import agree, share
from ftops.core.resource_types import is_several, kind_of
from ftops.core.suggestions import did_you_mean
from ftops.evaluation.gates import is_curtailed

if TYPE_CHECKING:
    from ftops.config.data_sources import Inspected
    from ftops.dataset import Cache
    from ftops.evaluation.evaluation import Inputs
    from ftops.evaluation.known_prompts import Pair
    from ftops.evaluation.prompts_file import PromptsFile, Summary


def with_prompts(
    resource: Resource, config: Config, inspected: Mapping[Address, Inspected], cache: Cache
) -> tuple[Resource, list[Diagnostic]]:
    """The evaluation, identified by what its files say, and warnings about it. Raises SpecError and
    UsageError with what is wrong in them."""
    from ftops.evaluation.inputs import without_prompts
    from ftops.evaluation.prompts_file import PromptsFile

    inputs: dict[str, Any] = dict(resource.inputs)
    inputs["prompts"] = _prompts_file(resource, config, inspected)
    rest = without_prompts(inputs, config.folder, config.project)
    prompts = PromptsFile(inputs, rest, config.folder, config.project, cache)
    summary = prompts.summary
    if (decide := inputs.get("decide")) and decide not in summary.graders:
        hint = did_you_mean(decide, summary.graders)
        raise _problem(f"there is no grader `{decide}` to decide", hint, resource, "decide")
    inputs["content"] = summary.content
    inputs.update(_baseline(resource, config))
    if "stop" in inputs:
        inputs["required"] = _required(resource, config)
    if faults := list(_out_of_reach(resource, config, rest, summary)):
        raise SpecError(faults)
    warnings = [*_flattering(resource, config), *_trained_on(resource, config, prompts, inspected)]
    facts = {"prompts": summary.prompts, "clusters": summary.independent}
    return replace(resource, inputs=inputs, facts=facts, summary=summary), warnings


def _baseline(resource: Resource, config: Config) -> dict[str, Value]:
    wanted = resource.inputs["baseline"]
    candidates: Any = resource.inputs.get("candidates") or [resource.inputs.get("model")]
    bases = [started_from(one, config.by_address) for one in candidates]
    base = bases[0]
    if wanted == SERVING:
        served = next((d.inputs.get("name") for d, _ in config.gates_on(resource.address)), None)
        if served is None:
            hint = "write `baseline: base_model`, or give a deployment a `gate` that names this evaluation"
            raise _problem(
                "no deployment is gated by this evaluation, so none is `serving`", hint, resource, "baseline"
            )
        return {"serving": served, **({} if base is None else {"base_model": base})}
    if any(_spelled(wanted) == _spelled(one) for one in candidates):
        raise _problem(
            "a model can't be compared with itself", "choose another `baseline`", resource, "baseline"
        )
    if wanted != BASE_MODEL:
        return {}
    if base is None:
        what = "`base_model` isn't known: what is evaluated isn't the model of a job"
        raise _problem(what, "name the model in `baseline`, or write `baseline: none`", resource, "baseline")
    if several := sorted({str(one) for one in bases if one is not None and one != base}):
        what = f"its candidates have several base models: {' and '.join((str(base), *several))}"
        raise _problem(
            what, "name one of them in `baseline`, or write `baseline: none`", resource, "baseline"
        )
    return {"baseline": base}


def _spelled(model: Value) -> Value:
    return spelled(model) if isinstance(model, str) else model


def _required(resource: Resource, config: Config) -> list[Mapping[str, Json]]:
    """What the gates require that decide when to stop. It is part of what is evaluated: other gates may need
    more answers."""
    gates = list(config.gates_on(resource.address))
    if not gates:
        hint = "remove `stop`, or give a deployment a `gate` that names this evaluation"
        raise _problem(
            "no deployment is gated by this evaluation, so nothing is decided", hint, resource, "stop"
        )
    faults = [
        Diagnostic(
            f"{deployment.address}: its gate requires `{key}`, which only all answers decide",
            f"{resource.address} has `stop: when_decided`, which takes bounds on shares of right answers.",
            "require `accuracy`, `slices.NAME.accuracy`, `functions.NAME.accuracy` or `graders.NAME`, or "
            "remove `stop`",
            deployment.reference_places.get(resource.address, deployment.place),
        )
        for deployment, require in gates
        for key in require
        if not is_curtailed(key)
    ]
    if faults:
        raise SpecError(faults)
    different = {json.encode(require, order="deterministic"): require for _, require in gates}
    return [different[text] for text in sorted(different)]


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
    resource: Resource, config: Config, prompts: PromptsFile, inspected: Mapping[Address, Inspected]
) -> Iterator[Diagnostic]:
    """Warnings about prompts from which a model has learned."""
    count = prompts.summary.prompts
    file = Path(str(resource.inputs["prompts"])).name
    for address in dict.fromkeys(lessons(resource, config.by_address)):
        data = inspected.get(address)
        if data is None or data.inspection.is_refused(data.severity):
            continue
        known = prompts.known_in(data.source.file, data.inspection.digest)
        for found, first, how, like, answers in (
            (known.same, known.first_same, "", "asks the same as", "their answers"),
            (known.near, known.first_near, " nearly", "is nearly", "nearly their answers"),
        ):
            pairs = [f"{_named(one, file)} {like} {data.source.line(one.training)}" for one in first]
            if found:
                yield Diagnostic(
                    f"{share(found, count, 'prompt')} ({found / count:.1%}) of {resource.address} "
                    f"{agree(found, 'is', 'are')}{how} in {address}",
                    f"{'; '.join(pairs)}{'; …' if found > len(pairs) else ''}. The model learns {answers}.",
                    "remove them from the training data, or evaluate with other prompts",
                    resource.place,
                    "warning",
                )


def _named(pair: Pair, file: str) -> str:
    from ftops.dataset.rules.findings import quote

    where = f" (line {pair.line} of {file})" if pair.line else ""
    return f"the prompt {quote(pair.id)}{where}"


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


def _out_of_reach(resource: Resource, config: Config, rest: Inputs, summary: Summary) -> Iterator[Diagnostic]:
    """Gates that no answers can pass."""
    for deployment, require in config.gates_on(resource.address):
        place = deployment.reference_places.get(resource.address, deployment.place)
        said = f"{deployment.address}: its gate can't pass"
        faults = _never_better(resource, rest.alpha, summary) if require.get("verdict") == "better" else ()
        for detail, hint in faults:
            yield Diagnostic(f"{said}: no verdict can be `better`", detail, hint, place)
        for metric, detail, hint in _never_known(require, list(rest.labels), summary):
            at = deployment.places.get("gate.require", place)
            yield Diagnostic(f"{said}: {resource.address} has no `{metric}`", detail, hint, at)


def _never_known(
    require: Mapping[str, Any], labelled: Sequence[str], summary: Summary
) -> Iterator[tuple[str, str, str]]:
    """Metrics of slices, functions and graders that no result has, why, and which there are."""
    from ftops.evaluation.result import MOST_SLICES

    names: dict[str, Sequence[str]] = {
        "slices": summary.slices,
        "functions": summary.functions,
        "graders": summary.graders,
        "kappa": labelled,
    }
    for metric in require:
        head, _, name = metric.partition(".")
        is_part = head in ("slices", "functions")
        short = name.removesuffix(".accuracy") if is_part else name
        known = names.get(head, ())
        if head in names and not {name, short} & set(known[:MOST_SLICES] if is_part else known):
            is_left_out = bool({name, short} & set(known))
            detail = f"It has {len(known)} {head}; the first {MOST_SLICES} of them are recorded."
            nothing = "give a judge `agreement`" if head == "kappa" else f"name several {head} in the prompts"
            hint = "move its prompts to the beginning of the file" if is_left_out else ""
            yield metric, detail * is_left_out, hint or did_you_mean(short, known, nothing=nothing)


def _never_better(resource: Resource, alpha: float, summary: Summary) -> Iterator[tuple[str, str]]:
    """Why no model can be significantly better than the baseline, and what to do."""
    from ftops.evaluation.comparison import fewest_for

    independent, fewest = summary.independent, fewest_for(alpha)
    if resource.inputs["baseline"] == NO_BASELINE:
        detail = f"{resource.address} has no baseline."
        yield detail, "set `baseline`, or require a metric such as `accuracy: {at_least: 0.9}`"
    elif independent < fewest:
        detail = (
            f"A difference is significant (p ≤ {alpha:g}) from {fewest} prompts on, where those of a "
            f"cluster count as one. {resource.address} has {independent}."
        )
        yield detail, "add prompts, or require a metric such as `accuracy: {at_least: 0.9}`"


def _problem(summary: str, hint: str, resource: Resource, key: str = "") -> SpecError:
    place = resource.places.get(key, resource.place)
    return SpecError([Diagnostic(f"{resource.address}: {summary}", "", hint, place)])
