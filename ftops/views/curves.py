"""Curves for a terminal: lines of braille dots, or of ASCII where there are none. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from ftops.providers.training_curves import Curve, Points, panels, smoothed, window_of
from ftops.views.paint import Painter, clean

HEIGHT = 8
_LABEL = 9
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bits of a braille character, by row and column."""
_BRAILLE = 0x2800
EVALUATED, BEST = "o", "*"
_DATA = {"train": "training", "valid": "a part of validation", "full_valid": "validation"}
"""What the prefixes of columns mean."""
TITLES = {"mean_token_accuracy": "token accuracy", "mean_reward": "reward", "reward_mean": "reward"}


class Canvas(Struct, frozen=True):
    """Where curves are drawn: `width` and `height` in characters."""

    width: int
    height: int = HEIGHT
    is_braille: bool = True

    @property
    def scale(self) -> tuple[int, int]:
        """Dots of a character, horizontally and vertically."""
        return (2, 4) if self.is_braille else (1, 1)


def draw_curves(
    curves: Sequence[Curve],
    best: int | None,
    width: int,
    is_braille: bool,
    paint: Painter,
    word: str = "best",
) -> list[str]:
    """A chart for each quantity. `best`: the step of the marked checkpoint; `word` says what it is."""
    canvas = Canvas(max(20, min(width, 100) - _LABEL - 1), is_braille=is_braille)
    return [line for panel in panels(curves) for line in [*_chart(panel, best, canvas, paint, word), ""]]


def _chart(panel: Sequence[Curve], best: int | None, canvas: Canvas, paint: Painter, word: str) -> list[str]:
    """Training as a line, validation as marks."""
    found = {curve.data: curve for curve in panel}
    marked = found.get("full_valid") or found.get("valid")
    if marked and len(marked.points) < 2 and "valid" in found:
        marked = found["valid"]
    line = found.get("train") or panel[0]
    drawn = {line.column: smoothed(line.points, window_of(line))}
    if marked:
        drawn[marked.column] = smoothed(marked.points, window_of(marked))
    everything = [point for points in drawn.values() for point in points]
    steps, values = [step for step, _ in everything], [value for _, value in everything]
    box = min(steps), max(steps), min(values), max(values)
    rows = [list(text) for text in _line(drawn[line.column], box, canvas)]
    for step, value in drawn[marked.column] if marked else ():
        x, y = _place(step, value, box, canvas.width, canvas.height)
        rows[y][x] = EVALUATED
    if best is not None and (nearest := _value_at(drawn[(marked or line).column], best)) is not None:
        within = max(box[0], min(box[1], best))  # a file may end before the step of the checkpoint
        x, y = _place(within, nearest, box, canvas.width, canvas.height)
        rows[y][x] = BEST
    title = TITLES.get(panel[0].quantity, panel[0].quantity.replace("_", " "))
    labels = {0: f"{box[3]:.4g}", canvas.height - 1: f"{box[2]:.4g}"}
    left, right = f"step {box[0]}", str(box[1])
    return [
        paint(clean(title), "bold") + f"  {_legend(line, marked, best and f'{word} (step {best})', paint)}",
        *(f"{labels.get(n, ''):>{_LABEL}} {_painted(row, paint)}" for n, row in enumerate(rows)),
        " " * (_LABEL + 1) + left + right.rjust(canvas.width - len(left)),
    ]


def _legend(line: Curve, marked: Curve | None, best: str | int | None, paint: Painter) -> str:
    """What is drawn how, and what is smoothed."""
    parts = [f"line: {_DATA.get(line.data, line.data)}{_means(line)}"]
    if marked and marked is not line:
        parts.append(f"{EVALUATED}: {_DATA.get(marked.data, marked.data)}{_means(marked)}")
    parts += [f"{BEST}: {best}"] if best is not None else []
    return paint(", ".join(parts), "dim")


def _means(curve: Curve) -> str:
    window = window_of(curve)
    return f" (mean of {window})" if window > 1 else ""


def _painted(row: Sequence[str], paint: Painter) -> str:
    styles = {EVALUATED: "update", BEST: "good"}
    return "".join(paint(char, styles[char]) if char in styles else char for char in row).rstrip()


def _value_at(points: Points, step: int) -> float | None:
    """The value at the nearest step."""
    return min(points, key=lambda point: abs(point[0] - step), default=(0, None))[1]


def _place(
    step: float, value: float, box: tuple[int, int, float, float], width: int, height: int
) -> tuple[int, int]:
    """Column and row, from the top left."""
    first, last, low, high = box
    across = (step - first) / (last - first) if last > first else 0.5
    up = (value - low) / (high - low) if high > low else 0.5
    return round(across * (width - 1)), round((1 - up) * (height - 1))


def _line(points: Points, box: tuple[int, int, float, float], canvas: Canvas) -> list[str]:
    across, down = canvas.scale
    width, height = canvas.width * across, canvas.height * down
    places = [_place(step, value, box, width, height) for step, value in points]
    dots = set(places)
    for (x0, y0), (x1, y1) in pairwise(places):
        length = max(abs(x1 - x0), abs(y1 - y0))
        dots |= {
            (round(x0 + (x1 - x0) * n / length), round(y0 + (y1 - y0) * n / length)) for n in range(1, length)
        }
    if not canvas.is_braille:
        return ["".join("." if (x, y) in dots else " " for x in range(width)) for y in range(height)]
    return ["".join(_character(dots, x, y) for x in range(canvas.width)) for y in range(canvas.height)]


def _character(dots: set[tuple[int, int]], x: int, y: int) -> str:
    bits = sum(
        bit
        for row, pair in enumerate(_DOTS)
        for column, bit in enumerate(pair)
        if (2 * x + column, 4 * y + row) in dots
    )
    return chr(_BRAILLE + bits) if bits else " "
