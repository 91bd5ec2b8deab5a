"""Sweeps: the jobs of a `for_each` side by side."""

from __future__ import annotations

import csv
import json
import re
import shlex
from io import StringIO
from pathlib import Path

import pytest

from tests.golden.cli import ROOT, Folder
from tests.support.emulator_admin import Admin

SPEC = """
ftops: {name: sweep}
providers: {local: {type: emulator}}
datasets:
  train: {path: train.jsonl}
  valid: {path: valid.jsonl}
  other: {path: other.jsonl}
jobs:
  sweep:
    for_each:
      one: {epochs: 1, data: train}
      two: {epochs: 2, data: other}
      "ten|=": {epochs: 1, data: other}
    model: gpt-4.1-nano-2025-04-14
    training: ${each.value.data}
    validation: valid
    hyperparameters: {n_epochs: "${each.value.epochs}", batch_size: 1}
    seed: 3
  alone:
    model: gpt-4.1-nano-2025-04-14
    training: train
"""


def conversation(number: int) -> str:
    turns = [
        {"role": "user", "content": f"Say {number}"},
        {"role": "assistant", "content": f"number {number}"},
    ]
    return json.dumps({"messages": turns}) + "\n"


def with_data(folder: Folder) -> Folder:
    for start, name in enumerate(("train", "other", "valid")):
        folder.write(f"{name}.jsonl", "".join(conversation(100 * start + n) for n in range(12)))
    return folder


def test_the_page_about_sweeps(tmp_path: Path) -> None:
    """Its commands run, one after the other."""
    text = (ROOT / "docs" / "sweeps.md").read_text("utf-8")
    spec, stop = re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    folder = with_data(Folder.make(tmp_path, spec))
    said = {command: folder.ok(*shlex.split(command)[1:]) for command in commands.splitlines()}
    rows = said["ftops results job.sweep"].splitlines()
    assert len(rows) == 5
    assert said["ftops output winner"].strip().strip('"') == rows[1].split()[0]
    assert [row.split()[-1] == "taken" for row in rows[1:]] == [True, False, False, False]
    folder.write("ftops.yaml", re.sub(r"^    best: .*\n", lambda best: best[0] + stop, spec, flags=re.M))
    assert "No changes." in folder.ok("plan")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = with_data(Folder.make(tmp_path_factory.mktemp("sweep"), SPEC))
    folder.ok("apply", "-y")
    return folder


def test_a_row_for_each_job(trained: Folder) -> None:
    found = trained.run("results", "job.sweep", "-o", "json").json
    assert (found["address"], found["metric"], found["mode"]) == ("job.sweep", "full_valid_loss", "min")
    jobs = {job["key"]: job for job in found["trials"]}
    assert jobs.keys() == {"one", "two", "ten|="}
    assert [job["best"] for job in found["trials"]] == sorted(job["best"] for job in found["trials"])
    assert jobs["two"]["inputs"] == {"n_epochs": 2, "training": "dataset.other"}
    assert jobs["two"]["trained_tokens"] == 2 * jobs["ten|="]["trained_tokens"]
    assert jobs["two"]["dollars"] == pytest.approx(2 * jobs["ten|="]["dollars"])
    for key, job in jobs.items():
        address = f'job.sweep["{key}"]'
        rows = trained.run("results", address, "-o", "json").json["rows"]
        losses = [row["full_valid_loss"] for row in rows if "full_valid_loss" in row]
        assert (job["last"], job["best"]) == (losses[-1], min(losses))
        recorded = trained.run("state", "show", address, "-o", "json").json["resource"]["outputs"]
        assert job["best_checkpoint"] == recorded["checkpoint"]["best"]
        assert recorded["checkpoint"][str(job["best_step"])] == job["best_checkpoint"]
        assert recorded["metrics"]["full_valid_loss"] == pytest.approx(job["last"])


