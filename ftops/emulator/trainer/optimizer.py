"""Optimizer: minibatch gradient descent (Adagrad) on the cross-entropy of replies.

All metrics are measured. They are the same bit for bit for the same data, settings and seed. There is no
regularization, so that many epochs overfit, as they would in the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ftops.emulator.trainer.examples import Example
from ftops.emulator.trainer.features import Floats, Ints
from ftops.emulator.trainer.model import Model, Task, Vocabulary, continued, fresh
from ftops.emulator.trainer.scoring import Gradient, Score, score

METRICS_EVERY = 10
AUTO_EPOCHS = 3
AUTO_BATCH_SHARE = 0.002
MAX_AUTO_BATCH = 256
_INITIAL_SUM = 0.05  # of Adagrad


class Hyperparameters(NamedTuple):
    """``base_rate`` is the step size for a multiplier of 1 and a batch size of 1."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    base_rate: float
    seed: int


class Step(NamedTuple):
    """Metrics of a step. ``train`` is measured before the weights change.

    ``valid`` is for one batch of the validation data, ``full_valid`` for all of it.
    """

    number: int
    epoch_end: bool
    train: Score
    valid: Score | None
    full_valid: Score | None


def auto_batch_size(examples: int) -> int:
    """The batch size for "auto": about 0.2 % of the examples."""
    return max(1, min(MAX_AUTO_BATCH, round(examples * AUTO_BATCH_SHARE)))


class Trainer:
    """A training run. ``model`` has the weights after the last step."""

    def __init__(
        self,
        training: Sequence[Example],
        validation: Sequence[Example],
        settings: Hyperparameters,
        base: str,
        parent: Model | None = None,
    ) -> None:
        self._settings = settings
        if parent is None:
            self.model = fresh(Vocabulary().with_examples(training), base, settings.seed)
        else:
            self.model = continued(parent, training, settings.seed)
        self._train = [self.model.task(example) for example in training]
        self._valid = [self.model.task(example) for example in validation]
        self._gradient = Gradient.of(self.model)
        self._output_sums = np.full_like(self.model.outputs, _INITIAL_SUM)
        self._slot_sums = np.full_like(self.model.slots, _INITIAL_SUM)
        # Larger batches have fewer and less noisy steps: the usual square-root rule.
        self._rate = settings.base_rate * settings.learning_rate_multiplier * settings.batch_size**0.5

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch. The last one may be smaller."""
        return -(-len(self._train) // self._settings.batch_size)

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self._settings.n_epochs

    def steps(self) -> Iterator[Step]:
        """Train, one step for each value. The caller may stop after any of them."""
        random = np.random.default_rng([self._settings.seed, 1])
        number = 0
        for _ in range(self._settings.n_epochs):
            order = random.permutation(len(self._train))
            for start in range(0, len(order), self._settings.batch_size):
                number += 1
                batch = order[start : start + self._settings.batch_size]
                train = self._learn([self._train[index] for index in batch])
                yield self._measured(number, train)

    def _measured(self, number: int, train: Score) -> Step:
        epoch_end = number % self.steps_per_epoch == 0
        valid = full = None
        if self._valid and (epoch_end or number % METRICS_EVERY == 0):
            valid = evaluate(self.model, self._valid_batch(number))
        if self._valid and epoch_end:
            full = evaluate(self.model, self._valid)
        return Step(number, epoch_end, train, valid, full)

    def _valid_batch(self, number: int) -> list[Task]:
        size = min(self._settings.batch_size, len(self._valid))
        start = (number // METRICS_EVERY) * size % len(self._valid)
        return (self._valid + self._valid)[start : start + size]

    def _learn(self, batch: list[Task]) -> Score:
        total = Score()
        gradient = self._gradient
        for task in batch:
            total.add(score(self.model, task, gradient))
        rows = np.unique(np.concatenate(gradient.rows))
        self._descend(self.model.outputs, gradient.outputs, self._output_sums, rows, len(batch))
        gradient.rows.clear()
        if gradient.places:
            places = np.unique(np.concatenate(gradient.places))
            self._descend(self.model.slots, gradient.slots, self._slot_sums, places, len(batch))
            gradient.places.clear()
        return total

    def _descend(self, weights: Floats, gradient: Floats, sums: Floats, places: Ints, count: int) -> None:
        slope = gradient[places] / count
        gradient[places] = 0.0
        sums[places] += slope * slope
        weights[places] -= self._rate * slope / np.sqrt(sums[places])


def evaluate(model: Model, tasks: Sequence[Task]) -> Score:
    total = Score()
    for task in tasks:
        total.add(score(model, task))
    return total
