"""ftops state mv, rm, replace-provider, pull, push; force-unlock: they edit the state, but no object"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from ftops.cli.addresses import ADDRESS
from ftops.cli.console import Screen
from ftops.cli.options import approve_option, dry_run_option, spec_options
from ftops.cli.plan_flow import state_text
from ftops.cli.sessions import lock_option, locked, looking
from ftops.cli.spec_args import SpecArguments, read, read_outline
from ftops.core.address import Address, Json
from ftops.core.errors import StateError, UsageError
from ftops.core.plurals import plural
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.planning import moves
from ftops.session.session import Session
from ftops.state.backends.factory import open_store
from ftops.state.file_format import parse_snapshot, snapshot_text


@click.command("mv")
@click.argument("source", metavar="FROM", type=ADDRESS)
@click.argument("target", metavar="TO", type=ADDRESS)
@dry_run_option
@lock_option
@spec_options
def mv(
    screen: Screen, source: Address, target: Address, dry_run: bool, lock_timeout: float, spec: SpecArguments
) -> int:
    """Move an object in the state to another address. The object itself isn't changed.

    Without a key, all instances of a `for_each` are moved: `ftops state mv job.a job.b`. In a shell, quote an
    address that has one: `ftops state mv 'job.a["fr"]' job.fr`. To review a move in a pull request, write it
    into the spec instead: `moved: [{from: job.a, to: job.b}]`.
    """
    with Session.open(read_outline(spec)) as session, locked(screen, session, "state mv", lock_timeout):
        moved = moves.move(session.state, source, target)
        serial = session.state.serial if dry_run else session.record([moved]).serial
    rows: list[Json] = [{"from": str(a), "to": str(b)} for a, b in moved.moves]
    verb = "Would move" if dry_run else "Moved"
    return screen.result(
        lambda: {"moved": rows, "dry_run": dry_run, "serial": serial},
        lambda: [f"{verb} {a} to {b}" for a, b in moved.moves],
    )


@click.command("rm")
@click.argument("words", metavar="ADDRESS...", nargs=-1, shell_complete=ADDRESS.shell_complete)
@click.option(
    "--force", is_flag=True, help="Also forget interrupted evaluations; their temporary deployments are kept."
)
@dry_run_option
@lock_option
@spec_options
def rm(
    screen: Screen,
    words: tuple[str, ...],
    force: bool,
    dry_run: bool,
    lock_timeout: float,
    spec: SpecArguments,
) -> int:
    """Remove objects from the state. They are kept at the service, but no longer managed.

    Without a key, all instances of a `for_each` are removed. The next plan would create declared resources
    again: remove them from the spec too. To review the removal in a pull request, write it into the spec
    instead: `removed: [{from: job.a, retain: true}]`.
    """
    words, spec = _without_spec(words, spec)
    wanted = [ADDRESS.convert(word, None, None) for word in words]
    with Session.open(read_outline(spec)) as session, locked(screen, session, "state rm", lock_timeout):
        entries = moves.remove(session.state, wanted, force=force)
        serial = session.state.serial if dry_run else session.record(entries).serial
    removed = sorted({str(entry.address) for entry in entries})
    verb = "Would forget" if dry_run else "Forgot"
    return screen.result(
        lambda: {"removed": [*removed], "dry_run": dry_run, "serial": serial},
        lambda: [f"{verb} {address}" for address in removed],
    )


@click.command("replace-provider")
@click.argument("before", metavar="FROM")
@click.argument("after", metavar="TO")
@click.option(
    "--force", is_flag=True, help="Record it even if objects aren't found, or the account can't be read."
)
@dry_run_option
@approve_option
@lock_option
@spec_options
def replace_provider(
    screen: Screen,
    before: str,
    after: str,
    force: bool,
    dry_run: bool,
    auto_approve: bool,
    lock_timeout: float,
    spec: SpecArguments,
) -> int:
    """Change the provider of objects in the state, for a provider that was renamed in the spec.

    Give the same name twice if the account of the provider has another URL now. Objects can't be moved
    from one account to another, so each is looked up in the account of TO, unless it is recorded there
    already. If one isn't found, nothing is recorded and the exit code is 3.
    """
    config = read(spec)
    if after not in config.providers:
        raise UsageError(
            f"provider {after!r} is not declared",
            f"declared: {', '.join(sorted(config.providers))}.",
            "declare it under `providers`",
        )
    with Session.open(config) as session, locked(screen, session, "state replace-provider", lock_timeout):
        replacement = session.replacement(before, after, verified=not force)
        (ask, would, did), what = _replacing(before, replacement)
        writes = bool(replacement.entries) and not dry_run
        if writes and not (auto_approve or screen.approve(f"{ask} {what}?")):
            return 1
        serial = session.record(replacement.entries).serial if writes else session.state.serial
    addresses: list[Json] = [str(address) for address in replacement.addresses]
    fields: dict[str, Json] = {"from": before, "to": after, "account": replacement.home.account}
    verb = did if writes else would if replacement.entries else "No changes:"
    return screen.result(
        lambda: {**fields, "addresses": addresses, "dry_run": dry_run, "serial": serial},
        lambda: [f"{verb} {what}:", *(f"  {address}" for address in addresses)],
    )


@click.command("pull")
@spec_options
def pull(screen: Screen, spec: SpecArguments) -> int:
    """Print the whole state, as JSON for `state push`."""
    with looking(screen, spec) as session:
        screen.raw(snapshot_text(session.state, session.config.name, session.config.environment))
    return 0


@click.command("push")
@click.argument("file", metavar="FILE")
@click.option(
    "--force",
    is_flag=True,
    help="Push even if the lineage differs, the serial is older, or the recorded state is damaged.",
)
@dry_run_option
@lock_option
@spec_options
def push(
    screen: Screen, file: str, force: bool, dry_run: bool, lock_timeout: float, spec: SpecArguments
) -> int:
    """Replace the recorded state with the state in FILE (`-`: standard input).

    For manual repairs: pull, edit, raise the serial by one, push. A state of another spec, environment or
    lineage is refused, and so is one that is older than the recorded state.
    """
    config = read_outline(spec)
    text = sys.stdin.read() if file == "-" else state_text(Path(file), "check the path")
    pushed = parse_snapshot(text, file, edited=True)
    if not force:
        _check_home(text, file, config.name, config.environment)
    with Session.open(config) as session, locked(screen, session, "state push", lock_timeout):
        if not force:
            moves.check_replacement(session.state, pushed)
        same = pushed == session.readable_state
        result = pushed if dry_run or same else session.replace_state(pushed)
    count, verb = len(result.resources), "Would record" if dry_run else "Recorded"
    done = f"{verb} the state of {plural(count, 'resource')}, serial {result.serial}."
    fields: dict[str, Json] = {"changed": not same, "dry_run": dry_run, "resources": count}
    return screen.result(
        lambda: {**fields, "lineage": result.lineage, "serial": result.serial},
        lambda: ["No changes: the recorded state is the same." if same else done],
    )


@click.command("force-unlock")
@click.argument("id", metavar="ID")
@approve_option
@spec_options
def force_unlock(screen: Screen, id: str, auto_approve: bool, spec: SpecArguments) -> int:
    """Release the lock of a state that is held by a dead run.

    ID is shown when a command is refused because of the lock. A run that is still alive can't write
    afterwards, but what it is creating could be created twice: make sure that it is dead. A lock that isn't
    renewed expires after a minute.
    """
    store = open_store(read_outline(spec))
    question = f"If the other run is still alive, objects could be created twice. Unlock {store.place}?"
    advice = "make sure that the other run is dead, then run with -y"
    if not auto_approve and not screen.approve(question, "force-unlock", advice):
        return 1
    holder = store.force_unlock(id)
    return screen.result(
        lambda: {"id": id, "holder": holder.by, "operation": holder.operation},
        lambda: [f"The lock is free. It was held by {holder}."],
    )


def _without_spec(words: tuple[str, ...], spec: SpecArguments) -> tuple[tuple[str, ...], SpecArguments]:
    """The last word is the spec only if such a path exists, or if it doesn't look like an address."""
    last = str(spec.path)
    if last == "." or spec.path.exists() or not re.match(rf"({'|'.join(RESOURCE_TYPES)})\.", last):
        if words:
            return words, spec
        raise click.UsageError("missing argument `ADDRESS`. Give the addresses to remove.")
    return (*words, last), replace(spec, path=Path(), words=())


def _replacing(before: str, replacement: moves.Replacement) -> tuple[tuple[str, str, str], str]:
    """Verbs (for the question, a dry run and the report), and their object."""
    count, (after, account) = plural(len(replacement.addresses), "object"), replacement.home
    if before != after:
        return ("Move", "Would move", "Moved"), f"{count} from provider {before} to {after}"
    return ("Record:", "Would record:", "Recorded:"), f"provider {before} of {count} leads to {account}"


def _check_home(text: str, file: str, spec: str, environment: str) -> None:
    raw: dict[str, Any] = json.loads(text)
    home = (raw.get("spec", spec), raw.get("environment", environment))
    if home != (spec, environment):
        raise StateError(
            f"the state in {file} belongs to another spec or environment",
            f"it belongs to {home[0]} in the environment {home[1]}; this is {spec} in {environment}.",
            "select the spec and environment that it belongs to; --force pushes it anyway",
        )
