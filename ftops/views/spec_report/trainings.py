"""Trainings and sweeps of a report as HTML: curves, verdicts, hyperparameters, tables of a sweep. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from ftops.core.address import Address
from ftops.core.measures import Measure, deciding
from ftops.core.nested import object_at
from ftops.core.plurals import plural
from ftops.planning.estimate import dollars
from ftops.providers.training_curves import Curve, panels, smoothed, window_of
from ftops.session.report.values import DataUse, Report, ReportedJob
from ftops.session.sweep import Sweep
from ftops.state.state import Status
from ftops.views.curves import TITLES
from ftops.views.html import Node, element, folded, table
from ftops.views.jobs import standing
from ftops.views.spec_report import words
from ftops.views.spec_report.plots import Coordinate, Line, Mark, line_plot, parallel_plot
from ftops.views.values import duration

MOST_CARDS = 60
"""Jobs whose curves are shown; the table has all."""
_MOST_PANELS = 6
_MOST_AXES = 8
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
    yield from _left_out(len(alone) - MOST_CARDS)
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


def sweeps(report: Report) -> Iterator[Node]:
    jobs = {job.address: job for job in report.jobs}
    for sweep in report.sweeps:
        yield from _sweep(sweep, [jobs[trial.address] for trial in sweep.trials if trial.address in jobs])


def _overview(jobs: Sequence[ReportedJob]) -> Element:
    rows: list[list[Node]] = []
    for job in jobs:
        name, value = _deciding(job)
        rows.append(
            [
                words.link(job.address),
                element("span", job.training.run.status, class_=f"tag {_status_style(job)}"),
                job.base,
                f"{value:.4g} {name}" if value is not None else words.DASH,
                _accuracy(job),
                _number(job.record.outputs.get("trained_tokens")),
                duration(job.training.elapsed) if job.training.elapsed is not None else words.DASH,
                dollars(job.dollars) if job.dollars is not None else words.DASH,
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
        return words.DASH
    return element("span", job.verdict.kind, class_=f"tag {_VERDICTS[job.verdict.kind]}")


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else words.DASH


def _card(job: ReportedJob) -> Element:
    title = element(
        "h3",
        str(job.address),
        "  ",
        element("span", job.training.run.status, class_=f"tag {_status_style(job)}"),
        id=words.anchor(job.address),
    )
    return element("article", title, *_content(job), class_="card")


def _content(job: ReportedJob) -> Iterator[Node]:
    if not job.training.is_ended:
        yield element("p", f"Now: {standing(job.training)}", class_="standing")
    elif job.training.run.message:
        yield element("p", job.training.run.message, class_="word error")
    if job.verdict is not None:
        verdict = job.verdict
        yield element(
            "p",
            element("b", f"{verdict.text[:1].upper()}{verdict.text[1:]}."),
            element("small", verdict.rule),
            class_=f"finding {_VERDICTS[verdict.kind]}",
        )
    if job.note:
        yield words.none(f"No curves: {job.note}.")
    drawn = [_panel(panel, job.step) for panel in panels(job.curves)]
    if drawn:
        yield element("div", *drawn[:_MOST_PANELS], class_="panels")
    if rest := drawn[_MOST_PANELS:]:
        yield folded(f"{plural(len(rest), 'more metric')}", element("div", *rest, class_="panels"))
    yield _facts(job)
    yield from _checkpoints(job)


def _panel(panel: Sequence[Curve], best: int | None) -> Element:
    """One quantity: training as a line, validation as lines or dots, the best checkpoint."""
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
    mark = Mark(best, nearest[1], f"best: step {best:,}") if best is not None and nearest else None
    return element(
        "figure",
        element("figcaption", f"{name[:1].upper()}{name[1:]}"),
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
            ("Best checkpoint", _best(job)),
            ("Billed tokens", _number(record.outputs.get("trained_tokens"))),
            ("Time", took),
            ("Cost", dollars(job.dollars) if job.dollars is not None else "not known"),
            ("Finished", words.when(run.finished_at) if run.finished_at else ""),
            ("Applied by", words.by(job.run)),
            ("Commit", words.commit(job.run.begun.commit) if job.run and job.run.begun.commit else ""),
            ("ID", words.model(record.remote_id)),
        ]
    )


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
            f"{one.step:,}{' (best)' if one.step == job.step else ''}",
            *(f"{one.metrics[name]:.4g}" if name in one.metrics else words.DASH for name in names),
            words.model(one.model),
        ]
        for one in saved
    ]
    yield folded(plural(len(saved), "checkpoint"), table(["step", *names, "model"], rows, class_="words"))


def _left_out(count: int) -> Iterator[Node]:
    if count > 0:
        yield words.none(
            f"Curves of {plural(count, 'more job')} are left out: `ftops report ADDRESS` has those of one."
        )


def _sweep(sweep: Sweep, jobs: Sequence[ReportedJob]) -> Iterator[Node]:
    yield element(
        "h3", f"{sweep.address}  ", element("small", plural(len(sweep.trials), "job"), class_="dim")
    )
    best = sweep.trials[0]
    if sweep.metric and best.best is not None:
        differs = ", ".join(f"{name} {words.said(value)}" for name, value in best.differs.items())
        direction = "highest" if sweep.is_reward else "lowest"
        yield element(
            "p",
            "Best: ",
            words.link(best.address, best.address.key or ""),
            f" with the {direction} {sweep.metric}, {best.best:.4g}" + (f" ({differs})." if differs else "."),
            class_="finding good",
        )
    plots = [*_overlay(sweep, jobs), *_parallel(sweep)]
    if plots:
        yield element("div", *plots, class_="panels wide-panels")
    yield _trials(sweep)
    cards = [
        folded(
            element("span", element("b", str(job.address)), f"  {_short(job)}"),
            element("div", *_content(job), id=words.anchor(job.address)),
        )
        for job in jobs[:MOST_CARDS]
    ]
    yield element("div", *cards, class_="folds")
    yield from _left_out(len(jobs) - MOST_CARDS)


def _short(job: ReportedJob) -> str:
    return job.verdict.text if job.verdict else job.training.run.status


def _trials(sweep: Sweep) -> Element:
    differing = list(dict.fromkeys(name for trial in sweep.trials for name in trial.differs))
    scores = list(dict.fromkeys(name for trial in sweep.trials for name in trial.scores))
    metric = sweep.metric or "metric"
    heads = [
        "job",
        *differing,
        f"best {metric}",
        f"last {metric}",
        "token accuracy",
        "best step",
        "tokens",
        "cost",
        *scores,
        "",
    ]
    rows: list[list[Node]] = [
        [
            words.link(trial.address, trial.address.key or ""),
            *(words.said(trial.differs.get(name)) for name in differing),
            _value(trial.best),
            _value(trial.last),
            f"{trial.accuracy:.1%}" if trial.accuracy is not None else words.DASH,
            f"{trial.step:,}" if trial.step is not None else words.DASH,
            _number(trial.tokens),
            dollars(trial.dollars) if trial.dollars is not None else words.DASH,
            *(_value(trial.scores.get(name)) for name in scores),
            trial.note,
        ]
        for trial in sweep.trials
    ]
    kept = [
        column for column in range(len(heads)) if any(row[column] not in ("", words.DASH) for row in rows)
    ]
    return table(
        [heads[column] for column in kept],
        [[row[column] for column in kept] for row in rows],
        class_="figures",
    )


def _value(value: float | None) -> str:
    return words.DASH if value is None else f"{value:.4f}"


def _overlay(sweep: Sweep, jobs: Sequence[ReportedJob]) -> Iterator[Node]:
    """The metric of all jobs over each other; that of the best one stands out."""
    drawn = []
    for rank, job in enumerate(jobs):
        curve = next((one for one in job.curves if one.column == sweep.metric), None)
        if curve is not None:
            points = smoothed(curve.points, window_of(curve))
            name = f"{job.address.key}: {sweep.metric} {points[-1][1]:.4g} at the end"
            drawn.append(Line(name, points, f"rank{_rank(rank, len(jobs))}", dots=len(points) < 3))
    if len(drawn) > 1:
        yield element(
            "figure",
            element("figcaption", f"{sweep.metric} of all jobs"),
            line_plot(f"{sweep.metric} of all jobs by step", drawn[::-1]),
            _rank_key(),
        )


def _rank(place: int, count: int) -> int:
    """0 for the best, then 1 to 5 by the place among the others."""
    return 0 if not place else 1 + min(4, 5 * (place - 1) // max(1, count - 1))


def _rank_key() -> Element:
    swatches = [("rank0", "the best job"), ("rank1", "the next ones"), ("rank5", "the last ones")]
    return element(
        "ul",
        *(
            element(
                "li",
                element("svg", element("rect", width=14, height=4, y=3, class_=style), width=14, height=10),
                text,
            )
            for style, text in swatches
        ),
        class_="key",
    )


def _parallel(sweep: Sweep) -> Iterator[Node]:
    """What differs between the jobs, and what came of it."""
    differing = list(dict.fromkeys(name for trial in sweep.trials for name in trial.differs))
    known = [trial for trial in sweep.trials if trial.best is not None]
    if len(known) < 2 or not differing:
        return
    scores = list(dict.fromkeys(name for trial in known for name in trial.scores))
    coordinates = [Coordinate(name, [trial.differs.get(name) for trial in known]) for name in differing]
    coordinates += [Coordinate(f"best {sweep.metric}", [trial.best for trial in known])]
    coordinates += [Coordinate(name, [trial.scores.get(name) for trial in known]) for name in scores]
    names = [f"{trial.address.key}: {trial.best:.4g}" for trial in known]
    ranks = [_rank(place, len(known)) for place in range(len(known))]
    plot = parallel_plot(f"Inputs and {sweep.metric} of the jobs", coordinates[:_MOST_AXES], names, ranks)
    yield element(
        "figure",
        element("figcaption", "What differs, and what came of it: a line for each job"),
        element("div", plot, class_="wide", tabindex="0", role="region", aria_label="parallel coordinates"),
    )
