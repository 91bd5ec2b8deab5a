"""Deadlines, and how they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ftops.config.config import Resource
from ftops.core.address import Address, Value
from ftops.planning.deadlines import Deadline, deadlines
from ftops.planning.preflight.context import Situation
from ftops.state.state import ResourceState, State, Status
from ftops.views import deadlines as view
from ftops.views.markdown_text import Source
from ftops.views.paint import PLAIN
from tests.golden.cli import golden
from tests.unit.planning.test_preflight import ACCOUNT, CATALOG, MINI, deployment, job, model_of

TODAY = date(2027, 3, 1)
NOTHING = State("")
TUNED = f"{MINI}.ft-0123456789abcdef0123456789abcdef"


def recorded(model: Value, sku: str, created: str) -> ResourceState:
    inputs: dict[str, Value] = {"name": "prod", "model": model, "sku": {"name": sku, "capacity": 1}}
    outputs = {"created_at": created} if created else {}
    return ResourceState(Address("deployment", "prod"), "azure", "r", Status.READY, inputs, outputs)


def found(*uses: object, state: State = NOTHING, retires: bool = True) -> tuple[Deadline, ...]:
    changes: tuple = tuple(uses)  # type: ignore[type-arg]
    resources = {c.address: Resource(c.address, c.provider, c.after) for c in changes}
    account = replace(ACCOUNT, retires=retires)
    return deadlines(Situation(changes, resources, {"azure": account}, CATALOG, TODAY), state)


def days(*uses: object, **more: object) -> list[tuple[str, str]]:
    """Without that of the catalogue."""
    ends = (d for d in found(*uses, **more) if d.address)  # type: ignore[arg-type]
    return [(d.what, d.day.isoformat() if d.day else d.when) for d in ends]


def test_the_account_speaks_before_the_catalogue() -> None:
    assert days(job(), deployment(model=model_of("copilot"))) == [
        (f"training of {MINI}", "2027-04-07"),
        (f"deployments of models tuned from {MINI}", "2027-10-01"),
    ]
    assert {d.told for d in found(job())} >= {"the account's own date; the catalogue has 2027-04-01"}


def test_an_account_that_keeps_its_models_has_no_ends() -> None:
    assert found(job(), deployment(), retires=False) == ()


@pytest.mark.parametrize(
    ("model", "sku", "created", "expected"),
    [
        (TUNED, "DeveloperTier", "2027-03-01T09:30:00Z", ("2027-03-02", "at 09:30 UTC")),
        (TUNED, "DeveloperTier", "", ("", "24 hours after it is created")),
        (TUNED, "Standard", "2027-03-01T09:30:00Z", ("", "after 15 days without calls")),
        (MINI, "Standard", "2027-03-01T09:30:00Z", None),
    ],
)
def test_deployments_that_the_service_deletes(
    model: str, sku: str, created: str, expected: tuple[str, str] | None
) -> None:
    one = recorded(model, sku, created)
    ends = found(state=State("", resources={one.address: one}))
    assert [(d.day.isoformat() if d.day else "", d.when) for d in ends] == ([expected] if expected else [])


HOSTILE = "a;b,c\\d\nDTSTART:20000101 é…" + "🙂" * 40
ENDS = (
    Deadline(None, "the catalogue", "it is 90 days old", date(2027, 1, 5)),
    Deadline(Address("job", "copilot"), f"training of {MINI}", HOSTILE, date(2027, 4, 7), "", True, "a page"),
    Deadline(Address("deployment", "prod"), "the deployment", "calls fail", date(2027, 3, 1), "at 09:30 UTC"),
    Deadline(Address("deployment", "chat"), "the deployment", "calls fail", None, "after 15 days"),
)


def test_how_they_are_shown() -> None:
    shown = view.Shown("drone (prod)", TODAY, ENDS, ("provider azure can't be asked",))
    golden("radar", "".join(f"{line}\n" for line in view.draw(shown, PLAIN)))
    golden("radar", view.markdown(shown, Source("2027-03-01T09:30:00Z", "0.1.0")), ".md")
    assert [d["days_left"] for d in view.to_json(shown)["deadlines"]] == [-55, 37, 0, None]  # type: ignore[union-attr,call-overload,index]
    nothing = view.Shown("drone", TODAY, ())
    assert list(view.draw(nothing, PLAIN)) == ["Nothing that drone uses is known to end."]


def test_jobs_of_a_sweep_with_the_same_end_are_a_row() -> None:
    jobs = [Deadline(Address("job", "a", key), "training of m", "…", TODAY) for key in ("x", "y")]
    shown = view.Shown("drone", TODAY, (*jobs, replace(jobs[0], what="other")))
    _, one, _, other, _ = view.draw(shown, PLAIN)
    assert "job.a (2 jobs)  training of m" in one and 'job.a["x"]' in other
    assert view.verdict(shown) == "2 ends within 60 days"
    assert len([*events(view.calendar(shown))]) == 2


def events(text: str) -> Iterator[dict[str, str]]:
    """The events of a calendar, by RFC 5545: lines are unfolded first."""
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert "\n" not in text.replace("\r\n", "")
    lines = text.replace("\r\n ", "").split("\r\n")
    event: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if line == "END:VEVENT":
            yield event
            event = {}
        elif name not in ("BEGIN", "END", "VERSION", "PRODID"):
            event[name] = re.sub(r"\\(.)", r"\1", value)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_stays_in_its_event(what: str, then: str) -> None:
    one = Deadline(Address("job", "a"), what, then, date(2027, 4, 7))
    (event,) = events(view.calendar(view.Shown("drone", TODAY, (one,))))
    assert event["DTSTART;VALUE=DATE"] == "20270407"
    assert len(event) == 7


def test_the_same_end_is_the_same_event() -> None:
    first = view.calendar(view.Shown("drone", TODAY, ENDS))
    postponed = tuple(replace(one, day=one.day and date(2029, 1, 1)) for one in ENDS)
    later = view.calendar(view.Shown("drone", date(2027, 3, 2), postponed))
    assert [e["UID"] for e in events(first)] == [e["UID"] for e in events(later)]
    assert len({e["UID"] for e in events(first)}) == 3
