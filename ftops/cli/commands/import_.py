"""ftops import"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from msgspec import to_builtins
from msgspec.structs import replace

from ftops.cli.addresses import ADDRESS
from ftops.cli.console import Screen
from ftops.cli.grouped_help import GroupedCommand
from ftops.cli.options import parallelism_option, spec_options
from ftops.cli.output_options import PATH, decorate
from ftops.cli.sessions import lock_option, locked
from ftops.cli.spec_args import SpecArguments, read_with_data
from ftops.core.address import Address, Json
from ftops.core.confined_files import real
from ftops.core.errors import UsageError
from ftops.core.plurals import plural
from ftops.core.project import SPEC_SUFFIXES, display, project_root, spec_folder
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.planning.plan import Plan
from ftops.planning.plan_document import plan_to_json
from ftops.session.session import Session
from ftops.state.file_format import record_to_json
from ftops.state.state import ResourceState
from ftops.views import plan as plan_view
from ftops.views.paint import Painter, path_word

if TYPE_CHECKING:
    from ftops.session.account_import import ImportResult

_DISCOVERY = (
    click.option(
        "--discover", is_flag=True, help="Import everything in an account: write a spec, data and state."
    ),
    click.option(
        "--out",
        type=PATH,
        default=Path(),
        metavar="PATH",
        help="With --discover: the folder or the YAML file to write; the current folder by default.",
    ),
    click.option("--name", "spec_name", metavar="NAME", help="With --discover: the name of the spec."),
    click.option(
        "--type",
        "kind",
        type=click.Choice([row.type for row in PROVIDER_TYPES.values() if row.import_settings]),
        default=next(iter(PROVIDER_TYPES)),
        help="With --discover: type of the account.",
    ),
    click.option(
        "--endpoint",
        metavar="URL",
        help="Endpoint of the account; AZURE_OPENAI_ENDPOINT by default (azure_openai).",
    ),
    click.option(
        "--subscription", envvar="AZURE_SUBSCRIPTION_ID", metavar="ID", help="Subscription of the account."
    ),
    click.option(
        "--resource-group",
        envvar="AZURE_RESOURCE_GROUP",
        metavar="NAME",
        help="Resource group of the account.",
    ),
    click.option("--account", metavar="NAME", help="Name of the account; that in the endpoint by default."),
    click.option(
        "--api-version", envvar="OPENAI_API_VERSION", metavar="VERSION", help="API version of the data plane."
    ),
    click.option("--data", metavar="FOLDER", help="Folder of the emulator's objects."),
)


@click.command(
    "import",
    cls=GroupedCommand,
    examples={
        "ftops import job.copilot ftjob-0123": "Record an existing job.",
        "ftops import --discover": "Write a spec for what the account has.",
    },
)
@click.argument("address", metavar="[ADDRESS]", type=ADDRESS, required=False)
@click.argument("remote_id", metavar="[ID]", required=False)
@(lambda function: decorate(function, _DISCOVERY))
@lock_option
@parallelism_option
@spec_options
def command(
    screen: Screen,
    address: Address | None,
    remote_id: str | None,
    discover: bool,
    out: Path,
    lock_timeout: float,
    parallelism: int,
    spec: SpecArguments,
    **account: Any,
) -> int:
    """Import the object ID as ADDRESS of the spec, and show what the next plan would change.

    The object isn't changed. ID is the ID of a file or a job, or the name of a deployment. To review the
    import in a pull request, write it into the spec instead: `import: [{to: job.a, id: ftjob-…}]`.

    With --discover, everything in an account is imported into a new spec: files, jobs and deployments,
    with their data. The first plan of the spec has no changes.
    """
    if discover:
        if address is not None:
            raise click.UsageError("--discover doesn't take an address. Set the output with --out")
        return _discover(screen, out, parallelism, spec, account)
    if address is None or remote_id is None:
        raise click.UsageError("missing argument `ADDRESS ID`. For a whole account, use --discover")
    return _import_one(screen, address, remote_id, lock_timeout, spec)


def _import_one(
    screen: Screen, address: Address, remote_id: str, lock_timeout: float, spec: SpecArguments
) -> int:
    config, warnings = read_with_data(spec)
    with Session.open(config) as session:
        with locked(screen, session, "import", lock_timeout):
            found = session.import_object(address, remote_id)
        plan = session.plan(refresh=False, preflight=False)
    changes = tuple(change for change in plan.changes if change.address == address)
    following = replace(plan, changes=changes, drift=(), outputs=(), warnings=(), entries=())
    screen.warn(warnings)
    fields = {"next": plan_to_json(following)["changes"], "serial": session.state.serial}
    return screen.result(
        lambda: {"resource": record_to_json(found), **fields},
        lambda: _imported(found, following, screen.paint),
    )


def _imported(found: ResourceState, following: Plan, paint: Painter) -> Iterator[str]:
    yield f"{paint('Imported', 'good')} {paint(str(found.address), 'bold')}  ({paint(found.remote_id)})"
    if following.changes:
        yield from ("It differs from the spec. The next plan:", "", plan_view.draw(following, paint)[:-1])
    else:
        yield "It matches the spec: the next plan doesn't change it."


# --discover


def _discover(
    screen: Screen, out: Path, parallelism: int, spec: SpecArguments, account: dict[str, Any]
) -> int:
    from ftops.config.loader import load
    from ftops.session.account_import import ImportRequest, take_over

    file = (out if out.suffix in SPEC_SUFFIXES else out / "ftops.yaml").absolute()
    name = account["spec_name"]
    head: dict[str, dict[str, Json]] = {"ftops": {"name": name}} if name else {}
    head["providers"] = resolve_name(PROVIDER_TYPES[account["kind"]].import_settings)(
        {**account, "spec": file}
    )
    if spec.environment:
        head["environments"] = {spec.environment: {}}
    done = take_over(
        ImportRequest(file, head, parallelism),
        lambda path: load(path, environment=spec.environment, environ=os.environ),
    )
    return screen.result(lambda: _document(done), lambda: _report(done, screen.paint))


def azure_settings(account: dict[str, Any]) -> dict[str, Json]:
    endpoint = account["endpoint"] or os.environ.get("AZURE_OPENAI_ENDPOINT")
    if not endpoint:
        raise UsageError("no account is given", "", "set --endpoint or AZURE_OPENAI_ENDPOINT")
    settings: dict[str, Json] = {
        "endpoint": endpoint,
        "subscription_id": account["subscription"],
        "resource_group": account["resource_group"],
        "account": account["account"] or (urlsplit(endpoint).hostname or "").partition(".")[0],
        "api_version": account["api_version"],
        "api_key": "${env.AZURE_OPENAI_API_KEY}" if os.environ.get("AZURE_OPENAI_API_KEY") else None,
    }
    return {"azure": {"type": "azure_openai", **{k: v for k, v in settings.items() if v}}}


def openai_settings(account: dict[str, Any]) -> dict[str, Json]:
    place = {"base_url": account["endpoint"]} if account["endpoint"] else {}
    return {"openai": {"type": "openai", "api_key": "${env.OPENAI_API_KEY}", **place}}


def emulator_settings(account: dict[str, Any]) -> dict[str, Json]:
    """`--data` starts at the current folder; in a spec, `data` starts at its project."""
    data = account["data"]
    if data is not None:
        folder, root = real(Path(data)), project_root(spec_folder(account["spec"]))
        if not folder.is_dir() or not any(folder.iterdir()):
            why = "--data is the folder of an emulator; a relative path starts at the current folder."
            raise UsageError(f"nothing is in {data}", why, "check the path")
        data = str(folder.relative_to(root) if folder.is_relative_to(root) else folder)
    settings: dict[str, Json] = {
        "url": account["endpoint"],
        "api_key": "${env.FTOPS_EMULATOR_KEY}" if os.environ.get("FTOPS_EMULATOR_KEY") else None,
        "data": data,
    }
    return {"local": {"type": "emulator", **{k: v for k, v in settings.items() if v}}}


def _document(done: ImportResult) -> dict[str, Json]:
    found = done.found
    return {
        "spec": display(done.spec),
        "data": [display(path) for path in done.data],
        "resources": [
            {"address": str(address), "remote_id": existing.remote.remote_id}
            for address, existing in found.objects.items()
        ],
        "left_out": to_builtins(found.left_out),
        "differing": [str(address) for address in done.differing],
        "serial": done.serial,
    }


def _report(done: ImportResult, paint: Painter) -> list[str]:
    lines = [f"{paint('Wrote', 'good')} {display(path)}" for path in (done.spec, *done.data)]
    lines.append(f"{paint('Recorded', 'good')} {plural(len(done.found.objects), 'object')}:")
    lines += [
        f"  {paint(str(a), 'bold')}  ({paint(e.remote.remote_id)})" for a, e in done.found.objects.items()
    ]
    if done.found.left_out:
        lines += ["Left out:"]
        lines += [f"  {item.kind} {item.remote_id}: {item.reason}" for item in done.found.left_out]
    if done.differing:
        names = ", ".join(map(str, done.differing))
        lines += [f"The first plan will change {names}: review it before you apply."]
    where = done.spec.parent
    path = "" if where == Path.cwd() else f" {path_word(display(where))}"
    return [*lines, "", f"Next: ftops plan{path}"]
