"""`ftops eval` with graders that are asked: a judge and the service, over HTTP to the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import in_process, quickstart
from tests.support.emulator_admin import Admin

PROMPTS = {
    "Land right here": "land_drone",
    "Come back home": "return_to_home",
    "Okay, dance for us": "reject_request",
    "Make me a coffee": "reject_request",
    "Take off to 20 metres": "takeoff_drone",
    "Order a pizza": "reject_request",
}
OFFER = ("--tools", "functions.json", "--system", "system.txt", "--setting", "tool_choice=required")
WORDS = ("--deployment", "copilot", "--prompts", "six.json", *OFFER, "--graders", "graders.json")
JUDGE = {
    "type": "judge",
    "model": "judge",
    "prompt": "Expected: {{item.expect}}\nThe model called: {{sample.output_tools}}\nWhat did it do?",
    "labels": ["declined", "acted"],
    "passing": ["acted"],
}
SPEC = """
ftops: {name: graders}
hyperparameters:
  steady: {n_epochs: 3, batch_size: 8, learning_rate_multiplier: 1}
datasets:
  train: {path: data/train.generated/dataset.jsonl, format: chat}
  judged: {path: data/judged.jsonl, format: chat}
jobs:
  copilot: {model: gpt-4o-mini-2024-07-18, training: train, hyperparameters: steady, seed: 105}
  judge: {model: gpt-4o-mini-2024-07-18, training: judged, hyperparameters: steady, seed: 3, suffix: judge}
deployments:
  copilot: {model: "${job.copilot.fine_tuned_model}", sku: {name: Standard, capacity: 1}}
  judge: {model: "${job.judge.fine_tuned_model}", sku: {name: Standard, capacity: 1}}
"""


def judgements() -> Iterator[str]:
    """What a judge learns: the name of the function decides, whatever else is said."""
    functions = ["land_drone", "return_to_home", "takeoff_drone", "set_drone_speed", "control_camera"]
    for number in range(60):
        name = "reject_request" if number % 2 else functions[number // 2 % len(functions)]
        calls = json.dumps([{"name": name, "arguments": "{}"}])
        asked = f"<data-{number:012x}>\n{calls}\n</data-{number:012x}>\nWhat did it do? Case {number}."
        label = {"reason": "its name", "label": "declined" if number % 2 else "acted"}
        messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": json.dumps(label)}]
        yield json.dumps({"messages": messages})


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = quickstart(tmp_path_factory.mktemp("graders"))
    (folder / "ftops.yaml").write_text(SPEC, encoding="utf-8")
    (folder / "data" / "judged.jsonl").write_text("\n".join(judgements()), encoding="utf-8")
    (folder / "six.json").write_text(json.dumps({"six": PROMPTS}), encoding="utf-8")
    done = in_process(folder, "apply", "-y")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


EVALUATION = """
evaluations:
  judged:
    model: ${job.copilot.fine_tuned_model}
    baseline: none
    prompts: six.json
    tools: functions.json
    system: system.txt
    settings: {tool_choice: required}
    graders:
      acted:
        type: judge
        model: ${deployment.judge.name}
        prompt: "{{sample.output_tools}}{{sample.output_text}}\nWhat did it do?"
        labels: [declined, acted]
        passing: [acted]
        agreement: people.jsonl
outputs:
  agrees: ${evaluation.judged.metrics.kappa}
