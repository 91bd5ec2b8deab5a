"""Sweeps of a report as HTML: a table, curves over each other, parallel coordinates, each job. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from ftops.config.sweeps import Choice
from ftops.core.plurals import plural
from ftops.planning.estimate import dollars_of
from ftops.providers.training_curves import smoothed, window_of
from ftops.session.report.values import Report, ReportedJob
from ftops.session.sweep import Sweep, Trial
from ftops.views.html import Node, element, folded, table
from ftops.views.jobs import standing
from ftops.views.spec_report import words
from ftops.views.spec_report.plots import CROSS, Coordinate, Line, line_plot, parallel_plot
from ftops.views.spec_report.trainings import MOST_CARDS, content, left_out, number
from ftops.views.sweep import note_of, says_its_inputs

_MOST_AXES = 8


def sweeps(report: Report) -> Iterator[Node]:
    jobs = {job.address: job for job in report.jobs}
    for sweep in report.sweeps:
        chosen = next((one for one in report.choices if one.sweep == sweep.address), None)
        yield from _sweep(sweep, [jobs[one.address] for one in sweep.trials if one.address in jobs], chosen)


def model_of(trial: Trial) -> str:
    """The model whose metric counts for a job."""
    return "the last checkpoint" if trial.stopped else "the final model"


def _sweep(sweep: Sweep, jobs: Sequence[ReportedJob], chosen: Choice | None) -> Iterator[Node]:
    yield element(
        "h3", f"{sweep.address}  ", element("small", plural(len(sweep.trials), "job"), class_="dim")
    )
    best = sweep.trials[0]
    takes = " The spec takes it." if best.address == sweep.taken else ""
    if sweep.metric and best.last is not None:
        differs = ", ".join(f"{name} {words.said(value)}" for name, value in best.differs.items())
        direction = "highest" if sweep.is_reward else "lowest"
        yield element(
            "p",
            "Best: " if all(job.training.is_ended for job in jobs) else "Best of those that have ended: ",
            words.link(best.address, best.address.key or ""),
            f" with the {direction} {sweep.metric} of {model_of(best)}, {best.last:.4g}",
            (f" ({differs})." if differs else ".") + takes,
            class_="finding good",
        )
    if chosen is not None and not takes:
        first = chosen.ranked[0]
        text = f" by {chosen.metric} of the final model, {first.value:.4g}."
        yield element("p", "The spec takes ", words.link(first.address, first.address.key or ""), text)
    plots = [*_overlay(sweep, jobs), *_parallel(sweep)]
    if plots:
        yield element("div", *plots, class_="panels wide-panels")
    yield _trials(sweep)
    cards = [
        folded(
            element("span", element("b", *words.broken(str(job.address))), f"  {_short(job)}"),
            element("div", *content(job), id=words.anchor(job.address)),
        )
        for job in jobs[:MOST_CARDS]
    ]
    yield element("div", *cards, class_="folds")
    yield from left_out(len(jobs) - MOST_CARDS)


def _short(job: ReportedJob) -> str:
    if not job.training.is_ended:
        return standing(job.training)
    return job.verdict.text if job.verdict else job.training.run.status


def _trials(sweep: Sweep) -> Element:
    differing = list(dict.fromkeys(name for trial in sweep.trials for name in trial.differs))
    scores = list(dict.fromkeys(name for trial in sweep.trials for name in trial.scores))
    metric = sweep.metric or "metric"
    is_said = all(map(says_its_inputs, sweep.trials))
    heads = [
        "rank" if is_said else "job",
        *differing,
        f"best {metric}",
        "at step",
        f"last {metric}",
        "token accuracy",
        "checkpoint",
        "tokens",
        "cost",
        *scores,
        "note",
    ]
    written = dollars_of(trial.dollars for trial in sweep.trials)
    rows: list[list[Node]] = [
        [
            words.link(trial.address, str(rank) if is_said else trial.address.key or ""),
            *(words.said(trial.differs.get(name)) for name in differing),
            _value(trial.best),
            number(trial.best_at),
            _value(trial.last),
            f"{trial.accuracy:.1%}" if trial.accuracy is not None else words.DASH,
            number(trial.step),
            number(trial.tokens),
            written(trial.dollars) if trial.dollars is not None else words.DASH,
            *(_value(trial.scores.get(name)) for name in scores),
            note_of(sweep, trial),
        ]
        for rank, trial in enumerate(sweep.trials, 1)
    ]
    kept = [
        column for column in range(len(heads)) if any(row[column] not in ("", words.DASH) for row in rows)
    ]
    styles = ["figures", *(["ranked"] if is_said else []), *(["noted"] if heads[kept[-1]] == "note" else [])]
    return table(
        [heads[column] for column in kept],
        [[row[column] for column in kept] for row in rows],
        class_=" ".join(styles),
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
            style = f"rank{_rank(rank, len(jobs))}"
            drawn.append(Line(name, points, style, dots=len(points) < 3, end=_end(job)))
    if len(drawn) > 1:
        label = f"{sweep.metric} of all jobs by step"
        has_ends = any(line.end for line in drawn)
        yield element(
            "figure",
            element("figcaption", label),
            line_plot(f"{label}; a cross marks a stopped job" if has_ends else label, drawn[::-1]),
            _rank_key(has_ends),
        )


def _end(job: ReportedJob) -> str:
    """What the cross at the end of a curve means: its job was stopped early."""
    stopped = job.record.stopped
    return f"stopped early: {stopped.get('reason')}" if stopped else ""


def _rank(place: int, count: int) -> int:
    """0 for the best, then 1 to 5 by the place among the others."""
    return 0 if not place else 1 + min(4, 5 * (place - 1) // max(1, count - 1))


def _rank_key(has_ends: bool) -> Element:
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
        element("li", f"{CROSS} stopped early") if has_ends else None,
        class_="key",
    )


def _parallel(sweep: Sweep) -> Iterator[Node]:
    """What differs between the jobs, and what came of it."""
    differing = list(dict.fromkeys(name for trial in sweep.trials for name in trial.differs))
    known = [trial for trial in sweep.trials if trial.last is not None]
    if len(known) < 2 or not differing:
        return
    scores = list(dict.fromkeys(name for trial in known for name in trial.scores))
    coordinates = [Coordinate(name, [trial.differs.get(name) for trial in known]) for name in differing]
    coordinates += [Coordinate(f"last {sweep.metric}", [trial.last for trial in known])]
    coordinates += [Coordinate(name, [trial.scores.get(name) for trial in known]) for name in scores]
    names = [
        f"{trial.address.key}: {trial.last:.4g}" + ", stopped early" * bool(trial.stopped) for trial in known
    ]
    ranks = [_rank(place, len(known)) for place in range(len(known))]
    plot = parallel_plot(f"Inputs and {sweep.metric} of the jobs", coordinates[:_MOST_AXES], names, ranks)
    yield element(
        "figure",
        element("figcaption", "What differs, and what came of it: a line for each job"),
        element("div", plot, class_="wide", tabindex="0", role="region", aria_label="parallel coordinates"),
    )
