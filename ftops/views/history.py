"""State versions and the differences between them, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import asdict

from ftops.core.address import Address, Json, encode
from ftops.core.plurals import plural
from ftops.core.value_diff import Difference, differences
from ftops.state.backends.base import Version
from ftops.state.file_format import record_to_json
from ftops.state.state import ResourceState, State
from ftops.views.paint import PLAIN, Painter
from ftops.views.table import draw_table
from ftops.views.values import difference_line


class Changed(Struct, frozen=True):
    """A resource of both versions, and its differences."""

    address: Address
    attributes: tuple[Difference, ...]


class Comparison(Struct, frozen=True):
    """From the serial `before` to the serial `after`. Addresses are sorted."""

    before: int
    after: int
    added: tuple[ResourceState, ...]
    removed: tuple[ResourceState, ...]
    changed: tuple[Changed, ...]
    outputs: tuple[Difference, ...]

    @property
    def is_same(self) -> bool:
        return not (self.added or self.removed or self.changed or self.outputs)


def compare(before: State, after: State) -> Comparison:
    """Compares current resources and outputs. A restore doesn't bring back pending or deposed objects."""
    old, new = before.resources, after.resources
    addresses = sorted(old.keys() | new.keys(), key=lambda a: a.sort_key)
    both = [a for a in addresses if a in old and a in new and old[a] != new[a]]
    changed = (Changed(a, differences(_fields(old[a]), _fields(new[a]))) for a in both)
    return Comparison(
        before.serial,
        after.serial,
        tuple(new[a] for a in addresses if a not in old),
        tuple(old[a] for a in addresses if a not in new),
        tuple(change for change in changed if change.attributes),
        differences(before.outputs, after.outputs),
    )


def _fields(resource: ResourceState) -> Mapping[str, Json]:
    fields = record_to_json(resource)
    return {name: value for name, value in fields.items() if name not in ("address", "resume", "token")}


def draw_versions(versions: Sequence[Version], columns: int | None = None) -> list[str]:
    """A version a line, aligned."""
    if not versions:
        return ["No versions of the state yet."]
    rows = [("VERSION", "WRITTEN", "BY", "COMMAND")]
    rows += [(v.id, v.at, v.who, v.operation) for v in versions]
    return draw_table(rows, PLAIN, columns)


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
