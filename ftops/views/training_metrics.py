"""Training metrics: their names in words, and short texts of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

METRICS: Mapping[str, Sequence[str]] = {
    "loss": ("train_loss",),
    "valid loss": ("valid_loss", "full_valid_loss"),
    "reward": ("train_reward_mean", "train_mean_reward"),
    "valid reward": (
        "valid_reward_mean",
        "valid_mean_reward",
        "full_valid_reward_mean",
        "full_valid_mean_reward",
    ),
    "preferred": ("train_accuracy", "train_reward_accuracy", "rewards/accuracies"),
    "accuracy": ("train_mean_token_accuracy",),
}
"""What is shown of a training: its heading, and the service's names of the metric."""
_SHORT = {"valid loss": "val", "valid reward": "val"}


def known(metrics: Mapping[str, float]) -> dict[str, float]:
    """The values by heading."""
    found = ((h, next((metrics[n] for n in names if n in metrics), None)) for h, names in METRICS.items())
    return {heading: value for heading, value in found if value is not None}


def short_texts(metrics: Mapping[str, float]) -> Iterator[str]:
    """`loss .087`, `val .116`, for a narrow row."""
    for heading, value in known(metrics).items():
        yield f"{_SHORT.get(heading, heading)} {short_number(value)}"


def short_number(value: float) -> str:
    """`.087`, `1.37`: three digits."""
    text = f"{value:.3g}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text
