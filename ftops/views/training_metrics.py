"""Training metrics: their names in words, and short texts of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ftops.core.measures import Measure

_BATCH = " (batch)"
METRICS: Mapping[str, Sequence[str]] = {
    "loss": ("train_loss",),
    "valid loss": ("full_valid_loss",),
    f"valid loss{_BATCH}": ("valid_loss",),
    "reward": ("train_reward_mean", "train_mean_reward"),
    "valid reward": ("full_valid_reward_mean", "full_valid_mean_reward"),
    f"valid reward{_BATCH}": ("valid_reward_mean", "valid_mean_reward"),
    "preferred": ("train_accuracy", "train_reward_accuracy", "rewards/accuracies"),
    "accuracy": ("train_mean_token_accuracy",),
}
"""What is shown of a training: its heading, and the service's names of the metric. One that is measured on a
batch of the validation data is shown as long as there is none of all of them."""


def known(metrics: Mapping[str, float]) -> dict[str, float]:
    """The values by heading."""
    found: dict[str, float] = {}
    for heading, names in METRICS.items():
        values = (Measure(name, not name.endswith("loss")).value(metrics) for name in names)
        value = next((one for one in values if one is not None), None)
        if value is not None and heading.removesuffix(_BATCH) not in found:
            found[heading] = value
    return found


def short_texts(metrics: Mapping[str, float]) -> Iterator[str]:
    """`loss .087`, `val .116`, for a narrow row."""
    for heading, value in known(metrics).items():
        yield f"{'val' if heading.startswith('valid ') else heading} {short_number(value)}"


def short_number(value: float) -> str:
    """`.087`, `1.37`: three digits."""
    text = f"{value:.3g}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text
