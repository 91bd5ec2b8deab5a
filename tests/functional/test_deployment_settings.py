"""Inputs of deployments that the service got in 2026, and the metadata of jobs: set, changed, removed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cli import AZURE, Folder, examples

SPEC = """\
ftops: {name: settings}
providers: {local: {type: emulator}}
deployments:
  big: {model: gpt-4o-mini-2024-07-18}
  other: {model: gpt-4o-mini-2024-07-18}
  small: {model: gpt-4o-mini-2024-07-18%s}
"""
DEPLOYED = AZURE + "%s\ndeployments:\n  small: {model: gpt-4o-mini-2024-07-18, %s}\n"
PLANE = "    control_plane: {api_version: %s}"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def applied(folder: Folder, inputs: str) -> dict[str, Any]:
    """The changes of `deployment.small`, before → after. Once they are applied, nothing is left to do."""
    folder.write("ftops.yaml", SPEC % inputs)
    plan = json.loads(folder.ok("plan", "-o", "json"))
    folder.ok("apply", "-y")
    assert folder.ok("plan").startswith("No changes.")
    found = [c for c in plan["changes"] if c["address"] == "deployment.small"]
    return {a["path"]: (a["before"], a["after"]) for c in found for a in c.get("attributes", ())} | {
        "action": found[0]["action"] if found else None
    }


def test_each_is_set_changed_and_removed_in_place(folder: Folder) -> None:
    applied(folder, "")
    first = ', spillover: "${deployment.big.name}", service_tier: priority, deployment_state: paused'
    assert applied(folder, first) == {
        "action": "update",
        "spillover": (None, "big"),
        "service_tier": ("Default", "Priority"),
        "deployment_state": ("Running", "Paused"),
    }
    assert applied(folder, ", spillover: other, deployment_state: Paused") == {
        "action": "update",
        "spillover": ("big", "other"),
        "service_tier": ("Priority", "Default"),
    }
    gone = applied(folder, "")
    assert gone == {
        "action": "update",
        "spillover": ("other", None),
        "deployment_state": ("Paused", "Running"),
    }
    assert applied(folder, ", service_tier: Default, deployment_state: Running") == {"action": None}


def test_what_answers_instead_is_created_first(folder: Folder) -> None:
    folder.write("ftops.yaml", SPEC % ', spillover: "${deployment.big.name}"')
    plan = json.loads(folder.ok("plan", "-o", "json"))
    assert [c["address"] for c in plan["changes"]] == [
        "deployment.big",
        "deployment.other",
        "deployment.small",
    ]


@pytest.mark.parametrize(
    ("plane", "inputs", "key"),
    [
        ("", "service_tier: Priority", "service_tier"),
        ("", "deployment_state: Paused", "deployment_state"),
        (PLANE % "2026-03-01", "service_tier: Priority", "service_tier"),
    ],
)
def test_an_api_version_that_does_not_know_it(folder: Folder, plane: str, inputs: str, key: str) -> None:
    folder.write("ftops.yaml", DEPLOYED % (plane, inputs))
    done = folder.run("validate")
    assert done.code == 1 and f"`{key}` needs a newer API version" in done.err
    assert "control_plane: {api_version: 2026-09-15-preview}" in done.err


@pytest.mark.parametrize(
    ("plane", "inputs"),
    [
        (PLANE % "2026-09-15-preview", "service_tier: Priority, deployment_state: Paused"),
        (PLANE % "2026-03-01", "deployment_state: Paused"),
        ("", "spillover: other"),
    ],
)
def test_an_api_version_that_knows_it(folder: Folder, plane: str, inputs: str) -> None:
    folder.write("ftops.yaml", DEPLOYED % (plane, inputs))
    folder.ok("validate")


def test_metadata_of_a_job_trains_nothing_again(folder: Folder) -> None:
    spec = """\
ftops: {name: meta}
providers: {local: {type: emulator}}
datasets: {train: {path: train.jsonl}}
jobs: {a: {model: gpt-4o-mini-2024-07-18, training: train%s}}
"""
    folder.write("train.jsonl", examples(12))
    folder.write("ftops.yaml", spec % ", metadata: {ticket: A-1}")
    folder.ok("apply", "-y")
    assert "metadata" not in folder.ok("plan")
    for metadata, said in (
        ("{ticket: A-2}", 'job.a: metadata.ticket stays "A-1", although the spec has "A-2"'),
        ("{ticket: A-1, by: me}", 'job.a: metadata.by isn\'t added, although the spec has "me"'),
        ("{}", 'job.a: metadata.ticket stays "A-1", although the spec no longer has it'),
    ):
        folder.write("ftops.yaml", spec % f", metadata: {metadata}")
        plan = folder.run("plan", "-o", "json").json
        assert (plan["changes"], plan["warnings"]) == (
            [],
            [f"{said}: it is only sent when a job is created"],
        )
    folder.edit("metadata: {}", "seed: 2, metadata: {ticket: A-2}")
    assert not folder.run("plan", "-o", "json").json["warnings"]
    folder.edit("seed: 2", "lifecycle: {ignore_changes: [metadata]}")
    assert not folder.run("plan", "-o", "json").json["warnings"]
