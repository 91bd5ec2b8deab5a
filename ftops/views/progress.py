"""Events of an apply as lines, for logs and pipes."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from ftops.applying import events
from ftops.applying.run import Report
from ftops.core.address import Json
from ftops.core.errors import Diagnostic
from ftops.core.plurals import agree, plural
from ftops.planning.estimate import dollars
from ftops.planning.plan import Action
from ftops.planning.plan_document import held_to_json
from ftops.views.choices import choice_line
from ftops.views.diagnostics import to_json
from ftops.views.paint import PLAIN, Painter, clean
from ftops.views.values import duration, short_id

INTERVAL = 2.0
"""Minimum seconds between two lines of progress of a step."""
_ALWAYS_COUNTED = ("created", "updated", "replaced", "deleted")
_RESULTS: Mapping[str, tuple[str, str]] = {
    "done": ("complete", "good"),
    "failed": ("failed", "error"),
    "held": ("held by a gate", "update"),
    "in-progress": ("not finished", "update"),
    "interrupted": ("interrupted", "update"),
}


class Lines:
    """Turns events into lines. Numeric progress and repeated messages are rate-limited; new ones aren't."""

    def __init__(self, paint: Painter, title: str = "Apply") -> None:
        self._paint = paint
        self._title = title
        self._shown: dict[tuple[str, str], float] = {}
        """When a step's progress in numbers, or a message of it, was last shown."""

    def of(self, event: events.Event) -> str | None:
        """The line of an event, without its end; None for events that aren't shown."""
        match event:
            case events.ChangeProgress() if self._is_too_soon(event):
                return None
            case events.ChangeStarted(action=action):
                return f"{name_of(event, self._paint)}: {Action(action).doing}…"
            case events.ChangeProgress():
                text = self._paint(_with_steps(event))
                return f"{name_of(event, self._paint)}: {text} ({duration(event.elapsed)})"
            case events.StopRequested(running=running):
                return stop_text(running)
            case events.PlacesAwaited():
                return awaited_text(event) or None
            case _:
                return final_line(event, self._paint, self._title)

    def _is_too_soon(self, event: events.ChangeProgress) -> bool:
        is_number = event.percent is not None or bool(event.metrics)
        said = (event.step, "" if is_number else event.message)
        last = self._shown.get(said)
        if last is not None and event.elapsed - last < INTERVAL and event.percent != 100:
            return True
        self._shown[said] = event.elapsed
        return False


def _without_name(event: events.ChangeFailed) -> str:
    """Of `start job.copilot: no quota`, what follows the address, which the line begins with."""
    before, name, after = event.message.partition(f"{event.address}: ")
    return after if name and len(before.split()) < 3 else event.message


def _with_steps(event: events.ChangeProgress) -> str:
    """`step 64/96: loss 0.2555`, also if the service doesn't say how many steps there are."""
    step = f"step {int(event.metrics.get('step', 0))}"
    if event.steps and event.message.startswith(f"{step}:"):
        return event.message.replace(step, f"{step}/{event.steps}", 1)
    return event.message


def final_line(event: events.Event, paint: Painter, title: str = "Apply") -> str | None:
    """The line of an event that stays on the screen: ends, retries, results. None for all others."""
    match event:
        case events.ChangeFinished():
            what = f"{paint(Action(event.action).done, event.action)} in {duration(event.elapsed)}"
            what += f"  {paint(short_id(event.remote_id), 'dim')}" if event.remote_id else ""
            what += f"\n  {paint(event.message)}" if event.message else ""
        case events.ChangeRetried():
            wait = paint(f"try {event.attempt} in {duration(event.wait)}", "update")
            what = f"{paint(event.message)}; {wait}"
        case events.ChangeFailed():
            what = (
                f"{paint(f'failed after {duration(event.elapsed)}', 'error')}: {paint(_without_name(event))}"
            )
        case events.ChangeHeld():
            held = f"{paint('held by its gate', 'update')}: {paint(event.reasons)}"
            held += f"\n  hint: {paint(event.hint, 'dim')}" if event.hint else ""
            return f"{paint(str(event.address), 'bold')}: {held}"
        case events.ChangeSkipped():
            what = paint(f"not done, because {' '.join(filter(None, blocker_of(event)))}", "dim")
        case events.ChangeStopped():
            what = stopped_text(event, paint)
        case events.ChangeLeft():
            what = paint(event.message or "still in progress", "update")
            what += f"  {paint(short_id(event.remote_id), 'dim')}" if event.remote_id else ""
        case events.RunFinished():
            return f"\n{result_line(event, paint, title)}"
        case events.BestChosen():
            return f"best of {paint(str(event.choice.sweep))}: {choice_line(event.choice, paint)}"
        case _:
            return None
    return f"{name_of(event, paint)}: {what}"


