"""Curtailment: asks no more than what decides gates, whose bounds are on shares of right answers. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from ftops.evaluation.answers import Answer, Failure
from ftops.evaluation.asking import NOT_ASKED
from ftops.evaluation.comparison import groups, scores_of
from ftops.evaluation.evaluation import Inputs, by_prompt, grades_of
from ftops.evaluation.gates import Ranges, is_decided
from ftops.evaluation.graders import Grade
from ftops.evaluation.result import rounded

_RIGHT, _WRONG = Grade(1.0), Grade(0.0)


class Curtailment:
    """Of the evaluation of one model. `gates` have what each of them requires."""

    def __init__(self, inputs: Inputs, gates: Sequence[Mapping[str, Any]]) -> None:
        self._inputs = inputs
        self._gates = gates
        self._shares = {key: _share(key, inputs) for gate in gates for key in gate}
        named = {inputs.graders[0].name, *(grader for grader, _ in self._shares.values())}
        self._graders = [grader for grader in inputs.graders if grader.name in named]
        self._is_gradable = self._all_graded([Answer()] * len(inputs.asked_prompts))

    def fewest(self, answers: Sequence[Answer | Failure]) -> int:
        """How many of the answers that are NOT_ASKED, in their order, can decide all gates at the earliest: 0
        if they are decided. All, if the evaluation is going to be incomplete because one has no grade."""
        unknown = [i for i, answer in enumerate(answers) if answer is NOT_ASKED]
        known = [Answer() if answer is NOT_ASKED else answer for answer in answers]
        if not (self._is_gradable and self._all_graded(known)):
            return len(unknown)
        grades = self._grades(answers)
        return bisect_left(
            range(len(unknown)),
            True,
            key=lambda first: all(is_decided(g, self._ranges(grades, unknown[:first])) for g in self._gates),
        )

    def ranges(self, answers: Sequence[Answer | Failure]) -> Ranges:
        """Between which values each share ends, whatever is still answered."""
        return self._ranges(self._grades(answers), [])

    def _ranges(self, grades: Mapping[str, Sequence[Grade]], first: Sequence[int]) -> Ranges:
        """At the earliest, after these answers: the lowest value if all of them are right, the highest if all
        are wrong."""
        return {
            key: (
                self._value(key, grades, _WRONG, dict.fromkeys(first, _RIGHT)),
                self._value(key, grades, _RIGHT, dict.fromkeys(first, _WRONG)),
            )
            for key in self._shares
        }

    def _value(
        self, key: str, grades: Mapping[str, Sequence[Grade]], rest: Grade, first: Mapping[int, Grade]
    ) -> float:
        """The share, as it is recorded, if answers without a grade get these."""
        grader, positions = self._shares[key]
        filled = [
            first.get(i, rest) if grade.score is None else grade for i, grade in enumerate(grades[grader])
        ]
        values = scores_of(by_prompt(self._inputs, filled)).values
        return rounded(sum(values[i] or 0.0 for i in positions) / len(positions)) or 0.0

    def _grades(self, answers: Sequence[Answer | Failure]) -> dict[str, Sequence[Grade]]:
        return {grader.name: grades_of(self._inputs, grader, answers) for grader in self._graders}

    def _all_graded(self, answers: Sequence[Answer | Failure]) -> bool:
        return all(g.score is not None for grades in self._grades(answers).values() for g in grades)


def _share(key: str, inputs: Inputs) -> tuple[str, Sequence[int]]:
    """The grader and the prompts that a metric of a gate is about."""
    head, _, name = key.partition(".")
    everything = range(len(inputs.prompts))
    if head == "graders":
        return name, everything
    found = {group: positions for by, group, positions in groups(inputs.prompts) if f"{by}s" == head}
    positions = found.get(name) or found.get(name.removesuffix(".accuracy")) or everything
    return inputs.graders[0].name, positions
