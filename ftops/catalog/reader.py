"""Catalogue reader: the file of the package, with the user's files merged over it key by key.

`key:` without a value removes an entry, so that it is unknown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import convert

from ftops.catalog.fields import ANY_REGION, FILE, METHODS, Shape
from ftops.catalog.values import Catalog, CatalogModel
from ftops.core.confined_files import Refused, content
from ftops.core.errors import Diagnostic, Place, SpecError
from ftops.core.project import CATALOG_FILE, CATALOG_VARIABLE, display
from ftops.core.suggestions import did_you_mean
from ftops.yaml import document as yaml_document

FORMAT_VERSION = 1
_OWN = Path(__file__).with_name("models.yaml")

Tree = dict[str, Any]


def load(project: Path | None, environ: Mapping[str, str]) -> Catalog:
    """The catalogue of the package, with `<project>/ftops.catalog.yaml` and then the file in FTOPS_CATALOG
    merged over it; without a project, only the others. Raises SpecError if one of them can't be used."""
    files = []
    if project is not None and os.path.lexists(project / CATALOG_FILE):
        files.append(project / CATALOG_FILE)
    if environ.get(CATALOG_VARIABLE):
        files.append(Path(environ[CATALOG_VARIABLE]))
    tree = _of_package()
    for file in files:
        root = project if file.parent == project else None
        tree = _merged(tree, _File(display(file), file, tree, root).read())
    return _catalog(tree)


@cache
def _of_package() -> Tree:
    """The file of the package. It is read once, and nothing changes what was read."""
    return _File(display(_OWN), _OWN, {}, None).read()


class _File:
    """One file, parsed and checked against its shape. Every finding has its place."""

    def __init__(self, shown: str, path: Path, below: Tree, root: Path | None) -> None:
        self._document = _parsed(shown, path, root)
        self._below = below
        """What the file is merged over."""
        self._findings: list[Diagnostic] = []

    def read(self) -> Tree:
        document = self._document
        if document.root is None:
            return {}
        data = yaml_document.data(document, document.root, self._findings)
        tree = self._shaped(data, FILE, ())
        if not self._findings and tree.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
            detail = f"This version of ftops reads format_version {FORMAT_VERSION}."
            self._report(("format_version",), "unsupported catalogue format", detail, "")
        self._check_region_lists(tree)
        if self._findings:
            raise SpecError(self._findings)
        return tree

    def _shaped(self, value: Any, shape: Shape, path: tuple[str, ...]) -> Tree:
        if not isinstance(value, dict):
            name = path[-1] if path else "the catalogue"
            self._report(path, f"`{name}` must be a mapping", "", "`ftops docs catalog` describes it")
            return {}
        tree: Tree = {}
        for key, item in value.items():
            check = shape.get(key) or shape.get("*")
            here = (*path, key)
            if check is None:
                hint = did_you_mean(key, shape)
                self._report(here, f"unknown key `{key}` in the catalogue", "", hint)
            elif item is None:
                tree[key] = None
            elif isinstance(check, Mapping):
                tree[key] = self._shaped(item, check, here)
            else:
                try:
                    tree[key] = check(item)
                except ValueError as exc:
                    self._report(here, f"`{key}` must be {exc}", "", "`ftops docs catalog` describes it")
        return tree

    def _check_region_lists(self, tree: Tree) -> None:
        known = {ANY_REGION, *(self._below.get("regions") or {}), *(tree.get("regions") or {})}
        named = (
            ((model, key, name), regions)
            for model, entry in (tree.get("models") or {}).items()
            for key in ("training", "skus")
            for name, regions in ((entry or {}).get(key) or {}).items()
        )
        for path, regions in named:
            if isinstance(regions, str) and regions not in known:
                detail = "A string here is the name of a list under `regions`, or `any`."
                hint = did_you_mean(regions, known)
                self._report(("models", *path), f"there is no region list `{regions}`", detail, hint)

    def _report(self, path: tuple[str, ...], summary: str, detail: str, hint: str) -> None:
        document, root = self._document, self._document.root
        assert root is not None  # noqa: S101 - an empty file has no findings
        key, node = document.find(root, root, path)
        place = document.place_of(key if node is None or not path else node)
        self._findings.append(Diagnostic(summary, detail, hint, place))


