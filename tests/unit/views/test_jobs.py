"""The table of running jobs: at 80 columns, with text of a service, and what is expected."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ftops.core.address import Address
from ftops.providers.base import Progress
from ftops.providers.training_run import JobEvent, TrainingRun
from ftops.session.training import Expected, Training
from ftops.state.state import Status
from ftops.views.jobs import draw_event, draw_jobs, standing
from ftops.views.paint import PLAIN
from ftops.views.training_metrics import known


def training(
    key: str,
    expected: Expected | None = None,
    status: str = "running",
    state: Status = Status.PENDING,
) -> Training:
    metrics = {"train_loss": 0.087, "valid_loss": 0.116, "train_mean_token_accuracy": 0.9, "step": 64.0}
    event = JobEvent("e1", "2026-11-30T10:00:00Z", "info", "Step 64", Progress("", None, metrics), 64)
    run = TrainingRun("ftjob-1", status, state, events=(event,), tokens=1_234_567)
    return Training(Address("job", "a-rather-long-name", key), run, 96, 724.0, 400.0, expected)


def test_a_table_fits_and_keeps_step_and_validation_loss() -> None:
    rows = [training(key, Expected(300, 420, "pace")) for key in ("fr", "de")]
    narrow, wide = draw_jobs(rows, PLAIN, 80), draw_jobs(rows, PLAIN)
    assert max(map(len, narrow[:-1])) <= 80 < max(map(len, wide))
    assert ("64/96" in narrow[1], "0.116" in narrow[1]) == (True, True)
    assert "64 of 96" in wide[1]
    assert "5m00s to 7m00s" in wide[1]


def test_a_row_of_a_long_address_is_one_line() -> None:
    rows = [training(f"rate=0.{number},n_epochs=3,b=1") for number in range(4)]
    _, *drawn, first, note = draw_jobs(rows, PLAIN, 80)
    assert first == f"The first is {rows[0].address}."
    assert note.startswith("Left out, for the width: ") and note.endswith("`ftops jobs ADDRESS` has them.")
    assert all("\n" not in row and " 64/96 " in row for row in drawn)


def test_jobs_in_progress_come_first_and_the_rest_is_counted() -> None:
    ended = [training(f"e{number}", status="succeeded", state=Status.READY) for number in range(9)]
    lines = draw_jobs([*ended, training("fr")], PLAIN, 80, 10)
    assert ['["fr"]' in lines[1], lines[5]] == [True, "… and 6 more"]


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (None, "loss 0.087, valid loss (batch) 0.116"),
        (Expected(300, 420, "pace"), "5m00s to 7m00s to expect"),
        (Expected(60, 60, "pace"), "1m00s to expect"),
        (Expected(0, 60, "recorded"), "up to 1m00s to expect"),
        (Expected(0, 0, "pace"), "any moment to expect"),
        (Expected(0, 0, "recorded"), "longer than usual to expect"),
    ],
)
def test_where_a_job_stands(expected: Expected | None, text: str) -> None:
    said = standing(training("fr", expected))
    assert said.startswith("running, step 64 of 96, ")
    assert said.endswith(text)


def test_it_is_said_why_the_number_of_steps_is_not_known() -> None:
    chosen = replace(training("fr"), steps=None, unknown=("batch_size",))
    assert standing(chosen).startswith("running, step 64, ")
    (line,) = (line for line in draw_jobs([chosen], PLAIN) if line.startswith("  step "))
    assert line.split()[1] == "64;" and line.endswith("known at the end: the service chooses batch_size")


@pytest.mark.parametrize(
    ("metrics", "shown"),
    [
        ({"valid_loss": 4.0, "full_valid_loss": 1.2}, {"valid loss": 1.2}),
        ({"valid_loss": 4.0}, {"valid loss (batch)": 4.0}),
        # the service writes -1 for a loss that it doesn't have
        ({"valid_loss": 4.0, "full_valid_loss": -1.0}, {"valid loss (batch)": 4.0}),
        (
            {"valid_mean_reward": 0.2, "full_valid_mean_reward": 0.0, "train_mean_reward": 0.5},
            {"reward": 0.5, "valid reward": 0.0},
        ),
    ],
)
def test_what_is_measured_on_all_validation_data_counts_more(
    metrics: dict[str, float], shown: dict[str, float]
) -> None:
    assert known(metrics) == shown


def test_text_of_a_service_cannot_change_the_screen() -> None:
    event = JobEvent("e1", "", "warn", "\x1b[2Jgone", Progress("\x1b[2Jgone"))
    assert draw_event(event, PLAIN) == "-  warn: \\x1b[2Jgone"
    assert "\x1b" not in "".join(draw_jobs([training("fr", status="\x1b[2J")], PLAIN))
