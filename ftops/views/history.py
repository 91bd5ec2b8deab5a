"""State versions and state diffs, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import asdict

from ftops.core.address import Json, encode
from ftops.core.value_diff import Difference
from ftops.state.backends.base import Version
from ftops.state.state import ResourceState
from ftops.state.state_diff import Comparison
from ftops.views.paint import Painter, clean
from ftops.views.values import aligned, difference_line, plural


def draw_versions(versions: Sequence[Version]) -> list[str]:
    """A version a line, aligned."""
    if not versions:
        return ["No versions of the state yet."]
    rows = [("VERSION", "WRITTEN", "BY", "COMMAND")]
    rows += [(v.id, v.at, v.who, v.operation) for v in versions]
    return [clean("  ".join(cells)).rstrip() for cells in aligned(rows)]


def versions_to_json(versions: Sequence[Version]) -> dict[str, Json]:
    """The document of `state history -o json`."""
    return {"versions": [asdict(version) for version in versions]}


def comparison_to_json(found: Comparison) -> dict[str, Json]:
    """The document of `state diff -o json`."""
    changed: list[Json] = [
        {"address": str(c.address), "attributes": [_difference_to_json(d) for d in c.attributes]}
        for c in found.changed
    ]
    return {
        "before": found.before,
        "after": found.after,
        "added": [_resource_to_json(r) for r in found.added],
        "removed": [_resource_to_json(r) for r in found.removed],
        "changed": changed,
        "outputs": [_difference_to_json(d) for d in found.outputs],
    }


def draw_comparison(found: Comparison, paint: Painter) -> Iterator[str]:
    """Added, removed and changed resources, then a count."""
    for sign, style, resources in (("+", "create", found.added), ("-", "delete", found.removed)):
        for r in resources:
            yield f"{paint(sign, style)} {paint(str(r.address), 'bold')}  {paint(r.remote_id)}"
    for change in found.changed:
        yield f"{paint('~', 'update')} {paint(str(change.address), 'bold')}"
        yield from (f"    {difference_line(paint, *d)}" for d in change.attributes)
    if found.outputs:
        yield "Outputs:"
        yield from (f"    {difference_line(paint, *d)}" for d in found.outputs)
    yield _summary(found)


def _summary(found: Comparison) -> str:
    between = f"From serial {found.before} to {found.after}"
    if found.is_same:
        return f"{between}, no resource differs."
    counts = ((len(found.added), "added"), (len(found.removed), "removed"), (len(found.changed), "changed"))
    changes = ", ".join(f"{plural(count, 'resource')} {what}" for count, what in counts if count)
    return f"{between}: {changes or 'outputs changed'}."


def _resource_to_json(resource: ResourceState) -> Json:
    return {"address": str(resource.address), "remote_id": resource.remote_id}


def _difference_to_json(difference: Difference) -> Json:
    path, before, after = difference
    return {"path": path, "before": encode(before), "after": encode(after)}
