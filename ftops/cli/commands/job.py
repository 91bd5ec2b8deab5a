"""ftops job pause, resume, cancel: a job in progress at the service"""

from __future__ import annotations

import click

from ftops.cli.addresses import AddressType
from ftops.cli.console import Screen
from ftops.cli.options import approve_option, spec_options
from ftops.cli.sessions import locked_or_beside
from ftops.cli.spec_args import SpecArguments, read
from ftops.cli.sweeps import is_sweep
from ftops.core.address import Address, Json
from ftops.core.errors import FtopsError
from ftops.core.plurals import plural
from ftops.session.session import Session
from ftops.session.training import jobs_of
from ftops.state.state import ResourceState, Status


def _verb(verb: str, text: str) -> click.Command:
    """The command that asks the service for this, with its help."""

    @click.command(verb, help=text)
    @click.argument("address", type=AddressType("job"))
    @approve_option
    @spec_options
    def command(screen: Screen, address: Address, auto_approve: bool, spec: SpecArguments) -> int:
        return _control(screen, spec, address, verb, auto_approve)

    return command


pause = _verb(
    "pause",
    "Pause job ADDRESS. It saves a checkpoint that can be deployed, and costs nothing until it is resumed."
    "\n\nThe service may refuse this for some models and methods.",
)
resume = _verb(
    "resume",
    "Resume job ADDRESS. It is billed again, and after a pause at the spending limit without a limit.",
)
cancel = _verb(
    "cancel",
    "Cancel job ADDRESS. It can't be resumed; the next apply starts a new job if the spec still has it."
    "\n\nAn address without a key stands for all jobs of a `for_each` that are in progress.",
)


def _control(screen: Screen, spec: SpecArguments, address: Address, verb: str, approved: bool) -> int:
    operation = f"job {verb}"
    with Session.open(read(spec)) as session, locked_or_beside(session, operation) as other:
        jobs = _in_progress(session, address)
        named = f"{address} ({jobs[0].remote_id})"
        if len(jobs) > 1 or jobs[0].address != address:
            names = ", ".join(str(job.address) for job in jobs)
            named = f"{plural(len(jobs), address.kind)} of {address}: {names}"
        if not approved and not screen.approve(f"{verb.capitalize()} {named}?", operation, "run with -y"):
            return 1
        changed = [session.control(job.address, verb) for job in jobs]
    left = ["Another run holds the lock of the state, and records what becomes of the job."] * bool(other)
    shown = [_shown(job, is_recorded=other is None) for job in changed]
    return screen.result(
        lambda: shown[0] if jobs[0].address == address else {"changed": shown},
        lambda: [*(f"{one['address']} is {one['status']}." for one in shown), *left],
    )


def _in_progress(session: Session, address: Address) -> list[ResourceState]:
    """The job, or those of a sweep that are in progress. Raises FtopsError if there are none."""
    if is_sweep(session, address):
        jobs = [job for job in jobs_of(session, address) if job.status is Status.PENDING]
        if not jobs:
            raise FtopsError(f"no job of {address} is in progress", "", "`ftops jobs` shows them")
        return jobs
    recorded = session.job(address)
    if recorded.status is not Status.PENDING:
        said = recorded.said_message or f"its status is {recorded.said_status}"
        raise FtopsError(f"{address} isn't in progress", f"{said}.")
    return [recorded]


def _shown(job: ResourceState, *, is_recorded: bool) -> dict[str, Json]:
    return {
        "address": str(job.address),
        "remote_id": job.remote_id,
        "status": job.said_status,
        "recorded": is_recorded,
    }
