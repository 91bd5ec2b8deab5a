"""MLflow and Weights & Biases, from PyPI: what `ftops results --to` logs is read back by their own code."""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
import subprocess
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.clients.install import ROOT, Client, from_pypi
from tests.contract.azure_cloud import BASE_MODEL, Cloud, running_cloud, until
from tests.functional.test_cli_jobs import SWEEP as RUNNING
from tests.functional.test_cli_jobs import advance, ended, jobs, running_jobs, submitted
from tests.functional.test_sweeps import SPEC, with_data
from tests.golden.cli import Folder
from tests.support.walkthrough import blocks, commands

SCRIPTS = ROOT / "tests" / "clients" / "scripts"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EVALUATED = """
evaluations:
  exam:
    model: ${job.alone.fine_tuned_model}
    prompts: valid
    graders: {exact: {type: exact}}
"""
KEY = "0123456789abcdef0123456789abcdef01234567"


def tracker(name: str, title: str) -> Client:
    """The library with what ftops runs on, in an environment of its own."""
    first, *others = PROJECT["optional-dependencies"][name]
    return from_pypi(title, first.partition(">")[0], first, *others, *PROJECT["dependencies"])


@pytest.fixture(scope="module")
def mlflow() -> Client:
    return tracker("mlflow", "MLflow")


@pytest.fixture(scope="module")
def wandb() -> Client:
    return tracker("wandb", "Weights & Biases")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = with_data(Folder.make(tmp_path_factory.mktemp("trackers"), SPEC + EVALUATED))
    folder.ok("apply", "-y")
    return folder


def logged(client: Client, folder: Folder, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`ftops results` in the environment of the library, without credentials of this machine."""
    own = {"PYTHONPATH": str(ROOT), "HOME": str(folder.path), "WANDB_API_KEY": "", "MLFLOW_TRACKING_URI": ""}
    return client.run(
        "python", "-m", "ftops", "results", "-C", str(folder.path), *words, **{**own, **environ}
    )


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stdout + done.stderr
    return {run["address"]: run["outcome"] for run in json.loads(done.stdout)["runs"]}


def results(folder: Folder, address: str) -> list[dict[str, float]]:
    found: list[dict[str, float]] = folder.run("results", address, "-o", "json").json["rows"]
    return found


def in_mlflow(client: Client, uri: str, experiment: str) -> Any:
    return client.json("python", SCRIPTS / "read_mlflow.py", uri, experiment, MLFLOW_ALLOW_FILE_STORE="true")


@pytest.mark.parametrize(
    "form", ["sqlite:///{folder}/runs.db", "file://{folder}/runs"], ids=["database", "files"]
)
def test_mlflow(mlflow: Client, trained: Folder, tmp_path: Path, form: str) -> None:
    uri = form.format(folder=tmp_path)
    words = ("job.sweep", "job.alone", "--to", "mlflow", "--tracking-uri", uri, "-o", "json")
    environ = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_EXPERIMENT_NAME": "tones"}
    assert set(outcomes(logged(mlflow, trained, *words, **environ)).values()) == {"created"}
    first = in_mlflow(mlflow, uri, "tones")
    assert set(outcomes(logged(mlflow, trained, *words, **environ)).values()) == {"unchanged"}
    found = in_mlflow(mlflow, uri, "tones")
    assert found == first
    assert found["count"] == 5  # four jobs, and the sweep
    parent = found["job.sweep"]
    for key, epochs in (("one", "1"), ("two", "2"), ("ten|=", "1")):
        address = f'job.sweep["{key}"]'
        run, rows = found[address], results(trained, address)
        assert run["tags"]["mlflow.parentRunId"] == parent["id"]
        assert (run["status"], run["name"], run["parameters"]["n_epochs"]) == ("FINISHED", address, epochs)
        assert run["parameters"]["base_model"] == "gpt-4.1-nano-2025-04-14"
        assert run["start"] <= run["end"]
        for column in ("train_loss", "full_valid_loss"):
            assert run["metrics"][column] == [[row["step"], row[column]] for row in rows if column in row]
    alone = found["job.alone"]
    recorded = trained.run("state", "show", "job.alone", "-o", "json").json["resource"]
    assert alone["tags"]["ftops.job_id"] == recorded["remote_id"]
    assert alone["tags"]["ftops.model"] == recorded["outputs"]["fine_tuned_model"]
    assert alone["parameters"]["training_data"] == recorded["identities"]["training"]
    assert alone["metrics"]["trained_tokens"] == [[0, recorded["outputs"]["trained_tokens"]]]
    exam = trained.run("state", "show", "evaluation.exam", "-o", "json").json["resource"]["outputs"]
    assert alone["metrics"]["evaluation/exam"] == [[0, exam["score"]]]


@pytest.fixture
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


def test_a_job_in_progress_is_updated_in_mlflow(mlflow: Client, cloud: Cloud, tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "spec", RUNNING.format(url=cloud.url, key=cloud.key, model=BASE_MODEL))
    uri = f"file://{tmp_path}/runs"
    words = ("job.tone", "--to", "mlflow", "--tracking-uri", uri, "--experiment", "tones", "-o", "json")
    submitted(cloud, folder, queue_seconds=600, min_training_seconds=1200, running_jobs_limit=2)
    advance(cloud, 601)
    until(lambda: len(running_jobs(folder)) == 2)
    advance(cloud, 900)
    until(lambda: all(job["step"] for job in jobs(folder)))
    done = logged(mlflow, folder, *words, MLFLOW_ALLOW_FILE_STORE="true")
    assert set(outcomes(done).values()) == {"created"}
    before = in_mlflow(mlflow, uri, "tones")
    address = 'job.tone["2"]'
    assert {before[name]["status"] for name in ("job.tone", address)} == {"RUNNING"}
    steps = [step for step, _ in before[address]["metrics"]["train_loss"]]
    assert steps and "trained_tokens" not in before[address]["metrics"]
    ended(cloud, folder)
    folder.ok("apply", "-y")
    done = logged(mlflow, folder, *words, MLFLOW_ALLOW_FILE_STORE="true")
    assert set(outcomes(done).values()) == {"updated"}
    after = in_mlflow(mlflow, uri, "tones")
    assert after["count"] == before["count"] == 3
    assert (after[address]["id"], after[address]["status"]) == (before[address]["id"], "FINISHED")
    assert after["job.tone"]["status"] == "FINISHED"
    points = after[address]["metrics"]["train_loss"]
    assert [step for step, _ in points] == [row["step"] for row in results(folder, address)]
    assert set(steps) < {step for step, _ in points}


def test_one_of_several_jobs_that_mlflow_refuses(mlflow: Client, trained: Folder, tmp_path: Path) -> None:
    """The error says which ones are logged; they aren't logged again."""
    words = ("--to", "mlflow", "--tracking-uri", f"sqlite:///{tmp_path}/runs.db", "-o", "json")
    assert outcomes(logged(mlflow, trained, "job.alone", *words)) == {"job.alone": "created"}
    with closing(sqlite3.connect(tmp_path / "runs.db")) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON runs WHEN NEW.name LIKE '%one%' "
            "BEGIN SELECT RAISE(ABORT, 'the table is full'); END"
        )
        database.commit()
        done = logged(mlflow, trained, "job.alone", 'job.sweep["one"]', 'job.sweep["two"]', *words)
        assert done.returncode == 1
        (error,) = json.loads(done.stdout)["diagnostics"]
        assert "the table is full" in error["detail"]
        said = 'job.alone is logged; job.sweep["one"] isn\'t complete, and neither is job.sweep["two"].'
        assert error["detail"].endswith(said)
        database.execute("DROP TRIGGER full")
        database.commit()
    assert outcomes(logged(mlflow, trained, "job.alone", "job.sweep", *words))["job.alone"] == "unchanged"


