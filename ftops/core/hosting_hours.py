"""Hosting hours: when a deployment exists, such as `Mon-Fri 08:00-18:00 Europe/Berlin`. Pure but for the time
zone database.

Hours are what a clock on the wall shows. On the day of a change of clocks, hours that it skips don't occur,
and hours that it repeats occur twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ftops.core.address import Scalar, Value
from ftops.core.errors import FtopsError
from ftops.core.installation import install
from ftops.core.nested import object_at
from ftops.core.suggestions import nearest

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PATTERN = r"\s*[A-Za-z]{3}.*[0-9]:[0-9]{2}.*\s[A-Za-z][A-Za-z0-9_+/-]*\s*"
"""The rough form, for editors."""
_DAY = 24 * 60
_WEEK = 7 * _DAY
_DAY_NUMBERS = {day.lower(): number for number, day in enumerate(DAYS)}
_DAYS = re.compile(r"[a-z]{3,}(?:[-,][a-z]{3,})*", re.IGNORECASE | re.ASCII)
_SPANS = re.compile(r"[0-9:]+-[0-9:]+(?:,[0-9:]+-[0-9:]+)*")
_SPAN = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")
_LONGEST = 500
"""Characters."""
_ANY_ZONE = "such as Europe/Berlin or UTC"


class HoursError(FtopsError):
    """Not hosting hours, or this machine can't tell them."""

    def __init__(self, detail: str, hint: str = "") -> None:
        super().__init__("the hosting hours can't be used", detail, hint)


class HostingHours(NamedTuple):
    """The weekly hours of a deployment. `spans`: minutes since Monday 00:00, in order."""

    spans: tuple[tuple[int, int], ...]
    zone: str

    @property
    def share(self) -> float:
        """Of a week."""
        return sum(end - start for start, end in self.spans) / _WEEK

    def is_on(self, at: datetime) -> bool:
        """Whether the deployment exists at a time, which has a time zone."""
        local = at.astimezone(_zone(self.zone))
        minute = local.weekday() * _DAY + local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self.spans)

    def until(self, at: datetime) -> datetime:
        """When that changes next, in the time zone of the hours."""
        return _until(self, at.astimezone(UTC).replace(second=0, microsecond=0))

    def until_text(self, at: datetime) -> str:
        """`Mon 08:00`, of the next change."""
        then = self.until(at)
        return f"{DAYS[then.weekday()]} {then:%H:%M}"


def parse_hours(text: str) -> HostingHours:
    """Raises HoursError."""
    if len(text) > _LONGEST:
        raise HoursError(f"It has {len(text)} characters, and {_LONGEST} are read at most.")
    *words, zone = re.sub(r"\s*([-,])\s*", r"\1", text.replace(";", " ")).split() or [""]
    if ":" in zone or zone.lower() in _DAY_NUMBERS or not zone:
        raise HoursError("It doesn't end with a time zone.", f"Add one, {_ANY_ZONE}.")
    spans = _merged(_spans(words, zone))
    _check_zone(zone)
    if spans == ((0, _WEEK),):
        raise HoursError(
            "These are all hours of the week.", "Remove `hosting`: the deployment then always exists."
        )
    return HostingHours(spans, zone)


@cache
def _parsed(text: str) -> HostingHours:
    return parse_hours(text)


def hours_of(inputs: Mapping[str, Value]) -> HostingHours | None:
    """The hours among the inputs of a deployment; None if it always exists. Raises HoursError if this machine
    can't tell them, such as without a time zone database."""
    text = object_at(inputs, "hosting").get("hours")
    return _parsed(text) if isinstance(text, str) else None


def is_off_at(inputs: Mapping[str, Value], moment: datetime | None) -> bool:
    """Whether a deployment with these inputs doesn't exist at this time. None: hours don't count."""
    hours = hours_of(inputs) if moment is not None else None
    return hours is not None and moment is not None and not hours.is_on(moment)


def meaning(value: Scalar) -> Scalar:
    """The normal form: the same hours are equal, however they are written."""
    try:
        hours = _parsed(str(value))
    except HoursError:
        return value
    return f"{hours.spans} {hours.zone}"


def _spans(words: Iterable[str], zone: str) -> Iterator[tuple[int, int]]:
    """Of `Mon-Fri 08:00-12:00,13:00-18:00 Sat 09:00-13:00`; those over the end of the week are cut there."""
    days: tuple[int, ...] = ()
    is_used = True
    for word in words:
        if _SPANS.fullmatch(word):
            if not days:
                raise HoursError(f"There are no days before `{word}`.")
            yield from (span for part in word.split(",") for day in days for span in _on(day, part))
            is_used = True
        elif _DAYS.fullmatch(word):
            if not is_used:
                raise HoursError(f"There are no hours before `{word}`.")
            days, is_used = tuple(_days(word)), False
        else:
            raise HoursError(f"`{word}` is neither days such as Mon-Fri nor hours such as 08:00-18:00.")
    if not is_used or not days:
        raise HoursError(f"There are no hours before `{zone}`.")


def _days(word: str) -> Iterator[int]:
    for part in word.split(","):
        first, _, last = part.partition("-")
        start, end = (_day(day) for day in (first, last or first))
        yield from ((start + number) % 7 for number in range((end - start) % 7 + 1))


def _day(word: str) -> int:
    number = _DAY_NUMBERS.get(word.lower())
    if number is None:
        raise HoursError(f"`{word}` is no day.", f"Days are {', '.join(DAYS)}.")
    return number


def _on(day: int, part: str) -> Iterator[tuple[int, int]]:
    found = _SPAN.fullmatch(part)
    if found is None:
        raise HoursError(
            f"`{part}` isn't a span of hours.", "Write hours and minutes of 24 hours: 08:00-18:00."
        )
    hour, minute, last_hour, last_minute = map(int, found.groups())
    start, end = hour * 60 + minute, last_hour * 60 + last_minute
    if max(minute, last_minute) > 59 or start >= _DAY or end > _DAY:
        raise HoursError(f"`{part}` isn't a span of hours.", "Hours are from 00:00 to 24:00.")
    if start == end:
        raise HoursError(f"`{part}` is empty.", "A whole day is 00:00-24:00.")
    end += _DAY if end < start else 0  # it ends on the next day
    start, end = start + day * _DAY, end + day * _DAY
    yield start, min(end, _WEEK)
    if end > _WEEK:
        yield 0, end - _WEEK


def _merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def _check_zone(name: str) -> None:
    if "/" not in name and name != "UTC":  # others, such as `localtime`, differ between machines
        raise HoursError(f"`{name}` isn't an IANA time zone, {_ANY_ZONE}.")
    _zone(name)


@cache
def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones  # few specs have hours

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = available_timezones()
        if not known:
            raise HoursError(
                "This machine has no time zone database.", f"Install one: `{install('tzdata')}`."
            ) from error
        near = nearest(name, (zone for zone in known if "/" in zone))
        hint = f"Did you mean {near}?" if near else f"Write an IANA time zone, {_ANY_ZONE}."
        raise HoursError(f"`{name}` isn't a time zone.", hint) from error


@lru_cache(4096)
def _until(hours: HostingHours, now: datetime) -> datetime:
    """By the minute: a change of clocks can come before the end of a span, or skip its start."""
    is_on = hours.is_on(now)
    minutes = (now + timedelta(minutes=number) for number in range(1, 2 * _WEEK))
    return next(minute for minute in minutes if hours.is_on(minute) != is_on).astimezone(_zone(hours.zone))
