"""Prices of deployments that the state has, by the catalogue, and a limit of what asking them may cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ftops.catalog import Catalog, TokenPrices
from ftops.core.errors import UsageError
from ftops.core.model_names import base_of
from ftops.evaluation.answers import Answers
from ftops.evaluation.spending import Budget, Metered
from ftops.planning.estimate import dollars
from ftops.state.deployments import model_of, sku_of
from ftops.state.state import ResourceState


class Priced(NamedTuple):
    """How tokens of a deployment are counted, and what they cost."""

    encoding: str
    prices: TokenPrices | None


class Prices:
    """Of deployments, by the catalogue; with a `limit`, all are asked within it."""

    def __init__(self, known: Catalog, limit: float | None) -> None:
        self._known = known
        self.budget = None if limit is None else Budget(limit)

    def tell(self, tell: Callable[[str], object]) -> None:
        """If requests weren't sent."""
        if self.budget and self.budget.is_used_up:
            tell(
                f"requests weren't sent: of ${self.budget.limit:g}, about {dollars(self.budget.spent)} are "
                "spent. Run it again with a higher --max-cost: what was answered is cached"
            )

    def of(self, resource: ResourceState) -> Priced:
        model, version = model_of(resource)
        prices = self._known.token_prices(model, version, sku_of(resource).name)
        return Priced(self._known.encoding(base_of(model)), prices)

    def metered(self, name: str, resource: ResourceState, provider: Answers) -> Answers:
        """Raises UsageError if there is a budget, but no price."""
        if self.budget is None:
            return provider
        encoding, prices = self.of(resource)
        if prices is None:
            model, sku = base_of(model_of(resource)[0]), sku_of(resource).name or "Standard"
            raise UsageError(
                f"--max-cost can't be kept: the price of deployment {name} isn't known",
                f"The catalogue has no price of {model} with the SKU {sku}.",
                "add it to ftops.catalog.yaml, or leave out --max-cost; `ftops docs catalog` says how",
            )
        return Metered(provider, self.budget, prices, encoding)
