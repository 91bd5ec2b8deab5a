"""Trainings of a report as HTML: curves, verdicts, hyperparameters, checkpoints. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from xml.etree.ElementTree import Element

from ftops.core.address import Address
from ftops.core.measures import Measure, deciding
from ftops.core.nested import object_at
from ftops.core.plurals import plural
from ftops.planning.estimate import dollars, dollars_of
from ftops.providers.training_curves import Curve, panels, smoothed, window_of
from ftops.providers.training_results import checkpoint_word
from ftops.session.report.values import NOT_STARTED, STOPPED, DataUse, Report, ReportedJob
from ftops.state.state import Status
from ftops.views.curves import TITLES
from ftops.views.html import Node, element, folded, table
from ftops.views.jobs import standing
from ftops.views.spec_report import words
from ftops.views.spec_report.plots import Line, Mark, line_plot
from ftops.views.values import duration

MOST_CARDS = 60
"""Jobs whose curves are shown; the table has all."""
_MOST_PANELS = 6
_STYLES = {"train": "train", "valid": "valid", "full_valid": "full"}
_VERDICTS = {
    "falling": "note",
    "rising": "note",
    "flat": "good",
    "overfitting": "warning",
    "worse": "warning",
    "unclear": "dim",
}
_NAMES = {"train": "training", "valid": "validation, a part", "full_valid": "validation, all"}


def trainings(report: Report) -> Iterator[Node]:
    """A table of all jobs if there are several, then those that belong to no sweep."""
    if len(report.jobs) > 1:
        yield _overview(report.jobs)
    alone = _alone(report)
    yield from (_card(job) for job in alone[:MOST_CARDS])
    yield from left_out(len(alone) - MOST_CARDS)
    if report.sweeps and alone:
        yield element(
            "p", "The jobs of sweeps are ", element("a", "below", href="#sweeps"), ".", class_="dim"
        )


def _alone(report: Report) -> list[ReportedJob]:
    """The jobs that belong to no sweep."""
    swept = {trial.address for sweep in report.sweeps for trial in sweep.trials}
    return [job for job in report.jobs if job.address not in swept]


def drawn_jobs(report: Report) -> frozenset[Address]:
    """The jobs that have a part of the page of their own."""
    swept = {trial.address for sweep in report.sweeps for trial in sweep.trials[:MOST_CARDS]}
    return frozenset({*swept, *(job.address for job in _alone(report)[:MOST_CARDS])})


def _overview(jobs: Sequence[ReportedJob]) -> Element:
    rows: list[list[Node]] = []
    written = dollars_of(job.dollars for job in jobs)
    for job in jobs:
        name, value = _deciding(job)
        rows.append(
            [
                words.link(job.address),
                _status(job),
                job.base,
                f"{value:.4g} {name}" if value is not None else words.DASH,
                _accuracy(job),
                number(job.record.outputs.get("trained_tokens")),
                duration(job.training.elapsed) if job.training.elapsed is not None else words.DASH,
                _cost(job, written),
                _verdict_word(job),
            ]
        )
    heads = [
        "job",
        "status",
        "base model",
        "at the end",
        "token accuracy",
        "tokens",
        "time",
        "cost",
        "verdict",
    ]
    return table(heads, rows, class_="figures")


def _status(job: ReportedJob) -> Element:
    if job.record.stopped:
        return words.status(NOT_STARTED if job.record.is_off else STOPPED)
    return element("span", job.training.run.status, class_=f"tag {_status_style(job)}")


def _status_style(job: ReportedJob) -> str:
    return {Status.READY: "good", Status.TAINTED: "error", Status.PENDING: "note"}[job.training.run.state]


def _deciding(job: ReportedJob) -> tuple[str, float | None]:
    """The metric by which a job is judged, of its final model."""
    measure = deciding([job.metrics]) or Measure("train_loss", False)
    return measure.name, measure.value(job.metrics)


def _accuracy(job: ReportedJob) -> str:
    names = (f"{data}_mean_token_accuracy" for data in ("full_valid", "valid", "train"))
    found = next((job.metrics[name] for name in names if name in job.metrics), None)
    return words.DASH if found is None else f"{found:.1%}"


def _verdict_word(job: ReportedJob) -> Node:
    if job.verdict is None:
        step, steps = job.training.run.step, job.training.steps
        return (
            f"at step {step:,}{f' of {steps:,}' if steps else ''}"
            if step and not job.training.is_ended
            else words.DASH
        )
    return element("span", job.verdict.kind, class_=f"tag {_VERDICTS[job.verdict.kind]}")


def number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else words.DASH


def _card(job: ReportedJob) -> Element:
    title = element(
        "h3",
        str(job.address),
        "  ",
        _status(job),
        id=words.anchor(job.address),
    )
    return element("article", title, *content(job), class_="card")


def content(job: ReportedJob) -> Iterator[Node]:
    if not job.training.is_ended:
        yield element("p", f"Now: {standing(job.training)}", class_="standing")
    elif job.training.run.message:
        error = " error" * (job.training.run.state is Status.TAINTED)
        yield element("p", job.training.run.message, class_=f"word{error}")
    if job.verdict is not None:
        verdict = job.verdict
        yield element(
            "p",
            element("b", f"{verdict.text[:1].upper()}{verdict.text[1:]}."),
            element("small", verdict.rule),
            class_=f"finding {_VERDICTS[verdict.kind]}",
        )
    if job.note:
        yield words.none(f"{'Curves of its events' if job.curves else 'No curves'}: {job.note}.")
    drawn = [_panel(panel, job.step, checkpoint_word(job.metrics)) for panel in panels(job.curves)]
    if drawn:
        yield element("div", *drawn[:_MOST_PANELS], class_="panels")
    if rest := drawn[_MOST_PANELS:]:
        yield folded(f"{plural(len(rest), 'more metric')}", element("div", *rest, class_="panels"))
    yield _facts(job)
    yield from _checkpoints(job)


def _panel(panel: Sequence[Curve], best: int | None, word: str) -> Element:
    """One quantity: training as a line, validation as lines or dots, the best or final checkpoint."""
    name = TITLES.get(panel[0].quantity, panel[0].quantity.replace("_", " "))
    lines, keys = [], []
    for curve in panel:
        window = window_of(curve)
        points, style = smoothed(curve.points, window), _STYLES[curve.data]
        said = f"{_NAMES[curve.data]}{f' (mean of {window})' if window > 1 else ''}"
        raw = curve.points if window > 1 else ()
        lines.append(Line(said, points, style, raw, dots=curve.data == "full_valid" or len(points) < 3))
        swatch = element("svg", element("rect", width=14, height=4, y=3, class_=style), width=14, height=10)
        keys.append(element("li", swatch, said))
    marked = lines[-1].points
    nearest = min(marked, key=lambda point: abs(point[0] - (best or 0)), default=None)
    mark = Mark(best, nearest[1], f"{word}: step {best:,}") if best is not None and nearest else None
    return element(
        "figure",
        element("figcaption", f"{name[:1].upper()}{name[1:]} by step"),
        line_plot(f"{name} by step", lines, mark),
        element("ul", *keys, class_="key"),
    )


def _facts(job: ReportedJob) -> Element:
    record, run = job.record, job.training.run
    chosen = {**object_at(record.inputs, "hyperparameters"), **object_at(record.outputs, "hyperparameters")}
    trained = job.training.trained
    took = duration(job.training.elapsed) if job.training.elapsed is not None else ""
    took += f", of which {duration(trained)} training" if took and trained is not None else ""
    return words.facts(
        [
            ("Model", words.model(record.outputs.get("fine_tuned_model"))),
            ("Base model", job.base),
            ("Started from", job.continued),
            ("Method", _method(job)),
            (
                "Hyperparameters",
                ", ".join(f"{name} {words.said(value)}" for name, value in sorted(chosen.items())),
            ),
            ("Seed", words.said(record.inputs.get("seed")) if record.inputs.get("seed") is not None else ""),
            *((use.role.capitalize(), _data(use)) for use in job.data),
            (f"{checkpoint_word(job.metrics).capitalize()} checkpoint", _best(job)),
            ("Billed tokens", number(record.outputs.get("trained_tokens"))),
            ("Time", took),
            ("Cost", f"{_cost(job)}{', its time in the queue included' * job.is_at_most}"),
            ("Finished", words.when(run.finished_at) if run.finished_at else ""),
            ("Applied by", words.by(job.run)),
            ("Commit", words.commit(job.run.begun.commit) if job.run and job.run.begun.commit else ""),
            ("ID", words.model(record.remote_id)),
        ]
    )


def _cost(job: ReportedJob, written: Callable[[float], str] = dollars) -> str:
    if job.dollars is None:
        return "not known"
    return f"{'at most ' * job.is_at_most}{written(job.dollars)}"


def _method(job: ReportedJob) -> str:
    inputs = job.record.inputs
    others = [f"{name} {words.said(inputs[name])}" for name in ("beta", "l2_multiplier") if name in inputs]
    training_type = words.said(inputs.get("training_type") or "standard")
    return ", ".join([words.said(inputs.get("method") or "supervised"), training_type, *others])


def _data(use: DataUse) -> list[Node]:
    count = f", {plural(use.examples, 'example')}" if use.examples is not None else ""
    return [
        words.link(use.address) if use.address else "a file that isn't recorded",
        count,
        ", ",
        words.digest(use.digest),
    ]


def _best(job: ReportedJob) -> list[Node]:
    if job.step is None:
        return []
    is_last = job.checkpoint == job.record.outputs.get("fine_tuned_model")
    return [
        f"step {job.step:,}",
        ", the final model" if is_last else ", ",
        None if is_last else words.model(job.checkpoint),
    ]


def _checkpoints(job: ReportedJob) -> Iterator[Node]:
    """Those that can be deployed."""
    saved = job.training.run.checkpoints
    if not saved:
        return
    names = list(dict.fromkeys(name for one in saved for name in one.metrics))[:6]
    rows: list[list[Node]] = [
        [
            f"{one.step:,}{f' ({checkpoint_word(job.metrics)})' if one.step == job.step else ''}",
            *(f"{one.metrics[name]:.4g}" if name in one.metrics else words.DASH for name in names),
            words.model(one.model),
        ]
        for one in saved
    ]
    yield folded(plural(len(saved), "checkpoint"), table(["step", *names, "model"], rows, class_="words"))


def left_out(count: int) -> Iterator[Node]:
    if count > 0:
        yield words.none(
            f"Curves of {plural(count, 'more job')} are left out: `ftops report ADDRESS` has those of one."
        )
