"""Live view of an apply on a terminal: a row for each change in progress, finished ones above.

It imports rich, and is imported only when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ftops.applying import events
from ftops.planning.cost.durations import left_by_pace
from ftops.planning.plan import Action
from ftops.views.folding import columns_of, distinct_names, folded
from ftops.views.paint import PLAIN, Painter, clean
from ftops.views.progress import awaited_text, final_line, name_of, stop_text
from ftops.views.training_metrics import short_texts
from ftops.views.values import duration, range_left

_BAR, _SHORT_BAR = 16, 8
_WIDE = 90
"""Columns from which bars are long."""
_SHORTEST_NAME, _LOSSES, _TEXT = 16, 26, 38
"""Columns that names get at least; that a bar leaves for step and losses; and that all that is known of a
training gets before names get more."""
_FIXED = 1 + 6 + 4 * 2
"""Columns of the spinner, a clock such as `12m05s`, and of what separates them."""


@dataclass(slots=True)
class _Row:
    """A change in progress. Times are those of `monotonic`; `usual` the seconds that it usually takes."""

    label: str
    since: float
    message: str
    percent: float | None = None
    usual: tuple[float, float] | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    steps: int | None = None
    done: list[tuple[int, float]] = field(default_factory=list)
    """Steps of a training, and when each was done."""
    spinner: Spinner = field(default_factory=lambda: Spinner("dots"))

    def progressed(self, event: events.ChangeProgress) -> None:
        self.message, self.percent, self.steps = event.message, event.percent, event.steps
        self.metrics |= event.metrics
        step = int(event.metrics.get("step", 0))
        if step and (not self.done or step > self.done[-1][0]):
            self.done.append((step, monotonic()))

    def cells(self, name: str, bar: int, room: int) -> tuple[RenderableType, ...]:
        """Spinner, name, a bar if the progress is known, what is known of it, the clock. The bar has so many
        columns, and what is known has `room`."""
        label = Text(name, style="bold")
        shown = ProgressBar(100, self.percent, width=bar) if bar and self.percent is not None else ""
        clock = Text(duration(monotonic() - self.since), style="dim")
        return self.spinner, label, shown, Text(self.text(room)), clock

    def text(self, room: int) -> str:
        """`64/96  loss .087  val .116  5m–7m left`, less if there is no room for it."""
        left = self._left()
        if not self.done:
            said = clean(self.message)
            both = f"{said}  {left}"
            return both if left and columns_of(both) <= room else said
        step = f"{self.done[-1][0]:,}"
        losses = [*short_texts(self.metrics)]
        parts = [f"{step}/{self.steps:,}" if self.steps else f"step {step}", *losses[:2]]
        for part in filter(None, (left, *losses[2:])):
            if len("  ".join([*parts, part])) <= room:
                parts.append(part)
        return "  ".join(parts)

    def _left(self) -> str:
        """How long it still takes: at the pace of its steps, or by its usual duration."""
        now = monotonic()
        by_pace = left_by_pace(self.done, self.steps, now) if self.steps and len(self.done) > 1 else None
        if by_pace:
            return range_left(*by_pace)
        if self.usual and now - self.since < self.usual[1]:
            return range_left(*(max(0.0, end - (now - self.since)) for end in self.usual))
        return ""


class _Names:
    """What rows are called: the same from the first to the last, although fewer and fewer have to differ."""

    def __init__(self) -> None:
        self._labels: dict[str, None] = {}
        self._drawn: tuple[int, dict[str, str]] = (0, {})

    def add(self, label: str) -> None:
        self._labels[label] = None
        self._drawn = (0, {})

    def within(self, most: int) -> dict[str, str]:
        """By label, the name of at most so many columns."""
        if self._drawn[0] != most:
            labels = [*self._labels]
            self._drawn = (most, dict(zip(labels, distinct_names(labels, most), strict=True)))
        return self._drawn[1]


class LiveView:
    """A context manager that takes events."""

    def __init__(
        self,
        paint: Painter,
        title: str = "Apply",
        console: Console | None = None,
        usual: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        """`usual`: the least and the most seconds that a step usually takes."""
        self._paint = paint
        self._usual = usual or {}
        self._title = title
        self._console = console or Console(no_color=not paint.on, highlight=False, soft_wrap=False)
        self._rows: dict[str, _Row] = {}
        self._names = _Names()
        self._note = ""
        self._awaited = ""
        self._live = Live(self, console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show(self, event: events.Event) -> None:
        match event:
            case events.ChangeStarted():
                doing = Action(event.action).doing
                label, usual = name_of(event, PLAIN), self._usual.get(event.step)
                self._names.add(label)
                self._rows[event.step] = _Row(label, monotonic(), f"{doing}…", usual=usual)
            case events.ChangeProgress():
                if row := self._rows.get(event.step):
                    row.progressed(event)
            case events.PlacesAwaited():
                self._awaited = awaited_text(event)
            case events.StopRequested():
                self._note = stop_text(event.running)
            case (
                events.ChangeFinished()
                | events.ChangeFailed()
                | events.ChangeHeld()
                | events.ChangeStopped()
                | events.ChangeLeft()
            ):
                self._rows.pop(event.step, None)
        line = final_line(event, self._paint, self._title)
        if line is not None:
            self._console.print(Text.from_ansi(folded(line, self._console.width)), soft_wrap=True)

    def __rich__(self) -> Group:
        """Drawn at each refresh, so that clocks tick without events."""
        width, height = self._console.size
        # Room for what a terminal echoes (^C): if it broke a full line in two, the cursor would be lost.
        table = Table.grid(padding=(0, 2, 0, 0))
        table.width = max(20, width - 4)
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column(no_wrap=True, justify="right")
        rows = list(self._rows.values())
        room = max(1, height - 4)
        shown = rows[:room]
        bar = _BAR if width >= _WIDE else _SHORT_BAR
        bar = bar if table.width - _FIXED - bar - _SHORTEST_NAME >= _LOSSES else 0
        most = max(_SHORTEST_NAME, table.width - _FIXED - bar - _TEXT)  # also before there are any bars
        bar *= any(row.percent is not None for row in shown)
        names = self._names.within(most)
        rest = table.width - _FIXED - max(map(columns_of, names.values()), default=0) - bar
        for row in shown:
            table.add_row(*row.cells(names[row.label], bar, rest))
        notes = [f"   and {len(rows) - room} more"] if len(rows) > room else []
        notes += [note for note in (self._awaited, self._note) if note]
        return Group(table, *(Text(note, style="yellow") for note in notes))
