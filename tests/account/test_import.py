"""`ftops import ADDRESS ID` and `import` blocks, with objects that others made by the real SDKs."""

from __future__ import annotations

import json
import shutil
from typing import Any

from tests.account.conftest import Account
from tests.emulator.server import MODEL
from tests.golden.cli import Done, Folder, examples

SPEC = """\
ftops: {name: taken-over}
providers:
%s
datasets:
  train: {path: data/train.jsonl}
jobs:
  copilot:
    model: gpt-4o-mini-2024-07-18
    training: train
    hyperparameters: {n_epochs: 2}
    suffix: copilot
deployments:
  prod:
    model: ${job.copilot.fine_tuned_model}
    sku: {name: Standard, capacity: 1}
"""


def made(account: Account, content: str = "") -> tuple[str, Any]:
    """A file, a job on it and a deployment of its model, as the spec has them."""
    file = account.upload(content or examples(12))
    job = account.train(file, suffix="copilot", hyperparameters={"n_epochs": 2})
    account.deploy("prod", job.fine_tuned_model)
    return file, job


def blocks(file: str, job: str, prod: str = "prod") -> str:
    rows = (("dataset.train", file), ("job.copilot", job), ("deployment.prod", prod))
    return "import:\n" + "".join(f"  - {{to: {to}, id: {id}}}\n" for to, id in rows)


def changes(done: Done) -> dict[str, str]:
    return {change["step"]: change["action"] for change in done.json["changes"]}


def test_import_blocks_take_over_a_whole_account(account: Account, folder: Folder) -> None:
    file, job = made(account)
    folder.write("ftops.yaml", SPEC % account.provider + blocks(file, job.id))
    done = folder.run("plan", "-o", "json")
    assert changes(done) == dict.fromkeys(("dataset.train", "job.copilot", "deployment.prod"), "adopt")
    assert done.json["summary"]["adopt"] == 3
    folder.ok("apply", "-y")
    assert (len(account.files()), len(account.jobs()), account.deployments()) == (1, 1, ["prod"])
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")
    folder.write("ftops.yaml", SPEC % account.provider)
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")
    folder.ok("destroy", "-y")
    assert (account.files(), account.deployments()) == ([], [])


def test_what_differs_is_imported_and_changed(account: Account, folder: Folder) -> None:
    """A deployment of another size is updated, a job of other data replaced, and the plan says why."""
    file, job = made(account, examples(14))
    text = (SPEC % account.provider).replace("capacity: 1", "capacity: 2")
    folder.write("ftops.yaml", text + blocks(file, job.id))
    done = folder.run("plan", "-o", "json")
    found = {c["step"]: (c["action"], c["reason"]["code"]) for c in done.json["changes"]}
    assert found["dataset.train"] == ("replace", "imported")
    assert found["job.copilot"] == ("replace", "imported")
    assert found["deployment.prod"][1] == "imported"
    assert "because it is imported, and differs from the spec: content changed" in folder.ok("plan")
    folder.ok("apply", "-y")
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")


def test_a_size_alone_is_an_update(account: Account, folder: Folder) -> None:
    file, job = made(account)
    text = (SPEC % account.provider).replace("capacity: 1", "capacity: 2")
    folder.write("ftops.yaml", text + blocks(file, job.id))
    assert changes(folder.run("plan", "-o", "json"))["deployment.prod"] == "update"


def test_an_import_of_nothing_and_of_what_is_managed(account: Account, folder: Folder) -> None:
    file, job = made(account)
    folder.write("ftops.yaml", SPEC % account.provider + blocks("file-gone", job.id))
    done = folder.run("plan")
    assert done.code == 1
    assert "there is no dataset file-gone" in done.err
    assert "ftops.yaml:18:5" in done.err
    folder.write("ftops.yaml", SPEC % account.provider + blocks(file, job.id))
    folder.ok("apply", "-y")
    more = "datasets:\n  twin: {path: data/train.jsonl}\nimport:\n  - {to: dataset.twin, id: %s}\n"
    folder.write("more.yaml", more % file)
    done = folder.run("plan")
    assert f"{file} is already managed as dataset.train" in done.err
    assert "moved: [{from: dataset.train, to: dataset.twin}]" in done.err


