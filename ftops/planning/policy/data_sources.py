"""Data sources: where the data of datasets really comes from, with links followed. Reads folders only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from ftops.config.config import Config, Resource
from ftops.core.address import Address, Secret, Value
from ftops.core.confined_files import real
from ftops.core.resource_types import kind_of
from ftops.dataset import Unreadable, is_pattern
from ftops.dataset.files.derived_files import matches


def data_sources(
    addresses: Iterable[Address], resources: Mapping[Address, Resource], config: Config
) -> dict[Address, tuple[str, ...] | None]:
    """By dataset: paths from the folder of the spec, and URLs without their path, `https://HOST`."""
    wanted = (a for a in addresses if a in resources and kind_of(a).is_data)
    return {address: _sources(resources[address], config) for address in wanted}


def _sources(resource: Resource, config: Config) -> tuple[str, ...] | None:
    found: list[str] = []
    url, path = resource.inputs.get("url"), resource.inputs.get("path")
    if url is not None:
        server = _server(url, config)
        if server is None:
            return None
        found.append(server)
    if isinstance(path, str):
        try:
            files = matches(config.folder, path) if is_pattern(path) else (config.folder / path,)
        except Unreadable:
            return None
        home = real(config.folder)
        found += [os.path.relpath(real(file), home).replace(os.sep, "/") for file in files]
    return tuple(dict.fromkeys(found)) or None


def _server(url: Value, config: Config) -> str | None:
    if isinstance(url, Secret):
        is_withheld = url.scope == "env" and url.name in (config.withheld or ())
        url = None if is_withheld else config.secrets.get(url)
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        return f"{parts.scheme}://{parts.hostname}" if parts and parts.hostname else None
    except ValueError:
        return None
