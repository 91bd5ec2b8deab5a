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
from ftops.core.errors import FtopsError, Permanent, Temporary
from ftops.core.model_names import base_of
from ftops.core.normal_form import model as spelled
from ftops.core.project import project_root
from ftops.evaluation.answers import Answer, Answers, Failure, Grades, Question
from ftops.evaluation.asking import NOT_ASKED, Asked, Asker
from ftops.evaluation.temporary import sku_for
from ftops.providers.base import Existing, Progress, Request, Unfinished
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status

if TYPE_CHECKING:
    from ftops.evaluation.agreement import Agreement
    from ftops.evaluation.evaluation import Evaluation, Inputs
    from ftops.evaluation.graders import Grade, Grader

SLICE_SECONDS = 3.0
"""How long one call asks. Other changes of the account have their turn in between."""
PREFIX = "ftops-eval-"


class Service(Answers, Grades, Protocol):
    """What is asked."""


class Deploys(Protocol):
    """The handler of deployments."""

    def create(self, request: Request) -> RemoteObject: ...

    def read(self, resource: ResourceState) -> RemoteObject | None: ...

    def delete(self, resource: ResourceState) -> RemoteObject | None: ...

    def existing(self) -> list[Existing]: ...


class Evaluations:
    """The handler of evaluations. A record is all that there is of one."""

    def __init__(self, service: Service, deployments: Deploys) -> None:
        self._service = service
        self._deployments = deployments
        self._runs: dict[str, _Run] = {}

    def create(self, request: Request) -> RemoteObject:
        """Does a part of it. If it fails for good, temporary deployments are deleted first."""
        run = self._runs.get(request.token)
        if run is None:
            run = self._runs[request.token] = _Run(request, self._service, self._deployments)
        try:
            result = run.go_on()
        except Permanent:
            del self._runs[request.token]
            raise
        del self._runs[request.token]
        return result

    def read(self, resource: ResourceState) -> RemoteObject | None:
        return RemoteObject(resource.remote_id, resource.status, resource.outputs, message=resource.message)

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        """Nothing that is compared can change in place."""
        return RemoteObject(resource.remote_id, resource.status, resource.outputs)

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        """Deletes what an interrupted run has left; the answers are kept."""
        names: Any = resource.outputs.get("temporary") or ()
        left = [remote for name in names if (remote := self._remove(name)) is not None]
        return left[0] if left else None

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        """An interrupted run that has left temporary deployments: it counts as failed, so that the next apply
        deletes them. Without them, nothing is left of it but answers."""
        prefix = _prefix(operation.token)
        left = [found.name for found in self._deployments.existing() if found.name.startswith(prefix)]
        if not left:
            return None
        message = f"it was interrupted, and has left {', '.join(left)}"
        return RemoteObject(_id(operation.token), Status.TAINTED, {"temporary": left}, message=message)

    def existing(self) -> list[Existing]:
        return []

    def close(self) -> None:
        """Begins to delete the temporary deployments of unfinished runs. What fails is found by the next
        plan."""
        for run in self._runs.values():
            run.abandon()
        self._runs.clear()

    def _remove(self, name: str) -> RemoteObject | None:
        found = next((one for one in self._deployments.existing() if one.name == name), None)
        return None if found is None else self._deployments.delete(_record(found.remote))