def test_the_same_as_text_csv_and_markdown(trained: Folder) -> None:
    order = [job["key"] for job in trained.run("results", "job.sweep", "-o", "json").json["trials"]]
    heading, *rows = trained.ok("results", "job.sweep").splitlines()
    assert heading.split()[:4] == ["key", "n_epochs", "training", "best"]
    assert [row.split()[0] for row in rows] == order
    table = csv.DictReader(StringIO(trained.ok("results", "job.sweep", "-o", "csv")))
    assert [row["key"] for row in table] == order
    heading, _, *rows = trained.ok("results", "job.sweep", "-o", "markdown").splitlines()
    assert heading.startswith("| `key` | `n_epochs` |")
    assert len(rows) == 3 and any(row.startswith("| `ten\\|=` |") for row in rows)


@pytest.mark.parametrize(
    ("column", "first"),
    [("cost", {"one", "ten|="}), ("n_epochs", {"one", "ten|="}), ("training", {"two", "ten|="})],
)
def test_sorted_by_a_column(trained: Folder, column: str, first: set[str]) -> None:
    jobs = trained.run("results", "job.sweep", "--sort", column, "-o", "json").json["trials"]
    assert {job["key"] for job in jobs[:2]} == first


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["job.sweep", "--sort", "losss"], "job.sweep can't be sorted by `losss`"),
        (["job.sweep", "--sort", "acuracy"], "Did you mean `accuracy`?"),
        (["job.alone", "--sort", "best"], "job.alone is a single job"),
        (["job.sweep", "--csv"], "--csv needs one job, and job.sweep stands for several; `-o csv` has a row"),
        (["job.sweep", "--curves"], "--curves needs one job, and job.sweep stands for several"),
        (["job.swee"], "job.swee is not recorded"),
        (['job.sweep["three"]'], 'job.sweep["three"] is not recorded'),
        (["dataset.train"], "dataset.train isn't a job"),
    ],
)
def test_what_is_no_sweep(trained: Folder, words: list[str], said: str) -> None:
    done = trained.run("results", *words)
    assert done.code != 0 and said in done.err


MATRIX = """
providers: {m: {type: memory}}
datasets: {train: {path: train.jsonl}}
jobs:
  sweep:
    for_each: {matrix: {rate: [0.5, 1], epochs: [2, 3]}}
    model: gpt-4.1-nano-2025-04-14
    training: train
    hyperparameters: {n_epochs: "${each.value.epochs}", learning_rate_multiplier: "${each.value.rate}"}
"""


def test_a_short_key_of_a_table_is_understood_in_errors(tmp_path: Path) -> None:
    folder = with_data(Folder.make(tmp_path, MATRIX))
    folder.ok("apply", "-y")
    for words in [
        "results",
        "jobs",
        "logs",
        "state show",
        "explain",
        "report",
        "plan --replace",
        "plan --target",
    ]:
        done = folder.run(*words.split(), 'job.sweep["3,0.5"]')
        assert (done.code, done.out) == (1, ""), words
        said = re.sub("[`']", "", done.err)
        assert 'Did you mean job.sweep["epochs=3,rate=0.5"]?' in said, (words, said)
    assert "Did you mean" not in folder.run("results", 'job.sweep["0.5"]').err


def test_jobs_without_metrics_come_last(tmp_path: Path) -> None:
    spec = """
providers: {m: {type: memory}}
datasets: {train: {path: train.jsonl}}
jobs: {sweep: {for_each: [a, b], model: gpt-4.1-nano-2025-04-14, training: train, suffix: "${each.key}"}}
"""
    folder = with_data(Folder.make(tmp_path, spec))
    folder.ok("apply", "-y")
    heading, *rows = folder.ok("results", "job.sweep").splitlines()
    assert heading.split() == ["key", "suffix"]
    assert [row.split() for row in rows] == [[k, f'"{k}"', "no", "result", "file"] for k in ("a", "b")]
    found = folder.run("results", "job.sweep", "-o", "json").json
    assert found["metric"] is None and found["trials"][0]["best"] is None


BEST = """
ftops: {name: best}
providers: {local: {type: emulator}}
datasets:
  train: {path: train.jsonl}
  valid: {path: valid.jsonl}
jobs:
  sweep:
    for_each: KEYS
    model: gpt-4.1-nano-2025-04-14
    training: train
    validation: valid
    best: {metric: step, MODE}
    hyperparameters: {n_epochs: "${each.value}", batch_size: 2}
    seed: 3
deployments:
  chat: {model: "${job.sweep.best.fine_tuned_model}"}
outputs: {winner: '${job.sweep.best.key}'}
"""


