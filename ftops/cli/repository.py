"""Repository: where the current folder is in it, for the paths of reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR", "BUILD_SOURCESDIRECTORY")
"""Variables in which GitHub Actions, GitLab CI and Azure Pipelines name the folder of the checkout."""


def folder_in_repository(environ: Mapping[str, str]) -> str:
    """The current folder, relative to the root of the repository; empty at the root, or if there is none."""
    here = Path.cwd()
    named = (Path(environ[name]).resolve() for name in _ROOTS if environ.get(name))
    roots = [*named, *(folder for folder in (here, *here.parents) if (folder / ".git").exists())]
    root = next((root for root in roots if here.is_relative_to(root)), here)
    relative = here.relative_to(root).as_posix()
    return "" if relative == "." else relative
