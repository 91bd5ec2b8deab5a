"""ftops radar"""

from __future__ import annotations

from datetime import UTC, date, datetime

import click

from ftops.cli.console import Screen
from ftops.cli.options import as_of_option, offline_option, spec_options
from ftops.cli.output_options import CALENDAR, also_markdown_and_calendar
from ftops.cli.spec_args import SpecArguments, read
from ftops.session.session import Session
from ftops.views.plan import subject_of

SOON = 2


@click.command("radar")
@click.option(
    "--within", type=click.IntRange(0), metavar="DAYS", help="Only what ends in this many days, or has ended."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if something is shown that has a day.")
@as_of_option
@offline_option
@spec_options
@also_markdown_and_calendar
def command(
    screen: Screen,
    spec: SpecArguments,
    within: int | None,
    detailed_exitcode: bool,
    as_of: date | None,
    offline: bool,
) -> int:
    """List when what a spec uses stops working: training and deployments of its models, deployments that the
    service deletes, and the catalogue itself. Nothing is changed.

    The account's own dates take precedence over the catalogue's; with --offline, no account is asked.
    """
    from ftops.session.radar import radar
    from ftops.session.unasked import warnings_of
    from ftops.views import deadlines as view

    today = as_of or datetime.now(UTC).date()
    with Session.open(read(spec)) as session:
        found, unasked = radar(session, today, offline=offline)
    if within is not None:
        found = tuple(one for one in found if one.ends_within(within, today))
    named = session.config.name, session.config.environment
    shown = view.Shown(subject_of(*named), today, found, warnings_of(unasked))
    if screen.format == CALENDAR:
        screen.raw(view.calendar(shown))
    elif screen.markdown:
        from ftops.cli.plan_flow import made_now

        screen.text(view.markdown(shown, made_now()))
    else:
        about = dict(zip(("spec", "environment"), named, strict=True))
        screen.result(
            lambda: {**about, **view.to_json(shown)}, lambda: view.draw(shown, screen.paint, screen.width)
        )
    return SOON if detailed_exitcode and any(one.day for one in found) else 0
