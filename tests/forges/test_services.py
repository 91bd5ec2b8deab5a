"""The same rules at GitLab, Azure DevOps, and Gitea and Forgejo: a table of their stand-ins and variables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from ftops.forges.azure_devops import AZURE_DEVOPS
from ftops.planning.plan import Action
from tests.forges.azure_devops_api import AzureDevOps
from tests.forges.conftest import (
    DESTRUCTIVE,
    HEAD,
    MERGE,
    SAFE,
    TOKEN,
    Job,
    change,
    documented,
    event_of_pull,
    plan,
)
from tests.forges.gitea_api import Gitea
from tests.forges.gitlab_api import GitLab
from tests.forges.stand_in import Account, Fault, StandIn, running
from tests.golden.cli import Folder

Forge = GitLab | AzureDevOps | Gitea


def of_gitlab(forge: Forge, folder: Path) -> Mapping[str, str]:
    return {
        "GITLAB_CI": "true",
        "CI_API_V4_URL": forge.api,
        "CI_PROJECT_ID": "77",
        "CI_MERGE_REQUEST_PROJECT_ID": "77",
        "CI_MERGE_REQUEST_IID": "12",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD,
        "CI_COMMIT_SHA": MERGE,
        "CI_JOB_URL": "https://gitlab.example/contoso/models/-/jobs/5",
        "GITLAB_TOKEN": TOKEN,
    }


def of_azure_devops(forge: Forge, folder: Path) -> Mapping[str, str]:
    return {
        "TF_BUILD": "True",
        "SYSTEM_COLLECTIONURI": f"{forge.api}/",
        "SYSTEM_TEAMPROJECT": "my project",
        "SYSTEM_TEAMPROJECTID": "my project",
        "BUILD_REPOSITORY_ID": "r-77",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "12",
        "SYSTEM_PULLREQUEST_SOURCECOMMITID": HEAD,
        "BUILD_SOURCEVERSION": MERGE,
        "BUILD_BUILDID": "5",
        "SYSTEM_ACCESSTOKEN": TOKEN,
    }


def of_gitea(forge: Forge, folder: Path) -> Mapping[str, str]:
    return {
        "GITEA_ACTIONS": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": forge.api,
        "GITHUB_SERVER_URL": forge.url,
        "GITHUB_EVENT_PATH": event_of_pull(folder),
        "GITHUB_REPOSITORY": "contoso/models",
        "GITHUB_RUN_ID": "5",
        "GITHUB_SHA": MERGE,
        "GITHUB_TOKEN": TOKEN,
    }


class Row(NamedTuple):
    make: Callable[[], Forge]
    variables: Callable[[Forge, Path], Mapping[str, str]]
    edit: str
    """The method that changes a comment, and its path."""
    states: tuple[str, str, str]
    """Words for success, failure and pending."""
    right: str
    """What an error says that the token needs for a comment."""


ROWS = {
    "gitlab": Row(
        GitLab,
        of_gitlab,
        r"PUT /notes/\d+$",
        ("success", "failed", "pending"),
        "CI_JOB_TOKEN can't write notes",
    ),
    "azure-devops": Row(
        AzureDevOps,
        of_azure_devops,
        r"PATCH /comments/1$",
        ("succeeded", "failed", "pending"),
        "Contribute to pull requests",
    ),
    "gitea": Row(
        Gitea,
        of_gitea,
        r"PATCH /comments/\d+$",
        ("success", "failure", "pending"),
        "write access to the issues",
    ),
}


class Case(NamedTuple):
    row: Row
    forge: Forge
    job: Job


@pytest.fixture(params=ROWS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    row = ROWS[request.param]
    forge = row.make()
    with running(forge):
        yield Case(row, forge, Job(Folder.make(tmp_path / "drone"), dict(row.variables(forge, tmp_path))))


def test_a_comment_is_posted_updated_and_left(case: Case) -> None:
    forge, job = case.forge, case.job
    assert "was created." in job.comment(SAFE).out
    assert "was unchanged." in job.comment(SAFE).out
    assert "was updated." in job.comment(plan(change("other", Action.CREATE))).out
    (body,) = forge.bodies()
    assert body.startswith("<!-- ftops:v1 repo=")
    assert "deployment.other" in body
    assert f"commit `{HEAD[:12]}`" in body
    assert len(forge.writes) == 2


def test_pitfall_06_what_others_wrote_is_left(case: Case) -> None:
    case.job.comment(SAFE)
    (body,) = case.forge.bodies()
    for number in range(120):  # more than one page, where there are pages
        case.forge.write(f"{body}\n{number}")
    case.job.comment(plan(change("other", Action.CREATE)))
    assert len(case.forge.bodies()) == 1
    assert "deployment.other" in case.forge.bodies()[0]


def test_a_worse_verdict_is_a_new_comment_and_the_old_one_is_collapsed(case: Case) -> None:
    case.job.comment(SAFE)
    case.job.comment(DESTRUCTIVE)
    *old, new = case.forge.bodies()
    assert "1 endpoint deleted" in new
    for body in old:  # where comments can't be hidden, they are folded
        assert body.startswith("<!-- ftops:outdated -->\n<details><summary>Outdated")
        assert body.rstrip().endswith("</details>")
    case.job.comment(SAFE)
    assert "1 resource created" in case.forge.bodies()[-1]
    assert len(case.forge.bodies()) == len(old) + 1


def test_pitfall_07_a_post_whose_reply_is_lost_is_one_comment(case: Case) -> None:
    case.forge.faults.append(Fault("POST", "/(notes|threads|comments)$", is_lost=True))
    case.job.comment(SAFE)
    assert len(case.forge.bodies()) == 1


def test_pitfall_08_a_comment_that_is_deleted_meanwhile_is_posted_again(case: Case) -> None:
    case.job.comment(SAFE)
    method, _, path = case.row.edit.partition(" ")
    case.forge.faults.append(Fault(method, path, before=case.forge.remove))
    case.job.comment(plan(change("other", Action.CREATE)))
    (body,) = case.forge.bodies()
    assert "deployment.other" in body
    case.forge.remove()
    case.job.comment(SAFE)
    assert len(case.forge.bodies()) == 1


def test_pitfall_09_a_long_plan_fits(case: Case) -> None:
    creates = [change(f"copilot-{number}", Action.CREATE) for number in range(4_000)]
    case.job.comment(plan(*creates, change("serving", Action.DELETE)))
    (body,) = case.forge.bodies()
    assert "| - | `deployment.serving` | delete |" in body


def test_pitfall_22_a_token_that_may_not_comment(case: Case) -> None:
    case.forge.accounts[TOKEN] = Account(41, "ci[bot]", frozenset())
    said = " ".join(case.job.comment(SAFE, code=1).err.split())
    assert "can't post the comment" in said
    assert case.row.right in said
    case.forge.accounts.clear()
    assert "the token isn't valid" in case.job.comment(SAFE, code=1).err.lower()


def test_a_status(case: Case) -> None:
    success, failure, pending = case.row.states
    lines = [json.dumps({"event": "plan", **json.loads(documented(SAFE))})]
    waiting = [*lines, json.dumps({"event": "result", "result": "in-progress", "exit_code": 4})]
    broken = [*lines, json.dumps({"event": "result", "result": "failed", "exit_code": 1})]
    for document in (documented(SAFE), "\n".join(waiting), "\n".join(waiting), "\n".join(broken)):
        case.job.folder.write("plan.json", document)
        case.job.ftops("ci", "status", "plan.json")
    shown = case.forge.shown_statuses()
    assert {name for name, _ in shown} == {"ftops/drone/prod"}
    assert [state for _, state in dict.fromkeys(shown)] == [success, pending, failure]
    assert [line for line in case.forge.seen if HEAD in line or "/12/statuses" in line]
    assert not [line for line in case.forge.seen if MERGE in line]


def test_annotations_are_refused_with_what_to_do(case: Case) -> None:
    case.job.folder.write("plan.json", documented(SAFE))
    done = case.job.ftops("ci", "annotate", "plan.json", code=1)
    assert "has no annotations that ftops could write" in done.err
    assert "-o junit" in done.err
    assert case.forge.seen == []


def test_a_status_of_a_commit_without_a_pull_request(tmp_path: Path) -> None:
    with running(AzureDevOps()) as forge:
        assert isinstance(forge, AzureDevOps)
        variables = dict(of_azure_devops(forge, tmp_path))
        del variables["SYSTEM_PULLREQUEST_PULLREQUESTID"], variables["SYSTEM_PULLREQUEST_SOURCECOMMITID"]
        job = Job(Folder.make(tmp_path / "drone"), variables)
        job.folder.write("plan.json", documented(SAFE))
        job.ftops("ci", "status", "plan.json")
        assert forge.statuses[0]["place"].endswith(f"/commits/{MERGE}/statuses")
        assert "doesn't belong to a pull request" in job.comment(SAFE, code=1).err


def test_a_page_for_signing_in_is_no_success(tmp_path: Path) -> None:
    """Azure DevOps answers 203 with one if the token isn't valid."""
    with running(AzureDevOps()) as forge:
        assert isinstance(forge, AzureDevOps)
        job = Job(Folder.make(tmp_path / "drone"), dict(of_azure_devops(forge, tmp_path)))
        forge.faults.append(Fault("*", "", 203, "<html>Sign in</html>"))
        assert "it is probably the page for signing in" in job.comment(SAFE, code=1).err.lower()


def test_a_token_of_a_pipeline_and_a_personal_one() -> None:
    for token, scheme in (("aaa.bbb.ccc", "Bearer aaa.bbb.ccc"), ("pat", "Basic OnBhdA==")):
        assert AZURE_DEVOPS.login(token) == {"Authorization": scheme}


def test_forgejo_and_gitea_are_told_from_github(tmp_path: Path) -> None:
    forge: StandIn
    for variable in ("GITEA_ACTIONS", "FORGEJO_ACTIONS"):
        with running(Gitea()) as forge:
            assert isinstance(forge, Gitea)
            variables = {
                **of_gitea(forge, tmp_path),
                "GITEA_ACTIONS": "",
                variable: "true",
                "GITHUB_API_URL": "",
            }
            Job(Folder.make(tmp_path / variable), variables).comment(SAFE)
            assert len(forge.bodies()) == 1
