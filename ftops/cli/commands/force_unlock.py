"""ftops force-unlock"""

from __future__ import annotations

import click

from ftops.cli.console import Screen
from ftops.cli.options import approve_option, spec_options
from ftops.cli.spec_args import SpecArguments, read_outline
from ftops.state.backends.factory import open_store


@click.command("force-unlock")
@click.argument("id", metavar="ID")
@approve_option
@spec_options
def command(screen: Screen, id: str, auto_approve: bool, spec: SpecArguments) -> int:
    """Release the lock of a state that is held by a dead run.

    ID is shown when a command is refused because of the lock. A run that is still alive can't write
    afterwards, but what it is creating could be created twice: make sure that it is dead. A lock that isn't
    renewed expires after a minute.
    """
    store = open_store(read_outline(spec))
    if not auto_approve and not _is_approved(screen, store.place):
        return 1
    holder = store.force_unlock(id)
    if screen.json:
        screen.document({"format_version": 1, "id": id, "holder": holder.by, "operation": holder.operation})
    else:
        screen.text(f"The lock is free. It was held by {holder}.\n")
    return 0


def _is_approved(screen: Screen, place: str) -> bool:
    question = f"If the other run is still alive, objects could be created twice. Unlock {place}?"
    hint = "make sure that the other run is dead, then run with -y"
    return screen.approve(question, "force-unlock", hint)
