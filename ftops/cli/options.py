"""Shared options of commands, passed to a command as values."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from ftops.cli.addresses import ADDRESS, AddressOrSpec, AddressType
from ftops.cli.console import Screen
from ftops.cli.output_options import CHDIR, FILE, PATH, Command, decorate, screen_options
from ftops.cli.spec_args import SpecArguments
from ftops.cli.switches import ENVIRONMENT, SPEC
from ftops.config.policy import POLICY_OPTION
from ftops.core.address import Address
from ftops.core.errors import UsageError
from ftops.core.project import SPEC_SUFFIXES
from ftops.planning.plan import Mode, Options
from ftops.views.paint import path_word


class PlanArguments(Struct, frozen=True):
    """Options of plan, apply and destroy."""

    options: Options
    refresh: bool
    parallelism: int
    preflight: bool = True
    offline: bool = False
    """Whether planning contacts no service."""
    read_only: bool = False
    """Whether another identity will apply the plan."""
    as_of: date | None = None
    """The day for which the dates of models are judged; None: today."""


class Day(click.ParamType[date]):
    """A day: 2027-04-14."""

    name = "date"

    def convert(self, value: str | date, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"`{value}` isn't a day: write it as 2027-04-14", param, ctx)


class Moment(click.ParamType[datetime]):
    """A time: 2027-04-14T08:00+02:00; UTC, if it has no time zone."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"`{value}` isn't a time: write it as 2027-04-14T08:00+02:00", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


def spec_options(function: Command) -> Command:
    """SPEC, --env, --var and --var-file, as one `spec`."""

    def packed(
        *args: Any,
        path: Path,
        environment: str | None,
        variables: tuple[str, ...],
        variable_files: tuple[Path, ...],
        policy_from: str | None = None,
        **rest: Any,
    ) -> Any:
        words = spec_words(path, environment, variables, variable_files)
        own = (*words, POLICY_OPTION, shlex.quote(policy_from)) if policy_from else words
        revision = policy_from or ""
        spec = SpecArguments(path, environment, variables, variable_files, policy_from=revision, words=own)
        if path.is_dir() or path.suffix in SPEC_SUFFIXES:  # else it may be a saved plan or an address
            click.get_current_context().obj.words = words
        return function(*args, spec=spec, **rest)

    return screen_options(decorate(wraps(function)(packed), _SPEC))


def addresses_argument(*kinds: str, required: bool = False) -> Callable[[Command], Command]:
    """ADDRESS... before SPEC, as `addresses`; both may be left out, unless addresses are `required`. `kinds`
    are those that are completed. Goes above `spec_options`."""
    type_ = AddressOrSpec(*kinds)
    metavar = "ADDRESS..." if required else "[ADDRESS]..."

    def decorator(function: Command) -> Command:
        @wraps(function)
        def sorted_out(*args: Any, words: tuple[str, ...], path: Path, **rest: Any) -> Any:
            ctx = click.get_current_context()
            is_given = ctx.get_parameter_source("path") is click.core.ParameterSource.COMMANDLINE
            found = [type_.convert(word, None, ctx) for word in (*words, *[str(path)] * is_given)]
            paths = [one for one in found if isinstance(one, Path)]
            if len(paths) > 1:
                raise click.UsageError(f"`{paths[0]}` and `{paths[1]}` are two specs: give one")
            given = paths[0] if paths else Path(os.environ.get(SPEC) or ".") if is_given else path
            addresses = tuple(one for one in found if isinstance(one, Address))
            if required and not addresses:
                raise click.UsageError("Missing argument 'ADDRESS...'.")
            return function(*args, addresses=addresses, path=given, **rest)

        return click.argument("words", metavar=metavar, nargs=-1, shell_complete=type_.shell_complete)(
            sorted_out
        )

    return decorator


def destroy_selection_options(function: Command) -> Command:
    """--target and --exclude of destroy: dependents are deleted too."""
    return decorate(function, _DESTROY_SELECTION)


