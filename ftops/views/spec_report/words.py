"""Words of a report: times, statuses, models and amounts as text or elements. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from ftops.core.address import Address, Value
from ftops.core.plurals import plural
from ftops.state.backends.audit_log import Run
from ftops.views.html import Node, element
from ftops.views.values import show

DASH = "–"
_STATUS_STYLES: Mapping[str, str] = {
    "ready": "good",
    "pending": "note",
    "tainted": "error",
    "interrupted": "warning",
    "off": "dim",
    "not created": "dim",
}
_DOTS = {"not created": "none", "not started": "none", "stopped early": "off"}
_LONG = 44


def anchor(address: Address) -> str:
    """The id of the part of the page about a resource. Keys may have any character: bytes are in hex."""
    name = f"{address.kind}-{address.name}"
    return name if address.key is None else f"{name}-{address.key.encode('utf-8', 'replace').hex()}"


def link(address: Address, text: str = "") -> Element:
    return element("a", *broken(text or str(address)), href=f"#{anchor(address)}")


def broken(text: str) -> list[Node]:
    """A text that is wrapped after `,` and `[` rather than within a word."""
    parts: list[Node] = []
    for part in re.split(r"(?<=[,\[])", text):
        parts += [element("wbr")] * bool(parts) + [part]
    return parts


def status(word: str) -> Element:
    return element("span", word, class_=f"tag {_STATUS_STYLES.get(word, 'dim')}")


def dot(word: str) -> str:
    """The class of the dot that stands for a status."""
    return _DOTS.get(word, word)


def when(text: str) -> Element | str:
    """`2026-11-30 18:40`, of a time in UTC in ISO 8601."""
    if not text:
        return DASH
    return element("time", text[:16].replace("T", " "), datetime=text, class_="nowrap")


def day(moment: datetime) -> str:
    """`30 November 2026, 18:40 UTC`."""
    then = moment.astimezone(UTC)
    return f"{then.day} {then:%B %Y, %H:%M} UTC"


def model(name: object) -> Node:
    """A model or an ID in a fixed font; a long one can be wrapped."""
    return element("code", str(name)) if name else DASH


def digest(text: str) -> Node:
    """The beginning of a digest."""
    return element("code", text.rpartition(":")[2][:12], title=text, class_="nowrap") if text else DASH


def by(run: Run | None) -> str:
    """Who has created something: `alice, pull request 12`."""
    if run is None:
        return DASH
    begun = run.begun
    named = [f"pull request {begun.pull_request}"] if begun.pull_request else []
    return ", ".join([begun.who or "unknown", *named])


def commit(text: str) -> Node:
    return element("code", text[:12], title=text, class_="nowrap") if text else DASH


def said(value: Value, width: int = _LONG) -> str:
    """A value of a spec, without the quotes around a text."""
    text = show(value, width)
    return text[1:-1] if isinstance(value, str) and text.startswith('"') and text.endswith('"') else text


def facts(rows: Iterable[tuple[str, Node | Iterable[Node]]]) -> Element:
    """Names and values in two columns; without those that have no value."""
    parts: list[Node] = []
    for name, value in rows:
        nodes = [value] if isinstance(value, Element | str) or value is None else list(value)
        if any(node not in (None, "") for node in nodes):
            parts.append(element("div", element("dt", name), element("dd", *nodes)))
    return element("dl", *parts, class_="facts")


def tiles(rows: Iterable[tuple[str, str, str]]) -> Element:
    """(name, number, note) as tiles."""
    return element(
        "dl",
        *(
            element("div", element("dt", name), element("dd", text, element("small", note) if note else None))
            for name, text, note in rows
        ),
        class_="tiles",
    )


def none(text: str) -> Element:
    return element("p", text, class_="dim")


def counted(counts: Mapping[str, int]) -> str:
    """`4 datasets, 11 jobs`."""
    return ", ".join(plural(count, kind) for kind, count in counts.items())
