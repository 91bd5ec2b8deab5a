"""ftops show"""

from __future__ import annotations

import click

from ftops.cli.console import Screen
from ftops.cli.options import limit_option, spec_options
from ftops.cli.output_options import also_markdown
from ftops.cli.plan_flow import plan_document
from ftops.cli.plans import saved_plan
from ftops.cli.sessions import looking
from ftops.cli.spec_args import SpecArguments
from ftops.planning.saved.plan_file import SavedPlan
from ftops.views import markdown
from ftops.views.markdown_text import Source
from ftops.views.plan import draw_saved
from ftops.views.state import draw_state, state_to_json


@click.command("show")
@limit_option
@spec_options
@also_markdown
def command(screen: Screen, spec: SpecArguments, limit: int | None) -> int:
    """Show everything in the state: inputs and attributes. No service is contacted.

    If SPEC is a plan that was saved with `ftops plan --out FILE`, show the plan. Its spec isn't needed,
    unless the plan is encrypted: then the spec names the key. SPEC can also be the digest of a plan
    that was saved with `ftops plan --save` for the spec in the current folder.
    """
    saved = saved_plan(spec)
    if saved is not None:
        return show_plan(screen, saved, limit)
    if screen.markdown or limit is not None:
        raise click.UsageError("only a saved plan can be shown as Markdown: give its file or digest")
    with looking(screen, spec) as session:
        state, config = session.state, session.config
    return screen.result(
        lambda: state_to_json(state, config.name, config.environment),
        lambda: draw_state(state, config.name, screen.paint),
    )


def show_plan(screen: Screen, saved: SavedPlan, limit: int | None) -> int:
    if screen.json:
        screen.document(plan_document(saved.plan, ()))
    elif screen.markdown:
        source = Source(saved.origin.at, saved.origin.ftops)
        screen.text(markdown.draw(saved.plan, source, limit).text)
    else:
        screen.text(draw_saved(saved, screen.paint))
        screen.findings(saved.plan.findings, 0)
    return 0
