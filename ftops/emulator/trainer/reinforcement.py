"""Reinforcement: the policy samples answers, a grader scores them, and REINFORCE makes good ones likelier.

The policy is the softmax of the model over texts: those that it knows already, and the values of the fields
of the training examples. Rewards are what the grader says of sampled answers. The baseline is their mean over
the samples of one prompt, and their deviation is the unit, so that the range of a grader doesn't matter. All
metrics are measured, and the same for the same data, settings and seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ftops.emulator.trainer.examples import Example, Reply, RewardedPrompt
from ftops.emulator.trainer.features import Floats, Ints, Sparse, prompt_vector
from ftops.emulator.trainer.model import Model, Vocabulary, continued, fresh, log_softmax
from ftops.emulator.trainer.optimizer import Descent, Hyperparameters

SAMPLES = 4
"""Answers to a training prompt, times compute_multiplier."""
EVALUATIONS = 4
"""In a run with an automatic eval_interval."""


class Graded(NamedTuple):
    """What a grader says of an answer; the flag of the error if it couldn't grade it."""

    reward: float
    error: str = ""


Grade = Callable[[Mapping[str, Any], str], Graded]
"""The grade of an answer to the prompt of an example."""


class Exploration(NamedTuple):
    """How answers are sampled; 0 is "auto"."""

    compute_multiplier: float = 0.0
    eval_interval: int = 0
    eval_samples: int = 0


@dataclass(slots=True)
class Rewards:
    """Sums over sampled answers."""

    total: float = 0.0
    count: int = 0
    errors: int = 0

    def add(self, graded: Graded) -> None:
        self.total += graded.reward
        self.count += 1
        self.errors += bool(graded.error)

    @property
    def mean(self) -> float:
        return self.total / max(self.count, 1)


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
        grade: Grade,
        parent: Model | None = None,
    ) -> None:
        self.settings, self._grade = settings, grade
        known = [Example(prompt.context, Reply(text)) for prompt in training for text in prompt.candidates]
        if parent is None:
            self.model = fresh(Vocabulary().with_examples(known), base, settings.seed)
        else:
            self.model = continued(parent, known, settings.seed)
        names = self.model.vocabulary.outputs
        self._texts: Ints = np.array([i for i, name in enumerate(names) if name[:1] == "="], dtype=np.int64)
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
        total = Rewards()
        for prompt in batch:
            log_p = self._policy(prompt)
            sampled = random.choice(len(log_p), self._samples, p=np.exp(log_p))
            graded = [self._graded(prompt, choice) for choice in sampled]
            for one in graded:
                total.add(one)
            found = np.array([one.reward for one in graded])
            advantage = np.zeros_like(log_p)
            np.add.at(advantage, sampled, (found - found.mean()) / (2 * found.std() or 1.0))
            slope = np.exp(log_p) * advantage.sum() - advantage  # of -advantage · log p
            rows = prompt.vector.places
            self._descent.gradient.outputs[np.ix_(rows, self._texts)] += np.outer(
                prompt.vector.values, slope / len(graded)
            )
            self._descent.gradient.rows.append(rows)
        self._descent.step(len(batch))
        return total

    def _evaluated(self, number: int) -> Rewards:
        random, total = np.random.default_rng([self.settings.seed, 2, number]), Rewards()
        for prompt in self._valid:
            p = np.exp(self._policy(prompt))
            for choice in random.choice(len(p), self._eval_samples, p=p):
                total.add(self._graded(prompt, choice))
        return total

    def _policy(self, prompt: _Prompt) -> Floats:
        """The log-probabilities of the texts."""
        scores = prompt.vector.values @ self.model.outputs[prompt.vector.places][:, self._texts]
        return log_softmax(scores)

    def _graded(self, prompt: _Prompt, choice: int) -> Graded:
        return self._grade(prompt.item, self.model.vocabulary.outputs[self._texts[choice]][1:])
