"""Reinforcement: the policy samples answers, a grader scores them, and REINFORCE makes good ones likelier.

The policy is the softmax of the model over texts: those that it knows already, and the candidates of the
training examples. Rewards are what the grader says of sampled answers. The baseline is their mean over
the samples of one prompt, and their deviation is the unit, so that the range of a grader doesn't matter. All
metrics are measured, and the same for the same data, settings and seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from ftops.emulator.grading.outcome import Grade
from ftops.emulator.trainer.candidates import Answers
from ftops.emulator.trainer.examples import Example, Failure, Reply, RewardedPrompt
from ftops.emulator.trainer.features import Floats, Ints, Sparse, prompt_vector
from ftops.emulator.trainer.model import Model, Vocabulary, continued, fresh, log_softmax
from ftops.emulator.trainer.optimizer import Descent, Hyperparameters

SAMPLES = 4
"""Answers to a training prompt, times compute_multiplier."""
EVALUATIONS = 4
"""In a run with an automatic eval_interval."""


Grader = Callable[[Sequence[tuple[Mapping[str, Any], str]]], Sequence[Grade]]
"""The grades of answers, each with the row of its prompt."""


class Exploration(NamedTuple):
    """How answers are sampled; 0 is "auto"."""

    compute_multiplier: float = 0.0
    eval_interval: int = 0
    eval_samples: int = 0


@dataclass(slots=True)
class Rewards:
    """Sums over sampled answers. Those without a score count only as errors."""

    total: float = 0.0
    scored: int = 0
    answers: int = 0
    errors: Counter[str] = field(default_factory=Counter)  # by flag
    first_error: str = ""
    parts: dict[str, Rewards] = field(default_factory=dict)  # of a multi grader

    def add(self, grades: Sequence[Grade]) -> Rewards:
        """Itself, with these grades."""
        for grade in grades:
            self.answers += 1
            if grade.reward is not None:
                self.total += grade.reward
                self.scored += 1
            if grade.error:
                self.errors[grade.error] += 1
                self.first_error = self.first_error or f"{grade.error}: {grade.details}"
            for name, part in grade.parts.items():
                self.parts.setdefault(name, Rewards()).add([part])
        return self

    @property
    def mean(self) -> float | None:
        """None if no answer has a score."""
        return self.total / self.scored if self.scored else None

    @property
    def error_rate(self) -> float:
        return self.errors.total() / max(self.answers, 1)


class RewardStep(NamedTuple):
    """Metrics of a step. ``train`` is measured before the weights change; ``full_valid`` afterwards, on all
    validation prompts."""

    number: int
    epoch_end: bool  # whether a checkpoint is saved
    train: Rewards
    full_valid: Rewards | None


class _Prompt(NamedTuple):
    vector: Sparse
    item: Mapping[str, Any]


class ReinforcementTrainer:
    """A training run. ``model`` has the weights after the last step."""

    def __init__(
        self,
        training: Sequence[RewardedPrompt],
        validation: Sequence[RewardedPrompt],
        settings: Hyperparameters,
        exploration: Exploration,
        base: str,
        answers: Answers,
        grade: Grader,
        parent: Model | None = None,
    ) -> None:
        self.settings, self._grade = settings, grade
        known = [Example(one.context, Reply(text)) for one in training for text in answers.of_row(one.item)]
        if parent is None:
            self.model = fresh(Vocabulary().with_examples(known), base, settings.seed)
        else:
            self.model = continued(parent, known, settings.seed)
        names = self.model.vocabulary.outputs
        texts = (i for i, name in enumerate(names) if name[:1] == "=" and answers.are_allowed(name[1:]))
        self._texts: Ints = np.fromiter(texts, dtype=np.int64)
        if not self._texts.size:
            raise Failure("invalidPayload", "There is no answer to try: no field of a row, no learned text.")
        self._train = [_Prompt(prompt_vector(one.context), one.item) for one in training]
        self._valid = [_Prompt(prompt_vector(one.context), one.item) for one in validation]
        rate = settings.base_rate * settings.learning_rate_multiplier * settings.batch_size**0.5
        self._descent = Descent(self.model, rate)
        self._samples = max(2, round(SAMPLES * (exploration.compute_multiplier or 1.0)))
        self._interval = exploration.eval_interval or max(1, self.total_steps // EVALUATIONS)
        self._eval_samples = exploration.eval_samples or 1

    @property
    def total_steps(self) -> int:
        return -(-len(self._train) // self.settings.batch_size) * self.settings.n_epochs

    def steps(self) -> Iterator[RewardStep]:
        """Train, one step for each value. The caller may stop after any of them."""
        random, number = np.random.default_rng([self.settings.seed, 1]), 0
        for _ in range(self.settings.n_epochs):
            order = random.permutation(len(self._train))
            for start in range(0, len(order), self.settings.batch_size):
                number += 1
                batch = [self._train[i] for i in order[start : start + self.settings.batch_size]]
                rewards = self._learn(batch, random)
                is_evaluated = number % self._interval == 0 or number == self.total_steps
                yield RewardStep(
                    number, is_evaluated, rewards, self._evaluated(number) if is_evaluated else None
                )

    def _learn(self, batch: Sequence[_Prompt], random: np.random.Generator) -> Rewards:
        policies = [self._policy(prompt) for prompt in batch]
        sampled = [random.choice(len(log_p), self._samples, p=np.exp(log_p)) for log_p in policies]
        grades = self._graded(batch, sampled)
        for prompt, log_p, choices, given in zip(batch, policies, sampled, grades, strict=True):
            self._add_gradient(prompt, log_p, choices, given)
        self._descent.step(len(batch))
        return Rewards().add([grade for given in grades for grade in given])

    def _add_gradient(self, prompt: _Prompt, log_p: Floats, choices: Ints, grades: Sequence[Grade]) -> None:
        """Of the answers to a prompt. Those without a score don't count."""
        rows, advantage = prompt.vector.places, np.zeros_like(log_p)
        self._descent.gradient.rows.append(rows)
        scored = [
            (choice, grade.reward)
            for choice, grade in zip(choices, grades, strict=True)
            if grade.reward is not None
        ]
        if not scored:
            return
        found = np.array([reward for _, reward in scored])
        np.add.at(
            advantage, [choice for choice, _ in scored], (found - found.mean()) / (2 * found.std() or 1.0)
        )
        slope = np.exp(log_p) * advantage.sum() - advantage  # of -advantage · log p
        self._descent.gradient.outputs[np.ix_(rows, self._texts)] += np.outer(
            prompt.vector.values, slope / len(scored)
        )

    def _evaluated(self, number: int) -> Rewards:
        random = np.random.default_rng([self.settings.seed, 2, number])
        policies = [np.exp(self._policy(prompt)) for prompt in self._valid]
        sampled = [random.choice(len(p), self._eval_samples, p=p) for p in policies]
        return Rewards().add([grade for given in self._graded(self._valid, sampled) for grade in given])

    def _policy(self, prompt: _Prompt) -> Floats:
        """The log-probabilities of the texts."""
        scores = prompt.vector.values @ self.model.outputs[prompt.vector.places][:, self._texts]
        return log_softmax(scores)

    def _graded(self, prompts: Sequence[_Prompt], sampled: Sequence[Ints]) -> list[Sequence[Grade]]:
        """The grades of the answers to each prompt. The grader gets all of them at once."""
        names = self.model.vocabulary.outputs
        asked = [
            (prompt.item, names[self._texts[choice]][1:])
            for prompt, choices in zip(prompts, sampled, strict=True)
            for choice in choices
        ]
        grades = self._grade(asked)
        ends = accumulate(map(len, sampled), initial=0)
        return [grades[start:end] for start, end in pairwise(ends)]
