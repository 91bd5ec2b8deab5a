"""Evaluation of deployments: asks those that the state has, and compares their answers with a baseline."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from ftops import catalog
from ftops.core.address import Address
from ftops.core.errors import FtopsError, Temporary, UsageError
from ftops.core.hosting_hours import hours_of
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of
from ftops.core.snippets import command
from ftops.core.suggestions import did_you_mean
from ftops.evaluation.answers import Answers, Grades
from ftops.evaluation.asking import Asked, Asker
from ftops.evaluation.evaluation import Evaluation, Given, Inputs, evaluate
from ftops.evaluation.graders import Grader
from ftops.evaluation.remote_graders import REMOTE, check_fields
from ftops.evaluation.remote_grading import RemoteGrading
from ftops.evaluation.service_grader import GraderRuns, asks_a_model
from ftops.evaluation.spending import Expected, expected_of
from ftops.planning.moves import located
from ftops.session.answers import kept_answers
from ftops.session.prices import Prices
from ftops.session.session import Session
from ftops.state.deployments import model_of, sku_of
from ftops.state.state import ResourceState, Status, observed_as


class Evaluator:
    """Prepared: nothing is asked before `run`."""

    def __init__(
        self,
        session: Session,
        names: Sequence[str],
        baseline: str,
        inputs: Inputs,
        fresh: bool = False,
        max_cost: float | None = None,
    ) -> None:
        self._inputs = inputs
        self._questions = inputs.questions()
        self._baseline = baseline
        everyone = list(dict.fromkeys([*names, *([baseline] if baseline else [])]))
        prices = Prices(catalog.load(session.config.project, os.environ), max_cost)
        self._prices = prices
        resources = {name: find_deployment(session, name)[0] for name in everyone}
        self._priced = {name: prices.of(resource) for name, resource in resources.items()}
        types = {session.config.providers[resource.provider].type for resource in resources.values()}
        self.is_rehearsal = all(PROVIDER_TYPES[type_].is_rehearsal for type_ in types)
        """Whether no deployment costs anything."""
        self._asked = {name: _asked(session, name, fresh, prices) for name in everyone}
        if baseline and list(names) == [baseline]:
            raise UsageError(
                f"{baseline} can't be compared with itself", "", "name another deployment with --against"
            )
        if len({asked.model for asked in self._asked.values()}) < len(everyone):
            raise UsageError(
                "two of these deployments serve the same model",
                "comparing a model with itself shows only chance.",
                "name deployments of different models",
            )
        candidates = {name: asked for name, asked in self._asked.items() if name != baseline}
        check_fields(inputs.graders, inputs.prompts)
        remote = [grader for grader in inputs.graders if grader.type in REMOTE]
        askers = [(grader, _asker(session, grader, candidates, fresh, prices)) for grader in remote]
        self._remote = RemoteGrading(inputs, askers)

    @property
    def missing(self) -> Mapping[str, int]:
        """How many questions each deployment will be asked; the other answers are kept ones."""
        return {n: Asker(asked).count_missing(self._questions) for n, asked in self._asked.items()}

    @property
    def expected(self) -> Mapping[str, Expected]:
        """What asking each deployment will take, without grading; empty if it won't be asked."""
        found = {}
        for name, asked in self._asked.items():
            missing = Asker(asked).missing(self._questions)
            kept = [asked.kept.get(question.key(asked.model)) for question in self._questions]
            answers = [answer for answer in kept if answer]
            if missing:
                found[name] = expected_of(missing, *self._priced[name], answers)
        return found

    @property
    def gradings(self) -> int:
        """How many requests judges and the service will be sent at most."""
        return self._remote.most_requests(list(self._asked.values()))

    @property
    def count(self) -> int:
        """Questions to each deployment."""
        return len(self._questions)

    @property
    def independent(self) -> int:
        """Prompts, those of a cluster as one: what statistics count."""
        return len({prompt.group for prompt in self._inputs.prompts})

    def run(
        self,
        concurrency: int,
        on_answer: Callable[[str], object] = lambda name: None,
        tell: Callable[[str, str], object] = lambda name, text: None,
    ) -> Evaluation:
        """Asks, grades and compares. `tell` is called with what you should know about a deployment."""
        results = []
        for name, asked in self._asked.items():
            answers = Asker(asked).answers(
                self._questions, concurrency, partial(on_answer, name), partial(tell, name)
            )
            grades = self._remote.grades(answers, concurrency, tell)
            self._prices.tell(partial(tell, name))
            model, prices = asked.model.rpartition("|")[2], self._priced[name].prices
            results.append(Given(name, model, answers, grades, asked.kept.added, prices))
        evaluation = evaluate(self._inputs, results, self._baseline)
        return replace(evaluation, agreements=self._remote.agreements(concurrency, tell))


