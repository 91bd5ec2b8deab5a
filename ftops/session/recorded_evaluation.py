"""Recorded evaluation: its report from the kept answers, without asking anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from msgspec.structs import replace

from ftops import catalog
from ftops.core.address import Address
from ftops.core.errors import SpecError, UsageError
from ftops.core.model_names import base_of
from ftops.core.normal_form import model as spelled
from ftops.core.normal_form import name as folded
from ftops.core.resource_types import RESOURCE_TYPES, kind_of
from ftops.core.snippets import command
from ftops.core.suggestions import did_you_mean
from ftops.evaluation.agreement import agreement_of
from ftops.evaluation.answers import Answer, Failure, Question
from ftops.evaluation.evaluation import Evaluation, Given, Inputs, by_prompt, evaluate
from ftops.evaluation.graders import Grader
from ftops.evaluation.inputs import candidates_of, digest, load
from ftops.evaluation.remote_graders import REMOTE, Ask, remote_grades
from ftops.evaluation.temporary import sku_for
from ftops.planning.moves import located
from ftops.session.answers import kept_answers
from ftops.session.session import Session
from ftops.state.deployments import model_of, sku_of
from ftops.state.state import ResourceState, Status

_NOT_KEPT = Failure("not kept")


class Recorded(NamedTuple):
    """The report, and how many answers of how many aren't kept."""

    evaluation: Evaluation
    missing: int
    answers: int


def recorded_evaluation(session: Session, address: Address) -> Recorded:
    """Raises UsageError if it wasn't run, its files have changed since, or none of its answers is kept."""
    record = _record(session, address)
    inputs = _inputs(session, record)
    baseline = str(record.outputs.get("baseline") or "")
    models = list(dict.fromkeys([*map(str, candidates_of(record.inputs)), *([baseline] if baseline else [])]))
    titles = {model: _title(session, model) for model in models}
    if is_partial := bool(record.outputs.get("is_partial")):
        inputs = _asked_part(session, record, inputs, models[0])
    given = [_given(session, record, inputs, model, titles[model]) for model in models]
    answers = [answer for one in given for answer in one.answers]
    missing = sum(isinstance(answer, Failure) for answer in answers)
    if missing == len(answers):  # also if there are none
        raise UsageError(
            f"no answer of {address} is kept",
            "they have been deleted, or were given on another machine.",
            f"run {command('ftops', 'apply', '--replace', address)}: it asks again",
        )
    agreements = {
        grader.name: agreement_of(grader, inputs.labels[grader.name], _replies(session, record, grader))
        for grader in inputs.graders
        if grader.name in inputs.labels
    }
    evaluation = evaluate(inputs, given, titles.get(baseline, ""))
    evaluation = replace(evaluation, agreements=agreements, is_partial=is_partial)
    return Recorded(evaluation, missing, len(answers))


def _record(session: Session, address: Address) -> ResourceState:
    recorded = located(session.state, session.config)[0].resources
    if not (address.kind in RESOURCE_TYPES and kind_of(address).is_record):
        raise UsageError(f"{address} isn't an evaluation", "", "name one, such as evaluation.copilot")
    found = recorded.get(address)
    if found is None or "baseline" not in found.outputs:
        known = [str(one) for one in recorded if kind_of(one).is_record]
        detail = "it has no result." if found else "it isn't in the state."
        hint = did_you_mean(str(address), known, nothing="run `ftops apply` first")
        raise UsageError(f"{address} wasn't run yet", detail, "run `ftops apply`" if found else hint)
    return found


def _inputs(session: Session, record: ResourceState) -> Inputs:
    """What was asked: the recorded inputs, with the files that they name."""
    config = session.config
    try:
        inputs = load(record.inputs, config.folder, config.project)
    except (SpecError, UsageError) as error:
        raise UsageError(
            f"what {record.address} asked can't be read: {error.summary}",
            error.detail,
            "restore its files, or run `ftops apply` to evaluate again",
        ) from error
    if digest(inputs) != record.inputs["content"]:
        raise UsageError(
            f"what {record.address} asks has changed since it was run",
            "Its prompts, tools, system message or labels aren't those of the recorded result, or this "
            "version of ftops grades otherwise.",
            "run `ftops apply` to evaluate again",
        )
    return inputs


def _given(session: Session, record: ResourceState, inputs: Inputs, model: str, title: str) -> Given:
    answers = _kept(session, f"{record.account}|{model}", inputs.questions())
    grades = {}
    for grader in inputs.graders:
        if grader.type in REMOTE:
            replies = _replies(session, record, grader)
            grades[grader.name] = remote_grades(grader, inputs.asked_prompts, answers, replies)
    known = catalog.load(session.config.project, os.environ)
    wanted: Any = record.inputs.get("sku") or {}
    serving = _serving(session, record, lambda one: spelled(model_of(one)[0]) == spelled(model))
    sku = sku_of(serving).name if serving else str(sku_for(model, wanted, known)["name"])
    prices = known.token_prices(base_of(model), "", sku)
    return Given(title, model, answers, grades, prices=prices)


def _asked_part(session: Session, record: ResourceState, inputs: Inputs, model: str) -> Inputs:
    """Only the prompts whose answers decided the gate."""
    answers = by_prompt(inputs, _kept(session, f"{record.account}|{model}", inputs.questions()))
    pairs = zip(inputs.prompts, answers, strict=True)
    return replace(inputs, prompts=tuple(prompt for prompt, given in pairs if _NOT_KEPT not in given))


def _kept(session: Session, identity: str, questions: Sequence[Question]) -> list[Answer | Failure]:
    kept = kept_answers(session.config, identity)
    return [kept.get(question.key(identity)) or _NOT_KEPT for question in questions]


def _replies(session: Session, record: ResourceState, grader: Grader) -> Ask:
    """Those of a judge, or of the service, that are kept."""
    identity, name = f"{record.account}|graders", str(grader.options.get("model") or "")
    if name:
        judge = _serving(session, record, lambda one: folded(str(one.outputs.get("name"))) == folded(name))
        identity = f"{record.account}|{model_of(judge)[0] if judge else ''}"
    return partial(_kept, session, identity)


def _serving(
    session: Session, record: ResourceState, fits: Callable[[ResourceState], bool]
) -> ResourceState | None:
    """A recorded deployment of the account."""
    deployments = (
        one
        for one in session.state.resources.values()
        if kind_of(one.address).serves and one.account == record.account and one.status is Status.READY
    )
    return next((one for one in deployments if fits(one)), None)


def _title(session: Session, model: str) -> str:
    """`job.copilot` for the model of a recorded job, as its own name is long; others have theirs."""
    for one in session.state.resources.values():
        if kind_of(one.address).trains:
            if one.outputs.get("fine_tuned_model") == model:
                return str(one.address)
            steps: Any = one.outputs.get("checkpoint") or {}
            for step, checkpoint in steps.items():
                if checkpoint == model and step.isdigit():
                    return f"{one.address} step {step}"
    return model
