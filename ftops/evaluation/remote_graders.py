"""Graders that are asked: a judge or the service decides, and their replies are kept as answers are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ftops.core.errors import SpecError
from ftops.evaluation import judge, service_grader
from ftops.evaluation.answers import Answer, Failure, Question
from ftops.evaluation.graders import Grade, Grader, cut_off, unanswered
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.templates import MissingFields

Ask = Callable[[Sequence[Question]], Sequence[Answer | Failure]]


class RemoteGrader(Protocol):
    """A module for a type of graders that are asked."""

    def template(self, options: Mapping[str, Any]) -> Any:
        """Where fields of prompts and answers are named."""

    def problems(self, options: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """What is wrong with options of the right form: the option, or "", what, and a hint."""

    def question(self, grader: Grader, prompt: Prompt, answer: Answer) -> Question | Grade:
        """What is asked about an answer, or its grade if there is nothing to ask."""

    def grade_of(self, grader: Grader, reply: Answer | Failure) -> Grade:
        """The grade that a reply gives; a score of None if it gives none."""


REMOTE: Mapping[str, RemoteGrader] = {"judge": judge, "service": service_grader}


def with_fields(graders: Sequence[Grader], prompts: Iterable[Prompt]) -> Iterator[Prompt]:
    """The prompts. Raises SpecError after the last one if graders name fields that prompts lack."""
    named = [(g.name, REMOTE[g.type].template(g.options)) for g in graders if g.type in REMOTE]
    missing = [MissingFields(name, template) for name, template in named]
    for prompt in prompts:
        for one in missing:
            one.add(prompt)
        yield prompt
    if found := [error for one in missing for error in one.errors()]:
        raise SpecError(found)


def check_fields(graders: Sequence[Grader], prompts: Iterable[Prompt]) -> None:
    """Raises SpecError if graders name fields that prompts lack."""
    for _ in with_fields(graders, prompts):
        pass


def steps_of(
    grader: Grader, prompts: Sequence[Prompt], answers: Sequence[Answer | Failure]
) -> list[Question | Grade]:
    """What to ask about each answer beside its prompt, or its grade if there is nothing to ask."""
    kind = REMOTE[grader.type]
    return [
        unanswered(answer)
        if isinstance(answer, Failure)
        else cut_off(answer) or kind.question(grader, prompt, answer)
        for prompt, answer in zip(prompts, answers, strict=True)
    ]


def remote_grades(
    grader: Grader, prompts: Sequence[Prompt], answers: Sequence[Answer | Failure], ask: Ask
) -> list[Grade]:
    """The grades of answers, each beside its prompt."""
    steps = steps_of(grader, prompts, answers)
    replies = iter(ask([step for step in steps if isinstance(step, Question)]))
    grade_of = REMOTE[grader.type].grade_of
    return [step if isinstance(step, Grade) else grade_of(grader, next(replies)) for step in steps]