def best(keys: str, mode: str = "mode: min") -> str:
    return BEST.replace("KEYS", keys).replace("MODE", mode)


def steps(folder: Folder) -> dict[str, float]:
    recorded = folder.run("state", "pull").json["resources"]
    return {
        address.split('"')[1]: one["outputs"]["metrics"]["step"]
        for address, one in recorded.items()
        if address.startswith("job.")
    }


def served(folder: Folder) -> tuple[str, str]:
    """The model that the deployment serves, and when that was created."""
    found = folder.run("state", "show", "deployment.chat", "-o", "json").json["resource"]
    return found["outputs"]["model"], found["created_at"]


def model_of(folder: Folder, key: str) -> str:
    found = folder.run("state", "show", f'job.sweep["{key}"]', "-o", "json").json["resource"]
    return str(found["outputs"]["fine_tuned_model"])


def test_the_best_is_deployed_and_replaced_only_by_a_better_one(tmp_path: Path) -> None:
    folder = with_data(Folder.make(tmp_path, best("{mid: 2, low: 3}")))
    said = folder.ok("plan")
    assert "(known after apply: job.sweep.best.fine_tuned_model)" in said
    assert "winner = (known after apply: job.sweep.best.key)" in said
    folder.ok("apply", "-y")
    found = steps(folder)
    first = min(found, key=lambda key: found[key])
    before = served(folder)
    assert before[0] == model_of(folder, first)
    assert "No changes." in folder.ok("plan")

    folder.write("ftops.yaml", best("{mid: 2, low: 3, worse: 4}"))
    said = folder.ok("plan")
    assert "model is the best of job.sweep, which may be another one" in said
    said = folder.ok("apply", "-y")
    assert steps(folder)["worse"] > found[first]
    assert "unchanged: the best of the sweep is the same" in said
    assert "1 created, 0 updated, 0 replaced, 0 deleted" in said
    assert served(folder) == before
    assert "No changes." in folder.ok("plan")

    folder.write("ftops.yaml", best("{mid: 2, low: 3, worse: 4, better: 1}"))
    folder.ok("apply", "-y")
    found = steps(folder)
    assert min(found, key=lambda key: found[key]) == "better"
    assert served(folder)[0] == model_of(folder, "better")
    assert folder.ok("output", "winner", "--raw").strip() == "better"
    assert "No changes." in folder.ok("plan")

    folder.write("ftops.yaml", best("{mid: 2, low: 3, worse: 4, better: 1}", "mode: max"))
    said = folder.ok("plan")
    assert "1 to replace" in said and "will be replaced" in said
    folder.ok("apply", "-y")
    assert served(folder)[0] == model_of(folder, max(found, key=lambda key: found[key]))

    folder.write("ftops.yaml", best("{mid: 2, low: 3}"))
    folder.ok("apply", "-y")
    assert served(folder)[0] == model_of(folder, first)
    assert "No changes." in folder.ok("plan")


def test_blue_green_stays_with_the_best_too(tmp_path: Path) -> None:
    blue_green = 'fine_tuned_model}", replace: blue_green}'
    spec = best("{mid: 2}").replace('fine_tuned_model}"}', blue_green)
    folder = with_data(Folder.make(tmp_path, spec))
    folder.ok("apply", "-y")
    before = served(folder)
    folder.write("ftops.yaml", spec.replace("{mid: 2}", "{mid: 2, worse: 4}"))
    assert "1 created, 0 updated, 0 replaced, 0 deleted" in folder.ok("apply", "-y")
    assert served(folder) == before
    folder.write("ftops.yaml", spec.replace("{mid: 2}", "{mid: 2, worse: 4, better: 1}"))
    assert "1 created, 0 updated, 1 replaced, 0 deleted" in folder.ok("apply", "-y")
    assert served(folder)[0] == model_of(folder, "better")
    assert "No changes." in folder.ok("plan")


