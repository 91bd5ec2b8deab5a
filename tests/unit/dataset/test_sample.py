"""Samples: the same examples on every machine, for any order of lines."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ftops.dataset.transforms.parts import sample

EXAMPLES: list[dict[str, Any]] = [
    {
        "messages": [
            {"role": "user", "content": f"question {n // 2}"},
            {"role": "assistant", "content": f"{n}"},
        ]
    }
    for n in range(60)
]


@pytest.mark.parametrize("count", (1, 13, 60, 100))
def test_a_sample_does_not_depend_on_the_order_and_keeps_it(count: int) -> None:
    chosen = list(sample(lambda: EXAMPLES, count))
    assert len(chosen) == min(count, 60)
    assert chosen == [example for example in EXAMPLES if example in chosen]
    shuffled = random.Random(count).sample(EXAMPLES, len(EXAMPLES))
    again = list(sample(lambda: shuffled, count))
    assert again == [example for example in shuffled if example in chosen]


def test_a_smaller_sample_is_part_of_a_larger_one() -> None:
    small, large = list(sample(lambda: EXAMPLES, 7)), list(sample(lambda: EXAMPLES, 20))
    assert all(example in large for example in small)


def test_a_sample_is_not_the_beginning_of_the_file() -> None:
    assert list(sample(lambda: EXAMPLES, 10)) != EXAMPLES[:10]


def test_equal_examples_count_each() -> None:
    same = [EXAMPLES[0]] * 5
    assert list(sample(lambda: same, 3)) == same[:3]
