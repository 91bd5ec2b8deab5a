"""CI files for a spec: plan, apply, reconcile and drift as a service's workflows; a row for each service."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from ftops.config.loader.files import read
from ftops.config.loader.settings import DEFAULT_ENVIRONMENT
from ftops.core.confined_files import content, real
from ftops.core.errors import Diagnostic, SpecError, UsageError
from ftops.core.project import project_root

_TEMPLATES = Path(__file__).parent / "starter"
_FOLDER = re.compile(r"[\w.@+ -]+(/[\w.@+ -]+)*")
_TO_FILL_IN = "OWNER/REPOSITORY@000…"
"""The Action of ftops, whose repository and commit only the user knows."""
_GITHUB = ("ftops-plan.yml", "ftops-apply.yml", "ftops-reconcile.yml", "ftops-drift.yml")


class CiService(Struct, frozen=True):
    """A row: files by their paths in the repository, as names of templates, and what is to be done next."""

    files: Mapping[str, str]
    next_steps: tuple[str, ...]


CI_SERVICES: Mapping[str, CiService] = {
    "github": CiService(
        {f".github/workflows/{name}": f"github/{name}" for name in _GITHUB},
        (
            f"replace {_TO_FILL_IN} in the workflows by the Action of ftops and a commit of it",
            "store the state in a bucket: `ftops: {state: …}`",
            "create the environments and variables that the workflows use: see docs/ci.md",
        ),
    ),
}


def ci_files(service: str, folder: Path, wanted: str | None, *, is_new: bool) -> dict[Path, str]:
    """The files, for one environment of the spec in this folder. A new spec has no environments yet. Raises
    UsageError and SpecError."""
    environments, has_policy = ([], False) if is_new else _of_spec(folder)
    environment = _chosen(environments, wanted)
    root = project_root(real(folder))
    place = real(folder).relative_to(root).as_posix()
    if not _FOLDER.fullmatch(place):
        raise UsageError(
            f"a workflow can't name the folder `{place}`", "it has other characters than usual.", "rename it"
        )

    def written(template: str) -> str:
        text = content(_TEMPLATES / template).decode()
        for word, value in (("FOLDER", place), ("ENVIRONMENT", environment)):
            text = f": {json.dumps(value)}\n".join(text.split(f": {word}\n"))
        text = text.replace("ENVIRONMENT", environment)
        return text.replace("# policy-ref:", "policy-ref:") if has_policy else text

    return {root / path: written(template) for path, template in CI_SERVICES[service].files.items()}


def _of_spec(folder: Path) -> tuple[list[str], bool]:
    """The environments that a spec declares, and whether it has a policy."""
    findings: list[Diagnostic] = []
    source = read(folder, (), findings, outline=True)
    if findings:
        raise SpecError(findings)
    return [*source["environments"]], "policy" in source.lists


def _chosen(known: list[str], wanted: str | None) -> str:
    """What is wanted; else `prod`, or the only one there is."""
    if wanted is not None and wanted not in (*known, DEFAULT_ENVIRONMENT):
        declared = ", ".join(known) or "none"
        raise UsageError(
            f"there is no environment `{wanted}`", f"declared: {declared}.", "declare it under `environments`"
        )
    if not known or wanted is not None:
        return wanted or DEFAULT_ENVIRONMENT
    if "prod" not in known and len(known) > 1:
        raise UsageError(
            "the workflows are for one environment",
            f"the spec has: {', '.join(known)}.",
            "name it with --env",
        )
    return "prod" if "prod" in known else known[0]
