"""Comparisons of texts: ``string_check`` and ``text_similarity``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from ftops.emulator.grading.outcome import Ungraded

OPERATIONS: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda given, reference: given == reference,
    "ne": lambda given, reference: given != reference,
    "like": lambda given, reference: reference in given,
    "ilike": lambda given, reference: reference.lower() in given.lower(),
}
METRICS = ("fuzzy_match", "bleu", "gleu", "meteor", *(f"rouge_{n}" for n in range(1, 6)), "rouge_l")
NOT_COMPUTED = ("bleu", "gleu", "meteor")
_MAX_TEXT = 20_000


def similarity(metric: str, given: str, reference: str) -> float:
    """From 0 to 1. Raises Ungraded."""
    if max(len(given), len(reference)) > _MAX_TEXT:
        raise Ungraded("other_error", f"A text has more than {_MAX_TEXT} characters.")
    if metric == "fuzzy_match":
        return _f1(_common(given, reference), len(given), len(reference))
    words = (given.lower().split(), reference.lower().split())
    if metric == "rouge_l":
        return _f1(_common(*words), *map(len, words))
    if metric in NOT_COMPUTED:
        raise Ungraded("other_error", f"The emulator doesn't compute {metric}.")
    grams = [Counter(zip(*(text[i:] for i in range(int(metric[-1]))))) for text in words]  # noqa: B905
    return _f1((grams[0] & grams[1]).total(), grams[0].total(), grams[1].total())


def _f1(common: int, first: int, second: int) -> float:
    return 2 * common / (first + second) if first + second else 1.0


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence, a bit for each item of the second (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for position, item in enumerate(second):
        places[item] = places.get(item, 0) | 1 << position
    row = every = (1 << len(second)) - 1
    for item in first:
        there = row & places.get(item, 0)
        row = (row + there | row - there) & every
    return len(second) - row.bit_count()
