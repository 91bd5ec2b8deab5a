"""Apply reporter: shows a running apply as lines, live on a terminal, or as JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from ftops.applying import events
from ftops.applying.run import Report
from ftops.cli.console import Screen
from ftops.cli.plan_flow import plan_document
from ftops.config.outputs import OutputValue
from ftops.core.errors import Diagnostic
from ftops.planning.plan import Plan
from ftops.views import plan as plan_view
from ftops.views import progress
from ftops.views.state import draw_outputs, output_to_json

if TYPE_CHECKING:
    from ftops.cli.markdown_reporter import MarkdownReporter

Show = Callable[[events.Event], None]


class TextReporter(Struct, frozen=True):
    """For people."""

    _screen: Screen
    _title: str

    def plan(self, plan: Plan, warnings: tuple[Diagnostic, ...]) -> None:
        self._screen.warn(warnings)
        self._screen.text(plan_view.draw(plan, self._screen.paint))
        if not plan.is_blocked:
            self._screen.findings(plan.findings, 0)

    @contextmanager
    def running(self, plan: Plan | None = None) -> Iterator[Show]:
        """Shows events until the end of the block. `plan` says how long its jobs usually take."""
        self._screen.text("\n")
        if self._screen.is_live:
            from ftops.views.live import LiveView

            jobs = [job for job in plan.estimate.training if job.hours] if plan else []
            usual = {str(job.address): (3600 * job.hours[0], 3600 * job.hours[-1]) for job in jobs}
            with LiveView(self._screen.paint, self._title, usual=usual) as live:
                yield live.show
            return
        lines = progress.Lines(self._screen.paint, self._title)

        def show(event: events.Event) -> None:
            line = lines.of(event)
            if line is not None:
                self._screen.text(f"{line}\n")

        yield show

    def ended(self, report: Report, outputs: Mapping[str, OutputValue], exit_code: int) -> None:
        if outputs and report.result == "done":
            shown = draw_outputs(outputs, self._screen.paint, indent="  ")
            self._screen.lines(["", "Outputs:", "", *shown])
        failures = progress.failures(report)
        if failures:
            self._screen.note("\n")
            self._screen.fail(failures, exit_code)

    def left(
        self, steps: Mapping[str, str], resume: str, exit_code: int, watch: str = "", *, at_once: bool = False
    ) -> None:
        title = "Stopped at once.\n" if at_once else ""
        self._screen.note("\n" + title + progress.draw_left(steps, resume, watch, is_known=not at_once))


class JsonReporter(Struct, frozen=True):
    """For programs: docs/json-output.md describes each line."""

    _screen: Screen

    def plan(self, plan: Plan, warnings: tuple[Diagnostic, ...]) -> None:
        self._screen.line({"event": "plan", **plan_document(plan, warnings)})

    @contextmanager
    def running(self, plan: Plan | None = None) -> Iterator[Show]:
        yield lambda event: self._screen.line(events.to_json(event))

    def ended(self, report: Report, outputs: Mapping[str, OutputValue], exit_code: int) -> None:
        shown = {name: output_to_json(output) for name, output in outputs.items()}
        self._screen.line(progress.result_to_json(report, shown, exit_code))

    def left(
        self, steps: Mapping[str, str], resume: str, exit_code: int, watch: str = "", *, at_once: bool = False
    ) -> None:
        if at_once:
            self._screen.line(
                {"event": "result", "result": "interrupted", "exit_code": exit_code, "open": list(steps)}
            )


Reporter: TypeAlias = "TextReporter | JsonReporter | MarkdownReporter"
