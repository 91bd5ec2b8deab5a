"""Sections of a report as HTML: what exists, evaluations, data, costs, what ends, lineage and runs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from ftops.core.address import Address
from ftops.core.nested import object_at
from ftops.core.plurals import plural
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.planning.deadlines import Deadline
from ftops.planning.estimate import about, dollars
from ftops.planning.plan import Action
from ftops.session.report.values import (
    OFF,
    Report,
    ReportedData,
    ReportedDeployment,
    ReportedEvaluation,
    ReportedJob,
    ReportedObject,
)
from ftops.state.backends.audit_log import Run
from ftops.state.deployments import model_of, sku_of
from ftops.state.state import ResourceState
from ftops.views import money
from ftops.views.charts import axis_of, bar, histogram
from ftops.views.deadlines import SOON_DAYS
from ftops.views.html import Node, element, folded, table
from ftops.views.pins import pin_line
from ftops.views.spec_report import words
from ftops.views.spec_report.graph import draw_graph
from ftops.views.spec_report.plots import interval_bar
from ftops.views.spec_report.trainings import drawn_jobs
from ftops.views.state import is_known
from ftops.views.values import SENSITIVE, size

Parts = Iterator[Node]
_MOST_ROWS = 40
"""Rows of a table of objects that isn't folded."""
_MOST_CARDS = 12
"""Deployments that are shown in full."""
_MOST_COSTS = 15
_MOST_SLICES = 40


def graph(report: Report) -> Parts:
    drawn = draw_graph(report.objects, lambda address: f"#{words.anchor(address)}")
    if drawn is not None:
        yield element(
            "div", drawn, class_="wide", tabindex="0", role="region", aria_label="graph of the resources"
        )
        counts = Counter(one.status for one in report.objects)
        keys = [
            element(
                "li",
                element("span", class_=f"dot {'none' if name == 'not created' else name}"),
                f"{count:,} {name}",
            )
            for name, count in counts.items()
        ]
        yield element("ul", *keys, class_="key")


def existing(report: Report) -> Parts:
    """Deployments with their endpoints, then everything by kind."""
    tuned_first = sorted(report.deployments, key=lambda one: not one.trained_by)
    if len(tuned_first) <= _MOST_CARDS:
        yield element("div", *map(_deployment, tuned_first), class_="cards") if tuned_first else None
    else:
        heads = ["deployment", "status", "endpoint", "trained by", "SKU", "hosting"]
        yield table(heads, map(_deployment_row, tuned_first), class_="prose")
    by_kind: dict[str, list[ReportedObject]] = {}
    for one in report.objects:
        by_kind.setdefault(one.address.kind, []).append(one)
    anchored = _anchored(report)
    detailed = {address.kind for address in anchored}
    for kind, row in RESOURCE_TYPES.items():
        if some := by_kind.get(kind):
            drawn = _objects(some, anchored)
            title = f"{row.title} ({len(some):,})"
            yield folded(title, drawn, open=len(some) <= _MOST_ROWS and kind not in detailed)
    if report.old:
        rows = [
            [str(one.address), words.model(one.remote_id), words.when(one.created_at)] for one in report.old
        ]
        yield element("h3", "Replaced objects that still exist")
        yield table(["address", "ID", "created"], rows, class_="words")
    yield from _outputs(report)


def _anchored(report: Report) -> frozenset[Address]:
    """Resources with a part of the page of their own."""
    records = [one.record for one in report.deployments]
    records += [one.record for one in report.evaluations]
    records += [one.record for one in report.data]
    return drawn_jobs(report) | {record.address for record in records}


