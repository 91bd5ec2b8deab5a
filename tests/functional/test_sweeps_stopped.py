"""Jobs of a sweep that are stopped early, by the clock of an emulator: by rules, by a budget, and by runs
that are killed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from ftops.cli.spec_args import SpecArguments, read
from ftops.core.address import Address
from ftops.core.errors import FtopsError
from ftops.session.session import Session
from ftops.session.tracking import tracked_runs
from tests.contract.azure_cloud import BASE_MODEL, SETTLED, Cloud, running_cloud, until
from tests.golden.cli import Folder
from tests.support.command import run
from tests.support.nightly import by_night

SPEC = """
ftops: {{name: tone}}
providers:
  m: {{type: emulator, url: "{url}", api_key: "{key}"}}
datasets: {{train: {{path: data/train.jsonl}}, valid: {{path: data/valid.jsonl}}}}
jobs:
  sweep:
    for_each: {{a: 0.01, b: 0.5, c: 2, d: 4}}
    model: {model}
    training: train
    validation: valid
    hyperparameters: {{n_epochs: 10, batch_size: 3, learning_rate_multiplier: "${{each.value}}"}}
    seed: 1
    best: {{metric: full_valid_loss}}
    stop: {{rule: median, after: 4, min_jobs: 2}}
deployments:
  chat: {{model: "${{job.sweep.best.fine_tuned_model}}"}}
outputs:
  winner: "${{job.sweep.best.key}}"
