"""ftops doctor"""

from __future__ import annotations

from collections.abc import Iterator

import click

from ftops.cli.console import Screen
from ftops.cli.options import spec_options
from ftops.cli.spec_args import SpecArguments, read
from ftops.core.errors import FtopsError
from ftops.session.doctor import ERROR, Check, of_machine, of_providers, of_sign_in, of_spec, of_state
from ftops.session.session import Session
from ftops.views import doctor as view


@click.command("doctor")
@click.option("--offline", is_flag=True, help="Ask neither the state nor an account.")
@spec_options
def command(screen: Screen, spec: SpecArguments, offline: bool) -> int:
    """Check whether all that an apply needs is there: packages, spec, state, accounts, roles and quota.

    A line for each. Nothing is changed; the state is locked for a moment. If an environment variable is
    missing, only the sign-in is checked. Exits with 1 if there is an error.
    """
    others: list[str] = []
    found = list(_checks(spec, others, offline=offline))
    screen.result(
        lambda: view.to_json(found, others),
        lambda: view.draw(found, others, screen.paint, screen.width or 100),
    )
    return int(any(check.verdict == ERROR for check in found))


def _checks(spec: SpecArguments, others: list[str], *, offline: bool) -> Iterator[Check]:
    """Adds to `others` the environments that aren't checked."""
    yield from of_machine()
    try:
        config = read(spec)
    except FtopsError as error:
        for one in error.diagnostics:
            place = f" ({one.place})" if one.place else ""
            yield Check("spec", ERROR, f"{one.summary}{place}", one.hint)
        if not offline:
            yield from _without_values(spec)
        return
    if spec.environment is None:
        others += [name for name in config.environments if name != config.environment]
    with Session.open(config) as session:
        yield of_spec(session)
        if not offline:
            yield from of_state(session)
            yield from of_providers(session)


def _without_values(spec: SpecArguments) -> Iterator[Check]:
    """What can be checked of a spec if settings of its services have no value; nothing if it is wrong."""
    try:
        config = read(spec, connecting=False)
    except FtopsError:
        return  # which was said
    with Session.open(config) as session:
        yield from of_sign_in(session)
