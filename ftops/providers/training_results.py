"""Training results: the metrics in a job's result file. They are downloaded, not recorded."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from ftops.core.errors import FtopsError
from ftops.providers.base import Discovers, Provider
from ftops.state.state import ResourceState


class Results(Struct, frozen=True):
    """A result file: its text, and its rows by column, without empty cells."""

    file: str
    text: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, float | str], ...]


def results_of(provider: Provider, job: ResourceState) -> Results:
    """The first result file of a finished job. Raises FtopsError if there is none."""
    files = job.outputs.get("result_files")
    if not isinstance(files, list) or not files:
        raise FtopsError(
            f"{job.address} has no result file",
            f"It is {job.outputs.get('status') or job.status.value}; the file is written when training ends.",
            "try again after `ftops apply`",
        )
    content, file = io.BytesIO(), str(files[0])
    if not isinstance(provider, Discovers) or not provider.content(file, content.write):
        raise FtopsError(
            f"the result file of {job.address} isn't available",
            f"The service doesn't return {file}: it may have been deleted.",
        )
    return _parsed(file, decoded(content.getvalue()))


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


def _parsed(file: str, text: str) -> Results:
    reader = csv.DictReader(io.StringIO(text))
    rows = tuple(
        {name: _number(cell) for name, cell in row.items() if name and cell not in (None, "")}
        for row in reader
    )
    return Results(file, text, tuple(reader.fieldnames or ()), rows)


def _number(cell: str) -> float | str:
    try:
        return int(cell) if cell.lstrip("-").isdigit() else float(cell)
    except ValueError:
        return cell


class Measure(NamedTuple):
    """A metric by which models are compared."""

    name: str
    is_reward: bool

    def value(self, metrics: Mapping[str, Any]) -> float | None:
        """Its value; None if there is none. The service reports a negative loss if it has none."""
        value = metrics.get(self.name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            return None
        return float(value) if self.is_reward or value >= 0 else None

    def best(self, values: Iterable[float]) -> float:
        return max(values) if self.is_reward else min(values)


_LOSSES = ("full_valid_loss", "valid_loss")
_DATA = ("full_valid", "valid", "train")


def deciding(rows: Sequence[Mapping[str, Any]]) -> Measure | None:
    """The measure that says which of several measurements is the best. A reward counts more than a loss, all
    validation data more than a part of it; only rewards of the training data count, since a low loss on them
    says little."""
    names = {str(name) for row in rows for name in row}
    measures = [Measure(name, True) for name in sorted(names, key=_rank) if _rank(name)[0] < len(_DATA)]
    measures += [Measure(name, False) for name in _LOSSES]
    return next((m for m in measures if any(m.value(row) is not None for row in rows)), None)


def _rank(name: str) -> tuple[int, bool, str]:
    """Of the spellings of a mean reward, such as `full_valid_mean_reward` and `valid_reward_mean`."""
    found = [place for place, data in enumerate(_DATA) if "reward" in name and data in name]
    return min(found, default=len(_DATA)), "mean" not in name, name
