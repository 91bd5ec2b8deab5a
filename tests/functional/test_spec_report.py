"""ftops report: what the page and its JSON say, what can't be read, and how it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from ftops.config.loader import load
from ftops.core.address import Address
from ftops.session.report.gathering import gather
from ftops.session.report.values import Report
from ftops.session.session import Session
from ftops.views.spec_report.page import report_to_html
from ftops.views.spec_report.words import day
from tests.contract.azure_cloud import BASE_MODEL, running_cloud, until
from tests.functional.test_cli_data_look import EVIL, Page, pair
from tests.functional.test_cli_jobs import SWEEP, advance, running_jobs, submitted
from tests.golden.cli import SPEC, Folder, examples

RICH = """\
ftops: {name: copilot}
providers:
  local:
    type: emulator
    settings: {min_training_seconds: 0.1, queue_seconds: 0, file_processing_seconds: 0}
datasets:
  train: {path: data/train.jsonl}
  valid: {path: data/valid.jsonl}
  pairs: {path: data/pairs.jsonl, format: preference}
jobs:
  tone:
    for_each: {matrix: {n_epochs: [2, 4], learning_rate_multiplier: [0.1, 1]}}
    model: gpt-4.1-nano-2025-04-14
    training: train
    validation: valid
    hyperparameters:
      n_epochs: ${each.value.n_epochs}
      learning_rate_multiplier: ${each.value.learning_rate_multiplier}
      batch_size: 1
    seed: 3
  style:
    model: gpt-4.1-mini-2025-04-14
    method: dpo
    training: pairs
    hyperparameters: {n_epochs: 2, batch_size: 2}
    seed: 1
evaluations:
  style:
    model: ${job.style.fine_tuned_model}
    baseline: base_model
    prompts: prompts.json
deployments:
  best:
    model: ${job.tone.best.fine_tuned_model}
    sku: {name: Standard, capacity: 5}
    hosting: {hours: "Mon-Sun 00:00-23:59 UTC"}
  style:
    model: ${job.style.fine_tuned_model}
    sku: {name: DeveloperTier, capacity: 5}
    gate: {evaluation: style, require: {score: {at_least: 0}}}
outputs:
  endpoint: {value: "${deployment.best.endpoint}"}
  hidden: {value: "${env.SECRET_WORD}", sensitive: true}
