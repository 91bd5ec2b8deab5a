"""Explanation of a change, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ftops.core.address import Address, Json
from ftops.core.plurals import plural
from ftops.planning.explain import Cause
from ftops.planning.plan import Held
from ftops.planning.plan_document import held_to_json
from ftops.views import datadiff
from ftops.views.paint import Painter
from ftops.views.plan import because, held_lines, will
from ftops.views.values import attribute_line

_UNAVAILABLE = "the changed examples are unknown: the applied version is neither in .ftops nor in Git"


def draw(
    address: Address,
    causes: Sequence[Cause],
    held: Sequence[Held],
    paint: Painter,
    columns: int | None = None,
) -> list[str]:
    """The chain of causes, each below the change that it explains; then what gates hold."""
    if not causes and not held:
        return [f"{paint(str(address), 'bold')}: nothing would change."]
    lines = [line for cause in causes for line in ("", *_lines(cause, "", paint, columns))][1:]
    if held:
        lines += ["Held by a gate:", *(line for one in held for line in held_lines(one, paint))]
    return lines


def to_json(address: Address, causes: Sequence[Cause], held: Sequence[Held]) -> dict[str, Json]:
    """As docs/json-output.md describes it."""
    return {
        "address": str(address),
        "changes": [_cause_to_json(cause) for cause in causes],
        "held": [held_to_json(one) for one in held],
    }


def _lines(cause: Cause, indent: str, paint: Painter, columns: int | None) -> Iterator[str]:
    change = cause.change
    action = paint(change.symbol, change.action.value)
    headline = paint(will(change), change.action.value)
    at = f"  {paint(f'{cause.place.file}:{cause.place.line}', 'dim')}" if cause.place else ""
    yield f"{indent}{action} {paint(str(change.address), 'bold')}  {headline}{at}"
    inner = f"{indent}    "
    if cause.told:
        yield f"{inner}{paint('see above', 'dim')}"
        return
    if why := because(change):
        yield f"{inner}{paint(why)}"
    for attribute in change.attributes:
        yield f"{inner}{attribute_line(attribute, paint)}"
    if cause.compared is not None:
        yield ""
        yield from datadiff.draw(cause.compared, paint, inner, columns)
    elif cause.content_changes:
        yield f"{inner}{paint(_UNAVAILABLE, 'dim')}"
    for below in cause.causes:
        yield ""
        yield from _lines(below, inner, paint, columns)
    if not (change.attributes or cause.causes) and change.after:
        yield f"{inner}{paint(plural(len(change.after), 'input') + ' as declared', 'dim')}"


def _cause_to_json(cause: Cause) -> dict[str, Json]:
    change = cause.change
    document: dict[str, Json] = {
        "address": str(change.address),
        "action": change.action.value,
        "reason": {"code": change.reason.code, "text": change.reason.text},
        "attributes": [a.path for a in change.attributes],
        **({"place": {"file": cause.place.file, "line": cause.place.line}} if cause.place else {}),
        "because": [_cause_to_json(below) for below in cause.causes],
    }
    if cause.content_changes:
        document["data"] = datadiff.to_json(cause.compared) if cause.compared else None
    return document
