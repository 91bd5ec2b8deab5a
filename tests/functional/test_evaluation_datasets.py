"""Datasets as the prompts of evaluations, and prompts that models have learned from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.support.command import ROOT, ftops
from tests.support.evaluations import changed, outputs, rewritten, trained, written


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_a_dataset_and_a_transformed_one_are_prompts(tmp_path: Path) -> None:
    spec = trained(written(tmp_path))
    write(tmp_path / "valid.jsonl", [chat(f"How much is {n}?", f"It is {n}.") for n in range(40)])
    half = {"path": "valid.jsonl", "transform": [{"split": {"part": "valid", "fraction": 0.5}}]}
    spec["datasets"] |= {"valid": {"path": "valid.jsonl"}, "half": half}
    plain = {"prompts": "valid", "tools": None, "system": None}
    rewritten(tmp_path, changed(spec, **plain))
    assert "answers: 80 (2 models × 40 prompts × 1 sample)" in ftops(tmp_path, "plan").stdout
    ftops(tmp_path, "apply", "-y")
    assert outputs(tmp_path, "evaluation.exam")["prompts"] == 40
    assert "No changes." in ftops(tmp_path, "plan").stdout
    rewritten(tmp_path, changed(spec, **{**plain, "prompts": "half"}))
    planned = json.loads(ftops(tmp_path, "plan", "-o", "json").stdout)
    assert [change["address"] for change in planned["changes"]] == ["evaluation.exam"]
    (row,) = planned["estimate"]["asking"]
    assert 10 <= row["prompts"] < 40 and row["answers_cached"] == row["answers"] == 2 * row["prompts"]
    ftops(tmp_path, "apply", "-y")
    assert outputs(tmp_path, "evaluation.exam")["prompts"] == row["prompts"]
    assert json.loads(ftops(tmp_path, "eval", "evaluation.exam", "-o", "json").stdout)["is_complete"]


def said(folder: Path, code: int = 0) -> str:
    return " ".join(ftops(folder, "validate", code=code).stderr.split())


def test_prompts_from_the_training_data_are_a_risk(tmp_path: Path) -> None:
    spec = trained(written(tmp_path))
    rows = (tmp_path / "train.jsonl").read_text().splitlines(keepends=True)
    rows[2] = json.dumps(chat("can you TAKE a photo", "1")) + "\n"
    rows[5] = json.dumps(chat("Follow me?", "2")) + "\n"
    (tmp_path / "train.jsonl").write_text("".join(rows))
    prompts = [{"prompt": f"Go {n}", "expect": "land_drone"} for n in range(8)]
    prompts += [{"prompt": "Follow me!", "expect": "land_drone", "id": "follow"}]
    prompts += [{"prompt": "Can you take a photo?", "expect": "control_camera", "id": "photo"}]
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    rewritten(tmp_path, spec)
    text = said(tmp_path)
    assert "2 of 10 prompts (20.0%) of evaluation.exam are in dataset.train" in text
    assert (
        'The prompt "follow" (line 1 of prompts.json) asks the same as line 6 of train.jsonl; the prompt '
        '"photo" (line 1 of prompts.json) asks the same as line 3 of train.jsonl. The model learns their '
        "answers."
    ) in text
    (tmp_path / "prompts.json").write_text(json.dumps(prompts[::-1]))
    assert 'The prompt "photo" (line 1 of prompts.json) asks the same as line 3 of train.jsonl;' in said(
        tmp_path
    )
    near = {"prompt": "Could you please take a photo of the old red barn by the river now?", "id": "barn"}
    (tmp_path / "prompts.jsonl").write_text("\n" + json.dumps({**near, "expect": "control_camera"}))
    rows[7] = json.dumps(chat("could you please take a photo of the old red barn by the river", "1")) + "\n"
    (tmp_path / "train.jsonl").write_text("".join(rows))
    rewritten(tmp_path, changed(spec, prompts="prompts.jsonl"))
    text = said(tmp_path)
    assert "1 of 1 prompt (100.0%) of evaluation.exam is nearly in dataset.train" in text
    assert 'The prompt "barn" (line 2 of prompts.jsonl) is nearly line 8 of train.jsonl. The model' in text
    rewritten(tmp_path, spec)
    (tmp_path / "prompts.json").write_text(json.dumps(prompts[:8]))
    assert "asks the same" not in said(tmp_path)
    rewritten(tmp_path, changed(spec, model="gpt-4o-mini-2024-07-18", baseline="none"))
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    assert "asks the same" not in said(tmp_path)  # that model has learned nothing here


def test_a_generated_dataset_is_prompts_once_it_is_generated(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    lamp = tmp_path / "specs" / "lamp"
    ignored = shutil.ignore_patterns(".ftops", "state")
    shutil.copytree(ROOT / "specs" / "lamp", lamp, ignore=ignored)
    file = lamp / "ftops.yaml"
    spec = file.read_text().replace("model: ${job.lamp.fine_tuned_model}", "model: gpt-4.1-nano-2025-04-14")
    file.write_text(spec.replace("prompts: prompts.json", "prompts: train\n    baseline: none"))
    not_yet = ftops(lamp, "plan", code=1).stderr
    assert "dataset train is not generated yet as it is now" in not_yet  # its prompts were kept out before
    shutil.rmtree(lamp / "data")
    not_yet = ftops(lamp, "plan", code=1).stderr
    assert "evaluation.lamp: dataset.train has no file whose examples could be prompts" in not_yet
    ftops(lamp, "apply", "-y", "--target", "deployment.teacher")
    ftops(lamp, "data", "generate", "-y")
    assert "answers: 36 (1 model × 36 prompts × 1 sample)" in ftops(lamp, "plan").stdout


def test_a_dataset_that_is_no_file_is_an_error(tmp_path: Path) -> None:
    spec = trained(written(tmp_path))
    spec["datasets"]["far"] = {"url": "https://example.com/far.jsonl"}
    rewritten(tmp_path, changed(spec, prompts="far"))
    assert "dataset.far has no file whose examples could be prompts" in said(tmp_path, code=1)
