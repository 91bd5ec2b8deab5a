"""Model catalogue: public facts about models, regions, limits, prices and dates, as data.

The package contains it (`models.yaml`, every entry with its source and date), and users can correct it with a
file of their own. What an account itself reports has precedence.
"""

from ftops.catalog.reader import load
from ftops.catalog.values import Catalog, CatalogModel, TokenPrices

__all__ = ["Catalog", "CatalogModel", "TokenPrices", "load"]
