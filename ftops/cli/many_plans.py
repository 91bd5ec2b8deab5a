"""Many plans: plans the specs below a folder, and shows all of them in one output."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ftops.cli.ci_documents import Document, of_errors, of_plan, of_several
from ftops.cli.console import Screen
from ftops.cli.many_specs import Outcome, Selection, for_each, select, worst
from ftops.cli.options import PlanArguments
from ftops.cli.output_options import GITLAB_COUNTS
from ftops.cli.plan_flow import Planned, made_now, plan_document, planned
from ftops.cli.spec_args import SpecArguments
from ftops.config.config import OutputsRead
from ftops.config.loader.settings import DEFAULT_ENVIRONMENT
from ftops.core.address import Json
from ftops.core.dag import sort
from ftops.core.errors import Diagnostic
from ftops.planning.plan import Plan
from ftops.planning.saved.plan_digest import plan_digest
from ftops.views import plan as plan_view
from ftops.views.diagnostics import to_json
from ftops.views.markdown_text import Source
from ftops.views.paint import clean
from ftops.views.verdict import gitlab_counts

Planneds = Sequence[Outcome[Planned]]


def plan_all(
    screen: Screen,
    spec: SpecArguments,
    request: PlanArguments,
    revision: str | None,
    is_kept: bool,
    limit: int | None,
) -> int:
    """The exit code: the worst of all specs, where changes are 2."""
    selection = select(spec, revision)

    def work(one: SpecArguments) -> Planned:
        return planned(one, request, is_kept=is_kept)

    outcomes = _in_order(_apart(for_each(selection.specs, work, screen.counter("Planning spec"))))
    code = worst([outcome.result.exit_code if outcome.result else outcome.exit_code for outcome in outcomes])
    document = _document_of(selection, outcomes)
    if screen.json:
        screen.document(_to_json(selection, outcomes, document, code))
    elif screen.format == GITLAB_COUNTS:
        screen.line(gitlab_counts(*(outcome.result.plan for outcome in outcomes if outcome.result)))
        screen.warn([one for outcome in outcomes for one in outcome.failed])
    elif screen.report:
        screen.reported(document.found)
    elif screen.markdown:
        screen.text(document.draw(limit or _WHOLE).text)
    else:
        _show(screen, selection, outcomes, document, is_kept)
    return code


def _apart(outcomes: Planneds) -> Planneds:
    """The same; specs with the same state fail: each would delete what the other has created."""
    by_state: dict[tuple[str, str, str], list[str]] = {}
    states = [_state_of(outcome) for outcome in outcomes]
    for outcome, state in zip(outcomes, states, strict=True):
        by_state.setdefault(state, []).append(outcome.spec.path.as_posix())
    found = []
    for outcome, state in zip(outcomes, states, strict=True):
        if outcome.result is not None and len(by_state[state]) > 1:
            twice = Diagnostic(
                f"{' and '.join(by_state[state])} have the same name and state",
                "Each would delete what the other has created.",
                "give each spec its own name: `ftops: {name: …}`",
            )
            outcome = replace(outcome, result=None, failed=(twice,))
        found.append(outcome)
    return found


def _in_order(outcomes: Planneds) -> Planneds:
    """Each after those whose outputs it was planned with; with a warning if these are about to change."""
    by_state = {_subject(o.result.plan): n for n, o in enumerate(outcomes) if o.result is not None}
    reads = {n: o.result.plan.reads if o.result is not None else () for n, o in enumerate(outcomes)}
    waits = {
        n: [by_state[_key(read)] for read in mine if _key(read) in by_state] for n, mine in reads.items()
    }
    found = list(outcomes)
    for number, others in waits.items():
        result = found[number].result
        changing = {n for n in others if (other := outcomes[n].result) and plan_view.has_changes(other.plan)}
        if result is None or not changing:
            continue
        notes = [
            f"planned with the outputs of {read.title} as of serial {read.serial}; that spec has changes "
            "that may change them"
            for read in result.plan.reads
            if by_state.get(_key(read)) in changing
        ]
        plan = replace(result.plan, warnings=(*result.plan.warnings, *notes))
        found[number] = replace(found[number], result=result._replace(plan=plan))
    return [found[n] for n in sort(waits, lambda n: n)]


def _subject(plan: Plan) -> tuple[str, str, str]:
    return plan.spec, plan.environment, plan.lineage


def _key(read: OutputsRead) -> tuple[str, str, str]:
    return read.spec, read.environment, read.lineage


def _state_of(outcome: Outcome[Planned]) -> tuple[str, str, str]:
    """What two plans of the same state have in common."""
    if outcome.result is None:
        return "", "", outcome.spec.path.as_posix()
    plan = outcome.result.plan
    place = {name: value for name, value in plan.destination.state.items() if name != "lineage"}
    return plan.spec, plan.environment, repr(sorted(place.items()))


_WHOLE = 1 << 40
"""Bytes; more than any document has."""


def _document_of(selection: Selection, outcomes: Planneds) -> Document:
    source = made_now()
    parts = [_part(outcome, source) for outcome in outcomes]
    skipped = [(one.path.as_posix(), one.reason) for one in selection.skipped]
    return of_several(selection.place, selection.environment, parts, skipped, source)


def _part(outcome: Outcome[Planned], source: Source) -> Document:
    path = outcome.spec.path.as_posix()
    if outcome.result is None:
        name, environment = outcome.name, outcome.spec.environment or DEFAULT_ENVIRONMENT
        return replace(of_errors(outcome.failed), spec=name, environment=environment, place=path)
    plan = outcome.result.plan
    digest = plan_digest(plan) if plan.is_approvable else ""
    return replace(of_plan(plan, source, digest, outcome.result.warnings), place=path)


def _to_json(selection: Selection, outcomes: Planneds, document: Document, code: int) -> dict[str, Json]:
    specs: list[Json] = []
    for outcome in outcomes:
        row: dict[str, Json] = {"path": outcome.spec.path.as_posix()}
        if outcome.result is None:
            row |= {"spec": outcome.name, "exit_code": outcome.exit_code}
            row |= {"diagnostics": [*map(to_json, outcome.failed)]}
        else:
            made = outcome.result
            row |= {"exit_code": made.exit_code, "plan": plan_document(made.plan, made.warnings)}
        specs.append(row)
    return {
        "format_version": 1,
        **selection.to_json(),
        "verdict": {"level": document.level, "sentence": document.sentence},
        "specs": specs,
        "exit_code": code,
    }


def _show(
    screen: Screen, selection: Selection, outcomes: Planneds, document: Document, is_kept: bool
) -> None:
    """A section for each spec, then a line for each."""
    for outcome in outcomes:
        screen.words = outcome.spec.words
        screen.text(screen.paint(f"── {clean(outcome.spec.path.as_posix())} ──", "bold") + "\n\n")
        if outcome.result is None:
            screen.fail(outcome.failed, outcome.exit_code)
            continue
        plan = outcome.result.plan
        screen.warn(outcome.result.warnings)
        screen.text(plan_view.draw(plan, screen.paint))
        screen.findings(plan.findings, outcome.result.exit_code)
        if is_kept and not plan.is_blocked:
            folder = clean(outcome.spec.path.as_posix())
            screen.whole(
                f"Saved beside the state. To apply it: ftops -C {folder} apply {plan_digest(plan)}\n"
            )
        screen.text("\n")
    screen.text(screen.paint(f"{document.sentence}", "bold") + "\n")
    parts = document.parts or ()
    screen.lines(clean(f"  {part.place}: {part.sentence}") for part in parts)
    screen.lines(selection.lines("planned"))
