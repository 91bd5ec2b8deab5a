"""The sections of a report about one file. Each function gives the parts of one section."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from xml.etree.ElementTree import Element

from ftops.core.plurals import agree, plural
from ftops.dataset.profile.details import END, OTHER, START, ranked
from ftops.dataset.profile.statistics import bins, spread
from ftops.dataset.rules.catalogue import RULES
from ftops.planning.estimate import TrainingCost, about, dollars
from ftops.views import money
from ftops.views.charts import Axis, bar, histogram, whole
from ftops.views.html import Node, element, folded, table
from ftops.views.report.advice import Reported
from ftops.views.report.conversation import conversation
from ftops.views.statistics import EACH, range_of
from ftops.views.values import size

SHOWN = 20
"""Rows of a table that are shown at once."""
_VALUES = ("given", "different", "most frequent values")
_ARGUMENTS = 200
"""Arguments in the table of values."""
_MATRIX = 14
"""Functions in the table of sequences."""
_ROLES = ("assistant", "user", "system", "tool", "functions", "framing")
_SAME_AS = {"developer": "system", "function": "tool"}
"""Roles that have the colour of another one."""

Parts = Iterator[Node]


def tiles(reported: Reported) -> Element:
    """The numbers that come first."""
    file = reported.file
    sums, found, inspection = file.statistics.sums, file.statistics, file.inspection
    cells = [
        ("examples", f"{sums.examples:,}", f"{inspection.format}, {size(inspection.bytes)}"),
        ("messages", f"{sums.messages:,}", f"{sums.messages / max(sums.examples, 1):.1f} per example"),
    ]
    if sums.tokens:
        cells.append(("tokens", f"{sums.tokens:,}", f"{found.length.mean:,.0f} per example"))
        if sums.prompts != sums.examples:
            trained = f"{sums.trained:,} of them"
            cells.append(("trained on", f"{sums.trained / sums.tokens:.0%}", trained))
        cells.append(
            ("median length", f"{found.length.median:,}", f"95% up to {found.length.percentile_95:,}")
        )
    if sums.calls:
        cells.append(("functions called", f"{len(sums.calls):,}", plural(sums.calls.total(), "call")))
    if sums.images:
        cells.append(("images", f"{sums.images:,}", f"in {plural(file.details.images.total(), 'example')}"))
    if found.cut:
        cells.append(("cut off", f"{found.cut.examples:,}", f"examples over {found.cut.limit:,} tokens"))
    known = [cost for cost in reported.costs if cost.dollars is not None]
    if known and inspection.format != "reinforcement":
        cost = known[0]
        cells.append(("costs about", dollars(cost.dollars or 0), money.epochs(cost)))
    return element(
        "dl",
        *(
            element("div", element("dt", name), element("dd", value, element("small", more)))
            for name, value, more in cells
        ),
        class_="tiles",
    )


def lengths(reported: Reported, axis: Axis | None) -> Parts:
    """`axis`: the same for all files of the report; None: no tokens are known."""
    file = reported.file
    if axis is None:
        yield element(
            "p", "Tokens aren't counted: the package with the vocabularies is not installed.", class_="dim"
        )
        return
    cut = file.statistics.cut
    if not axis.low < file.statistics.length.most:
        return
    yield histogram(file.lengths, axis, "tokens of an example", cut.limit if cut else None)
    scale = "logarithmic" if axis.is_log else "linear"
    beyond = (
        f" The longest is far from the model's limit of {cut.limit:,} tokens."
        if cut and axis.high < cut.limit
        else ""
    )
    yield element("p", f"Examples by length in tokens, on a {scale} axis.{beyond}", class_="small dim")
    titles = ["", "min", "median", "95%", "99%", "max"]
    counted = {"tokens": file.statistics.length} | file.statistics.each
    yield table(titles, ([EACH[name], *(f"{n:,}" for n in found[:5])] for name, found in counted.items()))
    rows = [(range_of(one), one.examples) for one in file.statistics.bins]
    yield folded("Lengths as a table", table(["tokens", "examples"], ([name, f"{n:,}"] for name, n in rows)))


def shape(reported: Reported) -> Parts:
    """Turns and roles, and what is trained on."""
    file = reported.file
    sums = file.statistics.sums
    if sums.tokens:
        known = [(name, sums.roles[name], _SAME_AS.get(name, name)) for name in (*_ROLES, *_SAME_AS)]
        rest = sums.tokens - sum(number for _, number, _ in known)
        yield element("h3", "Tokens by role")
        yield from _whole([part for part in (*known, ("other roles", rest, "framing")) if part[1]])
        yield element("h3", "Trained on and only read")
        if sums.prompts == sums.examples:
            yield element(
                "p",
                "Only prompts: the model answers them itself, and a grader scores its answers.",
            )
        else:
            masked = sums.tokens - sums.trained
            yield from _whole([("trained on", sums.trained, "trained"), ("only read", masked, "read")])
            framing = sums.trained - sums.roles["assistant"]
            if framing > 0:
                yield element("p", f"Trained on are answers with their framing, {framing:,} tokens.")
    if len(sums.turns_each) > 1:
        yield element("h3", "User turns per example")
        yield _bars([(range_of(one), one.examples) for one in bins(sums.turns_each)])
    elif sums.turns_each:
        yield element("p", f"Every example has {plural(next(iter(sums.turns_each)), 'user turn')}.")
    if len(sums.systems) > 1:
        yield element("p", f"{len(sums.systems):,} different system messages.")


def _whole(parts: list[tuple[str, int, str]]) -> Parts:
    total = sum(number for _, number, _ in parts)
    yield whole(parts)
    yield element(
        "ul",
        *(
            element("li", _dot(style), f"{name} {number:,} ({number / total:.0%})")
            for name, number, style in parts
        ),
        class_="key",
    )


def _dot(style: str) -> Element:
    return element(
        "svg",
        element("rect", width=10, height=10, rx=2, class_=style),
        width=10,
        height=10,
        aria_hidden="true",
    )


def _bars(rows: list[tuple[str, int]], more: Callable[[str], str] = lambda name: "") -> Element:
    """A table with a bar for each number."""
    most = max((number for _, number in rows), default=0)
    heads = ["", "", "examples"]
    return table(heads, ([name, bar(n, most), f"{n:,}{more(name)}"] for name, n in rows), class_="bars")


def functions(reported: Reported) -> Parts:
    """How often functions are called, in which order, and with which arguments; or else the answers."""
    sums, details = reported.file.statistics.sums, reported.file.details
    if not sums.calls:
        yield from _answers(sums.labels, sums.examples)
        return
    counts = [*ranked(sums.calls), *((name, 0) for name in sorted(details.offered) if name not in sums.calls)]
    most = counts[0][1]
    rows: list[list[Node]] = [
        [name, bar(n, most), f"{n:,}", f"{details.offered[name]:,}"] for name, n in counts
    ]
    heads = ["function", "", "calls", "offered"]
    yield table(heads, rows[:SHOWN], class_="bars")
    if len(rows) > SHOWN:
        yield folded(
            f"{plural(len(rows) - SHOWN, 'more function')}", table(heads, rows[SHOWN:], class_="bars")
        )
    if any(tally.keys() - {END} for before, tally in details.steps.items() if before != START):
        yield element("h3", "What follows what")
        text = "Calls of one example in their order: from the function on the left to the one above."
        yield element("p", text, class_="small dim")
        yield _matrix(details.steps)
    rows = [row for name, _ in ranked(sums.calls) for row in _values(name, details.arguments.get(name, {}))]
    if rows:
        yield element("h3", "Values of arguments")
        shown = table(["function", "argument", *_VALUES], rows[:_ARGUMENTS], class_="words")
        yield (
            shown
            if len(rows) <= SHOWN
            else folded(f"{plural(len(rows), 'argument')} of all functions", shown)
        )


def _answers(labels: Mapping[str, int], examples: int) -> Parts:
    rows = [(name, count) for name, count in ranked(labels) if count > 1]
    if len(rows) < 2:
        return  # texts, which are all different
    yield element("h3", "Short answers")
    yield _bars(rows[:SHOWN], lambda name: f" ({labels[name] / examples:.0%})")
    rest = len(labels) - len(rows[:SHOWN])
    if rest:
        yield element("p", f"and {plural(rest, 'other')}", class_="dim")


def _matrix(steps: Mapping[str, Mapping[str, int]]) -> Element:
    totals = {name: sum(tally.values()) for name, tally in steps.items() if name != START}
    names = [name for name, _ in ranked(totals)][:_MATRIX]
    most = max((n for tally in steps.values() for n in tally.values()), default=1)

    def cell(before: str, after: str) -> Element:
        count = steps.get(before, {}).get(after, 0)
        if not count:
            return element("td")
        level = -(-count * 9 // most)
        return element("td", f"{count:,}", title=f"{before} → {after}", class_=f"heat{level}")

    head = element(
        "tr", element("th", "", scope="col"), *(element("th", name, scope="col") for name in (*names, END))
    )
    body = [
        element("tr", element("th", before, scope="row"), *(cell(before, after) for after in (*names, END)))
        for before in (START, *names)
    ]
    made = element("table", element("thead", head), element("tbody", *body), class_="matrix")
    return element("div", made, class_="wide", tabindex="0", role="region", aria_label="what follows what")


def _values(name: str, values: Mapping[str, Mapping[str, int]]) -> Iterator[list[Node]]:
    """A row for each argument of a function, or for each key."""
    for argument, counts in sorted(values.items()):
        different = f"{len(counts.keys() - {OTHER}):,}{' or more' if OTHER in counts else ''}"
        usual = [f"{value} ({n:,})" for value, n in ranked(counts) if value != OTHER]
        more = f" and {len(usual) - 6:,} more" if len(usual) > 6 else ""
        yield [name, argument, f"{sum(counts.values()):,}", different, ", ".join(usual[:6]) + more]


def repetition(reported: Reported) -> Parts:
    """Groups of examples that are the same or alike, and what is in the validation file too."""
    file = reported.file
    counts = file.inspection.counts
    for is_same, rule, word in (
        (True, "data/duplicate", "the same as"),
        (False, "data/near-duplicate", "nearly the same as"),
    ):
        count = counts.get(rule, 0)
        groups = [group for group in file.inspection.alike if group.is_same is is_same]
        if not count:
            yield element("p", f"No example is {word} an earlier one.")
            continue
        yield element("p", f"{plural(count, 'example')} {agree(count, 'is', 'are')} {word} an earlier one.")
        rows = [
            [
                ", ".join(f"{n:,}" for n in g.lines) + ("…" if g.size > len(g.lines) else ""),
                f"{g.size:,}",
                file.excerpts.get(g.lines[0], ""),
            ]
            for g in groups
        ]
        title = f"The largest groups ({len(rows):,})"
        yield folded(title, table(["lines", "size", "the first of them"], rows, class_="words"))
    if file.shared is None:
        return
    shared = file.shared
    yield element("h3", f"Also in {shared.name}")
    same, near = shared.overlap.same, shared.overlap.near
    if not (same or near or shared.pairs):
        yield element("p", "Nothing: no example is in both files.", class_="word good")
        return
    yield element(
        "p",
        f"{plural(same, 'example')} the same, {near:,} nearly the same. "
        "The model knows their answers, so the validation loss of these says little.",
        class_="word warning",
    )
    rows = [
        [f"{ours.line:,}", f"{theirs.line:,}", shared.excerpts.get(ours.line, "")]
        for ours, theirs in shared.pairs
    ]
    if shared.overlap.first_near:
        here, there = shared.overlap.first_near
        rows.append(
            [f"{here:,}", f"{there:,}", "nearly the same" + (f"; {near - 1:,} more" if near > 1 else "")]
        )
    if rows:
        yield table(["line here", "line there", "the same example or prompt"], rows, class_="words")


def secrets(reported: Reported) -> Parts:
    """Secrets and personal data by kind; their values are nowhere in the page."""
    inspection = reported.file.inspection
    rows = []
    for rule, count in inspection.counts.items():
        if rule.startswith(("secret/", "personal/")):
            lines = [f.line for f in inspection.found if f.rule == rule]
            what = RULES[rule].what.removeprefix("The examples contain no ").rstrip(".")
            rows.append(
                [what, f"{count:,}", ", ".join(f"{n:,}" for n in lines) + ("…" if count > len(lines) else "")]
            )
    if not rows:
        yield element("p", "No keys, tokens or personal data were found by their patterns.")
        return
    yield table(["found", "times", "lines"], rows)
    yield element("p", "Values are masked everywhere in this report.", class_="small dim")


def pairs(reported: Reported) -> Parts:
    """Preference pairs: the lengths of both outputs."""
    details = reported.file.details
    total = details.preferred.total()
    if not total:
        return
    heads = ["tokens of the output", "min", "median", "95%", "max"]
    rows = []
    for name, tally in (("preferred", details.preferred), ("rejected", details.rejected)):
        least, half, most_of, _, most, _ = spread(tally)
        rows.append([name, *(f"{n:,}" for n in (least, half, most_of, most))])
    yield table(heads, rows)
    yield element(
        "p", f"The preferred output is longer in {details.longer / total:.0%} of {plural(total, 'pair')}."
    )


def fields(reported: Reported) -> Parts:
    """What a grader gets besides the answer."""
    details = reported.file.details
    if details.fields:
        yield element("p", "Keys beside the messages: item in the templates of a grader.", class_="small dim")
        yield table(["key", *_VALUES], (row[1:] for row in _values("", details.fields)), class_="words")


def costs(reported: Reported) -> Parts:
    if reported.file.inspection.format == "reinforcement":
        yield element("p", "Reinforcement fine-tuning is billed by the hour of training.", class_="dim")
        return
    known = [cost for cost in _by_epochs(reported) if cost.dollars is not None]
    if not known:
        note = reported.costs[0].note if reported.costs else "give --model to see what training costs"
        yield element("p", f"{note[:1].upper()}{note[1:]}.", class_="dim")
        return
    rows = [
        [money.epochs(cost), f"{cost.tokens * cost.epochs.number:,}", about(cost.dollars or 0)]
        for cost in known
    ]
    yield table(["epochs", "billed tokens", "cost"], rows)


def _by_epochs(reported: Reported) -> list[TrainingCost]:
    """Each number of epochs once."""
    first = {cost.epochs.number: cost for cost in reversed(reported.costs)}
    return [first[number] for number in sorted(first)]


def examples(reported: Reported, seed: int) -> Parts:
    file = reported.file
    if file.worst:
        yield element("h3", "Look at these first")
        yield from (conversation(picked) for picked in file.worst)
    yield element("h3", f"{plural(len(file.random), 'random example')} (seed {seed})")
    yield from (conversation(picked, is_open=not i) for i, picked in enumerate(file.random))
