"""What a plan says of evaluations: answers, costs, what can be shown, temporary deployments."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cli import golden
from tests.support.command import in_process
from tests.support.evaluations import SPEC, changed, rewritten, trained, written


def ftops(folder: Path, *words: str, code: int = 0) -> str:
    done = in_process(folder, *words)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def planned(folder: Path) -> Any:
    (found,) = json.loads(in_process(folder, "plan", "-o", "json").stdout)["estimate"]["asking"]
    return found


def test_what_will_be_asked_and_what_is_cached(tmp_path: Path) -> None:
    written(tmp_path)
    text = ftops(tmp_path, "plan")
    assert "answers: 40 (2 models × 20 prompts × 1 sample), 0 cached" in text
    assert "with 20 prompts, differences under about 37 points can't be shown" in text
    served = "temporary deployment of gpt-4o-mini-2024-07-18, unless another one serves it: Standard"
    assert f"{served}, no hosting fee" in text
    assert "The emulator is free; the service would charge: evaluation about $" in text
    first = planned(tmp_path)
    assert first["input_tokens"] > 40 * 700
    assert (first["output_tokens"], first["output_is_limit"]) == (40 * 50, True)
    per_token = (first["dollars"] - first["input_dollars"]) / (20 * 50) * 1e6
    assert per_token == pytest.approx(0.66 + 0.44, abs=0.01)  # the catalogue's prices of both models
    assert first["detectable_difference"] == pytest.approx(0.37, abs=0.005)

    ftops(tmp_path, "apply", "-y")
    rewritten(tmp_path, changed(samples=3))
    more = planned(tmp_path)
    assert (more["answers"], more["answers_cached"]) == (120, 40)
    assert more["output_tokens"] == 80 * 50
    ftops(tmp_path, "plan", "--out", "plan.json")
    shown = ftops(tmp_path, "show", "plan.json", "-o", "markdown")
    assert "answers: 120 (2 models × 20 prompts × 3 samples), 40 cached" in shown
    rewritten(tmp_path, changed(margin=0.1))  # graded again, not asked
    text = ftops(tmp_path, "plan")
    assert "answers: 40 (2 models × 20 prompts × 1 sample), 40 cached" in text
    assert "cost:" not in text


def test_an_edited_answer_is_asked_again(tmp_path: Path) -> None:
    written(tmp_path)
    ftops(tmp_path, "apply", "-y")
    file = max((tmp_path / ".ftops" / "answers").glob("*.jsonl"))
    head, edited, *others = file.read_text().splitlines(keepends=True)
    edited = edited.replace('"finish_reason":"', '"finish_reason":"x')
    file.write_text("".join([head, edited, *others]))
    rewritten(tmp_path, changed(margin=0.1))
    text = ftops(tmp_path, "plan")
    assert "answers: 40 (2 models × 20 prompts × 1 sample), 39 cached" in text
    assert "evaluation.exam: cached answers of its models can't be used (1)" in text
    ftops(tmp_path, "apply", "-y")
    rewritten(tmp_path, changed(margin=0.2))
    assert "1 sample), 40 cached" in ftops(tmp_path, "plan")


def test_a_model_to_be_trained_gets_a_free_deployment_where_there_is_one(tmp_path: Path) -> None:
    spec = trained(written(tmp_path))
    rewritten(tmp_path, spec)
    text = ftops(tmp_path, "plan")
    ours = "temporary deployment of the model of job.copilot: "
    assert f"{ours}DeveloperTier, no hosting fee" in text
    assert "temporary deployment of gpt-4.1-nano-2025-04-14, unless another one serves it: Standard" in text
    rewritten(tmp_path, changed(spec, sku={"name": "GlobalStandard", "capacity": 2}))
    assert f"{ours}GlobalStandard, $1.70 an hour" in ftops(tmp_path, "plan")
    rewritten(tmp_path, changed(spec, settings=None))  # answers without a limit
    found = planned(tmp_path)
    assert (found["output_tokens"], found["dollars"]) == (None, None)
    assert found["input_dollars"] > 0
    assert [one["sku"] for one in found["temporary_deployments"]] == ["DeveloperTier", "Standard"]
    done = ftops(tmp_path, "apply", "-y")
    assert "evaluation.exam: the candidate: the deployment is Creating" in done
    assert re.search(r"evaluation\.exam: created in .*\n  [a-z, ]+: [0-9.]+ % correct", done)


def test_the_whole_plan(tmp_path: Path) -> None:
    rewritten(tmp_path, trained(written(tmp_path)))
    golden("plan-evaluation", in_process(tmp_path, "plan", "--offline").stdout)


def test_an_unknown_price_stays_unknown(tmp_path: Path) -> None:
    written(tmp_path)
    unknown = "models: {gpt-4.1-nano-2025-04-14: {prices: {inference_per_million: {Standard: }}}}\n"
    (tmp_path / "ftops.catalog.yaml").write_text(unknown)
    assert "cost: unknown: the catalogue doesn't have all prices (about " in ftops(tmp_path, "plan")
    assert planned(tmp_path)["dollars"] is None


def test_a_budget_that_cannot_be_kept_is_seen_in_the_plan(tmp_path: Path) -> None:
    spec = trained(written(tmp_path))
    rewritten(tmp_path, changed(spec, budget=0.0001))
    assert "its budget of $0.0001 may not suffice" in ftops(tmp_path, "plan")
    rewritten(tmp_path, changed(spec, budget=1))
    assert "its budget" not in ftops(tmp_path, "plan")
    unknown = "models: {gpt-4.1-nano-2025-04-14: {prices: {inference_per_million: {DeveloperTier: }}}}\n"
    (tmp_path / "ftops.catalog.yaml").write_text(unknown)
    said = ftops(tmp_path, "plan", code=3)
    assert "its budget can't be kept: the price of gpt-4.1-nano-2025-04-14 isn't known" in said
    assert "no price of it with the SKU DeveloperTier" in said
    rewritten(tmp_path, changed(spec, budget=1, sku={"name": "GlobalStandard"}))
    assert "can't be kept" not in ftops(tmp_path, "plan")


@pytest.mark.parametrize("verb", ["validate", "plan"])
def test_a_gate_that_no_answers_can_pass_is_an_error(tmp_path: Path, verb: str) -> None:
    gated: dict[str, Any] = {"model": "gpt-4o-mini-2024-07-18", "gate": {"evaluation": "exam"}}
    written(tmp_path)
    spec = {**SPEC, "deployments": {"chat": gated}}
    rewritten(tmp_path, spec)
    ftops(tmp_path, verb)
    rows = [{"prompt": f"Land, please {n}", "expect": "land_drone", "cluster": n % 5} for n in range(9)]
    (tmp_path / "prompts.json").write_text(json.dumps(rows))
    said = ftops(tmp_path, verb, code=1)
    assert "deployment.chat: its gate can't pass" in said
    assert "from 6 prompts on" in said and "evaluation.exam has 5." in said
    rewritten(tmp_path, changed(spec, alpha=0.1))  # five are enough
    ftops(tmp_path, verb)
    rewritten(tmp_path, changed(spec, baseline="none"))
    assert "evaluation.exam has no baseline." in ftops(tmp_path, verb, code=1)
    gated["gate"] = {"evaluation": "exam", "require": {"accuracy": {"at_least": 0.5}}}
    rewritten(tmp_path, spec)
    ftops(tmp_path, verb)


@pytest.mark.parametrize(
    ("metric", "hint"),
    [
        ("slices.challengin.accuracy", "Did you mean `challenging`?"),
        ("functions.land_dron", "Did you mean `land_drone`?"),
        ("graders.politeness", "Known here: "),
        ("kappa.call", "Give a judge `agreement`"),
    ],
)
def test_a_gate_names_only_what_its_evaluation_measures(tmp_path: Path, metric: str, hint: str) -> None:
    written(tmp_path)
    gate: dict[str, Any] = {"evaluation": "exam", "require": {metric: {"at_least": 0.5}}}
    spec = {**SPEC, "deployments": {"chat": {"model": "gpt-4o-mini-2024-07-18", "gate": gate}}}
    rewritten(tmp_path, spec)
    said = ftops(tmp_path, "validate", code=1)
    assert f"deployment.chat: its gate can't pass: evaluation.exam has no `{metric}`" in said
    assert hint in said
    gate["require"] = {"slices.challenging": {"at_least": 0.5}, "functions.land_drone": {"at_least": 0}}
    rewritten(tmp_path, spec)
    ftops(tmp_path, "validate")


def test_a_file_that_is_missing_is_named_as_in_the_spec(tmp_path: Path) -> None:
    written(tmp_path)
    rewritten(tmp_path, changed(prompts="none.json"))
    assert "error: can't read none.json: No such file" in ftops(tmp_path, "validate", code=1)


def test_a_saved_plan_says_whose_prompts_have_changed(tmp_path: Path) -> None:
    written(tmp_path)
    ftops(tmp_path, "plan", "--out", "plan.ft")
    (tmp_path / "prompts.json").write_text('{"easy": {"Land!": "land_drone"}}', encoding="utf-8")
    assert "changed files: those of evaluation.exam" in ftops(tmp_path, "apply", "plan.ft", "-y", code=3)


def test_tools_with_half_of_a_surrogate_pair(tmp_path: Path) -> None:
    written(tmp_path)
    path = tmp_path / "functions.json"
    text = path.read_text(encoding="utf-8").replace('"description": "', r'"description": "\ud83d', 1)
    path.write_text(text, encoding="utf-8")
    said = ftops(tmp_path, "plan", "--offline", code=1)
    assert "functions.json isn't JSON" in said and "half of a surrogate pair" in said
