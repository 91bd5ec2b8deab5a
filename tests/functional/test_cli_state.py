"""`ftops state mv|rm|replace-provider|pull|push`: what they record, and what they refuse."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftops.core.snippets import command, import_block
from tests.golden.cli import Folder

SPEC = """\
ftops: {name: drone}
providers:
  m: {type: memory, default: true}
  other: {type: memory}
datasets:
  train: {path: data/train.jsonl}
jobs:
  base: {model: gpt-4o-mini-2024-07-18, training: train}
  a:
    for_each: [fr, de]
    model: ${job.base.fine_tuned_model}
    training: train
deployments:
  d: {model: '${job.a["fr"].fine_tuned_model}', sku: {name: Standard, capacity: 1}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder.make(tmp_path, SPEC)
    folder.ok("apply", "-y")
    return folder


def recorded(folder: Folder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.ok("state", "pull"))
    return found


def refusal(folder: Folder, *argv: str) -> str:
    """What a command refuses with; nothing of the state has changed."""
    before = recorded(folder)
    done = folder.run(*argv)
    assert (done.code, done.out) == (1, "")
    assert recorded(folder) == before
    return done.err


def addresses(folder: Folder) -> list[str]:
    return folder.ok("state", "list").splitlines()


# mv


def test_a_moved_job_is_the_same_job(folder: Folder) -> None:
    before = recorded(folder)["resources"]
    assert folder.ok("state", "mv", "job.base", "job.root") == "Moved job.base to job.root\n"
    folder.edit("  base: {", "  root: {")
    folder.edit("job.base.", "job.root.")
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")
    after = recorded(folder)["resources"]
    assert after["job.root"]["remote_id"] == before["job.base"]["remote_id"]
    assert after['job.a["fr"]']["dependencies"] == ["dataset.train", "job.root"]


def test_a_whole_set_moves_with_its_keys(folder: Folder) -> None:
    moved = folder.run("state", "mv", "job.a", "job.b", "-o", "json").json
    assert moved["moved"] == [
        {"from": 'job.a["de"]', "to": 'job.b["de"]'},
        {"from": 'job.a["fr"]', "to": 'job.b["fr"]'},
    ]
    assert recorded(folder)["resources"]["deployment.d"]["dependencies"] == ['job.b["fr"]']
    folder.edit("  a:\n", "  b:\n")
    folder.edit("job.a[", "job.b[")
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")


def test_one_of_a_set_moves_to_another_key_and_out_of_the_set(folder: Folder) -> None:
    folder.ok("state", "mv", 'job.a["fr"]', 'job.a["fr-FR"]')
    folder.ok("state", "mv", 'job.a["de"]', "job.german")
    assert [a for a in addresses(folder) if a.startswith("job")] == [
        'job.a["fr-FR"]',
        "job.base",
        "job.german",
    ]


def test_mv_dry_run_changes_nothing(folder: Folder) -> None:
    before = recorded(folder)
    assert folder.ok("state", "mv", "job.base", "job.x", "--dry-run") == "Would move job.base to job.x\n"
    assert recorded(folder) == before


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        ("job.base", 'job.a["fr"]', 'job.a["fr"] is recorded already'),
        ("job.base", "job.base", "has that address already"),
        ("job.base", "deployment.base", "a job can't become a deployment"),
        ("job.bse", "job.b", "Did you mean `job.base`?"),
        ('job.a["en"]', "job.b", "'job.a[\"de\"]', 'job.a[\"fr\"]'"),
        ("job.a", 'job.b["x"]', "a set of 2 objects"),
        ("job.a[fr]", "job.b", "The shell removed the quotes"),
    ],
)
def test_what_can_not_be_moved(folder: Folder, source: str, target: str, says: str) -> None:
    assert says in refusal(folder, "state", "mv", source, target)


def test_old_and_interrupted_objects_move_along(folder: Folder) -> None:
    state = recorded(folder)
    old = {**state["resources"]["job.base"], "remote_id": "ftjob-old"}
    pending = {**old, "operation": "create", "token": "t", "inputs": {}}
    state["deposed"]["job.base#0123abcd"] = old
    state["pending"]["job.base"] = pending
    state["serial"] += 1
    folder.write("edited.json", json.dumps(state))
    folder.ok("state", "push", "edited.json")
    folder.ok("state", "mv", "job.base", "job.root")
    after = recorded(folder)
    assert list(after["deposed"]) == ["job.root#0123abcd"]
    assert after["deposed"]["job.root#0123abcd"]["address"] == "job.root"
    assert after["pending"]["job.root"]["address"] == "job.root"


def test_an_interrupted_object_can_be_left_out_and_targeted(folder: Folder) -> None:
    state = recorded(folder)
    state["pending"]["job.lost"] = {
        **state["resources"]["job.base"],
        "address": "job.lost",
        "operation": "create",
        "token": "t",
        "inputs": {},
    }
    state["serial"] += 1
    folder.write("edited.json", json.dumps(state))
    folder.ok("state", "push", "edited.json")
    assert "there is no resource job.losst" in refusal(folder, "plan", "--exclude", "job.losst")
    folder.ok("apply", "-y", "--exclude", "job.lost")
    assert "pending" not in recorded(folder) or not recorded(folder)["pending"]


# rm


