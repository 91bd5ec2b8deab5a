"""ftops job pause, resume, cancel: a job in progress at the service"""

from __future__ import annotations

import click

from ftops.cli.addresses import AddressType
from ftops.cli.console import Screen
from ftops.cli.options import approve_option, spec_options
from ftops.cli.sessions import locked_or_beside
from ftops.cli.spec_args import SpecArguments, read
from ftops.core.address import Address
from ftops.core.errors import FtopsError
from ftops.session.session import Session
from ftops.state.state import Status


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
    "Cancel job ADDRESS. It can't be resumed; the next apply starts a new job if the spec still has it.",
)


def _control(screen: Screen, spec: SpecArguments, address: Address, verb: str, approved: bool) -> int:
    operation = f"job {verb}"
    with Session.open(read(spec)) as session, locked_or_beside(session, operation) as other:
        recorded = session.job(address)
        if recorded.status is not Status.PENDING:
            said = (
                recorded.message or f"its status is {recorded.outputs.get('status') or recorded.status.value}"
            )
            raise FtopsError(f"{address} isn't in progress", f"{said}.")
        question = f"{verb.capitalize()} {address} ({recorded.remote_id})?"
        if not approved and not screen.approve(question, operation, "run with -y"):
            return 1
        changed = session.control(address, verb)
    status = str(changed.outputs.get("status") or changed.status.value)
    left = ["Another run holds the lock of the state, and records what becomes of the job."] * bool(other)
    return screen.result(
        lambda: {
            "address": str(address),
            "remote_id": changed.remote_id,
            "status": status,
            "recorded": other is None,
        },
        lambda: [f"{address} is {status}.", *left],
    )
