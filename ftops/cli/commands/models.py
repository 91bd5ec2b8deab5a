"""ftops models: models of the catalogue"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ftops.catalog.fields import METHODS, region
from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options
from ftops.config.schema.field_aliases import SKU_NAME
from ftops.core.errors import UsageError
from ftops.core.project import project_root
from ftops.core.resource_types import TRAINING_TYPES
from ftops.core.suggestions import did_you_mean
from ftops.views.models import draw_model, draw_models, models_to_json

if TYPE_CHECKING:
    from ftops.catalog import Catalog, CatalogModel


class Wanted(NamedTuple):
    """Filters of the list; empty if any will do."""

    method: str
    training_type: str
    region: str
    sku: str


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in _catalog().models if name.casefold().startswith(incomplete.casefold())]


@click.command("models")
@click.argument("name", metavar="[MODEL]", default="", shell_complete=_complete)
@click.option("--method", type=click.Choice(METHODS), help="Only models that can be tuned by it.")
@click.option(
    "--training-type", type=click.Choice(TRAINING_TYPES), help="Only models that are trained that way."
)
@click.option("--region", "location", metavar="REGION", default="", help="As these are offered there.")
@click.option("--sku", metavar="SKU", default="", help="Only models that serve with it when they are tuned.")
@screen_options
def command(screen: Screen, name: str, method: str, training_type: str, location: str, sku: str) -> int:
    """List the models that can be fine-tuned, with prices and dates, or show one of them.

    The list is the catalogue, with your ftops.catalog.yaml over it. What an account offers takes precedence:
    `plan` asks it.
    """
    known = _catalog()
    wanted = Wanted(method or "", training_type or "", region(location), SKU_NAME.convert(sku) or "")
    if name:
        if any(wanted):
            raise UsageError("filters are for the list of models", "", f"leave them out, or {name}")
        one = _named(known, name)
        return screen.result(lambda: models_to_json([one], known.dated), lambda: draw_model(one))
    found = list(_chosen(known.models.values(), wanted))
    return screen.result(
        lambda: models_to_json([one for one, _ in found], known.dated),
        lambda: draw_models(found, screen.paint, screen.width),
    )


def _catalog() -> Catalog:
    from ftops import catalog

    return catalog.load(project_root(Path.cwd()), os.environ)


def _named(known: Catalog, name: str) -> CatalogModel:
    one = known.find(name)
    if one is None:
        hint = did_you_mean(name, known.models, nothing="`ftops models` lists all of them")
        raise UsageError(f"the catalogue has no model {name}", "", hint)
    return one


def _chosen(models: Collection[CatalogModel], wanted: Wanted) -> Iterator[tuple[CatalogModel, list[str]]]:
    """The models that fit, each with the training types that do. Raises UsageError."""
    _check("region", wanted.region, {where for one in models for where in _all_regions(one)})
    _check("SKU", wanted.sku, {sku for one in models for sku in one.skus or ()})
    for one in models:
        kinds = [kind for kind in one.trained_in(wanted.region) if wanted.training_type in ("", kind)]
        serves = {sku.casefold() for sku in one.skus_in(wanted.region) or ()}
        is_tuned_so = not wanted.method or wanted.method in (one.methods or ())
        if kinds and is_tuned_so and (not wanted.sku or wanted.sku.casefold() in serves):
            yield one, kinds


def _check(what: str, asked: str, known: Collection[str]) -> None:
    if asked and asked.casefold() not in {word.casefold() for word in known}:
        raise UsageError(f"the catalogue has no {what} {asked}", "", did_you_mean(asked, known))


def _all_regions(one: CatalogModel) -> Iterator[str]:
    for where in (*one.training.values(), *(one.skus or {}).values()):
        yield from where or ()
