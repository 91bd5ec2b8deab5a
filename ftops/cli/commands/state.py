"""ftops state list, show, history, diff, restore, migrate; audit: what is recorded, now and before"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from shlex import quote

import click
from msgspec.structs import replace

from ftops.cli.addresses import ADDRESS
from ftops.cli.console import Screen
from ftops.cli.options import approve_option, dry_run_option, spec_options
from ftops.cli.output_options import PATH
from ftops.cli.sessions import lock_option, locked, looking
from ftops.cli.spec_args import SpecArguments, read_outline
from ftops.core.address import Address, Json
from ftops.core.errors import FtopsError, StateError, UsageError
from ftops.core.plurals import plural
from ftops.core.resource_types import kind_of
from ftops.planning.moves import nothing_recorded
from ftops.planning.plan_document import pin_to_json
from ftops.session.session import Session
from ftops.state.backends.factory import move_in
from ftops.state.file_format import record_to_json
from ftops.state.state import ResourceState, State, Status
from ftops.views.audit import draw_runs, runs_to_json
from ftops.views.history import (
    Comparison,
    compare,
    comparison_to_json,
    draw_comparison,
    draw_versions,
    versions_to_json,
)
from ftops.views.paint import Painter
from ftops.views.pins import pin_line
from ftops.views.state import draw_list, draw_resource, list_to_json


@click.command("list")
@spec_options
def list_(screen: Screen, spec: SpecArguments) -> int:
    """List the address of every object in the state, one per line."""
    state = _recorded(screen, spec)
    return screen.result(lambda: list_to_json(state), lambda: draw_list(state))


@click.command("show")
@click.argument("address", type=ADDRESS)
@spec_options
def show(screen: Screen, address: Address, spec: SpecArguments) -> int:
    """Show everything in the state about the object at ADDRESS, and where it stands if it is a job that was
    in progress."""
    with looking(screen, spec) as session:
        state = session.state
        found, pin = _find(state, address), state.pins.get(address)
        running = [] if screen.json else _standing(session, found, screen.paint)
    pinned: dict[str, Json] = {"pin": pin_to_json(pin)} if pin else {}
    return screen.result(
        lambda: {"resource": record_to_json(found), **pinned},
        lambda: [
            *([pin_line(pin), ""] if pin else []),
            *([*running, ""] if running else []),
            *draw_resource(found, screen.paint, "  (as recorded)" * bool(running)),
        ],
    )


def _standing(session: Session, found: ResourceState, paint: Painter) -> list[str]:
    if found.status is not Status.PENDING or not kind_of(found.address).trains:
        return []
    from ftops.cli.running_jobs import standing_lines  # asks the service, which other objects don't need

    return standing_lines(session, [found.address], paint)


@click.command("history")
@spec_options
def history(screen: Screen, spec: SpecArguments) -> int:
    """List the kept versions of the state, newest first."""
    with looking(screen, spec) as session:
        versions = session.store.versions()
    return screen.result(lambda: versions_to_json(versions), lambda: draw_versions(versions, screen.width))


@click.command("diff")
@click.argument("before", metavar="A")
@click.argument("after", metavar="[B]", required=False)
@spec_options
def diff(screen: Screen, before: str, after: str | None, spec: SpecArguments) -> int:
    """Show what changed in the state between version A and version B, or the current state.

    `ftops state history` lists the versions.
    """
    if after is not None and not after.isdigit():
        spec = replace(spec, path=Path(after), words=(quote(after),))
        after = None
    with looking(screen, spec) as session:
        old = session.store.read_version(before)
        new = session.store.read_version(after) if after else session.state
    found = compare(old, new)
    return screen.result(lambda: comparison_to_json(found), lambda: draw_comparison(found, screen.paint))


@click.command("restore")
@click.argument("version", metavar="ID")
@dry_run_option
@approve_option
@lock_option
@spec_options
def restore(
    screen: Screen, version: str, dry_run: bool, auto_approve: bool, lock_timeout: float, spec: SpecArguments
) -> int:
    """Replace the recorded state with version ID, under a new serial.

    No object is changed: the next plan shows the differences. This also works if the current
    state can't be read.
    """
    with Session.open(read_outline(spec)) as session, locked(screen, session, "state restore", lock_timeout):
        wanted = session.store.read_version(version)
        found = None
        with suppress(StateError):  # what is recorded now may not be readable
            found = compare(session.state, wanted)
        if not screen.json and found is not None:
            screen.lines(draw_comparison(found, screen.paint))
        if found is not None and found.is_same:
            return _tell_restored(screen, version, found, session.state.serial, False)
        if not dry_run and not auto_approve and not screen.approve(f"Restore version {version}?"):
            return 1
        serial = wanted.serial if dry_run else session.restore(version).serial
    return _tell_restored(screen, version, found, serial, not dry_run)


@click.command("migrate")
@click.option(
    "--from",
    "folder",
    type=PATH,
    metavar="DIR",
    help="The local folder (default: `state`).",
)
@lock_option
@spec_options
def migrate(screen: Screen, folder: Path | None, lock_timeout: float, spec: SpecArguments) -> int:
    """Move the state from the local folder to the bucket that is set in the spec.

    The files in the folder are kept under another name, so that they aren't used as the state.
    """
    config = read_outline(spec)
    if not config.state.is_in_bucket:
        raise UsageError(
            "the spec keeps its state in a local folder",
            "`migrate` moves it from there to a bucket.",
            "set `ftops: {state: {backend: …}}` first; from a bucket, use `state pull` and `state push`",
        )
    with Session.open(config) as session, locked(screen, session, "state migrate", lock_timeout):
        moved, old = move_in(config, session.store, folder)
    count, place = plural(len(moved.resources), "resource"), session.store.place
    return screen.result(
        lambda: {"serial": moved.serial, "from": str(old)},
        lambda: [f"Moved the state of {count} to {place}.", f"The old one is {old}."],
    )


def _tell_restored(screen: Screen, version: str, found: Comparison | None, serial: int, is_done: bool) -> int:
    done = f"Restored version {version}, as serial {serial}. Run `ftops plan` to see what differs."
    changes = comparison_to_json(found) if found else {}
    return screen.result(
        lambda: {**changes, "version": version, "serial": serial, "restored": is_done},
        lambda: [done] * is_done,
    )


@click.command("audit")
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    metavar="N",
    help="Number of runs to show, newest first (default 20); 0 for all.",
)
@spec_options
def audit(screen: Screen, spec: SpecArguments, limit: int) -> int:
    """Show who changed objects or the state, when, with which plan, and the result."""
    with looking(screen, spec) as session:
        runs, config = session.runs(), session.config
    shown = runs[-limit:] if limit else runs
    return screen.result(
        lambda: runs_to_json(shown, config.name, config.environment),
        lambda: draw_runs(shown, len(runs) - len(shown), screen.paint, screen.width),
    )


def _recorded(screen: Screen, spec: SpecArguments) -> State:
    with looking(screen, spec) as session:
        return session.state


def _find(state: State, address: Address) -> ResourceState:
    resource = state.resources.get(address)
    if resource is not None:
        return resource
    if address in state.pending:
        raise FtopsError(
            f"{address} is not recorded yet",
            "a run was interrupted while it created the object; the next plan looks for it.",
            "run `ftops plan`",
        )
    raise nothing_recorded(state.resources, address, state.serial)
