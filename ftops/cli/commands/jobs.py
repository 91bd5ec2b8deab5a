"""ftops jobs, logs: how jobs train, and what the service says of them; nothing is recorded, no lock taken"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from pathlib import Path
from queue import SimpleQueue

import click
from msgspec.structs import replace

from ftops.cli.addresses import AddressOrSpec
from ftops.cli.console import INTERRUPTED, Screen
from ftops.cli.options import spec_options
from ftops.cli.spec_args import SpecArguments, read
from ftops.core.address import Address, Json
from ftops.core.dag_executor import Deliveries
from ftops.core.errors import FtopsError
from ftops.core.snippets import command as snippet
from ftops.planning.targeting import matching
from ftops.providers.training_run import JobEvent, newest
from ftops.providers.visibility import LOOK_AGAIN
from ftops.session.session import Session
from ftops.session.training import Training, events_of, jobs_of, only_job, trainings
from ftops.state.state import ResourceState
from ftops.views.jobs import draw_event, draw_jobs, draw_standing, event_to_json, training_to_json
from ftops.views.paint import Painter, path_word

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
        found = trainings(session, jobs_of(session, address))
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
        if follow:
            return _followed_events(screen, session, address)
        jobs = jobs_of(session, address)
        found = _by_time(events_of(session, jobs))
        if not found:
            if all(job.not_started for job in jobs):
                raise FtopsError(f"{address} has no events", f"{jobs[0].not_started}.")
            is_sweep = jobs[0].address != address
            raise FtopsError(
                f"the jobs of {address} have no events" if is_sweep else f"{address} has no events",
                "the service deletes events some time after a job has ended, and all of them with the job.",
                f"{snippet('ftops', 'results', address)} "
                + ("compares the finished jobs" if is_sweep else "shows the metrics of a finished job"),
            )
        return screen.result(
            lambda: {"address": str(address), "events": [_event_to_json(address, *one) for one in found]},
            lambda: [_drawn_event(address, *one, screen.paint) for one in found],
        )


def _by_time(found: Mapping[Address, Sequence[JobEvent]]) -> list[tuple[Address, JobEvent]]:
    rows = [(job, event) for job, events in found.items() for event in events]
    return sorted(rows, key=lambda row: (row[1].at, row[0].sort_key))


def _event_to_json(asked: Address, job: Address, event: JobEvent) -> dict[str, Json]:
    """Of all jobs of a sweep, with the address of its job."""
    return event_to_json(event) if job == asked else {"address": str(job), **event_to_json(event)}


def _drawn_event(asked: Address, job: Address, event: JobEvent, paint: Painter) -> str:
    drawn = draw_event(event, paint)
    return drawn if job == asked else f"{paint(str(job.key))}: {drawn}"


def _followed_events(screen: Screen, session: Session, address: Address) -> int:
    """Shows the events of the jobs at an address as they come, until all have ended."""
    seen: dict[str, str] = {}
    missed: set[Address] = set()
    complete: set[str] = set()
    """IDs of jobs whose events are all shown."""

    def look() -> tuple[bool, float]:
        jobs = [one for one in _recorded_now(session, address, seen) if one.remote_id not in complete]
        found = trainings(session, jobs)  # first: what ends a job comes with the events after it
        new = events_of(session, jobs, seen)
        for of, event in _by_time(new):
            if screen.json:
                screen.line({"address": str(of), **event_to_json(event)})
            else:
                screen.lines([_drawn_event(address, of, event, screen.paint)])
        for job in jobs:
            seen[job.remote_id] = newest(new[job.address], seen.get(job.remote_id, ""))
        left = _going_on(found, missed)
        complete.update(job.remote_id for job in jobs if job.address not in left)
        return not left, min(left.values(), default=_USUAL_PAUSE)

    return _until_ended(screen, session, look, f"{address} goes on at the service")


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
        words = tuple(word for word in words if word != path_word(spec.path))
    return named, replace(spec, path=address, words=(path_word(address), *words))


def _followed(screen: Screen, session: Session, address: Address | None) -> int:
    """Shows the jobs until all have ended: on a terminal in place, else a line whenever one changes."""
    drawn = 0
    missed: set[Address] = set()
    said: dict[Address, tuple[str, int | None, bool]] = {}

    def look() -> tuple[bool, float]:
        nonlocal drawn
        found = trainings(session, _recorded_now(session, address, said))
        if screen.is_live:
            drawn = screen.redrawn(draw_jobs(found, screen.paint, screen.width, screen.height), drawn)
        for one in found:
            mark, before = (one.run.status, one.run.step, one.is_gone), said.get(one.address)
            said[one.address] = mark
            if screen.is_live or mark == before:
                continue
            if screen.json:
                screen.line(training_to_json(one))
            else:
                screen.lines([draw_standing(one, screen.paint)])
        left = _going_on(found, missed)
        return not left, min(left.values(), default=_USUAL_PAUSE)

    return _until_ended(screen, session, look, "jobs in progress go on at the service")


def _recorded_now(session: Session, address: Address | None, shown: Sized) -> list[ResourceState]:
    """The jobs at an address: an apply elsewhere may have started more. If some were shown, it is no error
    that they have all been destroyed."""
    session.reread()
    known = (*session.state.resources, *session.state.pending)
    return [] if address and shown and not matching([address], known) else jobs_of(session, address)


def _going_on(found: Sequence[Training], missed: set[Address]) -> dict[Address, float]:
    """The jobs that may still change, with the seconds until the next look. One that the service doesn't have
    counts as deleted at the second look (`missed` are those of the first): another replica may know it."""
    left = {
        one.address: one.run.poll_after or (LOOK_AGAIN if one.is_gone else _USUAL_PAUSE)
        for one in found
        if not one.is_ended and not (one.is_gone and one.address in missed)
    }
    missed.clear()
    missed.update(one.address for one in found if one.is_gone)
    return left


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
