"""ftops jobs, logs: how jobs train, and what the service says of them; nothing is recorded, no lock taken"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue

import click
from msgspec.structs import replace

from ftops.cli.addresses import AddressOrSpec
from ftops.cli.console import INTERRUPTED, Screen
from ftops.cli.options import spec_options
from ftops.cli.spec_args import SpecArguments, read
from ftops.core.address import Address
from ftops.core.dag_executor import Deliveries
from ftops.core.errors import FtopsError, UsageError
from ftops.core.snippets import command as snippet
from ftops.providers.training_run import newest
from ftops.session.session import Session
from ftops.session.training import Training, events_of, jobs_of, only_job, trainings
from ftops.state.state import ResourceState
from ftops.views.jobs import draw_event, draw_jobs, draw_standing, event_to_json, training_to_json

_USUAL_PAUSE = 30.0
"""Seconds between two looks if the provider names none."""

follow_option = click.option(
    "-f",
    "--follow",
    "--watch",
    "follow",
    is_flag=True,
    help="Go on until the job ends. Ctrl-C leaves it running.",
)


@click.command("jobs")
@click.argument("address", metavar="[ADDRESS]", required=False, type=AddressOrSpec("job"))
@follow_option
@spec_options
def jobs(screen: Screen, address: Address | Path | None, follow: bool, spec: SpecArguments) -> int:
    """Show how jobs train: state, step, loss, and how long they still take, read from the service.

    ADDRESS is a job; without its key, all jobs of a sweep; without ADDRESS, all jobs of the spec. Nothing is
    recorded, and no lock is taken: it also works while an apply runs.
    """
    address, spec = address_and_spec(address, spec)
    with Session.open(read(spec)) as session:
        if follow:
            return _followed(screen, session, address)
        found = _look(session, address)
    if not found:
        screen.note("No job is recorded: `ftops apply` starts those of the spec.\n")
    return screen.result(
        lambda: {"trainings": [training_to_json(one) for one in found]},
        lambda: draw_jobs(found, screen.paint, screen.width),
    )


@click.command("logs")
@click.argument("address", metavar="[ADDRESS]", required=False, type=AddressOrSpec("job"))
@follow_option
@spec_options
def logs(screen: Screen, address: Address | Path | None, follow: bool, spec: SpecArguments) -> int:
    """Show the events of job ADDRESS, the oldest first, while it trains and afterwards.

    An address without a key stands for all jobs of a `for_each`: their events, each with its job. ADDRESS may
    be left out if there is only one.
    """
    address, spec = address_and_spec(address, spec)
    with Session.open(read(spec)) as session:
        address = address or only_job(session)
        job, *others = jobs_of(session, address)
        if others and not follow:
            return _all_events(screen, session, address, [job, *others])
        if others:
            known = ", ".join(str(one.address) for one in (job, *others)[:6])
            raise UsageError(
                f"{address} has {len(others) + 1} jobs, and one can be followed",
                "",
                f"name one of them, such as {known}",
            )
        events = events_of(session, [job])[job.address]
        if not events and not follow:
            raise FtopsError(
                f"{address} has no events",
                "the service deletes events some time after a job has ended, and all of them with the job.",
                f"{snippet('ftops', 'results', address)} shows the metrics of a finished job",
            )
        if not follow:
            return screen.result(
                lambda: {"address": str(address), "events": [event_to_json(one) for one in events]},
                lambda: [draw_event(one, screen.paint) for one in events],
            )
        seen = ""

        def look() -> tuple[bool, float]:
            nonlocal seen
            (training,) = trainings(session, [job])  # first: what ends it comes with the events after it
            new = events_of(session, [job], seen)[job.address]
            seen = newest(new, seen)
            for event in new:
                if screen.json:
                    screen.line({"address": str(address), **event_to_json(event)})
                else:
                    screen.lines([draw_event(event, screen.paint)])
            return training.is_ended, training.run.poll_after or _USUAL_PAUSE

        return _until_ended(screen, session, look, f"{address} goes on at the service")


def _all_events(screen: Screen, session: Session, sweep: Address, jobs: Sequence[ResourceState]) -> int:
    """Those of several jobs, by their time."""
    found = [(event, job) for job, events in events_of(session, jobs).items() for event in events]
    found.sort(key=lambda one: one[0].at)
    if not found:
        raise FtopsError(
            f"the jobs of {sweep} have no events",
            "the service deletes events some time after a job has ended, and all of them with the job.",
            f"{snippet('ftops', 'results', sweep)} compares the finished jobs",
        )
    rows = [{"address": str(job), **event_to_json(event)} for event, job in found]
    return screen.result(
        lambda: {"address": str(sweep), "events": rows},
        lambda: [f"{screen.paint(str(job.key))}: {draw_event(event, screen.paint)}" for event, job in found],
    )


def address_and_spec(
    address: Address | Path | None, spec: SpecArguments
) -> tuple[Address | None, SpecArguments]:
    """The arguments ADDRESS and SPEC, of which either may be left out, and which may come in either order.
    Raises UsageError for two paths."""
    if not isinstance(address, Path):
        return address, spec
    named, words = None, spec.words
    if spec.path != Path():
        try:
            named = Address.parse(str(spec.path))
        except ValueError:
            raise click.UsageError(f"`{address}` is no address, and the spec is `{spec.path}`") from None
        words = tuple(word for word in words if word != shlex.quote(str(spec.path)))
    return named, replace(spec, path=address, words=(shlex.quote(str(address)), *words))


def _look(session: Session, address: Address | None) -> list[Training]:
    return trainings(session, jobs_of(session, address))


def _followed(screen: Screen, session: Session, address: Address | None) -> int:
    """Shows the jobs until all have ended: on a terminal in place, else a line whenever one changes."""
    drawn = 0
    said: dict[Address, tuple[str, int | None]] = {}

    def look() -> tuple[bool, float]:
        nonlocal drawn
        session.reread()  # an apply elsewhere may have started more
        found = _look(session, address)
        if screen.is_live:
            drawn = screen.redrawn(draw_jobs(found, screen.paint, screen.width), drawn)
        for one in found:
            mark, before = (one.run.status, one.run.step), said.get(one.address)
            said[one.address] = mark
            if screen.is_live or mark == before:
                continue
            if screen.json:
                screen.line(training_to_json(one))
            else:
                screen.lines([draw_standing(one, screen.paint)])
        pauses = [one.run.poll_after or _USUAL_PAUSE for one in found if not one.is_ended]
        return all(one.is_ended for one in found), min(pauses, default=_USUAL_PAUSE)

    return _until_ended(screen, session, look, "jobs in progress go on at the service")


def _until_ended(
    screen: Screen, session: Session, look: Callable[[], tuple[bool, float]], what_goes_on: str
) -> int:
    """Looks again and again, until `look` says that there is nothing more to come; Ctrl-C ends it earlier.
    `look` also says in how many seconds to look again."""
    nothing: Deliveries = SimpleQueue()
    try:
        while True:
            is_ended, seconds = look()
            if is_ended:
                return 0
            session.clock.take(nothing, seconds)
    except KeyboardInterrupt:
        screen.note(f"\nStopped watching: {what_goes_on}.\n")
        return INTERRUPTED
