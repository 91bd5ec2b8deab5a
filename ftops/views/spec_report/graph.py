"""Graph of a report as inline SVG: a box for each resource, lines from what it needs. Pure.

It is drawn from left to right, and once more as a column, which the page shows where it is narrow.

A large graph has one box for all instances of a `for_each`; one that is still too large, a box for all
resources of a kind in one layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

from ftops.core.address import Address
from ftops.core.dag import sort
from ftops.core.plurals import plural
from ftops.session.report.values import ReportedObject
from ftops.views.html import element
from ftops.views.spec_report.layers import Layout, Place, layered
from ftops.views.spec_report.words import dot

MOST_BOXES = 60
_GAP, _SPACE = 58, 12
"""Pixels between two columns, and between two boxes of one."""
_HEAD, _LINE = 25, 15
"""Of a box: down to its first line, and of each line."""
_PADDING, _CHARACTER = 20, 7.2
_WIDE, _NARROW = 224, 168
"""The width of boxes, with inputs of jobs in them or without."""
_MARGIN, _COLUMN = 46, 296
"""Of the column: room for its lines at the left, and the width of its boxes."""
_LONGEST = 20
"""Characters of a key up to which it isn't divided."""
_MOST_LINES = 4


class Box(NamedTuple):
    """One box: its `kind`, the lines of its name, the statuses of its resources, and the address it links
    to."""

    kind: str
    name: tuple[str, ...]
    statuses: Counter[str]
    link: Address


class _Size(NamedTuple):
    """Of all boxes of a drawing, in pixels."""

    width: int
    height: int


def draw_graph(
    objects: Sequence[ReportedObject], link: Callable[[Address], str]
) -> tuple[Element, Element] | None:
    """From left to right, and as a column; None without objects. `link`: the address of the part of the page
    about a resource."""
    known = {one.address: one for one in objects}
    needs = {one.address: [n for n in one.needs if n in known] for one in objects}
    order = sort(needs, lambda address: address.sort_key)
    if not order:
        return None
    group = _grouping(order, needs)
    boxes, edges = _grouped(order, needs, group, known)
    return _across(boxes, layered(edges), link), _column(boxes, edges, link)


def _grouping(
    order: Sequence[Address], needs: Mapping[Address, Sequence[Address]]
) -> Callable[[Address], Any]:
    """What resources share a box: none, those of a `for_each`, or those of a kind and layer."""
    if len(order) <= MOST_BOXES:
        return lambda address: address
    without_key = {address: address[:2] for address in order}
    if len(set(without_key.values())) <= MOST_BOXES and _is_acyclic(order, needs, without_key):
        return without_key.__getitem__
    depth: dict[Address, int] = {}
    for address in order:
        depth[address] = 1 + max((depth[one] for one in needs[address] if one in depth), default=-1)
    return lambda address: (address.kind, depth[address])


def _is_acyclic(
    order: Sequence[Address], needs: Mapping[Address, Sequence[Address]], group: Mapping[Address, Hashable]
) -> bool:
    edges: dict[Hashable, set[Hashable]] = {one: set() for one in group.values()}
    for address in order:
        edges[group[address]] |= {group[one] for one in needs[address]} - {group[address]}
    return len(sort(edges, lambda one: one)) == len(edges)


def _grouped(
    order: Sequence[Address],
    needs: Mapping[Address, Sequence[Address]],
    group: Callable[[Address], Any],
    known: Mapping[Address, ReportedObject],
) -> tuple[list[Box], list[list[int]]]:
    """The boxes, each after those that it needs, and the numbers of these."""
    members: dict[Any, list[Address]] = {}
    for address in order:
        members.setdefault(group(address), []).append(address)
    edges = {
        one: sorted({group(n) for address in some for n in needs[address]} - {one}, key=list(members).index)
        for one, some in members.items()
    }
    sorted_groups = sort(edges, lambda one: members[one][0].sort_key)
    number = {one: place for place, one in enumerate(sorted_groups)}
    boxes = [_box(members[one], known) for one in sorted_groups]
    return boxes, [[number[n] for n in edges[one]] for one in sorted_groups]


def _box(members: Sequence[Address], known: Mapping[Address, ReportedObject]) -> Box:
    first, statuses = members[0], Counter(known[address].status for address in members)
    if len(members) == 1:
        kind = first.kind if first.key is None else f"{first.kind} {first.name}"
        return Box(kind, (first.name,) if first.key is None else _key(first.key), statuses, first)
    of_one = {address.name for address in members}
    name = f"{first.name} × {len(members)}" if len(of_one) == 1 else plural(len(members), first.kind)
    return Box(first.kind, (name,), statuses, first)


def _key(key: str) -> tuple[str, ...]:
    """A key; of one of a matrix that is too long, a line for each input: `rate 0.3` and `epochs 4` of
    `rate=0.3,epochs=4`."""
    pairs = [pair.partition("=") for pair in key.split(",")]
    if len(key) <= _LONGEST or not all(equals for _, equals, _ in pairs):
        return (key,)
    lines = [f"{name} {value}" for name, _, value in pairs]
    return (*lines[: _MOST_LINES - 1], "…") if len(lines) > _MOST_LINES else tuple(lines)


