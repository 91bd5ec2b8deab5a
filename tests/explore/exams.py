"""Evaluations of the small universe: prompts, the answers of its models, and what passes a gate."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ftops.core.address import Json
from ftops.evaluation.inputs import digest, load
from ftops.evaluation.temporary import PREFIX

PROMPTS = ("Is it so?", "Is it really so?")
REQUIRE: dict[str, Json] = {"accuracy": {"at_least": 1.0}}
"""What gates require."""
_BAD_EPOCHS = 2


def is_good(model: Any) -> bool:
    """Whether a model, by its essence, answers rightly."""
    return model[0] == "base" or dict(model[4]).get("n_epochs") != _BAD_EPOCHS


def answer(model: Any) -> str:
    return "yes" if is_good(model) else "no"


def is_temporary(name: str) -> bool:
    """Whether a deployment of this name was created for an evaluation."""
    return name.startswith(PREFIX)


def inputs(number: int, *, anew: bool) -> dict[str, Any]:
    """Of an evaluation with these prompts, as the loader makes them. `anew`: kept answers are too old."""
    return {**_asked(number), "content": _content(number), **({"max_age": "0s"} if anew else {})}


def write(folder: Path) -> None:
    """Writes the files of all prompts."""
    for number, prompt in enumerate(PROMPTS):
        row = {"prompt": prompt, "expect": {"text": "yes"}}
        (folder / f"prompts-{number}.json").write_text(json.dumps([row]))


def _asked(number: int) -> dict[str, Any]:
    asked = {"baseline": "none", "prompts": f"prompts-{number}.json", "samples": 1, "concurrency": 1}
    return {**asked, "alpha": 0.05, "margin": 0.05}


@cache
def _content(number: int) -> str:
    with TemporaryDirectory() as folder:
        write(Path(folder))
        return digest(load(_asked(number), Path(folder), Path(folder)))
