"""Documents for `ftops ci issue`: what `drift` or `radar` printed as JSON, also if it failed.

What is compared is a digest of what was found, without what changes by itself, such as days.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops import __version__
from ftops.cli.ci_documents import diagnostics_of, interpreted, unnamed
from ftops.core.address import Address, Json
from ftops.core.errors import Diagnostic
from ftops.core.plurals import plural
from ftops.core.reply_json import parsed
from ftops.planning.deadlines import Deadline
from ftops.planning.plan_document import drift_from_json
from ftops.views import deadlines, drift_markdown
from ftops.views.markdown import Drawn, draw_outcome
from ftops.views.markdown_text import Source
from ftops.views.paint import clean
from ftops.views.plan import subject_of

DRIFT, RADAR = "drift", "radar"
TOPICS: Mapping[str, str] = {DRIFT: "drift", RADAR: "what retires"}
"""Topic → what can't be checked if the command has failed."""
_SOURCE = Source("", __version__)
_DIGEST = 16
"""Hex digits."""
_HOW = "give a file with the output of `ftops drift -o json` or `ftops radar -o json`"
_NAME = 100
"""Characters of a name in a title."""


class IssueDocument(Struct, frozen=True):
    """What there is to say about a spec in an environment. `digest` is empty if that is nothing; `sentence`
    consists of words of ftops, and `draw` gives Markdown of at most so many bytes."""

    topic: str
    spec: str
    environment: str
    sentence: str
    digest: str
    draw: Callable[[int], Drawn]
    found: tuple[Diagnostic, ...] = ()
    """Why it couldn't be checked."""

    @property
    def title(self) -> str:
        name = clean(subject_of(self.spec, self.environment))[:_NAME]
        return f"{name}: {self.sentence}"


def read_issue_document(
    path: Path, spec: str | None, environment: str | None, topic: str = DRIFT
) -> IssueDocument:
    """`spec`, `environment` and `topic` are for documents that don't name them: those of commands that
    failed. Raises UsageError."""

    def interpret(text: bytes) -> IssueDocument:
        raw = parsed(text)
        for name, read in (("drift", _of_drift), ("deadlines", _of_radar)):
            if name in raw and "changes" not in raw:
                return read(raw)
        return _of_failure(raw, topic, spec or "", environment or "default")

    found = interpreted(path, interpret, _HOW)
    if not found.spec:
        raise unnamed(path)
    return found


def _of_drift(raw: Mapping[str, Any]) -> IssueDocument:
    plan = drift_from_json(raw)
    found = [drift for drift in raw["drift"] if not drift["expected"]]
    unexpected = {drift.address for drift in plan.drift if not drift.is_expected}
    said = f"{plural(len(unexpected), 'resource')} changed outside ftops" if unexpected else "no drift"
    return IssueDocument(
        DRIFT,
        plan.spec,
        plan.environment,
        said,
        _digest(found),
        lambda limit: Drawn(drift_markdown.draw(plan, _SOURCE, limit)),
    )


def _of_radar(raw: Mapping[str, Any]) -> IssueDocument:
    today = date.fromisoformat(raw["today"])
    found = [_deadline(row) for row in raw["deadlines"]]
    dated = [one for one in found if one.day]
    warnings = tuple(str(warning) for warning in raw["warnings"])
    spec, environment = str(raw["spec"]), str(raw["environment"])
    shown = deadlines.Shown(subject_of(spec, environment), today, found, warnings)
    rows: list[Json] = [
        [str(one.address), one.what, str(one.day), one.ends_within(deadlines.SOON_DAYS, today)]
        for one in dated
    ]
    text = deadlines.markdown(shown, _SOURCE)
    return IssueDocument(
        RADAR,
        spec,
        environment,
        deadlines.verdict(shown),
        _digest(rows),
        lambda limit: Drawn(_cut(text, limit)),
    )


def _deadline(row: Mapping[str, Any]) -> Deadline:
    address = row["address"]
    return Deadline(
        None if address is None else Address.parse(address),
        str(row["what"]),
        str(row["then"]),
        date.fromisoformat(row["day"]) if row["day"] else None,
        str(row["when"]),
        bool(row["is_earliest"]),
        str(row["told"]),
    )


def _of_failure(raw: Mapping[str, Any], topic: str, spec: str, environment: str) -> IssueDocument:
    """Without details, which may change at every try, in the digest."""
    found = tuple(replace(one, severity="error") for one in diagnostics_of(raw) if one.severity == "error")
    if not found:
        raise ValueError("it has neither drift nor deadlines, and no error")
    said = f"{TOPICS[topic]} can't be checked"
    name = subject_of(spec, environment)
    return IssueDocument(
        topic,
        spec,
        environment,
        said,
        _digest([[one.summary, str(one.place or "")] for one in found]),
        lambda limit: draw_outcome(name, "❌", said, found, {}, limit),
        found,
    )


def _digest(found: Sequence[Json]) -> str:
    """Empty for nothing."""
    text = json.dumps(found, sort_keys=True)
    return sha256(text.encode(errors="replace")).hexdigest()[:_DIGEST] if found else ""


def _cut(text: str, limit: int) -> str:
    """Whole lines of it."""
    if len(text.encode()) <= limit:
        return text
    note = "\n> **The rest is left out for length.** `ftops radar` shows everything.\n"
    kept: list[str] = []
    room = limit - len(note.encode())
    for line in text.splitlines():
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join([*kept, note])
