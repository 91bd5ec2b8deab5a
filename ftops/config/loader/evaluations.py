"""Evaluation inputs: a validated block as plain data, with findings about keys that contradict each other."""

from __future__ import annotations

from typing import Any

from ftops.config.loader.for_each import Draft
from ftops.config.loader.inputs import Context, PreparedInputs, relative, set_inputs
from ftops.config.loader.validate import settings_faults
from ftops.config.schema.resources import Evaluation
from ftops.core.model_names import BASELINES, NO_BASELINE
from ftops.core.resource_types import kind_of
from ftops.core.suggestions import nearest


def evaluation_inputs(draft: Draft, context: Context) -> PreparedInputs:
    block: Evaluation = draft.block
    inputs: dict[str, Any] = set_inputs(block)
    if (block.model is None) == (block.candidates is None):
        summary = "an evaluation needs either `model` or `candidates`"
        detail = "It has neither." if block.model is None else "It has both."
        hint = "Name what is evaluated: `model: ${job.name.fine_tuned_model}`."
        both = () if block.model is None else ("candidates",)
        hint = "Remove one of them." if both else hint
        draft.entry.report(context.findings, both, summary, detail, hint, key=True)
    meant = nearest(block.baseline, BASELINES) if isinstance(block.baseline, str) else None
    if meant and meant != block.baseline:
        summary = f"there is no model `{block.baseline}` to compare with"
        detail = f"Text is the name of a base model, or one of {', '.join(BASELINES)}."
        draft.entry.report(context.findings, ("baseline",), summary, detail, f"Did you mean `{meant}`?")
    if block.stop is not None:
        _check_stop(draft, context)
    if block.sku is not None:
        inputs["sku"] = block.sku.as_data()
    for key in kind_of(draft.address).files:
        if key in inputs:
            inputs[key] = relative(inputs[key], context.folder)
    if block.settings is not None:
        for path, summary in settings_faults(block.settings):
            detail = "`settings` are the parameters of requests beside what is asked, and of whom."
            draft.entry.report(context.findings, path, summary, detail, "Remove it.", key=True)
    if block.graders is not None:
        from ftops.evaluation.grader_table import read_graders  # only if a spec names graders

        for fault in read_graders(block.graders)[1]:
            path = ("graders", *fault.keys)
            report = draft.entry.report
            report(context.findings, path, fault.summary, fault.detail, fault.hint, key=fault.is_key)
    return PreparedInputs(inputs, {}, [])


def _check_stop(draft: Draft, context: Context) -> None:
    """Findings about what needs all answers, beside `stop`."""
    from ftops.evaluation.remote_graders import REMOTE

    block: Evaluation = draft.block
    graders = (block.graders or {}).values()
    is_asked = any(isinstance(one, dict) and one.get("type") in REMOTE for one in graders)
    for key, is_there, detail, hint in (
        ("candidates", block.candidates is not None, "The best one is known only if all are asked.", ""),
        ("baseline", block.baseline != NO_BASELINE, "Nothing is compared.", "Write `baseline: none`."),
        ("graders", is_asked, "Judges and graders of the service are asked in the end.", ""),
    ):
        if is_there:
            path = (key,) if key in block.given else ("stop",)
            summary = f"`stop: when_decided` doesn't go with `{key}`"
            draft.entry.report(context.findings, path, summary, detail, hint or "Remove `stop`.", key=True)
