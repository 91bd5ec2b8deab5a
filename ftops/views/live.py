"""Live view of an apply on a terminal: a row for each change in progress, finished ones above.

The only module that imports rich, and imported only when it is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ftops.applying import events
from ftops.planning.plan import Action
from ftops.views.paint import PLAIN, Painter, clean
from ftops.views.progress import awaited_text, final_line, name_of, stop_text
from ftops.views.values import duration

_BAR = 16
_COLUMNS: tuple[JustifyMethod, ...] = ("left", "left", "right", "left")


@dataclass(slots=True)
class _Row:
    """A change in progress."""

    label: str
    since: float
    message: str
    percent: float | None = None
    spinner: Spinner = field(default_factory=lambda: Spinner("dots"))

    def cells(self) -> tuple[RenderableType, ...]:
        """Spinner, name, clock, a bar if the progress is known, and the last message."""
        clock = Text(duration(monotonic() - self.since), style="dim")
        bar = "" if self.percent is None else ProgressBar(100, self.percent, width=_BAR)
        return self.spinner, Text(self.label, style="bold"), clock, bar, Text(clean(self.message))


class LiveView:
    """A context manager that takes events."""

    def __init__(self, paint: Painter, title: str = "Apply", console: Console | None = None) -> None:
        self._paint = paint
        self._title = title
        self._console = console or Console(no_color=not paint.on, highlight=False, soft_wrap=False)
        self._rows: dict[str, _Row] = {}
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
                self._rows[event.step] = _Row(name_of(event, PLAIN), monotonic(), f"{doing}…")
            case events.ChangeProgress():
                if row := self._rows.get(event.step):
                    row.message, row.percent = event.message, event.percent
            case events.PlacesAwaited():
                self._awaited = awaited_text(event)
            case events.StopRequested():
                self._note = stop_text(event.running)
            case events.ChangeFinished() | events.ChangeFailed() | events.ChangeHeld() | events.ChangeLeft():
                self._rows.pop(event.step, None)
        line = final_line(event, self._paint, self._title)
        if line is not None:
            self._console.print(Text.from_ansi(line), soft_wrap=True)

    def __rich__(self) -> Group:
        """Drawn at each refresh, so that clocks tick without events."""
        width, height = self._console.size
        # Room for what a terminal echoes (^C): if it broke a full line in two, the cursor would be lost.
        table = Table.grid(padding=(0, 2, 0, 0))
        table.width = max(20, width - 4)
        for justify in _COLUMNS:
            table.add_column(no_wrap=True, justify=justify)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        rows = list(self._rows.values())
        room = max(1, height - 4)
        for row in rows[:room]:
            table.add_row(*row.cells())
        notes = [f"   and {len(rows) - room} more"] if len(rows) > room else []
        notes += [note for note in (self._awaited, self._note) if note]
        return Group(table, *(Text(note, style="yellow") for note in notes))
