"""Accounts of objects, by the real command against real emulators: what another account or another name of a
provider changes on record, and what is refused because nothing would be found there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.azure_cloud import Cloud, running_cloud
from tests.golden.cli import Done, Folder

RESOURCES = """\
datasets: {train: {path: data/train.jsonl}}
jobs: {copilot: {model: gpt-4o-mini-2024-07-18, training: train}}
deployments: {prod: {model: "${job.copilot.fine_tuned_model}"}}
"""
ADDRESSES = ["dataset.train", "deployment.prod", "job.copilot"]
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def west(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account in which there is nothing."""
    with running_cloud(tmp_path_factory.mktemp("west"), "--account", "west") as cloud:
        yield cloud


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path / "spec")


def east(tmp_path: Path) -> Any:
    """The account with the objects, at another address each time."""
    return running_cloud(tmp_path / "east", "--account", "east")


def declare(folder: Folder, resources: str = RESOURCES, **providers: Cloud | str) -> None:
    """The first provider is the default."""
    lines: list[str] = []
    for name, cloud in providers.items():
        url, key = (cloud, "none") if isinstance(cloud, str) else (cloud.url, cloud.key)
        default = ", default: true" * (not lines)
        lines.append(f"  {name}: {{type: emulator, url: '{url}', api_key: '{key}'{default}}}\n")
    folder.write("ftops.yaml", f"ftops: {{name: scene}}\nproviders:\n{''.join(lines)}{resources}")


def state(folder: Folder) -> dict[str, Any]:
    found: dict[str, Any] = folder.run("state", "pull").json
    return found


def push(folder: Folder, **changes: Any) -> None:
    now = state(folder)
    folder.write("edited.json", json.dumps({**now, **changes, "serial": now["serial"] + 1}))
    folder.ok("state", "push", "edited.json")


def homes(folder: Folder) -> set[tuple[str, str]]:
    """Provider and account of everything on record."""
    now = state(folder)
    records = [r for part in ("resources", "deposed", "pending") for r in now.get(part, {}).values()]
    return {(record["provider"], record["account"]) for record in records}


def account(cloud: Cloud) -> str:
    return "emulator:" + cloud.url.removeprefix("http://")


def refused(folder: Folder, *words: str, code: int = 3) -> Done:
    """What a command refuses with; the record is as it was."""
    before = state(folder)
    done = folder.run(*words)
    assert done.code == code, done
    assert state(folder) == before
    return done


def interrupted(address: str, record: dict[str, Any]) -> dict[str, Any]:
    """A create at the home of a record that was begun and has no result."""
    started = {"operation": "create", "token": "ff", "inputs": {}, "started_at": "2026-01-01T00:00:00Z"}
    kept = {key: record[key] for key in ("provider", "account")}
    return {**kept, **started, "address": address, "dependencies": [], "fingerprint": "", "identities": {}}


def test_an_account_without_the_objects_is_not_recorded(folder: Folder, tmp_path: Path, west: Cloud) -> None:
    with east(tmp_path) as cloud:
        declare(folder, here=cloud)
        folder.ok("apply", "-y")
        declare(folder, here=west)
        for words in (("-y",), ("--dry-run",), ("-y", "-o", "json")):
            done = refused(folder, "state", "replace-provider", "here", "here", *words)
            assert f"none of the 3 objects was found in {account(west)}" in done.out + done.err
        assert all(address in done.out for address in ADDRESSES)
        declare(folder, there=west)
        refused(folder, "state", "replace-provider", "here", "there", "-y")
        assert homes(folder) == {("here", account(cloud))}
        declare(folder, here=cloud)
        assert folder.run("plan", "--detailed-exitcode").code == 0


def test_steps_name_their_provider_where_the_plan_has_several(
    folder: Folder, tmp_path: Path, west: Cloud
) -> None:
    with east(tmp_path) as cloud:
        declare(folder, here=cloud)
        assert "(provider " not in folder.ok("plan")
        two = RESOURCES.replace("deployments: {", "deployments: {base: {model: gpt-4o, provider: there}, ")
        declare(folder, two, here=cloud, there=west)
        assert "dataset.train  will be created  (provider here)" in folder.ok(
            "plan", "--target", "dataset.train"
        )