class _Target(Struct):
    """A model that is asked. `deployment` is the name of the one that serves it, once that is known."""

    model: str
    title: str
    """For messages: a model's name is long."""
    deployment: str = ""
    sku: Mapping[str, Json] = {}
    """Of that deployment."""
    temporary: RemoteObject | None = None
    """The deployment that was created for it."""
    is_deleting: bool = False
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
        from ftops.evaluation.remote_graders import REMOTE
        from ftops.evaluation.spending import Budget

        self._request = request
        self._service = service
        self._deployments = deployments
        self._inputs = _load(request)
        self._questions = self._inputs.questions()
        existing = self._existing = deployments.existing()
        candidates: Any = request.inputs.get("candidates") or [request.inputs["model"]]
        candidates = list(dict.fromkeys(map(str, candidates)))
        self._baseline = _baseline(request.inputs, candidates, existing)
        titles = [f"candidate {number}" for number, _ in enumerate(candidates, 1)]
        titles = ["the candidate"] if len(candidates) == 1 else titles
        models = dict(zip(candidates, titles, strict=True))
        models |= {self._baseline: "the baseline"} if self._baseline else {}
        self._targets = [_Target(model, title, *_serving(model, existing)) for model, title in models.items()]
        asked = [grader for grader in self._inputs.graders if grader.type in REMOTE]
        self._catalog = catalog.load(project_root(request.folder), os.environ)
        budget: Any = request.inputs.get("budget")
        self._budget = None if budget is None else Budget(float(budget))
        self._judges = {grader.name: self._judge(grader) for grader in asked}
        self._failure: Permanent | None = None

    def go_on(self) -> RemoteObject:
        """Does a part of what is left to do. Raises Unfinished unless it was the last one, and Permanent once
        nothing is left of a run that failed."""
        for target in self._targets:
            if not target.is_done and self._failure is None:
                try:
                    self._deploy(target)
                    self._ask(target)
                    self._ask_judges(target)
                except Permanent as error:
                    self._failure = error
            self._tidy_up(target)
        if self._failure is not None:
            raise self._failure
        return self._result()

    def abandon(self) -> None:
        """Begins to delete its temporary deployment."""
        for target in self._targets:
            with suppress(FtopsError, Unfinished):
                self._tidy_up(target)

    def _deploy(self, target: _Target) -> None:
        """Creates a deployment of a model that none serves. Asked again with the same token, the service
        shows the one that is there."""
        if target.deployment:
            return
        name = f"{_prefix(self._request.token)}-{self._targets.index(target)}"
        inputs: dict[str, Json] = {
            "name": name,
            "model": target.model,
            "sku": sku_for(target.model, _mapping(self._request.inputs.get("sku")), self._catalog),
            "tags": {"ftops-evaluation": str(self._request.address)},
        }
        wanted = Request(Address("deployment", name), inputs, self._request.token, self._request.folder)
        try:
            remote = self._deployments.create(wanted)
        except Temporary as error:
            error.effect_unknown = False  # the next try finds the deployment by its token
            raise
        target.temporary = remote
        if remote.status is Status.TAINTED:
            raise Permanent(
                f"{self._request.address}: the temporary deployment of {target.title} failed",
                remote.message,
                "set `sku` of the evaluation to one that the account offers for this model",
            )
        if remote.status is Status.PENDING:
            raise _waiting(target, remote)
        target.deployment = str(remote.attributes.get("name") or name)
        target.sku = _mapping(inputs["sku"])

    def _ask(self, target: _Target) -> None:
        if target.answers is not None:
            return
        if target.asker is None:
            identity = f"{self._request.account}|{target.model}"
            kept = self._request.kept_answers(identity)
            capacity = target.sku.get("capacity")
            target.asker = Asker(
                Asked(
                    target.deployment,
                    identity,
                    self._within_budget(target.model, target.sku),
                    kept,
                    capacity if isinstance(capacity, int) else None,
                    str(target.sku.get("name") or ""),
                )
            )
        target.answers = self._answers_of(target.asker, self._questions, target.title)

    def _ask_judges(self, target: _Target) -> None:
        from ftops.evaluation.remote_graders import remote_grades

        prompts, answers = self._inputs.asked_prompts, target.answers or ()
        for grader in self._inputs.graders:
            if grader.name in self._judges:
                title = f"{grader.name} about {target.title}"
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
            model, sku = _served_by(name, self._existing)
            identity, provider = f"{account}|{model}", self._within_budget(model, sku)
            candidates = [target.model for target in self._targets if target.model != self._baseline]
            if any(identity == f"{account}|{model}" for model in candidates):
                raise Permanent(f"{name} can't judge itself", "", "name a deployment of another model")
        return Asker(Asked(name or grader.name, identity, provider, self._request.kept_answers(identity)))

    def _within_budget(self, model: str, sku: Mapping[str, Json]) -> Answers:
        """The service, to ask a deployment of this model. Raises Permanent if its price isn't known."""
        from ftops.evaluation.spending import Metered

        if self._budget is None:
            return self._service
        base, name = base_of(model), str(sku.get("name") or "Standard")
        prices = self._catalog.token_prices(model, "", name)
        if prices is None:
            raise self._unpriced(base, f"The catalogue has no price of {base} with the SKU {name}.")
        return Metered(self._service, self._budget, prices, self._catalog.encoding(base))

    def _unpriced(self, what: str, detail: str) -> Permanent:
        return Permanent(
            f"{self._request.address}: its budget can't be kept: the price of {what} isn't known",
            detail,
            "add it to ftops.catalog.yaml (docs/catalog.md says how), or remove `budget`",
        )

    def _tidy_up(self, target: _Target) -> None:
        """Deletes the temporary deployment of a model."""
        if target.temporary is None:
            return
        record = _record(target.temporary)
        delete = self._deployments.read if target.is_deleting else self._deployments.delete
        remote = delete(record)
        target.is_deleting = True
        if remote is not None:
            raise _waiting(target, remote)
        target.temporary = None

    def _result(self) -> RemoteObject:
        from ftops.evaluation.result import outcome

        evaluation = replace(self._evaluation(), agreements=self._compare_judges())
        attributes: dict[str, Json] = {"id": _id(self._request.token), "prompts": len(self._inputs.prompts)}
        attributes |= {"baseline": self._baseline, **outcome(evaluation)}
        self._request.report(Progress(_summary(attributes), 100.0))
        failed = [a.reason for t in self._targets for a in t.answers or () if isinstance(a, Failure)]
        if not failed:
            return RemoteObject(_id(self._request.token), Status.READY, attributes)
        count = len(self._questions) * len(self._targets)
        message = f"{len(failed)} of {count} answers are missing: {failed[0]}"
        return RemoteObject(_id(self._request.token), Status.TAINTED, attributes, message=message)

    def _evaluation(self) -> Evaluation:
        from ftops.evaluation.evaluation import Given, evaluate

        given = [
            Given(
                target.model,
                target.model,
                target.answers or (),
                target.grades,
                prices=self._catalog.token_prices(target.model, "", str(target.sku.get("name") or "")),
            )
            for target in self._targets
        ]
        return evaluate(self._inputs, given, self._baseline)


