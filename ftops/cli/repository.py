"""Repository: where the current folder is in it, for the paths of reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ftops.core.project import project_root

_ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR", "BUILD_SOURCESDIRECTORY")
"""Variables in which GitHub Actions, GitLab CI and Azure Pipelines name the folder of the checkout."""


def folder_in_repository(environ: Mapping[str, str]) -> str:
    """The current folder, relative to the root of the repository; empty at the root, or if there is none."""
    here = Path.cwd()
    named = (Path(environ[name]).resolve() for name in _ROOTS if environ.get(name))
    root = next((root for root in named if here.is_relative_to(root)), project_root(here))
    relative = here.relative_to(root).as_posix()
    return "" if relative == "." else relative