def _objects(objects: Sequence[ReportedObject], anchored: frozenset[Address]) -> Node:
    rows: list[list[Node]] = []
    for one in objects:
        record = one.record
        note = "" if one.is_declared else "no longer declared"
        name = (
            words.link(one.address)
            if one.address in anchored
            else element("span", str(one.address), id=words.anchor(one.address))
        )
        rows.append(
            [
                name,
                words.status(one.status),
                words.model(record.remote_id.rpartition("/")[2]) if record else words.DASH,
                record.provider if record else words.DASH,
                words.when(record.created_at) if record else words.DASH,
                words.by(one.run),
                "; ".join(
                    filter(
                        None,
                        (
                            note,
                            record.message if record else "",
                            "adopted" if record and record.shared else "",
                        ),
                    )
                ),
            ]
        )
    return table(["resource", "status", "ID", "provider", "created (UTC)", "by", ""], rows, class_="prose")


def _deployment(one: ReportedDeployment) -> Node:
    record, cost = one.record, one.cost
    name, version = model_of(record)
    hours = (
        [one.hours, f" (now {'on' if one.is_on else 'off'}, until ", words.when(one.until), " UTC)"]
        if one.hours
        else []
    )
    return element(
        "article",
        element(
            "h3",
            str(record.outputs.get("name") or record.address.name),
            "  ",
            words.status(_state(record)),
            id=words.anchor(record.address),
        ),
        words.facts(
            [
                ("Endpoint", words.model(record.outputs.get("endpoint"))),
                ("Model", [words.model(name), f" {version}" if version else None]),
                ("Trained by", words.broken(one.trained_by)),
                ("SKU", _sku(record)),
                ("Hosting hours", hours),
                ("Hosting", money.hosting(cost) if cost else "billed by use"),
                ("So far", about(one.hosted) if one.hosted else ""),
                ("Expires", str(record.outputs.get("expires") or "")),
                ("Pinned", pin_line(one.pin) if one.pin else ""),
                (
                    "Created",
                    [words.when(record.created_at), " by ", words.by(one.run)] if record.created_at else [],
                ),
            ]
        ),
        class_="card",
    )


def _deployment_row(one: ReportedDeployment) -> list[Node]:
    record = one.record
    name = str(record.outputs.get("name") or record.address.name)
    return [
        element("span", name, id=words.anchor(record.address)),
        words.status(_state(record)),
        words.model(record.outputs.get("endpoint")),
        one.trained_by or model_of(record)[0],
        _sku(record),
        money.hosting(one.cost) if one.cost else "billed by use",
    ]


def _state(record: ResourceState) -> str:
    return OFF if record.is_off else record.status.value


def _sku(record: ResourceState) -> str:
    sku = sku_of(record)
    return f"{sku.name or 'Standard'}{f', capacity {sku.capacity:,}' if sku.capacity is not None else ''}"


def _outputs(report: Report) -> Parts:
    if not report.outputs:
        return
    yield element("h3", "Outputs")
    rows = [
        [
            name,
            SENSITIVE
            if one.sensitive
            else words.said(one.value, 200)
            if is_known(one.value)
            else "not known yet",
        ]
        for name, one in report.outputs.items()
    ]
    yield table(["output", "value"], rows, class_="words")


def evaluations(report: Report) -> Parts:
    for one in report.evaluations:
        yield element("article", *_evaluation(one), class_="card")


