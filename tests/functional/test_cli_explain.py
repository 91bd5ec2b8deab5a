"""ftops explain: the reasons of a change, and the reasons of those."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.cli import Folder, golden


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder.make(tmp_path)
    made.ok("apply", "-y")
    return made


def test_nothing_changes(folder: Folder) -> None:
    assert folder.ok("explain", "job.copilot") == "job.copilot: nothing would change.\n"
    assert folder.run("explain", "job.copilot", "-o", "json").json["changes"] == []


def test_a_hyperparameter(folder: Folder) -> None:
    folder.edit("n_epochs: 3", "n_epochs: 4")
    golden("explain-set", folder.ok("explain", "deployment.copilot"))


def test_what_is_new(folder: Folder) -> None:
    folder.edit("outputs:", "  third: {model: gpt-4o-mini-2024-07-18}\n\noutputs:")
    golden("explain-new", folder.ok("explain", "deployment.third"))


def test_a_cause_is_told_once(folder: Folder) -> None:
    folder.edit("seed: 105", "seed: 106")
    folder.edit("    training: train\n    validation: valid", "    training: train\n    validation: train")
    text = folder.ok("explain", "deployment.copilot")
    assert text.count("seed: 105 → 106") == 1


def test_all_instances_of_a_for_each(folder: Folder) -> None:
    folder.edit("  base:\n", '  base:\n    for_each: [a, b]\n    name: "base-${each.key}"\n')
    text = folder.ok("explain", "deployment.base")
    assert 'deployment.base["a"]' in text
    assert 'deployment.base["b"]' in text


def test_an_unknown_address(folder: Folder) -> None:
    done = folder.run("explain", "job.copilt")
    assert done.code == 1
    assert "Did you mean job.copilot?" in done.err
