"""`ftops init --ci github`: the workflows are as in the golden files, may do little, and run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftops.cli.workflows import NEW_SPEC, spec_in
from tests.forges.conftest import MERGE, Job, github_variables
from tests.forges.github_api import GitHub
from tests.forges.stand_in import Merged, running
from tests.forges.test_ci_run import Step
from tests.golden.cli import ROOT, SPEC, Done, Folder, golden

NAMES = ("ftops-plan", "ftops-apply", "ftops-reconcile", "ftops-drift")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
REVIEWED = SPEC + "environments: {dev: {}, prod: {}}\npolicy: []\n"
PREVIEWS = SPEC + 'environments: {prod: {}, pr: {pattern: "pr-*", ttl: 72h}}\n'


def init(root: Path, spec: str = REVIEWED, *words: str, service: str = "github") -> tuple[Folder, Done]:
    """A repository with a spec in the folder `models`, and what init came to there."""
    (root / ".git").mkdir(parents=True)
    folder = Folder.make(root / "models", spec)
    return folder, folder.run("init", "--ci", service, *words)


def texts(root: Path) -> dict[str, str]:
    folder = root / ".github" / "workflows"
    return {path.stem: path.read_text("utf-8") for path in folder.iterdir()} if folder.exists() else {}


def jobs(root: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for text in texts(root).values():
        yield from yaml.safe_load(text)["jobs"].items()


def test_the_workflows(tmp_path: Path) -> None:
    done = init(tmp_path)[1]
    assert f"Created {tmp_path.resolve()}/.github/workflows/ftops-plan.yml" in done.out
    assert "replace OWNER/REPOSITORY@000… in the workflows" in done.out
    found = texts(tmp_path)
    assert found.keys() == set(NAMES)
    for name in NAMES:
        golden(name, found[name], ".yml")
    known = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    for pin in re.findall(r"uses: (\S+@.*)", "\n".join(found.values())):
        assert pin in known or re.match(r"(azure/login@f5d393ae|OWNER/REPOSITORY@0{40} # fill in)", pin), pin


def test_a_job_may_do_little(tmp_path: Path) -> None:
    init(tmp_path)
    for text in texts(tmp_path).values():
        assert yaml.safe_load(text)["permissions"] == {}
        assert not re.search(r"pull_request_target|secrets\.|run:.*\$\{\{", text)
    for name, job in jobs(tmp_path):
        checkout, *_, ours = (step for step in job["steps"] if "uses" in step)
        assert checkout["with"]["persist-credentials"] is False
        assert ours["with"].keys() <= ACTION["inputs"].keys()
        has_identity = any("azure/login" in step.get("uses", "") for step in job["steps"])
        assert has_identity == ("id-token" in job["permissions"]) == ("environment" in job)
        assert has_identity == (name != "fork")
        changes = ours["with"]["command"] in ("apply", "reconcile")
        assert changes == ("APPLY_CLIENT_ID" in str(job))
        if changes:
            assert job["concurrency"] == {"group": "ftops-prod", "cancel-in-progress": False, "queue": "max"}
    assert dict(jobs(tmp_path))["fork"]["permissions"] == {"contents": "read"}


def test_pitfalls_12_and_13_the_jobs_run(tmp_path: Path) -> None:
    """From a pull request to an apply of the plan of the merge, as the workflows say: the merge is another
    commit in another folder, where the plan is the same, or main has moved."""
    root = tmp_path / "checkout"
    folder, _ = init(root)
    (root / ".git").rmdir()
    who = ("-c", "user.name=ann", "-c", "user.email=ann@example.com")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "models")):
        subprocess.run(["git", *who, *words], cwd=root, check=True)
    given: dict[str, str] = {
        "github.event.pull_request.base.sha || github.event.merge_group.base_sha": "HEAD"
    }

    def run(job: str, code: int = 0) -> Done:
        *_, ours = (each for each in dict(jobs(root))[job]["steps"] if "with" in each)
        values = {name: filled(str(value)) for name, value in ours["with"].items()}
        done = step.run(values.pop("command"), code, **{n.replace("-", "_"): v for n, v in values.items()})
        given.update({f"needs.{job}.outputs.{name}": value for name, value in step.outputs.items()})
        return done

    def filled(value: str) -> str:
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: given[match[1]], value)

    with running(GitHub()) as forge:
        assert isinstance(forge, GitHub)
        step = Step(Job(folder, github_variables(forge, tmp_path)), tmp_path)
        run("fork")
        assert forge.seen == []
        run("plan")
        assert len(forge.comments) == 1
        reviewed = given["needs.plan.outputs.digest"]

        merged = Folder(
            shutil.copytree(root, tmp_path / "s", ignore=shutil.ignore_patterns("state")) / "models"
        )
        step.job.folder = merged
        del step.job.environ["GITHUB_EVENT_PATH"]
        forge.merged[MERGE] = [Merged(12, squash=MERGE)]
        run("plan")
        assert given["needs.plan.outputs.digest"] == reviewed
        merged.edit("default: 20", "default: 30")  # another merge came in between
        run("apply", code=3)
        merged.edit("default: 30", "default: 20")
        run("apply")
        run("reconcile")
        assert [status["state"] for status in forge.statuses] == ["pending", "failure", "pending", "success"]
        assert {status["sha"] for status in forge.statuses} == {MERGE}
        (comment,) = forge.visible
        assert "### ✅ `drone (prod)`: applied" in comment.body
        run("drift")
        assert step.outputs["exit-code"] == "0"
        run("apply", code=3)  # an approval is for once


@pytest.mark.parametrize(
    ("environments", "words", "said"),
    [
        ("", (), "default"),
        ("dev: {}, prod: {}", ("--env", "dev"), "dev"),
        ("test: {}", (), "test"),
        ("dev: {}, test: {}", (), "the workflows are for one environment"),
        ("dev: {}", ("--env", "prod"), "there is no environment `prod`"),
    ],
)
def test_the_environment(tmp_path: Path, environments: str, words: tuple[str, ...], said: str) -> None:
    done = init(tmp_path, f"{SPEC}environments: {{{environments}}}\n", *words)[1]
    found = texts(tmp_path)
    assert done.code == (0 if found else 1)
    assert said in done.err if done.code else f'env: "{said}"' in found["ftops-plan"]
    assert not found or "# policy-ref:" in found["ftops-plan"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder, _ = init(tmp_path)
    there = tmp_path / ".github" / "workflows"
    (there / "ftops-plan.yml").unlink()
    done = folder.run("init", "--ci", "github")
    assert (done.code, "ftops-apply.yml already exists" in done.err) == (1, True)
    assert "ftops-plan" not in texts(tmp_path)
    for path in there.iterdir():
        path.unlink()
    there.rmdir()
    there.symlink_to("/tmp", target_is_directory=True)
    done = folder.run("init", "--ci", "github")
    assert (done.code, "leads out of the project" in done.err) == (1, True)


def test_a_new_spec_gets_workflows_too(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    created = here.run("init", "--ci", "github", "-o", "json").json["created"]
    assert created[:6] == [
        "ftops.yaml", "data/train.jsonl", "ask.py", "README.md", "ftops.schema.json", ".gitignore",
    ]  # fmt: skip
    assert created[6:] == [f".github/workflows/{name}.yml" for name in NAMES]
    assert here.run("init", "--env", "prod").err.startswith("error: --env needs --ci")
    assert 'env: "prod"' in texts(tmp_path)["ftops-plan"]
    assert spec_in(tmp_path)._replace(name="") == NEW_SPEC
    assert "Plan: 3 to create" in here.ok("plan", "--offline")
    assert here.ok("fmt", "--check") == ""


def test_a_project_gets_a_gitignore_with_its_workflows(tmp_path: Path) -> None:
    """Where the state is: in the folder of the project, and not in that of the spec."""
    (tmp_path / ".git").mkdir()
    here = Folder(tmp_path)
    here.write("models/ftops.yaml", SPEC)
    done = here.ok("init", "--ci", "github", "models")
    assert done.startswith("Created .gitignore\nCreated .github/workflows/ftops-plan.yml\n")
    assert "/state/\n" in (tmp_path / ".gitignore").read_text()


def test_the_next_steps_are_those_that_are_left(tmp_path: Path) -> None:
    """Of a new spec, and of one whose state is in a bucket."""
    (tmp_path / ".git").mkdir()
    here = Folder(tmp_path)
    new = here.ok("init", "--ci", "github", "new models")
    assert "fill in `providers`" in new
    assert "give the jobs what the spec reads: AZURE_SUBSCRIPTION_ID" in new
    assert "ftops ci setup github 'new models'" in new
    assert "ftops plan 'new models' --env prod" in new
    shared = SPEC + "ftops: {name: drone, state: {backend: s3, bucket: states, region: eu-west-1}}\n"
    here.write("old/ftops.yaml", shared.replace("ftops: {name: drone}\n", "", 1))
    old = here.ok("init", "--ci", "gitlab", "old")
    assert not any(words in old for words in ("bucket", "give the jobs", "fill in `providers`"))


@pytest.mark.parametrize("pattern", ['{pattern: "pr-*"}', "{}"])
def test_previews_that_do_not_expire_have_no_workflow(tmp_path: Path, pattern: str) -> None:
    assert init(tmp_path, f"{SPEC}environments: {{prod: {{}}, pr: {pattern}}}\n")[1].code == 0
    assert texts(tmp_path).keys() == set(NAMES)


def test_the_workflow_of_previews(tmp_path: Path) -> None:
    init(tmp_path, PREVIEWS)
    found = texts(tmp_path)
    assert found.keys() == {*NAMES, "ftops-preview"}
    assert 'env: "prod"' in found["ftops-plan"]
    golden("ftops-preview", found["ftops-preview"], ".yml")
    assert yaml.safe_load(found["ftops-preview"])["permissions"] == {}
    assert not re.search(
        r"pull_request_target|secrets\.|run:|{paths|APPLY_CLIENT|PLAN_CLIENT", found["ftops-preview"]
    )
    for job in yaml.safe_load(found["ftops-preview"])["jobs"].values():
        assert job["environment"] == "ftops-preview"
        assert job["concurrency"]["cancel-in-progress"] is False
        for step in job["steps"]:
            assert "OWNER" not in step["uses"] or step["with"].keys() <= ACTION["inputs"].keys()


def test_pitfall_23_a_preview_comes_and_goes(tmp_path: Path) -> None:
    """As the workflow says: applied twice, then the pull request is closed, and its branch is gone. Another
    one is never closed, as it has conflicts, and expires."""
    folder, _ = init(tmp_path, PREVIEWS.replace("ttl: 72h", "ttl: 0.01s"))
    state = tmp_path / "state" / "drone"

    def run(job: str, number: int) -> Mapping[str, str]:
        given = {"github.event.pull_request.number": str(number)}
        for ours in jobs_of(tmp_path)[job]["steps"]:
            if "OWNER" not in ours["uses"]:
                continue
            values = {
                n: re.sub(r"\$\{\{ (.*?) \}\}", lambda m: given[m[1]], v) for n, v in ours["with"].items()
            }
            step.run(values.pop("command"), 0, **{n.replace("-", "_"): v for n, v in values.items()})
            given["steps.plan.outputs.digest"] = step.outputs.get("digest", "")
        return step.outputs

    with running(GitHub()) as forge:
        assert isinstance(forge, GitHub)
        step = Step(Job(folder, github_variables(forge, tmp_path)), tmp_path)
        for _ in range(2):
            assert run("apply", 12)["exit-code"] == "0"
        assert (state / "pr-12.json").exists()
        assert len(forge.comments) == 1
        run("apply", 13)
        folder.edit('pr: {pattern: "pr-*", ttl: 0.01s}', "")  # the spec of main has never had previews
        run("remove", 12)
        assert len(forge.comments) == 2
        assert any("1 preview deleted" in comment.body for comment in forge.comments)
        assert sorted(path.stem for path in state.glob("*.json")) == ["pr-13"]
        assert run("gc", 0)["exit-code"] == "0"
        assert not list(state.glob("*.json"))
        run("remove", 12)


def jobs_of(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(texts(root)["ftops-preview"])["jobs"]
    return found
