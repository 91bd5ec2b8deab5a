"""What `ftops eval` asks: options as one value, and the inputs that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import wraps
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from ftops.cli.addresses import complete_name
from ftops.cli.output_options import PATH, Command, decorate
from ftops.core.address import Json
from ftops.core.confined_files import content
from ftops.core.errors import UsageError
from ftops.core.project import display
from ftops.dataset.files.jsonl_io import unreadable

if TYPE_CHECKING:
    from ftops.evaluation.agreement import Labelled
    from ftops.evaluation.evaluation import Inputs
    from ftops.evaluation.graders import Grader


class AskingArguments(Struct, frozen=True):
    """Which deployments are asked, and what. An evaluation of a spec has all of this already."""

    names: tuple[str, ...]
    against: str
    prompts: Path | None
    tools: Path | None
    system: Path | None
    graders: Path | None
    settings: tuple[str, ...]
    samples: int
    concurrency: int
    max_cost: float | None
    fresh: bool


def asking_options(function: Command) -> Command:
    """As one `asking`."""

    def packed(*args: Any, **rest: Any) -> Any:
        asking = AskingArguments(**{name: rest.pop(name) for name in AskingArguments.__struct_fields__})
        return function(*args, asking=asking, **rest)

    return decorate(wraps(function)(packed), _OPTIONS)


def read_inputs(asking: AskingArguments) -> Inputs:
    """Raises UsageError and SpecError with what is wrong in options and files."""
    from ftops.evaluation.evaluation import Inputs
    from ftops.evaluation.grader_table import read_graders_file
    from ftops.evaluation.inputs import read_text, read_tools
    from ftops.evaluation.prompts import read_prompts

    if not asking.names or asking.prompts is None:
        missing = "--prompts" if asking.names else "--deployment"
        hint = "name what to ask, or the address of an evaluation such as evaluation.copilot"
        raise UsageError(f"{missing} is missing", "", hint)
    tools = read_tools(*_file(asking.tools)) if asking.tools else ()
    graders = read_graders_file(*_file(asking.graders)) if asking.graders else ()
    return Inputs(
        read_prompts(*_file(asking.prompts), tools),
        tools,
        read_text(*_file(asking.system)).strip() if asking.system else "",
        _settings(asking.settings),
        asking.samples,
        graders,
        labels=_labels(asking.graders, graders),
    )


def _labels(file: Path | None, graders: Sequence[Grader]) -> dict[str, tuple[Labelled, ...]]:
    """The labels of people that judges are compared with, from files beside that of the graders."""
    from ftops.evaluation.agreement import read_labels

    found = {}
    for grader in graders:
        if file and (name := grader.options.get("agreement")):
            found[grader.name] = read_labels(*_file(file.parent / name), grader)
    return found


def _file(path: Path) -> tuple[bytes, str]:
    """What it contains, and its name in messages."""
    try:
        return content(path), display(path)
    except OSError as error:
        raise unreadable(path, error) from error


def _settings(words: Sequence[str]) -> dict[str, Json]:
    from ftops.evaluation.calls import parse_arguments

    found: dict[str, Json] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise UsageError(f"`{word}` isn't a valid setting", "", "write NAME=VALUE, such as temperature=0")
        if hint := _NO_SETTINGS.get(name):
            raise UsageError(f"`{name}` can't be set", "", hint)
        try:
            found[name] = parse_arguments(value)
        except ValueError:
            found[name] = value.encode("utf-8", "replace").decode()
    return found


_NO_SETTINGS: Mapping[str, str] = {
    "model": "--deployment selects the model",
    "messages": "--prompts and --system set the messages",
    "tools": "use --tools FILE",
    "functions": "use --tools FILE",
    "stream": "streaming isn't supported",
    "n": "use --samples N",
}
"""Parameters of the request that other options set."""


class _Dollars(click.FloatRange):
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
    click.option("--prompts", type=PATH, metavar="FILE", help="Prompts and expected answers."),
    click.option("--tools", type=PATH, metavar="FILE", help="The functions that can be called, as JSON."),
    click.option("--system", type=PATH, metavar="FILE", help="The system message, as text."),
    click.option("--graders", type=PATH, metavar="FILE", help="How answers are graded, as JSON or YAML."),
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
        type=_Dollars(min=0, min_open=True),
        metavar="DOLLARS",
        help="Send no request that could exceed this cost, by the catalogue's prices.",
    ),
    click.option("--fresh", is_flag=True, help="Ignore cached answers."),
)
