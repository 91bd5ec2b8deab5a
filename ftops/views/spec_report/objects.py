"""What exists, of a report as HTML: the graph, deployments, all resources, outputs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ftops.core.address import Address
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.planning.estimate import about
from ftops.session.report.values import (
    OFF,
    Report,
    ReportedDeployment,
    ReportedObject,
)
from ftops.state.deployments import model_of, sku_of
from ftops.state.state import ResourceState
from ftops.views import money
from ftops.views.html import Node, element, folded, table
from ftops.views.pins import pin_line
from ftops.views.spec_report import words
from ftops.views.spec_report.graph import draw_graph
from ftops.views.spec_report.trainings import drawn_jobs
from ftops.views.state import is_known
from ftops.views.values import SENSITIVE

Parts = Iterator[Node]
_MOST_ROWS = 40
"""Rows of a table of objects that isn't folded."""
_MOST_CARDS = 12
"""Deployments that are shown in full."""


def graph(report: Report) -> Parts:
    drawn = draw_graph(report.objects, lambda address: f"#{words.anchor(address)}")
    if drawn is not None:
        yield element(
            "div", *drawn, class_="wide", tabindex="0", role="region", aria_label="graph of the resources"
        )
        counts = Counter(one.status for one in report.objects)
        keys = [
            element(
                "li",
                element("span", class_=f"dot {words.dot(name)}"),
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
                            record.said_message if record else "",
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
                ("Endpoint", _endpoint(one)),
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
        _endpoint(one),
        one.trained_by or model_of(record)[0],
        _sku(record),
        money.hosting(one.cost) if one.cost else "billed by use",
    ]


def _endpoint(one: ReportedDeployment) -> Node:
    if one.is_started:
        return element("span", "the emulator on this machine; ", element("code", "ftops exec"), " starts it")
    return words.model(one.record.outputs.get("endpoint"))


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
