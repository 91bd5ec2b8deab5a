"""Services: the table of the Git hosting services."""

from __future__ import annotations

from collections.abc import Mapping

from ftops.forges.github import GITHUB
from ftops.forges.service import Service

SERVICES: Mapping[str, Service] = {row.name: row for row in (GITHUB,)}
