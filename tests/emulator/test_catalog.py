"""The emulated account offers what ftops' own catalogue says: the emulator has a table of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftops import catalog
from ftops.catalog import CatalogModel
from ftops.emulator.account.catalog import BASE_MODELS, BaseModel
from ftops.providers.dataplane.job_wire import own_training_type

KNOWN = catalog.load(Path("/nowhere"), {})
BOTH = [
    (model, known)
    for model in BASE_MODELS
    if (known := KNOWN.models.get(model.id)) is not None and model.trainable
]


def test_most_models_are_in_both() -> None:
    only_here = {model.id for model in BASE_MODELS if model.trainable} - {model.id for model, _ in BOTH}
    assert only_here == {"gpt-35-turbo-0125"}, "which the service no longer trains"
    assert len(BOTH) >= 10


@pytest.mark.parametrize(("model", "known"), BOTH, ids=lambda one: one.id)
def test_what_is_offered(model: BaseModel, known: CatalogModel) -> None:
    assert frozenset(model.methods) == known.methods
    offered = {own_training_type({"trainingType": word}) for word in model.training_types}
    assert offered == {name for name, regions in known.training.items() if regions != frozenset()}
    assert {*model.tuned_skus} == {*(known.skus or ())} - {"GlobalManagedCompute"}
    assert model.format == known.format or not known.format
