"""ftops models: models of the catalogue"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftops.catalog.fields import METHODS, region
from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options
from ftops.core.errors import UsageError
from ftops.core.project import project_root
from ftops.core.resource_types import TRAINING_TYPES
from ftops.core.suggestions import did_you_mean
from ftops.views.models import draw_model, draw_models, models_to_json

if TYPE_CHECKING:
    from ftops.catalog import Catalog, CatalogModel


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
    if name:
        one = _named(known, name)
        return screen.result(lambda: models_to_json([one], known.dated), lambda: draw_model(one))
    found = [m for m in known.models.values() if _fits(m, method, training_type, region(location), sku)]
    return screen.result(lambda: models_to_json(found, known.dated), lambda: draw_models(found))


def _catalog() -> Catalog:
    from ftops import catalog

    return catalog.load(project_root(Path.cwd()), os.environ)


def _named(known: Catalog, name: str) -> CatalogModel:
    one = known.find(name)
    if one is None:
        hint = did_you_mean(name, known.models, nothing="`ftops models` lists all of them")
        raise UsageError(f"the catalogue has no model {name}", "", hint)
    return one


def _fits(one: CatalogModel, method: str, training_type: str, location: str, sku: str) -> bool:
    trained = [
        kind
        for kind, regions in one.training.items()
        if regions is None or (location in regions if location else bool(regions))
    ]
    serves = {offered.casefold() for offered in one.skus_in(location) or ()}
    return (
        (not method or method in (one.methods or ()))
        and (training_type in trained if training_type else bool(trained))
        and (not sku or sku.casefold() in serves)
    )
