"""Evaluations of several models: all checkpoints of a job, and the one that is chosen."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import FTOPS, run
from tests.support.evaluations import changed, rewritten, trained, written

EVERY = "${job.copilot.checkpoint.*}"


def ftops(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = run([*FTOPS, *words], folder)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def outputs(folder: Path, address: str) -> Any:
    shown = ftops(folder, "state", "show", address, "-o", "json").stdout
    return json.loads(shown)["resource"]["outputs"]


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
        ({"candidates": None, "model": EVERY}, "stands for several models"),
        ({"candidates": [f"{EVERY}-x"]}, "can't be a part of a text"),
        ({"candidates": ["${job.copilot.id}"]}, "`candidates` must be a model"),
        ({"candidates": ["${job.copilot.fine_tuned_model.*}"]}, "has no attribute `fine_tuned_model.*`"),
    ],
)
def test_what_cannot_be_candidates(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    rewritten(tmp_path, changed(picking(tmp_path), **change))
    assert said in ftops(tmp_path, "validate", code=1).stderr
