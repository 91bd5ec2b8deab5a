"""Curves and verdicts: what each shape of a curve is called, and what a terminal shows of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.providers.training_curves import curves_of, panels, verdict_of
from ftops.providers.training_results import Results, checkpoint_word
from ftops.views.curves import draw_curves
from ftops.views.paint import PLAIN, Painter
from tests.golden.cli import golden


def results(**columns: Sequence[float | None]) -> Results:
    """Rows of these columns, one for each step."""
    count = max(map(len, columns.values()))
    rows: tuple[dict[str, float | str], ...] = tuple(
        {"step": n + 1, **{name: v for name, values in columns.items() if (v := values[n]) is not None}}
        for n in range(count)
    )
    return Results("file-1", "", ("step", *columns), rows)


FALLING = [4.0, 3.0, 2.0, 1.5, 1.0, 0.8]
OVERFIT = [4.0, 2.0, 1.0, 1.2, 1.4, 1.6]
REWARDS = [0.1, 0.2, 0.4, 0.6, 0.7, 0.8]


@pytest.mark.parametrize(
    ("columns", "kind", "text"),
    [
        ({"train_loss": FALLING, "full_valid_loss": FALLING}, "falling", "fell by 46.7% over the last 2"),
        (
            {"train_loss": FALLING, "full_valid_loss": OVERFIT},
            "overfitting",
            "overfitting since step 3: full_valid_loss rose by 60.0% over 3 evaluations",
        ),
        ({"train_loss": OVERFIT, "full_valid_loss": OVERFIT}, "worse", "getting worse since step 3"),
        ({"train_loss": FALLING, "full_valid_loss": [1.0] * 6}, "flat", "changed by 0.0%"),
        ({"full_valid_loss": [2.0, 1.0, 1.0, 1.0, 1.0, 1.05]}, "overfitting", "since step 2"),
        ({"full_valid_loss": [4.0, 3.0, 2.0, 1.0, 0.5, 1.05]}, "unclear", "got worse by 5.0%"),
        (
            {"train_loss": FALLING},
            "falling",
            "last 2 values of train_loss, 0.9, is 48.6% below that of the 2 before",
        ),
        ({"train_loss": OVERFIT}, "unclear", "train_loss, 1.5, is 36.4% above that of the 2 before"),
        ({"train_mean_reward": REWARDS}, "rising", "0.75, is 50.0% above that of the 2 before"),
        ({"train_loss": FALLING[:4]}, "falling", "train_loss fell by 50.0% over the last 2 values"),
        ({"valid_loss": [1.0, 0.5]}, "unclear", "only 2 values"),
        ({"train_mean_reward": REWARDS, "full_valid_mean_reward": REWARDS}, "rising", "rose by 33.3%"),
        (
            {"train_mean_reward": REWARDS, "full_valid_mean_reward": REWARDS[::-1]},
            "overfitting",
            "since step 1: full_valid_mean_reward fell by 87.5% over 5 evaluations",
        ),
        # the service writes -1 for a loss that it doesn't have
        ({"train_loss": FALLING, "full_valid_loss": [-1.0] * 6}, "falling", "train_loss, 0.9"),
        # one evaluation on all data: those on batches are judged, as means
        (
            {"valid_loss": FALLING, "full_valid_loss": [None, None, None, None, None, 3.0]},
            "falling",
            "valid_loss",
        ),
        # two on all data are judged, whatever the batches say
        (
            {
                "valid_loss": [2.2, 0.12, 4.62, 0.25, 0.21],
                "full_valid_loss": [None, None, 0.9619, None, 0.1001],
            },
            "falling",
            "full_valid_loss fell by 89.6% since the evaluation before",
        ),
        (
            {"valid_loss": FALLING, "full_valid_loss": [None, None, 2.0, None, None, 3.0]},
            "unclear",
            "full_valid_loss got worse by 50.0% since the evaluation before",
        ),
        (
            {"valid_loss": [2.2, 0.12, 4.62, 0.25, 0.21]},
            "unclear",
            "because of noise: valid_loss (mean of 3) changed by 26.8%",
        ),
        ({"valid_loss": [1.0, 9.0, 1.0, 9.0, 1.0, 9.0, 2.0, 12.0]}, "unclear", "noise: valid_loss"),
        # the last batches of training are worse than that at two thirds: neither is more than a batch
        (
            {"train_loss": [0.3, 0.4, 0.35, 0.3, 0.4, 0.2, 0.3, 0.06, 0.2, 0.1, 0.05, 0.14]},
            "falling",
            "a validation dataset shows whether more epochs help",
        ),
        ({"train_loss": [0.3, 0.1, 0.3, 0.1, 0.3, 0.1, 0.3, 0.1, 0.3, 0.1, 0.4, 0.1]}, "unclear", "noise"),
        ({"valid_loss": FALLING[:4]}, "unclear", "only 4 values of valid_loss"),
        (
            {"valid_loss": [3.0, 2.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0]},
            "overfitting",
            "valid_loss rose by 200.0%",
        ),
    ],
)
def test_the_verdict(columns: dict[str, list[float]], kind: str, text: str) -> None:
    verdict = verdict_of(curves_of(results(**columns)))
    assert verdict is not None
    assert (verdict.kind, text in verdict.text) == (kind, True), verdict.text
    assert verdict.column in verdict.rule or kind == "unclear"


def test_the_best_checkpoint_at_the_end_is_no_overfitting() -> None:
    curves = curves_of(results(valid_loss=[3.0, 2.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0]))
    kinds = [(found := verdict_of(curves, best)) and found.kind for best in (None, 5, 8)]
    assert kinds == ["overfitting", "overfitting", "unclear"]


LOSSES = st.lists(st.floats(0.001, 10), min_size=2, max_size=30)


@given(LOSSES, LOSSES, LOSSES)
def test_a_falling_loss_on_all_data_is_no_overfitting(
    full: list[float], valid: list[float], train: list[float]
) -> None:
    falling = sorted(full, reverse=True)
    count = max(len(falling), len(valid), len(train))
    padded = {
        name: [*values, *[None] * (count - len(values))]
        for name, values in (("full_valid_loss", falling), ("valid_loss", valid), ("train_loss", train))
    }
    verdict = verdict_of(curves_of(results(**padded)))
    assert verdict is not None
    assert verdict.kind in ("falling", "flat") and verdict.column == "full_valid_loss"


@given(LOSSES)
def test_no_overfitting_if_the_best_checkpoint_is_the_last(valid: list[float]) -> None:
    verdict = verdict_of(curves_of(results(valid_loss=valid)), len(valid))
    assert verdict is not None and verdict.kind not in ("overfitting", "worse")


def test_a_rule_says_what_is_smoothed_and_what_training_data_say() -> None:
    noisy = verdict_of(curves_of(results(train_loss=FALLING, valid_loss=FALLING)))
    assert noisy is not None
    assert "the mean of 3" in noisy.rule
    trained = verdict_of(curves_of(results(train_loss=FALLING)))
    assert trained is not None
    assert "says nothing of overfitting" in trained.rule


def test_each_quantity_has_a_chart_of_its_own() -> None:
    """Whatever a method measures: rewards, margins of preferences; but no counts of errors."""
    found = results(
        train_other_error_count=[0.0, 1.0],
        train_rewards_margins=[0.1, 0.2],
        train_mean_token_accuracy=[0.5, 0.6],
        valid_rewards_margins=[0.1, 0.3],
        train_loss=[1.0, 0.5],
    )
    shown = [[curve.column for curve in panel] for panel in panels(curves_of(found))]
    assert shown == [
        ["train_loss"],
        ["train_mean_token_accuracy"],
        ["train_rewards_margins", "valid_rewards_margins"],
    ]
    assert verdict_of(curves_of(results(train_other_error_count=[1.0]))) is None


@pytest.mark.parametrize("is_braille", [True, False], ids=["braille", "ascii"])
def test_the_charts(is_braille: bool) -> None:
    train = [2.0 * 0.93**n + 0.1 * (n % 3) for n in range(60)]
    valid = [(2.0 * 0.9**n + n / 60 if n % 12 == 11 else None) for n in range(60)]
    found = curves_of(results(train_loss=train, full_valid_loss=valid))
    lines = draw_curves(found, 24, 80, is_braille, PLAIN)
    assert max(map(len, lines)) <= 80
    assert sum(line.count("*") for line in lines) == 2, "in the chart and in its legend"
    golden(f"curves-{'braille' if is_braille else 'ascii'}", "\n".join(line.rstrip() for line in lines))
    assert "\x1b[" in "".join(draw_curves(found, 24, 80, is_braille, Painter(True)))


@pytest.mark.parametrize(
    ("metrics", "word"),
    [
        ({"train_loss": 0.1}, "final"),
        ({"train_loss": 0.1, "full_valid_loss": -1.0}, "final"),
        ({"full_valid_loss": 0.4}, "best"),
        ({"train_mean_reward": 0.9}, "best"),
    ],
)
def test_a_checkpoint_is_the_best_only_by_a_metric(metrics: dict[str, float], word: str) -> None:
    found = curves_of(results(train_loss=FALLING))
    assert checkpoint_word(metrics) == word
    assert f"*: {word} (step 6)" in "".join(draw_curves(found, 6, 80, True, PLAIN, checkpoint_word(metrics)))


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0, 1.0], [1e-9, 1e9]])
@pytest.mark.parametrize("width", [0, 20, 80, 1000])
def test_odd_curves_are_drawn(values: list[float], width: int) -> None:
    lines = draw_curves(curves_of(results(train_loss=values)), None, width, True, PLAIN)
    assert len(lines) == 11
    assert max(map(len, lines)) <= 100 or not width
