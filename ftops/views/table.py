"""Tables as text: columns aligned, in the width of a terminal, or a block of lines for each row. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import zip_longest

from ftops.views.folding import columns_of, folded_lines, padded
from ftops.views.paint import Painter, clean

_GAP = 2
Rows = Sequence[Sequence[str]]


def draw_table(
    rows: Rows,
    paint: Painter,
    columns: int | None = None,
    right: Collection[int] = (),
    styles: Mapping[tuple[int, int], str] | None = None,
    heading: str = "bold",
) -> list[str]:
    """A string for each row, the first of which are headings.

    `columns` are those of the terminal, None if lines may have any length: cells are folded to fit, and if
    their longest words don't fit either, each row becomes a block with an empty line below it, and there is
    no row of headings.
    `right` are the columns of numbers; `styles` those of cells, by row and column.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    styles = {(0, at): heading for at in range(len(rows[0]))} | dict(styles or {})
    table = [*zip(*cells, strict=True)]
    widths = [max(map(columns_of, column)) for column in table]
    if columns is not None:
        room = columns - _GAP * (len(widths) - 1)
        fitting = _fitting(table, widths, room, whole_names=True) or _fitting(table, widths, room)
        if fitting is None:
            is_named = all(columns_of(_head(cells[0], row)) <= columns for row in cells[1:])
            names = cells[0] if is_named else ["", *cells[0][1:]]
            last = len(cells) - 1
            blocks = (_block(names, cells[n], columns, _of(styles, n), paint) for n in range(1, last + 1))
            return [f"{block}\n" if n < last else block for n, block in enumerate(blocks, 1)]
        widths = fitting
    folded = zip(*map(_folded, table, widths), strict=True)
    return [_row(row, widths, right, _of(styles, n), paint) for n, row in enumerate(folded)]


def fits(rows: Rows, columns: int, *, whole_names: bool = False) -> bool:
    """Whether a table of these rows is no wider than so many columns, with folded cells; with `whole_names`,
    without breaking a heading such as `learning_rate_multiplier`."""
    table = [*zip(*([clean(cell) for cell in row] for row in rows), strict=True)]
    widths = [max(map(columns_of, column)) for column in table]
    room = columns - _GAP * (len(widths) - 1)
    return _fitting(table, widths, room, whole_names=whole_names) is not None


def width_of(rows: Rows) -> int:
    """Columns that a table of these rows takes if no cell is folded."""
    table = zip(*([clean(cell) for cell in row] for row in rows), strict=True)
    return sum(max(map(columns_of, column)) + _GAP for column in table) - _GAP


def left_out(names: Iterable[str], shown: Collection[str], paint: Painter, where: str) -> list[str]:
    """A line below a table that is too wide for all its columns: those that it lacks, and where they are."""
    missing = [name for name in names if name not in shown]
    return [paint(f"Left out, for the width: {', '.join(missing)}; {where}.", "dim")] * bool(missing)


def _folded(column: Sequence[str], width: int) -> list[list[str]]:
    """The lines of each cell, the heading first."""
    return [_folded_name(column[0], width), *(folded_lines(cell, width, 0) for cell in column[1:])]


def _fitting(
    table: Rows, natural: Sequence[int], columns: int, *, whole_names: bool = False
) -> list[int] | None:
    """Widths that take so many columns together; what folding leaves goes first to columns that it gives all
    they need. None if the longest words don't fit."""
    least = [
        max(map(_longest, [*([name] if whole_names else _parts(name)), *cells])) for name, *cells in table
    ]
    shrunk = _shrunk(natural, least, columns)
    if shrunk is None:
        return None
    folded = map(_folded, table, shrunk)
    widths = [max(columns_of(line) for cell in column for line in cell) for column in folded]
    left = columns - sum(widths)
    for at in sorted(range(len(widths)), key=natural.__getitem__):
        missing = natural[at] - widths[at]
        if missing <= left:
            widths[at], left = natural[at], left - missing
    widest = max(range(len(widths)), key=natural.__getitem__)
    widths[widest] += min(left, natural[widest] - widths[widest])
    return widths


def _of(styles: Mapping[tuple[int, int], str], row: int) -> Mapping[int, str]:
    return {column: style for (at, column), style in styles.items() if at == row}


def _row(
    row: Sequence[Sequence[str]],
    widths: Sequence[int],
    right: Collection[int],
    styles: Mapping[int, str],
    paint: Painter,
) -> str:
    """`row`: the lines of its cells."""
    lines = []
    for parts in zip_longest(*row, fillvalue=""):
        last = max((at for at, part in enumerate(parts) if part), default=0)
        shown = []
        for at, (part, width) in enumerate(zip(parts[: last + 1], widths, strict=False)):
            space = " " * (width - columns_of(part))
            text = paint(part, styles.get(at, "")) if part else ""
            shown.append(space + text if at in right else text if at == last else text + space)
        lines.append((" " * _GAP).join(shown))
    return "\n".join(lines)


def _block(
    names: Sequence[str], row: Sequence[str], columns: int, styles: Mapping[int, str], paint: Painter
) -> str:
    """The first cell, and below it a line for each of the others."""
    width = max(map(columns_of, names))
    lines = [paint(_head(names, row), styles.get(0, "bold"))]
    for at, (name, cell) in enumerate(zip(names[1:], row[1:], strict=True), 1):
        if cell:
            label = f"  {padded(name, width)}  "
            first, *more = folded_lines(label + cell, columns, len(label))
            style = styles.get(at, "")
            lines += [label + paint(first[len(label) :], style), *(paint(line, style) for line in more)]
    return "\n".join(lines)


def _head(names: Sequence[str], row: Sequence[str]) -> str:
    return f"{names[0]}: {row[0]}" if names[0] else row[0]


def _parts(name: str) -> list[str]:
    """Where a heading such as `learning_rate_multiplier` may be folded."""
    return re.split(r"(?<=[_. ])", name)


def _folded_name(name: str, width: int) -> list[str]:
    lines = [""]
    for part in _parts(name):
        if columns_of((lines[-1] + part).rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def _longest(cell: str) -> int:
    return max(map(columns_of, cell.split(" ")))


def _shrunk(widths: Sequence[int], least: Sequence[int], columns: int) -> list[int] | None:
    """Widths that take so many columns together: the widest get narrower, none more than its longest word.
    None if there are no such widths."""
    fitting = list(widths)
    while sum(fitting) > columns:
        at = max(range(len(fitting)), key=lambda n: (fitting[n] > least[n], fitting[n]))
        if fitting[at] <= least[at]:
            return None
        fitting[at] -= 1
    return fitting
