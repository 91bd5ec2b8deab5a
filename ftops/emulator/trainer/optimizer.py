"""Optimizer: minibatch gradient descent (Adagrad) on the cross-entropy of replies.

The loss is summed over the tokens of a reply, in nats. A token is right if it is the model's first choice
after the tokens before it. For a word, that is the next word of the remembered text that is the most probable
at that point.

All metrics are measured. They are the same bit for bit for the same data, settings and seed. There is no
regularization, so that many epochs overfit, as they would in the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ftops.emulator.trainer.examples import Example
from ftops.emulator.trainer.features import Choice, Floats, Ints, summed
from ftops.emulator.trainer.model import (
    OTHER_VALUES,
    SLIP,
    ArgumentTask,
    Model,
    Task,
    Vocabulary,
    continued,
    fresh,
    log_softmax,
)  # fmt: skip

METRICS_EVERY = 10
AUTO_EPOCHS = 3
AUTO_BATCH_SHARE = 0.002
MAX_AUTO_BATCH = 256
_INITIAL_SUM = 0.05  # of Adagrad
_OTHER = float(np.log(OTHER_VALUES))


class Hyperparameters(NamedTuple):
    """``base_rate`` is the step size for a multiplier of 1 and a batch size of 1."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    base_rate: float
    seed: int


@dataclass(slots=True)
class Score:
    """Sums over tokens."""

    loss: float = 0.0
    right: int = 0
    tokens: int = 0

    def add(self, other: Score) -> None:
        self.loss += other.loss
        self.right += other.right
        self.tokens += other.tokens

    @property
    def mean_loss(self) -> float:
        """Nats per token."""
        return self.loss / max(self.tokens, 1)

    @property
    def accuracy(self) -> float:
        """The share of tokens that are right."""
        return self.right / max(self.tokens, 1)


@dataclass(slots=True)
class Gradient:
    """Sums of gradients over a batch, as dense arrays, and the rows and places that aren't zero."""

    outputs: Floats
    slots: Floats
    rows: list[Ints] = field(default_factory=list)
    places: list[Ints] = field(default_factory=list)

    def add_slots(self, places: Ints, values: Floats) -> None:
        """Add ``values`` at ``places``, which may have duplicates."""
        np.add.at(self.slots, places, values)
        self.places.append(places)