def _parsed(shown: str, path: Path, root: Path | None) -> yaml_document.Document:
    try:
        text = yaml_document.decode(content(path, root, limit=yaml_document.MAX_BYTES), shown)
        return yaml_document.parse(text, shown)
    except OSError as exc:
        hint = (
            exc.hint
            if isinstance(exc, Refused)
            else f"check the path in {CATALOG_VARIABLE} and the permissions"
        )
        summary, place = f"can't read the catalogue {shown}", Place(shown).veiled()
        raise SpecError([Diagnostic(summary, f"{exc.strerror or exc}.", hint, place)]) from exc


def _merged(below: Tree, above: Tree) -> Tree:
    """Merges mappings key by key, ignoring case in keys; anything else is replaced."""
    result = dict(below)
    known = {key.casefold(): key for key in below}
    for key, value in above.items():
        own = known.get(key.casefold(), key)
        if value is None:
            result.pop(own, None)
        elif isinstance(value, dict):
            result[own] = _merged(result.get(own) or {}, value)
        else:
            result[own] = value
    return result


def _catalog(tree: Tree) -> Catalog:
    lists = {name: frozenset(entry.get("names") or ()) for name, entry in tree.get("regions", {}).items()}
    encodings = tree.get("encodings", {}).get("by_prefix", {})
    hosting = tree.get("hosting", {}).get("per_hour", {})
    accelerators = tree.get("managed_compute", {}).get("per_accelerator_hour", {})
    spending = tree.get("spending_limit", {})
    platform = tree.get("openai", {}).get("models", {})
    return Catalog(
        models={name: _model(name, entry, lists) for name, entry in tree.get("models", {}).items()},
        limits={name: value for name, value in tree.get("limits", {}).items() if isinstance(value, int)},
        hosting_per_hour={sku.casefold(): price for sku, price in hosting.items()},
        accelerator_per_hour={kind.casefold(): price for kind, price in accelerators.items()},
        spending_limits={method: spending[method] for method in METHODS if method in spending},
        spending_as_of=spending.get("dated"),
        encodings={prefix.casefold(): name for prefix, name in encodings.items()},
        on_platform={name: _model(name, entry, {}) for name, entry in platform.items()},
    )


def _model(name: str, entry: Tree, lists: Mapping[str, frozenset[str]]) -> CatalogModel:
    prices, retirement = entry.get("prices", {}), entry.get("retirement", {})
    is_earliest = retirement.get("earliest", False)
    fields = {
        "id": name,
        "name": name,
        **entry,
        "training": _regions(entry.get("training", {}), lists),
        "skus": _regions(entry["skus"], lists) if "skus" in entry else None,
        "training_per_million": prices.get("training_per_million", {}),
        "training_per_hour": prices.get("training_per_hour"),
        "training_as_of": prices.get("training_as_of", prices.get("as_of")),
        "inference_per_million": {
            sku.casefold(): {**row, "as_of": prices.get("as_of")}
            for sku, row in prices.get("inference_per_million", {}).items()
            if {"input", "output"} <= row.keys()  # one alone isn't the price of an answer
        },
        "training_retires": retirement.get("training", retirement.get("training_not_before")),
        "training_is_earliest": is_earliest or "training" not in retirement,
        "inference_retires": retirement.get("inference"),
        "inference_is_earliest": is_earliest,
        "base_retires": retirement.get("base"),
        "retirement_source": retirement.get("source", ""),
    }
    return convert(fields, CatalogModel)


def _regions(
    named: Mapping[str, list[str] | str], lists: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str] | None]:
    return {
        name: lists.get(regions) if isinstance(regions, str) else frozenset(regions)
        for name, regions in named.items()
    }
