"""What an account holds already is adopted, not paid for again: jobs by fingerprint, files by digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.account.conftest import Account
from tests.emulator.origin import origin_of
from tests.emulator.server import MODEL
from tests.golden.cli import Folder, examples

SPEC = """\
ftops: {name: %s}
providers:
%sdatasets:
  train: {path: data/train.jsonl}
jobs:
  copilot:
    model: gpt-4o-mini-2024-07-18
    training: train
    hyperparameters: %s
"""
TWO = "{n_epochs: 2}"


def project(account: Account, path: Path, name: str = "first", hyperparameters: str = TWO) -> Folder:
    """A checkout of its own, with a state of its own."""
    folder = Folder(path / name)
    folder.write("data/train.jsonl", examples(12))
    folder.write("ftops.yaml", SPEC % (name, account.provider, hyperparameters))
    return folder


def actions(folder: Folder, *arguments: str) -> dict[str, str]:
    done = folder.run("plan", "-o", "json", *arguments)
    assert done.code in (0, 2), done
    return {change["step"].split("#")[0]: change["action"] for change in done.json["changes"]}


def recorded(folder: Folder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.ok("state", "pull"))["resources"]
    return found


@pytest.fixture
def first(account: Account, tmp_path: Path) -> Folder:
    folder = project(account, tmp_path)
    folder.ok("apply", "-y")
    return folder


ADOPTED = {"dataset.train": "adopt", "job.copilot": "adopt"}
CREATED = {"dataset.train": "create", "job.copilot": "create"}


def test_another_checkout_adopts(account: Account, first: Folder, tmp_path: Path) -> None:
    second = project(account, tmp_path, "second")
    out = second.ok("plan")
    assert "= job.copilot" in out
    assert (
        "because the same job was trained already: it isn't paid for again; it belongs to another state"
        in out
    )
    assert actions(second) == ADOPTED
    second.ok("apply", "-y")
    assert (len(account.jobs()), len(account.files())) == (1, 1)
    assert recorded(second)["job.copilot"]["remote_id"] == recorded(first)["job.copilot"]["remote_id"]
    assert recorded(second)["job.copilot"]["outputs"]["checkpoint"]
    for folder in (first, second):
        assert "No changes." in folder.ok("plan", "--detailed-exitcode")


def test_a_saved_plan_adopts_what_it_says(account: Account, first: Folder, tmp_path: Path) -> None:
    second = project(account, tmp_path, "second")
    second.ok("plan", "--out", "saved.plan")
    second.ok("apply", "saved.plan")
    assert len(account.jobs()) == 1
    assert recorded(second)["job.copilot"]["shared"] is True


def test_a_lost_state_costs_no_training(account: Account, first: Folder) -> None:
    for file in (first.path / "state").rglob("*.json"):
        file.unlink()
    first.ok("apply", "-y")
    assert len(account.jobs()) == 1


def test_no_adopt_makes_anew(account: Account, first: Folder, tmp_path: Path) -> None:
    second = project(account, tmp_path, "second")
    assert actions(second, "--no-adopt") == CREATED
    assert actions(second, "--offline") == CREATED
    assert actions(second, "--no-refresh") == CREATED
    second.ok("apply", "-y", "--no-adopt")
    assert len(account.jobs()) == 2


def test_a_running_job_is_adopted_and_waited_for(account: Account, tmp_path: Path) -> None:
    account.emulator.settings(queue_seconds=3600)
    first, second = project(account, tmp_path), project(account, tmp_path, "second")
    assert first.run("apply", "-y", "--no-wait").code == 4
    out = second.ok("plan")
    assert "because the same job runs already: it isn't paid for again" in out
    assert second.run("apply", "-y", "--no-wait").code == 4
    account.emulator.advance(7200)
    second.ok("apply", "-y")
    first.ok("apply", "-y")
    assert len(account.jobs()) == 1
    assert recorded(second)["job.copilot"]["status"] == "ready"


def test_a_file_that_another_state_trains_on_is_not_deleted(account: Account, tmp_path: Path) -> None:
    first, second = project(account, tmp_path), project(account, tmp_path, "second", "{n_epochs: 3}")
    first.ok("apply", "-y")
    account.emulator.settings(queue_seconds=3600)
    assert second.run("apply", "-y", "--no-wait").code == 4
    assert len(account.files()) == 1
    done = first.run("destroy", "-y")
    assert done.code == 1
    assert "is training on it" in done.out + done.err
    assert len(account.files()) == 1


def test_who_adopted_never_deletes(account: Account, first: Folder, tmp_path: Path) -> None:
    second = project(account, tmp_path, "second")
    second.ok("apply", "-y")
    assert set(actions(second, "--destroy").values()) == {"forget"}
    second.ok("destroy", "-y")
    assert recorded(second) == {}
    assert "No changes." in first.ok("plan", "--detailed-exitcode")
    first.ok("destroy", "-y")
    assert account.files() == []


def test_who_adopts_and_changes_its_mind_leaves_the_old_one(
    account: Account, first: Folder, tmp_path: Path
) -> None:
    second = project(account, tmp_path, "second")
    second.ok("apply", "-y")
    second.edit(TWO, "{n_epochs: 3}")
    second.ok("apply", "-y")
    assert "No changes." in first.ok("plan", "--detailed-exitcode")
    assert len(account.jobs()) == 2


def test_what_was_forgotten_here_is_taken_back_whole(account: Account, first: Folder) -> None:
    first.ok("state", "rm", "job.copilot", "dataset.train")
    first.ok("apply", "-y")
    assert len(account.jobs()) == 1
    assert set(actions(first, "--destroy").values()) == {"delete"}


def test_going_back_costs_nothing(account: Account, first: Folder) -> None:
    """The job before the last change was kept: undoing the change adopts it, and lets the newer one go."""
    first.edit(
        f"    hyperparameters: {TWO}", f"    hyperparameters: {TWO}\n    lifecycle: {{on_destroy: retain}}"
    )
    first.ok("apply", "-y")
    before = recorded(first)["job.copilot"]["remote_id"]
    first.edit(TWO, "{n_epochs: 3}")
    first.ok("apply", "-y")
    first.edit("{n_epochs: 3}", TWO)
    out = first.ok("plan")
    assert "= job.copilot" in out
    first.ok("apply", "-y")
    assert recorded(first)["job.copilot"]["remote_id"] == before
    assert len(account.jobs()) == 2
    assert "No changes." in first.ok("plan", "--detailed-exitcode")


@pytest.mark.parametrize(
    "change", ["{n_epochs: 3}", "{n_epochs: 2, batch_size: 4}", "{n_epochs: 2}\n    seed: 5"]
)
@pytest.mark.parametrize("notes", ["stored", "dropped"])
def test_another_job_is_not_adopted(account: Account, tmp_path: Path, change: str, notes: str) -> None:
    account.emulator.settings(metadata=notes)
    project(account, tmp_path).ok("apply", "-y")
    assert actions(project(account, tmp_path, "second", change))["job.copilot"] == "create"


@pytest.mark.parametrize(
    "same", [TWO, "{n_epochs: 2, batch_size: 4, learning_rate_multiplier: 1}\n    seed: 5\n    suffix: x"]
)
def test_without_metadata_the_rest_tells(account: Account, tmp_path: Path, same: str) -> None:
    """Dated versions may keep no metadata: then it is the seed, or settings that leave no other choice."""
    account.emulator.settings(metadata="dropped")
    project(account, tmp_path, "first", same).ok("apply", "-y")
    second = project(account, tmp_path, "second", same)
    assert actions(second) == ADOPTED
    second.ok("apply", "-y")
    assert "No changes." in second.ok("plan", "--detailed-exitcode")


@pytest.mark.parametrize(("seed", "shared"), [("", False), ("\n    seed: 5", True)], ids=["chosen", "set"])
def test_without_metadata_the_seed_tells_whose_a_job_is(
    account: Account, tmp_path: Path, seed: str, shared: bool
) -> None:
    account.emulator.settings(metadata="dropped")
    every = f"{{n_epochs: 2, batch_size: 4, learning_rate_multiplier: 1}}{seed}"
    first, second = project(account, tmp_path, "first", every), project(account, tmp_path, "second", every)
    first.ok("apply", "-y")
    second.ok("apply", "-y")
    assert recorded(second)["job.copilot"]["shared"] is True
    first.ok("state", "rm", "job.copilot")
    first.ok("apply", "-y")
    assert recorded(first)["job.copilot"].get("shared", False) is shared
    assert len(account.jobs()) == 1


def test_without_metadata_what_the_service_chose_is_no_proof(account: Account, tmp_path: Path) -> None:
    account.emulator.settings(metadata="dropped")
    settings = "{n_epochs: 2}\n    seed: 5"
    project(account, tmp_path, "first", settings).ok("apply", "-y")
    assert actions(project(account, tmp_path, "second", settings))["job.copilot"] == "create"


def test_a_job_that_anybody_made_is_adopted_where_it_is_the_same(account: Account, tmp_path: Path) -> None:
    """It takes a file that ftops knows, and every setting."""
    settings = "{n_epochs: 2, batch_size: 4, learning_rate_multiplier: 1}\n    seed: 5"
    first = project(account, tmp_path, "first", settings)
    first.ok("apply", "-y", "--target", "dataset.train")
    hyperparameters = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 1}
    file = recorded(first)["dataset.train"]["remote_id"]
    job = account.train(file, seed=5, hyperparameters=hyperparameters)
    assert actions(first) == {"job.copilot": "adopt"}
    first.ok("apply", "-y")
    assert recorded(first)["job.copilot"]["remote_id"] == job.id


def test_data_that_the_service_fetches_are_not_taken_for_one_another(
    account: Account, tmp_path: Path
) -> None:
    """As long as it isn't known what is in them, no job is the same."""
    with origin_of({f"/{n}.jsonl": examples(12, n).encode() for n in ("a", "b")}) as origin:
        for name in ("a", "b"):
            folder = project(account, tmp_path, name)
            folder.edit("{path: data/train.jsonl}", f'{{url: "{origin.url}/{name}.jsonl"}}')
            assert actions(folder)["job.copilot"] == "create"
            folder.ok("apply", "-y")
            assert "No changes." in folder.ok("plan", "--detailed-exitcode")
    assert len(account.jobs()) == 2