Step = (
    events.ChangeStarted
    | events.ChangeProgress
    | events.ChangeRetried
    | events.ChangeFinished
    | events.ChangeFailed
    | events.ChangeHeld
    | events.ChangeSkipped
    | events.ChangeStopped
    | events.ChangeLeft
)


def name_of(event: Step, paint: Painter) -> str:
    """The address, and whether the step deletes an old object."""
    old = " (old object)" if event.step != str(event.address) else ""
    return f"{paint(str(event.address), 'bold')}{old}"


def blocker_of(event: events.ChangeSkipped) -> tuple[str, str]:
    """The address of what a step would have followed, empty if it is its own, and what is with it: `job.a`,
    `isn't done`. A step is `address#key` if it deletes an old object."""
    address, mark, key = event.because.rpartition("#")
    if not mark or key.endswith("]"):
        return event.because, "isn't done"
    if address == str(event.address):
        return "", "its old object isn't deleted"
    return address, "(old object) isn't deleted"


def result_line(event: events.RunFinished, paint: Painter, title: str) -> str:
    """`Apply complete: 3 created, … in 12s.`"""
    result, style = _RESULTS[event.result]
    counts = {name: getattr(event, name) for name in (*(action.done for action in Action), "moved")} | {
        "setting recorded" if event.settings == 1 else "settings recorded": event.settings,
        "stopped early": event.stopped,
        "not started": event.not_started,
        "held": event.held,
        "in progress": event.left,
        "waiting for a place": event.waiting,
        "failed": event.failed,
        "not done": event.skipped,
    }
    always = ("deleted",) if title == "Destroy" else _ALWAYS_COUNTED
    parts = [f"{count} {name}" for name, count in counts.items() if count or name in always]
    return f"{paint(f'{title} {result}:', style)} {', '.join(parts)} in {duration(event.elapsed)}."


def stop_text(running: int) -> str:
    """The message after the first interrupt."""
    if not running:
        return "Stopping: nothing new is started."
    return (
        f"Stopping: nothing new is started, waiting for {plural(running, 'call')} in progress. "
        "Interrupt again to stop immediately; nothing is lost."
    )


def awaited_text(event: events.PlacesAwaited) -> str:
    """`77 jobs wait for a place`; empty if none does any more."""
    waiting = f"{plural(event.count, event.kind)} {agree(event.count, 'waits', 'wait')} for a place"
    return waiting if event.count else ""


def stopped_text(event: events.ChangeStopped, paint: Painter = PLAIN) -> str:
    """`stopped early after 12s: at step 10, …; saves about 12,000 tokens, $3.40`, or `not started: …`."""
    if event.at_step is None:
        return f"{paint('not started', 'update')}: {paint(event.reason)}"
    text = f"{paint('stopped early', 'update')} after {duration(event.elapsed)}: {paint(event.reason)}"
    if event.tokens_saved:
        text += f"; saves about {event.tokens_saved:,} tokens"
        text += f", {dollars(event.dollars_saved)}" if event.dollars_saved else ""
    return text


def draw_left(steps: Mapping[str, str], again: str, watch: str = "", *, is_known: bool = True) -> str:
    """The steps (with remote id) that a run left in progress, and how to continue.

    `watch`: the command that shows how they go on; empty if there is none. `is_known`: they are known to be
    in progress at the service.
    """
    if not steps:
        return f"All changes so far are recorded. `{again}` continues from here.\n"
    title = "Still in progress at the service" if is_known else "Was in progress; may continue at the service"
    lines = [f"{title}:"]
    lines += [f"  {clean(step)}  {clean(short_id(remote_id))}".rstrip() for step, remote_id in steps.items()]
    lines += [f"`{watch}` shows how they train."] * bool(watch)
    lines.append(f"`{again}` continues from here; nothing is created twice.")
    return "\n".join(lines) + "\n"


def failures(report: Report) -> list[Diagnostic]:
    """Diagnostics of failed steps, each with its address."""
    return [
        d if str(failure.address) in d.summary else replace(d, summary=f"{failure.address}: {d.summary}")
        for failure in report.failures
        for d in failure.error.diagnostics
    ]


def result_to_json(report: Report, outputs: Mapping[str, Json], exit_code: int) -> dict[str, Json]:
    """The last line of `apply -o json`."""
    return {
        "event": "result",
        "result": report.result,
        "exit_code": exit_code,
        "steps": {step: fate.value for step, fate in report.fates.items()},
        "failures": [
            {
                "step": failure.step,
                "address": str(failure.address),
                "action": failure.action.value,
                "diagnostics": [to_json(d) for d in failure.error.diagnostics],
            }
            for failure in report.failures
        ],
        "held": [held_to_json(one) for one in report.held],
        "outputs": dict(outputs),
        "serial": report.state.serial,
    }
