"""The views on values: text in, nothing else touched."""

from __future__ import annotations

import io
import os
import re
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console, RenderableType

from ftops.applying import events
from ftops.core.address import Address, Reference, Secret, Template, Value
from ftops.core.errors import Diagnostic, Place
from ftops.planning.plan import Action, AttributeChange, Change, Drift, Mode, OutputChange, Plan, Reason
from ftops.views import diagnostics, plan, progress
from ftops.views.folding import distinct_names
from ftops.views.live import LiveView
from ftops.views.paint import PLAIN, Painter, clean, path_word, wants_color
from ftops.views.values import duration, leaves, short_id, show, size
from tests.golden.cli import golden

JOB = Address("job", "copilot")
TRAIN = Address("dataset", "train")
MODEL = Reference(JOB, "fine_tuned_model")
KEY = Secret("env", "KEY")
AT = "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    "name", ["plain", "a b", "-rf", "it's", "a\x1b[31m'b\\c", "l\nf", "é\u202ex", "\x9b", "\udcff0"], ids=repr
)
def test_a_shell_reads_the_word_of_a_path(name: str) -> None:
    word = path_word(name)
    assert word == clean(word)
    printed = subprocess.run(
        ["bash", "-c", f"printf %s {word}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    ).stdout
    assert os.fsdecode(printed).removeprefix("./") == name


# values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1e-05, "1e-05"),
        (7, "7"),
        ("plain", '"plain"'),
        ("", '""'),
        ('say "hi"\n', '"say \\"hi\\"\\n"'),
        ("größer → 😀", '"größer → 😀"'),
        ("sha256:" + "ab12cd34" * 8, "sha256:ab12cd34…"),
        ("ab12cd34" * 8, "ab12cd34…"),
        ("x" * 200, f'"{"x" * 100}"… (200 characters)'),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("a\u202eb", '"a\\u202eb"'),
        (MODEL, "(known after apply: job.copilot.fine_tuned_model)"),
        (Template(("m-", MODEL)), "(known after apply: m-${job.copilot.fine_tuned_model})"),
        (KEY, "(sensitive)"),
        (Template(("key ", KEY)), "(sensitive)"),
        ([1, "b", None, {"c": True}], '[1, "b", null, {c: true}]'),
        ([KEY], "(sensitive)"),
        ({}, "{}"),
        ([MODEL], "[(known after apply: job.copilot.fine_tuned_model)]"),
        (list(range(100)), "[" + ", ".join(map(str, range(100)))[:98] + "…"),
    ],
)
def test_values(value: Value, text: str) -> None:
    assert show(value) == text


