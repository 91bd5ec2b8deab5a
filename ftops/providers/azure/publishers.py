"""Publishers: the word that the service has for who made a model, `format` in requests for deployments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from ftops import catalog
from ftops.core.address import Json
from ftops.core.errors import ProviderError
from ftops.core.model_names import base_of
from ftops.core.nested import object_at
from ftops.providers.azure.clients import Clients
from ftops.providers.azure.deployment_wire import OPENAI


class Publishers:
    """Knows the words for the models of one account: as the spec says, else as the account lists the model or
    its base, else by the catalogue. A wrong word is an internal error of the service."""

    def __init__(self, clients: Clients, project: Path) -> None:
        self._clients = clients
        self._project = project

    def of(self, inputs: Mapping[str, Json]) -> str:
        """The word for the model of a deployment with these inputs."""
        if inputs.get("format"):
            return str(inputs["format"])
        known = self._catalog.find(base_of(str(inputs["model"])))
        if known is not None and known.format == OPENAI:
            return OPENAI  # of which no list is needed
        return self._as_listed(inputs) or (known.format if known else "") or OPENAI

    def is_doubtful(self, inputs: Mapping[str, Json], publisher: str) -> bool:
        """Whether it may be the wrong word: it isn't the one by which the account lists the model."""
        return publisher not in (OPENAI, self._as_listed(inputs))

    def _as_listed(self, inputs: Mapping[str, Json]) -> str:
        model = str(inputs["model"])
        names = (model.casefold(), base_of(model).casefold())
        return next((self._listed[name] for name in names if name in self._listed), "")

    @cached_property
    def _catalog(self) -> catalog.Catalog:
        return catalog.load(self._project, os.environ)

    @cached_property
    def _listed(self) -> Mapping[str, str]:
        """By the names of models, also of the base models of tuned ones; empty if they can't be listed."""
        try:
            with self._clients.calling("list the models", control_plane=True):
                rows = self._clients.arm.models()
        except ProviderError:
            return {}
        named = ((row, object_at(row, "baseModel")) for row in rows)
        return {
            str(one["name"]).casefold(): str(one["format"])
            for pair in named
            for one in pair
            if one.get("name") and one.get("format")
        }
