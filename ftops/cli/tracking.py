"""Experiment trackers at the command line: `ftops results --to`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import click

from ftops.cli.console import Screen
from ftops.cli.output_options import Command, decorate
from ftops.core.address import Address
from ftops.session.session import Session
from ftops.trackers.tracked_run import Destination
from ftops.trackers.tracker_types import TRACKER_TYPES, check_installed, log_runs

_OPTIONS: Sequence[Callable[[Command], Command]] = (
    click.option(
        "--to",
        type=click.Choice(list(TRACKER_TYPES)),
        help="Log the jobs to MLflow or Weights & Biases instead: parameters, curves, scores.",
    ),
    click.option(
        "--tracking-uri", metavar="URI", help="With --to mlflow: where it is (default: MLFLOW_TRACKING_URI)."
    ),
    click.option(
        "--experiment",
        metavar="NAME",
        help="With --to mlflow (default: MLFLOW_EXPERIMENT_NAME, or the spec).",
    ),
    click.option("--project", metavar="NAME", help="With --to wandb (default: WANDB_PROJECT, or the spec)."),
    click.option("--entity", metavar="NAME", help="With --to wandb: team or user (default: WANDB_ENTITY)."),
)


def tracking_options(function: Command) -> Command:
    """--to and the options of trackers."""
    return decorate(function, _OPTIONS)


def check_tracking(tracker: str | None, options: Mapping[str, str | None]) -> None:
    """Raises UsageError for an option that the tracker doesn't take, FtopsError if it isn't installed."""
    given = [name for name, value in options.items() if value]
    if tracker is None:
        if given:
            raise click.UsageError(f"{given[0]} goes with --to")
        return
    row = TRACKER_TYPES[tracker]
    wrong = [name for name in given if name not in row.options]
    if wrong:
        raise click.UsageError(
            f"{wrong[0]} has no effect with --to {tracker}: use {' or '.join(row.options)}"
        )
    check_installed(row)


def log_results(
    screen: Screen,
    session: Session,
    addresses: Sequence[Address],
    tracker: str,
    options: Mapping[str, str | None],
) -> int:
    """Logs the jobs at these addresses, and shows where they are."""
    from ftops.session.tracking import tracked_runs
    from ftops.views.tracking import draw_logged, logged_to_json

    row = TRACKER_TYPES[tracker]
    runs, left_out = tracked_runs(session, addresses)
    to = Destination(
        options["--tracking-uri"] or "",
        options["--experiment"] or options["--project"] or "",
        options["--entity"] or "",
    )
    logged = log_runs(row, runs, to, screen.counter(f"Logging to {row.title}: run"))
    return screen.result(
        lambda: logged_to_json(logged, tracker, left_out),
        lambda: draw_logged(logged, row.title, screen.paint, screen.width, left_out),
    )
