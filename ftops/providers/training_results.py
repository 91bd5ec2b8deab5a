"""Training results: the metrics in a job's result file. They are downloaded, not recorded."""

from __future__ import annotations

import base64
import binascii
import csv
import io
from collections.abc import Mapping
from math import isfinite
from typing import Any

from msgspec import Struct

from ftops.core.address import Address
from ftops.core.errors import FtopsError
from ftops.core.limited_replies import MOST_BYTES
from ftops.core.measures import deciding
from ftops.core.nested import object_at
from ftops.core.snippets import command
from ftops.providers.base import Discovers, Provider
from ftops.providers.training_run import TrainingRun, WatchesTraining
from ftops.state.state import ResourceState, Status

_LONGEST_CELL = 1 << 17
"""Characters: a cell is a number."""


class Results(Struct, frozen=True):
    """A result file: its text, and its rows by column, without empty cells."""

    file: str
    text: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, float | str], ...]


def results_of(provider: Provider, job: ResourceState) -> Results:
    """The first result file of a finished job. Raises FtopsError if there is none."""
    files = job.outputs.get("result_files")
    if job.not_started:
        raise FtopsError(
            f"{job.address} has no result file", f"{job.not_started}.", "change the budget, and apply"
        )
    if not isinstance(files, list) or not files:
        look, events = (command("ftops", word, job.address) for word in ("jobs", "logs"))
        if (ended := _ended_since(provider, job)) is not None:
            raise FtopsError(
                f"the result file of {job.address} isn't recorded yet",
                f"The job has ended at the service since the last apply: its status there is {ended.status}.",
                "`ftops apply` records it and its result file",
            )
        raise FtopsError(
            f"{job.address} has no result file",
            f"{job.said_message}."
            if job.stopped
            else f"It is {job.said_status}; the file is written when training ends.",
            f"{look} shows how it trains; `ftops apply` records that it has ended"
            if job.status is Status.PENDING
            else f"{events} shows its events",
        )
    content, file = io.BytesIO(), str(files[0])

    def take(piece: bytes) -> None:
        content.write(piece)
        if content.tell() > MOST_BYTES:
            raise _unreadable(file, job.address, f"it has more than {MOST_BYTES >> 20} MiB")

    if not isinstance(provider, Discovers) or not provider.content(file, take):
        raise FtopsError(
            f"the result file of {job.address} isn't available",
            f"The service doesn't return {file}: it may have been deleted.",
        )
    return parsed(file, decoded(content.getvalue()), job.address)


def _ended_since(provider: Provider, job: ResourceState) -> TrainingRun | None:
    """The run of a job that is recorded as in progress and has ended."""
    if job.status is not Status.PENDING or not isinstance(provider, WatchesTraining):
        return None
    run = provider.training_run(job)
    return run if run is not None and run.state is not Status.PENDING else None


def best_checkpoint(job: ResourceState) -> tuple[int | None, str]:
    """The step and the model of `checkpoint.best`; None if the service kept no checkpoints."""
    names = object_at(job.outputs, "checkpoint")
    best = names.get("best")
    steps = (int(step) for step, name in names.items() if name == best and step.isdecimal())
    return max(steps, default=None), str(best or "")


def checkpoint_word(metrics: Mapping[str, Any]) -> str:
    """What `checkpoint.best` is, by its metrics: `best` if one of them decides among the checkpoints; else
    `final`, since without validation data or a reward it is the last one."""
    return "best" if deciding([metrics]) else "final"


def decoded(content: bytes) -> str:
    """The CSV in a result file. Some routes return it in base64."""
    with_header = content.lstrip(b"\xef\xbb\xbf\r\n ")
    if not with_header.startswith(b"step"):
        try:
            unpacked = base64.b64decode(b"".join(content.split()), validate=True)
        except binascii.Error:
            unpacked = b""
        if unpacked.lstrip(b"\xef\xbb\xbf\r\n ").startswith(b"step"):
            content = unpacked
    return content.decode("utf-8-sig", "replace")


def parsed(file: str, text: str, job: Address) -> Results:
    """The results in a file. Raises FtopsError for what is none: a page of a gateway, say."""
    csv.field_size_limit(_LONGEST_CELL)  # of the whole process: other readers set their own
    reader = csv.DictReader(io.StringIO(text, newline=None))  # any line ends
    try:
        columns = tuple(reader.fieldnames or ())
        rows = tuple(
            {name: _number(cell) for name, cell in row.items() if name and cell not in (None, "")}
            for row in reader
        )
    except csv.Error as error:
        raise _unreadable(file, job, str(error)) from None
    if "step" not in columns:
        raise _unreadable(file, job, "it has no column `step`" if text.strip() else "it is empty")
    return Results(file, text, columns, rows)


def _unreadable(file: str, job: Address, why: str) -> FtopsError:
    return FtopsError(
        f"the result file of {job} can't be read",
        f"{file} isn't the CSV that the service writes: {why}.",
        f"{command('ftops', 'logs', job)} shows its events",
    )


def _number(cell: str) -> float | str:
    """The text itself for what is no number, such as `nan`, and for what no float holds."""
    try:
        value = int(cell) if cell.lstrip("-").isdigit() else float(cell)
        return value if isfinite(value) else cell
    except (ValueError, OverflowError):
        return cell
