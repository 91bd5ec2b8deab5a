"""Evaluations with the content of their files: a digest of what is asked, and the model to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ftops.config.config import Config, Resource
from ftops.config.model_references import started_from
from ftops.core.address import Address, Value
from ftops.core.errors import Diagnostic, SpecError

if TYPE_CHECKING:
    from ftops.evaluation.evaluation import Inputs

BASE_MODEL, SERVING, NO_BASELINE = "base_model", "serving", "none"
"""What `baseline` can be, beside a model."""


def with_prompts(resource: Resource, config: Config, data: Mapping[str, str]) -> Resource:
    """The evaluation, identified by what its files say. `data`: the files of datasets by name, relative to
    the spec. Raises SpecError and UsageError with what is wrong in them."""
    from ftops.evaluation.inputs import digest, load

    inputs: dict[str, Any] = dict(resource.inputs)
    inputs["prompts"] = data.get(inputs["prompts"], inputs["prompts"])
    asked = load(inputs, config.folder, config.project)
    inputs["content"] = digest(asked)
    inputs.update(_baseline(resource, config))
    if faults := list(_out_of_reach(resource, config, asked)):
        raise SpecError(faults)
    facts = {"prompts": len(asked.prompts), "clusters": len({prompt.group for prompt in asked.prompts})}
    return replace(resource, inputs=inputs, facts=facts)


def _baseline(resource: Resource, config: Config) -> dict[str, Value]:
    wanted = resource.inputs["baseline"]
    candidates: Any = resource.inputs.get("candidates") or [None]
    evaluated = resource.inputs.get("model") or candidates[0]
    base = started_from(evaluated, config.by_address)
    if wanted == SERVING:
        served = _gated(resource.address, config)
        if served is None:
            hint = "write `baseline: base_model`, or give a deployment a `gate` that names this evaluation"
            raise _problem("no deployment is gated by this evaluation, so none is `serving`", hint, resource)
        return {"serving": served, **({} if base is None else {"base_model": base})}
    if wanted != BASE_MODEL:
        return {}
    if base is None:
        what = "`base_model` isn't known: what is evaluated isn't the model of a job"
        raise _problem(what, "name the model in `baseline`, or write `baseline: none`", resource)
    return {"baseline": base}


def _out_of_reach(resource: Resource, config: Config, asked: Inputs) -> Iterator[Diagnostic]:
    """Gates that no answers can pass."""
    for deployment in config.resources:
        gates: Any = deployment.inputs.get("gate") or ()
        for gate in gates:
            is_ours = gate["on"].address == resource.address
            if is_ours and gate["require"].get("verdict") == "better":
                place = deployment.reference_places.get(resource.address, deployment.place)
                for detail, hint in _never_better(resource, asked):
                    summary = f"{deployment.address}: its gate can't pass: no verdict can be `better`"
                    yield Diagnostic(summary, detail, hint, place)


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


def _gated(evaluation: Address, config: Config) -> Value:
    """The name of the deployment that waits for an evaluation."""
    for resource in config.resources:
        gates: Any = resource.inputs.get("gate") or ()
        if any(gate["on"].address == evaluation for gate in gates):
            return resource.inputs.get("name")
    return None


def _problem(summary: str, hint: str, resource: Resource) -> SpecError:
    return SpecError([Diagnostic(f"{resource.address}: {summary}", "", hint, resource.place)])
