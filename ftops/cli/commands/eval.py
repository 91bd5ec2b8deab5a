"""ftops eval"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ftops.cli.addresses import AddressType
from ftops.cli.asking_options import AskingArguments, asking_options, read_inputs
from ftops.cli.console import HELD, Screen
from ftops.cli.grouped_help import GroupedCommand
from ftops.cli.options import approve_option, spec_options
from ftops.cli.output_options import PATH, Command, also_markdown, decorate
from ftops.cli.sessions import Interrupts, handling_signals, looking
from ftops.cli.spec_args import SpecArguments, read
from ftops.core import snippets
from ftops.core.address import Address
from ftops.core.errors import UsageError
from ftops.core.plurals import agree, plural, share
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.session.session import Session

if TYPE_CHECKING:
    from ftops.evaluation.evaluation import Evaluation
    from ftops.session.evaluation import Evaluator

_FAILING: Mapping[str, frozenset[str]] = {
    "worse": frozenset({"significantly worse", "incomplete"}),
    "not-better": frozenset(
        {"significantly worse", "incomplete", "worse, within noise", "no measurable change"}
    ),
}
_PREFIXES = tuple(f"{kind}." for kind in RESOURCE_TYPES)
"""How addresses begin."""

_REPORT_OPTIONS = (
    click.option(
        "--show",
        type=click.Choice(["misses", "regressions", "all"]),
        default="misses",
        help="Which wrong answers to show: the first ten (the default), regressions only, or all.",
    ),
    click.option(
        "--out",
        "outs",
        multiple=True,
        type=PATH,
        metavar="FILE",
        help="Also write a report: .html, .xml (JUnit), .md, .json or .promptfoo.json. Repeatable.",
    ),
    click.option(
        "--fail-if",
        type=click.Choice(list(_FAILING)),
        help=f"Exit with {HELD} if a model is significantly worse, or isn't better, than the baseline.",
    ),
)


class _AddressOrSpec(AddressType):
    """The address of an evaluation, or else SPEC."""

    name = "address or spec"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        is_address = isinstance(value, str) and value.startswith(_PREFIXES) and not Path(value).exists()
        return super().convert(value, param, ctx) if is_address else Path(value)


def _address_option(function: Command) -> Command:
    """ADDRESS before SPEC; both may be left out."""

    @wraps(function)
    def sorted_out(*args: Any, address: Address | Path | None, path: Path, **rest: Any) -> Any:
        if isinstance(address, Path):
            if path != Path():
                raise click.UsageError(f"{address} isn't the address of an evaluation")
            return function(*args, address=None, path=address, **rest)
        return function(*args, address=address, path=path, **rest)

    return click.argument("address", metavar="[ADDRESS]", required=False, type=_AddressOrSpec("evaluation"))(
        sorted_out
    )


@click.command(
    "eval",
    cls=GroupedCommand,
    examples={
        "ftops eval evaluation.copilot": "Show the last result of an evaluation of the spec.",
        "ftops eval --deployment new --against old --prompts prompts.jsonl": "Compare two deployments.",
    },
)
@_address_option
@asking_options
@(lambda function: decorate(function, _REPORT_OPTIONS))
@approve_option
@spec_options
@also_markdown
def command(
    screen: Screen,
    address: Address | None,
    asking: AskingArguments,
    show: str,
    outs: tuple[Path, ...],
    fail_if: str | None,
    auto_approve: bool,
    spec: SpecArguments,
) -> int:
    """Ask deployments the same prompts, grade the answers, and compare two models.

    Answers are cached in .ftops/answers, so no request is sent twice. A prompt is a row such as
    {"prompt": "Land!", "expect": "land_drone"}; `ftops docs evaluation` explains rows and graders.

    With the ADDRESS of an evaluation of the spec, such as evaluation.copilot, shows its last result. Nothing
    is asked.

    Exits with 1 if an answer is missing or can't be graded, and with 5 as --fail-if says.
    """
    from ftops.cli.report_files import check_report

    for out in outs:
        check_report(out)
    if address is not None:
        _check_options()
        evaluation: Evaluation | None = _recorded(screen, spec, address)
    else:
        evaluation = _asked(screen, spec, asking, bool(fail_if), auto_approve)
    return 1 if evaluation is None else _report(screen, evaluation, show, outs, fail_if)


def _check_options() -> None:
    """Raises UsageError if something is to be asked otherwise than the spec says."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = str(parameter.name)
        is_given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if is_given and name in AskingArguments.__struct_fields__:
            option = max(parameter.opts, key=len)
            detail = "The recorded result of an evaluation is shown, and nothing is asked."
            raise UsageError(
                f"{option} can't be used with an address", detail, "leave it out, or the address"
            )


