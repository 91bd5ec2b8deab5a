"""Costs, budgets and data differences in a plan, as people and programs see them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from ftops import catalog
from ftops.config.data_files import with_data
from ftops.config.loader import load
from ftops.core.address import Address, Value
from ftops.planning.cost.estimator import estimate
from ftops.planning.plan import Action, Change, Reason
from ftops.state.state import ResourceState, State, Status
from tests.golden.cli import Folder, examples, golden

SPEC = """\
ftops: {name: costs}
datasets:
  train: {path: data/train.jsonl}
jobs:
  copilot: {model: gpt-4.1-2025-04-14, training: train, hyperparameters: {n_epochs: 2}}
  second: {model: "${job.copilot.fine_tuned_model}", training: train}
deployments:
  copilot: {model: "${job.copilot.fine_tuned_model}", sku: {name: Standard, capacity: 1}}
"""
CATALOG = "models: {gpt-4.1-2025-04-14: {prices: {training_per_million: {standard: 1000}}}}\n"
_DIGEST = re.compile(r"sha256:[0-9a-f]{8,64}|f(?:ile|tjob)-[0-9a-f]+|\.ft-[0-9a-f]+")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder.make(tmp_path, SPEC)
    made.write("ftops.catalog.yaml", CATALOG)
    return made


def test_the_first_plan_says_what_it_costs(folder: Folder) -> None:
    golden("plan-costs", folder.ok("plan", "--offline"))
    estimate = folder.run("plan", "--offline", "-o", "json").json["estimate"]
    first, second = estimate["training"]
    assert first["dollars"] == pytest.approx(first["tokens"] * 2 * 1000 / 1e6)
    assert (second["epochs"], second["epochs_estimated"]) == (100 // 12, True)
    assert estimate["training_total"] == pytest.approx(first["dollars"] + second["dollars"])
    assert estimate["training_total_is_complete"]
    assert estimate["hosting_per_hour"] == 1.7


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        (
            "training_per_million: , training_per_hour: 100",
            "training 2 jobs at $100.00 an hour; hosting $1.70 an hour, about $1,241 a month.",
        ),
        (
            "training_per_million: ",
            "training at an unknown cost (2 jobs); hosting $1.70 an hour, about $1,241 a month.",
        ),
    ],
)
def test_the_total_names_jobs_whose_cost_is_not_known(folder: Folder, prices: str, said: str) -> None:
    folder.write("ftops.catalog.yaml", CATALOG.replace("training_per_million: {standard: 1000}", prices))
    assert f"The emulator is free; the service would charge: {said}\n" in folder.ok("plan", "--offline")


def test_what_is_ignored_costs_what_it_was(folder: Folder) -> None:
    folder.edit('  second: {model: "${job.copilot.fine_tuned_model}", training: train}\n', "")
    first = folder.run("plan", "--offline", "-o", "json").json["estimate"]["training"]
    folder.ok("apply", "-y", "--offline")
    folder.edit(
        "{n_epochs: 2}}",
        "{n_epochs: 40}, seed: 7, lifecycle: {ignore_changes: [hyperparameters.n_epochs]}}",
    )
    folder.edit("{name: costs}", "{name: costs, budget: {training: 1.5}}")
    planned = folder.run("plan", "--offline", "-o", "json")
    assert planned.code == 0, planned
    assert planned.json["estimate"]["training"] == first
    assert [c["after"]["hyperparameters"] for c in planned.json["changes"][:1]] == [{"n_epochs": 2}]


def test_a_saved_plan_keeps_what_it_costs(folder: Folder) -> None:
    folder.ok("plan", "--offline", "--out", "plan.ft")
    shown, planned = folder.ok("show", "plan.ft"), folder.ok("plan", "--offline")
    costs = [line for line in planned.splitlines() if "cost: " in line or "charge: " in line]
    assert len(costs) == 4
    assert [line for line in shown.splitlines() if "cost: " in line or "charge: " in line] == costs


@pytest.mark.parametrize(
    ("settings", "arguments", "code"),
    [
        ("budget: {training: 100}", (), 0),
        ("budget: {training: 0.5}", (), 3),
        ("budget: {hosting_per_hour: 1}", (), 3),
        ("budget: {training: 100}", ("--env", "small"), 3),
        ("budget: {training: 0.5, hosting_per_hour: 9}", ("--env", "large"), 0),
        ("budget: {training: 0.5}", ("--target", "dataset.train"), 0),
    ],
)
def test_budgets_block(folder: Folder, settings: str, arguments: tuple[str, ...], code: int) -> None:
    folder.edit("{name: costs}", f"{{name: costs, {settings}}}")
    folder.edit(
        "datasets:",
        "environments:\n  small: {budget: {training: 0.5}}\n  large: {budget: {training: 500}}\ndatasets:",
    )
    for _ in range(2):  # the second time the spec is not read but remembered
        done = folder.run("plan", "--offline", *arguments)
        assert done.code == code, done
        assert ("more than the budget of $" in done.err) == (code == 3)
    assert not code or folder.run("apply", "-y", "--offline", *arguments).code == code


def test_a_small_budget_is_shown_as_the_plan_shows_amounts(folder: Folder) -> None:
    folder.edit("standard: 1000", "standard: 1", "ftops.catalog.yaml")
    folder.edit("{name: costs}", "{name: costs, budget: {training: 0.0002}}")
    done = folder.run("plan", "--offline")
    planned = re.findall(r"cost: about (\S+)", done.out)
    said = " ".join(done.err.split())
    assert "training would cost about $0.0018, more than the budget of $0.0002" in said
    assert planned == ["$0.0004", "$0.0014"]
    assert f"job.second: about {planned[1]}; job.copilot: about {planned[0]}." in said


def test_a_budget_that_cannot_be_checked_warns(folder: Folder) -> None:
    unknown = "models: {gpt-4.1-2025-04-14: {prices: {training_per_million: {standard: }}}}\n"
    folder.write("ftops.catalog.yaml", unknown)
    folder.edit("{name: costs}", "{name: costs, budget: {training: 1}}")
    done = folder.run("plan", "--offline")
    assert done.code == 0
    golden("plan-budget-unknown", done.err)


def test_where_memory_stands_in_nothing_is_counted(folder: Folder) -> None:
    folder.edit("datasets:", "providers: {m: {type: memory}}\ndatasets:")
    assert folder.run("plan", "-o", "json").json["estimate"]["training"] == []
    assert not (folder.path / ".ftops" / "data").exists()


def anonymous(text: str) -> str:
    return _DIGEST.sub("<digest>", re.sub(r"http://127\.0\.0\.1:\d+/", "<endpoint>", text))


def test_the_data_that_changed_is_shown(folder: Folder) -> None:
    git(folder.path, "init", "-q")
    folder.edit('  second: {model: "${job.copilot.fine_tuned_model}", training: train}\n', "")
    folder.ok("apply", "-y")
    git(folder.path, "add", "data", "ftops.yaml")
    git(folder.path, "commit", "-qm", "one")
    before = (folder.path / "data/train.jsonl").read_text(encoding="utf-8").splitlines()
    edited = json.loads(before[3])
    edited["messages"][1]["content"] = "three"
    kept = [*before[:3], json.dumps(edited), *before[5:]]
    folder.write("data/train.jsonl", "\n".join(kept) + "\n" + examples(3, "new word "))
    golden("plan-data-changed", anonymous(folder.ok("plan")))
    golden("explain", anonymous(folder.ok("explain", "deployment.copilot")))
    why = folder.run("explain", "job.copilot", "-o", "json").json["changes"][0]["because"][0]
    assert (why["address"], why["data"]["same"]) == ("dataset.train", 10)
    assert why["data"]["removed"][0]["excerpt"] == "say 4 → 4"
    change = folder.run("plan", "-o", "json").json["estimate"]["data"][0]
    assert (change["added"], change["removed"], change["edited"]) == (3, 1, 1)
    assert change["dollars"] == pytest.approx(change["tokens"] * 2 * 1000 / 1e6)
    lost(folder, "data")
    again = folder.run("plan", "-o", "json").json["estimate"]["data"][0]
    assert again == change, "the version that was applied is found in Git"
    lost(folder, "data", ".git")
    assert "neither in .ftops nor in Git" in folder.ok("explain", "job.copilot")
    told = folder.ok("plan")
    assert "data: 14 examples now; the version that was applied is not at hand" in told


def lost(folder: Folder, *names: str) -> None:
    import shutil

    for name in names:
        path = folder.path / name if name.startswith(".") else folder.path / ".ftops" / name
        shutil.rmtree(path)


def git(path: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Acme", "-c", "user.email=acme@example.com")
    subprocess.run(["git", *identity, *arguments], cwd=path, check=True, capture_output=True)


REINFORCED = """
ftops: {name: solver}
datasets:
  train: {path: train.jsonl}
  valid: {path: valid.jsonl}
