"""Audit log: who applied which plan, when, and the result. Append-only.

A run writes a row when it starts and one when it ends. If it is killed, the second one is missing, and the
next run that holds the lock writes it, with the result `lost`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from msgspec import MsgspecError, Struct
from msgspec.json import decode
from msgspec.structs import asdict

from ftops.core.errors import StateError
from ftops.core.timestamps import iso_timestamp
from ftops.state.backends.base import Store

AUDIT_VERSION = 1
LOST = "lost"
"""The result of a run that was killed."""
_NEWEST = 4
"""Lines to read first for the previous run that held the lock."""


class RunStarted(Struct, frozen=True, tag_field="row", tag="begun"):
    """A run starts. `plan` is the digest of its plan, `counts` maps actions to numbers of resources.
    `planned_at` is when the plan was saved, if it was. Times are UTC, ISO 8601."""

    run: str
    at: str
    operation: str
    who: str = ""
    host: str = ""
    pid: int = 0
    run_url: str = ""
    lineage: str = ""
    serial: int = 0
    plan: str = ""
    counts: Mapping[str, int] = {}
    planned_at: str = ""
    overrides: Mapping[str, str] = {}
    """Deployments whose gates were overridden, and why."""
    rule_overrides: Mapping[str, str] = {}
    """Rules of the policy that were overridden, and why."""
    pins: Mapping[str, str] = {}
    """Deployments that were pinned to a model, or `released`."""
    pull_request: str = ""
    commit: str = ""
    grant: str = ""
    """The digest of the approved plan that it continues, if its own plan is only what was left of it."""
    beside: bool = False
    """Whether another run held the lock. It changed nothing in the state."""


class RunEnded(Struct, tag_field="row", tag="ended"):
    """A run has ended: `done`, `failed`, `held`, `in-progress`, `interrupted`, or `lost` and noted by another
    run. `steps` maps results to numbers of steps. `serial` is that of the resulting state, if it is known."""

    run: str
    at: str
    result: str
    serial: int | None = None
    steps: Mapping[str, int] = {}
    noted_by: str = ""


class Run(Struct, frozen=True):
    """A run. `ended` is None while it runs, or if it was killed and no other run has started since."""

    begun: RunStarted
    ended: RunEnded | None = None

    @property
    def result(self) -> str:
        return self.ended.result if self.ended else "running"


Row = RunStarted | RunEnded


def audit_line(row: Row) -> str:
    """A row as a line, without empty fields."""
    values = asdict(row).items()
    fields = {n: value for n, value in values if value not in ("", None, {}) and value is not False}
    return json.dumps({"audit": AUDIT_VERSION, "row": row.__struct_config__.tag, **fields}) + "\n"


def read_runs(lines: Iterable[str]) -> list[Run]:
    """The runs of a log, oldest first. Lines that were cut off by a crash or that a later version wrote in
    another format are skipped."""
    started: dict[str, RunStarted] = {}
    ended: dict[str, RunEnded] = {}
    for line in lines:
        with suppress(MsgspecError, ValueError):
            row: Any = decode(line, type=Row)
            (started if isinstance(row, RunStarted) else ended).setdefault(row.run, row)
    return [Run(row, ended.get(run)) for run, row in started.items()]


@contextmanager
def audited(store: Store, started: RunStarted) -> Iterator[RunEnded]:
    """Records the start of a run and, however the block ends, its result. Raises StateError, and doesn't run
    the block, if the start can't be recorded. Only for the holder of the lock, or beside it: to the holder,
    other runs without an end have been killed."""
    for run in () if started.beside else _latest(store):
        if run.ended is None:
            _append(store, RunEnded(run.begun.run, started.at, LOST, noted_by=started.run))
    _append(store, started)
    outcome = RunEnded(started.run, "", "failed")
    try:
        yield outcome
    except KeyboardInterrupt:
        outcome.result = "interrupted"
        raise
    finally:
        with suppress(StateError):  # the changes were made; the next run notes that the end is missing
            outcome.at = now()
            _append(store, outcome)


def _latest(store: Store) -> list[Run]:
    """The newest runs, down to the last one that held the lock. Each of these checks when it starts, so none
    before it lacks its end."""
    newest = _NEWEST
    while True:
        lines = store.audit_lines(newest)
        runs = read_runs(lines)
        if len(lines) < newest or not all(run.begun.beside for run in runs):
            return runs
        newest *= 4


def _append(store: Store, row: Row) -> None:
    name = f"{row.at.replace(':', '')}-{row.run[:12]}-{row.__struct_config__.tag}"  # sorts by time
    store.append_audit(name, audit_line(row))


def now() -> str:
    """UTC, ISO 8601, to the millisecond."""
    return iso_timestamp(datetime.now(UTC), "milliseconds")
