"""ftops drift, explain, results: they compare or read objects at the service, and change nothing"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ftops.cli.addresses import ADDRESS
from ftops.cli.console import Screen
from ftops.cli.options import (
    addresses_argument,
    check_limit,
    limit_option,
    parallelism_option,
    refresh_option,
    spec_options,
)
from ftops.cli.output_options import also_csv_and_markdown, also_markdown
from ftops.cli.spec_args import SpecArguments, read, read_with_data
from ftops.cli.tracking import check_tracking, log_results, tracking_options
from ftops.core.address import Address
from ftops.planning.plan import Mode, Options
from ftops.session.session import Session

if TYPE_CHECKING:
    from ftops.providers.training_results import Results
    from ftops.state.state import ResourceState

DRIFT = 2


@click.command("drift")
@click.option("--all", "everything", is_flag=True, help="Also show differences that are expected or ignored.")
@parallelism_option
@limit_option
@spec_options
@also_markdown
def drift(screen: Screen, spec: SpecArguments, everything: bool, parallelism: int, limit: int | None) -> int:
    """Show how objects at the service differ from the state. Nothing is changed.

    Exits with 2 if objects were changed or deleted outside ftops. Differences that the service causes
    by its own rules, and those that the spec ignores, don't count.
    """
    from ftops.views.drift import draw, to_json

    check_limit(screen, limit)
    with Session.open(read(spec)) as session:
        plan = session.plan(
            Options(mode=Mode.REFRESH_ONLY),
            preflight=False,
            parallelism=parallelism,
            on_progress=screen.counter("Refreshing resource"),
        )
    if screen.markdown:
        from ftops.cli.plan_flow import made_now
        from ftops.views import drift_markdown

        screen.text(drift_markdown.draw(plan, made_now(), limit))
    else:
        screen.result(lambda: to_json(plan), lambda: draw(plan, everything, screen.paint))
    return 0 if all(change.is_expected for change in plan.drift) else DRIFT


@click.command("explain")
@click.argument("address", type=ADDRESS)
@refresh_option
@parallelism_option
@spec_options
def explain(screen: Screen, address: Address, refresh: bool, parallelism: int, spec: SpecArguments) -> int:
    """Explain why the resource at ADDRESS would change: its cause, the cause of that, and so on, down to
    the examples of a dataset that were added, removed or edited. Nothing is changed."""
    from ftops.planning import explain as explanation
    from ftops.planning.cost import estimator
    from ftops.planning.targeting import matching
    from ftops.views.explanation import draw, to_json

    config, warnings = read_with_data(spec)
    with Session.open(config) as session:
        plan = session.plan(
            Options(targets=(address,)), refresh=refresh, preflight=False, parallelism=parallelism
        )
        resources = session.graph.resources
    causes = explanation.explain(
        address,
        plan,
        resources,
        lambda dataset, before: estimator.compare(dataset, before, config, resources, os.environ),
    )
    wanted = matching((address,), (one.address for one in plan.held))
    held = [one for one in plan.held if one.address in wanted]
    screen.warn(warnings)
    return screen.result(
        lambda: to_json(address, causes, held),
        lambda: draw(address, causes, held, screen.paint, screen.width),
    )


@click.command("results")
@addresses_argument("job")
@click.option(
    "--csv", "as_csv", is_flag=True, help="Of one job: print the service's CSV file, one line per step."
)
@click.option(
    "--curves/--no-curves", default=None, help="Draw curves, or a table (default: curves on a terminal)."
)
@click.option("--sort", metavar="COLUMN", help="Order of the jobs of a sweep; default: the final metric.")
@tracking_options
@spec_options
@also_csv_and_markdown
def results(
    screen: Screen,
    addresses: tuple[Address, ...],
    spec: SpecArguments,
    as_csv: bool,
    curves: bool | None,
    sort: str | None,
    to: str | None,
    **options: str | None,
) -> int:
    """Show how the training of job ADDRESS went: curves on a terminal, else a table of its metrics by step,
    and a verdict. Read from the service.

    An address without a key stands for all jobs of a `for_each`: one row for each, with what differs
    between them. ADDRESS may be left out if there is only one.

    With --to, they are logged to an experiment tracker instead: parameters, curves, scores, checkpoints. A
    job that was logged before is updated.
    """
    from ftops.cli.sweeps import is_sweep, show_sweep
    from ftops.session.training import only_job

    tracking = {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    check_tracking(to, tracking)
    if to is None and len(addresses) > 1:
        raise click.UsageError(
            "several addresses go with --to; without it, an address without a key is a sweep"
        )
    with Session.open(read(spec)) as session:
        addresses = addresses or (only_job(session),)
        if to is not None:
            return log_results(screen, session, addresses, to, tracking)
        address = addresses[0]
        if is_sweep(session, address):
            if as_csv or curves:
                option, instead = ("--csv", "; `-o csv` has a row for each") if as_csv else ("--curves", "")
                raise click.UsageError(f"{option} needs one job, and {address} stands for several{instead}")
            return show_sweep(screen, session, address, sort)
        job, found = session.job(address), session.results(address)
    if sort:
        raise click.UsageError(f"{address} is a single job: --sort is for a sweep")
    return _show_results(screen, job, found, as_csv, curves)


def _show_results(
    screen: Screen, job: ResourceState, found: Results, as_csv: bool, curves: bool | None
) -> int:
    """Those of one job."""
    from ftops.views.results import (
        draw_result_curves,
        draw_results,
        draw_verdict,
        results_to_json,
        results_to_markdown,
    )

    if (as_csv or screen.format == "csv") and not screen.json:
        screen.raw(found.text)
        return 0
    if screen.markdown:
        screen.text(results_to_markdown(job, found))
        return 0

    def lines() -> list[str]:
        if found.rows and (screen.is_live if curves is None else curves):
            shown = draw_result_curves(job, found, screen.width or 80, screen.has_braille, screen.paint)
        else:
            shown = [*draw_results(job.address, found, screen.paint, screen.width), ""]
        return shown + draw_verdict(job, found, screen.paint)

    return screen.result(lambda: results_to_json(job, found), lines)
