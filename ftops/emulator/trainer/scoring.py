"""Scoring: loss, accuracy and gradient of the model for one example.

The loss is the cross-entropy summed over the tokens of the reply, in nats. A token is right if it is the
model's first choice after the tokens before it. For a word, that is the next word of the remembered text that
is the most probable at that point.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ftops.emulator.trainer.features import Floats, Ints
from ftops.emulator.trainer.model import OTHER_VALUES, SLIP, ArgumentTask, Model, Task, log_softmax
from ftops.emulator.trainer.slots import Choice, summed

_OTHER = float(np.log(OTHER_VALUES))


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

    @classmethod
    def of(cls, model: Model) -> Gradient:
        """Zeros with the shape of ``model``."""
        return cls(np.zeros_like(model.outputs), np.zeros_like(model.slots))

    def add_slots(self, places: Ints, values: Floats) -> None:
        """Add ``values`` at ``places``, which may have duplicates."""
        np.add.at(self.slots, places, values)
        self.places.append(places)


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
