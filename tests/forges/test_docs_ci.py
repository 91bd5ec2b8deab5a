"""docs/ci.md: its jobs run on the stand-ins, and its tables are those of the code."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftops.forges.services import SERVICES
from tests.forges.conftest import github_variables
from tests.forges.github_api import GitHub
from tests.forges.stand_in import StandIn, running
from tests.forges.test_services import ROWS
from tests.golden.cli import SPEC, Folder
from tests.support.command import run
from tests.support.pages import DOCS, blocks

Script = Callable[[Any], str]
JOBS: Mapping[str, tuple[Callable[[], StandIn], Callable[..., Mapping[str, str]], Script]] = {
    "github": (GitHub, github_variables, lambda raw: raw["jobs"]["plan"]["steps"][0]["run"]),
    "gitlab": (*ROWS["gitlab"][:2], lambda raw: "\n".join(raw["plan"]["script"])),
    "azure-devops": (*ROWS["azure-devops"][:2], lambda raw: raw["steps"][0]["bash"]),
}
"""In the order of the page."""


@pytest.mark.parametrize("name", JOBS)
def test_the_job_runs(tmp_path: Path, name: str) -> None:
    make, variables, script_of = JOBS[name]
    written = yaml.safe_load(blocks("ci.md", "yaml", "In a job")[[*JOBS].index(name)])
    folder = Folder.make(tmp_path / "drone", SPEC + "environments: {prod: {}}\n")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with running(make()) as forge:
        environ = {**variables(forge, tmp_path), "PATH": path}
        command = ["bash", "-e", "-c", script_of(written)]
        done = run(command, folder.path, environ)
        assert done.returncode == 0, done
        folder.edit("n_epochs: 3", "n_epochs: three")
        done = run(command, folder.path, environ)
        assert done.returncode == 1, done
        writes = [line for line in forge.writes if not line.endswith(("200", "201"))]
    assert writes == []
    assert done.stderr == ""
    assert "The status ftops/drone/prod is failure." in done.stdout


def test_every_service_and_its_variables_are_listed() -> None:
    text = (DOCS / "ci.md").read_text("utf-8")
    for row in SERVICES.values():
        assert f"`{row.name}`" in text or f"`--service {row.name}`" in text
        assert f"{row.limit:,}" in text
        known = row.variables
        templates = (*known.api, *known.repository, *known.pull, *known.commit)
        named = {name for template in templates for name in re.findall(r"{(\w+)}", template)}
        for name in {*named, *known.is_ci, *known.token} - {"EVENT_PULL", "EVENT_HEAD"}:
            assert f"`{name}`" in text, name