def test_leaves_leave_out_what_is_absent() -> None:
    assert list(leaves({"a": {"b": 1, "c": None}, "d": [], "e": ""})) == [("a.b", 1), ("e", "")]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (0.25, "0.2s"),
        (1, "1s"),
        (59.6, "1m00s"),
        (61, "1m01s"),
        (3600, "1h00m"),
        (90061, "25h01m"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 KB"), (2e6, "2.0 MB"), (5e12, "5000.0 GB")],
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


def test_ids_of_the_control_plane_are_shortened() -> None:
    path = "/subscriptions/1/resourceGroups/rg/providers/x/accounts/acme/deployments/copilot"
    assert short_id(path) == "…/deployments/copilot"
    assert short_id("ftjob-1") == "ftjob-1"


# colours


def test_what_is_painted_is_cleaned() -> None:
    assert clean("a\x1b[31mb\r\n\u202e\x9b") == "a\\x1b[31mb\\r\\n\\u202e\\x9b"
    assert Painter(True)("\x1b[8m", "bold") == "\x1b[1m\\x1b[8m\x1b[0m"
    assert clean("família 👩‍🚀 ok").startswith("família ")


@pytest.mark.parametrize(
    ("environ", "is_terminal", "no_color", "wanted"),
    [
        ({"TERM": "xterm"}, True, False, True),
        ({"TERM": "xterm"}, False, False, False),
        ({"TERM": "dumb"}, True, False, False),
        ({"NO_COLOR": "1"}, True, False, False),
        ({"NO_COLOR": ""}, True, False, True),
        ({}, True, True, False),
        ({"FORCE_COLOR": "1"}, False, False, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, False, True),
        ({"FORCE_COLOR": "0"}, False, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False, False),
        ({"FORCE_COLOR": "1"}, True, True, False),
    ],
)
def test_when_to_paint(environ: Mapping[str, str], is_terminal: bool, no_color: bool, wanted: bool) -> None:
    assert wants_color(environ, is_terminal, no_color) is wanted


# diagnostics


def drawn(place: Place | None, summary: str = "wrong", **more: str) -> str:
    return diagnostics.draw([Diagnostic(summary, place=place, **more)], PLAIN)


def test_what_is_to_be_copied_is_never_broken() -> None:
    long = "`mkdir -p " + "a-folder/" * 12 + " && mv b/* c/`"
    text = drawn(None, detail="word " * 18 + "`ftops state rm x` then.", hint=f"move it: {long} and plan")
    lines = [line.strip() for line in text.splitlines()]
    assert long in lines
    assert any("`ftops state rm x`" in line for line in lines)
    assert all(len(line) <= 100 for line in text.splitlines() if long not in line)


def test_a_diagnostic_without_a_place() -> None:
    assert drawn(None, detail="because of it.\n  a: 1", hint="mend it") == (
        "error: wrong\n  Because of it.\n    a: 1\n  hint: Mend it\n"
    )


@pytest.mark.parametrize(
    ("place", "lines"),
    [
        (Place("a.yaml", 3, 4, "ab: cd", 2), ["3 | ab: cd", "  |    ^^"]),
        (Place("a.yaml", 12, 1, "日本: x", 2), ["12 | 日本: x", "   | ^^^^"]),
        (Place("a.yaml", 1, 3, "\t\tx", 1), ["1 |   x", "  |   ^"]),
        (Place("a.yaml", 1, 9, "short", 5), ["1 | short", "  |      ^"]),
        (Place("a.yaml", 1, 1, "x", 500), ["1 | x", "  | ^"]),
        (Place("a.yaml", 1, 2, "a\x1b[2Jb", 1), ["1 | a [2Jb", "  |  ^"]),
    ],
)
def test_the_caret_is_under_the_column(place: Place, lines: list[str]) -> None:
    assert drawn(place).splitlines()[3:] == lines


@pytest.mark.parametrize("column", [1, 60, 100, 150, 199])
def test_of_a_long_line_the_part_around_the_column_is_shown(column: int) -> None:
    text = "." * (column - 1) + "#" + "." * (200 - column)
    *_, line, carets = drawn(Place("a.yaml", 1, column, text)).splitlines()
    assert len(line) <= 104
    assert line[carets.index("^")] == "#"


def test_a_line_that_the_dataset_check_has_cut() -> None:
    text = "…" + "." * 59 + "#" + "." * 58 + "…"
    *_, line, carets = drawn(Place("a.jsonl", 1, 5000, text)).splitlines()
    assert line[carets.index("^")] == "#"


# plans


def change(action: Action, **more: Any) -> Change:
    fields: dict[str, Any] = {
        "step": str(JOB),
        "address": JOB,
        "action": action,
        "reason": Reason("inputs", "seed changed"),
        "provider": "m",
        "remote_id": "ftjob-1",
    }
    return Change(**{**fields, **more})


CHANGES: tuple[Change, ...] = (
    change(Action.RESUME, reason=Reason("pending", "it is still in progress: apply waits for it")),
    change(Action.RESUME, reason=Reason("found", "an interrupted run created it")),
    change(
        Action.CREATE,
        reason=Reason("vanished", "it was deleted outside ftops"),
        after={"seed": 1},
        remote_id="",
    ),
    change(Action.REPLACE, reason=Reason("tainted", "it is tainted: out of GPUs\x1b[2J")),
    change(Action.UPDATE, reason=Reason("interrupted", "its last update was interrupted")),
    change(
        Action.UPDATE,
        attributes=(
            AttributeChange("seed", None, 7),
            AttributeChange("suffix", "a", None),
            AttributeChange("tags.key", KEY, KEY),
            AttributeChange("n_epochs", 3, 4, note="hyperparameters.careful"),
        ),
    ),
    change(Action.FORGET, reason=Reason("undeclared", "it is no longer declared")),
)


def test_every_kind_of_change() -> None:
    made = Plan(
        "drone",
        "prod",
        "lineage",
        1,
        CHANGES,
        drift=(
            Drift(JOB, "changed", (AttributeChange("sku.capacity", 20, 5),)),
            Drift(TRAIN, "vanished"),
        ),
        outputs=(OutputChange("a", None, MODEL), OutputChange("long", 1, 2), OutputChange("s", 1, 2, True)),
        warnings=("the old object of job.copilot is kept: deployment.x may still use it",),
    )
    golden("view-plan", plan.draw(made, PLAIN))


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (Plan("a", "default", "", 0), "No changes. a declares no resources."),
        (Plan("a", "default", "", 0, unchanged=1), "No changes. 1 resource of a matches the spec."),
        (Plan("a", "prod", "", 0, unchanged=1200), "No changes. 1,200 resources of a (prod) match the spec."),
        (Plan("a", "default", "", 0, mode=Mode.DESTROY), "No changes. Nothing of a exists."),
        (
            Plan("a", "default", "", 0, mode=Mode.REFRESH_ONLY, drift=(Drift(JOB, "vanished"),)),
            "Plan: 1 resource to update in the state; nothing changes at the service.",
        ),
        (
            Plan("a", "default", "", 0, CHANGES[:1]),
            "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete, 1 to resume.",
        ),
    ],
)
def test_the_summary(made: Plan, line: str) -> None:
    assert plan.summary_line(made) == line


