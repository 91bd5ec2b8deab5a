"""A spec with an evaluation: two base models in the emulator, or one and a model to be trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.command import ROOT, ftops

QUICKSTART = ROOT / "specs" / "quickstart"
SPEC: Mapping[str, Any] = {
    "ftops": {"name": "exams"},
    "providers": {"local": {"type": "emulator"}},
    "evaluations": {
        "exam": {
            "model": "gpt-4o-mini-2024-07-18",
            "baseline": "gpt-4.1-nano-2025-04-14",
            "prompts": "prompts.json",
            "tools": "functions.json",
            "system": "system.txt",
            "settings": {"max_tokens": 50},
        }
    },
}
"""JSON is YAML, too."""


def written(folder: Path, spec: Mapping[str, Any] = SPEC) -> Path:
    """The spec with the files of the quickstart's evaluation."""
    for name in ("prompts.json", "functions.json", "system.txt"):
        shutil.copy(QUICKSTART / name, folder)
    return rewritten(folder, spec)


def rewritten(folder: Path, spec: Mapping[str, Any]) -> Path:
    (folder / "ftops.yaml").write_text(json.dumps(spec, indent=1), encoding="utf-8")
    return folder


def changed(spec: Mapping[str, Any] = SPEC, **inputs: Any) -> dict[str, Any]:
    """With other inputs of its evaluation; None removes one."""
    exam = {**spec["evaluations"]["exam"], **inputs}
    return {**spec, "evaluations": {"exam": {k: v for k, v in exam.items() if v is not None}}}


def outputs(folder: Path, address: str) -> Any:
    """The recorded attributes of a resource."""
    shown = ftops(folder, "state", "show", address, "-o", "json").stdout
    return json.loads(shown)["resource"]["outputs"]


def trained(folder: Path, spec: Mapping[str, Any] = SPEC) -> dict[str, Any]:
    """The spec with a job, whose model is evaluated."""
    rows = [
        {"messages": [{"role": "user", "content": f"Say {n}"}, {"role": "assistant", "content": str(n)}]}
        for n in range(12)
    ]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    job = {"model": "gpt-4.1-nano-2025-04-14", "training": "train", "hyperparameters": {"n_epochs": 1}}
    made = {**spec, "datasets": {"train": {"path": "train.jsonl"}}, "jobs": {"copilot": job}}
    return changed(made, model="${job.copilot.fine_tuned_model}", baseline="base_model")