def test_failed_jobs_and_models_that_are_gone_are_not_adopted(account: Account, tmp_path: Path) -> None:
    first = project(account, tmp_path)
    first.ok("apply", "-y")
    with account.emulator.v1() as client:
        client.models.delete(recorded(first)["job.copilot"]["outputs"]["fine_tuned_model"])
    second = project(account, tmp_path, "second")
    assert actions(second) == {"dataset.train": "adopt", "job.copilot": "create"}


def test_two_that_are_alike_need_two(account: Account, first: Folder, tmp_path: Path) -> None:
    second = project(account, tmp_path, "second")
    second.edit("jobs:\n", f"jobs:\n  twin: {{model: {MODEL}, training: train, hyperparameters: {TWO}}}\n")
    assert sorted(actions(second).values()) == ["adopt", "adopt", "create"]


def test_protection_is_not_got_round(account: Account, first: Folder, tmp_path: Path) -> None:
    """A replacement that would adopt is still the end of the old object."""
    project(account, tmp_path, "second", "{n_epochs: 3}").ok("apply", "-y")
    first.edit(
        f"    hyperparameters: {TWO}",
        "    hyperparameters: {n_epochs: 3}\n    lifecycle: {prevent_destroy: true}",
    )
    first.edit("{n_epochs: 3}", TWO)
    first.ok("apply", "-y")
    first.edit(TWO, "{n_epochs: 3}")
    assert first.run("plan").code == 3


def test_a_plan_that_makes_nothing_lists_nothing(account: Account, first: Folder) -> None:
    account.emulator.fault(match="GET /openai*/fine_tuning/jobs", status=500, times=100)
    account.emulator.fault(match="GET /openai*/files", status=500, times=100)
    assert "No changes." in first.ok("plan", "--detailed-exitcode")


def test_an_account_that_lists_nothing_is_a_warning(account: Account, first: Folder, tmp_path: Path) -> None:
    account.emulator.fault(match="GET /openai*/fine_tuning/jobs", status=403, times=100)
    second = project(account, tmp_path, "second")
    document = second.run("plan", "-o", "json").json
    assert "can't look for existing files and jobs to adopt: " in document["warnings"][0]
    assert document["summary"]["create"] == 2
