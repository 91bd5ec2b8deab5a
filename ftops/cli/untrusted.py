"""Untrusted mode: checks and plans a spec from somebody else, such as a pull request.

No account, bucket or emulator is asked, no other program is started, and nothing that came with the spec is
taken for ftops' own. What was left out for that is said. docs/security.md has the whole list.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TypeVar

import click
from msgspec.structs import replace

from ftops.cli.switches import UNTRUSTED, is_on
from ftops.config.accounts import accounts_of
from ftops.config.cache import VARIABLE_PREFIX
from ftops.config.config import Config
from ftops.core.address import encode
from ftops.core.trusted_hosts import ALLOW_VARIABLE
from ftops.state.state import PendingOperation, ResourceState, State

ALLOWED = "FTOPS_ALLOW_ENV"
"""Names of environment variables that an untrusted spec may read, separated by commas."""
STAND_IN = "withheld"
"""What an untrusted spec reads in place of any other environment variable."""


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
    """The environment for an untrusted spec: the variables of the spec, and what ALLOWED names. Whatever else
    is asked for has a stand-in for a value, and is noted."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        allowed = {name.strip() for name in environ.get(ALLOWED, "").split(",")}
        self._given = {
            name: value
            for name, value in environ.items()
            if name in allowed or name == ALLOW_VARIABLE or name.startswith(VARIABLE_PREFIX)
        }
        self.withheld: set[str] = set()

    def __getitem__(self, name: str) -> str:
        if name in self._given:
            return self._given[name]
        if name.startswith(VARIABLE_PREFIX):
            raise KeyError(name)
        self.withheld.add(name)
        return STAND_IN

    def __contains__(self, name: object) -> bool:
        return name in self._given

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


def told_as_far_as_known(state: State, config: Config) -> State:
    """The state as if its objects were in the accounts that the spec leads to, where settings of these are
    withheld: nobody knows whether they are others."""
    unknown = {
        provider.name: account
        for provider, account in zip(config.providers.values(), accounts_of(config).values(), strict=True)
        if config.withheld and STAND_IN in str(encode(dict(provider.settings)))
    }
    if not unknown:
        return state
    return replace(
        state,
        resources={a: _at_home(r, unknown) for a, r in state.resources.items()},
        deposed={key: _at_home(r, unknown) for key, r in state.deposed.items()},
        pending={a: _at_home(o, unknown) for a, o in state.pending.items()},
    )


R = TypeVar("R", ResourceState, PendingOperation)


def _at_home(record: R, accounts: Mapping[str, str]) -> R:
    return replace(record, account=accounts.get(record.provider, record.account))


def left_out(config: Config, *, without_state: bool = False) -> list[str]:
    """What to say of an untrusted plan; nothing of another one."""
    if config.withheld is None:
        return []
    said = ["--untrusted: no service was contacted, and previous versions of data weren't looked up in Git"]
    if without_state:
        why = "it is in a bucket" if config.state.backend != "local" else "it is encrypted"
        said.append(
            f"the state wasn't read, because {why}: everything is shown as if nothing existed. A copy "
            "(`ftops state pull`) can be given: --state FILE"
        )
    if config.withheld:
        names = ", ".join(config.withheld)
        said.append(
            f"withheld from the spec, and taken for unchanged: {names}; {ALLOWED} names what it may read"
        )
    return said
