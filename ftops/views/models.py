"""Models of the catalogue, as text and JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from ftops.core.address import Json
from ftops.core.serving import SKU_NAMES
from ftops.planning.estimate import dollars
from ftops.views.paint import Painter, clean
from ftops.views.table import draw_table

if TYPE_CHECKING:
    from ftops.catalog import CatalogModel

_TITLES = ("MODEL", "METHODS", "LOWEST PRICE OF TRAINING", "TRAIN UNTIL", "SERVES UNTIL")
_MORE = "`ftops models NAME` shows the regions, SKUs and other prices of one."
_SKUS = {sku.casefold(): sku for sku in SKU_NAMES}


def draw_models(
    found: Sequence[tuple[CatalogModel, Collection[str]]], paint: Painter, columns: int | None = None
) -> list[str]:
    """A model a line, aligned, with the lowest price of these training types."""
    if not found:
        return ["No model of the catalogue matches."]
    rows = [
        (
            one.id,
            ", ".join(sorted(one.methods or ())) or "unknown",
            _lowest_price(one, kinds),
            _until(one.training_retires, one.training_is_earliest),
            _until(one.inference_retires, one.inference_is_earliest),
        )
        for one, kinds in found
    ]
    return [*draw_table((_TITLES, *rows), paint, columns), "", _MORE]


def draw_model(one: CatalogModel) -> list[str]:
    """Everything that the catalogue has about one model."""
    rows = [(name, text) for name, text in _facts(one) if text]
    width = max(len(name) for name, _ in rows)
    return [clean(f"{name:{width}}  {text}") for name, text in rows]


def models_to_json(found: Sequence[CatalogModel], dated: date | None) -> dict[str, Json]:
    """The document of `models -o json`."""
    return {"dated": _day(dated), "models": [_to_json(one) for one in found]}


def _facts(one: CatalogModel) -> Iterator[tuple[str, str]]:
    yield "model", one.id
    yield "name", f"{one.name} {one.version}".rstrip()
    yield "other names", ", ".join(one.aliases)
    yield "stage", one.stage
    yield "modality", one.modality
    yield "methods", ", ".join(sorted(one.methods or ()))
    for kind, regions in one.training.items():
        yield f"{kind} training", _regions(regions)
    for sku, regions in (one.skus or {}).items():
        yield f"SKU {sku}", _regions(regions)
    yield "format of deployments", one.format
    yield "longest example", f"{one.example_tokens:,} tokens" if one.example_tokens else ""
    for kind, price in one.training_per_million.items():
        yield f"price of {kind} training", f"{dollars(price)} per 1M tokens ({one.training_as_of})"
    if one.training_per_hour:
        yield "price of training", f"{dollars(one.training_per_hour)} per hour ({one.training_as_of})"
    for sku, prices in one.inference_per_million.items():
        row = f"{dollars(prices.input)} in, {dollars(prices.output)} out per 1M tokens ({prices.as_of})"
        yield f"price with {_SKUS.get(sku, sku)}", row
    yield "can be trained until", _until(one.training_retires, one.training_is_earliest)
    yield "tuned model serves until", _until(one.inference_retires, one.inference_is_earliest)
    yield "base model until", _day(one.base_retires) or ""
    yield "note", one.note
    yield "source", f"{one.source} ({one.dated})" if one.dated else one.source


def _regions(regions: Collection[str] | None) -> str:
    if regions is None:
        return "offered; the catalogue doesn't know where"
    return ", ".join(sorted(regions)) or "not offered"


def _lowest_price(one: CatalogModel, kinds: Collection[str]) -> str:
    """`$1.50 per 1M (developer)`, or what an hour costs."""
    if priced := [(price, kind) for kind, price in one.training_per_million.items() if kind in kinds]:
        price, kind = min(priced)
        return f"{dollars(price)} per 1M ({kind})"
    return f"{dollars(one.training_per_hour)} per hour" if one.training_per_hour else "unknown"


def _until(day: date | None, is_earliest: bool) -> str:
    """`2027-04-14 or later`."""
    if day is None:
        return "unknown"
    return f"{day.isoformat()}{' or later' if is_earliest else ''}"


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _to_json(one: CatalogModel) -> dict[str, Json]:
    return {
        "id": one.id,
        "name": one.name,
        "version": one.version,
        "aliases": list(one.aliases),
        "format": one.format or None,
        "stage": one.stage or None,
        "modality": one.modality or None,
        "methods": None if one.methods is None else sorted(one.methods),
        "training": _regions_to_json(one.training),
        "skus": None if one.skus is None else _regions_to_json(one.skus),
        "example_tokens": one.example_tokens,
        "prices": {
            "training_per_million": dict(one.training_per_million),
            "training_per_hour": one.training_per_hour,
            "training_as_of": _day(one.training_as_of),
            "inference_per_million": {
                sku: {"input": p.input, "cached": p.cached, "output": p.output, "as_of": _day(p.as_of)}
                for sku, p in one.inference_per_million.items()
            },
        },
        "retirement": {
            "training": _day(one.training_retires),
            "training_is_earliest": one.training_is_earliest,
            "inference": _day(one.inference_retires),
            "inference_is_earliest": one.inference_is_earliest,
            "base": _day(one.base_retires),
        },
        "note": one.note or None,
        "source": one.source or None,
        "dated": _day(one.dated),
    }


def _regions_to_json(by_name: Mapping[str, Collection[str] | None]) -> dict[str, Json]:
    """Name → its regions, sorted; null if they are unknown."""
    return {name: None if regions is None else sorted(regions) for name, regions in by_name.items()}
