"""Rules of what training costs: epochs, prices, what a tuned model's deployment costs. Pure."""

from __future__ import annotations

from ftops.catalog import CatalogModel
from ftops.core.address import Address
from ftops.dataset.profile.statistics import Statistics
from ftops.planning.estimate import Epochs, TrainingCost

TARGET = 3
LEAST_EXAMPLES = 100
MOST_EXAMPLES = 25_000
MOST_EPOCHS = 25


def epochs(wanted: object, examples: int) -> Epochs:
    """The epochs of a job whose hyperparameters say `wanted`: a number, `auto` or nothing.

    The rule for `auto` is that of OpenAI's cookbook ("Data preparation and analysis for chat model
    fine-tuning", read 2026-11-21): three, more where that shows fewer than 100 examples, fewer where it
    shows more than 25,000. The service may choose otherwise.
    """
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > 0:
        return Epochs(wanted)
    number = TARGET
    if examples and examples * TARGET < LEAST_EXAMPLES:
        number = min(MOST_EPOCHS, LEAST_EXAMPLES // examples)
    elif examples * TARGET > MOST_EXAMPLES:
        number = max(1, MOST_EXAMPLES // examples)
    return Epochs(number, is_estimate=True)


def training(
    address: Address,
    statistics: Statistics,
    model: CatalogModel | None,
    name: str,
    training_type: str,
    n_epochs: object,
) -> TrainingCost:
    """The cost of a job. `model` is the catalogue's row, `name` the model as the spec names it."""
    per_million = model.training_per_million.get(training_type) if model else None
    per_hour = model.training_per_hour if model else None
    note = ""
    if per_million is None:
        note = f"no price of training {name} ({training_type}) in the catalogue"
        if per_hour is not None:
            note = f"${per_hour:,.2f} an hour of training, however long that takes"
    cut = statistics.cut
    return TrainingCost(
        address,
        examples=statistics.sums.examples,
        tokens=statistics.billed,
        epochs=epochs(n_epochs, statistics.sums.examples),
        cut=cut.examples if cut else 0,
        per_million=per_million,
        per_hour=per_hour,
        note=note,
    )