# progress


def said(
    message: str, elapsed: float, percent: float | None = None, step: str = "job.copilot"
) -> events.Event:
    return events.ChangeProgress(AT, step, JOB, message, elapsed, percent)


def test_progress_and_what_is_repeated_are_thinned_out() -> None:
    lines = progress.Lines(PLAIN)
    told = [
        said("step 1", 0.5, 1),
        said("step 2", 1.0, 2),
        said("Training started.", 1.1),
        said("other", 1.2, 1, step="other"),
        said("Training started.", 1.3),
        said("step 5", 2.5, 5),
        said("step 6", 2.6, 6),
        said("step 100", 2.7, 100),
        said("Training started.", 3.1),
    ]
    assert [line for event in told if (line := lines.of(event))] == [
        "job.copilot: step 1 (0.5s)",
        "job.copilot: Training started. (1s)",
        "job.copilot (old object): other (1s)",
        "job.copilot: step 5 (2s)",
        "job.copilot: step 100 (3s)",
        "job.copilot: Training started. (3s)",
    ]


STEP = ("job.copilot", JOB)
TOLD: tuple[events.Event, ...] = (
    events.RunStarted(AT, "drone", "default", 1),
    *(events.ChangeStarted(AT, *STEP, action.value) for action in Action),
    events.ChangeStarted(AT, "job.copilot#12345678", JOB, "delete"),
    events.ChangeRetried(AT, *STEP, "429: too many requests\x1b[2J", 2, 1.5),
    *(events.ChangeFinished(AT, *STEP, action.value, "ftjob-1", 75) for action in Action),
    events.ChangeFinished(AT, *STEP, "create", "evaluation-1", 75, "better: 90.0 % correct"),
    events.ChangeLeft(AT, *STEP, "create", "ftjob-1"),
    events.ChangeFailed(AT, *STEP, "create", "no quota", "detail", "hint", 3),
    *(
        events.ChangeSkipped(AT, *STEP, "create", step)
        for step in ("dataset.train", f"{JOB}#12345678", "deployment.copilot#12345678", 'job.a["#1"]')
    ),
    events.StopRequested(AT, 0),
    events.StopRequested(AT, 1),
    events.StopRequested(AT, 3),
    *(events.RunFinished(AT, r, 1, 2, 3, 4, 0, 0, 0, 5) for r in ("done", "in-progress")),
    *(events.RunFinished(AT, r, 0, 0, 0, 0, 1, 2, 3, 5) for r in ("failed", "interrupted")),
    events.RunFinished(AT, "in-progress", 1, 0, 0, 0, 0, 0, 1, 5, left=2),
)


