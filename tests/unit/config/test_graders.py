"""Graders of jobs: warnings about them, fields that examples lack, and secrets in headers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ftops.config.config import Config
from ftops.config.data_files import with_data
from ftops.config.loader import load
from ftops.core.address import Secret
from ftops.core.errors import Diagnostic, SpecError

TEXT = "{{sample.output_text}}"
GRADE = "def grade(sample, item): return 1"
CODE = {"type": "python", "name": "code"}
EXACT = {"type": "string_check", "name": "exact", "operation": "eq", "input": TEXT}


def spec(folder: Path, grader: dict[str, Any], **data: str) -> Config:
    """`data`: keys of both datasets."""
    content = {
        "datasets": {name: {"path": f"{name}.jsonl", **data} for name in ("train", "valid")},
        "jobs": {
            "a": {
                "model": "o4-mini-2025-04-16",
                "method": "reinforcement",
                "training": "train",
                "validation": "valid",
                "grader": grader,
            }
        },
    }
    (folder / "ftops.yaml").write_text(json.dumps(content))
    return load(folder / "ftops.yaml", environ={"GRADER_KEY": "s3cret-key"})


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    lines = [
        {"messages": [{"role": "user", "content": f"{name} question {number}"}], **row}
        for number, row in enumerate(rows)
    ]
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def errors(folder: Path, grader: dict[str, Any], **data: str) -> list[Diagnostic]:
    with pytest.raises(SpecError) as caught:
        with_data(spec(folder, grader, **data), str)
    return list(caught.value.diagnostics)


@pytest.mark.parametrize(
    ("grader", "summary"),
    [
        ({**EXACT, "reference": "{{ item.answer }}"}, "{{ item.answer }} has spaces in its braces"),
        ({**EXACT, "reference": "{{item.answers[0]}}"}, "{{item.answers[0]}} has an index"),
        ({**EXACT, "reference": "{{item.answers.0}}"}, "{{item.answers.0}} has an index"),
        ({**EXACT, "reference": "{{item.answer}"}, "`{{item.answer}` isn't replaced by a field"),
        ({**EXACT, "reference": "is {item.answer}}"}, "`{item.answer}}` isn't replaced by a field"),
        ({**EXACT, "reference": "{ item.answer }"}, "`{ item.answer }` isn't replaced by a field"),
        ({**EXACT, "reference": "item.answer"}, "`item.answer` isn't replaced by a field"),
        ({**EXACT, "input": "{{item.a}}", "reference": "x"}, "the grader doesn't see the answer"),
        (
            {
                "type": "multi",
                "name": "both",
                "graders": {"a": {**EXACT, "reference": "x"}, "b": {**EXACT, "reference": "y"}},
                "calculate_output": "2 * a",
            },
            "`calculate_output` doesn't use `b`",
        ),
        (
            {**CODE, "source": "import requests, numpy.linalg\nfrom sklearn import svm\n" + GRADE},
            "the code imports `requests`, which the service may not have",
        ),
    ],
)
def test_what_may_not_be_meant_is_a_warning_at_its_place(
    tmp_path: Path, grader: dict[str, Any], summary: str
) -> None:
    [found] = spec(tmp_path, grader).warnings
    assert (found.summary, found.severity) == (summary, "warning")
    assert found.place is not None
    assert found.place.line == 1
    assert found.place.column > 1


@pytest.mark.parametrize(
    "grader",
    [
        {**EXACT, "reference": "{{item.answer.text}} {{item.answer-2}}"},
        {
            "type": "multi",
            "name": "all",
            "graders": {
                "exact": {**EXACT, "reference": "{{item.a}}"},
                "judge": {
                    "type": "score_model",
                    "name": "judge",
                    "model": "gpt-4o",
                    "range": [0, 5],
                    "sampling_params": {"seed": 1, "max_completions_tokens": 50},
                    "input": [
                        {"role": "developer", "content": {"type": "input_text", "text": "Be strict."}},
                        {"role": "user", "content": [TEXT, {"type": "input_text", "text": "{{item.a}}"}]},
                    ],
                },
                "code": {
                    "type": "python",
                    "name": "code",
                    "source": "import re\ndef grade(sample, item, *rest):\n    return len('{{x}}')",
                },
            },
            "calculate_output": "-max(exact, 0.5) ^ 2 / (1 + sqrt(judge)) + log(exp(code))",
            "invalid_grade": -1,
            "pass_threshold": 0.5,
        },
    ],
)
def test_what_is_right_has_no_findings(tmp_path: Path, grader: dict[str, Any]) -> None:
    found = spec(tmp_path, grader)
    assert not found.warnings
    assert next(r for r in found.resources if r.address.kind == "job").inputs["grader"] == grader


def test_code_has_at_most_256_kb(tmp_path: Path) -> None:
    code = "def grade(sample, item): return 1\n"
    grader = {"type": "python", "name": "code", "source": code.ljust(256 * 1024, "#")}
    assert not spec(tmp_path, grader).warnings
    with pytest.raises(SpecError) as caught:
        spec(tmp_path, {**grader, "source": code.ljust(256 * 1024 + 1, "#")})
    [found] = caught.value.diagnostics
    assert (found.summary, found.detail) == (
        "the code is too long",
        "It has 262,145 bytes; the limit is 262,144.",
    )


@pytest.mark.parametrize(
    ("grader", "summary"),
    [
        ({**CODE, "source": "def grade(sample, item):\n    return"}, "`grade` returns nothing"),
        (
            {"type": "multi", "name": "none", "graders": {}, "calculate_output": "1"},
            "`graders` is empty",
        ),
    ],
)
def test_what_gives_no_score_is_an_error(tmp_path: Path, grader: dict[str, Any], summary: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec(tmp_path, grader)
    assert [found.summary for found in caught.value.diagnostics] == [summary]


def test_a_field_that_is_null_or_that_only_code_reads_is_a_warning(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"answer": str(i)} for i in range(11)]
    for name in ("train", "valid"):
        write(tmp_path, name, [{"answer": None}, *rows])
    code = "def grade(sample, item):\n    return item['gold'] == item.get('x') == item['answer']"
    for grader, found in (
        ({**EXACT, "reference": "{{item.answer}}"}, "the field `answer` is null in 1 of 12 examples of {}"),
        ({**CODE, "source": code}, "no example of {} has the field `gold`"),
    ):
        _, warnings = with_data(spec(tmp_path, grader), str)
        told = [w.summary for w in warnings if "field" in w.summary]
        assert told == [found.format(f"dataset.{name}") for name in ("train", "valid")]


def test_a_header_may_be_a_secret(tmp_path: Path) -> None:
    grader = {
        "type": "endpoint",
        "url": "https://grader.example.com",
        "headers": {"x-key": "${env.GRADER_KEY}"},
    }
    found = spec(tmp_path, grader)
    job = next(r for r in found.resources if r.address.kind == "job")
    assert job.inputs["grader"]["headers"] == {"x-key": Secret("env", "GRADER_KEY")}  # type: ignore[index,call-overload]
    assert found.secrets == {Secret("env", "GRADER_KEY"): "s3cret-key"}


def test_a_misspelt_field_is_in_no_example(tmp_path: Path) -> None:
    write(tmp_path, "train", [{"answer": str(i)} for i in range(12)])
    write(tmp_path, "valid", [{"label": str(i)} for i in range(12)])
    [found] = errors(tmp_path, {**EXACT, "reference": "{{item.answr}}"})
    assert found.summary == "no example of dataset.train has the field `answr`"
    assert "line 1 of" in found.detail
    assert "item.answer" in found.hint
    assert found.place is not None


def test_a_field_that_other_data_has_is_missing_in_the_data(tmp_path: Path) -> None:
    write(tmp_path, "train", [{"answer": str(i)} for i in range(12)])
    write(tmp_path, "valid", [{"label": str(i)} for i in range(12)])
    [found] = errors(tmp_path, {**EXACT, "reference": "{{item.answer}}"})
    assert found.summary == "no example of dataset.valid has the field `answer`"


def test_one_example_may_lack_a_field_at_any_depth(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"answer": {"text": str(i)}, "list": [1]} for i in range(12)]
    write(tmp_path, "valid", rows)
    write(tmp_path, "train", [*rows[:7], {"answer": "text", "list": []}, *rows[8:]])
    [found] = errors(tmp_path, {**EXACT, "reference": "{{item.answer.text}} {{item.list.0}}"})
    assert found.summary == "1 of 12 examples of dataset.train lacks the field `answer.text`"
    assert "line 8 of" in found.detail


def test_fields_that_all_examples_have_are_no_finding(tmp_path: Path) -> None:
    for name in ("train", "valid"):
        write(tmp_path, name, [{"answer": {"text": str(i)}} for i in range(12)])
    _, warnings = with_data(spec(tmp_path, {**EXACT, "reference": "{{item.answer.text}}"}), str)
    assert not [finding for finding in warnings if "field" in finding.summary]


@pytest.mark.parametrize("declared", [{}, {"format": "reinforcement"}])
def test_what_examples_of_another_form_must_look_like(tmp_path: Path, declared: dict[str, str]) -> None:
    """The last finding of a kind counts the others, and comes right after those that are listed."""
    write(tmp_path, "valid", [{"answer": str(i)} for i in range(12)])
    rows = (json.dumps({"question": f"{i}?", "solution": str(i)}) for i in range(12))
    (tmp_path / "train.jsonl").write_text("\n".join(rows))
    *listed, rest = errors(tmp_path, {**EXACT, "reference": "{{item.answer}}"}, **declared)
    assert [d.place.line for d in listed if d.place] == [1, 2, 3, 4, 5]
    assert {d.hint.partition(":")[0] for d in listed} == {'An example is {"messages"'}
    assert all('"answer": "…"' in d.hint for d in listed)
    assert rest.summary == "7 more of chat/no-messages in this file"
    assert rest.place is not None and rest.place.file.endswith("train.jsonl")