def test_destroy_says_which_records_it_drops(folder: Folder, tmp_path: Path) -> None:
    with east(tmp_path) as cloud:
        declare(folder, "datasets: {a: {path: data/train.jsonl}, b: {path: data/valid.jsonl}}\n", here=cloud)
        folder.ok("apply", "-y")
        cloud.admin("POST", "reset")
        host = cloud.url.removeprefix("http://")
        said = f"Removed from the state, because not found in {host}: 2 objects.\n"
        assert folder.ok("destroy", "-y").endswith(said)
        assert folder.ok("destroy", "-y") == "No changes. Nothing of scene exists.\n"


def test_a_restored_job_does_not_tell_its_training_again(folder: Folder, tmp_path: Path) -> None:
    with east(tmp_path) as cloud:
        declare(folder, here=cloud)
        assert "Training tokens billed" in folder.ok("apply", "-y")
        other = RESOURCES.replace("training: train}", "training: train, seed: 7}")
        declare(folder, other, here=cloud)
        folder.ok("apply", "-y", "--target", "job.copilot")
        declare(folder, here=cloud)
        told = folder.ok("apply", "-y")
        assert "job.copilot: restored" in told
        assert "Training tokens billed" not in told


def test_a_deployment_of_that_name_which_another_state_made_is_not_ours(
    folder: Folder, tmp_path: Path
) -> None:
    """Both accounts have one id: the name of an emulator's account says nothing of where it is."""
    base = "deployments: {prod: {model: gpt-4o-mini-2024-07-18}}\n"
    other = Folder.make(tmp_path / "other")
    with running_cloud(tmp_path / "mine") as mine, running_cloud(tmp_path / "theirs") as theirs:
        declare(folder, base, here=mine)
        declare(other, base, here=theirs)
        other.edit("{name: scene}", "{name: theirs}")
        folder.ok("apply", "-y")
        other.ok("apply", "-y")
        declare(folder, base, here=theirs)
        refused(folder, "state", "replace-provider", "here", "here", "-y")
        assert other.run("plan", "--detailed-exitcode").code == 0


def test_it_is_recorded_by_force(folder: Folder, tmp_path: Path, west: Cloud) -> None:
    with east(tmp_path) as cloud:
        declare(folder, here=cloud)
        folder.ok("apply", "-y")
    declare(folder, there=NOWHERE)
    told = folder.ok("state", "replace-provider", "here", "there", "--force", "-y")
    assert told.startswith("Moved 3 objects from provider here to there:\n  dataset.train\n")
    assert homes(folder) == {("there", "emulator:127.0.0.1:1")}


def test_an_account_at_another_address_is_the_same_account(folder: Folder, tmp_path: Path) -> None:
    with east(tmp_path) as cloud:
        declare(folder, here=cloud)
        folder.ok("apply", "-y")
        job = state(folder)["resources"]["job.copilot"]
        push(folder, deposed={"job.copilot#0000abcd": {**job, "fingerprint": "another"}})
    with east(tmp_path) as cloud:
        declare(folder, here=cloud)
        assert "no provider of the spec reaches" in refused(folder, "plan").err
        said = f"provider here of 3 objects leads to {account(cloud)}:\n  dataset.train\n"
        again = ("state", "replace-provider", "here", "here")
        assert folder.ok(*again, "--dry-run").startswith(f"Would record: {said}")
        assert folder.ok(*again, "-y").startswith(f"Recorded: {said}")
        assert homes(folder) == {("here", account(cloud))}
        serial = state(folder)["serial"]
        assert folder.ok(*again).startswith(f"No changes: {said}")
        assert state(folder)["serial"] == serial
        push(folder, deposed={})
        assert "No changes." in folder.ok("apply", "-y")
        assert folder.run("plan", "--detailed-exitcode").code == 0
        assert cloud.admin("GET", "objects")["created"]["jobs"] == 1


