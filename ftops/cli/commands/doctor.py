"""ftops doctor"""

from __future__ import annotations

from collections.abc import Iterator

import click

from ftops.cli.console import Screen
from ftops.cli.options import offline_option, spec_options
from ftops.cli.spec_args import SpecArguments, read
from ftops.core.errors import FtopsError
from ftops.session.doctor import ERROR, Check, of_machine, of_providers, of_spec, of_state
from ftops.session.session import Session
from ftops.views import doctor as view


@click.command("doctor")
@offline_option
@spec_options
def command(screen: Screen, spec: SpecArguments, offline: bool) -> int:
    """Check whether all that an apply needs is there: packages, spec, state, accounts, roles and quota.

    A line for each. Nothing is changed; the state is locked for a moment. With --offline, neither the state
    nor an account is asked. Exits with 1 if there is an error.
    """
    found = list(_checks(spec, offline=offline))
    screen.result(lambda: view.to_json(found), lambda: view.draw(found, screen.paint, screen.width or 100))
    return int(any(check.verdict == ERROR for check in found))


def _checks(spec: SpecArguments, *, offline: bool) -> Iterator[Check]:
    yield from of_machine()
    try:
        config = read(spec)
    except FtopsError as error:
        for one in error.diagnostics:
            place = f" ({one.place})" if one.place else ""
            yield Check("spec", ERROR, f"{one.summary}{place}", one.hint)
        return
    with Session.open(config) as session:
        yield of_spec(session)
        if not offline:
            yield from of_state(session)
            yield from of_providers(session)
