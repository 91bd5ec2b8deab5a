"""Evaluation: prompts put to several models, the grades of their answers, and a comparison of the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from ftops.catalog import TokenPrices
from ftops.core.address import Json
from ftops.evaluation.agreement import Agreement, Labelled
from ftops.evaluation.answers import Answer, Failure, Question
from ftops.evaluation.comparison import MARGIN, Row, compare, scores_of
from ftops.evaluation.expectations import schemas_of
from ftops.evaluation.graders import Grade, Grader, default_graders, grade, ungraded
from ftops.evaluation.metrics import Metrics, measured
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.remote_graders import REMOTE
from ftops.evaluation.statistics import ALPHA

T = TypeVar("T")


class Inputs(Struct, frozen=True):
    """What is asked. `settings` are parameters of the request, such as `temperature`. Without graders, those
    that fit the prompts are used."""

    prompts: tuple[Prompt, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    system: str = ""
    settings: Mapping[str, Json] = field(default_factory=dict)
    samples: int = 1
    graders: tuple[Grader, ...] = ()
    alpha: float = ALPHA
    margin: float = MARGIN
    labels: Mapping[str, Sequence[Labelled]] = {}
    """What people say of answers, by the judge that is compared with them."""

    def __post_init__(self) -> None:
        if self.prompts and not self.graders:
            msgspec.structs.force_setattr(self, "graders", default_graders(self.prompts))

    def with_prompts(self, prompts: tuple[Prompt, ...]) -> Inputs:
        return msgspec.structs.replace(self, prompts=prompts)

    @property
    def asked_prompts(self) -> list[Prompt]:
        """The prompt of each question."""
        return [prompt for prompt in self.prompts for _ in range(self.samples)]

    def questions(self) -> list[Question]:
        """All samples of the first prompt, then those of the next one."""
        return [self.question(prompt, i) for prompt in self.prompts for i in range(self.samples)]

    def question(self, prompt: Prompt, sample: int = 0) -> Question:
        messages = (*self.first_messages, *prompt.messages)
        return Question(messages, prompt.tools or self.tools, self.settings, sample)

    @property
    def first_messages(self) -> tuple[Mapping[str, Any], ...]:
        """Before those of each prompt."""
        return ({"role": "system", "content": self.system},) if self.system else ()


class ModelResult(Struct, frozen=True):
    """What one deployment answered: by prompt and sample, and the grades of each grader."""

    deployment: str
    model: str
    answers: tuple[tuple[Answer | Failure, ...], ...]
    grades: Mapping[str, tuple[tuple[Grade, ...], ...]]
    metrics: Metrics = Metrics()

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
    agreements: Mapping[str, Agreement] = {}
    """Of judges with people, by grader."""
    is_partial: bool = False
    """Whether only the prompts were asked that decided gates, and `inputs` has only these."""

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


class Given(Struct, frozen=True):
    """The answers of one model to all questions, in their order; `grades` has those of the graders that are
    asked, by name. `fresh`: the answers that weren't cached; `prices`: None if they are unknown."""

    deployment: str
    model: str
    answers: Sequence[Answer | Failure]
    grades: Mapping[str, Sequence[Grade]] = {}
    fresh: Sequence[Answer] = ()
    prices: TokenPrices | None = None


def evaluate(inputs: Inputs, given: Sequence[Given], baseline: str = "") -> Evaluation:
    """Grades all answers, and compares every model with the baseline, if one of them is it."""
    results = tuple(_graded(inputs, one) for one in given)
    other = next((r for r in results if r.deployment == baseline), None)
    candidates = [r for r in results if r is not other] or list(results)
    comparisons = tuple(
        Comparison(
            grader.name,
            result.deployment,
            compare(
                inputs.prompts,
                scores_of(result.grades[grader.name]),
                scores_of(other.grades[grader.name]) if other else None,
                inputs.alpha,
                inputs.margin,
            ),
        )
        for grader in inputs.graders
        for result in candidates
    )
    return Evaluation(inputs, results, comparisons, baseline)


def _graded(inputs: Inputs, given: Given) -> ModelResult:
    grades = {g.name: given.grades.get(g.name) or grades_of(inputs, g, given.answers) for g in inputs.graders}
    return ModelResult(
        given.deployment,
        given.model,
        by_prompt(inputs, given.answers),
        {name: by_prompt(inputs, flat) for name, flat in grades.items()},
        measured(
            [answer for answer in given.answers if isinstance(answer, Answer)],
            given.fresh,
            given.prices,
            inputs.alpha,
        ),
    )


def grades_of(inputs: Inputs, grader: Grader, answers: Sequence[Answer | Failure]) -> list[Grade]:
    """By a grader that isn't asked."""
    if grader.type in REMOTE:
        return [ungraded(f"grader {grader.name} wasn't asked")] * len(answers)
    shared = schemas_of(inputs.tools)
    schemas = [schemas_of(prompt.tools) if prompt.tools else shared for prompt in inputs.prompts]
    return [
        grade(grader, inputs.prompts[i // inputs.samples], answer, schemas[i // inputs.samples])
        for i, answer in enumerate(answers)
    ]


def by_prompt(inputs: Inputs, flat: Sequence[T]) -> tuple[tuple[T, ...], ...]:
    """The samples of each prompt."""
    step = inputs.samples
    return tuple(tuple(flat[i : i + step]) for i in range(0, len(flat), step))