def test_every_event_as_a_line() -> None:
    lines = progress.Lines(PLAIN, "Apply")
    golden("view-events", "\n".join(line for event in TOLD if (line := lines.of(event))) + "\n")


def test_the_live_view_keeps_what_has_ended() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=20, color_system=None)
    with LiveView(PLAIN, "Apply", console) as live:
        live.show(events.ChangeStarted(AT, *STEP, "create"))
        live.show(said("step 3/10: loss 1.5", 3, 30))
        live.show(events.ChangeProgress(AT, "nobody", JOB, "too late", 3))
        live.show(events.ChangeRetried(AT, *STEP, "busy", 2, 1))
        during = out.getvalue()
        live.show(events.StopRequested(AT, 1))
        live.show(events.ChangeFinished(AT, *STEP, "create", "ftjob-1", 4))
    assert "step 3/10: loss 1.5" in during
    assert "━" in during
    assert "job.copilot: created in 4s  ftjob-1" in out.getvalue()
    assert "Stopping: nothing new is started, waiting for 1 call in progress." in out.getvalue()


def in_rows(rows: RenderableType, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(rows)
    return console.export_text()


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (60, "64/96  loss .087  val .116"),
        (80, "64/96  loss .087  val .116  up to 5m left"),
        (140, "64/96  loss .087  val .116  up to 5m left  accuracy .97"),
    ],
)
def test_a_narrow_row_keeps_step_and_losses(width: int, shown: str) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, height=20, color_system=None)
    metrics = {"step": 64.0, "train_loss": 0.087, "train_mean_token_accuracy": 0.97}
    with LiveView(PLAIN, "Apply", console, usual={str(JOB): (0.5, 300)}) as live:
        live.show(events.ChangeStarted(AT, *STEP, "create"))
        live.show(events.ChangeProgress(AT, *STEP, "Waiting for 7 jobs ahead to complete.", 1))
        waiting = live.__rich__()
        assert ("up to 5m left" in in_rows(waiting, width)) == (width > 80)
        event = events.ChangeProgress(AT, *STEP, "validated", 3, 60, {"valid_loss": 0.1163})
        live.show(event)
        live.show(events.ChangeProgress(AT, *STEP, "step 64: loss 0.087", 30, 66.7, metrics, 96))
    assert shown in out.getvalue()
    assert all(
        len(line) <= width for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue()).splitlines()
    )


@pytest.mark.parametrize(
    ("keys", "columns", "names"),
    [
        (("fr", "de"), 16, ['job.tone["fr"]', 'job.tone["de"]']),
        (("rate=0.5,n=2", "rate=0.5,n=3"), 40, ['job.tone["rate=0.5,n=2"]', 'job.tone["rate=0.5,n=3"]']),
        (("rate=0.5,epochs=2", "rate=1,epochs=2"), 17, ['job.tone["0.5,2"]', 'job.tone["1,2"]']),
        (
            ("rate=0.0015,method=low", "rate=0.0025,method=low"),
            16,
            ["0.0015,low", "0.0025,low"],
        ),
        (("a" * 30 + "x" + "b" * 30, "a" * 30 + "y" + "b" * 30), 16, ['job.tone…bbbbb"]'] * 2),
    ],
)
def test_rows_of_a_sweep_have_different_names_if_they_have_room(
    keys: tuple[str, ...], columns: int, names: list[str]
) -> None:
    assert distinct_names([str(Address("job", "tone", key)) for key in keys], columns) == names


def test_the_live_view_shows_no_more_rows_than_there_is_room_for() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=10, color_system=None)
    with LiveView(PLAIN, "Apply", console) as live:
        for number in range(50):
            address = Address("dataset", f"d{number}")
            live.show(events.ChangeStarted(AT, str(address), address, "create"))
        live.show(events.ChangeRetried(AT, *STEP, "busy", 2, 1))
        assert "and 44 more" in out.getvalue()