def plan_options(function: Command) -> Command:
    """Options of plan and apply, as one `request`."""

    def packed(
        *args: Any,
        targets: tuple[Address, ...],
        excludes: tuple[Address, ...],
        replaces: tuple[Address, ...],
        destroy: bool,
        refresh_only: bool,
        refresh: bool,
        allow_empty: bool,
        parallelism: int,
        offline: bool,
        adopt: bool,
        overrides: tuple[Address, ...],
        rule_overrides: tuple[str, ...],
        reason: str,
        **rest: Any,
    ) -> Any:
        mode = _mode(destroy, refresh_only, refresh and not offline)
        check_reason((*overrides, *rule_overrides), reason)
        gates = dict.fromkeys(overrides, reason.strip())
        rules = dict.fromkeys(rule_overrides, reason.strip())
        adopts = adopt and not offline
        options = Options(mode, targets, excludes, replaces, allow_empty, adopts, gates, rules)
        request = PlanArguments(options, refresh and not offline, parallelism, not offline, offline)
        return function(*args, request=request, **rest)

    return decorate(wraps(function)(packed), (*_SELECTION, *_PLAN, *_POLICY))


def policy_options(function: Command) -> Command:
    """--policy-from, --override and --reason of destroy."""
    return decorate(function, _POLICY)


def check_reason(overrides: Sequence[object], reason: str) -> None:
    """Raises UsageError for an override without a reason, or the other way round."""
    if bool(overrides) != bool(reason.strip()):
        needs = "an override needs --reason, which is recorded"
        raise click.UsageError(needs if overrides else "--reason needs --override-gate or --override")


def _addresses(flag: str, name: str, text: str, type: AddressType = ADDRESS) -> Callable[[Command], Command]:
    return click.option(flag, name, multiple=True, type=type, metavar="ADDRESS", help=text)


def _mode(destroy: bool, refresh_only: bool, refresh: bool) -> Mode:
    if destroy and refresh_only:
        raise click.UsageError("--destroy and --refresh-only can't be combined")
    if refresh_only and not refresh:
        raise click.UsageError("--refresh-only can't be combined with --no-refresh or --offline")
    if destroy:
        return Mode.DESTROY
    return Mode.REFRESH_ONLY if refresh_only else Mode.NORMAL


def spec_words(
    path: Path, environment: str | None, variables: tuple[str, ...] = (), files: tuple[Path, ...] = ()
) -> tuple[str, ...]:
    """The words of a command line that name a spec, quoted, without the values of variables."""
    words: list[str] = []
    for folder in click.get_current_context().meta.get(CHDIR, ()):
        words += ["-C", path_word(folder)]
    words += [] if str(path) == "." else [path_word(path)]
    words += ["--env", shlex.quote(environment)] if environment else []
    for file in files:
        words += ["--var-file", path_word(file)]
    for variable in variables:
        words += ["--var", f"{shlex.quote(variable.partition('=')[0])}=…"]
    return tuple(words)


def many_options(function: Command) -> Command:
    """--all and --changed-since. Goes below the other decorators."""
    return decorate(function, _MANY)


def check_many(everything: bool, revision: str | None, is_untrusted: bool) -> None:
    """Raises UsageError if --changed-since has no effect, or git may not be asked."""
    if revision is not None and not everything:
        raise click.UsageError("--changed-since goes with --all")
    if revision is not None and is_untrusted:
        raise UsageError(
            "--changed-since asks git, which an untrusted run doesn't start",
            "a checkout can configure what git runs.",
            "leave it out: every spec is read",
        )


limit_option = click.option(
    "--limit",
    type=click.IntRange(2_000),
    metavar="N",
    help="With -o markdown: maximum size in bytes; GitHub's limit for a comment is 65536 characters.",
)


