"""ftops answers list, prune: cached answers of evaluations"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ftops.cli.console import Screen
from ftops.cli.options import approve_option, spec_options
from ftops.cli.sessions import Duration
from ftops.cli.spec_args import SpecArguments, read_outline
from ftops.core.plurals import plural
from ftops.views.answers import answers_to_json, draw_answers

if TYPE_CHECKING:
    from ftops.evaluation.answer_archive import ModelAnswers


@click.command("list")
@click.option("--model", metavar="MODEL", default="", help="Only the answers of this model.")
@spec_options
def list_(screen: Screen, model: str, spec: SpecArguments) -> int:
    """List the models that have cached answers, with their number, size and age."""
    found = _answers(spec, model)
    return screen.result(
        lambda: answers_to_json(found), lambda: draw_answers(found, screen.paint, screen.width)
    )


@click.command("prune")
@click.option(
    "--older",
    "age",
    type=Duration(),
    required=True,
    metavar="TIME",
    help="Delete answers that are older than this, such as 90d or 12h.",
)
@click.option("--model", metavar="MODEL", default="", help="Only the answers of this model.")
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@approve_option
@spec_options
def prune(
    screen: Screen, age: float, model: str, dry_run: bool, auto_approve: bool, spec: SpecArguments
) -> int:
    """Delete old answers, also those in the bucket of the state.

    An evaluation that needs them sends their requests again, which costs money.
    """
    from ftops.evaluation import answer_archive
    from ftops.evaluation.kept_answers import time_before

    before = time_before(age)
    old = answer_archive.older(_answers(spec, model), before)
    count = sum(answers.count for answers in old)
    if not screen.json:
        screen.lines(draw_answers(old, screen.paint, screen.width, "No answers are older than that."))
    if old and not dry_run:
        if not auto_approve and not screen.approve(f"Delete {plural(count, 'answer')}?", "deleting answers"):
            return 1
        answer_archive.prune(old, before)
    what = f"{'Would delete' if dry_run else 'Deleted'} {plural(count, 'answer')}."
    return screen.result(
        lambda: {**answers_to_json(old), "pruned": bool(old) and not dry_run},
        lambda: [what] if old else [],
    )


def _answers(spec: SpecArguments, model: str) -> Sequence[ModelAnswers]:
    from ftops.evaluation.answer_archive import list_answers
    from ftops.session.answers import shared_answers

    config = read_outline(spec)
    return list_answers(config.project, shared_answers(config), model)
