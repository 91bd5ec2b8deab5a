"""Hosting hours: how they are written, when they are on, and what a change of clocks does."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ftops.core.hosting_hours import HoursError, meaning, parse_hours
from tests.support.command import ROOT, run

BERLIN = "Europe/Berlin"


def local(text: str, zone: str = BERLIN, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


@pytest.mark.parametrize(
    ("text", "on", "off"),
    [
        ("Mon-Fri 08:00-18:00 Europe/Berlin", ["2026-11-30 08:00", "2026-12-04 17:59"], ["2026-11-30 07:59"]),
        ("Mon-Fri 08:00-18:00 Europe/Berlin", ["2026-12-01 12:00"], ["2026-12-04 18:00", "2026-12-05 12:00"]),
        (
            "mon,WED 8:00-12:00,13:00-18:00 Europe/Berlin",
            ["2026-12-02 13:00"],
            ["2026-12-01 09:00", "2026-12-02 12:30"],
        ),
        ("Fri 22:00-06:00 Europe/Berlin", ["2026-12-05 05:59"], ["2026-12-05 06:00", "2026-12-04 05:00"]),
        ("Sun 22:00-06:00 Europe/Berlin", ["2026-12-07 05:59"], ["2026-12-07 06:00", "2026-12-06 21:59"]),
        ("Sat-Mon 00:00-24:00 Europe/Berlin", ["2026-12-05 00:00", "2026-12-07 23:59"], ["2026-12-08 00:00"]),
        (
            "Mon-Thu 08:00-18:00; Fri 08:00-14:00 Europe/Berlin",
            ["2026-12-03 15:00", "2026-12-04 13:00"],
            ["2026-12-04 15:00"],
        ),
    ],
)
def test_when_it_is_on(text: str, on: list[str], off: list[str]) -> None:
    hours = parse_hours(text)
    assert [hours.is_on(local(at)) for at in (*on, *off)] == [True] * len(on) + [False] * len(off)


@pytest.mark.parametrize(
    ("text", "at", "until"),
    [
        ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-12-04 18:00", "Mon 08:00"),
        ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-12-04 17:59", "Fri 18:00"),
        ("Mon 00:00-24:00 Europe/Berlin", "2026-11-30 00:00", "Tue 00:00"),
        ("Mon 08:00-08:01 Europe/Berlin", "2026-11-30 08:01", "Mon 08:00"),  # a week later
    ],
)
def test_until_when(text: str, at: str, until: str) -> None:
    hours = parse_hours(text)
    assert hours.until_text(local(at)) == until
    then = hours.until(local(at))
    assert hours.is_on(then) != hours.is_on(local(at))
    assert hours.is_on(then - timedelta(minutes=1)) == hours.is_on(local(at))


def test_hours_that_a_change_of_clocks_skips_do_not_occur() -> None:
    """On 28 March 2027, 02:00 is followed by 03:00."""
    hours = parse_hours("Sun 02:30-05:00 Europe/Berlin")
    before = datetime(2027, 3, 28, 0, 59, tzinfo=UTC)
    assert (hours.is_on(before), hours.until_text(before)) == (False, "Sun 03:00")
    assert hours.is_on(before + timedelta(minutes=1))
    skipped = parse_hours("Sun 02:10-02:50 Europe/Berlin")
    assert skipped.until(before).date().isoformat() == "2027-04-04"


def test_hours_that_a_change_of_clocks_repeats_occur_twice() -> None:
    """On 31 October 2027, 02:59 is followed by 02:00."""
    hours = parse_hours("Sun 02:15-02:45 Europe/Berlin")
    night = [datetime(2027, 10, 31, 0, tzinfo=UTC) + timedelta(minutes=15 * n) for n in range(9)]
    assert [hours.is_on(at) for at in night] == [False, True, True, False, False, True, True, False, False]
    day = parse_hours("Sun 00:00-24:00 Europe/Berlin")
    start = local("2027-10-31 00:00")
    assert day.until(start).astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=25)


@pytest.mark.parametrize(
    "other",
    [
        "mon-fri 8:00-18:00 Europe/Berlin",
        "Mon,Tue,Wed,Thu,Fri 08:00-18:00 Europe/Berlin",
        " Mon - Fri  08:00-12:00 , 12:00 - 18:00   Europe/Berlin ",
        "Mon-Thu 08:00-18:00; Fri 08:00-18:00 Europe/Berlin",
    ],
)
def test_the_same_hours_are_equal_however_they_are_written(other: str) -> None:
    assert meaning(other) == meaning("Mon-Fri 08:00-18:00 Europe/Berlin")


@pytest.mark.parametrize(
    "other", ["Mon-Fri 08:00-18:00 Europe/Paris", "Mon-Fri 08:00-18:01 Europe/Berlin", "no hours", 7, None]
)
def test_others_are_not(other: str | int | None) -> None:
    assert meaning(other) != meaning("Mon-Fri 08:00-18:00 Europe/Berlin")


def test_their_share_of_a_week() -> None:
    assert parse_hours("Mon-Fri 08:00-18:00 UTC").share == pytest.approx(50 / 168)
    assert parse_hours("Mon 08:00-18:00 Mon 10:00-20:00 UTC").share == pytest.approx(12 / 168)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "doesn't end with a time zone"),
        ("Mon", "doesn't end with a time zone"),
        ("Mon-Fri 08:00-18:00", "doesn't end with a time zone"),
        ("Mon-Fri Europe/Berlin", "no hours before `Europe/Berlin`"),
        ("Mon 08:00-18:00 Tue Europe/Berlin", "no hours before `Europe/Berlin`"),
        ("Mon Tue 08:00-18:00 UTC", "no hours before `Tue`"),
        ("08:00-18:00 UTC", "no days before `08:00-18:00`"),
        ("UTC", "no hours before `UTC`"),
        ("Monday 08:00-18:00 UTC", "`Monday` is no day. Days are Mon, Tue"),
        ("Mon-Fri 8-18 UTC", "`8-18` isn't a span of hours. Write hours and minutes"),
        ("Mon 25:00-26:00 UTC", "Hours are from 00:00 to 24:00"),
        ("Mon 24:00-06:00 UTC", "Hours are from 00:00 to 24:00"),
        ("Mon 08:60-09:00 UTC", "Hours are from 00:00 to 24:00"),
        ("Mon 08:00-24:01 UTC", "Hours are from 00:00 to 24:00"),
        ("Mon 08:00-08:00 UTC", "is empty. A whole day is 00:00-24:00"),
        ("Mon 08:00–18:00 UTC", "is neither days such as Mon-Fri nor hours"),
        ("Mon ٠٨:00-18:00 UTC", "is neither days such as Mon-Fri nor hours"),
        ("Mon 08:00-18:00 Europe/Berln", "isn't a time zone. Did you mean Europe/Berlin?"),
        ("Mon 08:00-18:00 CET", "isn't an IANA time zone, such as Europe/Berlin"),
        ("Mon 08:00-18:00 localtime", "isn't an IANA time zone"),
        ("Mon 08:00-18:00 ../../etc/passwd", "isn't a time zone. Write an IANA time zone"),
        ("Mon 08:00-18:00 /etc/localtime", "isn't a time zone. Write an IANA time zone"),
        ("Mon-Sun 00:00-24:00 UTC", "all hours of the week. Remove `hosting`"),
        ("Mon-Sun 18:00-08:00,08:00-18:00 UTC", "all hours of the week"),
        ("Mon 08:00-18:00," * 100, "characters, and 500 are read at most"),
    ],
)
def test_what_is_wrong_with_them(text: str, said: str) -> None:
    with pytest.raises(HoursError) as error:
        parse_hours(text)
    assert said in f"{error.value.detail} {error.value.hint}"


def test_without_a_time_zone_database() -> None:
    """As on Windows, or in a small container."""
    code = (
        "import sys; sys.modules['tzdata'] = None\n"
        "from ftops.core.hosting_hours import HoursError, parse_hours\n"
        "try: parse_hours('Mon 08:00-18:00 Europe/Berlin')\n"
        "except HoursError as error: print(error.detail, error.hint)"
    )
    done = run((sys.executable, "-c", code), ROOT, {"PYTHONTZPATH": ""})
    assert "no time zone database. Install one: `" in done.stdout, done