out_option = click.option(
    "--out",
    type=FILE,
    metavar="FILE",
    help="Save the plan: `ftops apply FILE` applies it, `ftops show FILE` shows it.",
)

save_option = click.option(
    "--save",
    "is_kept",
    is_flag=True,
    help="Keep the plan beside the state, by its digest: `ftops apply DIGEST` applies it.",
)

as_of_option = click.option(
    "--as-of", type=Day(), metavar="DATE", help="As if it were this day, such as 2027-04-14."
)


def check_limit(screen: Screen, limit: int | None) -> None:
    """Raises UsageError if there is nothing to limit."""
    if limit is not None and not screen.markdown:
        raise click.UsageError("--limit goes with -o markdown")


dry_run_option = click.option("--dry-run", is_flag=True, help="Only show what would be recorded.")

approve_option = click.option("-y", "--auto-approve", is_flag=True, help="Don't ask for approval.")

refresh_option = click.option(
    "--refresh/--no-refresh",
    default=True,
    help="Read the current objects from the service; with --no-refresh, rely on the state.",
)

parallelism_option = click.option(
    "--parallelism",
    type=click.IntRange(1, 1000),
    default=10,
    metavar="N",
    help="Maximum number of concurrent calls (default 10).",
)

offline_option = click.option(
    "--offline",
    is_flag=True,
    help="Contact no service while planning: rely on the state, and skip preflight checks.",
)

_MANY = (
    click.option("--all", "everything", is_flag=True, help="Every spec in the folder SPEC and below it."),
    click.option(
        "--changed-since",
        "revision",
        metavar="REVISION",
        help="With --all: only those that the branch touches since it left this revision of Git.",
    ),
)

_SPEC = (
    click.argument("path", metavar="[SPEC]", default=".", type=PATH, envvar=SPEC),
    click.option(
        "--env",
        "environment",
        metavar="NAME",
        envvar=ENVIRONMENT,
        help=f"The environment of the spec (default: {ENVIRONMENT}).",
    ),
    click.option(
        "--var", "variables", multiple=True, metavar="NAME=VALUE", help="Set a variable. Repeatable."
    ),
    click.option(
        "--var-file",
        "variable_files",
        multiple=True,
        type=PATH,
        metavar="FILE",
        help="Set variables from a YAML file. Repeatable.",
    ),
)

_SELECTION = (
    _addresses("--target", "targets", "Only this resource and its dependencies. Repeatable."),
    _addresses("--exclude", "excludes", "Exclude this resource and its dependents. Repeatable."),
)

_DESTROY_SELECTION = (
    _addresses("--target", "targets", "Only this resource and its dependents. Repeatable."),
    _addresses("--exclude", "excludes", "Exclude this resource and its dependencies. Repeatable."),
)

_POLICY = (
    click.option(
        POLICY_OPTION,
        "policy_from",
        metavar="REVISION",
        help="Also apply the policy of the same spec at this revision of Git.",
    ),
    click.option(
        "--override",
        "rule_overrides",
        multiple=True,
        metavar="RULE",
        help="Lift this rule of the policy. Repeatable.",
    ),
    click.option("--reason", default="", metavar="TEXT", help="Why it is overridden; it is recorded."),
)

_PLAN = (
    _addresses("--replace", "replaces", "Replace this resource. Repeatable."),
    _addresses(
        "--override-gate",
        "overrides",
        "Deploy even if a gate doesn't pass. Repeatable.",
        AddressType("deployment"),
    ),
    click.option("--destroy", is_flag=True, help="Delete everything."),
    click.option("--refresh-only", is_flag=True, help="Only record changes that were made outside ftops."),
    refresh_option,
    offline_option,
    click.option(
        "--no-adopt",
        "adopt",
        flag_value=False,
        default=True,
        help="Create jobs and files even if the account already has the same ones.",
    ),
    click.option("--allow-empty", is_flag=True, help="Allow a spec without resources to delete everything."),
    parallelism_option,
)
