"""Evaluations of the small universe: prompts, the answers of its models, and what passes a gate."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ftops.core.address import Json
from ftops.evaluation.inputs import digest, load
from ftops.evaluation.temporary import PREFIX

COUNT = 4
PROMPTS = tuple(tuple(f"Is it {how}, {n}?" for n in range(COUNT)) for how in ("so", "really so"))
"""Those of each file."""
BOUNDS = (0.75, 0.5, 1.0)
"""Shares of right answers that a gate may require."""
_WRONG: Mapping[object, Collection[int]] = {2: (1, 2, 3), 3: (0,)}
"""By the epochs of a model, which prompts it answers wrongly."""


def require(bound: float) -> dict[str, Json]:
    """What a gate requires."""
    return {"accuracy": {"at_least": bound}}


def marks(model: Any) -> list[bool]:
    """Which prompts of a file a model, by its essence, answers rightly."""
    wrong = () if model[0] == "base" else _WRONG.get(dict(model[4]).get("n_epochs"), ())
    return [n not in wrong for n in range(COUNT)]


def share(model: Any) -> float:
    """Of right answers, if all prompts are asked."""
    return sum(marks(model)) / COUNT


def fewest(model: Any, bounds: Iterable[float]) -> int:
    """After how many answers, in the order of the prompts, the others can't change which of these bounds the
    share reaches."""
    given, wanted = marks(model), [bound * COUNT for bound in bounds]
    for asked in range(COUNT):
        right = sum(given[:asked])
        if all(right >= least or right + COUNT - asked < least for least in wanted):
            return asked
    return COUNT


def position(prompt: str) -> int:
    """In its file."""
    return next(prompts.index(prompt) for prompts in PROMPTS if prompt in prompts)


def answer(model: Any, prompt: str) -> str:
    return "yes" if marks(model)[position(prompt)] else "no"


def is_temporary(name: str) -> bool:
    """Whether a deployment of this name was created for an evaluation."""
    return name.startswith(PREFIX)


def inputs(number: int, *, anew: bool, until: Iterable[float]) -> dict[str, Any]:
    """Of an evaluation with these prompts, as the loader makes them. `anew`: kept answers are too old;
    `until`: it stops once these bounds are decided."""
    required = [require(bound) for bound in until]
    return {
        **_asked(number),
        "content": _content(number),
        **({"max_age": "0s"} if anew else {}),
        **({"stop": "when_decided", "required": required} if required else {}),
    }


def write(folder: Path) -> None:
    """Writes the files of all prompts."""
    for number, prompts in enumerate(PROMPTS):
        rows = [{"prompt": prompt, "expect": {"text": "yes"}} for prompt in prompts]
        (folder / f"prompts-{number}.json").write_text(json.dumps(rows))


def _asked(number: int) -> dict[str, Any]:
    asked = {"baseline": "none", "prompts": f"prompts-{number}.json", "samples": 1, "concurrency": 1}
    return {**asked, "alpha": 0.05, "margin": 0.05}


@cache
def _content(number: int) -> str:
    with TemporaryDirectory() as folder:
        write(Path(folder))
        return digest(load(_asked(number), Path(folder), Path(folder)))
