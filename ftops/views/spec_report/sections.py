"""Sections of a report as HTML: data, costs, what ends, lineage and runs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from ftops.core.plurals import plural
from ftops.planning.deadlines import Deadline
from ftops.planning.estimate import dollars, dollars_of
from ftops.planning.plan import Action
from ftops.session.report.values import (
    Report,
    ReportedData,
    ReportedDeployment,
    ReportedJob,
)
from ftops.state.backends.audit_log import Run
from ftops.views import money
from ftops.views.charts import axis_of, bar, histogram
from ftops.views.deadlines import SOON_DAYS
from ftops.views.html import Node, element, table
from ftops.views.spec_report import words
from ftops.views.values import size

Parts = Iterator[Node]
_MOST_COSTS = 15


def data(report: Report) -> Parts:
    yield element("div", *map(_dataset, report.data), class_="cards")


def _dataset(one: ReportedData) -> Node:
    record, found = one.record, one.statistics
    content = str(record.identities.get("content") or record.outputs.get("digest") or "")
    bytes_ = record.outputs.get("bytes")
    nodes: list[Node] = [element("h3", str(record.address), id=words.anchor(record.address))]
    if found is not None:
        sums = found.sums
        rows = [
            (
                "examples",
                f"{sums.examples:,}",
                f"{plural(found.duplicates, 'duplicate')}" if found.duplicates else "",
            )
        ]
        if sums.tokens:
            rows += [
                ("tokens", f"{sums.tokens:,}", f"{sums.trained:,} trained on"),
                (
                    "per example",
                    f"{found.length.median:,}",
                    f"{found.length.least:,} to {found.length.most:,}",
                ),
            ]
        nodes.append(words.tiles(rows))
        lengths = {number: count for number, count in one.lengths.items() if number}
        if len(lengths) > 1:
            limit = one.limit if one.limit and one.limit <= 4 * max(lengths) else None
            axis = axis_of([*lengths, *([limit] if limit else [])])
            nodes.append(histogram(lengths, axis, "tokens of an example", limit))
    else:
        nodes.append(words.none(f"No statistics: {one.note}."))
    change = one.change
    nodes.append(
        words.facts(
            [
                ("File", element("code", one.path) if one.path else ""),
                ("Digest of the examples", words.digest(content)),
                ("Size", size(bytes_) if isinstance(bytes_, int) else ""),
                (
                    "Changed",
                    [money.data(change), ", since the version until ", words.when(one.until)]
                    if change
                    else [],
                ),
                (
                    "Cut off",
                    f"{plural(found.cut.examples, 'example')} over {found.cut.limit:,} tokens"
                    if found and found.cut and found.cut.examples
                    else "",
                ),
                (
                    "Uploaded",
                    [words.when(record.created_at), " by ", words.by(one.run)] if record.created_at else [],
                ),
            ]
        )
    )
    return element("article", *nodes, class_="card")


def costs(report: Report) -> Parts:
    found = report.costs
    if report.is_rehearsal:
        yield element(
            "p",
            "Everything runs in the emulator, which is free: this is what the service would charge.",
            class_="dim",
        )
    unknown = len(found.unpriced)
    yield words.tiles(
        [
            (
                "training so far",
                dollars(found.training),
                f"without {plural(unknown, 'job')} of unknown cost"
                if unknown
                else plural(len(report.jobs), "job"),
            ),
            *_hosting_tiles(report),
        ]
    )
    priced = sorted((job for job in report.jobs if job.dollars), key=lambda job: -(job.dollars or 0))
    if priced:
        most = priced[0].dollars or 0.0
        written = dollars_of(job.dollars for job in priced[:_MOST_COSTS])
        rows = [_cost_row(job, most, written) for job in priced[:_MOST_COSTS]]
        if rest := priced[_MOST_COSTS:]:
            total = sum(job.dollars or 0.0 for job in rest)
            rows.append([f"{plural(len(rest), 'more job')}", None, dollars(total), ""])
        yield table(["job", "", "cost", "billed tokens"], rows, class_="bars")
    hosted = [one for one in report.deployments if one.cost is not None]
    if hosted:
        rows = [
            [
                words.link(one.record.address),
                money.hosting(one.cost),
                dollars(one.hosted) if one.hosted is not None else words.DASH,
            ]
            for one in hosted
            if one.cost is not None
        ]
        yield table(["deployment", "hosting", "so far"], rows, class_="words")
    yield element(
        "p",
        "Prices are those of the catalogue. Base models are billed by use, which isn't known here.",
        class_="small dim",
    )


def _hosting_tiles(report: Report) -> list[tuple[str, str, str]]:
    found = report.costs
    if not any(one.cost for one in report.deployments):
        return []
    note = "in hosting hours" if any(one.hours for one in report.deployments) else ""
    return [
        ("hosting so far", dollars(found.hosted), "of what exists now"),
        ("hosting by the hour", dollars(found.per_hour), ""),
        ("hosting by the month", dollars(found.per_month), note),
    ]


def _cost_row(job: ReportedJob, most: float, written: Callable[[float], str]) -> list[Node]:
    cost = job.dollars or 0.0
    tokens = job.record.outputs.get("trained_tokens")
    drawn = bar(cost, most, label=written(cost))
    return [words.link(job.address), drawn, written(cost), f"{tokens:,}" if isinstance(tokens, int) else ""]


def ends(report: Report) -> Parts:
    """What stops working, the next first; what ends together in one row."""
    today = report.at.date()
    together: dict[tuple[object, ...], list[Deadline]] = {}
    for one in report.deadlines:
        together.setdefault((one.day, one.when, one.what, one.then, one.told), []).append(one)
    rows: list[list[Node]] = []
    for one, *others in together.values():
        left = one.days_left(today)
        style = "tag warning nowrap" if one.ends_within(SOON_DAYS, today) else "nowrap"
        rows.append(
            [
                element("span", _day(one), class_=style),
                ""
                if left is None
                else element("span", plural(left, "day") if left > 0 else "ended", class_="nowrap"),
                element("span", *_ending([one, *others])),
                one.what,
                one.then + (f" ({one.told})" if one.told else ""),
            ]
        )
    if rows:
        yield table(["day", "in", "resource", "what ends", "then"], rows, class_="prose")


def _day(one: Deadline) -> str:
    return f"{one.day.isoformat()}{' or later' if one.is_earliest else ''}" if one.day else one.when


def _ending(found: Sequence[Deadline]) -> list[Node]:
    """Their resources; those of a `for_each` as one."""
    names: dict[str, int] = {}
    for one in found:
        name = str(one.address._replace(key=None)) if one.address else "ftops"
        names[name] = names.get(name, 0) + 1
    return [", ".join(f"{name} × {count}" if count > 1 else name for name, count in names.items())]


def lineage(report: Report) -> Parts:
    """For each model: what it was made from, by whom, at which commit; and what serves it."""
    serving: dict[str, list[ReportedDeployment]] = {}
    for one in report.deployments:
        serving.setdefault(one.trained_by.partition(" step ")[0], []).append(one)
    rows: list[list[Node]] = []
    for job in report.jobs:
        run = job.run
        served = serving.get(str(job.address), ())
        rows.append(
            [
                words.link(job.address),
                job.continued or job.base,
                *_sources(job),
                words.by(run),
                words.when(job.record.created_at),
                words.commit(run.begun.commit) if run else words.DASH,
                element(
                    "span",
                    *(
                        node
                        for one in served
                        for node in (
                            words.link(
                                one.record.address,
                                str(one.record.outputs.get("name") or one.record.address.name),
                            ),
                            " ",
                        )
                    ),
                )
                if served
                else words.DASH,
            ]
        )
    heads = [
        "model of",
        "made from",
        "training data",
        "validation data",
        "applied by",
        "when (UTC)",
        "commit",
        "served by",
    ]
    yield table(heads, rows, class_="prose")


def _sources(job: ReportedJob) -> list[Node]:
    """Training and validation data: the dataset, its examples, its digest."""
    cells: list[Node] = []
    for role in ("training", "validation"):
        use = next((one for one in job.data if one.role == role), None)
        if use is None:
            cells.append(words.DASH)
            continue
        count = f" {use.examples:,}" if use.examples is not None else ""
        name = words.link(use.address, use.address.name) if use.address else "not recorded"
        cells.append(element("span", name, f"{count} ", words.digest(use.digest)))
    return cells


def runs(report: Report) -> Parts:
    rows = [_run(run) for run in reversed(report.runs)]
    yield table(
        ["started (UTC)", "who", "what", "result", "changes", "state", "plan", "commit"], rows, class_="prose"
    )
    if report.older_runs:
        yield words.none(f"{plural(report.older_runs, 'older run')}: see `ftops audit`.")


_RESULTS = {"done": "good", "failed": "error", "lost": "error"}


def _run(run: Run) -> list[Node]:
    begun = run.begun
    counts = [f"{Action(name).symbol}{count}" for name, count in begun.counts.items() if name in _ACTIONS]
    after = run.ended.serial if run.ended else None
    what = begun.operation
    url = _web(begun.run_url)
    notes = [f"pull request {begun.pull_request}"] if begun.pull_request else []
    notes += [f"{a} {'released' if to == 'released' else f'pinned to {to}'}" for a, to in begun.pins.items()]
    notes += [f"gate of {a} overridden: {why}" for a, why in begun.overrides.items()]
    notes += [f"rule {name} overridden: {why}" for name, why in begun.rule_overrides.items()]
    return [
        words.when(begun.at),
        f"{begun.who}@{begun.host}" if begun.host else begun.who,
        element(
            "span",
            element("a", what, href=url, rel="noreferrer") if url else what,
            f" ({'; '.join(notes)})" if notes else None,
        ),
        element("span", run.result, class_=f"tag {_RESULTS.get(run.result, 'note')}"),
        " ".join(counts),
        f"{begun.serial} → {after}" if after is not None else str(begun.serial),
        words.digest(begun.plan),
        words.commit(begun.commit),
    ]


def _web(url: str) -> str:
    """The address of a web page; empty for others, which a link must not lead to."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("https", "http") and parts.netloc else ""


_ACTIONS = frozenset(action.value for action in Action)
