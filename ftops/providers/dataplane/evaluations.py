"""Evaluations: asks the models and grades their answers here; at the service, only deployments are used.

A model is asked through a deployment that serves it. If there is none, a temporary one is created and deleted
again. Its name follows from the token of the intent, so that a run that was killed can be tidied up.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.core.address import Address, Json
from ftops.core.errors import FtopsError, Permanent
from ftops.core.model_names import NO_BASELINE, SERVING, base_of
from ftops.core.normal_form import model as spelled
from ftops.core.plurals import agree, plural, share
from ftops.core.project import project_root
from ftops.core.serving import is_named
from ftops.evaluation.answers import Answer, Answers, Failure, Grades, Question
from ftops.evaluation.asking import NOT_ASKED, Asked, Asker
from ftops.evaluation.temporary import prefix_of, sku_for
from ftops.providers.base import Existing, Progress, Request, Unfinished
from ftops.providers.dataplane.asked_model import (
    LOOK_AGAIN,
    AskedModel,
    Deploys,
    model_of,
    served_by,
    sku_of,
)
from ftops.state.state import INTERRUPTED, PendingOperation, RemoteObject, ResourceState, Status

if TYPE_CHECKING:
    from ftops.evaluation.agreement import Agreement
    from ftops.evaluation.evaluation import Evaluation, Inputs
    from ftops.evaluation.graders import Grade, Grader

SLICE_SECONDS = 3.0
"""How long one call asks. Other changes of the account have their turn in between."""


class Service(Answers, Grades, Protocol):
    """What is asked."""


class Evaluations:
    """The handler of evaluations. A record is all that there is of one."""

    def __init__(self, service: Service, deployments: Deploys) -> None:
        self._service = service
        self._deployments = deployments
        self._runs: dict[str, _Run] = {}
        self._leaving: set[str] = set()
        """Temporary deployments of former runs whose deletion has begun."""

    def create(self, request: Request) -> RemoteObject:
        """Does a part of it. If it fails for good, temporary deployments are deleted first; if one can't be
        deleted, it is recorded, and the next apply deletes it."""
        run = self._runs.get(request.token)
        if run is None:
            run = self._runs[request.token] = _Run(request, self._service, self._deployments)
        try:
            result = run.go_on()
        except Permanent as error:
            if not run.left:
                del self._runs[request.token]
                raise
            said = f"{error.summary}: {error.detail}" if error.detail else error.summary
            result = _with_left(request.token, run.left, said)
        del self._runs[request.token]
        return result

    def read(self, resource: ResourceState) -> RemoteObject | None:
        """The record itself. What is to be imported has none: an evaluation exists in its state only."""
        if not resource.outputs:
            return None
        return RemoteObject(resource.remote_id, resource.status, resource.outputs, message=resource.message)

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        """Nothing that is compared can change in place."""
        return RemoteObject(resource.remote_id, resource.status, resource.outputs)

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        """Deletes what an interrupted run has left; the answers are kept. Raises Unfinished while it is being
        deleted."""
        names: Any = resource.outputs.get("temporary") or ()
        for name in names:
            record = ResourceState(Address("deployment", name), "", name, Status.READY)
            remove = self._deployments.read if name in self._leaving else self._deployments.delete
            remote = remove(record)
            self._leaving.add(name)
            if remote is not None:
                message = f"temporary deployment {name}: {remote.message}"
                raise Unfinished(remote.requeue_after or LOOK_AGAIN, Progress(message), is_progress=True)
        return None

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        """An interrupted run that has left temporary deployments: it counts as failed, so that the next apply
        deletes them. Without them, nothing is left of it but answers."""
        prefix = prefix_of(operation.token)
        left = [found.name for found in self._deployments.existing() if found.name.startswith(prefix)]
        if not left:
            return None
        found = _with_left(operation.token, left, "it was interrupted")
        return replace(found, attributes={**found.attributes, INTERRUPTED: True})

    def existing(self) -> list[Existing]:
        return []

    def close(self) -> None:
        """Begins to delete the temporary deployments of unfinished runs. What fails is found by the next
        plan."""
        for run in self._runs.values():
            run.abandon()
        self._runs.clear()


class _Target(Struct):
    """A model that is asked, and what it answered."""

    asked: AskedModel
    asker: Asker | None = None
    is_done: bool = False
    """Whether its answers are there, and graded by graders that are asked."""
    answers: Sequence[Answer | Failure] | None = None
    grades: Mapping[str, Sequence[Grade]] = field(default_factory=dict)
    """Of graders that are asked."""


class _Run:
    """One evaluation in progress. Models are asked one after the other: at most one temporary deployment
    exists at a time."""

    def __init__(self, request: Request, service: Service, deployments: Deploys) -> None:
        from ftops import catalog
        from ftops.evaluation.curtailment import Curtailment
        from ftops.evaluation.inputs import candidates_of, used_since
        from ftops.evaluation.remote_graders import REMOTE
        from ftops.evaluation.spending import Budget

        self._request = request
        self._service = service
        self._deployments = deployments
        self._inputs = _load(request)
        self._questions = self._inputs.questions()
        self._since = used_since(request.inputs)
        gates: Any = request.inputs.get("required")
        self._curtailment = Curtailment(self._inputs, gates) if gates else None
        existing = self._existing = deployments.existing()
        candidates = [str(model) for model in candidates_of(request.inputs)]
        if not candidates:
            raise Permanent(f"{request.address}: there is nothing to evaluate", "Its job has no checkpoints.")
        self._baseline = _baseline(request, candidates, existing)
        titles = [f"candidate {number}" for number, _ in enumerate(candidates, 1)]
        titles = ["the candidate"] if len(candidates) == 1 else titles
        models = dict(zip(candidates, titles, strict=True))
        models |= {self._baseline: "the baseline"} if self._baseline else {}
        self._catalog = catalog.load(project_root(request.folder), os.environ)
        self._targets = [
            _Target(AskedModel(model, title, self._temporary(model, number), service, deployments, existing))
            for number, (model, title) in enumerate(models.items())
        ]
        asked = [grader for grader in self._inputs.graders if grader.type in REMOTE]
        budget: Any = request.inputs.get("budget")
        self._budget = None if budget is None else Budget(float(budget))
        self._judges = {grader.name: self._judge(grader) for grader in asked}
        self._failure: Permanent | None = None
        self._given: dict[str, Sequence[Answer | Failure]] = {}
        """What models and judges have answered, by what that is about."""

    def go_on(self) -> RemoteObject:
        """Does a part of what is left to do. Raises Unfinished unless it was the last one, and Permanent once
        nothing is left of a run that failed."""
        for target in self._targets:
            if not target.is_done and self._failure is None:
                try:
                    self._ask(target)
                    self._ask_judges(target)
                except Permanent as error:
                    self._failure = error
            target.asked.tidy_up()
        if self._failure is not None:
            raise self._failure
        return self._result()

    def abandon(self) -> None:
        """Begins to delete its temporary deployment."""
        for target in self._targets:
            with suppress(FtopsError, Unfinished):
                target.asked.tidy_up()

    def _temporary(self, model: str, number: int) -> Request:
        """A deployment to be created if none serves the model."""
        request = self._request
        sku: Any = request.inputs.get("sku") or {}
        name = f"{prefix_of(request.token)}-{number}"
        tags = {"ftops-evaluation": str(request.address)}
        inputs: dict[str, Json] = {
            "name": name,
            "model": model,
            "sku": sku_for(model, sku, self._catalog),
            "tags": tags,
        }
        return Request(Address("deployment", name), inputs, request.token, request.folder)

    @property
    def left(self) -> list[str]:
        """Temporary deployments that may exist."""
        return [name for target in self._targets for name in target.asked.left]

    def _ask(self, target: _Target) -> None:
        """Raises Unfinished if some questions are left. A deployment is needed only for questions that have
        no answer yet. With `stop`, only those are asked without which no gate can be decided; then it is
        seen how many more."""
        if target.answers is not None:
            return
        model = target.asked
        asker = target.asker = target.asker or self._asker(model)
        questions = self._next_of(asker)
        if asker.count_missing(questions):
            model.deploy()
        try:
            answers = self._answers_of(asker, questions, model.title)
        finally:
            if model.is_lost():
                target.asker = None
        if self._curtailment:
            answers = asker.known(self._questions)
            if rest := self._curtailment.fewest(answers):
                done = len(answers) - answers.count(NOT_ASKED)
                said = f"{model.title}: {done} answers, at least {rest} more"
                raise Unfinished(0.0, Progress(said), is_progress=True)
            self._given[model.title] = [answer for answer in answers if answer is not NOT_ASKED]
        target.answers = answers

    def _next_of(self, asker: Asker) -> Sequence[Question]:
        """All questions, or with `stop` the next ones that have no answer yet."""
        if self._curtailment is None:
            return self._questions
        answers = asker.known(self._questions)
        pairs = zip(self._questions, answers, strict=True)
        unknown = [question for question, answer in pairs if answer is NOT_ASKED]
        return unknown[: self._curtailment.fewest(answers)]

    def _asker(self, model: AskedModel) -> Asker:
        identity = f"{self._request.account}|{model.model}"
        kept = self._request.kept_answers(identity)
        provider = self._within_budget(model, model.model, model.sku)
        sku = str(model.sku.get("name") or "")
        return Asker(Asked(model.title, identity, provider, kept, model.capacity, sku, self._since))

    def _ask_judges(self, target: _Target) -> None:
        from ftops.evaluation.remote_graders import remote_grades

        prompts, answers = self._inputs.asked_prompts, target.answers or ()
        for grader in self._inputs.graders:
            if grader.name in self._judges:
                title = f"{grader.name} about {target.asked.title}"
                ask = partial(self._answers_of, self._judges[grader.name], title=title)
                target.grades = {**target.grades, grader.name: remote_grades(grader, prompts, answers, ask)}
        target.is_done = True

    def _compare_judges(self) -> dict[str, Agreement]:
        """With people, who have labelled some answers."""
        from ftops.evaluation.agreement import agreement_of

        return {
            grader.name: agreement_of(
                grader,
                self._inputs.labels[grader.name],
                partial(self._answers_of, self._judges[grader.name], title=f"{grader.name} about labels"),
            )
            for grader in self._inputs.graders
            if grader.name in self._inputs.labels
        }

    def _answers_of(
        self, asker: Asker, questions: Sequence[Question], title: str
    ) -> Sequence[Answer | Failure]:
        """All answers. Raises Unfinished if some are left to be asked."""
        concurrency = int(str(self._request.inputs["concurrency"]))
        answers = asker.answers(questions, concurrency, seconds=SLICE_SECONDS)
        done = sum(answer is not NOT_ASKED for answer in answers)
        if done < len(answers):
            percent = round(100 * done / len(answers), 1)
            raise Unfinished(
                0.0, Progress(f"{title}: {done} of {len(answers)} answers", percent), is_progress=True
            )
        self._given[title] = answers
        return answers

    def _judge(self, grader: Grader) -> Asker:
        """Who decides: a deployment, by its name at the service, or the service."""
        from ftops.evaluation.service_grader import GraderRuns, asks_a_model

        name, account = str(grader.options.get("model") or ""), self._request.account
        identity = f"{account}|graders"
        provider: Answers = GraderRuns(self._service)
        if self._budget and not name and asks_a_model(grader):
            raise self._unpriced(f"grader {grader.name}", "The service asks a model of its own.")
        if name:
            model, sku = _judging(name, self._existing)
            identity, provider = f"{account}|{model}", self._within_budget(self._service, model, sku)
            candidates = [t.asked.model for t in self._targets if t.asked.model != self._baseline]
            if any(identity == f"{account}|{model}" for model in candidates):
                raise Permanent(f"{name} can't judge itself", "", "name a deployment of another model")
        kept = self._request.kept_answers(identity)
        return Asker(Asked(name or grader.name, identity, provider, kept, since=self._since))

    def _within_budget(self, service: Answers, model: str, sku: Mapping[str, Json]) -> Answers:
        """The service, to ask a deployment of this model. Raises Permanent if its price isn't known."""
        from ftops.evaluation.spending import Metered

        if self._budget is None:
            return service
        base, name = base_of(model), str(sku.get("name") or "Standard")
        prices = self._catalog.token_prices(model, "", name)
        if prices is None:
            raise self._unpriced(base, f"The catalogue has no price of {base} with the SKU {name}.")
        return Metered(service, self._budget, prices, self._catalog.encoding(base))

    def _unpriced(self, what: str, detail: str) -> Permanent:
        return Permanent(
            f"{self._request.address}: its budget can't be kept: the price of {what} isn't known",
            detail,
            "add it to ftops.catalog.yaml (`ftops docs catalog` says how), or remove `budget`",
        )

    def _result(self) -> RemoteObject:
        from ftops.evaluation.result import outcome

        evaluation = replace(self._evaluation(), agreements=self._compare_judges())
        attributes: dict[str, Json] = {"id": _id(self._request.token), "prompts": len(self._inputs.prompts)}
        decide = str(self._request.inputs.get("decide") or "")
        (answers, *_) = [target.answers or () for target in self._targets]
        is_partial = self._curtailment is not None and NOT_ASKED in answers
        ranges = self._curtailment.ranges(answers) if self._curtailment and is_partial else None
        attributes |= {"baseline": self._baseline, **outcome(evaluation, decide, ranges)}
        answers = [answer for given in self._given.values() for answer in given]
        failed = [answer.reason for answer in answers if isinstance(answer, Failure)]
        if not failed:
            return RemoteObject(
                _id(self._request.token), Status.READY, attributes, message=_summary(attributes)
            )
        missing = f"{share(len(failed), len(answers), 'answer')} {agree(len(failed), 'is', 'are')} missing"
        message = f"{missing}: {failed[0]}"
        return RemoteObject(_id(self._request.token), Status.TAINTED, attributes, message=message)

    def _evaluation(self) -> Evaluation:
        from ftops.evaluation.evaluation import Given, evaluate

        given = []
        for target in self._targets:
            model, sku = target.asked.model, str(target.asked.sku.get("name") or "")
            prices = self._catalog.token_prices(model, "", sku)
            given.append(Given(model, model, target.answers or (), target.grades, prices=prices))
        return evaluate(self._inputs, given, self._baseline)


