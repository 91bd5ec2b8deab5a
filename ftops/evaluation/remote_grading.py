"""Grading by those who are asked: how many requests it takes, the grades, and the agreement with people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from ftops.evaluation.agreement import Agreement, agreement_of, questions_about
from ftops.evaluation.answers import Answer, Failure, Question
from ftops.evaluation.asking import NOT_ASKED, Asked, Asker
from ftops.evaluation.evaluation import Inputs
from ftops.evaluation.graders import Grade, Grader
from ftops.evaluation.remote_graders import Ask, remote_grades, steps_of

Tell = Callable[[str, str], object]
"""Called with the name of a grader and what you should know about it."""


class RemoteGrading(Struct, frozen=True):
    """The graders of an evaluation that are asked, each with who is asked."""

    inputs: Inputs
    askers: Sequence[tuple[Grader, Asker]]

    def most_requests(self, asked: Sequence[Asked]) -> int:
        """One for each answer of these deployments that isn't kept, and one for each grade that isn't."""
        total = sum(asker.count_missing(self._labelled(grader)) for grader, asker in self.askers)
        for one in asked if self.askers else ():
            kept = [one.kept.get(question.key(one.model)) for question in self.inputs.questions()]
            answers = [answer or NOT_ASKED for answer in kept]
            for grader, asker in self.askers:
                steps = steps_of(grader, self.inputs.asked_prompts, answers)
                known = [step for step in steps if isinstance(step, Question)]
                total += kept.count(None) + asker.count_missing(known)
        return total

    def grades(
        self, answers: Sequence[Answer | Failure], concurrency: int, tell: Tell
    ) -> dict[str, list[Grade]]:
        """By grader, in the order of the questions."""
        return {
            grader.name: remote_grades(grader, self.inputs.asked_prompts, answers, ask)
            for grader, ask in self._asking(concurrency, tell)
        }

    def agreements(self, concurrency: int, tell: Tell) -> Mapping[str, Agreement]:
        """Of each judge whose answers people have labelled, too."""
        labels = self.inputs.labels
        return {
            grader.name: agreement_of(grader, labels[grader.name], ask)
            for grader, ask in self._asking(concurrency, tell)
            if grader.name in labels
        }

    def _asking(self, concurrency: int, tell: Tell) -> list[tuple[Grader, Ask]]:
        return [
            (grader, partial(asker.answers, concurrency=concurrency, tell=partial(tell, grader.name)))
            for grader, asker in self.askers
        ]

    def _labelled(self, grader: Grader) -> list[Question]:
        return questions_about(grader, self.inputs.labels.get(grader.name, ()))
