"""Audit log: who applied which plan, when, and the result. Append-only.

A run writes a row when it begins and one when it ends. A run that was killed leaves only the first; the
next one to hold the lock knows by it, and writes the second in its place: `lost`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from ftops.core.errors import StateError
from ftops.core.timestamps import iso_timestamp
from ftops.state.backends import Store

AUDIT_VERSION = 1
LOST = "lost"
"""The result of a run that ended without a word."""
_NEWEST = 4
"""Lines among which a run that never ended is looked for. Each run looks when it begins, so it can only be
the one before."""


class Begun(Struct, frozen=True):
    """A run begins. `plan` is the digest of what it does, `counts` action → resources, `planned_at` when
    the plan was saved that it applies; empty where there is none. Times are UTC, ISO 8601."""

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


class Ended(Struct, frozen=True):
    """A run has ended: `done`, `failed`, `in-progress`, `interrupted`, or `lost` and noted by another run.
    `steps` is fate → steps, `serial` that of the state that it left; None where nobody knows."""

    run: str
    at: str
    result: str
    serial: int | None = None
    steps: Mapping[str, int] = {}
    noted_by: str = ""


class Run(Struct, frozen=True):
    """What the log says of one run. `ended` is None while it lasts, or if it was killed just now."""

    begun: Begun
    ended: Ended | None = None

    @property
    def result(self) -> str:
        return self.ended.result if self.ended else "running"


_ROWS: Mapping[str, type[Begun] | type[Ended]] = {"begun": Begun, "ended": Ended}


def audit_line(row: Begun | Ended) -> str:
    """A row as one line, with its end; what says nothing is left out."""
    said = {name: value for name, value in asdict(row).items() if value not in ("", None, {})}
    head = {"audit": AUDIT_VERSION, "row": type(row).__name__.lower()}
    return json.dumps({**head, **said}) + "\n"


def row_name(row: Begun | Ended) -> str:
    """Under which a row may be kept by itself: sorts by time."""
    return f"{row.at.replace(':', '')}-{row.run[:12]}-{type(row).__name__.lower()}"


def read_runs(lines: Iterable[str]) -> list[Run]:
    """The runs of a log, oldest first. A line that a crash cut off, or that a later ftops wrote in a form of
    its own, is passed over."""
    begun: dict[str, Begun] = {}
    ended: dict[str, Ended] = {}
    for line in lines:
        row = _row(line)
        if isinstance(row, Begun):
            begun.setdefault(row.run, row)
        elif row is not None:
            ended.setdefault(row.run, row)
    return [Run(row, ended.get(run)) for run, row in begun.items()]


class Ending(Struct):
    """What came of a run, as far as it is known."""

    result: str = "failed"
    serial: int | None = None
    steps: Mapping[str, int] = {}


@contextmanager
def audited(store: Store, begun: Begun) -> Iterator[Ending]:
    """Writes down that a run begins and, however the block ends, what came of it. Only for who holds the
    lock. Raises StateError where the beginning can't be written: then nothing must be begun."""
    for lost in lost_runs(read_runs(store.audit_lines(_NEWEST)), begun):
        store.append_audit(row_name(lost), audit_line(lost))
    store.append_audit(row_name(begun), audit_line(begun))
    ending = Ending()
    try:
        yield ending
    except KeyboardInterrupt:
        ending.result = "interrupted"
        raise
    finally:
        ended = Ended(begun.run, now(), ending.result, ending.serial, ending.steps)
        with suppress(StateError):  # what was done is done; the next run notes that the end is missing
            store.append_audit(row_name(ended), audit_line(ended))


def lost_runs(runs: Sequence[Run], by: Begun) -> list[Ended]:
    """What to write for those that never ended. Who holds the lock knows that none of them lasts."""
    return [Ended(run.begun.run, by.at, LOST, noted_by=by.run) for run in runs if run.ended is None]


def now() -> str:
    """UTC, ISO 8601, to the millisecond."""
    return iso_timestamp(datetime.now(UTC), "milliseconds")


def _row(line: str) -> Begun | Ended | None:
    try:
        raw: dict[str, Any] = json.loads(line)
        kind = _ROWS[raw["row"]]
        given = {name: raw[name] for name in kind.__struct_fields__ if name in raw}
        return kind(**given)
    except (ValueError, KeyError, TypeError):
        return None
