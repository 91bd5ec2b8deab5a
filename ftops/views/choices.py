"""Choices: which job of a sweep is the best, by which metric, and by how much. As lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ftops.config.sweeps import Choice, Ranked
from ftops.core.plurals import plural
from ftops.views.paint import PLAIN, Painter

TITLE = "Best of a sweep:"
_RUNNERS_UP = 3


def choice_lines(choices: Iterable[Choice], paint: Painter = PLAIN) -> Iterator[str]:
    """A line for each."""
    yield from (f"  {choice_line(choice, paint)}" for choice in choices)


def choice_line(choice: Choice, paint: Painter = PLAIN) -> str:
    """`job.sweep["b"] by full_valid_loss 0.41; then "a" 0.43 (+0.02), "c" 0.5 (+0.09) and 4 jobs more`."""
    best, *others = choice.ranked
    shown = [_runner_up(row, paint) for row in others[:_RUNNERS_UP]]
    left = len(others) - len(shown)
    more = f" and {plural(left, 'job')} more" * bool(left)
    then = f"; then {', '.join(shown)}{more}" if shown else ""
    return f"{paint(str(best.address), 'bold')} by {paint(choice.metric)} {best.value:.4g}{then}"


def _runner_up(row: Ranked, paint: Painter) -> str:
    key = paint(f'"{row.address.key}"')
    return f"{key} {row.value:.4g} ({row.difference:+.2g})"
