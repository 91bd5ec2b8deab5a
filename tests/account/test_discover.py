"""`ftops import --discover`: an account that others have filled becomes a spec, data and a state."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftops.cli.commands.import_ import emulator_settings
from ftops.session.account_import import name_for
from tests.account.conftest import Account
from tests.golden.cli import Done, Folder, examples


@pytest.fixture
def discover(account: Account, tmp_path: Path) -> Callable[..., Done]:
    def run(*arguments: str) -> Done:
        where = ("--type", "emulator", "--data", str(account.emulator.folder))
        return Folder(tmp_path).run("import", "--discover", "--out", "taken", *where, *arguments)

    return run


def taken(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "taken")


def test_an_account_becomes_a_project(
    account: Account, discover: Callable[..., Done], tmp_path: Path
) -> None:
    """Made by plain SDK calls, taken over, planned without a change, and destroyed."""
    train, valid = (
        account.upload(examples(12), "Train (v2).jsonl"),
        account.upload(examples(10), "valid.jsonl"),
    )
    first = account.train(
        train, validation_file=valid, suffix="copilot", seed=5, hyperparameters={"n_epochs": 2}
    )
    second = account.train(train, model=first.fine_tuned_model)
    account.deploy("Prod_1", first.fine_tuned_model, tags={"team": "acme ${x}"})
    account.deploy("base", "gpt-4o-mini", "2024-07-18", sku={"name": "standard", "capacity": 2})
    done = discover("-o", "json")
    assert done.code == 0, done
    assert done.json["left_out"] == []
    assert done.json["differing"] == []
    rows = {row["address"]: row["remote_id"] for row in done.json["resources"]}
    assert rows["dataset.train-v2"] == train
    assert rows["dataset.valid"] == valid
    assert rows["job.copilot"] == first.id
    assert rows["job.gpt-4o-mini"] == second.id
    assert {"deployment.prod-1", "deployment.base"} < set(rows)
    folder = taken(tmp_path)
    text = (folder.path / "ftops.yaml").read_text()
    assert "model: ${job.copilot.fine_tuned_model}" in text
    assert "training: train-v2" in text
    assert "name: Prod_1" in text
    assert "n_epochs: 2" in text
    assert (folder.path / "data" / "train-v2.jsonl").read_text() == examples(12)
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")
    assert folder.ok("fmt", "--check") == ""
    folder.ok("destroy", "-y")
    assert (account.files(), account.deployments()) == ([], [])


def test_what_can_not_be_declared_is_left_out_and_said(
    account: Account, discover: Callable[..., Done], tmp_path: Path
) -> None:
    train, gone, small = (account.upload(examples(n), f"{n}.jsonl") for n in (12, 13, 2))
    kept = account.train(train)
    orphan = account.train(gone, suffix="orphan")
    account.deploy("orphaned", orphan.fine_tuned_model)
    with account.emulator.data() as client:
        client.files.delete(gone)
        account.emulator.settings(queue_seconds=99)
        cancelled = account.start(train, suffix="cancelled")
        client.fine_tuning.jobs.cancel(cancelled)
        account.emulator.settings(queue_seconds=0)
    deleted = account.train(train, suffix="deleted")
    with account.emulator.v1() as client:
        client.models.delete(deleted.fine_tuned_model)
    done = discover("-o", "json")
    assert done.code == 0, done
    reasons = {row["remote_id"]: row["reason"] for row in done.json["left_out"]}
    assert reasons[small].startswith("its content doesn't pass the checks:")
    assert reasons[orphan.id] == f"its data ({gone}) can't be had any more"
    assert reasons[deleted.id] == "its model was deleted"
    assert "cancelled" in reasons[cancelled]
    assert kept.id not in reasons
    folder = taken(tmp_path)
    assert f"model: {orphan.fine_tuned_model}" in (folder.path / "ftops.yaml").read_text()
    assert not (folder.path / "data" / "x-2.jsonl").exists()
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")


def test_content_that_can_not_be_had(account: Account, discover: Callable[..., Done], tmp_path: Path) -> None:
    train = account.upload(examples(12))
    account.train(train)
    account.deploy("base", "gpt-4o-mini", "2024-07-18")
    account.emulator.fault(match="GET /openai*/files/*/content", status=403, times=10)
    done = discover("-o", "json")
    reasons = {row["remote_id"]: row["reason"] for row in done.json["left_out"]}
    assert reasons[train] == "the service doesn't hand out its content"
    assert [row["address"] for row in done.json["resources"]] == ["deployment.base"]
    assert "No changes." in taken(tmp_path).ok("plan", "--detailed-exitcode")


def test_a_running_job_is_taken_over_as_it_is(
    account: Account, discover: Callable[..., Done], tmp_path: Path
) -> None:
    train = account.upload(examples(12))
    account.emulator.settings(queue_seconds=3600)
    job = account.start(train, seed=3)
    assert "job.gpt-4o-mini" in discover().out
    folder = taken(tmp_path)
    assert "= job.gpt-4o-mini" in folder.ok("plan")
    account.emulator.advance(7200)
    folder.ok("apply", "-y")
    state = json.loads(folder.ok("state", "pull"))
    assert state["resources"]["job.gpt-4o-mini"]["remote_id"] == job
    assert len(account.jobs()) == 1


def test_nothing_is_overwritten_and_nothing_is_left_behind(
    account: Account, discover: Callable[..., Done], tmp_path: Path
) -> None:
    done = discover()
    assert done.code == 1
    assert "the account holds nothing that a spec could declare" in done.err
    assert not (tmp_path / "taken").exists()
    account.upload(examples(12))
    taken(tmp_path).write("other.yaml", "x")
    done = discover()
    assert "other.yaml exists already" in done.err
    assert not (tmp_path / "taken" / "ftops.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--discover",), "Set --endpoint"),
        (("--discover", "job.a", "ftjob-1"), "--discover doesn't take an address"),
        ((), "missing argument `ADDRESS ID`"),
        (("job.a",), "missing argument `ADDRESS ID`"),
    ],
)
def test_what_import_needs(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    done = Folder(tmp_path).run("import", *arguments)
    assert done.code == 1
    assert says in done.err


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Train (v2)", "train-v2"),
        ("2024 data", "x-2024-data"),
        ("", "x"),
        ("Ünïcode_name.x", "n-code-name-x"),
        ("a" * 80, "a" * 63),
    ],
)
def test_names(text: str, name: str) -> None:
    assert name_for(text, ()) == name


def test_names_are_unique() -> None:
    taken: list[Any] = []
    for _ in range(12):
        taken.append(name_for("a" * 80, taken))
    assert len(set(taken)) == 12
    assert all(len(name) <= 63 for name in taken)


ELSEWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize("kind", ["azure_openai", "openai", "emulator"])
def test_the_endpoint_that_is_named_is_the_one_that_is_asked(
    account: Account, tmp_path: Path, kind: str
) -> None:
    """Whatever the environment says, and of every type."""
    train = account.upload(examples(12))
    endpoint = account.emulator.url + ("/openai/v1/" if kind == "openai" else "")
    key = account.emulator.key
    done = Folder(tmp_path).process(
        "import", "--discover", "--out", "taken", "--type", kind, "--endpoint", endpoint, "-o", "json",
        environ={
            "AZURE_OPENAI_ENDPOINT": ELSEWHERE, "OPENAI_BASE_URL": ELSEWHERE,
            "AZURE_OPENAI_API_KEY": key, "OPENAI_API_KEY": key, "FTOPS_EMULATOR_KEY": key,
        },
    )  # fmt: skip
    assert done.code == 0, done
    assert [row["remote_id"] for row in done.json["resources"]] == [train]
    text = (tmp_path / "taken" / "ftops.yaml").read_text()
    assert endpoint in text and ELSEWHERE not in text and key not in text


def test_a_relative_folder_of_an_emulator_starts_at_the_current_folder(
    account: Account, tmp_path: Path
) -> None:
    train = account.upload(examples(12))
    named = os.path.relpath(account.emulator.folder, tmp_path)
    options = ("import", "--discover", "--out", "taken", "--type", "emulator", "--data")
    done = Folder(tmp_path).run(*options, named, "-o", "json")
    assert done.code == 0, done
    assert [row["remote_id"] for row in done.json["resources"]] == [train]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_an_emulator_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    options = ("import", "--discover", "--out", "taken", "--type", "emulator", "--data")
    done = Folder(tmp_path).run(*options, name)
    assert done.code == 1 and f"nothing is in {name}" in done.err, done
    assert not (tmp_path / "taken").exists() and not list((tmp_path / "empty").iterdir())


def test_a_folder_in_the_new_project_is_relative_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "taken" / "emulator"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text("{}")
    account = {"data": str(folder), "endpoint": None, "spec": tmp_path / "taken" / "ftops.yaml"}
    assert emulator_settings(account) == {"local": {"type": "emulator", "data": "emulator"}}
