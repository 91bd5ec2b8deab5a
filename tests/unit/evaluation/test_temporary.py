"""The SKU of temporary deployments."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ftops.catalog import Catalog, CatalogModel
from ftops.core.address import Json
from ftops.evaluation.temporary import sku_for

KNOWN = Catalog(
    {
        "offered": CatalogModel("offered", "offered", skus={"Standard": None, "DeveloperTier": None}),
        "other": CatalogModel("other", "other", skus={"Standard": None}),
        "global": CatalogModel("global", "global", skus={"GlobalStandard": None}),
        "unknown": CatalogModel("unknown", "unknown"),
    }
)


@pytest.mark.parametrize(
    ("model", "wanted", "sku"),
    [
        ("offered.ft-0123-x", {}, {"name": "DeveloperTier", "capacity": 1}),
        ("offered", {}, {"name": "Standard", "capacity": 1}),
        ("other.ft-0123", {}, {"name": "Standard", "capacity": 1}),
        ("global.ft-0123", {}, {"name": "GlobalStandard", "capacity": 1}),
        ("unknown.ft-0123", {}, {"name": "Standard", "capacity": 1}),
        ("nowhere.ft-0123", {}, {"name": "Standard", "capacity": 1}),
        ("offered.ft-0123", {"name": "GlobalStandard"}, {"name": "GlobalStandard", "capacity": 1}),
        ("offered.ft-0123", {"capacity": 5}, {"name": "DeveloperTier", "capacity": 5}),
        ("other.ft-0123", {"name": "developer_tier"}, {"name": "DeveloperTier", "capacity": 1}),
        ("offered", {"name": "developer-tier", "capacity": 3}, {"name": "Standard", "capacity": 3}),
        ("offered", {"name": "NewTier"}, {"name": "NewTier", "capacity": 1}),
        ("offered", {"name": "GlobalStandard"}, {"name": "GlobalStandard", "capacity": 1}),
    ],
)
def test_sku(model: str, wanted: Mapping[str, Json], sku: Mapping[str, Json]) -> None:
    assert sku_for(model, wanted, KNOWN) == sku


def test_a_model_that_is_to_be_trained() -> None:
    assert sku_for("offered", {}, KNOWN, tuned=True)["name"] == "DeveloperTier"
