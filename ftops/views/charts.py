"""Charts as inline SVG, in pure functions: histograms, bars and parts of a whole.

Horizontal positions are percentages and text has a fixed size, so a chart fits any width and stays readable.
Colours are classes of the page's style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from ftops.views.html import element

HEIGHT = 190
_TOP, _FLOOR = 26, 160
"""Vertical positions of the tallest bar and of the axis, in pixels."""
_COLUMNS = 40
"""Columns of a histogram at most."""
_WIDE = 4
"""The greatest number is so many times the least that an axis is logarithmic."""
_TICKS = 6
_STEPS = [step * 10**power for power in range(12) for step in (1, 2, 5)]


class Axis(NamedTuple):
    """An axis; a logarithmic one has positive numbers only."""

    low: float
    high: float
    is_log: bool

    def at(self, number: float) -> float:
        """The position, 0 to 100."""
        low, high, here = (self.low, self.high, number)
        if self.is_log:
            low, high, here = (math.log(max(n, 1e-9)) for n in (low, high, number))
        return 100 * (here - low) / (high - low)

    @property
    def ticks(self) -> list[int]:
        """Round integers on the axis, at most _TICKS."""
        if self.is_log:
            inside = [n for n in _STEPS if self.low <= n <= self.high]
            decades = [n for n in inside if str(n)[0] == "1"]
            return inside if len(inside) <= _TICKS else decades[:: -(-len(decades) // _TICKS)]
        return [int(number) for number in ticks(self.low, self.high, _TICKS - 1) if number == int(number)]


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two others, at most `most` and one."""
    if high <= low:
        return [low]
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    width = next(step * unit for step in (1, 2, 5, 10) if step * unit >= rough)
    first, last = math.ceil(low / width - 1e-9), math.floor(high / width + 1e-9)
    return [number * width for number in range(first, last + 1)]


def axis_of(numbers: Sequence[int]) -> Axis:
    """An axis that has all numbers, with some room on both sides. There must be a positive one."""
    least, most = max(1, min(numbers)), max(numbers)
    if most >= _WIDE * least:
        return Axis(least / 1.1, most * 1.1, True)
    room = max(1.0, (most - least) * 0.05)
    return Axis(least - room, most + room, False)


def histogram(tally: Mapping[int, int], axis: Axis, unit: str, limit: int | None = None) -> Element:
    """Numbers, given as number → how often it occurs. `limit`: a line; what is beyond it is marked."""
    columns = _columns(tally, axis)
    most = max((count for *_, count in columns), default=1)
    bars = []
    for low, high, count in columns:
        left, right = axis.at(low), axis.at(high)
        height = max(1.5, (_FLOOR - _TOP) * count / most) if count else 0
        numbers = (
            f"{math.ceil(low):,} to {math.ceil(high) - 1:,}"
            if math.ceil(high) - 1 > math.ceil(low)
            else f"{math.ceil(low):,}"
        )
        bars.append(
            element(
                "rect",
                element("title", f"{numbers} {unit}: {count:,}"),
                x=f"{left:.2f}%",
                y=f"{_FLOOR - height:.1f}",
                width=f"{max(right - left - 0.2, 0.2):.2f}%",
                height=f"{height:.1f}",
                class_="over" if limit and low > limit else "bar",
            )
        )
    return _chart(
        f"Distribution of {unit}", [*bars, *_axis(axis), *_limit(axis, limit), *_most(columns, axis)]
    )


