"""ftops eval"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import wraps
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ftops.cli.addresses import AddressType, complete_name
from ftops.cli.console import HELD, Screen
from ftops.cli.options import approve_option, spec_options
from ftops.cli.output_options import PATH, Command, also_markdown, decorate
from ftops.cli.sessions import Interrupts, handling_signals, looking
from ftops.cli.spec_args import SpecArguments, read
from ftops.core import snippets
from ftops.core.address import Address, Json
from ftops.core.confined_files import content
from ftops.core.errors import UsageError
from ftops.core.project import display
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.dataset.files.jsonl_io import unreadable
from ftops.dataset.formats.jsonl import decode
from ftops.session.session import Session
from ftops.views.values import plural

if TYPE_CHECKING:
    from ftops.evaluation.agreement import Labelled
    from ftops.evaluation.evaluation import Evaluation
    from ftops.evaluation.graders import Grader
    from ftops.session.evaluation import Evaluator

_FAILING: Mapping[str, frozenset[str]] = {
    "worse": frozenset({"significantly worse", "incomplete"}),
    "not-better": frozenset(
        {"significantly worse", "incomplete", "worse, within noise", "no measurable change"}
    ),
}
_NO_SETTINGS: Mapping[str, str] = {
    "model": "--deployment selects the model",
    "messages": "--prompts and --system set the messages",
    "tools": "use --tools FILE",
    "functions": "use --tools FILE",
    "stream": "streaming isn't supported",
    "n": "use --samples N",
}
"""Parameters of the request that other options set."""
_ASKING = frozenset(
    "names against prompts tools system graders settings samples concurrency max_cost fresh".split()  # noqa: SIM905
)
"""Parameters that an evaluation of a spec has already."""
_PREFIXES = tuple(f"{kind}." for kind in RESOURCE_TYPES)
"""How addresses begin."""
_FILE = PATH


class Dollars(click.FloatRange):
    """A finite amount: NaN would never be exceeded."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        amount = super().convert(value, param, ctx)
        return amount if isfinite(amount) else self.fail(f"{value!r} isn't an amount", param, ctx)