def _evaluation(one: ReportedEvaluation) -> Parts:
    outputs: Any = one.record.outputs
    verdict = str(outputs.get("verdict") or "")
    yield element(
        "h3",
        str(one.record.address),
        "  ",
        element("span", verdict or "no verdict", class_=f"tag {_verdict_style(verdict)}"),
        id=words.anchor(one.record.address),
    )
    yield table(["model", "score", "", "", ""], _scores(one), class_="words scores")
    if outputs.get("difference") is not None:
        low, high = outputs.get("difference_low"), outputs.get("difference_high")
        between = (
            f" (95 % interval {100 * low:+.0f} to {100 * high:+.0f})"
            if low is not None and high is not None
            else ""
        )
        yield element(
            "p",
            f"{100 * outputs['difference']:+.1f} points to the baseline{between}, "
            f"p = {outputs.get('p', 1.0):.2g}; {plural(int(outputs.get('gained') or 0), 'prompt')} gained, "
            f"{int(outputs.get('lost') or 0):,} lost.",
        )
    for gate in one.gates:
        passed = not gate.reasons
        word = "passed" if passed else "overridden" if gate.override else "not passed"
        style = "good" if passed else "warning" if gate.override else "error"
        why = "; ".join(filter(None, (*gate.reasons, gate.override)))
        yield element(
            "p",
            element("span", f"gate {word}", class_=f"tag {style}"),
            words.link(gate.deployment),
            f" requires: {gate.require}" + (f". {why}" if why else ""),
        )
    yield from _slices(outputs)
    metrics = object_at(outputs, "metrics")
    cost = metrics.get("cost_per_1000")
    yield words.facts(
        [
            ("Prompts", f"{outputs.get('prompts'):,}" if isinstance(outputs.get("prompts"), int) else ""),
            ("Answers", f"{metrics['answers']:,}" if isinstance(metrics.get("answers"), int) else ""),
            ("Cost of 1,000 answers", dollars(cost) if isinstance(cost, int | float) else ""),
            ("Evaluated", words.when(one.record.created_at)),
            ("Applied by", words.by(one.run)),
        ]
    )


def _verdict_style(verdict: str) -> str:
    return {"better": "good", "": "dim", "incomplete": "warning", "significantly worse": "error"}.get(
        verdict, "note"
    )


def _scores(one: ReportedEvaluation) -> list[list[Node]]:
    """The best candidate, the others and the baseline, each with a bar."""
    outputs: Any = one.record.outputs
    best, baseline = str(outputs.get("best") or ""), str(outputs.get("baseline") or "")
    low, high = one.interval or (None, None)
    others = [(model, score) for model, score in (outputs.get("scores") or {}).items() if model != best]
    rows = [
        (best, outputs.get("score"), low, high, "bar", ""),
        *((m, s, None, None, "bar", "") for m, s in others),
    ]
    rows += [(baseline, outputs.get("baseline_score"), None, None, "framing", "baseline")] if baseline else []
    return [
        [
            one.names.get(model, model),
            f"{score:.1%}",
            interval_bar(score, low, high, style),
            f"{low:.0%} to {high:.0%}" if low is not None and high is not None else "",
            note,
        ]
        for model, score, low, high, style, note in rows
        if isinstance(score, int | float)
    ]


def _slices(outputs: Any) -> Parts:
    metrics = object_at(outputs, "metrics")
    rows: list[list[Node]] = []
    for by in ("graders", "slices", "functions"):
        for name, value in object_at(metrics, by).items():
            share = value.get("accuracy") if isinstance(value, dict) else value
            if isinstance(share, int | float):
                rows.append(
                    [f"{by.removesuffix('s')} {name}", f"{share:.1%}", interval_bar(share, None, None, "bar")]
                )
    if rows:
        drawn = table(["part", "right", ""], rows[:_MOST_SLICES], class_="words scores")
        more = f", {len(rows) - _MOST_SLICES} of them left out" if len(rows) > _MOST_SLICES else ""
        yield folded(f"By grader, slice and function ({len(rows)}{more})", drawn)


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
            ("hosting so far", dollars(found.hosted), "of what exists now"),
            ("hosting by the hour", dollars(found.per_hour), ""),
            (
                "hosting by the month",
                dollars(found.per_month),
                "in hosting hours" if any(d.hours for d in report.deployments) else "",
            ),
        ]
    )
    priced = sorted((job for job in report.jobs if job.dollars), key=lambda job: -(job.dollars or 0))
    if priced:
        most = priced[0].dollars or 0.0
        rows = [_cost_row(job, most) for job in priced[:_MOST_COSTS]]
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


def _cost_row(job: ReportedJob, most: float) -> list[Node]:
    cost = job.dollars or 0.0
    tokens = job.record.outputs.get("trained_tokens")
    # a bar takes whole numbers
    drawn = bar(cost, most, label=dollars(cost))
    return [words.link(job.address), drawn, dollars(cost), f"{tokens:,}" if isinstance(tokens, int) else ""]


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
