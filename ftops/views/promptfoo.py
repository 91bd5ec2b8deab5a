"""Evaluation results as promptfoo exports them (results of version 3), so that its viewer can import them.

A deployment is a column, and a prompt, or one sample of it, is a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256

from ftops.core.address import Json
from ftops.evaluation.answers import Answer, Failure, Usage
from ftops.evaluation.evaluation import Evaluation, ModelResult
from ftops.evaluation.graders import Grade
from ftops.evaluation.metrics import cost
from ftops.evaluation.prompts import Prompt
from ftops.views.evaluation import answer_text, expected_text

_TEMPLATE = "{{prompt}}"
_NO_FAILURE, _WRONG, _ERROR = range(3)
"""Why a result isn't a success, by promptfoo's numbers."""


def to_promptfoo(evaluation: Evaluation, at: str) -> str:
    """`at`: when it was written, in ISO 8601."""
    columns = [list(_column(evaluation, i)) for i in range(len(evaluation.results))]
    rows = [row for several in zip(*columns, strict=True) for row in several]
    title = " and ".join(result.deployment for result in evaluation.results)
    results = {
        "version": 3,
        "timestamp": at,
        "prompts": [
            {**_template(), "provider": result.deployment, "metrics": _metrics(result, column)}
            for result, column in zip(evaluation.results, columns, strict=True)
        ],
        "results": rows,
        "stats": _stats(evaluation, rows),
    }
    config = {
        "description": f"Evaluation of {title}",
        "prompts": [_TEMPLATE],
        "providers": [_provider(result) for result in evaluation.results],
    }
    document = {
        "evalId": f"ftops-{_digest(json.dumps(rows))[:16]}",
        "results": results,
        "config": config,
        "shareableUrl": None,
        "metadata": {"exportedAt": at, "evaluationCreatedAt": at, "author": "ftops"},
    }
    return json.dumps(document, indent=2) + "\n"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _template() -> dict[str, Json]:
    return {"id": _digest(_TEMPLATE), "raw": _TEMPLATE, "label": _TEMPLATE}


def _provider(result: ModelResult) -> dict[str, Json]:
    return {"id": result.deployment, "label": result.deployment}


def _column(evaluation: Evaluation, index: int) -> Iterator[dict[str, Json]]:
    """The results of one deployment."""
    result = evaluation.results[index]
    for i, prompt in enumerate(evaluation.inputs.prompts):
        for sample, answer in enumerate(result.answers[i]):
            grades = {name: by_prompt[i][sample] for name, by_prompt in result.grades.items()}
            test = i * evaluation.inputs.samples + sample
            yield {
                "promptIdx": index,
                "testIdx": test,
                "promptId": _digest(_TEMPLATE),
                "provider": _provider(result),
                "prompt": {"raw": _asked(prompt), "label": _TEMPLATE},
                "vars": _variables(prompt),
                "testCase": {
                    "description": prompt.id,
                    "vars": _variables(prompt),
                    "metadata": {"slice": prompt.slice, "sample": sample},
                },
                "metadata": {},
                **_answer(result, answer),
                **_grading(evaluation, prompt, answer, grades),
            }


def _asked(prompt: Prompt) -> str:
    """The text, or the conversation as JSON."""
    is_text = len(prompt.messages) == 1 and prompt.messages[0].get("content") == prompt.text
    return prompt.text if is_text else json.dumps(list(prompt.messages), ensure_ascii=False)


def _variables(prompt: Prompt) -> dict[str, Json]:
    named = {"slice": prompt.slice} if prompt.slice else {}
    return {"prompt": prompt.text, "expect": expected_text(prompt), **named}


def _answer(result: ModelResult, answer: Answer | Failure) -> dict[str, Json]:
    if isinstance(answer, Failure):
        return {"error": answer.reason, "latencyMs": 0}
    prices = result.metrics.prices
    return {
        **({"cost": cost(answer.usage, prices)} if prices else {}),
        "response": {
            "output": answer_text(answer),
            "tokenUsage": _tokens([answer.usage]),
            "finishReason": answer.finish_reason,
        },
        "latencyMs": answer.milliseconds,
    }


def _tokens(usages: Sequence[Usage]) -> dict[str, Json]:
    sent, received = sum(u.input for u in usages), sum(u.output for u in usages)
    return {
        "prompt": sent,
        "completion": received,
        "cached": 0,
        "total": sent + received,
        "numRequests": len(usages),
    }


def _grading(
    evaluation: Evaluation, prompt: Prompt, answer: Answer | Failure, grades: dict[str, Grade]
) -> dict[str, Json]:
    """The main grader decides. What has no grade is an error, not a wrong answer."""
    types = {grader.name: grader.type for grader in evaluation.inputs.graders}
    main = grades[evaluation.inputs.graders[0].name]
    scores: dict[str, Json] = {name: g.score for name, g in grades.items() if g.score is not None}
    failure = _NO_FAILURE if main.passed else _ERROR if main.score is None else _WRONG
    components: list[Json] = [
        {
            **_grade(grade),
            "assertion": {"type": types[name], "metric": name, "value": expected_text(prompt)},
        }
        for name, grade in grades.items()
    ]
    given = isinstance(answer, Answer)
    return {
        "success": main.passed,
        "score": main.score or 0,
        "namedScores": scores,
        "failureReason": failure,
        "gradingResult": {**_grade(main), "namedScores": scores, "componentResults": components},
        **({"error": _reason(main)} if failure == _ERROR and given else {}),
    }


def _grade(grade: Grade) -> dict[str, Json]:
    return {"pass": grade.passed, "score": grade.score or 0, "reason": _reason(grade)}


def _reason(grade: Grade) -> str:
    if grade.miss is None:
        return "right" if grade.passed else "wrong"
    parts = (grade.miss.kind, grade.miss.where, grade.miss.detail)
    return ": ".join(filter(None, parts))


def _metrics(result: ModelResult, column: Sequence[dict[str, Json]]) -> dict[str, Json]:
    reasons, prices = [row["failureReason"] for row in column], result.metrics.prices
    by_grader = {name: [g for samples in all_ for g in samples] for name, all_ in result.grades.items()}
    known = {name: [g for g in grades if g.score is not None] for name, grades in by_grader.items()}
    return {
        "score": sum(float(str(row["score"])) for row in column),
        "testPassCount": reasons.count(_NO_FAILURE),
        "testFailCount": reasons.count(_WRONG),
        "testErrorCount": reasons.count(_ERROR),
        "assertPassCount": sum(g.passed for grades in known.values() for g in grades),
        "assertFailCount": sum(not g.passed for grades in known.values() for g in grades),
        "totalLatencyMs": sum(answer.milliseconds for answer in result.given),
        "tokenUsage": _tokens([answer.usage for answer in result.given]),
        "namedScores": {name: sum(g.score or 0 for g in grades) for name, grades in known.items()},
        "namedScoresCount": {name: len(grades) for name, grades in known.items()},
        **({"cost": sum(cost(answer.usage, prices) for answer in result.given)} if prices else {}),
    }


def _stats(evaluation: Evaluation, rows: Sequence[dict[str, Json]]) -> dict[str, Json]:
    reasons = [row["failureReason"] for row in rows]
    usages = [answer.usage for result in evaluation.results for answer in result.given]
    return {
        "successes": reasons.count(_NO_FAILURE),
        "failures": reasons.count(_WRONG),
        "errors": reasons.count(_ERROR),
        "tokenUsage": _tokens(usages),
    }
