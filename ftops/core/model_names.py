"""Model names: base models, their versions, names of tuned models, and words for a baseline. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_VERSIONED = re.compile(r"(?P<name>.+?)-(?P<version>\d{4}-\d{2}-\d{2}|\d{4})\Z")

BASE_MODEL, SERVING, NO_BASELINE = BASELINES = ("base_model", "serving", "none")
"""What the baseline of an evaluation can be, beside a model: the model that its job started from, what the
gated deployment serves, nothing."""


class ModelName(NamedTuple):
    """A model by its name; for a fine-tuned one, also its base model."""

    base: str
    """Empty if it isn't known."""
    version: str = ""
    tuned: bool = False
    literal: str = ""
    """The name of the fine-tuned model, if it is written in full."""


def split(model: str) -> tuple[str, str]:
    """`gpt-4o-mini-2024-07-18` → its name and its version; the version may be empty."""
    match = _VERSIONED.match(model)
    return (match["name"], match["version"]) if match else (model, "")


def base_of(tuned: str) -> str:
    """`<base>.ft-<hex>[-suffix]`, or `ft:<base>:<org>:…`."""
    if tuned.startswith("ft:"):
        return tuned.split(":")[1]
    return tuned.partition(".ft-")[0]
