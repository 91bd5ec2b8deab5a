"""Probabilities of the words of a text, given the context and the words before.

They are those of the loss (see ``model``): a mixture over the remembered texts, whose weights change with
every word. If functions are offered, the first word shares its probability with calls.
"""

from __future__ import annotations

import numpy as np

from ftops.emulator.trainer.examples import Context, Example, Reply
from ftops.emulator.trainer.features import Floats, Ints
from ftops.emulator.trainer.model import SLIP, Model
from ftops.emulator.trainer.tokens import Token, pieces


def of_text(model: Model, context: Context, text: str, count: int) -> list[Token]:
    """Of a text; ``count`` others at each place."""
    task = model.task(Example(context, Reply(text)))
    columns = np.searchsorted(task.allowed, model.text_outputs)
    scores = model.output_scores(task.vector, task.allowed)
    prior = scores[np.append(0, columns)]
    spelled = _Spelling(model)
    tokens, weights = [], np.exp(prior)
    for index, (piece, word) in enumerate(zip(pieces(text), task.words, strict=False)):
        place = model.texts[:, index] if index < model.texts.shape[1] else np.full(len(columns), -1)
        p = _words(model, weights, place)
        log_p = np.log(p)
        tokens.append(Token(piece, float(log_p[word]), spelled.likeliest(log_p, place, index, count)))
        weights = _after(model, weights, place, int(word))
    return tokens


def _words(model: Model, weights: Floats, place: Ints) -> Floats:
    """The probability of every word at a place: the first weight is of unknown texts, the others are of the
    remembered ones, which have the words ``place`` there."""
    known = weights[1:]
    p: Floats = model.frequency * (weights[0] + SLIP * known.sum())
    np.add.at(p, np.maximum(place, 0), (1.0 - SLIP) * known * (place >= 0))
    return p


def _after(model: Model, weights: Floats, place: Ints, word: int) -> Floats:
    """The weights once a word is known; they add up to 1."""
    likely = np.append(0.0, (1.0 - SLIP) * (place == word)) + SLIP * model.frequency[word]
    likely[0] = model.frequency[word]
    after = weights * likely
    normal: Floats = after / after.sum()
    return normal


class _Spelling:
    """How words are written at a place: with the space before them that a remembered text has there."""

    def __init__(self, model: Model) -> None:
        self._texts = [pieces(model.vocabulary.outputs[column][1:]) for column in model.text_outputs]
        self._words = ["", *model.vocabulary.counts]

    def likeliest(self, log_p: Floats, place: Ints, index: int, count: int) -> tuple[tuple[str, float], ...]:
        best = np.argsort(-log_p, kind="stable")[: count + 1]
        rows = [(self._spelled(int(word), place, index), float(log_p[word])) for word in best if word]
        return tuple(rows[:count])

    def _spelled(self, word: int, place: Ints, index: int) -> str:
        known = np.flatnonzero(place == word)
        text = self._texts[known[0]] if known.size else []
        return text[index] if index < len(text) else self._words[word]
