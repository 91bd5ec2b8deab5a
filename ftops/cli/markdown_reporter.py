"""Markdown reporter: shows a run as one Markdown document, at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec import Struct, field

from ftops.applying import events
from ftops.applying.run import Report
from ftops.cli.apply_reporter import Show
from ftops.cli.console import Screen
from ftops.cli.plan_flow import made_now
from ftops.config.outputs import OutputValue
from ftops.core.errors import Diagnostic
from ftops.planning.plan import Plan
from ftops.views import markdown
from ftops.views.applied import Applied, Last, draw


class MarkdownReporter(Struct):
    """For a comment: nothing is shown before the end."""

    _screen: Screen
    _title: str
    _limit: int | None
    _plan: Plan | None = None
    _last: dict[str, Last] = field(default_factory=dict)
    _end: dict[str, Any] = field(default_factory=dict)

    def plan(self, plan: Plan, warnings: tuple[Diagnostic, ...]) -> None:
        self._plan = plan
        if plan.is_blocked:
            self._screen.text(markdown.draw(plan, made_now(), self._limit, warnings).text)

    @contextmanager
    def running(self, plan: Plan | None = None) -> Iterator[Show]:
        """Keeps the last event of each step."""

        def keep(event: events.Event) -> None:
            if isinstance(event, events.RunFinished):
                self._end["finished"] = event
            elif isinstance(event, events.BestChosen):
                self._end["choices"] = (*self._end.get("choices", ()), event.choice)
            elif isinstance(event, Last):
                self._last[event.step] = event

        yield keep

    def ended(self, report: Report, outputs: Mapping[str, OutputValue], exit_code: int) -> None:
        self._end |= {"report": report, "outputs": outputs if report.result == "done" else {}}
        if report.result not in ("in-progress", "interrupted"):
            self._draw()

    def left(
        self, steps: Mapping[str, str], resume: str, exit_code: int, watch: str = "", *, at_once: bool = False
    ) -> None:
        self._end |= {"left": steps, "resume": resume}
        self._draw()

    def _draw(self) -> None:
        if self._plan is not None:
            applied = Applied(self._title, self._plan, list(self._last.values()), **self._end)
            self._screen.text(draw(applied, made_now(), self._limit))
