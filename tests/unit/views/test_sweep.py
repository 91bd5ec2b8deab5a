"""Sweeps as a table, in terminals of several widths."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ftops.core.address import Address, Json
from ftops.session.sweep import Sweep, Trial
from ftops.views.folding import columns_of
from ftops.views.paint import PLAIN
from ftops.views.sweep import draw_sweep

RATES = (0.5, 1, 2)


def trial(key: str, rate: float, last: float, training: str = "dataset.mild") -> Trial:
    differs: dict[str, Json] = {"learning_rate_multiplier": rate, "n_epochs": 3, "training": training}
    return Trial(
        Address("job", "sweep", key), "succeeded", differs, last, last, 24, 0.77, 1755, 0.0039, None, 36
    )


def sweep(keys: str) -> Sweep:
    trials = tuple(trial(keys.format(rate), rate, 1 + rate) for rate in RATES)
    return Sweep(Address("job", "sweep", None), "full_valid_loss", False, "", trials, trials[0].address)


LONG = "learning_rate_multiplier={},n_epochs=3,training=mild"


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        (None, set()),
        (200, set()),
        (180, set()),
        (160, {"key"}),
        (100, {"key", "tokens", "cost", "checkpoint"}),
        (80, {"key", "tokens", "cost", "checkpoint"}),
        (64, {"key", "tokens", "cost", "checkpoint", "step", "accuracy"}),
    ],
)
def test_a_table_stays_one_without_the_keys_that_its_inputs_say(
    columns: int | None, missing: set[str]
) -> None:
    heading, *rows = draw_sweep(sweep(LONG), PLAIN, columns)
    words = {"key", "tokens", "cost", "checkpoint", "step", "accuracy", "training"}
    assert words - set(heading.split()) == missing
    assert all(f"{1 + rate:.4f}" in row for rate, row in zip(RATES, rows, strict=False))
    lines = [line for row in (heading, *rows[: len(RATES)]) for line in row.split("\n")]
    assert columns is None or max(map(columns_of, lines)) <= columns
    assert ("learning_rate_multiplier" in heading) == (columns not in (80, 64))
    first = 'The first is job.sweep["learning_rate_multiplier=0.5,n_epochs=3,training=mild"].'
    below = rows[len(RATES) :]
    names = (
        name
        for name in ("key", "at step", "accuracy", "tokens", "cost", "checkpoint")
        if name.split()[-1] in missing
    )
    note = f"Left out, for the width: {', '.join(names)}; `-o csv` has them."
    legend = ["best and last: full_valid_loss"] if columns and columns < 200 else []
    assert below == [note, first][: 2 * bool(missing)] + legend


@pytest.mark.parametrize("columns", [100, 80, 64])
@pytest.mark.parametrize(
    ("sort", "column"), [("cost", "cost"), ("trained_tokens", "tokens"), ("token_accuracy", "accuracy")]
)
def test_the_column_that_it_is_sorted_by_is_never_left_out(sort: str, column: str, columns: int) -> None:
    heading, *rows = draw_sweep(replace(sweep(LONG), sorted_by=sort), PLAIN, columns)
    assert column in heading.split()
    assert max(columns_of(line) for row in (heading, *rows[:3]) for line in row.split("\n")) <= columns
    assert not any(f" {column}" in row for row in rows if row.startswith("Left out"))
    assert any(row.startswith("Left out") for row in rows) == (columns != 64)  # where it becomes blocks


def test_other_keys_are_kept() -> None:
    """A row for each job becomes a block of lines if they don't fit."""
    lines = draw_sweep(sweep("the-rate-of-the-first-experiment-was-{}"), PLAIN, 70)
    assert [line.partition("\n")[0] for line in lines] == [
        f"key: the-rate-of-the-first-experiment-was-{rate}" for rate in RATES
    ]


def test_reasons_are_below_the_table_on_a_terminal() -> None:
    """Each once; in a pipe, in the rows."""
    whole = sweep(LONG)
    why = "stopped early: at step 8, valid_loss 1.3 was worse than the median of 4 other jobs, 0.9"
    first, *others = whole.trials
    stopped = replace(whole, trials=(first, *(replace(one, note=why) for one in others)))
    keys = "; ".join(str(one.address.key) for one in others)
    _, *rows, said = draw_sweep(stopped, PLAIN, 120)
    assert said == f"{why} ({keys})"
    assert [row.endswith(" stopped") for row in rows[: len(RATES)]] == [False, True, True]
    assert [why in row for row in draw_sweep(stopped, PLAIN)] == [False, False, True, True]


def test_a_block_has_the_name_of_its_first_cell_in_all_or_none() -> None:
    lines = draw_sweep(sweep("the-rate-of-the-first-experiment-was-{}-no-more"), PLAIN, 50)
    assert [line.partition("\n")[0] for line in lines] == [
        f"the-rate-of-the-first-experiment-was-{rate}-no-more" for rate in RATES
    ]
