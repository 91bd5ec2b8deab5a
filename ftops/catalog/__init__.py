"""The model catalogue: what is publicly known of models, regions, limits, prices and dates, as data.

It comes with the package (`models.yaml`, every entry dated, with its source) and can be corrected by a
file of the user's. What a live account says of itself goes before it.
"""

from ftops.catalog.reader import PROJECT_FILE, VARIABLE, load
from ftops.catalog.values import Catalog, CatalogModel

__all__ = ["PROJECT_FILE", "VARIABLE", "Catalog", "CatalogModel", "load"]
