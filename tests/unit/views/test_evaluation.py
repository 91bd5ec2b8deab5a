"""The tables of an evaluation in terminals of different widths."""

from __future__ import annotations

import pytest

from ftops.views.evaluation import draw
from ftops.views.paint import PLAIN
from tests.unit.views.test_promptfoo import evaluated


@pytest.mark.parametrize(
    ("columns", "titles", "share", "said"),
    [
        (200, "prompts tuned base gained lost difference p verdict", "1 of 2  50 %", "bootstrap"),
        (100, "prompts model baseline gained lost difference p verdict", " 50 %, 1", "model: tuned; "),
        (80, "prompts model baseline difference verdict", " 50 %, 1", "Left out, for the width: gained, "),
    ],
)  # fmt: skip
def test_a_row_of_an_evaluation_is_a_line(columns: int, titles: str, share: str, said: str) -> None:
    text = draw(evaluated(), PLAIN, columns=columns)
    heading, row, *_ = text.splitlines()
    assert (heading.split()[1:], share in row) == (titles.split(), True), text
    assert said in text
