"""Inputs of deployments: their names, gates and defaults, and what each way of serving takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from ftops.config.loader.expressions import Use
from ftops.config.loader.for_each import Draft
from ftops.config.loader.inputs import Context, Inputs, PreparedInputs, set_inputs
from ftops.config.loader.settings import nearest_name
from ftops.config.loader.source import Keys
from ftops.config.schema.providers import Defaults
from ftops.config.schema.resources import Deployment, GateBlock
from ftops.core.address import Address, Reference, Value
from ftops.core.errors import Diagnostic
from ftops.core.model_names import split
from ftops.core.nested import object_at
from ftops.core.normal_form import name as normal_name
from ftops.core.resource_types import is_tuned, kind_of
from ftops.core.serving import MANAGED_SKU, Serving, serving_of

_SKU: Mapping[str, Value] = {"name": "Standard", "capacity": 1}
_MAX_NAME = 64
_BLUE_GREEN_SUFFIX = 9
"""Length of `-` and the 8 hex digits that a blue_green deployment adds to its name."""
_SERVERLESS, _MANAGED, _ADAPTER = (frozenset({one}) for one in Serving)
_TAKEN_BY: Mapping[str, frozenset[Serving]] = {
    "sku": _SERVERLESS | _MANAGED,
    "version": _SERVERLESS | _MANAGED,
    "version_upgrade_option": _SERVERLESS | _MANAGED,
    **dict.fromkeys(
        (
            "format",
            "rai_policy",
            "spillover",
            "service_tier",
            "deployment_state",
            "tags",
            "source",
            "source_tenant",
        ),
        _SERVERLESS,
    ),
    **dict.fromkeys(("accelerator_type", "deployment_template"), _MANAGED),
    "hosting": _SERVERLESS | _MANAGED,
    "source_model": _ADAPTER,
}
"""By key, the ways of serving that have it; the others are for all."""
_WHY: Mapping[Serving, str] = {
    Serving.SERVERLESS: f"It isn't on managed compute: its SKU isn't {MANAGED_SKU}, and it has no `target`.",
    Serving.MANAGED: f"It is on managed compute: its SKU is {MANAGED_SKU}.",
    Serving.ADAPTER: "It is an adapter: it has a `target`.",
}
_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.CognitiveServices/accounts/[^/]+"
    r"/managedComputeDeployments/[^/]+",
    re.IGNORECASE | re.ASCII,
)


def deployment_inputs(draft: Draft, context: Context) -> PreparedInputs:
    block: Deployment = draft.block
    inputs = set_inputs(block)
    inputs["sku"] = block.sku.as_data() if block.sku else {}
    if block.hosting:
        inputs["hosting"] = block.hosting.as_data()
    inputs.pop("gate", None)
    _check_serving(draft, inputs, context.findings)
    _check_version(draft, inputs, context.findings)
    name = inputs.setdefault("name", _default_name(draft.address))
    is_blue_green = block.replace == "blue_green"
    room = _MAX_NAME - (_BLUE_GREEN_SUFFIX if is_blue_green else 0)
    if isinstance(name, str) and len(name) > room:
        detail = f"It is `{name}`, {len(name)} characters long."
        if is_blue_green:
            detail += f" With blue_green, `-` and eight characters are added to it; the limit is {_MAX_NAME}."
        summary = f"`name` must be at most {room} characters long"
        draft.entry.report(context.findings, ("name",), summary, detail, "Set a shorter `name`.")
    own, spillover = inputs["name"], inputs.get("spillover")
    if not is_blue_green and isinstance(own, str) and normal_name(own) == normal_name(str(spillover)):
        detail = f"Requests that `{own}` has no capacity for would come back to it."
        hint = "Name another deployment, best by `${deployment.other.name}`, or remove it."
        draft.entry.report(
            context.findings, ("spillover",), "a deployment can't spill over to itself", detail, hint
        )
    gates, uses = _gates(draft, context.findings)
    if gates:
        inputs["gate"] = gates
    return PreparedInputs(inputs, {}, uses)


def _check_serving(draft: Draft, inputs: Inputs, findings: list[Diagnostic]) -> None:
    """Findings about what doesn't belong to the way in which the model is served."""
    report = partial(draft.entry.report, findings)
    serving, model, target = serving_of(inputs), inputs["model"], inputs.get("target")
    if serving is Serving.ADAPTER:
        del inputs["sku"], inputs["tags"]
    for key in draft.block.given & _TAKEN_BY.keys():
        if serving not in _TAKEN_BY[key]:
            report((key,), f"this deployment has no `{key}`", _WHY[serving], "Remove it.", key=True)
    if serving is Serving.MANAGED and is_tuned(model):
        detail = "On managed compute, a fine-tuned model is an adapter on a deployment of its base model."
        hint = (
            f"Deploy the base model with `sku: {{name: {MANAGED_SKU}}}`, and write `target` instead of `sku`."
        )
        report(("model",), "managed compute can't serve a fine-tuned model by itself", detail, hint)
    is_base = isinstance(model, str) and not is_tuned(model) and not model.startswith("ftchkpt-")
    if serving is Serving.ADAPTER and is_base:
        detail = "With a `target`, a deployment is an adapter, which only a fine-tuned model has."
        hint = "Write `${job.name.fine_tuned_model}`, or remove `target`."
        report(("model",), f"`{model}` isn't a fine-tuned model", detail, hint)
    if isinstance(target, str) and target.startswith("/") and not _ID.fullmatch(target):
        hint = "It looks like /subscriptions/…/accounts/…/managedComputeDeployments/…."
        report(("target",), "`target` isn't the ARM ID of a deployment on managed compute", "", hint)