def _load(request: Request) -> Inputs:
    """What is asked. Raises Permanent if its files have changed since the plan."""
    from ftops.evaluation.inputs import digest, load

    inputs = load(request.inputs, request.folder, project_root(request.folder))
    if digest(inputs) != request.inputs["content"]:
        raise Permanent(
            f"{request.address}: its files have changed since the plan was made",
            "prompts, tools or the system message aren't those that were reviewed.",
            "plan again",
        )
    return inputs


def _baseline(request: Request, candidates: Sequence[str], existing: Sequence[Existing]) -> str:
    """The model to compare with; empty if there is none. A deployment that serves a candidate already is
    compared with the base model; one that is off serves again what it has served."""
    inputs = request.inputs
    wanted = str(inputs["baseline"])
    if wanted == SERVING:
        name = str(inputs.get("serving"))
        off = (model for other, model in request.switched_off.items() if is_named(other, name))
        served = served_by(name, existing) or next(off, "")
        is_other = served and all(spelled(served) != spelled(model) for model in candidates)
        wanted = served if is_other else str(inputs.get("base_model") or NO_BASELINE)
    if wanted == NO_BASELINE:
        return ""
    if any(spelled(wanted) == spelled(model) for model in candidates):
        raise Permanent(f"{wanted} can't be compared with itself", "", "choose another `baseline`")
    return wanted


