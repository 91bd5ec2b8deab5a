"""Tracker types: one row for each experiment tracker, with all that other modules ask of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import cast

from msgspec import Struct

from ftops.core.errors import FtopsError
from ftops.core.installation import install_extra
from ftops.core.lazy import resolve
from ftops.trackers.tracked_run import Destination, Logged, OnProgress, TrackedRun


class TrackerType(Struct, frozen=True):
    """`library` is the module that it needs, which the extra with the tracker's name installs; `log` the
    function that logs, as `module:object`; `options` are those of the command line that it takes."""

    name: str
    title: str
    library: str
    log: str
    options: tuple[str, ...]

    @property
    def install(self) -> str:
        """What to do if the library is missing."""
        return f"run `{install_extra(self.name)}`"


TRACKER_TYPES: Mapping[str, TrackerType] = {
    row.name: row
    for row in (
        TrackerType(
            "mlflow", "MLflow", "mlflow", "ftops.trackers.to_mlflow:log", ("--tracking-uri", "--experiment")
        ),
        TrackerType(
            "wandb", "Weights & Biases", "wandb", "ftops.trackers.to_wandb:log", ("--project", "--entity")
        ),
    )
}


def check_installed(tracker: TrackerType) -> None:
    """Raises FtopsError if its library is missing. Imports nothing."""
    if find_spec(tracker.library) is None:
        raise FtopsError(
            f"{tracker.title} isn't installed", f"there is no module {tracker.library}.", tracker.install
        )


def log_runs(
    tracker: TrackerType, runs: Sequence[TrackedRun], to: Destination, on_progress: OnProgress
) -> Logged:
    """Creates or updates a run for each of these, all of one spec. Raises FtopsError."""
    try:
        return cast(Logged, resolve(tracker.log)(runs, to, on_progress))
    except ImportError as error:
        is_own = error.name in (None, tracker.library)
        driver = "" if is_own else f"; if {error.name} is the driver of a database, install that"
        hint = f"{tracker.install}{driver}"
        raise FtopsError(f"{tracker.title} can't be imported", f"{error}.", hint) from error
