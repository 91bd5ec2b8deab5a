"""What has become of each preview, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ftops.core.address import Json
from ftops.core.errors import Diagnostic
from ftops.core.plurals import plural
from ftops.state.state import State
from ftops.views.diagnostics import to_json
from ftops.views.paint import Painter, clean

EXIT_CODES: Mapping[str, int] = {
    "kept": 0,
    "due": 0,
    "deleted": 0,
    "in-use": 4,
    "refused": 1,
    "failed": 1,
    "interrupted": 130,
}
"""Result for a preview → exit code; of several previews the last one in this order counts."""
_STYLES = {"kept": "good", "due": "update", "deleted": "delete", "in-use": "update"}


class Looked(Struct, frozen=True):
    """What was found of a preview, or has become of it. `objects` are its addresses and remote ids; an object
    that an interrupted run may have created has none."""

    environment: str
    result: str
    expires_at: str = ""
    objects: tuple[tuple[str, str], ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def objects_of(state: State) -> tuple[tuple[str, str], ...]:
    """All that is recorded, by address."""
    found = [(str(r.address), r.remote_id) for r in (*state.resources.values(), *state.deposed.values())]
    found += [(str(one.address), "") for one in state.pending.values()]
    return tuple(sorted(found))


def exit_code(found: Sequence[Looked]) -> int:
    results = list(EXIT_CODES)
    worst = max((results.index(one.result) for one in found), default=0)
    return EXIT_CODES[results[worst]]


def draw_due(found: Sequence[Looked], paint: Painter) -> list[str]:
    """Everything that would be deleted."""
    lines = []
    for one in found:
        lines.append(f"{paint(one.environment, 'bold')}  (expires at {clean(one.expires_at)})")
        for address, remote_id in one.objects:
            lines.append(f"  {paint('-', 'delete')} {clean(address)}  {clean(remote_id or 'interrupted')}")
    return lines


def draw(found: Sequence[Looked], paint: Painter, wanted: str | None = None) -> list[str]:
    """A line for each preview, or for the one that is wanted."""
    if not found:
        return [f"Nothing to delete: nothing is recorded of {clean(wanted)}." if wanted else "No previews."]
    lines = []
    for one in found:
        result = paint(one.result.replace("-", " "), _STYLES.get(one.result, "error"))
        more = f"  {plural(len(one.objects), 'object')}" if one.objects else ""
        when = f", expires at {clean(one.expires_at)}" if one.result == "kept" else ""
        lines.append(f"{paint(one.environment, 'bold')}: {result}{when}{more}")
    return lines


def to_document(found: Sequence[Looked], spec: str) -> dict[str, Json]:
    """The document of `gc -o json`."""
    return {"spec": spec, "exit_code": exit_code(found), "previews": [_row(one) for one in found]}


def _row(one: Looked) -> Json:
    return {
        "environment": one.environment,
        "result": one.result,
        "expires_at": one.expires_at,
        "objects": [{"address": address, "remote_id": remote_id} for address, remote_id in one.objects],
        "diagnostics": [to_json(d) for d in one.diagnostics],
    }