def _judging(name: str, existing: Sequence[Existing]) -> tuple[str, Mapping[str, Json]]:
    """The model and the SKU of a deployment. Raises Permanent if there is none of this name."""
    found = next((one for one in existing if one.name.casefold() == name.casefold()), None)
    if found is None or not model_of(found):
        raise Permanent(f"there is no deployment {name} to judge", "", "name a deployment of the account")
    return model_of(found), sku_of(found)


def _summary(result: Mapping[str, Json]) -> str:
    """`better: 90 % correct, 60 points more than the baseline (p = 0.0018)`."""
    if result["is_partial"]:
        metrics: Any = result["metrics"]
        return f"the gate was decided by {plural(metrics['answers'], 'answer')}"
    share = "no grades" if result["score"] is None else f"{100 * float(str(result['score'])):.1f} % correct"
    if result.get("difference") is None:
        return share
    points = f"{100 * float(str(result['difference'])):+.1f} points to the baseline"
    return f"{result['verdict']}: {share}, {points} (p = {float(str(result['p'])):.2g})"


def _with_left(token: str, names: Sequence[str], why: str) -> RemoteObject:
    """What is recorded of a run that has left temporary deployments: the next apply deletes them first."""
    message = f"{why}, and has left {', '.join(names)}"
    return RemoteObject(_id(token), Status.TAINTED, {"temporary": list(names)}, message=message)


def _id(token: str) -> str:
    return f"evaluation-{token}"