def test_a_job_that_fails_keeps_the_deployment_as_it_is(tmp_path: Path) -> None:
    folder = with_data(Folder.make(tmp_path, best("{mid: 2}")))
    folder.ok("apply", "-y")
    before = served(folder)
    fault = {"match": "POST /openai*/fine_tuning/jobs", "job": {"fail": "training"}}
    Admin.of(tmp_path).post("faults", fault)
    folder.write("ftops.yaml", best("{mid: 2, better: 1}"))
    done = folder.run("apply", "-y")
    assert done.code != 0 and "not done, because" in done.out + done.err
    assert served(folder) == before
    trials = folder.run("results", "job.sweep", "-o", "json").json["trials"]
    assert [(one["key"], bool(one["note"])) for one in trials] == [("mid", False), ("better", True)]
    folder.ok("apply", "-y")
    assert served(folder)[0] == model_of(folder, "better")


def test_a_metric_that_the_jobs_lack(tmp_path: Path) -> None:
    spec = best("{mid: 2, low: 3}").replace("metric: step", "metric: full_valid_mean_reward")
    folder = with_data(Folder.make(tmp_path, spec))
    done = folder.run("apply", "-y")
    assert done.code != 0
    assert (
        'the best of job.sweep can\'t be chosen: job.sweep["low"] has no full_valid_mean_reward'
        in done.err + done.out
    )
    done = folder.run("plan")
    assert "can't be chosen" in done.err and "train_loss" in done.err
    folder.write("ftops.yaml", best("{mid: 2, low: 3}"))
    folder.ok("apply", "-y")
    assert served(folder)[0] in {model_of(folder, "mid"), model_of(folder, "low")}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("best.fine_tuned_model", "best.fine_tuned", "the best job has no `fine_tuned`"),
        ("best.key", "best.best.key", "the best job has no `best.key`"),
        ("best.fine_tuned_model", "best.key", "`model` must be a model"),
        ("job.sweep.best.key", 'job.sweep["low"].best.key', "has no `best`"),
        ("    for_each: {a: 1, low: 2}\n", "", "job.sweep has no `best`"),
        ("    for_each: {a: 1, low: 2}\n", "", "`best` needs a `for_each`"),
        ("{a: 1, low: 2}", "{}", "stands for no resource"),
        (
            "metric: step",
            'metric: "${each.key}"',
            "can't be compared: their `best` or `provider` differs",
        ),
        ("mode: min", "mode: least", "`mode` must be"),
        (
            "validation: valid\n    best: {metric: step, mode: min}",
            "suffix: x",
            'job.sweep["a"] has no `validation`',
        ),
        ("validation: valid\n    best: {metric: step", "best: {metric: valid_loss", "has no `validation`"),
        (
            "validation: valid\n    best: {",
            "stop: {rule: median, metric: valid_loss}\n    best: {",
            "has no effect",
        ),
        ("job.sweep.best.fine", "job.swep.best.fine", "there is no job `swep`"),
    ],
)
def test_what_has_no_best(tmp_path: Path, old: str, new: str, said: str) -> None:
    spec = best("{a: 1, low: 2}").replace('"${each.value}"', "1")
    assert old in spec
    folder = with_data(Folder.make(tmp_path, spec.replace(old, new)))
    done = folder.run("validate")
    assert done.code == 1 and said in done.err


def test_a_job_can_not_start_from_the_best(tmp_path: Path) -> None:
    more = "deployments:\n"
    spec = best("{a: 1, low: 2}").replace(
        more, "  next: {model: '${job.sweep.best.fine_tuned_model}', training: train}\n" + more
    )
    folder = with_data(Folder.make(tmp_path, spec))
    assert "a job can't start from the best of a sweep" in folder.run("validate").err


AMONG = best("{a: 1, b: 2, low: 3}").replace("metric: step", "metric: step, among: KEYS")


@pytest.mark.parametrize(
    ("among", "said"),
    [
        ("[a, lo]", 'job.sweep has no key "lo"'),
        ("[a, lo]", "Did you mean `low`?"),
        ("x*", "`x*` matches no key of job.sweep"),
        ("[]", "`among` leaves no job of job.sweep to choose"),
    ],
)
def test_keys_that_are_not_there(tmp_path: Path, among: str, said: str) -> None:
    done = with_data(Folder.make(tmp_path, AMONG.replace("KEYS", among))).run("validate")
    assert done.code == 1 and said in done.err


