"""Several specs in one repository: which are planned, and what is shown of all of them together."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.functional.test_cli_costs import git
from tests.golden.cli import SPEC, Done, Folder, examples, golden

SMALL = """\
ftops: {name: NAME}
providers: {m: {type: memory}}
datasets: {train: {path: data/train.jsonl}}
jobs: {copilot: {model: gpt-4o-mini-2024-07-18, training: train}}
"""
PATTERN = """\
ftops: {name: pattern}
providers: {m: {type: memory}}
datasets: {train: {path: "parts/**/*.jsonl"}}
jobs: {copilot: {model: gpt-4o-mini-2024-07-18, training: train}}
"""
NEW = SMALL.replace("NAME", "new").replace("data/", "../b/data/")
PROMPTS = '{"easy": {"Land the drone at the home base": "reject_request"}}'
TOOLS = '[{"name": "reject_request", "parameters": {"type": "object", "properties": {}}}]'
EVALUATED = """\
ftops: {name: evaluated}
providers: {m: {type: memory}}
evaluations:
  base:
    model: gpt-4o-mini-2024-07-18
    baseline: none
    prompts: ../shared/prompts.json
    tools: ../shared/tools.json
"""


@pytest.fixture
def project(tmp_path: Path) -> Folder:
    """Five specs: one is below another, one has a pattern, one shares files."""
    folder = Folder(tmp_path / "project")
    for name in ("a", "b", "a/below"):
        folder.write(f"{name}/ftops.yaml", SMALL.replace("NAME", name.replace("/", "-")))
        folder.write(f"{name}/data/train.jsonl", examples(12))
    folder.write("pattern/spec.yml", PATTERN)
    folder.write("pattern/parts/one/x.jsonl", examples(12))
    folder.write("pattern/parts/y.jsonl", examples(11, "y "))
    folder.write("evaluated/ftops.yaml", EVALUATED)
    folder.write("shared/prompts.json", PROMPTS)
    folder.write("shared/tools.json", TOOLS)
    folder.write("README.md", "Specs\n")
    git(folder.path, "init", "-q", "-b", "main")
    commit(folder)
    git(folder.path, "checkout", "-q", "-b", "branch")
    return folder


ALL = ["a", "a/below", "b", "evaluated", "pattern"]


def commit(folder: Folder) -> None:
    git(folder.path, "add", "-A")
    git(folder.path, "commit", "-qm", "change")


def paths(done: Done) -> list[str]:
    assert done.code in (0, 2), done
    return [one["path"] for one in done.json["specs"]]


def plan(folder: Folder, *argv: str, code: int = 0, **environ: str) -> Any:
    done = folder.run("plan", "--all", *argv, "-o", "json", environ=environ)
    assert done.code == code, done
    return done.json


def test_each_spec_below_the_folder_is_planned_as_it_is_by_itself(project: Folder) -> None:
    document = plan(project)
    assert [one["path"] for one in document["specs"]] == ALL
    assert document["verdict"] == {
        "level": "safe",
        "sentence": "5 specs: 5 with additions or updates only",
    }
    for one in document["specs"]:
        alone = project.run("plan", one["path"], "-o", "json").json
        assert one["plan"] == alone
    assert plan(project, "a")["folder"] == "a"
    assert [one["path"] for one in plan(project, "a")["specs"]] == ["a", "a/below"]
    assert plan(project, "--detailed-exitcode", code=2)["exit_code"] == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".github/workflows/ci.yml", "on: push\njobs: {}\n"),
        ("azure-pipelines.yml", "variables: {a: b}\njobs:\n- job: x\n"),
        ("compose.yaml", "services: {}\n"),
        ("node_modules/x/ftops.yaml", "ftops: {name: x}\n"),
        (".venv/ftops.yaml", "ftops: {name: x}\n"),
        (".ftops/ftops.yaml", "ftops: {name: x}\n"),
        ("models/ftops.catalog.yaml", "models: {}\n"),
        ("docs/.hidden.yaml", "ftops: {name: x}\n"),
        ("other/ftops.yaml", "ftops: {name: x}\n"),
    ],
)
def test_other_files_and_folders_are_no_specs(project: Folder, name: str, text: str) -> None:
    project.write(name, text)
    (project.path / "other").mkdir(exist_ok=True)
    (project.path / "other" / ".git").write_text("gitdir: elsewhere\n")
    assert paths(project.run("plan", "--all", "-o", "json")) == ALL


def test_links_are_not_followed(project: Folder, tmp_path: Path) -> None:
    outside = Folder(tmp_path / "outside")
    outside.write("ftops.yaml", SMALL.replace("NAME", "outside"))
    (project.path / "linked").symlink_to(outside.path)
    (project.path / "again").symlink_to(project.path)
    (project.path / "only").mkdir()
    (project.path / "only" / "spec.yaml").symlink_to(outside.path / "ftops.yaml")
    assert paths(project.run("plan", "--all", "-o", "json")) == ALL
    (project.path / "only" / "ftops.yaml").symlink_to(outside.path / "ftops.yaml")
    document = plan(project, code=1)
    (failed,) = [one for one in document["specs"] if "plan" not in one]
    assert failed["path"] == "only"
    assert "leads out of the project" in json.dumps(failed["diagnostics"])


def edit(name: str, old: str, new: str) -> Callable[[Folder], None]:
    return lambda folder: folder.edit(old, new, name)


def remove(name: str) -> Callable[[Folder], None]:
    return lambda folder: (folder.path / name).unlink()


def rename(name: str, to: str) -> Callable[[Folder], None]:
    def move(folder: Folder) -> None:
        (folder.path / to).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).rename(folder.path / to)

    return move


def add(name: str, text: str = examples(3, "more ")) -> Callable[[Folder], None]:
    return lambda folder: folder.write(name, text)


CHANGES: dict[str, tuple[Callable[[Folder], None], list[str]]] = {
    "nothing": (lambda folder: None, []),
    "outside of any spec": (edit("README.md", "Specs", "All"), []),
    "a spec": (edit("b/ftops.yaml", "train}", "train, seed: 4}"), ["b"]),
    "a spec below another": (edit("a/below/ftops.yaml", "train}", "train, seed: 4}"), ["a/below"]),
    "a second file of a spec": (add("b/more.yaml", "outputs: {x: 1}\n"), ["b"]),
    "data": (add("a/data/train.jsonl", examples(13)), ["a"]),
    "data that no spec names": (add("a/data/other.jsonl"), []),
    "a file that a pattern matches": (add("pattern/parts/two/three/z.jsonl"), ["pattern"]),
    "a hidden file that it doesn't": (add("pattern/parts/.z.jsonl"), []),
    "a deleted file of a pattern": (remove("pattern/parts/y.jsonl"), ["pattern"]),
    "a file that is renamed into a pattern": (rename("README.md", "pattern/parts/README.md"), []),
    "a file that is renamed out of a pattern": (rename("pattern/parts/y.jsonl", "y.jsonl"), ["pattern"]),
    "prompts in another folder": (edit("shared/prompts.json", "Land", "Put"), ["evaluated"]),
    "the catalogue of the project": (add("ftops.catalog.yaml", "models: {}\n"), ALL),
    "a new spec": (add("new/ftops.yaml", NEW), ["new"]),
}


@pytest.mark.parametrize("is_committed", [True, False], ids=["committed", "uncommitted"])
@pytest.mark.parametrize("name", CHANGES)
def test_only_touched_specs_are_planned(project: Folder, name: str, is_committed: bool) -> None:
    change, touched = CHANGES[name]
    change(project)
    if is_committed and touched:
        commit(project)
    found = plan(project, "--changed-since", "main", "--offline")
    assert [one["path"] for one in found["specs"]] == touched
    assert found["untouched"] == len({*ALL} - {*touched})


def test_what_the_other_branch_changed_does_not_count(project: Folder) -> None:
    edit("b/ftops.yaml", "train}", "train, seed: 4}")(project)
    commit(project)
    git(project.path, "checkout", "-q", "main")
    edit("a/ftops.yaml", "train}", "train, seed: 4}")(project)
    commit(project)
    git(project.path, "checkout", "-q", "branch")
    assert [one["path"] for one in plan(project, "--changed-since", "main")["specs"]] == ["b"]


def test_a_variable_file_touches_the_specs_that_are_read_with_it(project: Folder) -> None:
    for name in ("a", "a/below", "b"):
        project.write(
            f"{name}/ftops.yaml",
            SMALL.replace("NAME", name.replace("/", "-")) + "variables: {n: {default: 1}}\n",
        )
    shutil.rmtree(project.path / "evaluated")
    shutil.rmtree(project.path / "pattern")
    project.write("vars.yaml", "n: 2\n")
    commit(project)
    git(project.path, "checkout", "-qB", "main")
    project.write("vars.yaml", "n: 3\n")
    assert plan(project, "--changed-since", "main")["specs"] == []
    found = plan(project, "--changed-since", "main", "--var-file", "vars.yaml")
    assert [one["path"] for one in found["specs"]] == ["a", "a/below", "b"]


def test_a_spec_that_cannot_be_read_fails_alone_and_counts_as_touched(project: Folder) -> None:
    project.write("b/ftops.yaml", "ftops: {name: b}\njobs: {x: {modle: y}}\n")
    commit(project)
    git(project.path, "checkout", "-qB", "main")
    document = plan(project, "--changed-since", "main", code=1)
    (failed,) = document["specs"]
    assert (failed["path"], failed["spec"], failed["exit_code"]) == ("b", "b", 1)
    document = plan(project, code=1)
    assert [("plan" in one) for one in document["specs"]] == [True, True, False, True, True]
    done = project.run("plan", "--all")
    assert done.code == 1
    assert "5 specs: 1 can't be planned, 4 with additions or updates only" in done.out
    assert "unknown key `modle`" in done.err


def test_the_worst_exit_code_counts(project: Folder) -> None:
    denied = "policy: [{deny: {models: {allow: [none]}}}]\n"
    project.write("b/ftops.yaml", SMALL.replace("NAME", "b") + denied)
    assert plan(project, "--detailed-exitcode", code=3)["verdict"]["level"] == "denied"
    project.write("a/ftops.yaml", "ftops: {name: a}\njobs: 3\n")
    assert plan(project, "--detailed-exitcode", code=1)["exit_code"] == 1


def test_specs_with_the_same_state_fail(project: Folder) -> None:
    project.edit("name: b", "name: a", "b/ftops.yaml")
    document = plan(project, code=1)
    failed = [one for one in document["specs"] if "plan" not in one]
    assert [one["path"] for one in failed] == ["a", "b"]
    assert failed[0]["diagnostics"][0]["summary"] == "a and b have the same name and state"


def test_a_spec_without_the_environment_is_left_out_and_named(project: Folder) -> None:
    project.write("b/ftops.yaml", SMALL.replace("NAME", "b") + "environments: {prod: {}}\n")
    document = plan(project, "--env", "prod")
    assert [one["path"] for one in document["specs"]] == ["b"]
    assert {"path": "a", "reason": "it has no environment prod"} in document["skipped"]
    assert "a isn't planned: it has no environment prod" in project.run("plan", "--all", "--env", "prod").out
    assert len(plan(project, "--env", "default")["specs"]) == len(ALL)


def test_each_plan_is_kept_by_its_digest_and_applied_by_it(project: Folder) -> None:
    document = plan(project, "--save")
    for one in document["specs"]:
        if one["path"] == "evaluated":
            continue
        done = project.run("-C", one["path"], "apply", one["plan"]["digest"])
        assert done.code == 0, done
    assert plan(project, "b", "--detailed-exitcode")["specs"][0]["exit_code"] == 0


REFUSED: list[tuple[tuple[str, ...], str]] = [
    (("plan", "--changed-since", "main"), "--changed-since goes with --all"),
    (("validate", "--changed-since", "main"), "--changed-since goes with --all"),
    (("plan", "--all", "--out", "x.ft"), "--out is about one spec"),
    (("plan", "--all", "--state", "x.json"), "--state is about one spec"),
    (("plan", "--all", "--target", "job.copilot"), "--target is about one spec"),
    (("plan", "--all", "--override", "x", "--reason", "y"), "--override is about one spec"),
    (("plan", "--all", "--untrusted", "--changed-since", "main"), "--changed-since asks git"),
    (("plan", "--all", "a/ftops.yaml"), "a/ftops.yaml isn't a folder"),
    (("plan", "--all", "nowhere"), "nowhere isn't a folder"),
    (("plan", "--all", "a/data"), "there is no spec in a/data or below it"),
    (("plan", "--all", "--changed-since", "gone"), "there is no revision gone here"),
    (("plan", "--all", "--changed-since", "--output=x"), "there is no revision --output=x here"),
    (("validate", "--all", "--changed-since", ""), "the value of `--changed-since` is empty"),
]


@pytest.mark.parametrize(
    ("words", "message"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_what_makes_no_sense_is_refused(project: Folder, words: tuple[str, ...], message: str) -> None:
    done = project.run(*words)
    assert done.code == 1
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_shallow_clone_says_what_to_fetch(project: Folder, tmp_path: Path) -> None:
    edit("b/ftops.yaml", "train}", "train, seed: 4}")(project)
    commit(project)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{project.path}", "clone")
    clone = Folder(tmp_path / "clone")
    done = clone.run("plan", "--all", "--changed-since", "origin/main")
    assert "hint: Check its name; in CI, fetch it: `git fetch origin main`" in done.err
    git(clone.path, "fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    done = clone.run("plan", "--all", "--changed-since", "origin/main")
    assert "have no common commit here" in done.err
    assert "git fetch --unshallow" in done.err
    plain = Folder(tmp_path / "plain")
    plain.write("ftops.yaml", SMALL.replace("NAME", "plain"))
    assert "as a repository" in plain.run("plan", "--all", "--changed-since", "main").err


def test_git_runs_no_program_of_the_repository(project: Folder, tmp_path: Path) -> None:
    """Filters, hooks, monitors and drivers that `.git/config` names."""
    mark = tmp_path / "ran"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    script.chmod(0o755)
    project.write(".gitattributes", "*.jsonl filter=x diff=x\n*.yaml filter=a=b\n")
    commit(project)
    for name in ("filter.x.clean", "filter.x.process", "diff.x.command", "diff.x.textconv", "core.fsmonitor"):
        git(project.path, "config", name, str(script))
    with (project.path / ".git" / "config").open("a") as config:
        config.write(f'[filter "a=b"]\n\tclean = {script}\n\trequired = true\n')
    for name in ("a/data/train.jsonl", "a/ftops.yaml"):
        os.utime(project.path / name)
    edit("b/ftops.yaml", "train}", "train, seed: 4}")(project)
    mark.unlink(missing_ok=True)
    assert [one["path"] for one in plan(project, "--changed-since", "main")["specs"]] == ["b"]
    assert not mark.exists()


def test_validate_checks_all(project: Folder) -> None:
    project.write("b/ftops.yaml", "ftops: {name: b}\njobs: {x: {modle: y}}\n")
    done = project.run("validate", "--all", "-o", "json")
    assert done.code == done.json["exit_code"] == 1
    assert [one["valid"] for one in done.json["specs"]] == [True, True, False, True, True]
    done = project.run("validate", "--all", "--changed-since", "main")
    assert "unknown key `modle`" in done.err
    assert "Valid: a declares" not in done.out
    sarif = project.run("validate", "--all", "-o", "sarif").json
    (uri,) = {
        r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in sarif["runs"][0]["results"]
    }
    assert uri == "b/ftops.yaml"


def three(project: Folder) -> None:
    """One that deletes, one that fails, one that creates; the others are removed."""
    for name in ("evaluated", "pattern", "a/below"):
        shutil.rmtree(project.path / name)
    project.write("a/ftops.yaml", SPEC)
    project.write("a/data/valid.jsonl", examples(10, "valid "))
    project.ok("apply", "a", "-y")
    without = SPEC.replace(
        "  copilot:\n    model: ${job.copilot.fine_tuned_model}\n",
        "  x:\n    enabled: false\n    model: gpt-4o-mini-2024-07-18\n",
    )
    without = without.replace("  name: ${deployment.copilot.name}\n", "")
    project.write("a/ftops.yaml", without)
    project.write("broken/ftops.yaml", "ftops: {name: broken}\njobs: {x: {modle: y}}\n")


def test_markdown_has_the_verdict_on_all_first(project: Folder) -> None:
    three(project)
    done = project.run("plan", "--all", "-o", "markdown")
    assert done.code == 1
    golden("many-specs", done.out, ".md")


@pytest.mark.parametrize("form", ["github", "gitlab", "sarif", "junit", "gitlab-terraform"])
def test_reports_have_the_findings_of_all(project: Folder, form: str) -> None:
    three(project)
    done = project.run("plan", "--all", "-o", form)
    assert done.code == 1
    if form == "gitlab-terraform":
        assert json.loads(done.out) == {"create": 2, "update": 0, "delete": 1}
    else:
        assert "modle" in done.out
        assert "broken/ftops.yaml" in done.out


@pytest.mark.parametrize("limit", [2_000, 12_000])
def test_a_short_document_is_within_its_limit_and_says_what_it_lacks(project: Folder, limit: int) -> None:
    three(project)
    text = project.run("plan", "--all", "-o", "markdown", "--limit", str(limit)).out
    assert len(text.encode()) <= limit
    for word in ("broken", "can't be planned", "1 endpoint deleted"):
        assert word in text
    if limit < 12_000:
        assert "Left out for length" in text
