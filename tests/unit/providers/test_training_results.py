"""Result files and steps of a service with faults: an error says what is wrong, or they are left out."""

from __future__ import annotations

import csv

import pytest

from ftops.core.address import Address
from ftops.core.errors import FtopsError
from ftops.core.measures import Measure
from ftops.planning.early_stopping import curve_of
from ftops.providers.dataplane.run_wire import checkpoint_of, event_of
from ftops.providers.training_curves import curves_of, verdict_of
from ftops.providers.training_results import Results, decoded, parsed
from ftops.views.curves import draw_curves
from ftops.views.paint import PLAIN


def read(content: bytes) -> Results:
    return parsed("file-1", decoded(content), Address("job", "tone"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf", "it is empty"),
        (b"<html><h1>step</h1></html>", "it has no column `step`"),
        ("step,train_loss\n1,2\n".encode("utf-16"), "it has no column `step`"),
        (bytes(range(256)) * 3, "it has no column `step`"),
        (b"step,train_loss\n1," + b"x" * 200_000, "field larger than field limit (131072)"),
    ],
    ids=["empty", "mark", "page", "utf-16", "binary", "huge"],
)
def test_what_is_no_result_file_is_an_error(content: bytes, why: str) -> None:
    csv.field_size_limit(1 << 30)  # as readers of data set it
    with pytest.raises(FtopsError) as raised:
        read(content)
    [diagnostic] = raised.value.diagnostics
    assert diagnostic.summary == "the result file of job.tone can't be read"
    assert diagnostic.detail == f"file-1 isn't the CSV that the service writes: {why}."


@pytest.mark.parametrize(
    ("content", "points"),
    [
        (b"step,train_loss\r1,2\r2,3\r", ((1, 2.0), (2, 3.0))),
        (b"step,train_loss\n1,2,9,9\n2\n3", ((1, 2.0),)),
        (b"step,train_loss\nnan,1\ninf,1\n-5,1\n1e300,1\n" + b"9" * 400 + b",1\n2,3\n", ((2, 3.0),)),
        (b"step,train_loss\n1," + b"9" * 400 + b"\n2,1e308\n3,nan\n4,inf\n5,7\n", ((5, 7.0),)),
        (b"step,train_loss\n3,1\n1,2\n1,4\n", ((3, 1.0), (1, 2.0), (1, 4.0))),
        (b"step,train_\n1,2\n2,3\n", ((1, 2.0), (2, 3.0))),
    ],
    ids=["carriage returns", "ragged", "steps", "values", "order", "no name"],
)
def test_only_numbers_are_drawn(content: bytes, points: tuple[tuple[int, float], ...]) -> None:
    """Others can't be shown in a chart. The best checkpoint may come after the last row."""
    results = read(content)
    curves = curves_of(results)
    assert [curve.points for curve in curves] == [points]
    assert "*" in "".join(draw_curves(curves, 99, 80, True, PLAIN))
    assert verdict_of(curves, 99) is not None
    stopping = curve_of(results.rows, Measure(curves[0].column, False))
    assert stopping.steps == tuple(sorted({step for step, _ in points}))


@pytest.mark.parametrize("step", ["abc", [1], None, -7, 1e300, 10**250, True])
def test_a_step_that_is_none(step: object) -> None:
    event = {"id": "e1", "message": "", "data": {"step": step, "train_loss": 1.0}}
    assert event_of(event).step is None
    assert event_of(event).progress.metrics == {"train_loss": 1.0}
    assert checkpoint_of({"step_number": step}).step == 0