def find_deployment(session: Session, name: str) -> tuple[ResourceState, Answers]:
    """A deployment that the state has, by its name at the service or in the spec, and its provider. Raises
    UsageError if it can't be asked."""
    recorded = located(session.state, session.config)[0].resources
    deployments = {
        str(r.address).partition(".")[2]: r for r in recorded.values() if kind_of(r.address).serves
    }
    resource = deployments.get(name.removeprefix("deployment."))
    if resource is None:
        resource = next((r for r in deployments.values() if r.outputs.get("name") == name), None)
    if resource is None or resource.status is not Status.READY:
        state = "isn't ready" if resource else "isn't in the state"
        declared = next((r.address for r in session.config.resources if _is_named(r.address, name)), None)
        apply = command("ftops", "apply", *(("--target", str(declared)) if declared else ()))
        hint = did_you_mean(name, () if declared else deployments, nothing=f"run {apply} first")
        raise UsageError(
            f"deployment {name} {state}", "only deployments that were applied can be asked.", hint
        )
    if resource.is_off:
        hours = hours_of(resource.inputs)
        until = f" until {hours.until_text(session.wall_clock())}" if hours else ""
        detail = f"Outside its hosting hours it doesn't exist{until}."
        raise UsageError(f"deployment {name} is off", detail, "ask it in its hours, or another one")
    provider = session.providers(resource.provider)
    if not isinstance(provider, Answers):
        raise FtopsError(f"the provider of deployment {name} doesn't support evaluation")
    return resource, provider


def _asked(session: Session, name: str, fresh: bool, prices: Prices) -> Asked:
    resource, provider = find_deployment(session, name)
    model = _identity(_as_it_is(session, resource))
    return Asked(
        str(resource.outputs.get("name") or name),
        model,
        prices.metered(name, resource, provider),
        kept_answers(session.config, model, fresh),
        sku_of(resource).capacity,
        sku_of(resource).name,
    )


def _as_it_is(session: Session, resource: ResourceState) -> ResourceState:
    """The service may have upgraded its model since the last apply. If it can't be reached, nothing is asked
    either, and the recorded model counts."""
    try:
        live = session.observe(resource)
    except Temporary:
        return resource
    if live is None:
        raise UsageError(f"{resource.address} doesn't exist any more", "", "run `ftops apply`")
    return observed_as(resource, live)


def _asker(
    session: Session, grader: Grader, candidates: Mapping[str, Asked], fresh: bool, prices: Prices
) -> Asker:
    """Who decides: the deployment of a judge, or the service of the candidates."""
    if judge := grader.options.get("model"):
        asked = _asked(session, judge, fresh, prices)
        if any(asked.model == candidate.model for candidate in candidates.values()):
            detail = "a model prefers its own answers."
            raise UsageError(f"{judge} can't judge itself", detail, "name a deployment of another model")
        return Asker(asked)
    if prices.budget and asks_a_model(grader):
        summary = f"--max-cost can't be kept: the price of grader {grader.name} isn't known"
        raise UsageError(summary, "The service asks a model of its own.", "use a grader of type judge")
    name, candidate = next(iter(candidates.items()))
    provider: object = find_deployment(session, name)[1]
    if not isinstance(provider, Grades):
        raise FtopsError(f"grader {grader.name}: the provider doesn't run graders")
    model = f"{candidate.model.rpartition('|')[0]}|graders"
    kept = kept_answers(session.config, model, fresh)
    return Asker(Asked(grader.name, model, GraderRuns(provider), kept))


def _identity(resource: ResourceState) -> str:
    """Never the name of the deployment: another one of the same model gives the same answers."""
    model, version = model_of(resource)
    return f"{resource.account}|{model}{'@' if version else ''}{version}"


def _is_named(address: Address, name: str) -> bool:
    return kind_of(address).serves and str(address).partition(".")[2] == name.removeprefix("deployment.")