"""
SLOW = {**SETTLED, "min_training_seconds": 4000, "running_jobs_limit": 4}
"""A step takes 100 seconds: 40 steps, and an evaluation after each 4 of them."""
STEP = 100.0


@pytest.fixture
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        cloud.admin("PATCH", "settings", SLOW)
        yield cloud


@pytest.fixture
def folder(cloud: Cloud, tmp_path: Path) -> Folder:
    return Folder.make(tmp_path, SPEC.format(url=cloud.url, key=cloud.key, model=BASE_MODEL))


def jobs(folder: Folder) -> dict[str, Any]:
    """How they train, by key."""
    found = folder.run("jobs", "job.sweep", "-o", "json").json["trainings"]
    return {job["address"].split('"')[1]: job for job in found}


def submitted(cloud: Cloud, folder: Folder, steps: int = 10) -> None:
    """All jobs train, and have come so far."""
    assert folder.run("apply", "-y", "--no-wait").code == 4
    until(lambda: all(job["status"] == "running" for job in jobs(folder).values()))
    cloud.admin("POST", "clock", {"advance": STEP * steps})
    until(lambda: all((job["step"] or 0) >= steps // 4 * 4 for job in jobs(folder).values()))


def finished(cloud: Cloud, folder: Folder) -> str:
    """The jobs end, and what an apply says then."""

    def ended() -> bool:
        cloud.admin("POST", "clock", {"advance": 4000})
        return all(job["ended"] for job in jobs(folder).values())

    until(ended)
    return folder.ok("apply", "-y")


def recorded(folder: Folder) -> dict[str, Any]:
    resources = folder.run("state", "pull").json["resources"]
    return {a.split('"')[1]: one for a, one in resources.items() if a.startswith("job.")}


def stopped(folder: Folder) -> dict[str, Any]:
    return {k: s for k, one in recorded(folder).items() if (s := one["outputs"].get("stopped"))}


def created(cloud: Cloud) -> int:
    """How many jobs there ever were."""
    log = cloud.admin("GET", "log")["requests"]
    made = (one for one in log if one["method"] == "POST" and one["path"].endswith("/jobs"))
    return sum(one["status"] < 300 for one in made)


def test_losers_are_stopped_and_the_best_goes_on(cloud: Cloud, folder: Folder) -> None:
    submitted(cloud, folder)
    losses = {key: job["metrics"]["full_valid_loss"] for key, job in jobs(folder).items()}
    done = folder.run("apply", "-y", "--no-wait", "-o", "markdown")
    assert done.code == 4
    minutes = [int(text) for text in re.findall(r"stopped early\W+after (\d+)m", done.out)]
    assert minutes and min(minutes) >= 16  # since the run that created them, not only in this one
    assert "stopped early" in done.out and "was worse than the median of" in done.out
    found = stopped(folder)
    assert found and min(losses, key=lambda key: losses[key]) not in found
    for key, one in found.items():
        assert one["rule"] == "median" and one["step"] in (8, 10)
        assert one["tokens_saved"] > 0 and one["dollars_saved"] > 0
        assert jobs(folder)[key]["status"] == "stopped early"
        assert recorded(folder)[key]["outputs"]["metrics"]["step"] in (4, 8)
    trials = folder.run("results", "job.sweep", "-o", "json").json["trials"]
    assert {one["key"] for one in trials if one["stopped"]} == found.keys()
    assert {one["key"] for one in trials if one["note"].startswith("stopped early: at step")} == found.keys()
    assert "(stopped early)" in folder.ok("state", "list")
    folder.ok("report", "-o", "page.html")
    page = unescape((folder.path / "page.html").read_text("utf-8"))
    crosses = re.findall(r'class="cross"><title>(\w): [^<]*, stopped early: [^<]+</title>×<', page)
    assert {*crosses} == found.keys()
    assert re.search("Best of those that have ended: .* of the last checkpoint, ", page)
    assert "a cross marks a stopped job</title>" in page and "was cancelled" not in page
    assert "<li>× stopped early</li>" in page
    assert 'noted">' in page
    said = finished(cloud, folder)
    assert "best of job.sweep" in said
    assert stopped(folder) == found
    winner = folder.ok("output", "winner", "--raw").strip()
    assert winner not in found
    model = recorded(folder)[winner]["outputs"]["fine_tuned_model"]
    assert (
        folder.run("state", "show", "deployment.chat", "-o", "json").json["resource"]["inputs"]["model"]
        == model
    )
    assert "No changes." in folder.ok("plan")
    assert created(cloud) == 4
    folder.ok("destroy", "-y")


@pytest.mark.parametrize(
    ("number", "mode"),
    by_night([(1, "before"), (1, "after"), (2, "before")], lambda kill: kill != (1, "after")),
)
def test_a_run_that_is_killed_stops_them_all_the_same(
    cloud: Cloud, folder: Folder, number: int, mode: str
) -> None:
    """Before the decision is recorded; before the job is cancelled; before it is recorded that it was."""
    submitted(cloud, folder)
    arguments = [str(number), mode, '"stopped"', "--", "apply", "-y", "--no-wait", str(folder.path)]
    done = run([sys.executable, "-m", "tests.support.kill_at", *arguments], Path(__file__).parents[2])
    assert done.returncode == -9, done
    folder.run("apply", "-y", "--no-wait")
    found = stopped(folder)
    assert found and all(jobs(folder)[key]["status"] == "stopped early" for key in found)
    finished(cloud, folder)
    assert stopped(folder) == found
    assert "No changes." in folder.ok("plan")
    assert created(cloud) == 4


@pytest.mark.slow
def test_a_rule_that_is_taken_back_stops_no_more(cloud: Cloud, folder: Folder) -> None:
    submitted(cloud, folder)
    arguments = ["1", "after", '"stopped"', "--", "apply", "-y", "--no-wait", str(folder.path)]
    run([sys.executable, "-m", "tests.support.kill_at", *arguments], Path(__file__).parents[2])
    folder.edit("    stop: {rule: median, after: 4, min_jobs: 2}\n", "")
    finished(cloud, folder)
    assert not stopped(folder)
    assert all(one["outputs"]["fine_tuned_model"] for one in recorded(folder).values())


def test_the_checkpoint_of_a_stopped_job_may_be_the_best(cloud: Cloud, folder: Folder) -> None:
    folder.edit("best: {metric: full_valid_loss}", "best: {metric: step, mode: min}")
    folder.edit("stop: {rule: median,", "stop: {metric: full_valid_loss, rule: median,")
    submitted(cloud, folder)
    folder.run("apply", "-y", "--no-wait")
    found = stopped(folder)
    finished(cloud, folder)
    winner = folder.ok("output", "winner", "--raw").strip()
    assert winner in found
    best = recorded(folder)[winner]["outputs"]["checkpoint"]["best"]
    resource = folder.run("state", "show", "deployment.chat", "-o", "json").json["resource"]
    assert resource["inputs"]["model"] == best
    assert "No changes." in folder.ok("plan")


def test_a_budget_keeps_jobs_from_being_started(cloud: Cloud, folder: Folder) -> None:
    cloud.admin("PATCH", "settings", {**SETTLED, "running_jobs_limit": 1, "queued_jobs_limit": 1})
    folder.edit("min_jobs: 2}", "min_jobs: 2, budget: {tokens: 1000}}")
    said = folder.ok("apply", "-y", "--parallelism", "1")
    found = stopped(folder)
    assert found and all(one["rule"] == "budget" for one in found.values())
    assert "has no room for it" in said
    assert created(cloud) + len(found) == 4
    assert f"{7 - len(found)} created" in said and f"{len(found)} not started in" in said
    assert "(not started: budget)" in folder.ok("state", "list")
    assert "No changes." in folder.ok("plan")
    folder.ok("jobs")
    folder.ok("results", "job.sweep")
    check_not_started(folder, sorted(found))
    job = f'job.sweep["{next(iter(found))}"]'
    assert jobs(folder)[next(iter(found))]["status"] == "not started: budget"
    for words in (("job", "cancel", job), ("logs", job), ("results", job)):
        done = folder.run(*words)
        assert done.code == 1 and "has no room for it" in done.words, words
    folder.edit("tokens: 1000", "tokens: 1000000")
    assert "because its sweep has another budget" in folder.ok("plan")
    folder.ok("apply", "-y")
    assert all(one["rule"] == "median" for one in stopped(folder).values())
    assert created(cloud) == 4
    assert "No changes." in folder.ok("plan")


def test_a_larger_budget_names_the_jobs_that_a_smaller_one_stopped(cloud: Cloud, folder: Folder) -> None:
    """Also those that the service hasn't begun with: they were submitted."""
    cloud.admin("PATCH", "settings", {"running_jobs_limit": 1})
    assert folder.run("apply", "-y", "--no-wait").code == 4
    until(lambda: [job["status"] for job in jobs(folder).values()].count("running") == 1)
    folder.edit("min_jobs: 2}", "min_jobs: 2, budget: {tokens: 1000}}")
    said = " ".join(folder.run("apply", "-y", "--no-wait").words.split())
    found = stopped(folder)
    assert len(found) == 3 and all(one["budget"] == {"tokens": 1000} for one in found.values())
    assert "the budget of its sweep (1,000 tokens) has no room for it: " in said
    assert "with a larger one, --replace trains it" in said
    assert "a smaller budget" not in folder.run("plan").words
    folder.edit("tokens: 1000", "tokens: 1000000")
    job = f'job.sweep["{min(found)}"]'
    warned = folder.run("plan").words
    assert "3 jobs of job.sweep were stopped by a smaller budget, which no longer applies" in warned
    assert f"--replace '{job}' --replace " in warned
    warned = folder.run("plan", "--replace", job).words
    assert "2 jobs of job.sweep were stopped" in warned and f"--replace '{job}'" not in warned