def _columns(tally: Mapping[int, int], axis: Axis) -> list[tuple[float, float, int]]:
    """(low, high, count): columns of equal width on the axis, but at least 1 wide."""
    if axis.is_log:
        ratio = (axis.high / axis.low) ** (1 / _COLUMNS)
        edges = [axis.low * ratio**i for i in range(_COLUMNS + 1)]
        edges = [edge for i, edge in enumerate(edges) if not i or math.ceil(edge) > math.ceil(edges[i - 1])]
    else:
        width = max(1, math.ceil((axis.high - axis.low) / _COLUMNS))
        start = math.floor(axis.low)
        edges = [start + width * i - 0.5 for i in range(int((axis.high - start) / width) + 2)]
    counts = [0] * len(edges)
    position = 0
    for number in sorted(n for n in tally if n >= edges[0]):
        while position + 1 < len(edges) and edges[position + 1] <= number:
            position += 1
        counts[position] += tally[number]
    ends = [*edges[1:], axis.high]
    return [
        (max(low, axis.low), min(high, axis.high), n)
        for low, high, n in zip(edges, ends, counts, strict=True)
        if n
    ]


def _axis(axis: Axis) -> list[Element]:
    line = element("line", x1="0", x2="100%", y1=_FLOOR, y2=_FLOOR, class_="axis")
    marks = []
    for number in axis.ticks:
        at = axis.at(number)
        anchor = "start" if at < 4 else "end" if at > 96 else "middle"
        marks += [
            element("line", x1=f"{at:.2f}%", x2=f"{at:.2f}%", y1=_FLOOR, y2=_FLOOR + 4, class_="axis"),
            element("text", f"{number:,}", x=f"{at:.2f}%", y=_FLOOR + 18, text_anchor=anchor),
        ]
    return [line, *marks]


def _limit(axis: Axis, limit: int | None) -> list[Element]:
    if limit is None or not axis.low <= limit <= axis.high:
        return []
    at = axis.at(limit)
    anchor = "end" if at > 50 else "start"
    return [
        element("line", x1=f"{at:.2f}%", x2=f"{at:.2f}%", y1=4, y2=_FLOOR, class_="limit"),
        element(
            "text",
            f"limit {limit:,}",
            x=f"{at:.2f}%",
            dx=-5 if at > 50 else 5,
            y=14,
            text_anchor=anchor,
            class_="limit",
        ),
    ]


def _most(columns: Sequence[tuple[float, float, int]], axis: Axis) -> list[Element]:
    """The number of the tallest bar, which is the only scale of heights that is needed."""
    if not columns:
        return []
    low, high, count = max(columns, key=lambda column: column[2])
    at = axis.at((low + high) / 2)
    anchor = "start" if at < 8 else "end" if at > 92 else "middle"
    return [element("text", f"{count:,}", x=f"{at:.2f}%", y=_TOP - 6, text_anchor=anchor, class_="count")]


def _chart(label: str, parts: Sequence[Element]) -> Element:
    return element(
        "svg", element("title", label), *parts, role="img", width="100%", height=HEIGHT, class_="chart"
    )


def bar(count: float, most: float, style: str = "bar", label: str = "") -> Element:
    """One horizontal bar of a table. `most` is the width of the whole."""
    width = 100 * count / most if most else 0.0
    rect = element(
        "rect",
        element("title", label or f"{count:,}"),
        width=f"{max(width, 0.4 if count else 0):.2f}%",
        height="100%",
        class_=style,
    )
    return element("svg", rect, class_="meter", width="100%", height=12, aria_hidden="true")


def whole(parts: Sequence[tuple[str, int, str]]) -> Element:
    """Parts of a whole, side by side: (name, number, style)."""
    total = sum(number for _, number, _ in parts) or 1
    left = 0.0
    rects = []
    for name, number, style in parts:
        width = 100 * number / total
        title = element("title", f"{name}: {number:,} ({number / total:.0%})")
        rects.append(
            element(
                "rect",
                title,
                x=f"{left:.2f}%",
                width=f"{max(width - 0.15, 0):.2f}%",
                height="100%",
                class_=style,
            )
        )
        left += width
    label = ", ".join(f"{name} {number / total:.0%}" for name, number, _ in parts)
    return element("svg", *rects, role="img", aria_label=label, class_="whole", width="100%", height=26)
