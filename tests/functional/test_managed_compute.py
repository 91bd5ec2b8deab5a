"""Managed compute and adapters from plan to destroy, in a strict emulator.

One account serves all tests: the same job is trained once, and taken over by the later specs."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ftops.core.confined_files import ALLOW
from tests.emulator.server import Emulator
from tests.golden.cli import Folder, examples
from tests.support.command import ROOT, run

NOTHING_TAKES_TIME = (
    "--file-processing-seconds=0", "--queue-seconds=0", "--min-training-seconds=0", "--evaluation-seconds=0",
    "--managed-seconds=0.1", "--adapter-seconds=0.1", "--deletion-seconds=0.05", "--not-found-seconds=0",
    "--stale-route-seconds=0",
)  # fmt: skip
API = "api-version=2026-09-15-preview"
TEMPLATE = "azureml://registries/azureml-openai-oss/deploymenttemplates/gpt-oss-120b-short-context/versions/1"
SPEC = """\
ftops: {name: managed}
providers:
  here: {type: emulator, data: %s}
datasets: {train: {path: train.jsonl}}
jobs:
  drone:
    model: gpt-oss-120b
    training: train
    training_type: global_standard
    hyperparameters: {n_epochs: 1}
deployments:
  base:
    model: gpt-oss-120b
    sku: {name: GlobalManagedCompute}
  drone:
    model: ${job.drone.fine_tuned_model}
    target: deployment.base
"""
OTHER = "  other: {model: gpt-oss-120b, sku: {name: global_managed_compute}}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path_factory.mktemp("account"), "--port", "0", "--strict", *NOTHING_TAKES_TIME)
    yield emulator
    emulator.stop()


@pytest.fixture
def cloud(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Its deployments are deleted after the test, and its settings restored."""
    monkeypatch.setenv(ALLOW, str(server.folder))
    before = server.admin("GET", "settings")
    yield server
    server.settings(**before)
    server.admin("DELETE", "faults")
    objects = server.admin("GET", "objects")
    for kind in ("adapters", "managed", "deployments"):
        for item in objects[kind]:
            server.admin("DELETE", f"objects/{kind}/{item['name']}")


