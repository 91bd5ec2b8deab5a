"""Agreement of a judge with people, on answers that people have labelled."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ftops.core.errors import Diagnostic, Place, SpecError
from ftops.evaluation import judge
from ftops.evaluation.answers import Answer, Failure, Question
from ftops.evaluation.calls import parse_arguments
from ftops.evaluation.expectations import Expected
from ftops.evaluation.graders import Grader
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.remote_graders import Ask, check_fields
from ftops.evaluation.statistics import cohens_kappa


class Labelled(Struct, frozen=True):
    """An answer to a prompt, and what people say of it: a label, or whether its score is high enough."""

    prompt: Prompt
    answer: Answer
    label: str | bool


class Agreement(Struct, frozen=True):
    """`kappa` is Cohen's: 1 if both always agree, 0 if they agree as often as by chance; None if it isn't
    defined. `ungraded` answers count in neither."""

    answers: int
    agreed: int
    ungraded: int
    kappa: float | None


def read_labels(content: bytes, name: str, grader: Grader) -> tuple[Labelled, ...]:
    """The rows of a JSON Lines file for a judge. Raises SpecError with every fault."""
    found: list[Labelled] = []
    faults: list[Diagnostic] = []
    for number, line in enumerate(content.decode("utf-8-sig", "replace").split("\n"), 1):
        if line.strip():
            row = _row(line, number, grader)
            if isinstance(row, str):
                hint = 'write {"prompt": "…", "answer": "…", "label": "…"}'
                faults.append(Diagnostic(row, "", hint, Place(name, number)))
            else:
                found.append(row)
    if not found and not faults:
        faults.append(Diagnostic(f"{name} has no labels", "", "", Place(name)))
    if faults:
        raise SpecError(faults)
    check_fields([grader], [row.prompt for row in found])
    return tuple(found)


def _row(line: str, number: int, grader: Grader) -> Labelled | str:
    """Or what is wrong."""
    try:
        row = parse_arguments(line)
    except ValueError as error:
        return f"a row of labels isn't JSON: {error}"
    if not isinstance(row, dict):
        return "a row of labels isn't an object"
    if not isinstance(row.get("answer"), str) or not isinstance(row.get("prompt"), str):
        return "a row of labels needs the texts `prompt` and `answer`"
    key = "label" if "labels" in grader.options else "score"
    if not judge.is_allowed(row.get(key), grader.options):
        return f"`{key}` of a row isn't one that the judge {grader.name} can give"
    label = row[key] if key == "label" else row[key] >= grader.options["at_least"]
    item = {k: v for k, v in row.items() if k not in ("answer", key)}
    messages = ({"role": "user", "content": row["prompt"]},)
    prompt = Prompt(f"line {number}", messages, Expected(None, row.get("expect")), item=item)
    return Labelled(prompt, Answer(row["answer"], finish_reason="stop"), label)


def questions_about(grader: Grader, rows: Sequence[Labelled]) -> list[Question]:
    return [judge.question(grader, row.prompt, row.answer) for row in rows]


def agreement_of(grader: Grader, rows: Sequence[Labelled], ask: Ask) -> Agreement:
    """Of what the judge says now."""
    pairs = []
    for row, reply in zip(rows, ask(questions_about(grader, rows)), strict=True):
        decided = judge.decision_of(grader, reply)
        if not isinstance(decided, Failure):
            said = decided if isinstance(decided, str) else decided >= grader.options["at_least"]
            pairs.append((row.label, said))
    people, judged = [label for label, _ in pairs], [said for _, said in pairs]
    agreed = sum(label == said for label, said in pairs)
    return Agreement(len(rows), agreed, len(rows) - len(pairs), cohens_kappa(people, judged))
