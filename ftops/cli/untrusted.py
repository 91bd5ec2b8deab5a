"""Untrusted mode: checks and plans a spec from somebody else, such as a pull request.

It contacts no account, bucket or emulator, starts no other program, and doesn't use caches or state that came
with the spec. The plan lists what was left out. docs/security.md has the details.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import click
from msgspec.structs import replace

from ftops.cli.switches import UNTRUSTED, is_on
from ftops.config.accounts import possible_accounts
from ftops.config.config import Config, ProviderConfig
from ftops.config.loader.variables import PREFIX
from ftops.core.confined_files import ALLOW
from ftops.core.errors import UsageError
from ftops.core.trusted_hosts import ALLOW_SCOPES_VARIABLE, ALLOW_VARIABLE
from ftops.state.state import PendingOperation, ResourceState, State

ALLOWED = "FTOPS_ALLOW_ENV"
"""Names of environment variables that an untrusted spec may read, separated by commas."""
STAND_IN = "withheld"
"""What an untrusted spec reads in place of any other environment variable."""
_KEPT = (ALLOW_VARIABLE, ALLOW_SCOPES_VARIABLE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _set_untrusted(ctx: click.Context, param: click.Parameter, given: bool) -> bool:
    is_untrusted = given or is_on(UNTRUSTED, os.environ)
    if ctx.obj is not None:
        ctx.obj.is_untrusted = is_untrusted
    return is_untrusted


untrusted_option = click.option(
    "--untrusted",
    "is_untrusted",
    is_flag=True,
    callback=_set_untrusted,
    help="For a spec that you don't trust: contact no service, start no program, read nothing outside "
    "the project.",
)


class Withholding(Mapping[str, str]):
    """The environment for an untrusted spec: the variables of the spec, and those that ALLOWED names. Any
    other variable reads as a stand-in, and is recorded in `withheld`. Raises UsageError if ALLOWED isn't
    valid."""

    def __init__(self, environ: Mapping[str, str], stand_in: str = STAND_IN) -> None:
        self._allowed = _allowed(environ)
        self._given = {
            name: value
            for name, value in environ.items()
            if name in self._allowed or name in _KEPT or name.startswith(PREFIX)
        }
        self._stand_in = stand_in
        self.withheld: set[str] = set()

    def __getitem__(self, name: str) -> str:
        if name in self._given:
            return self._given[name]
        if name in self._allowed or name.startswith(PREFIX):
            raise KeyError(name)
        self.withheld.add(name)
        return self._stand_in

    def __contains__(self, name: object) -> bool:
        return name in self._given

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


def _allowed(environ: Mapping[str, str]) -> frozenset[str]:
    names = frozenset(filter(None, map(str.strip, environ.get(ALLOWED, "").split(","))))
    wrong = sorted(name for name in names if not _NAME.fullmatch(name))
    if wrong:
        raise UsageError(
            f"`{wrong[0]}` in {ALLOWED} isn't the name of an environment variable",
            "it lists names, separated by commas; there are no wildcards.",
            f"write the names out: {ALLOWED}=NAME,NAME",
        )
    return names


def read_withheld(load: Callable[..., Config], *, destroying: bool) -> Config:
    """The config that `load` returns for the restricted environment, which variables were withheld, and the
    accounts that are possible. Folders outside of the project are for your own specs."""
    os.environ.pop(ALLOW, None)
    environ = Withholding(os.environ)
    config = load(environ, destroying=destroying)
    withheld = tuple(sorted(environ.withheld - {*config.keys}))
    providers, sources = config.providers, {f"env.{name}" for name in withheld}
    if any(sources.intersection(provider.sources) for provider in providers.values()):
        unknown = os.urandom(16).hex()  # the spec could contain the usual stand-in itself
        again = load(Withholding(os.environ, unknown), destroying=True)
        possible = {n: possible_accounts(p, again.project, unknown) for n, p in again.providers.items()}
        providers = {name: replace(p, possible=possible[name]) for name, p in providers.items()}
    return replace(config, withheld=withheld, providers=providers)


def at_recorded_accounts(config: Config, state: State) -> Config:
    """The spec with its providers at the accounts that are recorded in the state, if settings were withheld
    that could lead there. Settings in the spec itself take precedence."""
    records: list[ResourceState | PendingOperation] = [*state.resources.values(), *state.pending.values()]
    records += state.deposed.values()
    found = Counter((record.provider, record.account) for record in records)
    homes = {
        name: max(fitting, key=lambda account: (found[name, account], account))
        for name, provider in config.providers.items()
        if provider.possible and (fitting := _fitting(provider, found))
    }
    placed = {name: replace(config.providers[name], account=home) for name, home in homes.items()}
    return replace(config, providers={**config.providers, **placed}) if placed else config


def _fitting(provider: ProviderConfig, recorded: Counter[tuple[str, str]]) -> list[str]:
    accounts = (account for name, account in recorded if name == provider.name and account)
    return [account for account in accounts if re.fullmatch(provider.possible, account)]


def left_out(config: Config, *, without_state: bool = False) -> list[str]:
    """Warnings about what an untrusted plan leaves out; none for other plans."""
    if config.withheld is None:
        return []
    warnings = [
        "--untrusted: no service was contacted, and previous versions of data weren't looked up in Git"
    ]
    if without_state:
        why = "it is in a bucket" if config.state.is_in_bucket else "it is encrypted"
        warnings.append(
            f"the state wasn't read, because {why}: everything is shown as if nothing existed. A copy "
            "(`ftops state pull`) can be given: --state FILE"
        )
    if config.withheld:
        names = ", ".join(config.withheld)
        warnings.append(
            f"withheld from the spec, and taken for unchanged: {names}; {ALLOWED} names what it may read"
        )
    return warnings