def _size(boxes: Sequence[Box], width: int) -> _Size:
    return _Size(width, _HEAD + _LINE * max(len(box.name) for box in boxes))


def _across(boxes: Sequence[Box], layout: Layout, link: Callable[[Address], str]) -> Element:
    """Sizes are pixels: a wide graph scrolls within the page."""
    size = _size(boxes, _WIDE if any(len(box.name) > 1 for box in boxes) else _NARROW)
    top = (layout.rows - 1) / 2

    def corner(place: Place) -> tuple[float, float]:
        return place.layer * (size.width + _GAP), (place.position + top) * (size.height + _SPACE)

    routes = [_route([corner(place) for place in route], size) for route in layout.routes.values()]
    drawn = [_drawn(box, corner(place), size, link) for box, place in zip(boxes, layout.places, strict=True)]
    width = layout.layers * (size.width + _GAP) - _GAP
    height = layout.rows * (size.height + _SPACE) - _SPACE
    return _svg("graph across", width, height, routes, drawn)


def _column(boxes: Sequence[Box], edges: Sequence[Sequence[int]], link: Callable[[Address], str]) -> Element:
    """A box below the other, each below what it needs; the lines go along the left."""
    size = _size(boxes, _COLUMN)
    step = size.height + _SPACE
    drawn = [_drawn(box, (_MARGIN, number * step), size, link) for number, box in enumerate(boxes)]
    routes = []
    for number, needed in enumerate(edges):
        for other in needed:
            start, end = other * step + size.height / 2 + 4, number * step + size.height / 2 - 4
            x = _MARGIN - 4 / 3 * min(_MARGIN - 2, 8 + 7 * (number - other))
            routes.append(f"M{_MARGIN} {start:g}C{x:g} {start:g} {x:g} {end:g} {_MARGIN} {end:g}")
    return _svg("graph column", _MARGIN + _COLUMN, len(boxes) * step - _SPACE, routes, drawn)


def _svg(
    class_: str, width: float, height: float, routes: Sequence[str], drawn: Sequence[Element]
) -> Element:
    return element(
        "svg",
        element("title", "Resources, and what each of them needs"),
        *(element("path", d=route, class_="edge") for route in routes),
        *drawn,
        role="group",
        width=f"{width:g}",
        height=f"{height + 4:g}",
        viewBox=f"-2 -2 {width + 4:g} {height + 4:g}",
        class_=class_,
    )


def _route(corners: Sequence[tuple[float, float]], size: _Size) -> str:
    """From the right side of the first box to the left side of the last one; straight through dummies."""
    (x, y), *rest = [(x, y + size.height / 2) for x, y in corners]
    x += size.width
    path = [f"M{x:g} {y:g}"]
    for number, (left, middle) in enumerate(rest, 1):
        bend = (left - x) / 2
        path.append(f"C{x + bend:g} {y:g} {left - bend:g} {middle:g} {left:g} {middle:g}")
        x, y = left, middle
        if number < len(rest):
            x += size.width
            path.append(f"H{x:g}")
    return "".join(path)


def _drawn(box: Box, corner: tuple[float, float], size: _Size, link: Callable[[Address], str]) -> Element:
    x, y = corner
    said = ", ".join(
        f"{count} {status}" if len(box.statuses) > 1 else status for status, count in box.statuses.items()
    )
    worst = next((status for status in _WORST if status in box.statuses), "ready")
    longest = int((size.width - _PADDING) / _CHARACTER)
    top = y + (size.height - _HEAD - _LINE * len(box.name)) / 2
    return element(
        "a",
        element("title", f"{box.link if sum(box.statuses.values()) == 1 else box.name[0]}: {said}"),
        element("rect", x=f"{x:g}", y=f"{y:g}", width=size.width, height=size.height, rx=5, class_="box"),
        element("circle", cx=f"{x + 14:g}", cy=f"{top + 14:g}", r=4.5, class_=f"dot {dot(worst)}"),
        element("text", _cut(box.kind, longest), x=f"{x + 25:g}", y=f"{top + 17:g}", class_="kind"),
        *(
            element(
                "text",
                _cut(line, longest),
                x=f"{x + 10:g}",
                y=f"{top + 32 + number * _LINE:g}",
                class_="name",
            )
            for number, line in enumerate(box.name)
        ),
        href=link(box.link),
        class_=f"node {box.link.kind}",
    )


def _cut(text: str, longest: int) -> str:
    """Of an input, what is cut is its name."""
    if len(text) <= longest:
        return text
    name, space, value = text.partition(" ")
    room = longest - len(space + value) - 1
    return f"{name[:room]}…{space}{value}" if space and room > 2 else f"{text[: longest - 1]}…"


_WORST = ("tainted", "interrupted", "pending", "not created", "not started", "off", "stopped early")
"""Statuses by how much they matter: the first one of a group is shown."""
