"""Evaluation: the same prompts to several deployments of a spec, graded, and compared with a baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.core.address import Json
from ftops.core.errors import FtopsError, UsageError
from ftops.core.resource_types import kind_of
from ftops.core.suggestions import did_you_mean
from ftops.evaluation.answers import Answer, Answers, Failure, Question
from ftops.evaluation.asking import Asked, Asker
from ftops.evaluation.comparison import MARGIN, Row, compare, scores_of
from ftops.evaluation.expectations import schemas_of
from ftops.evaluation.graders import Grade, Grader, default_graders, grade
from ftops.evaluation.kept_answers import KeptAnswers
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.statistics import ALPHA
from ftops.planning.provider_matching import located
from ftops.session.session import Session
from ftops.state.state import ResourceState, Status


class Inputs(Struct, frozen=True):
    """What is asked. `settings` are parameters of the request, such as `temperature`."""

    prompts: tuple[Prompt, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    system: str = ""
    settings: Mapping[str, Json] = field(default_factory=dict)
    samples: int = 1
    graders: tuple[Grader, ...] = ()
    alpha: float = ALPHA
    margin: float = MARGIN

    def questions(self) -> list[Question]:
        """All samples of the first prompt, then those of the next one."""
        system = ({"role": "system", "content": self.system},) if self.system else ()
        return [
            Question((*system, *prompt.messages), prompt.tools or self.tools, self.settings, sample)
            for prompt in self.prompts
            for sample in range(self.samples)
        ]


class ModelResult(Struct, frozen=True):
    """What one deployment answered: by prompt and sample, and the grades of each grader."""

    deployment: str
    model: str
    answers: tuple[tuple[Answer | Failure, ...], ...]
    grades: Mapping[str, tuple[tuple[Grade, ...], ...]]

    @property
    def given(self) -> list[Answer]:
        return [answer for samples in self.answers for answer in samples if isinstance(answer, Answer)]


class Comparison(Struct, frozen=True):
    """A candidate beside the baseline, if there is one, by one grader: all prompts, then the slices."""

    grader: str
    candidate: str
    rows: tuple[Row, ...]


class Evaluation(Struct, frozen=True):
    """Everything that reports are made of. The first grader is the main one."""

    inputs: Inputs
    results: tuple[ModelResult, ...]
    comparisons: tuple[Comparison, ...]
    baseline: str = ""

    @property
    def verdicts(self) -> dict[str, str]:
        """By candidate: the one declared test of the main grader."""
        main = self.inputs.graders[0].name
        return {c.candidate: c.rows[0].verdict for c in self.comparisons if c.grader == main}

    @property
    def is_complete(self) -> bool:
        """Whether every answer was given, and graded by the main grader."""
        main = self.inputs.graders[0].name
        grades = (g for result in self.results for samples in result.grades[main] for g in samples)
        return all(g.score is not None for g in grades)

    def result(self, deployment: str) -> ModelResult:
        return next(result for result in self.results if result.deployment == deployment)


class Evaluator:
    """Prepared: nothing is asked before `run`."""

    def __init__(
        self, session: Session, names: Sequence[str], baseline: str, inputs: Inputs, fresh: bool = False
    ) -> None:
        if not inputs.graders:
            inputs = replace(inputs, graders=default_graders(inputs.prompts))
        self._inputs = inputs
        self._questions = inputs.questions()
        self._baseline = baseline
        everyone = list(dict.fromkeys([*names, *([baseline] if baseline else [])]))
        self._asked = {name: _asked(session, name, fresh) for name in everyone}
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

    @property
    def missing(self) -> Mapping[str, int]:
        """How many questions each deployment will be asked; the other answers are kept ones."""
        return {n: Asker(asked).count_missing(self._questions) for n, asked in self._asked.items()}

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
        on_wait: Callable[[str], object] = lambda name: None,
        on_give_up: Callable[[str, str], object] = lambda name, reason: None,
    ) -> Evaluation:
        """Asks, grades and compares."""
        results = []
        for name, asked in self._asked.items():
            answers = Asker(asked).answers(
                self._questions,
                concurrency,
                partial(on_answer, name),
                partial(on_wait, name),
                partial(on_give_up, name),
            )
            results.append(self._result(name, asked.model, answers))
        return self._compared(tuple(results))

    def _result(self, name: str, model: str, answers: Sequence[Answer | Failure]) -> ModelResult:
        step, prompts = self._inputs.samples, self._inputs.prompts
        by_prompt = tuple(tuple(answers[i * step : (i + 1) * step]) for i in range(len(prompts)))
        shared = schemas_of(self._inputs.tools)
        schemas = [schemas_of(prompt.tools) if prompt.tools else shared for prompt in prompts]
        grades = {
            grader.name: tuple(
                tuple(grade(grader, prompt, answer, known) for answer in samples)
                for prompt, samples, known in zip(prompts, by_prompt, schemas, strict=True)
            )
            for grader in self._inputs.graders
        }
        return ModelResult(name, model.rpartition("|")[2], by_prompt, grades)

    def _compared(self, results: tuple[ModelResult, ...]) -> Evaluation:
        inputs = self._inputs
        baseline = next((r for r in results if r.deployment == self._baseline), None)
        candidates = [r for r in results if r is not baseline] or list(results)
        comparisons = tuple(
            Comparison(
                grader.name,
                result.deployment,
                compare(
                    inputs.prompts,
                    scores_of(result.grades[grader.name]),
                    scores_of(baseline.grades[grader.name]) if baseline else None,
                    inputs.alpha,
                    inputs.margin,
                ),
            )
            for grader in inputs.graders
            for result in candidates
        )
        return Evaluation(inputs, results, comparisons, self._baseline)


def _asked(session: Session, name: str, fresh: bool) -> Asked:
    """Of a deployment that the state has, by its name at the service or in the spec."""
    recorded = located(session.state, session.config)[0].resources
    deployments = {
        str(r.address).partition(".")[2]: r for r in recorded.values() if kind_of(r.address).serves
    }
    resource = deployments.get(name.removeprefix("deployment."))
    if resource is None:
        resource = next((r for r in deployments.values() if r.outputs.get("name") == name), None)
    if resource is None or resource.status is not Status.READY:
        state = "isn't ready" if resource else "isn't in the state"
        hint = did_you_mean(name, deployments, nothing="run `ftops apply` first")
        raise UsageError(
            f"deployment {name} {state}", "only deployments that were applied can be evaluated.", hint
        )
    provider = session.providers(resource.provider)
    if not isinstance(provider, Answers):
        raise FtopsError(f"the provider of deployment {name} doesn't support evaluation")
    model = _identity(resource)
    return Asked(
        str(resource.outputs.get("name") or name),
        model,
        provider,
        KeptAnswers(session.config.project, model, fresh),
    )


def _identity(resource: ResourceState) -> str:
    """Never the name of the deployment: another one of the same model gives the same answers."""
    outputs, inputs = resource.outputs, resource.inputs
    model = str(outputs.get("model") or inputs.get("model"))
    version = str(outputs.get("model_version") or inputs.get("model_version") or "")
    return f"{resource.account}|{model}{'@' if version else ''}{version}"
