"""Drift and finished applies as Markdown: golden files, and what a limit leaves out."""

from __future__ import annotations

import pytest

from ftops.applying import events
from ftops.applying.outcomes import Failure
from ftops.applying.run import Report
from ftops.config.outputs import OutputValue
from ftops.core.address import Address
from ftops.core.errors import Permanent
from ftops.planning.plan import Action, AttributeChange, Change, Drift, Plan, Reason
from ftops.state.state import State
from ftops.views import applied, drift_markdown
from ftops.views.markdown_text import Source
from tests.golden.cli import golden

SOURCE = Source("2026-11-21T09:30:00Z", "0.1.0")
CHAT, JOB, DATA = Address("deployment", "chat"), Address("job", "copilot"), Address("dataset", "train")
HOSTILE = "`x` | </details> @team <!-- ftops:v1 -->\n> # heading"
AT = "2026-11-21T09:30:00.000Z"


def drift(count: int = 1) -> Plan:
    """Of an endpoint that was changed, and of jobs that are gone."""
    changed = (AttributeChange("sku.capacity", 20, 30), AttributeChange("model", HOSTILE, "gpt-4o"))
    found = [Drift(CHAT, "changed", changed, "revert"), Drift(DATA, "expired", (), "recreate")]
    found += [Drift(Address("job", "copilot", str(n)), "vanished", (), "recreate") for n in range(count)]
    return Plan(spec="drone", environment="prod", lineage="l", serial=7, drift=tuple(found))


def test_drift() -> None:
    golden("drift", drift_markdown.draw(drift(), SOURCE), ".md")
    golden("drift-none", drift_markdown.draw(Plan("drone", "prod", "l", 7), SOURCE), ".md")


def test_drift_within_a_limit_says_what_is_left_out() -> None:
    whole = drift_markdown.draw(drift(2_000), SOURCE)
    text = drift_markdown.draw(drift(2_000), SOURCE, 65_536)
    assert len(whole) > 65_536 > len(text.encode()) > 60_000
    shown = text.count("| is gone |")
    assert f"> **Left out for length:** {2_000 - shown:,} resources" in text
    assert text.startswith("### ⚠️ `drone (prod)`: 2,001 resources changed outside ftops\n")


def run(result: str, count: int = 1, **more: object) -> applied.Applied:
    """One step of each end, and `count` data files that were created."""
    names = [Address("dataset", "train", str(n)) for n in range(count)]
    changes = [Change(str(a), a, Action.CREATE, Reason("new", "new"), "p") for a in (*names, JOB, CHAT)]
    plan = Plan("drone", "prod", "l", 7, changes=tuple(changes))
    error = Permanent(f"create job copilot: {HOSTILE}", "The data is refused.", "check the data")
    failures = (Failure(str(JOB), JOB, Action.CREATE, error),) if result == "failed" else ()
    report = Report(result, State("l", serial=9), {}, failures)
    last: list[applied.Last] = [
        events.ChangeFinished(AT, str(a), a, "create", f"file-{a.key}", 1.5) for a in names
    ]
    if result == "failed":
        last += [
            events.ChangeFailed(AT, str(JOB), JOB, "create", HOSTILE, "", "", 3.0),
            events.ChangeSkipped(AT, str(CHAT), CHAT, "create", str(JOB)),
        ]
    if result == "held":
        last.append(events.ChangeHeld(AT, str(CHAT), CHAT, "update", "accuracy 0.7 is below 0.8", "train"))
    if result == "in-progress":
        last.append(events.ChangeLeft(AT, str(JOB), JOB, "create", "ftjob-1"))
    ended = events.RunFinished(AT, result, count, 0, 0, 0, 0, len(failures), 0, 61.0)
    return applied.Applied("Apply", plan, last, ended, report, **more)  # type: ignore[arg-type]


RUNS = {
    "done": run("done", outputs={"model": OutputValue(HOSTILE, False), "key": OutputValue("s3", True)}),
    "failed": run("failed"),
    "held": run("held"),
    "in-progress": run("in-progress", left={str(JOB): "ftjob-1"}, resume="ftops apply"),
}


@pytest.mark.parametrize("name", RUNS)
def test_an_apply(name: str) -> None:
    golden(f"apply-{name}", applied.draw(RUNS[name], SOURCE), ".md")


def test_an_apply_within_a_limit_says_what_is_left_out() -> None:
    text = applied.draw(run("failed", 3_000), SOURCE, 65_536)
    assert 60_000 < len(text.encode()) < 65_536
    shown = text.count("| created ")
    assert f"> **Left out for length:** {3_000 - shown:,} steps." in text
    assert text.index("**failed**") < text.index("| created ")