jobs:
  solver:
    model: o4-mini-2025-04-16
    method: reinforcement
    training: train
    validation: valid
    grader:
      type: score_model
      name: judge
      model: gpt-4o
      input: [{role: user, content: "{{sample.output_text}}: as good as {{item.answer}}?"}]
"""


def reinforced(path: Path) -> Folder:
    """The spec, and its data."""
    made = Folder(path)
    made.write("ftops.yaml", REINFORCED)
    for name in ("train", "valid"):
        rows = ({"messages": [{"role": "user", "content": f"{name} {n}"}], "answer": "4"} for n in range(12))
        made.write(f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return made


def test_a_job_that_is_billed_by_the_hour_shows_its_spending_limit(tmp_path: Path) -> None:
    made = reinforced(tmp_path)
    done = made.run("plan", "--offline", "-o", "json")
    [cost] = done.json["estimate"]["training"]
    assert (cost["per_hour"], cost["spending_limit"], cost["dollars"]) == (100, 5000, None)
    said = "$100.00 an hour of training, however long that takes; the service pauses the job at $5,000.00, "
    said += "as of 2026-03-19; the tokens of the model that grades are billed, too"
    assert cost["note"] == said
    assert f"cost: {said}" in " ".join(made.run("plan", "--offline").out.split())
    made.write("ftops.catalog.yaml", "spending_limit: {reinforcement: 80, dated: 2026-11-01}\n")
    [cost] = made.run("plan", "--offline", "-o", "json").json["estimate"]["training"]
    assert "pauses the job at $80.00, as of 2026-11-01" in cost["note"]


def test_recorded_jobs_say_how_long_such_jobs_take(tmp_path: Path) -> None:
    """Of the same model and method, from their creation to their end."""
    reinforced(tmp_path)
    config, _ = with_data(load(tmp_path / "ftops.yaml", environ={}), str)
    job = Address("job", "solver")
    reason = Reason("created", "")
    change = Change(str(job), job, Action.CREATE, reason, "m", after=config.by_address[job].inputs)
    same = {"model": "o4-mini-2025-04-16", "method": "reinforcement"}
    state = State(
        "lineage",
        resources=dict(
            recorded(*row)
            for row in (
                ("a", same, "2026-11-01T03:00:00Z"),
                ("b", same, "2026-11-01T05:12:00Z"),
                ("c", {**same, "method": "supervised"}, "2026-11-01T09:00:00Z"),
                ("d", {**same, "model": "gpt-5"}, "2026-11-01T09:00:00Z"),
                ("e", same, None),
                ("f", same, "2026-11-01T09:00:00Z", Status.TAINTED),
            )
        ),
    )
    [cost] = estimate([change], config, config.by_address, catalog.load(None, {}), state)[0].training
    assert cost.hours == (3.0, 5.2)
    assert (
        "; 3.0 to 5.2 hours for those recorded here, queue included, at most $300.00 to $520.00;" in cost.note
    )


def recorded(
    name: str, inputs: Mapping[str, Value], ended: str | None, status: Status = Status.READY
) -> tuple[Address, ResourceState]:
    address = Address("job", name)
    outputs = {"finished_at": ended}
    made = "2026-11-01T00:00:00.000Z"
    return address, ResourceState(address, "m", name, status, inputs, outputs, created_at=made)
