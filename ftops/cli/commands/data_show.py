"""ftops data show: examples as conversations: one, random ones, or those that a rule is about"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click

from ftops import catalog, dataset
from ftops.cli.commands.data_read import encoding_of
from ftops.cli.console import Screen
from ftops.cli.output_options import PATH, screen_options
from ftops.core.address import Json
from ftops.core.errors import UsageError
from ftops.core.plurals import share
from ftops.core.project import display
from ftops.core.suggestions import did_you_mean
from ftops.dataset.checks import chunk
from ftops.dataset.files.jsonl_io import Line, not_an_example, read
from ftops.dataset.profile import example_digest
from ftops.dataset.profile.facts import checked_lines
from ftops.dataset.profile.tokens import Counter, NoEncoding, calls, counter
from ftops.dataset.rules.catalogue import names
from ftops.dataset.rules.findings import Inspection
from ftops.views import example as view

SEED = 1
SHOWN = 5
"""Examples that are shown if several fit."""


@click.command("show")
@click.argument("path", metavar="FILE", type=PATH)
@click.argument("number", metavar="[N]", type=click.IntRange(1), required=False)
@click.option(
    "--line", type=click.IntRange(1), metavar="N", help="Show the example on this line of the file."
)
@click.option("--random", "count", type=click.IntRange(1, 1000), metavar="N", help="Show N random examples.")
@click.option(
    "--rule",
    metavar="RULE",
    help="Show examples in which this rule, or group such as secret/*, found something.",
)
@click.option("--function", metavar="NAME", help="Show examples that call this function.")
@click.option("--seed", type=int, metavar="N", help="With --random: another seed shows other examples.")
@click.option("--model", metavar="MODEL", help="Count tokens with the encoding of this model.")
@screen_options
def command(
    screen: Screen,
    path: Path,
    number: int | None,
    line: int | None,
    count: int | None,
    rule: str | None,
    function: str | None,
    seed: int | None,
    model: str | None,
) -> int:
    """Show examples of FILE: their messages, and which are trained on. Secrets are masked.

    Shows the Nth example (the first by default), the one on a line, or several: random ones, those in which a
    rule found something, or those that call a function; the first 5 of them, unless --random says how many.
    """
    _check_options(number, line, count, rule, function, seed)
    counts = None
    with suppress(NoEncoding):
        counts = counter(encoding_of(catalog.load(Path.cwd(), os.environ), model))
    if not (count or rule or function):
        found = _shown(path, *_find(path, number or 1, line), counts)
        return screen.result(
            lambda: view.to_json(found), lambda: view.draw(found, screen.paint, screen.width)
        )
    inspection = dataset.inspect(path) if rule else Inspection()
    fitting = [n for n, each in enumerate(_lines(path, inspection, rule), 1) if _fits(each, rule, function)]
    if not fitting:
        raise _nothing(path, inspection, rule, function)
    chosen = set(fitting[:SHOWN])
    if count:
        chosen = set(random.Random(seed or SEED).sample(fitting, min(count, len(fitting))))  # noqa: S311
    shown = [
        _shown(path, each, n, counts, _notes(inspection, each, rule))
        for n, each in enumerate(read(path), 1)
        if n in chosen
    ]
    what = " ".join(filter(None, (rule and f"with {rule}", function and f"calling {function}")))
    how = (
        f", at random (seed {seed or SEED})"
        if count
        else "; --random N shows others" * (len(fitting) > SHOWN)
    )
    told = f"{share(len(shown), len(fitting), 'example')} {what}".rstrip() + how
    rows: list[Json] = [view.to_json(one) for one in shown]
    return screen.result(
        lambda: {"matching": len(fitting), "seed": (seed or SEED) if count else None, "examples": rows},
        lambda: [
            *(text for one in shown for text in (*view.draw(one, screen.paint, screen.width), "")),
            told,
        ],
    )


def _check_options(
    number: int | None,
    line: int | None,
    count: int | None,
    rule: str | None,
    function: str | None,
    seed: int | None,
) -> None:
    """Raises UsageError for options that contradict each other, or name no rule."""
    if number is not None and line is not None:
        raise UsageError("give either a number or a line", "", "remove one of them")
    if (number is not None or line is not None) and (count or rule or function):
        raise UsageError("give one example, or say which ones", "", "remove the number or the other options")
    if seed is not None and not count:
        raise UsageError("--seed needs --random", "", "add --random N")
    if rule is not None and rule not in names():
        raise UsageError(f"there is no rule {rule}", "", did_you_mean(rule, names()))


def _lines(path: Path, inspection: Inspection, rule: str | None) -> Iterator[tuple[Line, tuple[str, ...]]]:
    """Every line, and the rules that found something in it, if that is asked."""
    if rule is None:
        return ((each, ()) for each in read(path))
    return ((Line(*found[:3]), found.rules) for found in checked_lines(path, inspection))


def _fits(found: tuple[Line, tuple[str, ...]], rule: str | None, function: str | None) -> bool:
    line, rules = found
    if rule is not None and not any(rule in (one, f"{one.partition('/')[0]}/*") for one in rules):
        return False
    if line.example is None:
        return rule is not None and function is None
    messages = example_digest.messages(line.example)
    return function is None or any(call.name == function for m in messages for call in calls(m))


def _nothing(path: Path, inspection: Inspection, rule: str | None, function: str | None) -> UsageError:
    if rule is not None:
        of_file = any(f.rule == rule and not f.line for f in inspection.found)
        detail = "The rule is about the whole file, not about an example." if of_file else ""
        return UsageError(f"{rule} found nothing in an example of {path}", detail, "")
    if function is None:
        return UsageError(f"{path} has no examples", "", "")
    called = {
        call.name
        for line in read(path)
        if line.example is not None
        for m in example_digest.messages(line.example)
        for call in calls(m)
    }
    return UsageError(f"no example of {path} calls `{function}`", "", did_you_mean(function, called))


def _notes(inspection: Inspection, line: Line, rule: str | None) -> tuple[str, ...]:
    """What the rule found in the example."""
    if rule is None:
        return ()
    here = list(chunk.read(line.raw, inspection.format or "chat").found)
    here += [
        f for f in inspection.found if f.line == line.number and f.rule not in {one.rule for one in here}
    ]
    group = rule.removesuffix("*")
    return tuple(
        f"{f.rule}: {f.summary}{f' {f.other}' if f.other else ''}{f' ({f.path})' if f.path else ''}"
        for f in here
        if f.rule == rule or (rule.endswith("*") and f.rule.startswith(group))
    )


def _shown(
    path: Path, line: Line, number: int, counts: Counter | None, notes: tuple[str, ...] = ()
) -> view.Shown:
    return view.Shown(display(path.absolute()), line.number, number, line.example, counts, line.raw, notes)


def _find(path: Path, number: int, line: int | None) -> tuple[Line, int]:
    """The line, and the number of its example."""
    seen = last = 0
    for each in read(path):
        seen, last = seen + 1, each.number
        if (each.number == line) if line else (seen == number):
            if each.example is None:
                raise not_an_example(str(path), each.number)
            return each, seen
        if line and each.number > line:
            break
    if line:
        raise UsageError(
            f"line {line} of {path} has no example", f"the file ends at line {last}." * (last < line), ""
        )
    raise UsageError(f"{path} has no example {number}", f"it has {seen:,}.", "")