def _check_version(draft: Draft, inputs: Inputs, findings: list[Diagnostic]) -> None:
    """A finding if the name of a base model ends with another version."""
    model, version = inputs["model"], inputs.get("version")
    own = split(model)[1] if isinstance(model, str) and not is_tuned(model) else ""
    if own and isinstance(version, str) and version != own:
        summary = f"`version` isn't that of {model}"
        hint = f"Write `version: {own}`, or remove it; or name another model."
        draft.entry.report(findings, ("version",), summary, f"The name of the model ends with {own}.", hint)


def _gates(draft: Draft, findings: list[Diagnostic]) -> tuple[list[Inputs], list[Use]]:
    """Gates as inputs, with a reference to each evaluation."""
    from ftops.evaluation import gates  # only if a spec has any

    found: list[Inputs] = []
    uses: list[Use] = []
    block: GateBlock
    for index, block in enumerate(draft.block.gate or ()):
        path: Keys = ("gate",) if isinstance(draft.entry.value("gate"), dict) else ("gate", index)
        key, attribute = kind_of(draft.address).gated_by or ("", "")
        try:
            reference = Reference(Address.parse(f"{key}.{block.evaluation}"), attribute)
        except ValueError:
            summary = f"`{block.evaluation}` isn't the name of an evaluation"
            detail = "A gate names an evaluation of this spec, declared under `evaluations`."
            kind, _, name = block.evaluation.partition(".")
            name = name if kind == key else nearest_name(block.evaluation)
            is_name = name and "$" not in block.evaluation
            hint = f"Write `{name}`." if is_name else "Write its name, without `${…}`."
            draft.entry.report(findings, (*path, key), summary, detail, hint)
            continue
        require = block.require or {"verdict": "better"}
        for fault in gates.faults_of(require):
            where = (*path, "require", fault.key)
            detail = f"`require` says what the result of evaluation.{block.evaluation} must show."
            draft.entry.report(findings, where, fault.summary, detail, fault.hint, key=fault.is_key)
        uses.append(Use(reference, draft.entry, (*path, key)))
        found.append({"on": reference, "require": require, "allow_override": block.allow_override})
    return found, uses


def _default_name(address: Address) -> str:
    if address.key is None:
        return address.name
    key = re.sub(r"[^A-Za-z0-9._-]+", "-", address.key).strip("-._")
    return f"{address.name}-{key}" if key else address.name


def add_deployment_defaults(inputs: Inputs, defaults: Defaults) -> None:
    """Those of the provider are for serverless deployments: the capacity of others has another unit."""
    if serving_of(inputs) is Serving.ADAPTER:
        return
    own, size = object_at(inputs, "sku"), defaults.sku.as_data() if defaults.sku else {}
    if serving_of(inputs) is Serving.MANAGED:
        inputs["sku"] = {"capacity": 1, **own}
        inputs.pop("tags", None)
        return
    inputs["sku"] = {**_SKU, **size, **own}
    for key in ("version_upgrade_option", "rai_policy"):
        if getattr(defaults, key) is not None:
            inputs.setdefault(key, getattr(defaults, key))
    inputs["tags"] = {**(defaults.tags or {}), **object_at(inputs, "tags")}
    if not inputs["tags"]:
        del inputs["tags"]