"""
MODEL = {"type": "score_model", "name": "m", "model": "o3-mini", "input": [{"role": "user", "content": "?"}]}


def evaluate(folder: Path, graders: Any, *more: str, code: int = 0) -> Any:
    (folder / "graders.json").write_text(json.dumps(graders), encoding="utf-8")
    done = in_process(folder, "eval", *WORDS, *more, "-y", "-o", "json")
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def share(document: Any, grader: str) -> tuple[float, int, int]:
    found = next(c for c in document["comparisons"] if c["grader"] == grader)["rows"][0]["candidate"]
    return found["right"], found["graded"], found["ungraded"]


def test_a_deployment_judges_and_is_asked_once(folder: Path, admin: Admin) -> None:
    found = evaluate(folder, {"acted": JUDGE, "name": {"type": "function_call", "match": "name"}})
    assert share(found, "acted") == (3, 6, 0)
    assert admin.count("/chat/completions") == 12
    again = evaluate(folder, {"acted": JUDGE})
    for model in (*found["models"], *again["models"]):
        del model["metrics"]["latency"]  # only new answers have one
    assert again | {"comparisons": []} == found | {"comparisons": []}
    assert admin.count("/chat/completions") == 12


def labels() -> str:
    """Of people, who say of one answer in ten what the judge doesn't."""
    names = ["land_drone", "reject_request"] * 5
    labels = ["declined", "declined", *["acted", "declined"] * 4]
    rows = [
        {"prompt": f"{i}", "answer": json.dumps([{"name": name, "arguments": "{}"}]), "label": label}
        for i, (name, label) in enumerate(zip(names, labels, strict=True))
    ]
    return "\n".join(map(json.dumps, rows))


def test_a_judge_is_compared_with_people(folder: Path, admin: Admin) -> None:
    (folder / "people.jsonl").write_text(labels(), encoding="utf-8")
    judge = {**JUDGE, "prompt": "{{sample.output_text}}\nWhat did it do?", "agreement": "people.jsonl"}
    found = evaluate(folder, {"acted": judge})
    kappa = pytest.approx(0.8)
    assert found["agreements"] == {"acted": {"answers": 10, "agreed": 9, "ungraded": 0, "kappa": kappa}}
    requests = admin.count("/chat/completions")
    report = in_process(folder, "eval", *WORDS, "--out", "report.html")
    said = "The judge agrees with people on 9 of 10 answers (Cohen's kappa 0.80)."
    assert said in report.stdout
    assert escape(said) in (folder / "report.html").read_text(encoding="utf-8")
    assert admin.count("/chat/completions") == requests


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "people.jsonl:2:1"),
        ('{"prompt": "a", "answer": "b", "label": "flew"}', "isn't one that the judge acted can give"),
        ('{"prompt": "a", "label": "acted"}', "needs the texts `prompt` and `answer`"),
        (
            '{"prompt": "a", "answer": "b", "label": "acted"}',
            "uses {{item.calls}}, which a prompt doesn't have",
        ),
    ],
)
def test_labels_are_checked_before_anything_is_asked(
    folder: Path, admin: Admin, row: str, message: str
) -> None:
    good = '{"prompt": "a", "answer": "b", "calls": "c", "label": "acted"}'
    (folder / "people.jsonl").write_text(f"{good}\n{row}\n", encoding="utf-8")
    judge = {**JUDGE, "prompt": "{{item.calls}} {{sample.output_text}}", "agreement": "people.jsonl"}
    (folder / "graders.json").write_text(json.dumps({"acted": judge}), encoding="utf-8")
    done = in_process(folder, "eval", *WORDS, "-y", "--max-cost", "1")
    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())
    assert admin.count("/chat/completions") == 0


def test_a_judge_needs_approval_also_for_answers_that_are_there(folder: Path, admin: Admin) -> None:
    evaluate(folder, {"name": {"type": "function_call", "match": "name"}})
    (folder / "graders.json").write_text(json.dumps({"acted": JUDGE}), encoding="utf-8")
    done = in_process(folder, "eval", *WORDS)
    assert done.returncode == 1
    assert "0 requests to send, 6 answers cached\nGrading takes up to 6 more requests." in done.stderr
    assert admin.count("/chat/completions") == 6
    evaluate(folder, {"acted": JUDGE})
    assert in_process(folder, "eval", *WORDS).returncode == 0  # all is there


def test_a_judge_may_be_the_baseline(folder: Path, admin: Admin) -> None:
    """Its answers as a model and as a judge are in one file."""
    found = evaluate(folder, {"acted": JUDGE}, "--against", "judge")
    assert found["is_complete"]
    asked = admin.count("/chat/completions")
    assert 6 + 6 < asked <= 6 + 6 + 6 + 6  # what both answered is judged once
    assert evaluate(folder, {"acted": JUDGE}, "--against", "judge")["comparisons"] == found["comparisons"]
    assert admin.count("/chat/completions") == asked