def _recorded(screen: Screen, spec: SpecArguments, address: Address) -> Evaluation:
    """The last result, from the cached answers."""
    from ftops.session.recorded_evaluation import recorded_evaluation

    with looking(screen, spec) as session:
        evaluation, missing, answers = recorded_evaluation(session, address)
    if missing:
        again = snippets.command("ftops", "apply", "--replace", address)
        screen.note(
            f"{share(missing, answers, 'answer')} {agree(missing, 'is', 'are')} missing: not given, or "
            f"deleted since. {again} asks again.\n\n"
        )
    return evaluation


def _report(
    screen: Screen, evaluation: Evaluation, show: str, outs: Sequence[Path], fail_if: str | None
) -> int:
    """Shows and writes the results. Returns the exit code."""
    from ftops.cli.report_files import write_report
    from ftops.views.evaluation import SHOWN, draw, draw_markdown, to_json

    if fail_if and not evaluation.baseline:
        raise UsageError("--fail-if needs a baseline", "this evaluation has none.", "leave it out")
    for out in outs:
        write_report(out, evaluation)
    if screen.json:
        screen.document(to_json(evaluation))
    elif screen.markdown:
        screen.raw(draw_markdown(evaluation))
    else:
        limit = None if show == "all" else SHOWN
        screen.text(draw(evaluation, screen.paint, show, limit, screen.width))
    if fail_if and set(evaluation.verdicts.values()) & _FAILING[fail_if]:
        return HELD
    return 0 if evaluation.is_complete else 1


def _asked(
    screen: Screen, spec: SpecArguments, asking: AskingArguments, needs_verdict: bool, is_approved: bool
) -> Evaluation | None:
    """Asks now; None if that isn't approved."""
    from ftops.session.evaluation import Evaluator

    if needs_verdict and not asking.against:
        raise UsageError(
            "--fail-if needs --against", "a verdict compares two deployments.", "add --against NAME"
        )
    inputs = read_inputs(asking)
    with Session.open(read(spec)) as session:
        evaluator = Evaluator(session, asking.names, asking.against, inputs, asking.fresh, asking.max_cost)
        missing = evaluator.missing
        alpha = inputs.alpha if asking.against else None
        if not _is_approved(screen, evaluator, missing, alpha, is_approved):
            return None
        return _run(screen, evaluator, sum(missing.values()), asking.concurrency)


def _run(screen: Screen, evaluator: Evaluator, total: int, concurrency: int) -> Evaluation:
    """With a line that counts the answers, on a terminal."""
    count, numbers = screen.counter("Asking"), itertools.count(1)

    def answered(name: str) -> None:
        count(next(numbers), total)

    def tell(name: str, text: str) -> None:
        screen.note(f"{name}: {text}\n")

    with handling_signals(Interrupts().take):
        return evaluator.run(concurrency, answered, tell)


def _is_approved(
    screen: Screen, evaluator: Evaluator, missing: Mapping[str, int], alpha: float | None, approved: bool
) -> bool:
    """Says what will be asked and, if models are compared (with this `alpha`), which difference so many
    prompts can show, before anything is spent."""
    from ftops.evaluation.statistics import detectable_difference
    from ftops.views.evaluation import expected_costs
    from ftops.views.money import difference

    prompts = evaluator.independent
    asked = sum(missing.values())
    kept = evaluator.count * len(missing) - asked
    gradings = evaluator.gradings
    screen.note(f"{plural(asked, 'request')} to send, {plural(kept, 'answer')} cached\n")
    for line in expected_costs(evaluator.expected, is_rehearsal=evaluator.is_rehearsal):
        screen.note(f"{line}\n")
    if gradings:
        screen.note(f"Grading takes up to {plural(gradings, 'more request')}.\n")
    if alpha is not None:
        said = difference(prompts, detectable_difference(prompts, alpha=alpha))
        screen.note(f"W{said[1:]}.\n")
    if approved or not asked + gradings:
        return True
    return screen.approve("Send these requests?", "sending requests", "run with -y")