def _waiting(target: _Target, remote: RemoteObject) -> Unfinished:
    return Unfinished(
        remote.requeue_after or SLICE_SECONDS,
        Progress(f"temporary deployment of {target.title}: {remote.message}"),
        is_progress=True,
        holds_concurrency_key=remote.holds_concurrency_key,
    )


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


def _baseline(inputs: Mapping[str, Json], candidates: Sequence[str], existing: Sequence[Existing]) -> str:
    """The model to compare with; empty if there is none. A deployment that serves a candidate already is
    compared with the base model."""
    wanted = str(inputs["baseline"])
    if wanted == "serving":
        name = str(inputs.get("serving"))
        served = next((_model_of(one) for one in existing if one.name.casefold() == name.casefold()), "")
        is_other = served and all(spelled(served) != spelled(model) for model in candidates)
        wanted = served if is_other else str(inputs.get("base_model") or "none")
    if wanted == "none":
        return ""
    if any(spelled(wanted) == spelled(model) for model in candidates):
        raise Permanent(f"{wanted} can't be compared with itself", "", "choose another `baseline`")
    return wanted


def _serving(model: str, existing: Sequence[Existing]) -> tuple[str, Mapping[str, Json]]:
    """The name and the SKU of a deployment that serves a model and is ready; empty if there is none."""
    ready = (one for one in existing if one.remote.status is Status.READY)
    serving = (one for one in ready if spelled(_model_of(one)) == spelled(model))
    return next(((one.name, _sku_of(one)) for one in serving), ("", {}))


def _sku_of(one: Existing) -> Mapping[str, Json]:
    return _mapping((one.remote.inputs or {}).get("sku"))


def _served_by(name: str, existing: Sequence[Existing]) -> tuple[str, Mapping[str, Json]]:
    """The model and the SKU of a deployment. Raises Permanent if there is none of this name."""
    found = next((one for one in existing if one.name.casefold() == name.casefold()), None)
    if found is None or not _model_of(found):
        raise Permanent(f"there is no deployment {name} to judge", "", "name a deployment of the account")
    return _model_of(found), _sku_of(found)


def _summary(result: Mapping[str, Json]) -> str:
    """`better: 90 % correct, 60 points more than the baseline (p = 0.0018)`."""
    share = "no grades" if result["score"] is None else f"{100 * float(str(result['score'])):.1f} % correct"
    if result.get("difference") is None:
        return share
    points = f"{100 * float(str(result['difference'])):+.1f} points to the baseline"
    return f"{result['verdict']}: {share}, {points} (p = {float(str(result['p'])):.2g})"


def _model_of(deployment: Existing) -> str:
    return str(deployment.remote.attributes.get("model") or "")


def _record(remote: RemoteObject) -> ResourceState:
    """Of a temporary deployment, which no state has."""
    address = Address("deployment", "temporary")
    return ResourceState(address, "", remote.remote_id, remote.status, remote.inputs, remote.attributes)


def _prefix(token: str) -> str:
    return f"{PREFIX}{token[-8:]}"


def _id(token: str) -> str:
    return f"evaluation-{token}"


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}
