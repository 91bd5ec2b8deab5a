"""Services: the table of the Git hosting services."""

from __future__ import annotations

from collections.abc import Mapping

from ftops.forges.azure_devops import AZURE_DEVOPS
from ftops.forges.gitea import GITEA
from ftops.forges.github import GITHUB
from ftops.forges.gitlab import GITLAB
from ftops.forges.service import Service

SERVICES: Mapping[str, Service] = {row.name: row for row in (GITEA, GITHUB, GITLAB, AZURE_DEVOPS)}
"""In the order in which a run is recognised: Gitea Actions sets the variables of GitHub Actions, too."""
