"""Statistics of a dataset as text and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ftops.core.address import Json
from ftops.core.plurals import plural
from ftops.dataset.profile.profiler import MAX_VALUES, Sums
from ftops.dataset.profile.statistics import Bin, Spread, Statistics
from ftops.planning.estimate import TrainingCost
from ftops.views import money
from ftops.views.paint import Painter, clean

BAR = 40
SHOWN = 20
"""Maximum number of rows of a table."""
EACH = {
    "tokens": "tokens",
    "messages": "messages",
    "turns": "user turns",
    "calls": "function calls",
    "answer": "tokens of an answer",
}
"""What is counted for each example, and its title."""
_EIGHTHS = " ▏▎▍▌▋▊▉"


def to_json(found: Statistics, cost: TrainingCost | None = None) -> dict[str, Json]:
    """As docs/json-output.md describes it."""
    sums, cut = found.sums, found.cut
    document: dict[str, Json] = {
        "examples": sums.examples,
        "messages": sums.messages,
        "tokens": sums.tokens,
        "tokens_trained": sums.trained,
        "tokens_billed_per_epoch": found.billed,
        "tokens_by_role": dict(sums.roles.most_common()),
        "messages_by_role": dict(sums.turns.most_common()),
        "functions": {n: {"calls": u.calls, "tokens": u.tokens} for n, u in found.functions.items()},
        "labels": dict(sums.labels.most_common()),
        "grader_fields": {
            name: {"examples": sums.fields[name], "values": values}
            for name, values in different_values(sums).items()
        },
        "system_messages": len(sums.systems),
        "function_lists": len(sums.offers),
        "images": sums.images,
        "duplicates": found.duplicates,
        "unreadable_lines": sums.unreadable,
        "length": _spread(found.length),
        "each": {name: _spread(each) for name, each in found.each.items()},
        "histogram": [{"from": b.low, "below": b.high, "examples": b.examples} for b in found.bins],
        "longest": [{"line": line, "tokens": tokens} for line, tokens in found.longest],
    }
    if cut:
        document["truncation"] = {**cut._asdict(), "lines": list(cut.lines)}
    if cost:
        document["cost"] = {
            "epochs": cost.epochs.number,
            "epochs_estimated": cost.epochs.is_estimate,
            "per_million": cost.per_million,
            "per_hour": cost.per_hour,
            "dollars": None if cost.dollars is None else round(cost.dollars, 4),
            "note": cost.note,
        }
    return document


def _spread(found: Spread) -> dict[str, Json]:
    return {
        "min": found.least,
        "median": found.median,
        "mean": round(found.mean, 1),
        "p95": found.percentile_95,
        "p99": found.percentile_99,
        "max": found.most,
    }


def draw(title: str, found: Statistics, paint: Painter, cost: TrainingCost | None) -> Iterator[str]:
    """The statistics of one file. `cost` is given if a model is named."""
    sums = found.sums
    yield paint(title, "bold")
    tokens = f", {plural(sums.tokens, 'token')}" if sums.tokens else ""
    each = f"{sums.messages / sums.examples if sums.examples else 0:.1f} each"
    yield f"  {plural(sums.examples, 'example')}, {plural(sums.messages, 'message')} ({each}){tokens}"
    for note in _notes(found):
        yield f"  {paint('note', 'hint')}: {note}"
    if sums.tokens:
        yield ""
        yield "  Tokens"
        yield from _shares(sums.roles, sums.tokens)
        yield paint(f"    {trained_on(sums)}", "dim")
    if found.each:
        yield ""
        yield "  Per example"
        yield from _spreads(found)
    if sums.tokens:
        yield ""
        yield "  Length of an example, in tokens"
        yield from _histogram(found.bins)
        yield f"    longest: {', '.join(f'line {line} ({tokens:,})' for line, tokens in found.longest[:3])}"
    if found.functions:
        yield ""
        yield "  Function calls"
        used = found.functions.items()
        yield from _table([(n, u.calls, plural(u.tokens, "token") if u.tokens else "") for n, u in used])
    elif len(sums.labels) > 1:
        yield ""
        yield "  Answers"
        yield from _shares(sums.labels, sums.examples)
    if sums.fields:
        yield ""
        yield "  Fields for the grader, in examples"
        yield from _table([(n, sums.fields[n], _values(v)) for n, v in different_values(sums).items()])
    if cost:
        yield ""
        yield f"  Cost: {money.training(cost)}"


def different_values(sums: Sums) -> dict[str, int | None]:
    """For each field that a grader gets, the number of its different values; None if there are very many."""
    counts = Counter(value.rpartition("=")[0] for value in sums.field_values)
    is_known = len(sums.field_values) < MAX_VALUES
    return {name: counts[name] if is_known else None for name, _ in sums.fields.most_common()}


def _values(count: int | None) -> str:
    return "very many different values" if count is None else plural(count, "different value")


def trained_on(sums: Sums) -> str:
    """What of the tokens the model learns, or why that isn't a number."""
    if sums.examples and sums.prompts == sums.examples:
        return "the model's own answers are graded: the examples are only read"
    return f"trained on: {sums.trained:,}; only read: {sums.tokens - sums.trained:,}"


