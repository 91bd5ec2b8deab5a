"""The pains of users with state, by their numbers: what others suffer from, and what happens here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.golden.cli import Folder

HEAD = """\
ftops: {name: drone}
providers:
  m: {type: memory}
datasets:
  train: {path: data/train.jsonl}
"""
PROTECTED = "{model: gpt-4o-mini-2024-07-18, training: train, lifecycle: {prevent_destroy: true}}"
PLAIN = "{model: gpt-4o-mini-2024-07-18, training: train}"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path, f"{HEAD}jobs:\n  kept: {PROTECTED}\n  other: {PLAIN}\n")


def test_pain_4_prevent_destroy_outlives_its_block(folder: Folder) -> None:
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", f"{HEAD}jobs:\n  other: {PLAIN}\n")
    done = folder.run("plan")
    assert done.code == 3
    assert "job.kept is protected, and the plan would delete it" in done.err
    assert "in the state, though it is no longer in the spec" in done.err
    assert "removed: [{from: job.kept, retain: true}]" in done.err


def test_pain_4_removed_does_not_override_protection(folder: Folder) -> None:
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", f"{HEAD}jobs:\n  other: {PLAIN}\nremoved: [{{from: job.kept}}]\n")
    done = folder.run("apply", "-y")
    assert done.code == 3
    assert "a `removed` block names it" in done.err
    assert "ftops.yaml:8:11" in done.err
    folder.write(
        "ftops.yaml", f"{HEAD}jobs:\n  other: {PLAIN}\nremoved: [{{from: job.kept, retain: true}}]\n"
    )
    folder.ok("apply", "-y")
    assert "job.kept" not in folder.ok("state", "list")


def test_pain_4_protection_moves_along(folder: Folder) -> None:
    folder.ok("apply", "-y")
    folder.ok("state", "mv", "job.kept", "job.gone")
    folder.edit("kept: {model: gpt-4o-mini-2024-07-18", "kept: {model: gpt-4.1-mini-2025-04-14")
    done = folder.run("plan")
    assert done.code == 3
    assert "job.gone is protected, and the plan would delete it" in done.err


def test_pain_11_an_import_is_reviewed_with_the_rest(folder: Folder) -> None:
    """An import by command races with the pipeline; a block is planned and reviewed like all else."""
    text = f"{HEAD}jobs:\n  kept: {PLAIN}\nimport:\n  - {{to: job.kept, id: ftjob-there}}\n"
    folder.write("ftops.yaml", text)
    document = folder.run("plan", "-o", "json").json
    kept = next(c for c in document["changes"] if c["address"] == "job.kept")
    assert (kept["action"], kept["remote_id"], kept["reason"]["code"]) == ("adopt", "ftjob-there", "imported")
    folder.ok("apply", "-y")
    state = json.loads(folder.ok("state", "pull"))
    assert state["resources"]["job.kept"]["remote_id"] == "ftjob-there"
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")


def test_pain_12_one_resource_can_be_left_out(folder: Folder) -> None:
    out = folder.ok("plan", "--exclude", "job.other")
    assert "job.kept" in out
    assert "job.other" not in out
    folder.edit(f"  other: {PLAIN}", f"  other: {PLAIN[:-1]}, enabled: false}}")
    folder.ok("apply", "-y")
    assert folder.ok("state", "list").splitlines() == ["dataset.train", "job.kept"]


def test_pain_12_what_is_left_out_is_not_imported_either(folder: Folder) -> None:
    blocks = "import:\n  - {to: job.other, id: ftjob-there}\n"
    folder.write("ftops.yaml", f"{HEAD}jobs:\n  kept: {PLAIN}\n  other: {PLAIN}\n{blocks}")
    folder.ok("apply", "-y", "--exclude", "job.other")
    assert folder.ok("state", "list").splitlines() == ["dataset.train", "job.kept"]