def test_what_is_removed_is_made_anew_where_it_is_declared(folder: Folder) -> None:
    assert folder.ok("state", "rm", "job.a", "deployment.d") == (
        'Forgot deployment.d\nForgot job.a["de"]\nForgot job.a["fr"]\n'
    )
    assert addresses(folder) == ["dataset.train", "job.base"]
    assert "Plan: 3 to create" in folder.ok("plan")


def test_rm_takes_a_spec_after_the_addresses(folder: Folder, tmp_path: Path) -> None:
    assert folder.ok("state", "rm", "job.base", str(tmp_path), "--dry-run") == "Would forget job.base\n"
    assert folder.ok("state", "rm", "job.base", "ftops.yaml", "-o", "json", "--dry-run") != ""
    assert "there is no nowhere" in refusal(folder, "state", "rm", "job.base", "nowhere")


def test_rm_needs_an_address_that_is_recorded(folder: Folder) -> None:
    assert "missing argument `ADDRESS`" in refusal(folder, "state", "rm")
    assert "job.x is not recorded" in refusal(folder, "state", "rm", "job.base", "job.x")


# replace-provider


def test_replace_provider(folder: Folder) -> None:
    folder.edit("  m: {type: memory, default: true}\n  other: {type: memory}", "  other: {type: memory}")
    out = folder.ok("state", "replace-provider", "m", "other", "-y")
    assert out.startswith("Moved 5 objects from provider m to other:\n  dataset.train\n")
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")


def test_replace_provider_asks_first(folder: Folder) -> None:
    assert "there is no terminal to ask" in refusal(folder, "state", "replace-provider", "m", "other")
    assert folder.ok("state", "replace-provider", "m", "other", "--dry-run").startswith("Would move 5")
    assert "is not declared" in refusal(folder, "state", "replace-provider", "m", "prod", "-y")
    assert "Known here: `m`." in refusal(folder, "state", "replace-provider", "n", "other", "-y")


# pull, push


def edited(folder: Folder, **changes: Any) -> str:
    state = {**recorded(folder), **changes}
    folder.write("edited.json", json.dumps(state))
    return "edited.json"


def test_what_was_pulled_can_be_pushed(folder: Folder) -> None:
    folder.write("pulled.json", folder.ok("state", "pull"))
    before = recorded(folder)
    assert folder.ok("state", "push", "pulled.json").startswith("No changes:")
    folder.ok("state", "rm", "job.a")
    assert "older than the recorded one" in refusal(folder, "state", "push", "pulled.json")
    assert folder.ok("state", "push", "pulled.json", "--force").startswith("Recorded the state of 5")
    after = recorded(folder)
    assert after["resources"] == before["resources"]
    assert after["serial"] > before["serial"]
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")


def test_push_reads_standard_input(folder: Folder) -> None:
    done = folder.run("state", "push", "-", "-o", "json", stdin=folder.ok("state", "pull"))
    assert (done.code, done.json["changed"]) == (0, False)


def test_push_refuses_what_belongs_elsewhere(folder: Folder) -> None:
    serial = recorded(folder)["serial"]
    for changes, says in (
        ({"lineage": "another", "serial": serial + 1}, "the state to push is a different one"),
        ({"environment": "prod"}, "belongs to another spec or environment"),
        ({"spec": "plane"}, "belongs to plane in"),
        ({"outputs": {"x": 1}}, "has the same serial"),
        ({"version": 99}, "version 99"),
        ({"resources": {"job.a": {}}}, "is damaged"),
    ):
        assert says in refusal(folder, "state", "push", edited(folder, **changes))
    assert "not valid JSON" in refusal(folder, "state", "push", "ftops.yaml")
    assert "can't read nothing.json" in refusal(folder, "state", "push", "nothing.json")


def test_a_state_of_another_lineage_is_pushed_by_force(folder: Folder) -> None:
    name = edited(folder, lineage="another", serial=1)
    assert folder.ok("state", "push", name, "--force", "--dry-run").startswith("Would record")
    folder.ok("state", "push", name, "--force")
    assert recorded(folder)["lineage"] == "another"
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")


def test_addresses_in_hints_are_quoted_for_a_shell(tmp_path: Path) -> None:
    sets = "ftops: {name: sets}\nproviders: {m: {type: memory}}\ndeployments:\n"
    sets += "  m: {for_each: [a, b], model: gpt-4o, name: '${each.key}'}\n"
    folder = Folder.make(tmp_path, sets)
    folder.ok("apply", "-y")
    taken = folder.run("state", "mv", 'deployment.m["a"]', 'deployment.m["b"]').err
    assert """`ftops state mv 'deployment.m["b"]' deployment.NAME`""" in taken
    assert """`ftops state rm 'deployment.m["b"]'`""" in taken
    assert "would leave its object at the service, unmanaged" in " ".join(taken.split())
    recorded = folder.run("import", 'deployment.m["b"]', "x").err
    assert """`ftops state show 'deployment.m["b"]'`""" in recorded


def test_what_hints_give_to_paste() -> None:
    words = ["ftops", "state", "rm", """job.a["it's"]"""]
    assert shlex.split(command(*words).strip("`")) == words
    block = yaml.safe_load(import_block('job.a["b"]', "0613").strip("`"))
    assert block == {"import": [{"to": 'job.a["b"]', "id": "0613"}]}
