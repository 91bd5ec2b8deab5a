"""Runs of graders, by the official SDK."""

from __future__ import annotations

from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types.fine_tuning.alpha.grader_run_response import GraderRunResponse

from tests.emulator.server import Emulator

CHECK: dict[str, Any] = {
    "type": "string_check",
    "name": "check",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
}
SIMILAR: dict[str, Any] = {
    "type": "text_similarity",
    "name": "similar",
    "evaluation_metric": "fuzzy_match",
    "input": "{{ sample.output_text }}",
    "reference": "{{item.answer}}",
}


def multi(formula: str, **graders: Any) -> dict[str, Any]:
    return {"type": "multi", "name": "both", "graders": graders, "calculate_output": formula}


def run(emulator: Emulator, grader: dict[str, Any], sample: str, **item: Any) -> GraderRunResponse:
    with OpenAI(
        base_url=f"{emulator.url}/openai/v1/",
        api_key=emulator.key,
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        body = {"grader": grader, "model_sample": sample, "item": item}
        return client.fine_tuning.alpha.graders.run(
            grader=body["grader"],  # type: ignore[arg-type]
            model_sample=sample,
            extra_body=body,
        )


def flags(found: GraderRunResponse) -> list[str]:
    named = found.metadata.errors
    return [name.removeprefix("api_") for name, value in named if value is True]


@pytest.mark.parametrize(
    ("grader", "sample", "answer", "reward"),
    [
        (CHECK, "yes", "yes", 1),
        (CHECK, "Yes", "yes", 0),
        ({**CHECK, "operation": "ne"}, "Yes", "yes", 1),
        ({**CHECK, "operation": "like"}, "oh yes", "yes", 1),
        ({**CHECK, "operation": "like"}, "oh YES", "yes", 0),
        ({**CHECK, "operation": "ilike"}, "oh YES", "yes", 1),
        ({**CHECK, "input": "{{sample.output_json.a.b}}"}, '{"a": {"b": "yes"}}', "yes", 1),
        ({**CHECK, "input": "{{sample.output_json}}"}, "[1, 2]", "[1, 2]", 1),
        (SIMILAR, "the cat sat", "the cat sit", 20 / 22),
        (SIMILAR, "", "", 1),
        ({**SIMILAR, "evaluation_metric": "rouge_1"}, "the cat sat", "sat The dog", 4 / 6),
        ({**SIMILAR, "evaluation_metric": "rouge_2"}, "the cat sat", "the cat ran", 0.5),
        ({**SIMILAR, "evaluation_metric": "rouge_l"}, "the cat sat", "the dog sat", 4 / 6),
        (multi("0.5 * a + max(b, 0) / 2", a=CHECK, b=SIMILAR), "yes", "yes", 1),
        (multi("-(a - 3) ^ 2 + 10", a=CHECK), "yes", "yes", 6),
    ],
)
def test_rewards(shared: Emulator, grader: dict[str, Any], sample: str, answer: str, reward: float) -> None:
    found = run(shared, grader, sample, answer=answer)
    assert found.reward == pytest.approx(reward)
    assert not flags(found)
    assert set(found.sub_rewards) == set(grader.get("graders", ()))
    assert found.metadata.name == grader["name"]


@pytest.mark.parametrize(
    ("grader", "flag"),
    [
        ({**CHECK, "reference": "{{item.other}}"}, "invalid_variable_error"),
        ({**CHECK, "input": "{{sample.output_json.a}}"}, "sample_parse_error"),
        ({**SIMILAR, "evaluation_metric": "meteor"}, "other_error"),
        (multi("a +", a=CHECK), "formula_parse_error"),
        (multi("c", a=CHECK), "formula_parse_error"),
        (multi("1 / (a - 1)", a=CHECK), "formula_parse_error"),
        (multi("__import__('os')", a=CHECK), "formula_parse_error"),
        (multi("9.0 ^ 9 ^ 9 ^ 9", a=CHECK), "formula_parse_error"),
        (multi("(" * 4000 + "a" + ")" * 4000, a=CHECK), "formula_parse_error"),
    ],
)
def test_a_run_that_cannot_be_is_an_error_flag(shared: Emulator, grader: dict[str, Any], flag: str) -> None:
    found = run(shared, grader, "yes", answer="yes")
    assert flags(found) == [flag]
    assert found.reward == 0


@pytest.mark.parametrize(
    "grader",
    [
        {"type": "label_model"},
        {},
        {**CHECK, "operation": "equals"},
        {**CHECK, "input": 5},
        {"type": "multi", "graders": {"a": CHECK}},
        multi("a", a=multi("b", b=CHECK)),
        multi("a", a=5),
    ],
)
def test_what_is_no_grader_is_refused(shared: Emulator, grader: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        run(shared, grader, "yes")