def test_a_judge_that_does_not_answer_is_no_zero(folder: Path, admin: Admin) -> None:
    """Nor one that answers something else."""
    other = {**JUDGE, "labels": ["refused", "did"], "passing": ["did"]}
    found = evaluate(folder, {"acted": other}, code=1)
    assert share(found, "acted") == (0, 0, 6)
    assert not found["is_complete"]
    assert {wrong["class"] for wrong in found["models"][0]["wrong"]} == {"ungraded"}


def test_the_service_grades(folder: Path, admin: Admin) -> None:
    body = {"type": "string_check", "name": "s", "operation": "eq"}
    body |= {"input": "{{sample.output_text}}", "reference": "{{item.expect}}"}
    texts = {"text": {"type": "service", "grader": body, "at_least": 1}}
    words = ("--setting", "tool_choice=none")
    found = evaluate(folder, texts, *words)
    assert share(found, "text")[1:] == (6, 0)
    asked = admin.count("/graders/run")
    assert asked > 0
    evaluate(folder, texts, *words, "--max-cost", "1")
    assert admin.count("/graders/run") == asked


def test_an_error_flag_of_the_service_is_no_zero(folder: Path) -> None:
    part = {"type": "string_check", "name": "same", "operation": "eq"}
    part |= {"input": "{{sample.output_text}}", "reference": "{{item.expect}}"}
    body = {
        "type": "multi",
        "name": "code",
        "graders": {"same": part},
        "calculate_output": "1 / (same - same)",
    }
    found = evaluate(
        folder,
        {"code": {"type": "service", "grader": body, "at_least": 1}},
        "--setting",
        "tool_choice=none",
        code=1,
    )
    assert share(found, "code") == (0, 0, 6)
    assert "formula_parse_error" in found["models"][0]["wrong"][0]["detail"]


@pytest.mark.parametrize(
    ("grader", "message"),
    [
        ({**JUDGE, "model": "copilot"}, "copilot can't judge itself"),
        ({**JUDGE, "model": "juge"}, "Did you mean `judge`"),
        ({**JUDGE, "prompt": "{{item.expcted}} {{sample.output_text}}"}, "uses {{item.expcted}}"),
        ({"type": "service", "grader": MODEL, "at_least": 1}, "the price of grader acted isn't known"),
    ],
)
def test_what_cannot_be_graded_is_said_before_anything_is_asked(
    folder: Path, admin: Admin, grader: Any, message: str
) -> None:
    (folder / "graders.json").write_text(json.dumps({"acted": grader}), encoding="utf-8")
    done = in_process(folder, "eval", *WORDS, "-y", "--max-cost", "1")
    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())
    assert admin.count("/chat/completions") == 0


def agreement_in(folder: Path) -> Any:
    return json.loads(in_process(folder, "output", "-o", "json").stdout)["outputs"]["agrees"]["value"]


def test_a_judge_in_a_spec(folder: Path, admin: Admin) -> None:
    """The last test: the evaluation stays."""
    (folder / "people.jsonl").write_text(labels(), encoding="utf-8")
    spec = folder / "evaluation.yaml"
    spec.write_text(EVALUATION.replace("sample.output_text", "item.answer"), encoding="utf-8")
    done = in_process(folder, "plan")
    assert done.returncode == 1
    assert "grader acted uses {{item.answer}}, which a prompt doesn't have" in " ".join(done.stderr.split())
    spec.write_text(EVALUATION, encoding="utf-8")
    done = in_process(folder, "apply", "-y")
    assert done.returncode == 0, done.stdout + done.stderr
    assert admin.count("/chat/completions") == 6 + 6 + 10
    assert agreement_in(folder) == {"acted": pytest.approx(0.8)}
    requests = admin.count("/chat/completions")
    assert "evaluation.judged" not in in_process(folder, "plan").stdout
    (folder / "people.jsonl").write_text(labels().replace('"declined"', '"acted"', 1), encoding="utf-8")
    assert "evaluation.judged" in in_process(folder, "plan").stdout
    assert in_process(folder, "apply", "-y").returncode == 0
    assert agreement_in(folder) == {"acted": 1.0}
    assert admin.count("/chat/completions") == requests
