"""Page of a report of a spec: what matters in a few numbers, then a section for each part. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element

from ftops.core.confined_files import content
from ftops.core.plurals import agree, plural
from ftops.planning.estimate import dollars
from ftops.session.report.values import Report
from ftops.state.state import Status
from ftops.views.deadlines import SOON_DAYS
from ftops.views.html import SPEC_PAGE, Node, element, page
from ftops.views.spec_report import evaluations, objects, sections, sweeps, trainings, words

_STYLES = (Path(__file__).parent.parent / "report" / "style.css", Path(__file__).with_name("style.css"))

_SECTIONS: tuple[tuple[str, str, Callable[[Report], Iterator[Node]], Callable[[Report], object]], ...] = (
    ("graph", "Graph", objects.graph, lambda report: report.objects),
    ("exists", "What exists", objects.existing, lambda report: report.objects),
    ("evaluations", "Evaluations", evaluations.evaluations, lambda report: report.evaluations),
    ("trainings", "Trainings", trainings.trainings, lambda report: report.jobs),
    ("sweeps", "Sweeps", sweeps.sweeps, lambda report: report.sweeps),
    ("data", "Data", sections.data, lambda report: report.data),
    ("costs", "Costs", sections.costs, lambda report: report.jobs or report.deployments),
    ("ends", "What ends when", sections.ends, lambda report: report.deadlines),
    ("lineage", "Lineage", sections.lineage, lambda report: report.jobs),
    ("runs", "Last runs", sections.runs, lambda report: report.runs),
)
"""The id and title of each section, what draws it, and what it needs."""


def report_to_html(report: Report) -> str:
    """The whole page."""
    shown = [(id, title, list(draw(report))) for id, title, draw, needed in _SECTIONS if needed(report)]
    links = [element("a", title, href=f"#{id}") for id, title, _ in shown]
    style = "".join(content(path).decode() for path in _STYLES)
    return page(
        SPEC_PAGE,
        f"{report.spec} ({report.environment})",
        style,
        element(
            "header",
            element("h1", report.spec, "  ", element("span", report.environment, class_="environment")),
            element("p", *_origin(report), class_="dim"),
            element("nav", *links, aria_label="Sections") if links else None,
        ),
        element(
            "main",
            *_notes(report),
            element("p", _summary(report), class_="verdict"),
            words.tiles(_tiles(report)) if report.objects else None,
            *(element("section", element("h2", title), *parts, id=id) for id, title, parts in shown),
        ),
    )


def _origin(report: Report) -> list[Node]:
    """When, from which state, at which commit."""
    checkout = report.checkout
    changed = ", with changes that aren't committed" if checkout and checkout.is_changed else ""
    parts: list[Node] = [words.day(report.at), f" · state {report.serial:,}"]
    parts += [" · commit ", words.commit(checkout.commit), changed] if checkout else []
    return [*parts, f" · ftops {report.version}"]


def _notes(report: Report) -> Iterator[Element]:
    """What limits this report."""
    notes = list(report.warnings)
    if report.restricted:
        needs = agree(len(report.restricted), "what it needs", "what they need")
        notes.append(f"Only {', '.join(map(str, report.restricted))}, and {needs}.")
    if report.is_offline:
        notes.append(
            "Made offline: no service was asked, so there are no curves, and dates are the catalogue's."
        )
    if report.expires_at:
        notes.append(f"This is a preview: everything is deleted after {report.expires_at}.")
    for note in notes:
        yield element("p", note, class_="finding note")


def _summary(report: Report) -> str:
    """In a sentence or two."""
    if not report.objects:
        return "Nothing is declared, and nothing exists."
    counts = report.counts
    if not counts:
        return f"{_nothing(report)}: {plural(len(report.objects), 'resource')} declared."
    models = sum(bool(job.record.outputs.get("fine_tuned_model")) for job in report.jobs)
    running = sum(not job.training.is_ended for job in report.jobs)
    serving = sum(not one.record.is_off and one.record.status is Status.READY for one in report.deployments)
    missing = sum(one.record is None for one in report.objects)
    prices = ["", ""] if report.is_rehearsal else _prices(report)
    told = [f"{plural(models, 'model')} trained{prices[0]}"] if models else []
    told += [f"{plural(running, 'job')} {agree(running, 'is', 'are')} training"] if running else []
    if serving:
        told.append(f"{plural(serving, 'deployment')} {agree(serving, 'serves', 'serve')}{prices[1]}")
    if missing:
        told.append(f"{plural(missing, 'resource')} {agree(missing, 'does', 'do')}n't exist yet")
    free = f". {_free(report)}" if report.is_rehearsal else ""
    return f"{'; '.join(told) or words.counted(counts)}{free}."


def _prices(report: Report) -> list[str]:
    """` for $0.04` of training, and ` for $1,241 a month` of hosting; empty if it costs nothing."""
    spent, month = report.costs.training, report.costs.per_month
    return [f" for {dollars(spent)}" if spent else "", f" for ${month:,.0f} a month" if month else ""]


def _free(report: Report) -> str:
    """What the emulator, which is free, stands for."""
    prices = [
        f"{price.removeprefix(' for ')} for {what}"
        for price, what in zip(_prices(report), ("training", "hosting"), strict=True)
        if price
    ]
    charged = f"; the service would charge {' and '.join(prices)}" if prices else ""
    return f"It runs in the emulator, which is free{charged}"


def _nothing(report: Report) -> str:
    """Why nothing exists, by the last runs."""
    changes = [run for run in report.runs if run.begun.operation in ("apply", "destroy")]
    last = changes[-1] if changes and not report.restricted else None
    if last and last.begun.operation == "destroy" and last.result == "done" and last.ended:
        return f"Everything was destroyed on {words.day(datetime.fromisoformat(last.ended.at))}"
    return "Nothing exists" if report.serial else "Nothing has been applied yet"


def _tiles(report: Report) -> Iterator[tuple[str, str, str]]:
    counts = report.counts
    yield "resources", f"{len(report.objects):,}", words.counted(counts)
    for sweep in report.sweeps[:1]:
        if sweep.metric and (best := sweep.trials[0].last) is not None:
            yield (
                f"best of {sweep.address}",
                f"{best:.4g}",
                f"{sweep.metric} of {sweeps.model_of(sweep.trials[0])}",
            )
    for one in report.evaluations[:1]:
        score = one.record.outputs.get("score")
        if isinstance(score, int | float):
            yield str(one.record.address), f"{score:.0%}", str(one.record.outputs.get("verdict") or "")
    would = ", at the prices of the service: the emulator is free" if report.is_rehearsal else ""
    if report.costs.training:
        unknown = len(report.costs.unpriced)
        known = plural(len(report.jobs) - unknown, "job")
        without = f", without {unknown:,} of unknown cost" if unknown else ""
        yield "training so far", dollars(report.costs.training), f"{known}{without}{would}"
    if report.costs.per_month:
        yield (
            "hosting by the month",
            f"${report.costs.per_month:,.0f}",
            f"{dollars(report.costs.per_hour)} an hour{would}",
        )
    today = report.at.date()
    dated = next((one for one in report.deadlines if one.day is not None and one.address is not None), None)
    if dated is not None and dated.day is not None:
        left = dated.days_left(today) or 0
        yield (
            "next end",
            dated.day.isoformat(),
            f"{dated.what}" + (f", in {plural(left, 'day')}" if left <= SOON_DAYS else ""),
        )