"""
SECRET = "open-sesame-4711"
PROMPTS = [{"prompt": f"say {n}", "expect": str(n)} for n in range(6)]
IN_EMULATOR = {
    "SECRET_WORD": SECRET,
    "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567",
    "USER": "alice",
}


def page_of(folder: Folder, *words: str, environ: Mapping[str, str] | None = None) -> str:
    done = folder.run("report", *words, "--force", environ=environ)
    assert done.code == 0, done
    return (folder.path / "report.html").read_text("utf-8")


def text_of(page: str) -> str:
    """What a reader sees, without tags, in one line."""
    body = page.partition("<body>")[2]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body.replace("<wbr>", ""))).split())


def trained_folder(path: Path) -> Folder:
    """A sweep, a job of preferences, an evaluation and deployments, trained in the emulator."""
    folder = Folder.make(path, RICH)
    folder.write("data/pairs.jsonl", "".join(json.dumps(pair(n)) + "\n" for n in range(12)))
    folder.write("prompts.json", json.dumps(PROMPTS))
    done = folder.run("apply", "-y", environ=IN_EMULATOR)
    assert done.code == 0, done
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return trained_folder(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def rich(trained: Folder) -> tuple[str, Any]:
    """Its page, and the same facts."""
    facts = trained.run("report", "-o", "json", environ=IN_EMULATOR).json
    return page_of(trained, environ=IN_EMULATOR), facts


@pytest.fixture
def applied(tmp_path: Path) -> Folder:
    folder = Folder.make(tmp_path)
    folder.ok("apply", "-y")
    return folder


# what it says


def test_a_page_runs_and_loads_nothing(rich: tuple[str, Any]) -> None:
    text, _ = rich
    page = Page(text)
    assert not page.open, "every element is closed"
    assert not {"script", "img", "link", "iframe", "object", "form", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("style", "src")]
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert "default-src 'none'; style-src 'sha256-" in text
    assert "url(" not in text


def test_links_within_the_page_lead_somewhere_and_ids_are_unique(rich: tuple[str, Any]) -> None:
    check_links(rich[0])


def check_links(page: str) -> None:
    attributes = Page(page).attributes
    ids = [value for name, value in attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value for name, value in attributes if name == "href"} <= {f"#{one}" for one in ids}


def test_the_sections_and_the_summary(rich: tuple[str, Any]) -> None:
    text, facts = rich
    assert Page(text).headings == [
        "Graph", "What exists", "Evaluations", "Trainings", "Sweeps", "Data", "Costs", "What ends when",
        "Lineage", "Last runs",
    ]  # fmt: skip
    said = text_of(text)
    assert "5 models trained; " in said
    assert "It runs in the emulator, which is free; the service would charge $" in said
    assert said.count(", at the prices of the service: the emulator is free") == 2
    assert "2 deployments serve" in said
    assert "for training and $1,240 a month for hosting" in said, "all hours of a week but seven minutes"
    assert f"state {facts['serial']}" in said


def test_curves_and_verdicts_are_those_of_results(trained: Folder, rich: tuple[str, Any]) -> None:
    text, facts = rich
    address = 'job.tone["learning_rate_multiplier=0.1,n_epochs=4"]'
    results = trained.run("results", address, "-o", "json", environ=IN_EMULATOR).json
    job = next(one for one in facts["jobs"] if one["address"] == address)
    assert job["verdict"] == results["verdict"]
    assert job["best_checkpoint"] == results["best_checkpoint"]
    curve = next(one for one in job["curves"] if one["column"] == "train_loss")
    assert curve["points"] == [[row["step"], row["train_loss"]] for row in results["rows"]]
    said = text_of(text)
    assert results["verdict"]["rule"] in said
    assert f"best: step {results['best_checkpoint']['step']}" in said
    assert text.count('class="line train"') >= 5, "each job has curves of its training"
    assert (
        "hyperparameters" in said.lower() and "batch_size 1, learning_rate_multiplier 0.1, n_epochs 4" in said
    )


def test_a_sweep_is_that_of_results(trained: Folder, rich: tuple[str, Any]) -> None:
    text, facts = rich
    results = trained.run("results", "job.tone", "-o", "json", environ=IN_EMULATOR).json
    assert [{"format_version": 1, **sweep} for sweep in facts["sweeps"]] == [results]
    best = facts["sweeps"][0]["trials"][0]
    said = text_of(text)
    served = next(one for one in facts["deployments"] if one["address"] == "deployment.best")
    (choice,) = facts["choices"]
    assert choice["ranked"][0]["address"] == served["trained_by"]
    assert facts["sweeps"][0]["taken"] == best["address"] == choice["ranked"][0]["address"]
    assert f"with the lowest full_valid_loss of the final model, {best['last']:.4g}" in said
    assert "The spec takes it." in said and said.count("taken") == 1
    assert choice["ranked"][0]["value"] == pytest.approx(best["last"])
    parallel = text.partition('class="parallel few"')[2].partition("</figure>")[0]
    assert parallel.count('class="line rank0"') == 1
    assert parallel.count('class="line rank') == 4
    assert all(name in parallel for name in ("n_epochs", "learning_rate_multiplier", "last full_valid_loss"))


def test_evaluations_have_intervals_and_gates(rich: tuple[str, Any]) -> None:
    text, facts = rich
    (one,) = facts["evaluations"]
    low, high = one["score_interval"]
    assert 0 <= low <= one["outputs"]["score"] <= high <= 1
    assert one["gates"] == [
        {
            "deployment": "deployment.style",
            "require": "score at least 0",
            "passed": True,
            "reasons": [],
            "override": None,
        }
    ]
    said = text_of(text)
    assert f"{low:.0%} to {high:.0%}" in said
    assert "gate passed deployment.style requires: score at least 0" in said


def test_costs_are_those_of_tokens_and_hours(rich: tuple[str, Any]) -> None:
    _, facts = rich
    costs = facts["costs"]
    assert costs["training"] == pytest.approx(sum(job["dollars"] for job in facts["jobs"]), abs=1e-6)
    assert all(job["dollars"] > 0 for job in facts["jobs"])
    assert costs["hosting_per_hour"] == 1.7, "the DeveloperTier costs nothing"
    share = 7 * (24 * 60 - 1) / (7 * 24 * 60)
    assert costs["hosting_per_month"] == pytest.approx(1.7 * 730 * share, abs=0.01)


def test_lineage_leads_to_data_and_to_the_run(rich: tuple[str, Any]) -> None:
    _, facts = rich
    job = next(one for one in facts["jobs"] if one["address"] == "job.style")
    data = next(one for one in facts["data"] if one["address"] == "dataset.pairs")
    assert job["data"] == [
        {"role": "training", "digest": data["digest"], "address": "dataset.pairs", "examples": 12}
    ]
    assert job["base_model"] == "gpt-4.1-mini-2025-04-14"
    run = facts["runs"][0]
    assert job["run"]["run"] == run["run"]
    assert data["length"]["least"] > 0 and data["tokens"] > 0


def test_secrets_are_nowhere(trained: Folder, rich: tuple[str, Any]) -> None:
    text, facts = rich
    printed = json.dumps(facts)
    assert facts["outputs"]["hidden"] == {"value": None, "sensitive": True, "known": True}
    for hidden in (SECRET, "secret:"):
        assert hidden not in text
        assert hidden not in printed
    assert "(sensitive)" in text


def test_offline_no_service_is_asked(trained: Folder) -> None:
    facts = trained.run("report", "--offline", "-o", "json", environ=IN_EMULATOR).json
    assert facts["is_offline"] is True and facts["warnings"] == []
    assert {job["note"] for job in facts["jobs"]} == {"not read: the report was made offline"}
    assert not any(job["curves"] for job in facts["jobs"])
    (sweep,) = facts["sweeps"]
    final = {job["address"]: job["final_metrics"] for job in facts["jobs"]}
    assert all(trial["best"] == final[trial["address"]]["full_valid_loss"] for trial in sweep["trials"])
    assert "Made offline: no service was asked" in text_of(page_of(trained, "--offline", environ=IN_EMULATOR))


def test_addresses_restrict_it_to_what_they_need(trained: Folder) -> None:
    facts = trained.run("report", "job.tone", "-o", "json", environ=IN_EMULATOR).json
    assert {one["address"].partition("[")[0] for one in facts["objects"]} == {
        "job.tone", "dataset.train", "dataset.valid",
    }  # fmt: skip
    assert len(facts["jobs"]) == 4
    assert facts["restricted_to"] == ["job.tone"] and facts["outputs"] == {}
    said = text_of(page_of(trained, "deployment.style", "dataset.train", "--offline", environ=IN_EMULATOR))
    assert "Only deployment.style, dataset.train, and what they need." in said
    assert "deployment.best" not in said


# states of a spec


def test_nothing_is_applied_yet(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path)
    page = page_of(folder)
    assert Page(page).headings == ["Graph", "What exists"]
    assert "Nothing has been applied yet: 5 resources declared." in text_of(page)
    empty = Folder.make(tmp_path / "empty", "ftops: {name: empty}\n")
    assert "Nothing is declared, and nothing exists." in text_of(page_of(empty))


def test_everything_is_destroyed(tmp_path: Path) -> None:
    spec = "datasets: {train: {path: train.jsonl, format: preference}}\n"
    folder = Folder.make(tmp_path, f"ftops: {{name: gone}}\nproviders: {{local: {{type: emulator}}}}\n{spec}")
    folder.write("train.jsonl", "".join(json.dumps(pair(n)) + "\n" for n in range(12)))
    assert "has it been applied?" in folder.run("logs", "job.tone").err
    folder.ok("apply", "-y")
    folder.ok("destroy", "-y")
    facts = json.loads(folder.ok("audit", "-o", "json"))
    said = text_of(page_of(folder))
    assert "Nothing has been applied yet" not in said
    (ended,) = (run["ended_at"] for run in facts["runs"] if run["operation"] == "destroy")
    assert f"Everything was destroyed on {day(datetime.fromisoformat(ended))}: 1 resource declared." in said
    hint = folder.run("logs", "job.tone").err
    assert "has it been applied?" not in hint and "`ftops audit` lists" in hint


def test_an_apply_that_failed_half_way(tmp_path: Path) -> None:
    spec = re.sub(r"  tone:\n    for_each(.*\n)*?(?=  style:)", "", RICH)
    spec = re.sub(r"  best:\n(.*\n)*?(?=  style:)|  endpoint: .*\n", "", spec)
    folder = Folder.make(tmp_path, spec.replace("score: {at_least: 0}", "score: {at_least: 1}"))
    folder.write("data/pairs.jsonl", "".join(json.dumps(pair(n)) + "\n" for n in range(12)))
    folder.write(
        "prompts.json", json.dumps([*PROMPTS, {"prompt": "say nothing", "expect": "something else"}])
    )
    assert folder.run("apply", "-y", environ=IN_EMULATOR).code == 5
    facts = folder.run("report", "-o", "json", environ=IN_EMULATOR).json
    missing = [one["address"] for one in facts["objects"] if one["status"] == "not created"]
    assert missing == ["deployment.style"]
    said = text_of(page_of(folder, environ=IN_EMULATOR))
    assert "1 resource doesn't exist yet" in said
    assert "gate not passed deployment.style requires: score at least 1. evaluation.style: score is" in said


def test_data_that_changed_since(applied: Folder) -> None:
    applied.ok("report", "--offline", "--out", "before.html")  # measures the first version
    applied.write("data/train.jsonl", examples(11) + examples(2, "new "))
    applied.ok("apply", "-y")
    facts = json.loads(applied.ok("report", "-o", "json"))
    train = next(one for one in facts["data"] if one["address"] == "dataset.train")
    change = {name: train["change"][name] for name in ("added", "removed", "edited")}
    assert train["examples"] == 13
    assert sum(change.values()) in (2, 3) and change["added"] >= 1, change
    assert "since the version until" in text_of(page_of(applied))


def test_the_file_has_changed_since_it_was_applied(applied: Folder) -> None:
    """The page shows what was applied, from what was measured then; without that, it says so."""
    before = json.loads(applied.ok("report", "-o", "json"))["data"]
    applied.write("data/train.jsonl", examples(30))
    assert json.loads(applied.ok("report", "-o", "json"))["data"] == before
    for file in (applied.path / ".ftops" / "data").iterdir():
        file.unlink()
    after = {one["address"]: one for one in json.loads(applied.ok("report", "-o", "json"))["data"]}
    assert "the version that was applied isn't here" in after["dataset.train"]["note"]
    assert after["dataset.valid"]["tokens"] == next(
        d["tokens"] for d in before if d["address"] == "dataset.valid"
    )


def test_a_resource_that_is_no_longer_declared(applied: Folder) -> None:
    applied.edit(
        """  base:
    model: gpt-4o-mini-2024-07-18
    sku: {name: Standard, capacity: "${var.capacity}"}
