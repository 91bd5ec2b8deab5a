"""Hyperparameters of a job, inline or shared by name."""

from collections.abc import Mapping
from typing import ClassVar

from ftops.config.schema.block import Block, optional
from ftops.config.schema.field_aliases import AUTO, NAME
from ftops.config.schema.field_types import Choice, Integer, Number


class Hyperparameters(Block, noun="hyperparameters"):
    """Hyperparameters of training. With `auto`, the service chooses."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        "epochs": "n_epochs",
        "num_epochs": "n_epochs",
        "num_train_epochs": "n_epochs",
        "lr": "learning_rate_multiplier",
        "learning_rate": "learning_rate_multiplier",
        **dict.fromkeys(("lr_multiplier", "lr_mult", "lr_scale"), "learning_rate_multiplier"),
        "batch": "batch_size",
        "micro_batch_size": "batch_size",
        "train_batch_size": "batch_size",
        "per_device_train_batch_size": "batch_size",
    }

    n_epochs = optional(Integer(1, 50, words=AUTO), "Number of passes over the training examples.")
    batch_size = optional(Integer(1, 256, words=AUTO), "Number of examples per training step.")
    learning_rate_multiplier = optional(
        Number(above=0, words=AUTO), "Multiplier for the learning rate of the base model's training."
    )
    compute_multiplier = optional(
        Number(above=0.00001, maximum=10, words=AUTO),
        "Multiplier for the compute that is used to explore answers (reinforcement).",
        method="reinforcement",
    )
    eval_interval = optional(
        Integer(1, words=AUTO),
        "Training steps between evaluations (reinforcement).",
        method="reinforcement",
    )
    eval_samples = optional(
        Integer(1, words=AUTO), "Number of samples per evaluation (reinforcement).", method="reinforcement"
    )
    reasoning_effort = optional(
        Choice(words=("default", "low", "medium", "high")),
        "Reasoning effort during training (reinforcement).",
        method="reinforcement",
    )


class JobHyperparameters(Hyperparameters, noun="`hyperparameters`"):
    """Hyperparameters of a job: inline, or named hyperparameters with some of them overridden."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        **Hyperparameters.elsewhere,
        **dict.fromkeys(("extends", "from", "inherit", "preset"), "use"),
    }

    use = optional(NAME, "Named hyperparameters to start from.")
