"""The blocks `moved` and `removed`: what plan shows, what apply records, and what stays untouched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cli import Folder, golden

HEAD = """\
ftops: {name: drone}
providers:
  m: {type: memory}
datasets:
  train: {path: data/train.jsonl}
"""
JOB = "{model: gpt-4o-mini-2024-07-18, training: train, seed: 1%s}"


def spec(jobs: dict[str, str], more: str = "") -> str:
    lines = "".join(f"  {name}: {JOB % extra}\n" for name, extra in jobs.items())
    return f"{HEAD}jobs:\n{lines}{more}"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path, spec({"a": ""}))


def recorded(folder: Folder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.ok("state", "pull"))["resources"]
    return found


def planned(folder: Folder) -> dict[str, Any]:
    document: dict[str, Any] = folder.run("plan", "-o", "json").json
    return document


def moves(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["from"], row["to"]) for row in document["moves"]]


def ids(folder: Folder) -> dict[str, str]:
    return {address: row["remote_id"] for address, row in recorded(folder).items()}


# moved


def test_a_plan_asks_once_whether_a_resource_has_another_name(folder: Folder) -> None:
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", spec({"b": "0"}))
    said = "note: if job.b is job.a under another name, write `moved: [{from: job.a, to: job.b}]`\n"
    assert folder.ok("plan").count(said) == 1
    folder.write("ftops.yaml", spec({"b": "0", "c": "1"}))
    assert "note:" not in folder.ok("plan"), "which of the two would it be?"


def test_a_protected_resource_may_have_another_name(folder: Folder) -> None:
    folder.write("ftops.yaml", spec({"a": ", lifecycle: {prevent_destroy: true}"}))
    folder.ok("apply", "-y")
    for jobs, is_said in (({"b": "0"}, True), ({}, False)):
        folder.write("ftops.yaml", spec(jobs) if jobs else HEAD)
        done = folder.run("plan")
        assert done.code == 3
        assert ("`moved: [{from: job.a, to: job.b}]`" in " ".join(done.err.split())) == is_said


def test_a_moved_job_keeps_its_object(folder: Folder) -> None:
    folder.ok("apply", "-y")
    before = ids(folder)["job.a"]
    folder.write("ftops.yaml", spec({"b": ""}, "moved: [{from: job.a, to: job.b}]\n"))
    done = folder.run("plan", "--detailed-exitcode")
    assert done.code == 2
    golden("plan-moved", done.out)
    assert planned(folder)["summary"]["create"] == 0
    assert "1 to move" not in folder.ok("apply", "-y").splitlines()[0]
    assert ids(folder)["job.b"] == before
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")


def test_moves_are_shown_beside_changes(folder: Folder) -> None:
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", spec({"b": "", "c": ""}, "moved: [{from: job.a, to: job.b}]\n"))
    assert "Plan: 1 to create, 0 to update, 0 to replace, 0 to delete, 1 to move." in folder.ok("plan")


def test_a_chain_of_moves_leads_to_its_end(folder: Folder) -> None:
    """Whoever stayed away for long has all of it to make up for; the others only the rest."""
    folder.ok("apply", "-y")
    chain = "moved:\n  - {from: job.b, to: job.c}\n  - {from: job.a, to: job.b}\n"
    folder.write("ftops.yaml", spec({"c": ""}, chain))
    assert moves(planned(folder)) == [("job.a", "job.c")]
    folder.ok("state", "mv", "job.a", "job.b")
    assert moves(planned(folder)) == [("job.b", "job.c")]
    folder.ok("apply", "-y")
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")


def test_a_move_that_no_longer_applies_says_nothing(folder: Folder) -> None:
    folder.write("ftops.yaml", spec({"b": ""}, "moved: [{from: job.a, to: job.b}]\n"))
    folder.ok("apply", "-y")
    assert planned(folder)["moves"] == []


def test_a_job_becomes_one_of_a_set_and_back(folder: Folder) -> None:
    folder.ok("apply", "-y")
    before = ids(folder)["job.a"]
    each = ", for_each: [en, fr]"
    folder.write("ftops.yaml", spec({"a": each}, "moved: [{from: job.a, to: 'job.a[\"en\"]'}]\n"))
    assert moves(planned(folder)) == [("job.a", 'job.a["en"]')]
    folder.ok("apply", "-y")
    assert ids(folder)['job.a["en"]'] == before
    folder.write("ftops.yaml", spec({"a": ""}, "moved: [{from: 'job.a[\"en\"]', to: job.a}]\n"))
    folder.ok("apply", "-y")
    assert ids(folder)["job.a"] == before
    assert len(ids(folder)) == 2


def test_a_set_moves_as_a_whole_but_for_one_that_goes_elsewhere(folder: Folder) -> None:
    folder.write("ftops.yaml", spec({"a": ", for_each: [de, en, fr]"}))
    folder.ok("apply", "-y")
    blocks = "moved:\n  - {from: job.a, to: job.b}\n  - {from: 'job.a[\"en\"]', to: job.english}\n"
    folder.write("ftops.yaml", spec({"b": ", for_each: [de, fr]", "english": ""}, blocks))
    document = planned(folder)
    assert moves(document) == [
        ('job.a["de"]', 'job.b["de"]'),
        ('job.a["en"]', "job.english"),
        ('job.a["fr"]', 'job.b["fr"]'),
    ]
    assert document["changes"] == []


def test_keys_of_a_set_are_renamed(folder: Folder) -> None:
    folder.write("ftops.yaml", spec({"a": ", for_each: [fr]"}))
    folder.ok("apply", "-y")
    folder.write(
        "ftops.yaml",
        spec({"a": ", for_each: [fr-FR]"}, "moved: [{from: 'job.a[\"fr\"]', to: 'job.a[\"fr-FR\"]'}]\n"),
    )
    assert planned(folder)["changes"] == []


def test_a_move_onto_what_is_recorded_is_refused_with_its_place(folder: Folder) -> None:
    folder.write("ftops.yaml", spec({"a": "", "b": ""}))
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", spec({"b": ""}, "moved:\n  - {from: job.a, to: job.b}\n"))
    done = folder.run("plan")
    assert done.code == 1
    assert "job.a can't move to job.b: something is recorded there already" in done.err
    assert "ftops.yaml:9:5" in done.err


def test_an_object_moves_and_changes_in_one_plan(folder: Folder) -> None:
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", spec({"b": ", suffix: x"}, "moved: [{from: job.a, to: job.b}]\n"))
    document = planned(folder)
    assert moves(document) == [("job.a", "job.b")]
    assert [(c["step"].split("#")[0], c["action"]) for c in document["changes"]] == [
        ("job.b", "replace"),
        ("job.b", "delete"),
    ]
    folder.ok("apply", "-y")
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")


def test_what_is_moved_can_be_destroyed(folder: Folder) -> None:
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", spec({"b": ""}, "moved: [{from: job.a, to: job.b}]\n"))
    folder.ok("destroy", "-y")
    assert recorded(folder) == {}


def test_a_saved_plan_moves_what_it_says(folder: Folder) -> None:
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", spec({"b": ""}, "moved: [{from: job.a, to: job.b}]\n"))
    folder.ok("plan", "--out", "saved.plan")
    assert "job.a has moved to job.b" in folder.ok("show", "saved.plan")
    folder.ok("apply", "saved.plan")
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")


# removed


def test_removed_and_retained_is_forgotten(folder: Folder) -> None:
    folder.write("ftops.yaml", spec({"a": "", "b": ""}))
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", spec({"a": ""}, "removed: [{from: job.b, retain: true}]\n"))
    out = folder.ok("plan")
    golden("plan-removed", out)
    folder.ok("apply", "-y")
    assert list(recorded(folder)) == ["dataset.train", "job.a"]


def test_removed_without_retain_deletes_and_a_whole_set_goes(folder: Folder) -> None:
    folder.write("ftops.yaml", spec({"a": "", "b": ", for_each: [x, z]"}))
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", spec({"a": ""}, "removed: [{from: job.b}]\n"))
    assert [(c["address"], c["action"], c["reason"]["code"]) for c in planned(folder)["changes"]] == [
        ('job.b["x"]', "delete", "removed"),
        ('job.b["z"]', "delete", "removed"),
    ]
    folder.write("ftops.yaml", spec({"a": ""}, "removed: [{from: 'job.b[\"x\"]', retain: true}]\n"))
    assert [c["action"] for c in planned(folder)["changes"]] == ["forget", "delete"]


def test_removed_of_what_is_gone_says_nothing(folder: Folder) -> None:
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", spec({"a": ""}, "removed: [{from: job.b}]\n"))
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")
