"""Plots of a report as inline SVG: lines by step, parallel coordinates, intervals. Pure.

Lines are stretched to the width of the page, with strokes of one width; horizontal positions of all else are
percentages. Labels of the vertical axis are an SVG of their own beside it, so text keeps its size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from ftops.core.address import Json
from ftops.providers.training_curves import Points
from ftops.views.charts import HEIGHT, Axis, ticks
from ftops.views.html import Node, element

_TOP, _FLOOR = 18, 162
"""Pixels; labels of marks are above the lines."""
_MOST_POINTS = 240
_WIDE = 20
"""The greatest value of an axis is so many times the least that it is logarithmic."""
_TICKS = 5


class Line(NamedTuple):
    """A line of a plot. `style`: a class of the style sheet; `raw`: the values before smoothing, shown faint;
    `dots`: whether each value is marked; `end`: what a cross at its end means, if there is one."""

    name: str
    points: Points
    style: str
    raw: Points = ()
    dots: bool = False
    end: str = ""


class Mark(NamedTuple):
    """A point that stands out."""

    step: int
    value: float
    text: str


def line_plot(label: str, lines: Sequence[Line], mark: Mark | None = None) -> Element:
    """Lines by step, from the least value to the greatest. There must be a point."""
    points = [point for line in lines for point in line.points]
    steps, values = [step for step, _ in points], [value for _, value in points]
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    low = 0.0 if 0 <= low < 0.25 * high else low - room
    box = _Box(min(steps), max(steps), low, high + room)
    marked = _marked(mark, box) if mark else []
    dots = [dot for line in lines if line.dots for dot in _dots(line, box)]
    ends = [_cross(line, box) for line in lines if line.end]
    inside = [path for line in lines for path in _paths(line, box)]
    return _framed(
        label,
        [(box.down(value), f"{value:.4g}") for value in ticks(box.low, box.high, 4)],
        [*_x_axis(box), _stretched(inside), *dots, *ends, *marked],
    )


class _Box(NamedTuple):
    first: float
    last: float
    low: float
    high: float

    def across(self, step: float) -> float:
        """In percent."""
        return 100 * (step - self.first) / (self.last - self.first) if self.last > self.first else 50.0

    def down(self, value: float) -> float:
        """In pixels."""
        return _FLOOR - (_FLOOR - _TOP) * (value - self.low) / (self.high - self.low)


def _framed(label: str, scale: Sequence[tuple[float, str]], parts: Sequence[Node]) -> Element:
    """A plot with its vertical axis beside it: (pixels, text)."""
    texts = [element("text", text, x=44, y=f"{y + 4:.1f}", text_anchor="end") for y, text in scale]
    grid = [element("line", x1="0", x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid") for y, _ in scale]
    axis = element("svg", *texts, width=48, height=HEIGHT, class_="scale", aria_hidden="true")
    plot = element(
        "svg", element("title", label), *grid, *parts, role="img", width="100%", height=HEIGHT, class_="plot"
    )
    return element("div", axis, plot, class_="framed")


def _stretched(paths: Sequence[Element]) -> Element:
    return element(
        "svg",
        *paths,
        x=0,
        y=0,
        width="100%",
        height=HEIGHT,
        viewBox=f"0 0 1000 {HEIGHT}",
        preserveAspectRatio="none",
        class_="stretched",
    )


def _paths(line: Line, box: _Box) -> list[Element]:
    title = element("title", line.name)
    faint = [element("path", d=_d(line.raw, box), class_=f"raw {line.style}")] if line.raw else []
    return [*faint, element("path", title, d=_d(line.points, box), class_=f"line {line.style}")]


def _d(points: Points, box: _Box) -> str:
    """The path through points; of many, through some of them and the last one."""
    stride = -(-len(points) // _MOST_POINTS)
    chosen = points[::stride] if (len(points) - 1) % max(stride, 1) == 0 else (*points[::stride], points[-1])
    return "M" + "L".join(
        f"{10 * box.across(step):.1f} {_clamped(box.down(value)):.1f}" for step, value in chosen
    )


def _clamped(y: float) -> float:
    """Values before smoothing may be beyond the axis."""
    return min(max(y, _TOP), _FLOOR)


def _dots(line: Line, box: _Box) -> list[Element]:
    if len(line.points) > 60:
        return []
    return [
        element(
            "circle",
            element("title", f"{line.name}, step {step:,}: {value:.4g}"),
            cx=f"{box.across(step):.2f}%",
            cy=f"{box.down(value):.1f}",
            r=3,
            class_=f"dot {line.style}",
        )
        for step, value in line.points
    ]


CROSS = "×"


def _cross(line: Line, box: _Box) -> Element:
    """At the last point of a line."""
    step, value = line.points[-1]
    x = box.across(step)
    return element(
        "text",
        element("title", f"{line.name}, {line.end}"),
        CROSS,
        x=f"{x:.2f}%",
        y=f"{box.down(value) + 6:.1f}",
        text_anchor="end" if x > 98 else "start" if x < 2 else "middle",
        class_="cross",
    )


def _marked(mark: Mark, box: _Box) -> list[Element]:
    x, y = box.across(mark.step), box.down(mark.value)
    anchor = "end" if x > 60 else "start"
    return [
        element("line", x1=f"{x:.2f}%", x2=f"{x:.2f}%", y1=_TOP, y2=_FLOOR, class_="best"),
        element("circle", cx=f"{x:.2f}%", cy=f"{y:.1f}", r=5, class_="best"),
        element(
            "text",
            mark.text,
            x=f"{x:.2f}%",
            dx=-7 if x > 60 else 7,
            y=_TOP - 7,
            text_anchor=anchor,
            class_="best",
        ),
    ]


def _x_axis(box: _Box) -> list[Element]:
    parts = [element("line", x1="0", x2="100%", y1=_FLOOR, y2=_FLOOR, class_="axis")]
    for step in ticks(box.first, box.last, _TICKS):
        if step != int(step):
            continue
        x = box.across(step)
        anchor = "start" if x < 3 else "end" if x > 97 else "middle"
        parts.append(element("text", f"{step:,.0f}", x=f"{x:.2f}%", y=_FLOOR + 17, text_anchor=anchor))
    return parts


class Coordinate(NamedTuple):
    """One axis of parallel coordinates: its values by line; None: none."""

    name: str
    values: Sequence[Json]


def parallel_plot(
    label: str, coordinates: Sequence[Coordinate], names: Sequence[str], ranks: Sequence[int]
) -> Element:
    """A line for each of `names` through its values on all axes. `ranks`: 0 is the best, 5 the worst; drawn
    from the worst to the best."""
    count = len(coordinates)
    at = [6 + 88 * number / max(count - 1, 1) for number in range(count)]
    scales = [_Scale.of(one.values) for one in coordinates]
    axes: list[Node] = []
    for number, (x, one, scale) in enumerate(zip(at, coordinates, scales, strict=True)):
        axes.append(
            element(
                "line", x1=f"{x:.2f}%", x2=f"{x:.2f}%", y1=_PARALLEL_TOP, y2=_PARALLEL_FLOOR, class_="axis"
            )
        )
        anchor = "start" if x < 10 else "end" if x > 90 else "middle"
        shift = {"start": "0", "end": "100%"}.get(anchor, f"{x:.2f}%")
        axes.append(
            element("text", one.name, x=shift, y=14 + 16 * (number % 2), text_anchor=anchor, class_="count")
        )
        for y, text in scale.labels:
            side = x > 90
            axes.append(
                element(
                    "text",
                    text,
                    x=f"{x:.2f}%",
                    dx=-6 if side else 6,
                    y=f"{y + 4:.1f}",
                    text_anchor="end" if side else "start",
                )
            )
    lines = []
    for number in sorted(range(len(names)), key=lambda n: -ranks[n]):
        places = [scale.down(one.values[number]) for one, scale in zip(coordinates, scales, strict=True)]
        known = [(x, y) for x, y in zip(at, places, strict=True) if y is not None]
        d = "M" + "L".join(f"{10 * x:.1f} {y:.1f}" for x, y in known)
        if len(known) > 1:
            lines.append(
                element("path", element("title", names[number]), d=d, class_=f"line rank{ranks[number]}")
            )
    stretched = element(
        "svg",
        *lines,
        width="100%",
        height=_PARALLEL_HEIGHT,
        viewBox=f"0 0 1000 {_PARALLEL_HEIGHT}",
        preserveAspectRatio="none",
        class_="stretched",
    )
    return element(
        "svg",
        element("title", label),
        stretched,
        *axes,
        role="img",
        width="100%",
        height=_PARALLEL_HEIGHT,
        class_="parallel few" if count <= _FEW_AXES else "parallel",
    )


_PARALLEL_TOP, _PARALLEL_FLOOR, _PARALLEL_HEIGHT = 44, 244, 258
_FEW_AXES = 3
"""So many are legible on a telephone."""
_MOST_LABELS = 9
_ROOM = 13
"""Pixels from one label to the next."""


class _Scale(NamedTuple):
    """The vertical places of values, and some labels: (pixels, text)."""

    places: Mapping[str, float]
    labels: Sequence[tuple[float, str]]

    @classmethod
    def of(cls, values: Sequence[Json]) -> _Scale:
        known = [value for value in values if value is not None]
        numbers = [float(v) for v in known if isinstance(v, int | float) and not isinstance(v, bool)]
        if numbers and len(numbers) == len(known):
            low, high = min(numbers), max(numbers)
            axis = Axis(low, high, is_log=low > 0 and high >= _WIDE * low)
            distinct = sorted(set(numbers))
            places = {_key(n): _down(axis.at(n) / 100 if high > low else 0.5) for n in distinct}
            shown = distinct if len(distinct) <= _MOST_LABELS else [low, high]
            return cls(places, _apart([(places[_key(n)], f"{n:.4g}") for n in shown]))
        texts = sorted({_key(value) for value in known})
        places = {
            text: _down(n / (len(texts) - 1) if len(texts) > 1 else 0.5) for n, text in enumerate(texts)
        }
        return cls(
            places, _apart([(y, text if len(text) <= 18 else f"{text[:17]}…") for text, y in places.items()])
        )

    def down(self, value: Json) -> float | None:
        return None if value is None else self.places.get(_key(value))


def _key(value: Json) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return repr(float(value)) if is_number else str(value)  # type: ignore[arg-type]


def _down(part: float) -> float:
    return _PARALLEL_FLOOR - (_PARALLEL_FLOOR - _PARALLEL_TOP - 14) * part - 6


def _apart(labels: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Without those that would cover another one; the first and the last stay."""
    kept: list[tuple[float, str]] = []
    ordered = sorted(labels)
    for y, text in ordered:
        if not kept or y - kept[-1][0] >= _ROOM:
            kept.append((y, text))
    if kept[-1] != ordered[-1]:
        kept[-1:] = [ordered[-1]] if len(kept) > 1 else [*kept, ordered[-1]]
    return kept


def interval_bar(score: float, low: float | None, high: float | None, style: str) -> Element:
    """A share between 0 and 1 as a bar, with its interval."""
    parts: list[Node] = [
        element("rect", x=0, y=5, width="100%", height=8, class_="track"),
        element("rect", x=0, y=5, width=f"{100 * score:.2f}%", height=8, class_=style),
    ]
    if low is not None and high is not None:
        parts += [
            element("line", x1=f"{100 * low:.2f}%", x2=f"{100 * high:.2f}%", y1=9, y2=9, class_="whisker"),
            *(
                element("line", x1=f"{100 * x:.2f}%", x2=f"{100 * x:.2f}%", y1=4, y2=14, class_="whisker")
                for x in (low, high)
            ),
        ]
    return element("svg", *parts, width="100%", height=18, aria_hidden="true", class_="interval")