def test_an_id_that_only_one_environment_has(account: Account, folder: Folder) -> None:
    _, job = made(account)
    more = "variables:\n  job: {type: string}\nenvironments:\n  dev: {}\n  prod: {variables: {job: %s}}\n"
    block = "import:\n  - {to: job.copilot, id: '${var.job}'}\n"
    text = SPEC % account.provider + more.replace("string}", 'string, default: ""}') % job.id + block
    folder.write("ftops.yaml", text)
    assert changes(folder.run("plan", "-o", "json", "--env", "dev"))["job.copilot"] == "create"
    assert changes(folder.run("plan", "-o", "json", "--env", "prod"))["job.copilot"] != "create"


def test_import_by_command(account: Account, folder: Folder) -> None:
    file, job = made(account)
    folder.write("ftops.yaml", SPEC % account.provider)
    assert f"({file})" in folder.ok("import", "dataset.train", file)
    out = folder.ok("import", "job.copilot", job.id)
    assert "It matches the spec: the next plan doesn't change it." in out
    done = folder.run("import", "deployment.prod", "prod", "-o", "json")
    assert done.json["resource"]["outputs"]["model"] == job.fine_tuned_model
    assert done.json["next"] == []
    assert "No changes." in folder.ok("plan", "--detailed-exitcode")
    assert account.jobs()[0].id == job.id


def test_import_by_command_says_what_comes_next(account: Account, folder: Folder) -> None:
    file = account.upload(examples(14))
    folder.write("ftops.yaml", SPEC % account.provider)
    out = folder.ok("import", "dataset.train", file)
    assert "It differs from the spec. The next plan:" in out
    assert "dataset.train  will be replaced" in out


def test_what_import_refuses(account: Account, folder: Folder) -> None:
    file = account.upload(examples(12))
    folder.write("ftops.yaml", SPEC % account.provider)
    folder.ok("import", "dataset.train", file)
    for arguments, says in (
        (("dataset.train", "file-2"), "dataset.train is recorded already"),
        (("job.copilt", "ftjob-1"), "Did you mean `job.copilot`?"),
        (("job.copilot", "ftjob-1"), "there is no job ftjob-1"),
        (("job.copilot", file), f"there is no job {file}"),
    ):
        before = json.loads(folder.ok("state", "pull"))
        done = folder.run("import", *arguments)
        assert (done.code, done.out) == (1, ""), done
        assert says in done.err
        assert json.loads(folder.ok("state", "pull")) == before
    folder.edit("  train: {", "  twin: {path: data/train.jsonl}\n  train: {")
    assert "is already managed as dataset.train" in folder.run("import", "dataset.twin", file).err


def test_odd_casing_and_nulls_are_no_difference(account: Account, folder: Folder) -> None:
    """What the service spells in its own way, and what it leaves to itself, is as asked."""
    account.deploy("base", "gpt-4o-mini", "2024-07-18", sku={"name": "standard", "capacity": 1})
    text = f"ftops: {{name: x}}\nproviders:\n{account.provider}deployments:\n  base: {{model: {MODEL}}}\n"
    folder.write("ftops.yaml", text)
    assert "the next plan doesn't change it" in folder.ok("import", "deployment.base", "base")


def test_a_job_that_another_state_started_is_imported_as_the_same_job(
    account: Account, folder: Folder
) -> None:
    """Its data is another file of the same content: what it is made from stands on it."""
    folder.write("ftops.yaml", SPEC % account.provider)
    folder.ok("apply", "-y")
    job = json.loads(folder.ok("state", "pull"))["resources"]["job.copilot"]["remote_id"]
    folder.write(
        "ftops.yaml",
        (SPEC % account.provider).replace("taken-over", "another").partition("deployments:")[0]
        + f"import:\n  - {{to: job.copilot, id: {job}}}\n",
    )
    for name in ("state", ".ftops"):
        shutil.move(folder.path / name, folder.path / f"{name}.away")
    found = changes(folder.run("plan", "--no-adopt", "-o", "json"))
    assert found == {"dataset.train": "create", "job.copilot": "adopt"}
