"""Tracked run: a training as experiment trackers take it, and what became of it there. Values only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from msgspec import Struct
from msgspec.json import Encoder

from ftops.core.plurals import agree
from ftops.core.suggestions import some

RUNNING, FINISHED, FAILED, KILLED = "running", "finished", "failed", "killed"
"""What a run is."""
CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"
"""What became of it in a tracker."""
_canonical = Encoder(order="deterministic").encode


class Point(Struct, frozen=True):
    """The metrics of one step. All are finite."""

    step: int
    metrics: Mapping[str, float]


class TrackedRun(Struct, frozen=True):
    """A job. `metrics` are those without a step; `notes` say what is left out. Times are UTC, ISO 8601, empty
    if they aren't known. What isn't known yet is left out of `parameters`, which never change."""

    job: str
    """The ID of the job at its service, by which its run is found again."""
    name: str
    project: str
    """The spec: the experiment or project, if none is named."""
    sweep: str = ""
    """The address of the sweep that it is part of, without a key."""
    owner: str = ""
    """The lineage of the state: with it, the address of a sweep is unique."""
    status: str = FINISHED
    started_at: str = ""
    ended_at: str = ""
    parameters: Mapping[str, str | int | float | bool] = {}
    tags: Mapping[str, str] = {}
    points: tuple[Point, ...] = ()
    metrics: Mapping[str, float] = {}
    checkpoints: Mapping[str, str] = {}
    """Models by step."""
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The ID of the job, without characters that mean something in a query or a path."""
        return re.sub(r"[^A-Za-z0-9._-]", "_", self.job)

    @property
    def digest(self) -> str:
        """Of everything that is logged."""
        return sha256(_canonical(self)).hexdigest()


class Destination(Struct, frozen=True):
    """Where to log, as far as it was said. For the rest, the library has its own variables and defaults."""

    tracking_uri: str = ""
    experiment: str = ""
    """MLflow's experiment, or the project of Weights & Biases."""
    entity: str = ""


class LoggedRun(Struct, frozen=True):
    """What became of a run. `id` is that of the tracker."""

    name: str
    id: str
    outcome: str
    url: str = ""
    notes: tuple[str, ...] = ()


class Logged(Struct, frozen=True):
    """`place` is where the runs are; `look` are commands or addresses that show them. `entity`: the team or
    user that `experiment` belongs to, if the tracker has one."""

    place: str
    experiment: str
    runs: tuple[LoggedRun, ...]
    look: tuple[str, ...] = ()
    entity: str = ""
    chosen_by: str = ""
    """The file of the current folder that chose experiment or entity."""


def so_far(done: Sequence[LoggedRun], runs: Sequence[TrackedRun]) -> str:
    """What became of several runs when one of them, the first that isn't done, couldn't be logged."""
    if len(runs) < 2:
        return ""
    names = some([run.name for run in done], 6)
    said = f"{names} {agree(len(done), 'is', 'are')} logged" if done else "No job is logged"
    if len(done) == len(runs):
        return f"{said}."
    failed, *left = [run.name for run in runs[len(done) :]]
    others = f", and neither {agree(len(left), 'is', 'are')} {some(left, 6)}" if left else ""
    return f"{said}; {failed} isn't complete{others}."


OnProgress = Callable[[int, int], None]
"""Called with the number of runs that are done, and of all."""