def check_not_started(folder: Folder, keys: list[str]) -> None:
    """Jobs that have no run at the service are no runs for a tracker."""
    config = read(SpecArguments(folder.path))
    with Session.open(config) as session:
        runs, left_out = tracked_runs(session, [Address("job", "sweep")])
        assert sorted(str(one.key) for one in left_out) == keys
        assert len(runs) == 4 - len(keys) and all(run.key for run in runs)
        with pytest.raises(FtopsError) as refused:
            tracked_runs(session, list(left_out))
    assert "has no room for it" in refused.value.diagnostics[0].detail


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rule: median", "rule: best", "`rule` must be"),
        ("rule: median, ", "", "`rule` is missing"),
        ("min_jobs: 2", "min_jobs: 2, factor: 3", "`factor` needs `rule: halving`"),
        ("min_jobs: 2", "min_jobs: 2, budget: {}", "`budget` needs either `tokens` or `dollars`"),
        ("min_jobs: 2", "min_jobs: 2, budget: {tokens: 1, dollars: 1}", "`budget` needs either"),
        ("after: 4", "after: 0", "`after` must be"),
        ("after: 4", 'metric: "${each.key}"', "the jobs of job.sweep have different `stop`"),
        ("    for_each: {a: 0.01, b: 0.5, c: 2, d: 4}\n", "", "`stop` needs a `for_each`"),
    ],
)
def test_what_can_not_be_a_rule(tmp_path: Path, old: str, new: str, said: str) -> None:
    spec = SPEC.format(url="http://127.0.0.1:1", key="k", model=BASE_MODEL)
    spec = spec.replace('"${each.value}"', "1") if "for_each" in old else spec
    assert old in spec
    folder = Folder.make(tmp_path, spec.replace(old, new))
    done = folder.run("validate")
    assert done.code == 1 and said in done.err


def test_jobs_that_may_have_no_model_are_no_candidates(tmp_path: Path) -> None:
    spec = SPEC.format(url="http://127.0.0.1:1", key="k", model=BASE_MODEL) + (
        'evaluations: {exam: {candidates: ["${job.sweep[*].fine_tuned_model}"], prompts: valid}}\n'
    )
    done = Folder.make(tmp_path, spec).run("validate")
    assert done.code == 1 and "may stand for jobs without a model" in done.err