@pytest.fixture
def folder(cloud: Emulator, tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("train.jsonl", examples(12))
    folder.write("ftops.yaml", SPEC % json.dumps(str(cloud.folder)))
    return folder


def planned(folder: Folder) -> dict[str, str]:
    """Step → action."""
    changes = json.loads(folder.ok("plan", "-o", "json"))["changes"]
    return {change["step"]: change["action"] for change in changes}


def applied(folder: Folder) -> None:
    folder.ok("apply", "-y")
    assert folder.ok("plan").startswith("No changes.")


def adapter(cloud: Emulator, name: str = "drone") -> dict[str, Any]:
    found = cloud.call("GET", f"{cloud.arm}/adapterDeployments/{name}?{API}")[2]
    properties: dict[str, Any] = found["properties"]
    return properties


def deployed(cloud: Emulator) -> tuple[set[str], set[str]]:
    """The names of managed deployments and adapters."""
    objects = cloud.admin("GET", "objects")
    managed, adapters = ({item["name"] for item in objects[kind]} for kind in ("managed", "adapters"))
    return managed, adapters


def answer(cloud: Emulator, name: str) -> str:
    """Which model answers for a name."""
    with cloud.v1() as client:
        asked: Any = [{"role": "user", "content": "turn 1"}]
        return client.chat.completions.create(model=name, messages=asked).model


def test_the_whole_path(cloud: Emulator, folder: Folder) -> None:
    applied(folder)
    assert answer(cloud, "drone").startswith("gpt-oss-120b.ft-")
    assert answer(cloud, "base") == "gpt-oss-120b"

    folder.write("more.yaml", f"deployments:\n{OTHER}")
    folder.edit("target: deployment.base", "target: other")
    assert planned(folder) == {"deployment.other": "create", "deployment.drone": "update"}
    applied(folder)
    assert adapter(cloud)["activeTargetDeploymentName"] == "other"

    folder.edit("  base:\n    model: gpt-oss-120b\n    sku: {name: GlobalManagedCompute}\n", "")
    assert planned(folder) == {"deployment.base": "delete"}
    applied(folder)
    folder.ok("destroy", "-y")
    assert deployed(cloud) == (set(), set())


def test_a_managed_deployment_has_no_tuned_model_to_go_back_to(folder: Folder) -> None:
    """Else, each apply would fail until it is released."""
    refused = folder.run("rollback", "deployment.base", "-y")
    assert refused.code == 1
    assert "deployment.base can't go back to a fine-tuned model" in refused.words
    assert "on managed compute it serves a base model" in refused.words.lower()


def test_an_adapter_that_nobody_has_registered(cloud: Emulator, folder: Folder) -> None:
    cloud.settings(adapter_registration="nobody", default_template="plain")
    folder.edit(
        "sku: {name: GlobalManagedCompute}",
        f'sku: {{name: GlobalManagedCompute}}\n    deployment_template: "{TEMPLATE}"',
    )
    failed = folder.run("apply", "-y")
    assert failed.code == 1
    assert "no version of a project model has the adapter of gpt-oss-120b.ft-" in failed.err
    assert "`source_model: azureai://accounts/" in failed.err
    job = json.loads(folder.ok("state", "show", "job.drone", "-o", "json"))["resource"]["remote_id"]
    body = {"blobUri": "https://storage.invalid/x", "weightType": "LoRA", "source": {"jobId": job}}
    for version in ("9", "10"):
        path = f"/api/projects/project/models/own-{job[-8:]}/versions/{version}/createAsync?api-version=v1"
        assert cloud.call("POST", path, body)[0] == 202
    applied(folder)
    assert adapter(cloud)["sourceModelId"].endswith(f"/models/own-{job[-8:]}/versions/10")
    folder.edit("target:", f'source_model: "{adapter(cloud)["sourceModelId"]}"\n    target:')
    assert planned(folder) == {"deployment.drone": "update"}, "it is what the adapter has already"
    applied(folder)
    folder.edit("/versions/10", "/versions/9")
    assert planned(folder)["deployment.drone"] == "replace"
    applied(folder)
    folder.ok("destroy", "-y")


def test_what_is_changed_in_place_and_what_is_replaced(cloud: Emulator, folder: Folder) -> None:
    applied(folder)
    folder.edit("{name: GlobalManagedCompute}", "{name: GlobalManagedCompute, capacity: 2}")
    assert planned(folder) == {"deployment.base": "update"}
    applied(folder)

    folder.edit("  base:\n", "  base:\n    accelerator_type: h100_80gb\n")
    assert planned(folder) == {"deployment.base": "update"}, "the service has chosen that"
    applied(folder)
    folder.edit("h100_80gb", "A100_80GB")
    assert planned(folder) == {
        "deployment.drone#old": "delete",
        "deployment.base#old": "delete",
        "deployment.base": "replace",
        "deployment.drone": "replace",
    }
    assert list(planned(folder)).index("deployment.drone#old") == 0
    applied(folder)
    assert answer(cloud, "drone").startswith("gpt-oss-120b.ft-")
    folder.ok("destroy", "-y")
    assert deployed(cloud) == (set(), set())


def test_a_base_of_two_colours_gets_its_adapters_without_a_pause(cloud: Emulator, folder: Folder) -> None:
    folder.edit("  base:\n", "  base:\n    replace: blue_green\n    accelerator_type: H100_80GB\n")
    applied(folder)
    folder.edit("H100_80GB", "A100_80GB")
    steps = planned(folder)
    assert steps["deployment.base"] == "replace" and steps["deployment.drone"] == "update"
    applied(folder)
    (managed,), adapters = deployed(cloud)
    assert adapters == {"drone"} and adapter(cloud)["activeTargetDeploymentName"] == managed
    folder.ok("destroy", "-y")


def test_another_model_is_another_adapter(cloud: Emulator, folder: Folder) -> None:
    applied(folder)
    before = adapter(cloud)["sourceModelId"]
    folder.edit("n_epochs: 1", "n_epochs: 2")
    steps = planned(folder)
    assert steps["deployment.drone"] == "replace" and "deployment.base" not in steps
    applied(folder)
    assert adapter(cloud)["sourceModelId"] != before
    folder.ok("destroy", "-y")


def test_what_others_change_is_seen_and_put_right(cloud: Emulator, folder: Folder) -> None:
    folder.write("more.yaml", f"deployments:\n{OTHER}")
    applied(folder)
    moved = {"sourceModelId": adapter(cloud)["sourceModelId"], "targetDeploymentName": "other"}
    path = f"{cloud.arm}/adapterDeployments/drone?{API}"
    assert cloud.call("PUT", path, {"properties": moved})[0] == 200
    assert planned(folder) == {"deployment.drone": "update"}
    applied(folder)
    assert adapter(cloud)["targetDeploymentName"] == "base"
    for kind, name in (("adapters", "drone"), ("managed", "base")):
        cloud.admin("DELETE", f"objects/{kind}/{name}")
    assert planned(folder) == {"deployment.base": "create", "deployment.drone": "create"}
    applied(folder)
    folder.ok("destroy", "-y")


def test_import_blocks_and_a_target_of_somebody_else(cloud: Emulator, folder: Folder) -> None:
    applied(folder)
    folder.ok("state", "rm", "deployment.drone", "deployment.base")
    folder.write(
        "more.yaml", "import:\n- {to: deployment.base, id: base}\n- {to: deployment.drone, id: drone}\n"
    )
    assert planned(folder) == {"deployment.base": "adopt", "deployment.drone": "adopt"}
    applied(folder)
    folder.write("more.yaml", "")
    applied(folder)

    folder.ok("state", "rm", "deployment.base")
    folder.edit("  base:\n    model: gpt-oss-120b\n    sku: {name: GlobalManagedCompute}\n", "")
    folder.edit("deployment.base", f"{cloud.arm}/managedComputeDeployments/base")
    applied(folder)
    folder.edit("/base", "/bass")
    refused = folder.run("plan")
    assert refused.code == 3 and "its target bass doesn't exist" in refused.err
    assert "base" in refused.err.partition("hint:")[2]
    folder.edit("/bass", "/base")
    folder.ok("destroy", "-y")
    assert deployed(cloud) == ({"base"}, set())


def test_a_whole_account_is_discovered(cloud: Emulator, folder: Folder) -> None:
    applied(folder)
    found = Folder(folder.path / "found")
    at = ["--type", "emulator", "--data", str(cloud.folder), "-o", "json"]
    done = folder.run("import", "--discover", "--out", "found", *at)
    assert done.code == 0, done
    assert done.json["differing"] == []
    text = (found.path / "ftops.yaml").read_text("utf-8")
    assert "target: base" in text and "GlobalManagedCompute" in text
    folder.ok("destroy", "-y")


@pytest.mark.parametrize(
    ("old", "new", "summary"),
    [
        ("target: deployment.base", "sku: {capacity: 1}", "served on managed compute only"),
        ("sku: {name: GlobalManagedCompute}", "sku: {name: GlobalStandard}", "isn't on managed compute"),
        ("model: gpt-oss-120b\n    sku", "model: Qwen3.8-27B\n    sku", "the asset of Qwen3.8-27B"),
        (
            "model: gpt-oss-120b\n    sku",
            'model: "azureml://registries/hub/models/qwen--qwen3.8-27b/versions/1"\n    sku',
            "its target deployment.base serves Qwen3.8-27B",
        ),
        ("{name: GlobalManagedCompute}", "{name: GlobalManagedCompute, capacity: 5}", "not enough quota"),
        ("target: deployment.base", "target: deployment.bass", "there is no deployment `bass`"),
        ("target: deployment.base", "target: base\n    tags: {a: b}", "this deployment has no `tags`"),
        ("target: deployment.base", "target: /base", "isn't the ARM ID"),
        ("    model: ${job.drone.fine_tuned_model}", "    model: gpt-oss-120b", "isn't a fine-tuned model"),
        (
            "    model: gpt-oss-120b\n    sku",
            "    model: ${job.drone.fine_tuned_model}\n    sku",
            "by itself",
        ),
    ],
)
def test_what_would_fail_is_said_before(folder: Folder, old: str, new: str, summary: str) -> None:
    folder.edit(old, new)
    done = folder.run("plan")
    assert done.code in (1, 3) and summary in " ".join(done.err.split()), done


def test_the_price_is_that_of_the_gpus(folder: Folder) -> None:
    assert "cost: unknown: 4 × H100_80GB, and the catalogue has no price of one" in folder.ok("plan")
    folder.write("ftops.catalog.yaml", "managed_compute: {per_accelerator_hour: {H100_80GB: 2.5}}\n")
    folder.edit("{name: GlobalManagedCompute}", "{name: GlobalManagedCompute, capacity: 3}")
    assert "cost: $30.00 an hour, about $21,900 a month (12 × H100_80GB)" in folder.ok("plan")


def test_an_evaluation_asks_an_adapter(cloud: Emulator, folder: Folder) -> None:
    folder.write(
        "more.yaml",
        "evaluations:\n  check:\n    model: ${job.drone.fine_tuned_model}\n    prompts: train\n"
        "    baseline: none\n    depends_on: [deployment.drone]\n",
    )
    applied(folder)
    recorded = json.loads(folder.ok("state", "show", "evaluation.check", "-o", "json"))["resource"]
    assert recorded["outputs"]["prompts"] == 12
    assert cloud.admin("GET", "objects")["deployments"] == []
    folder.ok("destroy", "-y")


@pytest.mark.parametrize("path", ["managedComputeDeployments", "adapterDeployments"])
def test_a_lost_reply_makes_nothing_twice(cloud: Emulator, folder: Folder, path: str) -> None:
    cloud.fault(match=f"PUT */{path}/*", effect="drop_after")
    applied(folder)
    assert deployed(cloud) == ({"base"}, {"drone"})
    folder.ok("destroy", "-y")


@pytest.mark.parametrize(
    ("number", "mode", "made"),
    [
        ("3", "before", ({"base"}, set())),  # the managed deployment is made, and not recorded
        ("4", "torn", ({"base"}, set())),  # the intent to make the adapter is cut off
        ("5", "before", ({"base"}, {"drone"})),  # the adapter is made, and not recorded
    ],
)
def test_a_kill_at_a_journal_append(
    cloud: Emulator, folder: Folder, number: str, mode: str, made: tuple[set[str], set[str]]
) -> None:
    """What an interrupted run has made is found by its name and age: it carries no token."""
    cloud.settings(managed_seconds=0.0, adapter_seconds=0.0)
    folder.ok("apply", "-y", "--target", "job.drone")
    command = [sys.executable, "-m", "tests.support.kill_at", number, mode, "--", "apply", "-y"]
    killed = run([*command, str(folder.path)], ROOT, {ALLOW: str(cloud.folder)})
    assert killed.returncode == -signal.SIGKILL and deployed(cloud) == made
    before = cloud.admin("GET", "objects")["created"]
    applied(folder)
    after = cloud.admin("GET", "objects")["created"]
    assert deployed(cloud) == ({"base"}, {"drone"})
    assert after["managed"] + after["adapters"] - before["managed"] - before["adapters"] == 2 - len(
        made[0] | made[1]
    )
    folder.ok("destroy", "-y")