class Descent:
    """Steps of Adagrad along the gradient of a batch."""

    def __init__(self, model: Model, rate: float) -> None:
        self._model, self._rate = model, rate
        self.gradient = Gradient(np.zeros_like(model.outputs), np.zeros_like(model.slots))
        self._output_sums = np.full_like(model.outputs, _INITIAL_SUM)
        self._slot_sums = np.full_like(model.slots, _INITIAL_SUM)

    def step(self, count: int) -> None:
        """One step along the mean over ``count`` examples. The gradient is zero again afterwards."""
        gradient = self.gradient
        rows = np.unique(np.concatenate(gradient.rows))
        self._descend(self._model.outputs, gradient.outputs, self._output_sums, rows, count)
        gradient.rows.clear()
        if gradient.places:
            places = np.unique(np.concatenate(gradient.places))
            self._descend(self._model.slots, gradient.slots, self._slot_sums, places, count)
            gradient.places.clear()

    def _descend(self, weights: Floats, gradient: Floats, sums: Floats, places: Ints, count: int) -> None:
        slope = gradient[places] / count
        gradient[places] = 0.0
        sums[places] += slope * slope
        weights[places] -= self._rate * slope / np.sqrt(sums[places])


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
        self.settings = settings
        if parent is None:
            self.model = fresh(Vocabulary().with_examples(training), base, settings.seed)
        else:
            self.model = continued(parent, training, settings.seed)
        self._train = [self.model.task(example) for example in training]
        self._valid = [self.model.task(example) for example in validation]
        # Larger batches have fewer and less noisy steps: the usual square-root rule.
        rate = settings.base_rate * settings.learning_rate_multiplier * settings.batch_size**0.5
        self._descent = Descent(self.model, rate)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch. The last one may be smaller."""
        return -(-len(self._train) // self.settings.batch_size)

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.settings.n_epochs

    def steps(self) -> Iterator[Step]:
        """Train, one step for each value. The caller may stop after any of them."""
        random = np.random.default_rng([self.settings.seed, 1])
        number = 0
        for _ in range(self.settings.n_epochs):
            order = random.permutation(len(self._train))
            for start in range(0, len(order), self.settings.batch_size):
                number += 1
                batch = order[start : start + self.settings.batch_size]
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
        size = min(self.settings.batch_size, len(self._valid))
        start = (number // METRICS_EVERY) * size % len(self._valid)
        return (self._valid + self._valid)[start : start + size]

    def _learn(self, batch: list[Task]) -> Score:
        total = Score()
        for task in batch:
            total.add(score(self.model, task, self._descent.gradient))
        self._descent.step(len(batch))
        return total


def evaluate(model: Model, tasks: Sequence[Task]) -> Score:
    total = Score()
    for task in tasks:
        total.add(score(model, task))
    return total


def score(model: Model, task: Task, gradient: Gradient | None = None) -> Score:
    """The score of an example. Its gradient is added to ``gradient``."""
    result = Score(tokens=task.tokens)
    log_p = model.output_scores(task.vector, task.allowed)
    target = _text(model, task, log_p, result) if task.output < 0 else _call(task, log_p, result)
    if gradient is not None:
        rows = task.vector.places
        slope = np.exp(log_p) - target
        gradient.outputs[np.ix_(rows, task.allowed)] += np.outer(task.vector.values, slope)
        gradient.rows.append(rows)
    unended = set()
    for argument in task.arguments:
        if not _presence(model, argument, result, gradient):
            unended.add(argument.call)
        if argument.picked is not None:
            _value(model, argument.picked, argument.target, result, gradient)
    result.right += task.calls - len(unended)
    return result


def _call(task: Task, log_p: Floats, result: Score) -> Floats:
    """Score the name token. Returns the target distribution over outputs."""
    known = np.flatnonzero(task.allowed == task.output)
    index = int(known[0]) if known.size else 0
    result.loss -= float(log_p[index]) - (0.0 if known.size else _OTHER)
    result.right += bool(known.size and log_p.argmax() == index)
    target = np.zeros_like(log_p)
    target[index] = 1.0
    return target


def _text(model: Model, task: Task, log_p: Floats, result: Score) -> Floats:
    """Score the words. Returns the distribution over outputs given all of them."""
    words = task.words
    columns = np.append(0, np.searchsorted(task.allowed, model.text_outputs))
    padding = max(len(words) - model.texts.shape[1], 0)
    texts = np.pad(model.texts, ((0, 0), (0, padding)), constant_values=-1)[:, : len(words)]
    frequency = model.frequency[words]
    likely = np.log((1.0 - SLIP) * (texts == words) + SLIP * frequency)
    likely = np.vstack([np.log(frequency), likely])
    prior = log_p[columns]
    after = prior[:, None] + likely.cumsum(axis=1)
    total = float(np.logaddexp.reduce(after[:, -1]))
    result.loss -= total
    before = np.hstack([prior[:, None], after[:, :-1]])
    most_common = np.full((1, len(words)), int(model.frequency.argmax()))
    guesses = np.vstack([most_common, texts])[before.argmax(axis=0), np.arange(len(words))]
    right = guesses == words
    right[0] &= bool(before[:, 0].max() >= float(log_p.max()))
    result.right += int(right.sum())
    target = np.zeros_like(log_p)
    target[columns] = np.exp(after[:, -1] - total)
    return target


def _presence(model: Model, argument: ArgumentTask, result: Score, gradient: Gradient | None) -> bool:
    """Score a key. False if the model would give an argument too many or too few."""
    weight = float(model.slots[argument.presence].sum())
    signed = weight if argument.given else -weight
    result.loss += float(np.logaddexp(0.0, -signed))
    if argument.given:
        result.right += weight > 0
    if gradient is not None:
        slope = float(np.exp(-np.logaddexp(0.0, signed)))
        slope = -slope if argument.given else slope
        gradient.add_slots(argument.presence, np.full(len(argument.presence), slope))
    return argument.given or weight <= 0


def _value(model: Model, picked: Choice, target: int, result: Score, gradient: Gradient | None) -> None:
    """Score a value among its candidates."""
    log_p = log_softmax(summed(model.slots, picked))
    p = np.exp(log_p)
    groups = np.bincount(picked.group, weights=p)
    is_other = target == len(picked.keys) - 1
    result.loss -= float(np.log(groups[target])) - (_OTHER if is_other else 0.0)
    result.right += bool(not is_other and groups.argmax() == target)
    if gradient is not None:
        slope = p - p * (picked.group == target) / groups[target]
        gradient.add_slots(picked.features, slope[picked.owner])