""",
        "",
    )
    facts = json.loads(applied.ok("report", "-o", "json"))
    assert [one["address"] for one in facts["objects"] if not one["is_declared"]] == ["deployment.base"]
    assert "no longer declared" in text_of(page_of(applied))


def test_another_run_may_hold_the_lock_and_nothing_is_recorded(applied: Folder) -> None:
    before = {path: path.read_bytes() for path in (applied.path / "state").rglob("*.json*")}
    with Session.open(load(applied.path, environ={})) as session, session.locked("apply"):
        page_of(applied)
    assert before == {path: path.read_bytes() for path in before}


def test_a_service_that_cannot_be_reached(trained: Folder, tmp_path: Path) -> None:
    """The rest of the page is there, and says what is missing."""
    folder = Folder(tmp_path)
    for name in ("ftops.yaml", "prompts.json", *(f"data/{one}.jsonl" for one in ("train", "valid", "pairs"))):
        folder.write(name, (trained.path / name).read_text("utf-8"))
    dead = '{type: emulator, url: "http://127.0.0.1:9/", api_key: none}'
    spec = (tmp_path / "ftops.yaml").read_text("utf-8")
    folder.write("ftops.yaml", re.sub(r"providers:\n(  .*\n)+", f"providers: {{local: {dead}}}\n", spec))
    pulled = trained.run("state", "pull", environ=IN_EMULATOR).out
    at_dead = pulled.replace("emulator:.ftops/emulator#emulator", "emulator:http://127.0.0.1:9#emulator")
    folder.write("state.json", at_dead)
    assert folder.run("state", "push", "state.json", environ=IN_EMULATOR).code == 0
    facts = folder.run("report", "-o", "json", environ=IN_EMULATOR).json
    (warning,) = facts["warnings"]
    missing = "only what is recorded of the training of 5 jobs is shown, and deadlines are the catalogue's"
    assert warning.startswith(f"provider local can't be asked: {missing}. ")
    assert warning.count("provider local") == 1
    assert "Start it (`ftops emulator`)" in warning
    assert len(facts["jobs"]) == 5


def test_a_copied_emulator_is_warned_of_once(trained: Folder, tmp_path: Path) -> None:
    """With the reason, and with what to do."""
    copy = Folder(tmp_path / "copy")
    shutil.copytree(trained.path, copy.path)
    for command, missing in (
        (("report", "--force"), "only what is recorded of the training of 5 jobs is shown, and "),
        (("radar",), ""),
    ):
        done = copy.run(*command, environ=IN_EMULATOR)
        said = done.out + done.err
        assert f"can't be asked: {missing}deadlines are the catalogue's. The emulator doesn't start. " in said
        assert (said.count("warning: "), said.count("doesn't start")) == (1, 1)
        assert "was not created here" in said
        assert "--trust` once" in said


def test_jobs_that_are_training(tmp_path: Path) -> None:
    """They say where they stand, with the curves so far."""
    with running_cloud(tmp_path / "cloud") as cloud:
        folder = Folder.make(tmp_path, SWEEP.format(url=cloud.url, key=cloud.key, model=BASE_MODEL))
        submitted(cloud, folder, queue_seconds=1, min_training_seconds=1200, running_jobs_limit=1)

        def has_steps() -> bool:
            advance(cloud, 60)
            return any(job["step"] and job["step"] > 2 for job in running_jobs(folder))

        until(has_steps)
        facts = json.loads(folder.ok("report", "-o", "json"))
        job = next(job for job in facts["jobs"] if job["step"])
        assert job["verdict"] is None and job["note"] == ""
        assert {"column": "train_loss", "points": job["curves"][0]["points"]} == job["curves"][0]
        said = text_of(page_of(folder))
        assert "2 jobs are training" in said
        assert f"Now: running, step {job['step']} of {job['steps']}, loss " in said


# text of others


def evil(value: Any) -> Any:
    """The same value, in which each text is followed by markup."""
    if isinstance(value, Address):
        return value._replace(key=evil(value.key)) if value.key is not None else value
    if isinstance(value, Struct):
        kept = {"kind", "data", "status"}  # words of ftops, by which styles are chosen
        names = [name for name in value.__struct_fields__ if name not in kept or not _is_word(value, name)]
        return replace(
            value, **{name: evil(getattr(value, name)) for name in names if name != "always_written"}
        )
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(evil, value))
    if isinstance(value, tuple | list):
        return type(value)(map(evil, value))
    if isinstance(value, Mapping):
        return {evil(k) if isinstance(k, Address) else k: evil(v) for k, v in value.items()}
    if isinstance(value, str) and not isinstance(value, Enum):
        return value + EVIL
    return value


def _is_word(value: Struct, name: str) -> bool:
    return isinstance(getattr(value, name), str)


@pytest.fixture
def known(trained: Folder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Report]:
    """The facts as a value."""
    for name, value in IN_EMULATOR.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(trained.path)
    with Session.open(load(trained.path, environ=os.environ)) as session:
        yield gather(session, offline=False)


def test_no_text_of_others_becomes_markup(known: Report) -> None:
    page = report_to_html(evil(known))
    found = Page(page)
    assert not found.open
    assert "script" not in found.tags and "img" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e]", page)
    assert text_of(page).count("<script>alert(1)</script>") > 100, "it is there, as text"


def test_a_link_to_a_run_is_a_web_page(known: Report) -> None:
    for url, is_link in (
        ("https://example.com/run/1", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
    ):
        runs = tuple(replace(run, begun=replace(run.begun, run_url=url)) for run in known.runs)
        page = report_to_html(replace(known, runs=runs))
        assert (f'href="{url}"' in page) is is_link, url


# sizes


def test_three_hundred_resources(tmp_path: Path) -> None:
    """One box for all instances of a `for_each`; the page stays small."""
    numbers = ", ".join(map(str, range(300)))
    head = "jobs:\n  copilot:\n"
    spec = SPEC.replace(head, f"{head}    for_each: {{matrix: {{n: [{numbers}]}}}}\n").replace(
        "    seed: 105", "    seed: ${each.value.n}"
    )
    spec = spec.replace("${job.copilot.fine_tuned_model}", '${job.copilot["n=7"].fine_tuned_model}')
    folder = Folder.make(tmp_path, spec)
    folder.ok("apply", "-y")
    page = page_of(folder)
    assert "copilot × 300" in page
    assert page.count('class="node ') == 2 * 5
    assert len(page) < 1_500_000
    assert "Curves of 240 more jobs are left out" in text_of(page)
    check_links(page)


# the command


@pytest.mark.parametrize(
    ("words", "told"),
    {
        "exists": (["-o", "here.html"], "here.html exists"),
        "no folder": (["-o", "no/such.html"], "there is no folder"),
        "a folder": (["--out", "data.html"], "is a directory"),
        "suffix": (["--out", "page.pdf"], "known endings are .html"),
        "format": (["-o", "yaml"], "is not one of"),
        "two files": (["-o", "a.html", "--out", "b.html"], "-o a.html and b.html are two files"),
        "no such address": (["job.copilott"], "there is no job.copilott"),
        "two specs": ([".", "ftops.yaml"], "`.` and `ftops.yaml` are two specs"),
        "no address": (["what"], "is not an address"),
    }.values(),
    ids=lambda value: str(value)[:20],
)
def test_refused_and_nothing_is_written(applied: Folder, words: list[str], told: str) -> None:
    applied.write("here.html", "mine")
    (applied.path / "data.html").mkdir()
    before = sorted(applied.path.rglob("*.html"))
    done = applied.run("report", *words)
    assert done.code in (1, 2), done
    assert told.lower() in done.words.lower()
    assert sorted(applied.path.rglob("*.html")) == before
    assert (applied.path / "here.html").read_text("utf-8") == "mine"


def test_addresses_and_the_spec_in_one_line(applied: Folder) -> None:
    for words in (["job.copilot", "."], [".", "job.copilot"], ["job.copilot"]):
        facts = json.loads(applied.ok("report", *words, "-o", "json"))
        assert facts["restricted_to"] == ["job.copilot"], words
    elsewhere = Folder(applied.path.parent)
    done = elsewhere.run("report", "job.copilot", "-o", "json", environ={"FTOPS_SPEC": str(applied.path)})
    assert done.json["restricted_to"] == ["job.copilot"]


def test_json_goes_with_a_page_if_one_is_named(applied: Folder) -> None:
    facts = json.loads(applied.ok("report", "-o", "json"))
    assert facts["format_version"] == 1
    assert not (applied.path / "report.html").exists()
    applied.ok("report", "-o", "json", "--out", "page.html")
    applied.ok("report", "-o", "page.html")  # which replaces its own page, but no other
    applied.write(
        "other.html", (applied.path / "page.html").read_text("utf-8").replace("ftops report", "else")
    )
    assert "other.html exists" in applied.run("report", "-o", "other.html").err
    assert (applied.path / "page.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_addresses_are_completed(applied: Folder) -> None:
    environ = {"_FTOPS_COMPLETE": "bash_complete", "COMP_WORDS": "ftops report job.", "COMP_CWORD": "2"}
    done = applied.run(environ=environ)
    assert "job.copilot" in done.out


def test_the_time_is_that_of_the_report(known: Report) -> None:
    page = report_to_html(replace(known, at=datetime(2027, 2, 3, 4, 5, tzinfo=UTC)))
    assert "3 February 2027, 04:05 UTC" in text_of(page)
