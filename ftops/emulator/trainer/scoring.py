"""Loss, accuracy and gradient of the model on one example.

The loss is the cross-entropy summed over the reply's tokens, in nats. A token counts as right when
it is the model's own first choice given what comes before it; the choice of a word follows the
remembered text that is the most probable at that point.
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
        """Take in another example."""
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
    """Sums of gradients over a batch, dense, with the places that were touched."""

    outputs: Floats
    slots: Floats
    rows: list[Ints] = field(default_factory=list)
    places: list[Ints] = field(default_factory=list)

    @classmethod
    def of(cls, model: Model) -> Gradient:
        """Zeros in the shape of ``model``."""
        return cls(np.zeros_like(model.outputs), np.zeros_like(model.slots))

    def add_slots(self, places: Ints, values: Floats) -> None:
        """Add ``values`` at ``places``, which may repeat."""
        np.add.at(self.slots, places, values)
        self.places.append(places)


def score(model: Model, task: Task, gradient: Gradient | None = None) -> Score:
    """The score of one example; its gradient is added to ``gradient``."""
    result = Score(tokens=task.tokens)
    log_p = model.output_scores(task.vector, task.allowed)
    pull = _text(model, task, log_p, result) if task.output < 0 else _call(task, log_p, result)
    if gradient is not None:
        rows = task.vector.places
        push = np.exp(log_p) - pull
        gradient.outputs[np.ix_(rows, task.allowed)] += np.outer(task.vector.values, push)
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
    """Score the name token; the distribution that the gradient pulls towards."""
    known = np.flatnonzero(task.allowed == task.output)
    index = int(known[0]) if known.size else 0
    result.loss -= float(log_p[index]) - (0.0 if known.size else _OTHER)
    result.right += bool(known.size and log_p.argmax() == index)
    pull = np.zeros_like(log_p)
    pull[index] = 1.0
    return pull


def _text(model: Model, task: Task, log_p: Floats, result: Score) -> Floats:
    """Score the words; the distribution over outputs after having read them all."""
    said = task.words
    columns = np.append(0, np.searchsorted(task.allowed, model.text_outputs))
    texts = _cut(model.texts, len(said))
    frequency = model.frequency[said]
    likely = np.log((1.0 - SLIP) * (texts == said) + SLIP * frequency)
    likely = np.vstack([np.log(frequency), likely])
    prior = log_p[columns]
    after = prior[:, None] + likely.cumsum(axis=1)
    total = _log_sum(after[:, -1])
    result.loss -= total
    before = np.hstack([prior[:, None], after[:, :-1]])
    result.right += _right_words(model, texts, before, said, float(log_p.max()))
    pull = np.zeros_like(log_p)
    pull[columns] = np.exp(after[:, -1] - total)
    return pull


def _cut(texts: Ints, length: int) -> Ints:
    if texts.shape[1] >= length:
        return texts[:, :length]
    return np.pad(texts, ((0, 0), (0, length - texts.shape[1])), constant_values=-1)


def _right_words(model: Model, texts: Ints, before: Floats, said: Ints, best: float) -> int:
    common = np.full((1, len(said)), int(model.frequency.argmax()))
    guesses = np.vstack([common, texts])[before.argmax(axis=0), np.arange(len(said))]
    right = guesses == said
    right[0] &= bool(before[:, 0].max() >= best)
    return int(right.sum())


def _log_sum(values: Floats) -> float:
    top = float(values.max())
    return top + float(np.log(np.exp(values - top).sum()))


def _presence(model: Model, argument: ArgumentTask, result: Score, gradient: Gradient | None) -> bool:
    """Score a key; False when the end of the arguments comes late or early for it."""
    weight = float(model.slots[argument.presence].sum())
    signed = weight if argument.given else -weight
    result.loss += float(np.logaddexp(0.0, -signed))
    if argument.given:
        result.right += weight > 0
    if gradient is not None:
        push = float(np.exp(-np.logaddexp(0.0, signed)))
        push = -push if argument.given else push
        gradient.add_slots(argument.presence, np.full(len(argument.presence), push))
    return argument.given or weight <= 0


def _value(model: Model, picked: Choice, target: int, result: Score, gradient: Gradient | None) -> None:
    """Score a value among its candidates."""
    log_p = log_softmax(summed(model.slots, picked))
    p = np.exp(log_p)
    groups = np.bincount(picked.group, weights=p)
    other = target == len(picked.keys) - 1
    result.loss -= float(np.log(groups[target])) - (_OTHER if other else 0.0)
    result.right += bool(not other and groups.argmax() == target)
    if gradient is not None:
        push = p - p * (picked.group == target) / groups[target]
        gradient.add_slots(picked.features, push[picked.owner])
