"""Evaluations of several models: all checkpoints of a job, and the one that is chosen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import ftops
from tests.support.evaluations import changed, outputs, rewritten, trained, written

EVERY = "${job.copilot.checkpoint.*}"


def picking(folder: Path, **inputs: Any) -> dict[str, Any]:
    spec = trained(written(folder))
    spec["jobs"]["copilot"]["hyperparameters"] = {"n_epochs": 3}
    return changed(spec, model=None, candidates=[EVERY], **inputs)


def test_every_checkpoint_of_a_job(tmp_path: Path) -> None:
    spec = picking(tmp_path)
    rewritten(tmp_path, {**spec, "outputs": {"best": "${evaluation.exam.best}"}})
    text = ftops(tmp_path, "plan").stdout
    assert "answers: 20 of each model (20 prompts × 1 sample)" in text
    assert f"temporary deployment of {EVERY}: DeveloperTier" in text
    ftops(tmp_path, "apply", "-y")
    known = outputs(tmp_path, "job.copilot")["checkpoint"]
    steps = {model for step, model in known.items() if step.isdigit()}
    assert len(steps) > 1
    found = outputs(tmp_path, "evaluation.exam")
    assert set(found["scores"]) == steps and found["best"] in steps
    assert (
        json.loads(ftops(tmp_path, "output", "-o", "json").stdout)["outputs"]["best"]["value"]
        == found["best"]
    )
    assert "No changes." in ftops(tmp_path, "plan").stdout
    shown = json.loads(ftops(tmp_path, "eval", "evaluation.exam", "-o", "json").stdout)
    assert len(shown["verdicts"]) == len(steps)
    assert all(name.startswith("job.copilot") for name in shown["verdicts"])
    rewritten(tmp_path, changed(spec, margin=0.1))
    answers = 20 * (len(steps) + 1)
    again = ftops(tmp_path, "plan").stdout
    assert f"answers: {answers} ({len(steps) + 1} models × 20 prompts × 1 sample), {answers} cached" in again


def test_another_grader_can_choose(tmp_path: Path) -> None:
    graders = {
        "call": {"type": "function_call"},
        "none": {"type": "regex", "pattern": "nothing that a model says"},
    }
    models = ["gpt-4.1-nano-2025-04-14", "gpt-4o-mini-2024-07-18"]
    one: dict[str, Any] = {"model": None, "candidates": models, "baseline": "none", "graders": graders}
    written(tmp_path)
    rewritten(tmp_path, changed(**one, decide="nome"))
    said = ftops(tmp_path, "validate", code=1).stderr
    assert "there is no grader `nome` to decide" in said and "Did you mean `none`?" in said
    rewritten(tmp_path, changed(**one))
    ftops(tmp_path, "apply", "-y")
    by_call = outputs(tmp_path, "evaluation.exam")["scores"]
    rewritten(tmp_path, changed(**one, decide="none"))
    text = ftops(tmp_path, "apply", "-y").stdout
    assert "40 cached" in text
    found = outputs(tmp_path, "evaluation.exam")
    assert found["scores"] == dict.fromkeys(models, 0.0) != by_call
    assert found["is_tie"]


def test_choosing_and_gating_by_the_same_prompts_is_a_risk(tmp_path: Path) -> None:
    gate = {"evaluation": "exam", "require": {"verdict": "not_worse"}}
    spec = picking(tmp_path)
    spec["deployments"] = {"chat": {"model": "${evaluation.exam.best}", "gate": gate}}
    rewritten(tmp_path, spec)
    warning = "deployment.chat: its gate asks the prompts by which evaluation.exam chooses"
    assert warning in ftops(tmp_path, "validate").stderr
    again = {**spec["evaluations"]["exam"], "model": "${evaluation.exam.best}"}
    del again["candidates"]
    spec["evaluations"]["again"] = again
    gate["evaluation"] = "again"
    rewritten(tmp_path, spec)
    assert warning in ftops(tmp_path, "validate").stderr
    rows = [{"prompt": f"Land in {n} minutes", "expect": "land_drone"} for n in range(9)]
    (tmp_path / "others.json").write_text(json.dumps(rows))
    again["prompts"] = "others.json"
    rewritten(tmp_path, spec)
    assert "its gate asks" not in ftops(tmp_path, "validate").stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"candidates": None, "model": EVERY}, "stands for several values"),
        ({"candidates": [f"{EVERY}-x"]}, "can't be a part of a text"),
        ({"candidates": ["${job.copilot.id}"]}, "`candidates` must be a model"),
        ({"candidates": ["${job.copilot.fine_tuned_model.*}"]}, "has no attribute `fine_tuned_model.*`"),
    ],
)
def test_what_cannot_be_candidates(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    rewritten(tmp_path, changed(picking(tmp_path), **change))
    assert said in ftops(tmp_path, "validate", code=1).stderr


SWEEP = "${job.sweep[*].fine_tuned_model}"
JOBS: Any = {"one": 1, "two": 2, "ten": 3}


def sweeping(folder: Path, jobs: Any = JOBS, **inputs: Any) -> dict[str, Any]:
    """The evaluation chooses among all jobs of a sweep."""
    spec = trained(written(folder))
    job = spec["jobs"].pop("copilot")
    every = {**job, "for_each": jobs, "hyperparameters": {"n_epochs": "${each.value}"}}
    spec["jobs"] = {"sweep": every, "alone": job}
    return changed(spec, **{"model": None, "candidates": [SWEEP], **inputs})


def plan(folder: Path) -> Any:
    return json.loads(ftops(folder, "plan", "-o", "json").stdout)


def models(folder: Path, *keys: str) -> set[str]:
    return {outputs(folder, f'job.sweep["{key}"]')["fine_tuned_model"] for key in keys}


def test_every_job_of_a_sweep(tmp_path: Path) -> None:
    rewritten(tmp_path, sweeping(tmp_path, JOBS))
    assert "answers: 80 (4 models × 20 prompts × 1 sample)" in ftops(tmp_path, "plan").stdout
    (exam,) = (c for c in plan(tmp_path)["changes"] if c["address"] == "evaluation.exam")
    assert set(exam["waits_for"]) == {f'job.sweep["{key}"]' for key in JOBS}
    ftops(tmp_path, "apply", "-y")
    found = outputs(tmp_path, "evaluation.exam")
    assert set(found["scores"]) == models(tmp_path, *JOBS)
    assert found["best"] in found["scores"]
    listed = [SWEEP.replace("*", f'"{key}"') for key in sorted(JOBS)]
    turned = dict(reversed(JOBS.items()))
    for same in (sweeping(tmp_path, turned), sweeping(tmp_path, JOBS, candidates=listed)):
        rewritten(tmp_path, same)
        assert "No changes." in ftops(tmp_path, "plan").stdout


def test_another_key_of_a_sweep_is_another_evaluation(tmp_path: Path) -> None:
    """Only its model is asked."""
    rewritten(tmp_path, sweeping(tmp_path, {"one": 1, "two": 2}))
    ftops(tmp_path, "apply", "-y")
    rewritten(tmp_path, sweeping(tmp_path, {"one": 1, "two": 2, "new": 3}))
    steps = {change["step"]: change["action"] for change in plan(tmp_path)["changes"]}
    assert steps == {'job.sweep["new"]': "create", "evaluation.exam": "replace"}
    assert "answers: 80 (4 models × 20 prompts × 1 sample), 60 cached" in ftops(tmp_path, "plan").stdout
    ftops(tmp_path, "apply", "-y")
    assert set(outputs(tmp_path, "evaluation.exam")["scores"]) == models(tmp_path, "one", "two", "new")
    rewritten(tmp_path, sweeping(tmp_path, {"two": 2}))
    ftops(tmp_path, "apply", "-y")
    assert {outputs(tmp_path, "evaluation.exam")["best"]} == models(tmp_path, "two")
    assert "No changes." in ftops(tmp_path, "plan").stdout


def test_every_checkpoint_of_a_sweep_beside_another_model(tmp_path: Path) -> None:
    every = SWEEP.replace("fine_tuned_model", "checkpoint.*")
    other = "${job.alone.fine_tuned_model}"
    rewritten(tmp_path, sweeping(tmp_path, [2, 3], candidates=[every, other, every]))
    ftops(tmp_path, "apply", "-y")
    found = set(outputs(tmp_path, "evaluation.exam")["scores"])
    steps = {
        model
        for key in ("2", "3")
        for step, model in outputs(tmp_path, f'job.sweep["{key}"]')["checkpoint"].items()
        if step.isdigit()
    }
    assert len(steps) > 2
    assert found == {*steps, outputs(tmp_path, "job.alone")["fine_tuned_model"]}


@pytest.mark.parametrize(
    ("written_as", "said", "hint"),
    [
        ("${job.alone[*].fine_tuned_model}", "job.alone has no `for_each`", "Write `job.alone`."),
        ("${job.swep[*].fine_tuned_model}", "there is no job `swep`", "Did you mean `sweep`?"),
        ("${job.sweep[*].id}", "`candidates` must be a model", "`${job.sweep[*].fine_tuned_model}`"),
        ("${job.sweep[*].modle}", "a job has no attribute `modle`", "`fine_tuned_model`"),
        ("a ${job.sweep[*].fine_tuned_model}", "can't be a part of a text", "nothing before or after"),
        ("${job.sweep[*]}", "names no attribute", "Write `${job.sweep[*].fine_tuned_model}`."),
        ("${job.sweep[**].id}", "`job.sweep[**].id` isn't a valid expression", ""),
    ],
)
def test_what_of_a_sweep_cannot_be_a_candidate(tmp_path: Path, written_as: str, said: str, hint: str) -> None:
    spec = sweeping(tmp_path, candidates=["${job.alone.fine_tuned_model}", written_as])
    rewritten(tmp_path, spec)
    shown = ftops(tmp_path, "validate", code=1).stderr
    assert said in shown and hint in shown
    line = next(n for n, text in enumerate(written_lines(tmp_path), 1) if json.dumps(written_as) in text)
    assert f"ftops.yaml:{line}:" in shown
    assert shown.count("ftops.yaml:") == 1


def written_lines(folder: Path) -> list[str]:
    return (folder / "ftops.yaml").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("jobs", "more", "said"),
    [
        ([], {}, "Its `for_each` is empty."),
        (JOBS, {"enabled": False}, "All of its resources are disabled."),
    ],
)
def test_a_sweep_of_no_jobs(tmp_path: Path, jobs: Any, more: dict[str, Any], said: str) -> None:
    spec = sweeping(tmp_path, jobs)
    spec["jobs"]["sweep"] |= more
    rewritten(tmp_path, spec)
    shown = ftops(tmp_path, "validate", code=1).stderr
    assert "job.sweep[*] stands for no resource" in shown and said in shown


def test_only_candidates_can_be_a_whole_sweep(tmp_path: Path) -> None:
    spec = sweeping(tmp_path, candidates=None, model=SWEEP)
    spec["deployments"] = {"chat": {"model": SWEEP}}
    spec["outputs"] = {"all": SWEEP, "ids": ["${job.sweep[*].id}"]}
    rewritten(tmp_path, spec)
    shown = ftops(tmp_path, "validate", code=1).stderr
    assert shown.count("stands for several values") == 4
    assert 'Write one of them, such as `${job.sweep["one"].fine_tuned_model}`.' in shown
    spec = sweeping(tmp_path, candidates=None, model="${job.alone.fine_tuned_model}")
    spec["jobs"]["alone"]["depends_on"] = ["job.sweep[*]"]
    rewritten(tmp_path, spec)
    assert "isn't a valid address" in ftops(tmp_path, "validate", code=1).stderr


def test_a_sweep_in_another_account(tmp_path: Path) -> None:
    spec = sweeping(tmp_path, candidates=["${job.alone.fine_tuned_model}", SWEEP])
    spec["providers"]["west"] = {"type": "emulator", "account": "west"}
    spec["providers"]["local"]["default"] = True
    spec["jobs"]["sweep"]["provider"] = "west"
    spec["datasets"]["west"] = {"path": "train.jsonl", "provider": "west"}
    spec["jobs"]["sweep"]["training"] = "west"
    rewritten(tmp_path, spec)
    shown = ftops(tmp_path, "validate", code=1).stderr
    line = next(n for n, text in enumerate(written_lines(tmp_path), 1) if json.dumps(SWEEP) in text)
    assert f"ftops.yaml:{line}:" in shown
    assert shown.count("is in another account than evaluation.exam") == len(JOBS)


def test_a_sweep_over_models_names_its_baseline(tmp_path: Path) -> None:
    spec = sweeping(tmp_path, {"nano": "gpt-4.1-nano-2025-04-14", "mini": "gpt-4o-mini-2024-07-18"})
    spec["jobs"]["sweep"] |= {"model": "${each.value}", "hyperparameters": {"n_epochs": 1}}
    rewritten(tmp_path, spec)
    shown = ftops(tmp_path, "validate", code=1).stderr
    named = "gpt-4o-mini-2024-07-18 and gpt-4.1-nano-2025-04-14"
    assert f"its candidates have several base models: {named}" in shown
    rewritten(tmp_path, changed(spec, baseline="gpt-4.1-nano-2025-04-14"))
    ftops(tmp_path, "validate")
