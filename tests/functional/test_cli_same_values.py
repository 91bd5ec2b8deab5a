"""Values that are the same, ignored or only recorded: what plans, drift and apply make of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.azure_cloud import SETTLED, Cloud, running_cloud
from tests.golden.cli import Folder, golden

MEMORY = "ftops: {name: drone}\nproviders: {m: {type: memory}}\n"
JOB = """\
datasets: {train: {path: data/train.jsonl}}
jobs:
  jb:
    model: gpt-4o-mini-2024-07-18
    training: train
    hyperparameters: {n_epochs: 1, learning_rate_multiplier: 1}
deployments: {chat: {model: "${job.jb.fine_tuned_model}"}}
"""
CHAT = "deployments:\n  chat: {model: gpt-4o-mini-2024-07-18}\n  other: {model: gpt-4o-mini-2024-07-18}\n"
PROTECTED = ("chat: {", "chat: {lifecycle: {prevent_destroy: true}, ")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("same")) as cloud:
        yield cloud


@pytest.fixture
def cloud(running: Cloud) -> Cloud:
    running.admin("POST", "reset")
    running.admin("PATCH", "settings", SETTLED)
    return running


def served(path: Path, cloud: Cloud, deployment: str) -> Folder:
    """A deployment at a running service, applied."""
    provider = {"type": "emulator", "url": cloud.url, "api_key": cloud.key}
    folder = Folder.make(
        path, f"providers: {json.dumps({'m': provider})}\ndeployments:\n  chat: {deployment}\n"
    )
    folder.ok("apply", "-y")
    return folder


def codes(folder: Folder) -> tuple[int, int]:
    """Whether there are changes, and whether there is drift: 2 each."""
    return folder.run("plan", "--detailed-exitcode").code, folder.run("drift").code


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("training: train", "training: train\n    integrations: []"),
        ("multiplier: 1}", "multiplier: 1.0}"),
        ("multiplier: 1}", "multiplier: 1, batch_size: auto}"),
        ("gpt-4o", "GPT-4o"),
        ("chat: {", "chat: {name: CHAT, "),
        ("chat: {", "chat: {tags: {}, "),
    ],
)
def test_another_spelling_is_no_change_alone_and_no_reason_in_company(
    tmp_path: Path, old: str, new: str
) -> None:
    folder = Folder.make(tmp_path, MEMORY + JOB)
    folder.ok("apply", "-y")
    folder.edit(old, new)
    assert folder.run("plan", "--detailed-exitcode").code == 0
    folder.edit("n_epochs: 1", "n_epochs: 2")
    changes = folder.run("plan", "-o", "json").json["changes"]
    (job,) = (c for c in changes if c["step"] == "job.jb")
    assert [a["path"] for a in job["attributes"]] == ["hyperparameters.n_epochs"]


def test_text_is_compared_as_text(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, MEMORY + CHAT.replace("chat: {", "chat: {tags: {version: 1.10}, "))
    folder.ok("apply", "-y")
    folder.edit("1.10", "1.1")
    assert '~ tags.version: "1.10" → "1.1"' in folder.ok("plan")


def test_a_new_protection_is_planned_shown_and_recorded(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, MEMORY + CHAT)
    folder.ok("apply", "-y")
    folder.edit(*PROTECTED)
    planned = folder.run("plan", "--detailed-exitcode", "--out", "plan.json")
    assert planned.code == 2
    golden("plan-settings", planned.out)
    line = "~ deployment.chat  lifecycle.prevent_destroy: false → true"
    assert line in folder.ok("show", "plan.json")
    assert line.replace("~", "!  ") in folder.ok("show", "plan.json", "-o", "markdown")
    (setting,) = folder.run("plan", "-o", "json").json["settings"]
    assert setting == {
        "address": "deployment.chat",
        "path": "lifecycle.prevent_destroy",
        "before": False,
        "after": True,
    }
    folder.ok("apply", "-y", "plan.json")
    assert folder.run("plan", "--detailed-exitcode").code == 0
    folder.write("ftops.yaml", MEMORY + CHAT.replace("  chat: {model: gpt-4o-mini-2024-07-18}\n", ""))
    assert folder.run("plan").code == 3, "it is no longer in the spec, and it is protected"


def test_a_saved_plan_is_stale_once_a_setting_is_another(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, MEMORY + CHAT)
    folder.ok("apply", "-y")
    folder.edit(*PROTECTED)
    folder.ok("plan", "--out", "plan.json")
    folder.edit("prevent_destroy: true", "prevent_destroy: true, on_destroy: retain")
    assert "stale" in folder.run("apply", "-y", "plan.json").err
    assert folder.run("plan", "--detailed-exitcode").code == 2


def test_what_is_ignored_is_kept_by_a_replacement(tmp_path: Path, cloud: Cloud) -> None:
    ignoring = "lifecycle: {ignore_changes: [sku.capacity, tags]}"
    sku = "sku: {name: Standard, capacity: 3}"
    folder = served(
        tmp_path, cloud, f"{{model: gpt-4o-mini-2024-07-18, {sku}, tags: {{owner: bot}}, {ignoring}}}"
    )
    folder.edit("Standard, capacity: 3", "GlobalStandard, capacity: 90")
    folder.edit("owner: bot", "owner: spec")
    folder.ok("apply", "-y")
    body = cloud.control("GET", path="/deployments/chat").json()
    assert body["sku"] == {"name": "GlobalStandard", "capacity": 3}
    assert body["tags"]["owner"] == "bot"
    assert codes(folder) == (0, 0)


def test_what_is_ignored_is_no_drift(tmp_path: Path, cloud: Cloud) -> None:
    folder = served(
        tmp_path,
        cloud,
        "{model: gpt-4o-mini-2024-07-18, sku: {capacity: 3}, lifecycle: {ignore_changes: [sku.capacity]}}",
    )
    cloud.control("PATCH", {"sku": {"name": "Standard", "capacity": 40}}, "/deployments/chat")
    assert codes(folder) == (0, 0)
    folder.write("ftops.yaml", "ftops: {drift: {changed: fail}}\n" + (tmp_path / "ftops.yaml").read_text())
    assert codes(folder) == (0, 0)


def test_tags_that_were_emptied_are_put_back(tmp_path: Path, cloud: Cloud) -> None:
    folder = served(tmp_path, cloud, "{model: gpt-4o-mini-2024-07-18, tags: {owner: bot}}")
    cloud.control("PATCH", {"tags": {}}, "/deployments/chat")
    assert codes(folder) == (2, 2)
    folder.ok("apply", "-y")
    assert codes(folder) == (0, 0)


def upgrade(cloud: Cloud) -> None:
    body = cloud.control("GET", path="/deployments/chat").json()
    body["properties"]["model"]["version"] = "2024-11-20"
    asked = {"sku": body["sku"], "tags": body["tags"], "properties": body["properties"]}
    assert cloud.control("PUT", asked, "/deployments/chat").status_code == 200


@pytest.mark.parametrize("model", ["gpt-4o-2024-08-06", "gpt-4o, version: 2024-08-06"])
def test_the_services_own_upgrade_is_expected_and_stays(tmp_path: Path, cloud: Cloud, model: str) -> None:
    option = "version_upgrade_option: OnceNewDefaultVersionAvailable"
    folder = served(tmp_path, cloud, f"{{model: {model}, {option}, tags: {{a: b}}}}")
    upgrade(cloud)
    assert codes(folder) == (0, 0)
    assert "was upgraded by the service" in folder.ok("drift", "--all")
    folder.edit("OnceNewDefaultVersionAvailable", "OnceCurrentVersionExpired")
    folder.edit("a: b", "a: c")
    folder.ok("apply", "-y")
    live = cloud.control("GET", path="/deployments/chat").json()["properties"]
    assert live["model"]["version"] == "2024-11-20"
    assert live["versionUpgradeOption"] == "OnceCurrentVersionExpired"
    assert codes(folder) == (0, 0)


def test_an_upgrade_that_the_spec_forbids_is_drift(tmp_path: Path, cloud: Cloud) -> None:
    folder = served(tmp_path, cloud, "{model: gpt-4o-2024-08-06, version_upgrade_option: NoAutoUpgrade}")
    upgrade(cloud)
    assert codes(folder) == (2, 2)