_OPTIONS = (
    click.option(
        "--deployment",
        "names",
        multiple=True,
        metavar="NAME",
        help="A deployment to evaluate. Repeatable.",
        shell_complete=complete_name("deployment"),
    ),
    click.option(
        "--against",
        metavar="NAME",
        default="",
        help="The deployment to compare it with.",
        shell_complete=complete_name("deployment"),
    ),
    click.option("--prompts", type=_FILE, metavar="FILE", help="Prompts and expected answers."),
    click.option("--tools", type=_FILE, metavar="FILE", help="The functions that can be called, as JSON."),
    click.option("--system", type=_FILE, metavar="FILE", help="The system message, as text."),
    click.option("--graders", type=_FILE, metavar="FILE", help="How answers are graded, as JSON or YAML."),
    click.option(
        "--setting",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="A parameter of the request, such as temperature=0. Repeatable.",
    ),
    click.option("--samples", type=click.IntRange(1, 100), default=1, help="Answers to each prompt (1)."),
    click.option("--concurrency", type=click.IntRange(1, 256), default=32, help="Requests at a time (32)."),
    click.option(
        "--max-cost",
        type=Dollars(min=0, min_open=True),
        metavar="DOLLARS",
        help="Send no request that could exceed this cost, by the catalogue's prices.",
    ),
    click.option("--fresh", is_flag=True, help="Ignore cached answers."),
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
        type=_FILE,
        metavar="FILE",
        help="Also write a report: .html, .xml (JUnit), .md or .json. Repeatable.",
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


@click.command("eval")
@_address_option
@(lambda function: decorate(function, _OPTIONS))
@approve_option
@spec_options
@also_markdown
def command(
    screen: Screen,
    address: Address | None,
    names: tuple[str, ...],
    against: str,
    prompts: Path | None,
    tools: Path | None,
    system: Path | None,
    graders: Path | None,
    settings: tuple[str, ...],
    samples: int,
    concurrency: int,
    max_cost: float | None,
    fresh: bool,
    show: str,
    outs: tuple[Path, ...],
    fail_if: str | None,
    auto_approve: bool,
    spec: SpecArguments,
) -> int:
    """Ask deployments the same prompts, grade the answers, and compare two models.

    Answers are cached in .ftops/answers, so no request is sent twice. A prompt is a row such as
    {"prompt": "Land!", "expect": "land_drone"}; docs/evaluation.md explains rows and graders.

    With the ADDRESS of an evaluation of the spec, such as evaluation.copilot, shows its last result. Nothing
    is asked.

    Exits with 1 if an answer is missing or can't be graded, and with 5 as --fail-if says.
    """
    from ftops.cli.report_files import check_report
    from ftops.evaluation.evaluation import Inputs
    from ftops.evaluation.grader_table import read_graders_file
    from ftops.evaluation.inputs import read_text, read_tools
    from ftops.evaluation.prompts import read_prompts
    from ftops.session.evaluation import Evaluator

    for out in outs:
        check_report(out)
    if address is not None:
        _check_options()
        return _report(screen, _recorded(screen, spec, address), show, outs, fail_if)
    if not names or prompts is None:
        missing_option = "--prompts" if names else "--deployment"
        hint = "name what to ask, or the address of an evaluation such as evaluation.copilot"
        raise UsageError(f"{missing_option} is missing", "", hint)
    if fail_if and not against:
        raise UsageError(
            "--fail-if needs --against", "a verdict compares two deployments.", "add --against NAME"
        )
    offered = read_tools(_content(tools), display(tools)) if tools else ()
    chosen = read_graders_file(_content(graders), display(graders)) if graders else ()
    inputs = Inputs(
        read_prompts(_content(prompts), display(prompts), offered),
        offered,
        read_text(_content(system), display(system)).strip() if system else "",
        _settings(settings),
        samples,
        chosen,
        labels=_labels(graders, chosen),
    )
    with Session.open(read(spec)) as session:
        evaluator = Evaluator(session, names, against, inputs, fresh, max_cost)
        missing = evaluator.missing
        if not _is_approved(screen, evaluator, missing, inputs.alpha if against else None, auto_approve):
            return 1
        evaluation = _run(screen, evaluator, sum(missing.values()), concurrency)
    return _report(screen, evaluation, show, outs, fail_if)


def _check_options() -> None:
    """Raises UsageError if something is to be asked otherwise than the spec says."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = str(parameter.name)
        if name in _ASKING and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
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
            f"{missing} of {plural(answers, 'answer')} are missing. They weren't given, or have been "
            f"deleted. {again} asks again.\n\n"
        )
    return evaluation


def _report(
    screen: Screen, evaluation: Evaluation, show: str, outs: Sequence[Path], fail_if: str | None
) -> int:
    """Shows and writes the results. Returns the exit code."""
    from ftops.cli.report_files import write_report
    from ftops.views.evaluation import draw, draw_markdown, to_json

    if fail_if and not evaluation.baseline:
        raise UsageError("--fail-if needs a baseline", "this evaluation has none.", "leave it out")
    for out in outs:
        write_report(out, evaluation)
    if screen.json:
        screen.document(to_json(evaluation))
    elif screen.markdown:
        screen.raw(draw_markdown(evaluation))
    else:
        screen.text(draw(evaluation, screen.paint, show, None if show == "all" else 10))
    if fail_if and set(evaluation.verdicts.values()) & _FAILING[fail_if]:
        return HELD
    return 0 if evaluation.is_complete else 1


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


def _labels(graders: Path | None, chosen: Sequence[Grader]) -> dict[str, tuple[Labelled, ...]]:
    """The labels of people that judges are compared with, from files beside that of the graders."""
    from ftops.evaluation.agreement import read_labels

    found = {}
    for grader in chosen:
        if graders and (name := grader.options.get("agreement")):
            path = graders.parent / name
            found[grader.name] = read_labels(_content(path), display(path), grader)
    return found


def _content(path: Path) -> bytes:
    try:
        return content(path)
    except OSError as error:
        raise unreadable(path, error) from error


def _settings(words: Sequence[str]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise UsageError(f"`{word}` isn't a valid setting", "", "write NAME=VALUE, such as temperature=0")
        if hint := _NO_SETTINGS.get(name):
            raise UsageError(f"`{name}` can't be set", "", hint)
        try:
            found[name] = decode(value)  # type: ignore[assignment]
        except (ValueError, RecursionError):
            found[name] = value.encode("utf-8", "replace").decode()
    return found
