"""Curtailment: asks no more than what decides gates, whose bounds are on shares of right answers. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import fsum
from typing import Any

from msgspec import Struct

from ftops.evaluation.answers import Answer, Failure
from ftops.evaluation.asking import NOT_ASKED
from ftops.evaluation.comparison import groups
from ftops.evaluation.evaluation import Inputs, grades_of
from ftops.evaluation.gates import Ranges, is_decided
from ftops.evaluation.graders import Grade
from ftops.evaluation.result import rounded


class _Share(Struct, frozen=True):
    """A share that gates bound: by which grader, and of which answers."""

    grader: str
    positions: Sequence[int]


class _Tally(Struct, frozen=True):
    """What is known of a share: the sum of its scores, and its unknown answers, by their numbers in the order
    in which they are asked."""

    known: float
    unknown: Sequence[int]
    count: int

    def range_after(self, first: int) -> tuple[float, float]:
        """At the earliest, after so many more answers: the lowest value if all of them are right, the highest
        if all are wrong."""
        asked = bisect_left(self.unknown, first)
        ends = (self.known + asked, self.known + len(self.unknown) - asked)
        low, high = (rounded(end / self.count) or 0.0 for end in ends)
        return low, high


class Curtailment:
    """Of the evaluation of one model. `gates` have what each of them requires."""

    def __init__(self, inputs: Inputs, gates: Sequence[Mapping[str, Any]]) -> None:
        self._inputs = inputs
        self._gates = gates
        self._shares = {key: _share(key, inputs) for gate in gates for key in gate}
        named = {inputs.graders[0].name, *(share.grader for share in self._shares.values())}
        self._graders = [grader for grader in inputs.graders if grader.name in named]
        empty = [Answer()] * len(inputs.asked_prompts)
        self._is_gradable = _is_graded(empty, self._grades(empty))

    def fewest(self, answers: Sequence[Answer | Failure]) -> int:
        """How many of the answers that are NOT_ASKED, in their order, can decide all gates at the earliest: 0
        if they are decided. All, if the evaluation is going to be incomplete because one has no grade."""
        unknown = sum(answer is NOT_ASKED for answer in answers)
        grades = self._grades(answers)
        if not (self._is_gradable and _is_graded(answers, grades)):
            return unknown
        tallies = self._tallies(answers, grades)
        return bisect_left(
            range(unknown),
            True,
            key=lambda first: all(is_decided(gate, _ranges(tallies, first)) for gate in self._gates),
        )

    def ranges(self, answers: Sequence[Answer | Failure]) -> Ranges:
        """Between which values each share ends, whatever is still answered."""
        return _ranges(self._tallies(answers, self._grades(answers)))

    def _tallies(
        self, answers: Sequence[Answer | Failure], grades: Mapping[str, Sequence[Grade]]
    ) -> dict[str, _Tally]:
        numbers = list(accumulate((answer is NOT_ASKED for answer in answers), initial=0))
        return {
            key: _Tally(
                fsum(grades[share.grader][i].score or 0.0 for i in share.positions),
                [numbers[i] for i in share.positions if answers[i] is NOT_ASKED],
                len(share.positions),
            )
            for key, share in self._shares.items()
        }

    def _grades(self, answers: Sequence[Answer | Failure]) -> dict[str, Sequence[Grade]]:
        return {grader.name: grades_of(self._inputs, grader, answers) for grader in self._graders}


def _ranges(tallies: Mapping[str, _Tally], first: int = 0) -> Ranges:
    return {key: tally.range_after(first) for key, tally in tallies.items()}


def _is_graded(answers: Sequence[Answer | Failure], grades: Mapping[str, Sequence[Grade]]) -> bool:
    """Whether all that are known have a grade."""
    return all(
        answer is NOT_ASKED or grade.score is not None
        for by_one in grades.values()
        for answer, grade in zip(answers, by_one, strict=True)
    )


def _share(key: str, inputs: Inputs) -> _Share:
    """What a metric of a gate is about."""
    head, _, name = key.partition(".")
    everything: Sequence[int] = range(len(inputs.prompts))
    grader, prompts = name, everything
    if head != "graders":
        grader = inputs.graders[0].name
        found = {group: positions for by, group, positions in groups(inputs.prompts) if f"{by}s" == head}
        prompts = found.get(name) or found.get(name.removesuffix(".accuracy")) or everything
    samples = range(inputs.samples)
    return _Share(grader, [prompt * inputs.samples + sample for prompt in prompts for sample in samples])