def test_mlflow_that_can_not_be_reached(mlflow: Client, trained: Folder) -> None:
    uri = "http://jo:secret-word@127.0.0.1:9"
    done = logged(
        mlflow,
        trained,
        "job.alone",
        "--to",
        "mlflow",
        MLFLOW_TRACKING_URI=uri,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )
    assert done.returncode == 1
    assert "can't log to MLflow at http://127.0.0.1:9\n  Connection refused." in done.stderr
    assert "secret-word" not in done.stderr + done.stdout


def test_two_at_the_same_time_log_a_job_once_in_mlflow(
    mlflow: Client, trained: Folder, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/runs.db"
    words = ("--to", "mlflow", "--tracking-uri", uri, "--experiment", "tones", "-o", "json")
    outcomes(logged(mlflow, trained, "job.alone", *words))
    with ThreadPoolExecutor() as pool:
        done = [pool.submit(logged, mlflow, trained, "job.sweep", *words) for _ in range(2)]
    assert {address for one in done for address in outcomes(one.result())} > {'job.sweep["one"]'}
    assert in_mlflow(mlflow, uri, "tones")["count"] == 5


def test_files_that_mlflow_does_not_take_any_more(mlflow: Client, trained: Folder, tmp_path: Path) -> None:
    done = logged(mlflow, trained, "job.alone", "--to", "mlflow", "--tracking-uri", f"file://{tmp_path}/runs")
    assert done.returncode == 1
    assert "MLFLOW_ALLOW_FILE_STORE=true" in " ".join(done.stderr.split())


def in_wandb(client: Client, folder: Path) -> Any:
    (file,) = folder.glob("run-*.wandb")
    return client.json("python", SCRIPTS / "read_wandb.py", file)


def test_wandb_without_a_server(wandb: Client, trained: Folder, tmp_path: Path) -> None:
    environ = {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_PROJECT": "tones"}
    words = ("job.sweep", "job.alone", "--to", "wandb", "--entity", "acme", "-o", "json")
    assert set(outcomes(logged(wandb, trained, *words, **environ)).values()) == {"created"}
    folders = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert set(outcomes(logged(wandb, trained, *words, **environ)).values()) == {"unchanged"}
    assert sorted((tmp_path / "wandb").glob("offline-run-*")) == folders
    found = {run["name"]: run for run in (in_wandb(wandb, folder) for folder in folders)}
    assert found.keys() == {"job.alone", *(f'job.sweep["{key}"]' for key in ("one", "two", "ten|="))}
    address = 'job.sweep["two"]'
    run, rows = found[address], results(trained, address)
    recorded = trained.run("state", "show", address, "-o", "json").json["resource"]
    assert (run["id"], run["group"]) == (recorded["remote_id"], "job.sweep")
    assert (run["project"], run["entity"], run["exit_code"]) == ("tones", "acme", 0)
    assert {"ftops", recorded["remote_id"]} <= set(run["tags"])
    assert run["config"]["n_epochs"] == 2
    assert run["config"]["training_data"] == recorded["identities"]["training"]
    assert run["config"]["ftops"]["model"] == recorded["outputs"]["fine_tuned_model"]
    assert run["config"]["ftops"]["digest"] and not any(point["is_done"] for point in run["history"])
    assert run["summary"]["trained_tokens"] == recorded["outputs"]["trained_tokens"]
    for column in ("train_loss", "full_valid_loss"):
        points = [(point["_step"], point[column]) for point in run["history"] if column in point]
        assert points == [(row["step"], row[column]) for row in rows if column in row]
    assert "evaluation/exam" in found["job.alone"]["summary"]
    assert (run["git"], run["environment"]) == ("", []), "nothing of this machine"


def test_a_file_of_the_folder_that_names_the_project(wandb: Client, trained: Folder, tmp_path: Path) -> None:
    """The output says so, unless an option or a variable names it."""
    trained.write("wandb/settings", "[default]\nentity = acme\nproject = tones\nmode = offline\n")
    words, environ = ("job.alone", "--to", "wandb"), {"WANDB_DIR": str(tmp_path)}
    said = [logged(wandb, trained, *words, **environ)]
    environ |= {"WANDB_MODE": "offline", "WANDB_ENTITY": "others"}
    said.append(logged(wandb, trained, *words, "--project", "tests", **environ))
    shutil.rmtree(trained.path / "wandb")
    where = f"({tmp_path / 'wandb'})"
    assert [done.stdout.partition("\n")[0] for done in said] == [
        f"Weights & Biases, acme/tones {where}, by wandb/settings",
        f"Weights & Biases, others/tests {where}",
    ], said


def test_wandb_without_a_key_and_without_a_host(wandb: Client, trained: Folder, tmp_path: Path) -> None:
    words, environ = ("job.alone", "--to", "wandb"), {"WANDB_DIR": str(tmp_path)}
    done = logged(wandb, trained, *words, **environ)
    assert (done.returncode, "not signed in to Weights & Biases" in done.stderr) == (1, True), done
    environ |= {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_INIT_TIMEOUT": "3"}
    done = logged(wandb, trained, *words, **environ)
    assert (done.returncode, "can't log to Weights & Biases" in done.stderr) == (1, True), done
    assert KEY not in done.stderr + done.stdout
    done = logged(wandb, trained, *words, **environ, WANDB_MODE="disabled")
    assert (done.returncode, "WANDB_MODE is disabled" in done.stderr) == (1, True), done


def test_the_commands_of_the_page(mlflow: Client, wandb: Client, trained: Folder, tmp_path: Path) -> None:
    """docs/tracking.md, without installing anything."""
    text = (ROOT / "docs" / "tracking.md").read_text("utf-8")
    typed = [command.text for block in blocks(text) for command in commands(block)]
    for line in typed:
        name, *words = shlex.split(line)
        if name == "uv":
            assert words[-1].endswith("[mlflow]")
            continue
        assert (name, words.pop(0)) == ("ftops", "results")
        client = {"mlflow": mlflow, "wandb": wandb}[words[words.index("--to") + 1]]
        done = logged(client, trained, *words, WANDB_MODE="offline", WANDB_DIR=str(tmp_path))
        assert done.returncode == 0, (line, done.stdout + done.stderr)
    assert len(typed) == 3
    assert (trained.path / "runs.db").is_file()
