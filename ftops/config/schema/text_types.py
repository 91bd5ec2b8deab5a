"""Field types of text: any text, durations, hosting hours, and words in known spellings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from msgspec import field

from ftops.config.schema import value_hints
from ftops.config.schema.field_types import (
    FieldType,
    JsonSchema,
    Refused,
)
from ftops.core.address import render
from ftops.core.durations import LONGEST, seconds_of
from ftops.core.hosting_hours import PATTERN, HoursError, parse_hours
from ftops.core.normal_form import squeezed
from ftops.yaml.document import Given, Plain


class Text(FieldType, frozen=True):
    """Text as written, also `no`, `1e3` and `2024-10-21`."""

    takes_text: ClassVar[bool] = True
    pattern: str = ""
    expected: str = "text"
    advice: str = ""
    maximum: int = 0
    joiner: str | None = None
    """What stands between the words of a corrected text, in hints; None if texts aren't corrected."""

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def convert(self, value: Any) -> str | None:
        text = str(value) if isinstance(value, str) else None
        foreign = self._in_foreign_form(value)
        if foreign:
            detail = "Text is used as it is; only `${…}` is replaced by a value."
            raise Refused(f"is `{value}`, which isn't an expression", detail, foreign)
        if type(value) in (int, float, bool):
            text = render(value)
        if not text or (self.maximum and len(text) > self.maximum):
            return None
        if self.pattern and not self._regex.fullmatch(text):
            return None
        return text

    def hint(self, value: Any) -> str:
        if value == "":
            return "Write a value, or remove the key."
        if not isinstance(value, str):
            return ""
        if self.maximum and len(value) > self.maximum:
            return f"Shorten it to {self.maximum} characters."
        if isinstance(value, Given):
            return self.advice
        corrected = (
            value_hints.with_other_characters(value, self.joiner, self._accepts)
            if self.joiner is not None
            else ""
        )
        return value_hints.without_braces(value) or corrected or self.advice

    def shown(self, value: Any) -> str:
        too_long = self.maximum and isinstance(value, str) and len(value) > self.maximum
        return f"It has {len(value)} characters." if too_long else super().shown(value)

    def schema(self) -> JsonSchema:
        limits = {"maxLength": self.maximum} if self.maximum and self.closed else {}
        pattern = {"pattern": rf"^(?:{self.pattern})$|\$\{{"} if self.pattern else {}
        return {"type": ["string", "number", "boolean"] if not self.pattern else "string"} | pattern | limits


_SPELLED_OUT = re.compile(r"(\d+)\s*(?:([smhd])[a-z]*)?", re.IGNORECASE)


class Duration(Text, frozen=True):
    """A duration with its unit."""

    pattern: str = r"(?:\d+(?:\.\d+)?[smhd])+"
    expected: str = "a duration such as 30d or 12h"

    def convert(self, value: Any) -> str | None:
        text = super().convert(value)
        return text if text and (seconds_of(text) or 0) <= LONGEST else None

    def hint(self, value: Any) -> str:
        found = _SPELLED_OUT.fullmatch(value) if type(value) in (str, Plain) else None
        if not found:
            return "Write a number and its unit, such as `30d`." if isinstance(value, str) else ""
        return f"Write `{found[1]}{found[2]}`." if found[2] else "Write its unit: `d`, `h`, `m` or `s`."


_USUAL_HOURS = "Mon-Fri 08:00-18:00 Europe/Berlin"


class WeeklyHours(Text, frozen=True):
    """Days, hours and a time zone."""

    pattern: str = PATTERN
    expected: str = f"days, hours and a time zone, such as `{_USUAL_HOURS}`"

    def convert(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return None
        try:
            parse_hours(value)
        except HoursError as error:
            hint = error.hint or f"Write all three, such as `{_USUAL_HOURS}`."
            raise Refused(f"must be {self.expected}", f"{self.shown(value)} {error.detail}", hint) from None
        return str(value)


class Spelled(Text, frozen=True):
    """Text in which known words are normalised: case, `-`, `_` and blanks are ignored."""

    spellings: Mapping[str, str] = field(default_factory=dict)
    """Squeezed word → its spelling."""

    def convert(self, value: Any) -> str | None:
        text = super().convert(value)
        return self.spellings.get(squeezed(text), text) if text else None

    def schema(self) -> JsonSchema:
        return super().schema() | {"examples": list(dict.fromkeys(self.spellings.values()))}