def _spreads(found: Statistics) -> Iterator[str]:
    """A table: what is counted for each example, from the least to the most."""
    counted = {"tokens": found.length} if found.sums.tokens else {}
    rows = {EACH[name]: spread for name, spread in (counted | found.each).items()}
    cells = [
        ["", "min", "median", "95%", "99%", "max"],
        *([name, *(f"{n:,}" for n in spread[:5])] for name, spread in rows.items()),
    ]
    name, *widths = (max(map(len, column)) for column in zip(*cells, strict=True))
    for first, *numbers in cells:
        aligned = (f"{number:>{width}}" for number, width in zip(numbers, widths, strict=True))
        yield "    " + "  ".join([f"{first:{name}}", *aligned])


def _notes(found: Statistics) -> Iterator[str]:
    sums, cut = found.sums, found.cut
    if sums.unreadable:
        yield f"{plural(sums.unreadable, 'line')} can't be read; see `ftops data check`"
    if found.duplicates:
        yield f"{plural(found.duplicates, 'example')} the same as an earlier one"
    if len(sums.systems) > 1:
        yield f"{len(sums.systems):,} different system messages"
    if len(sums.offers) > 1:
        yield f"{len(sums.offers):,} different lists of functions"
    if sums.images:
        yield f"{plural(sums.images, 'image')}, counted as if all were in low detail"
    if cut and cut.examples:
        where = ", ".join(map(str, cut.lines))
        yield (
            f"{plural(cut.examples, 'example')} longer than the model's limit of {cut.limit:,} tokens: "
            f"{cut.tokens:,} tokens are cut off (line {where}{'…' if cut.examples > len(cut.lines) else ''})"
        )


def _shares(counts: Mapping[str, int], total: int) -> Iterator[str]:
    rows = sorted(((name, n) for name, n in counts.items() if n), key=lambda row: (-row[1], row[0]))
    return _table([(name, count, f"{count / total:4.0%}") for name, count in rows])


def _table(rows: Sequence[tuple[str, int, str]]) -> Iterator[str]:
    """Rows of a name, a count and a note; the first SHOWN of them."""
    shown = rows[:SHOWN]
    width = max((len(_name(name)) for name, _, _ in shown), default=0)
    number = max((len(f"{count:,}") for _, count, _ in shown), default=0)
    for name, count, note in shown:
        yield f"    {_name(name):{width}}  {count:>{number},}  {note}".rstrip()
    if len(rows) > SHOWN:
        yield f"    and {len(rows) - SHOWN:,} more"


def _histogram(bins: Sequence[Bin]) -> Iterator[str]:
    most = max((b.examples for b in bins), default=0)
    width = max((len(range_of(b)) for b in bins), default=0)
    for each in bins:
        eighths = -(-each.examples * BAR * 8 // most) if each.examples else 0
        bar = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
        yield f"    {range_of(each):>{width}}  {bar}{' ' * bool(bar)}{each.examples:,}"


def range_of(each: Bin) -> str:
    """`20–49`"""
    return f"{each.low:,}–{each.high - 1:,}" if each.high - each.low > 1 else f"{each.low:,}"


def _name(name: str) -> str:
    return clean(name)[:40] or "(no role)"
