"""Rule: a job saves the checkpoint that something is made from."""

from __future__ import annotations

from collections.abc import Iterator

from ftops.config.config import Resource
from ftops.core.address import Reference
from ftops.core.errors import Diagnostic
from ftops.core.nested import number_at, object_at
from ftops.core.resource_types import step_of
from ftops.core.suggestions import some
from ftops.planning.plan import MAKING
from ftops.planning.preflight.context import Situation, has_model, text

_KEPT = 3
"""Checkpoints of a job that the service keeps."""


def saved(situation: Situation) -> Iterator[Diagnostic]:
    """The job saves a checkpoint at the step that is named, as far as its steps are known before it runs."""
    for change in situation.concerned(has_model, MAKING):
        model = change.after.get("model")
        step = step_of(model.attribute) if isinstance(model, Reference) else None
        job = situation.resources.get(model.address) if isinstance(model, Reference) else None
        steps = _steps(situation, job) if step is not None and job is not None else ()
        if steps and step not in steps:
            yield situation.warning(
                change.address,
                f"{model} probably won't exist",
                "A job saves a checkpoint at the end of each epoch, and the service keeps the last three, "
                f"which are those of step {some(steps)}.",
                f"write one of these steps, or `${{{job.address}.checkpoint.best}}`" if job else "",
                at="model",
            )


def _steps(situation: Situation, job: Resource) -> tuple[int, ...]:
    """The steps whose checkpoints are kept; none if they depend on what the service chooses, or the job may
    end before its last epoch."""
    data = job.inputs.get("training")
    source = situation.resources.get(data.address) if isinstance(data, Reference) else None
    examples = number_at(source.facts, "examples") if source else 0
    chosen = object_at(job.inputs, "hyperparameters")
    epochs, batch = number_at(chosen, "n_epochs"), number_at(chosen, "batch_size")
    is_known = text(job.inputs, "method") in ("", "supervised", "dpo") and "stop" not in job.inputs
    if not (is_known and examples and batch):
        return ()
    each = -(-examples // batch)
    return tuple(each * epoch for epoch in range(max(1, epochs - _KEPT + 1), epochs + 1))
