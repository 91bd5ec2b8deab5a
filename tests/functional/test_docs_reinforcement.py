"""docs/reinforcement.md: its specs load, and that of `triage` in Azure."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from ftops.config.loader import load
from ftops.core.nested import object_at
from ftops.yaml.formatter import format_text

UNSET = "00000000-0000-0000-0000-000000000000"
ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reinforcement.md").read_text("utf-8")
TRIAGE = ROOT / "specs" / "triage"


@pytest.mark.parametrize("text", re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.M | re.S))
def test_the_specs_load(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ftops.yaml"
    file.write_text(text, "utf-8")
    assert load(file, environ={}).resources
    assert format_text(text, "ftops.yaml") == text


def test_the_end_of_the_spec_shows_what_azure_needs(tmp_path: Path) -> None:
    shutil.copytree(TRIAGE, tmp_path / "triage", ignore=shutil.ignore_patterns(".ftops", "state"))
    file = tmp_path / "triage" / "ftops.yaml"
    head, mark, tail = file.read_text("utf-8").partition("# providers:\n")
    file.write_text(head + re.sub(r"^# ?", "", mark + tail, flags=re.M), "utf-8")
    config = load(file, environ={"AZURE_SUBSCRIPTION_ID": UNSET}, environment="prod")
    (job,) = (resource for resource in config.resources if resource.address.kind == "job")
    assert job.provider == "azure"
    assert object_at(job.inputs, "hyperparameters")["n_epochs"] == 2
