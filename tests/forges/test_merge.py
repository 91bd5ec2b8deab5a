"""After a merge: the pull request of a commit, and how apply and reconcile go on with its comment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ftops.planning.plan import Action
from tests.forges.azure_devops_api import AzureDevOps
from tests.forges.conftest import MERGE, TOKEN, Job, change, documented, github_variables, plan
from tests.forges.gitea_api import Gitea
from tests.forges.github_api import GitHub
from tests.forges.gitlab_api import GitLab
from tests.forges.stand_in import Account, Fault, Merged, StandIn, running
from tests.forges.test_services import of_azure_devops, of_gitea, of_gitlab
from tests.golden.cli import Folder, golden

OF_A_PULL = (
    "GITHUB_EVENT_PATH",
    "CI_MERGE_REQUEST_IID",
    "CI_MERGE_REQUEST_PROJECT_ID",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA",
    "SYSTEM_PULLREQUEST_PULLREQUESTID",
    "SYSTEM_PULLREQUEST_SOURCECOMMITID",
)
ROWS: Mapping[str, tuple[Callable[[], StandIn], Callable[[Any, Path], Mapping[str, str]]]] = {
    "github": (GitHub, github_variables),
    "gitlab": (GitLab, of_gitlab),
    "gitea": (Gitea, of_gitea),
    "azure-devops": (AzureDevOps, of_azure_devops),
}
OTHER = "1" * 40
PLANNED = documented(plan(change("copilot", Action.CREATE)))


class Case(NamedTuple):
    forge: Any
    job: Job

    def comment(self, document: str, *words: str, code: int = 0) -> str:
        self.job.folder.write("result.json", document)
        done = self.job.ftops("ci", "comment", "result.json", *words, code=code)
        return " ".join((done.out + done.err).split())

    def bodies(self) -> list[str]:
        """The text of the comments of the CI."""
        if isinstance(self.forge, GitHub):
            return [comment.body for comment in self.forge.visible if comment.author.login == "ci[bot]"]
        found: list[str] = self.forge.bodies()
        return found


@pytest.fixture(params=ROWS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    """A job for a push to the branch `main`."""
    make, variables = ROWS[request.param]
    with running(make()) as forge:
        environ = {n: v for n, v in variables(forge, tmp_path).items() if n not in OF_A_PULL}
        yield Case(forge, Job(Folder.make(tmp_path / "drone"), environ))


def applied(result: str, *steps: tuple[str, str], **more: Any) -> str:
    """What `apply -o json` prints."""
    lines = [{"event": "plan", **json.loads(PLANNED)}]
    lines += [{"event": "result", "result": result, "exit_code": 0, "steps": dict(steps), **more}]
    return "\n".join(map(json.dumps, lines))


MERGES = {
    "merge": Merged(12, merge=MERGE, head=OTHER),
    "squash": Merged(12, squash=MERGE, head=OTHER),
    "rebase": Merged(12, head=MERGE),
}


@pytest.mark.parametrize("kind", MERGES)
def test_pitfall_12_the_pull_request_of_a_merge_is_found(case: Case, kind: str) -> None:
    others = [
        Merged(11, merge=OTHER, head=OTHER),  # its branch has the commit
        Merged(13, head=MERGE, is_merged=False),  # is open, from the same branch
    ]
    one = MERGES[kind]
    case.forge.merged[MERGE] = [one] if isinstance(case.forge, Gitea) else [others[0], one, others[1]]
    assert "The comment was created." in case.comment(applied("done", ("deployment.copilot", "done")))
    (body,) = case.bodies()
    assert "### ✅ `drone (prod)`: applied" in body
    assert f"head={MERGE}" in body.splitlines()[0]


def test_pitfall_12_a_squash_beside_a_merge_commit_at_gitlab(tmp_path: Path) -> None:
    with running(GitLab()) as forge:
        assert isinstance(forge, GitLab)
        environ = {n: v for n, v in of_gitlab(forge, tmp_path).items() if n not in OF_A_PULL}
        made = Case(forge, Job(Folder.make(tmp_path / "drone"), environ))
        for one in (Merged(12, MERGE, OTHER, OTHER), Merged(12, OTHER, MERGE, OTHER)):
            forge.merged[MERGE] = [one]
            made.comment(applied("done"))
        assert len(made.bodies()) == 1


def test_pitfall_12_what_was_pushed_without_a_pull_request_is_in_the_summary(case: Case) -> None:
    summary = case.job.folder.path / "summary"
    case.job.environ["GITHUB_STEP_SUMMARY"] = str(summary)
    said = case.comment(applied("done"))
    assert f"warning: no pull request was merged as commit {MERGE[:12]}" in said
    assert "applied" in summary.read_text("utf-8")
    case.forge.merged[MERGE] = [Merged(12, merge=OTHER, head=OTHER)]
    assert "no pull request" in case.comment(applied("done"))
    assert case.bodies() == []
    assert not [line for line in case.forge.writes if "query" not in line]


def test_a_plan_without_a_pull_request_is_still_an_error(case: Case) -> None:
    assert "doesn't belong to a pull request" in case.comment(PLANNED, code=1)
    assert case.forge.seen == []


def test_pitfall_22_a_search_that_is_refused_is_an_error(case: Case) -> None:
    case.forge.accounts.clear()
    said = case.comment(applied("done"), code=1)
    assert "can't find the" in said
    assert "request of the commit" in said
    assert case.comment(applied("done"), "--best-effort").startswith("warning: can't find the")


def grant(result: str, *, pull: str = "12", commit: str = MERGE, **more: Any) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "left": {},
        "waiting": [],
        "failed": [],
        "held": [],
        "done": [],
        "diagnostics": [],
    }
    return {"result": result, "pull_request": pull, "commit": commit, **parts, **more}


def reconciled(*grants: dict[str, Any]) -> str:
    return json.dumps({"spec": "drone", "environment": "prod", "exit_code": 0, "grants": list(grants)})


TRAINING: dict[str, Any] = {
    "left": {"job.copilot": "ftjob-1"},
    "waiting": ["deployment.copilot"],
    "done": ["dataset.train"],
}
EVIL = "x`](https://evil.example) @org/team\n/merge <!-- ftops:v1 -->"
STATES: Mapping[str, tuple[str, str]] = {
    "applying": (
        json.dumps({"event": "result", "result": "applying"}),
        "⏳ `drone (prod)`: is being applied",
    ),
    "submitted": (
        applied(
            "in-progress",
            ("dataset.train", "done"),
            ("job.copilot", "left"),
            ("deployment.copilot", "skipped"),
        ),
        "⏳ `drone (prod)`: in progress at the service: 1 of 3 steps done",
    ),
    "training": (
        reconciled(grant("in-progress", **TRAINING, progress={"job.copilot": 43.4})),
        "⏳ `drone (prod)`: training, 43 %",
    ),
    "done": (
        reconciled(grant("done", done=["dataset.train", "job.copilot", "deployment.copilot"])),
        "✅ `drone (prod)`: applied",
    ),
    "held": (
        reconciled(
            grant(
                "held",
                done=["dataset.train", "job.copilot"],
                held=[{"address": "deployment.copilot", "reasons": ["accuracy is 0.71, required: 0.8"]}],
            )
        ),
        "⚠️ `drone (prod)`: held by a gate: 2 of 3 steps done",
    ),
    "failed": (
        reconciled(
            grant(
                "failed",
                done=["dataset.train"],
                failed=["job.copilot"],
                waiting=["deployment.copilot"],
                diagnostics=[{"summary": f"job.copilot: the service has cancelled it {EVIL}"}],
            )
        ),
        "❌ `drone (prod)`: apply failed: 1 of 3 steps done",
    ),
    "refused": (
        reconciled(
            grant("refused", diagnostics=[{"summary": "the approval has expired", "hint": "plan again"}])
        ),
        "❌ `drone (prod)`: the approved plan is refused",
    ),
    "interrupted": (applied("interrupted"), "❌ `drone (prod)`: apply was interrupted"),
    "killed": (applied("done").splitlines()[0], "❌ `drone (prod)`: apply was killed"),
}


@pytest.mark.parametrize("state", STATES)
def test_the_states_of_the_comment(tmp_path: Path, state: str) -> None:
    document, title = STATES[state]
    with running(GitHub()) as forge:
        assert isinstance(forge, GitHub)
        environ = {n: v for n, v in github_variables(forge, tmp_path).items() if n not in OF_A_PULL}
        forge.merged[MERGE] = [Merged(12, merge=MERGE)]
        made = Case(forge, Job(Folder.make(tmp_path / "drone"), environ))
        made.comment(document, "--spec", "drone", "--env", "prod")
        (body,) = made.bodies()
        assert body.splitlines()[1] == f"### {title}"
        golden(f"comment-{state}", body, ".md")


def test_progress_goes_to_the_same_comment(case: Case) -> None:
    case.forge.merged[MERGE] = [Merged(12, merge=MERGE)]
    case.comment(applied("in-progress", ("job.copilot", "left")))
    for percent in (20.2, 43.4, 43.1, 43.4):
        case.comment(reconciled(grant("in-progress", **TRAINING, progress={"job.copilot": percent})))
        (body,) = case.bodies()
        assert f"training, {percent:.0f} %" in body
    assert len([w for w in case.forge.writes if "query" not in w]) == 3  # 43 % is written once
    case.comment(reconciled(grant("done", done=["job.copilot"])))
    (body,) = case.bodies()
    assert "applied" in body


def test_another_run_of_the_schedule_writes_nothing_new(case: Case) -> None:
    case.forge.merged[MERGE] = [Merged(12, merge=MERGE)]
    document = reconciled(grant("in-progress", **TRAINING, progress={"job.copilot": 43.4}))
    case.comment(document)
    url = "https://gitlab.example/contoso/models/-/jobs/6"
    runs = {"GITHUB_RUN_ID": "6", "BUILD_BUILDID": "6", "CI_JOB_URL": url}
    case.job.environ.update({name: value for name, value in runs.items() if name in case.job.environ})
    assert "unchanged" in case.comment(document)
    (body,) = case.bodies()
    assert "6)" not in body
    case.comment(reconciled(grant("done", done=["job.copilot"])))
    (body,) = case.bodies()
    assert "6)" in body or "[run]" not in body


def test_each_approval_is_told_on_its_own_pull_request(tmp_path: Path) -> None:
    with running(GitHub()) as forge:
        assert isinstance(forge, GitHub)
        forge.pulls.add(34)
        environ = {n: v for n, v in github_variables(forge, tmp_path).items() if n not in OF_A_PULL}
        made = Case(forge, Job(Folder.make(tmp_path / "drone"), environ))
        first = grant("in-progress", **TRAINING)
        second = grant("failed", pull="34", commit=OTHER, failed=["job.other"])
        unknown = grant("done", pull="", commit="2" * 40, done=["job.third"])
        document = reconciled(first, second, unknown)
        said = made.comment(document)
        assert {comment.pull: comment.body.splitlines()[1] for comment in forge.comments} == {
            12: "### ⏳ `drone (prod)`: in progress at the service: 1 of 3 steps done",
            34: "### ❌ `drone (prod)`: apply failed: 0 of 1 step done",
        }
        assert "no pull request was merged as commit 222222222222" in said
        made.job.ftops("ci", "status", "result.json")
        states = {status["sha"]: status["state"] for status in forge.statuses}
        assert states == {MERGE: "pending", OTHER: "failure", "2" * 40: "success"}
        out = made.job.ftops("ci", "comment", "result.json", "-o", "json").json
        assert [one["result"] for one in out["results"]] == ["unchanged", "unchanged", "no pull request"]
        assert len(out["diagnostics"]) == 1
        forge.accounts[TOKEN] = Account(41, "ci[bot]", frozenset())
        forge.faults.append(Fault("GET", "/issues/12/", 403, {"message": "Forbidden"}, times=9))
        assert "Forbidden" in made.comment(document, code=1)


@pytest.mark.parametrize("pull", ["x", "1" * 12, "-1", EVIL, ""])
def test_what_a_grant_says_may_be_anything(case: Case, pull: str) -> None:
    case.forge.merged[MERGE] = [Merged(12, merge=MERGE)]
    case.comment(
        reconciled(grant("done", pull=pull, commit="../x" if pull == "x" else MERGE, done=["job.a"]))
    )
    assert len(case.bodies()) == 1


def test_a_dry_run_contacts_nothing(case: Case) -> None:
    said = case.comment(applied("done"), "--dry-run")
    assert f"on pull request that was merged as {MERGE[:12]}" in said
    assert case.forge.seen == []