@pytest.mark.parametrize(("among", "winner"), [("[b, 'l*']", "b"), ("low", "low"), ("'?'", "a")])
def test_the_best_among_some_keys(tmp_path: Path, among: str, winner: str) -> None:
    folder = with_data(Folder.make(tmp_path, AMONG.replace("KEYS", among)))
    folder.ok("apply", "-y")
    found = steps(folder)
    assert min(found, key=lambda key: found[key]) == "a"
    assert served(folder)[0] == model_of(folder, winner)
    assert folder.ok("output", "winner", "--raw").strip() == winner
    assert "No changes." in folder.ok("plan")


def test_a_plan_says_which_job_is_the_best_and_why_that_changes(tmp_path: Path) -> None:
    folder = with_data(Folder.make(tmp_path, best("{mid: 2, low: 3}")))
    assert folder.run("plan", "-o", "json").json["choices"] == []
    lines = folder.ok("apply", "-y", "-o", "json").splitlines()
    (chosen,) = (one for one in map(json.loads, lines) if one["event"] == "best_chosen")
    assert chosen["sweep"] == "job.sweep" and chosen["metric"] == "step"
    found = steps(folder)
    best_one, other = chosen["ranked"]
    assert best_one["key"] == min(found, key=lambda key: found[key])
    assert other["difference"] == max(found.values()) - min(found.values())
    assert 'job.sweep["mid"] by step 12; then "low" 18 (+6)' in folder.ok("plan")
    assert folder.run("plan", "-o", "json").json["choices"] == [
        {name: chosen[name] for name in ("sweep", "metric", "mode", "ranked")}
    ]
    folder.write("ftops.yaml", best("{mid: 2, low: 3}", "mode: max"))
    because = 'best is now job.sweep["low"]: step 18, was job.sweep["mid"]: 12'
    assert because in folder.ok("plan")
    document = folder.ok("plan", "-o", "markdown")
    assert "Best of a sweep:" in document and "best is now" in document
    document = folder.ok("apply", "-y", "-o", "markdown")
    assert 'job.sweep["low"] by step 18; then "mid" 12 (-6)' in document


def test_a_rollback_knows_which_job_of_the_sweep_has_made_the_model(tmp_path: Path) -> None:
    spec = best("{mid: 2, low: 3}").replace('fine_tuned_model}"}', 'fine_tuned_model}", keep_models: 1}')
    folder = with_data(Folder.make(tmp_path, spec))
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", spec.replace("mode: min", "mode: max"))
    folder.ok("apply", "-y")
    assert served(folder)[0] == model_of(folder, "low")
    models = folder.run("rollback", "deployment.chat", "--list", "-o", "json").json["models"]
    assert [one["trained_by"] for one in models] == ['job.sweep["low"]', 'job.sweep["mid"]']
    folder.ok("rollback", "deployment.chat", "-y", "--reason", "worse")
    assert served(folder)[0] == model_of(folder, "mid")
    folder.write("ftops.yaml", spec)
    folder.ok("apply", "-y")
    assert not folder.run("plan", "-o", "json").json["pins"]
    assert "No changes." in folder.ok("plan")


def test_a_budget_that_is_not_enough_for_one_job(tmp_path: Path) -> None:
    """The plan warns where it is written; it is made."""
    spec = SPEC.replace("    seed: 3\n", "    seed: 3\n    stop: {rule: median, budget: {tokens: 9}}\n")
    folder = with_data(Folder.make(tmp_path, spec))
    for command in ("validate", "plan"):
        done = folder.run(command)
        assert done.code == 0
        words = " ".join(done.err.split())
        assert (
            "warning: the budget of job.sweep, 9 tokens, is less than its smallest job needs, about " in words
        )
        assert "--> ftops.yaml:19:26 " in words
    folder.edit("tokens: 9", "tokens: 9000")
    assert "the budget of job.sweep" not in folder.run("plan").err