def test_an_old_object_that_is_missing_is_named(folder: Folder, tmp_path: Path) -> None:
    with east(tmp_path) as cloud:
        declare(folder, here=cloud)
        folder.ok("apply", "-y")
        job = state(folder)["resources"]["job.copilot"]
        push(
            folder, deposed={"job.copilot#0000abcd": {**job, "remote_id": "ftjob-" + 32 * "0", "outputs": {}}}
        )
    with east(tmp_path) as cloud:
        declare(folder, here=cloud)
        done = refused(folder, "state", "replace-provider", "here", "here", "-y")
        assert f"1 of the 4 objects wasn't found in {account(cloud)}" in done.err
        assert "these aren't in it: job.copilot#0000abcd." in done.err


def test_only_objects_say_which_account_it_is(folder: Folder, tmp_path: Path, west: Cloud) -> None:
    with east(tmp_path) as cloud:
        declare(folder, "datasets: {train: {path: data/train.jsonl}}\n", here=cloud)
        folder.ok("apply", "-y")
        record = state(folder)["resources"]["dataset.train"]
        push(folder, resources={}, pending={"dataset.train": interrupted("dataset.train", record)})
        declare(folder, here=west)
        done = refused(folder, "state", "replace-provider", "here", "here", "-y")
        assert f"can't tell whether {account(west)} is the account of dataset.train" in done.err
        folder.ok("state", "replace-provider", "here", "here", "-y", "--force")
        assert homes(folder) == {("here", account(west))}


def test_a_service_that_is_away_is_said(folder: Folder, tmp_path: Path) -> None:
    with east(tmp_path) as cloud:
        declare(folder, here=cloud)
        folder.ok("apply", "-y")
    declare(folder, here=NOWHERE)
    done = refused(folder, "state", "replace-provider", "here", "here", "-y", code=1)
    assert "can't check whether the objects are in emulator:127.0.0.1:1" in done.err
    assert "--force records it without checking" in " ".join(done.err.split())
    declare(folder, there=cloud)
    told = folder.ok("state", "replace-provider", "here", "there", "-y", "-o", "json")
    assert json.loads(told)["account"] == account(cloud)
    assert homes(folder) == {("there", account(cloud))}


def test_a_provider_with_another_name_is_recorded_by_the_next_apply(folder: Folder, tmp_path: Path) -> None:
    more = RESOURCES.replace("jobs: {", "jobs: {other: {model: gpt-4o-mini-2024-07-18, training: train}, ")
    with east(tmp_path) as cloud:
        declare(folder, here=cloud)
        folder.ok("apply", "-y")
        declare(folder, more, there=cloud)
        folder.ok("plan", "--out", "more.plan")
        declare(folder, there=cloud)
        assert folder.run("plan", "--detailed-exitcode").code == 0
        assert "No changes." in folder.ok("apply", "-y")
        assert homes(folder) == {("there", account(cloud))}
        serial = state(folder)["serial"]
        folder.ok("apply", "-y")
        assert state(folder)["serial"] == serial
        declare(folder, more, there=cloud)
        folder.ok("apply", "more.plan")
        assert cloud.admin("GET", "objects")["created"]["jobs"] == 2


def test_one_account_by_two_addresses_is_one(folder: Folder, tmp_path: Path) -> None:
    with east(tmp_path) as cloud:
        declare(folder, here=cloud)
        folder.ok("apply", "-y")
        declare(folder, again=cloud.url.replace("127.0.0.1", "LocalHost") + "/", here=cloud)
        folder.edit("api_key: 'none'", f"api_key: '{cloud.key}'")
        assert "No changes." in folder.ok("apply", "-y")
        assert homes(folder) == {("again", account(cloud))}
        assert folder.run("plan", "--detailed-exitcode").code == 0
