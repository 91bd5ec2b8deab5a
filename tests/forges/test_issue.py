"""`ftops ci issue` at GitHub, GitLab, and Gitea and Forgejo: one issue about drift, or about what retires."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.forges.azure_devops_api import AzureDevOps
from tests.forges.conftest import TOKEN, Job, github_variables
from tests.forges.gitea_api import Gitea
from tests.forges.github_api import GitHub
from tests.forges.gitlab_api import GitLab
from tests.forges.stand_in import Account, Fault, Issue, StandIn, running
from tests.forges.test_services import of_azure_devops, of_gitea, of_gitlab
from tests.golden.cli import Folder

ISSUES = "/issues$"
ONE = r"/issues/\d+$"
ROWS: Mapping[str, tuple[Callable[[], StandIn], Callable[[Any, Path], Mapping[str, str]]]] = {
    "github": (GitHub, github_variables),
    "gitlab": (GitLab, of_gitlab),
    "gitea": (Gitea, of_gitea),
}


class Case(NamedTuple):
    forge: StandIn
    job: Job

    def keep(
        self,
        document: Mapping[str, Any],
        *words: str,
        code: int = 0,
        environ: Mapping[str, str] | None = None,
    ) -> str:
        """Runs the command; what it says."""
        self.job.folder.write("drift.json", json.dumps(document))
        done = self.job.ftops("ci", "issue", "drift.json", *words, code=code, environ=environ)
        return " ".join((done.out + done.err).split())

    @property
    def only(self) -> Issue:
        (issue,) = self.forge.issues
        return issue


@pytest.fixture(params=ROWS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    make, variables = ROWS[request.param]
    with running(make()) as forge:
        yield Case(forge, Job(Folder.make(tmp_path / "drone"), dict(variables(forge, tmp_path))))


def drift(*names: str, environment: str = "prod", serial: int = 7, after: int = 20) -> dict[str, Any]:
    """What `drift -o json` prints, of deployments with another capacity."""
    attribute = {
        "path": "sku.capacity",
        "before": 10,
        "after": after,
        "forces_replacement": False,
        "note": "",
    }
    rows = [
        {
            "address": f"deployment.{name}",
            "kind": "changed",
            "policy": "revert",
            "expected": False,
            "attributes": [attribute],
        }
        for name in names
    ]
    summary = {"drift": len(rows), "expected": 0}
    about = {"spec": "drone", "environment": environment, "lineage": "abcdef01", "serial": serial}
    return {**about, "drift": rows, "summary": summary}


def failure(summary: str = "can't sign in to Azure", detail: str = "") -> dict[str, Any]:
    """What a command prints with `-o json` if it fails."""
    error = {"severity": "error", "summary": summary, "detail": detail}
    return {"format_version": 1, "exit_code": 1, "diagnostics": [error]}


NAMED = ("--spec", "drone", "--env", "prod")


def test_an_issue_is_created_updated_closed_and_reopened(case: Case) -> None:
    assert "The issue was created. https://" in case.keep(drift("copilot"))
    issue = case.only
    assert (issue.labels, issue.is_open) == (["ftops-drift"], True)
    assert issue.title == "drone (prod): 1 resource changed outside ftops"
    first, *rest = issue.body.splitlines()
    assert first.startswith("<!-- ftops-issue:v1 topic=drift repo=")
    assert "spec=drone env=prod digest=" in first
    assert "| `deployment.copilot` |" in issue.body
    assert "[run](http" in rest[-1]
    assert "The issue was updated." in case.keep(drift("copilot", "base"))
    assert "2 resources changed" in issue.title
    assert "deployment.base" in issue.body
    assert issue.comments == []
    assert "The issue was closed." in case.keep(drift())
    assert not issue.is_open
    (said,) = issue.comments
    assert "no drift" in said
    assert "There is nothing to say" in case.keep(drift()) or "nothing to say" in case.keep(drift())
    assert len(issue.comments) == 1
    assert "The issue was reopened." in case.keep(drift("copilot"))
    assert issue.is_open
    assert "Opened again: 1 resource changed outside ftops" in issue.comments[1]
    assert case.only is issue


def test_pitfall_24_two_days_of_equal_drift_are_one_write(case: Case) -> None:
    case.keep(drift("copilot"))
    writes = len(case.forge.writes)
    assert "The issue was unchanged." in case.keep(drift("copilot", serial=8))
    assert len(case.forge.writes) == writes
    assert case.only.comments == []


def test_pitfall_24_without_drift_nothing_is_written(case: Case) -> None:
    assert "There is nothing to say." in case.keep(drift())
    assert case.forge.issues == []
    assert case.forge.writes == []


def test_pitfall_24_a_check_that_failed_is_never_green(case: Case) -> None:
    case.keep(failure(), *NAMED)
    issue = case.only
    assert issue.title == "drone (prod): drift can't be checked"
    assert "error: can't sign in to Azure" in issue.body
    assert "unchanged" in case.keep(failure(detail="request id 77"), *NAMED)
    case.keep(drift("copilot"))
    assert "1 resource changed" in issue.title
    case.keep(failure("Azure OpenAI asks to wait"), *NAMED)
    assert "can't be checked" in issue.title
    assert issue.is_open
    case.keep(drift())
    assert not issue.is_open
    case.keep(failure(), *NAMED)  # an issue that is closed doesn't stay so
    assert case.only.is_open


def test_an_issue_that_somebody_closed_stays_closed_until_something_changes(case: Case) -> None:
    case.keep(drift("copilot"))
    case.only.is_open = False
    assert "unchanged" in case.keep(drift("copilot"))
    assert not case.only.is_open
    case.keep(drift("copilot", after=30))
    assert case.only.is_open
    case.only.is_open = False
    case.keep(drift())  # gone meanwhile: if the same comes back, it is news
    case.keep(drift("copilot", after=30))
    assert case.only.is_open


def test_pitfall_06_issues_of_others_are_left(case: Case) -> None:
    case.keep(drift("copilot"))
    own = case.only
    eve = case.forge.accounts["t0ken-of-eve"]
    for number in range(110):  # more than one page
        forged = Issue(5_000 + number, "mine", own.body, eve, ["ftops-drift"])
        case.forge.issues.append(forged)
    case.forge.issues.append(Issue(9_000, "other", f"> {own.body}", own.author, ["ftops-drift"]))
    case.keep(drift())
    assert not own.is_open
    assert all(issue.is_open for issue in case.forge.issues if issue is not own)


def test_environments_have_issues_of_their_own(case: Case) -> None:
    case.keep(drift("copilot"))
    case.keep(drift("copilot", environment="dev"))
    assert [issue.title.partition(":")[0] for issue in case.forge.issues] == ["drone (prod)", "drone (dev)"]
    case.keep(drift(environment="dev"))
    assert [issue.is_open for issue in case.forge.issues] == [True, False]


def test_what_retires_has_an_issue_too(case: Case) -> None:
    row = {
        "address": "job.copilot",
        "what": "training of gpt-4o-mini",
        "then": "it can no longer be trained",
        "day": "2027-01-10",
        "days_left": 41,
        "when": "",
        "is_earliest": False,
        "told": "catalogue",
    }
    document = {
        "spec": "drone",
        "environment": "prod",
        "subject": "drone (prod)",
        "today": "2026-11-30",
        "deadlines": [row, {**row, "address": None, "day": None, "when": "after 15 days without calls"}],
        "warnings": [],
    }
    case.keep(document)
    issue = case.only
    assert (issue.labels, issue.title) == (["ftops-radar"], "drone (prod): 1 end within 60 days")
    assert "| 2027-01-10 | 41 days | `job.copilot` | `training of gpt-4o-mini` |" in issue.body
    days_later = {**document, "today": "2026-12-02", "deadlines": [{**row, "days_left": 39}]}
    assert "unchanged" in case.keep(days_later)
    assert "closed" in case.keep({**document, "deadlines": []})
    case.keep(failure(), *NAMED, "--topic", "radar")
    assert case.only.title == "drone (prod): what retires can't be checked"


def test_pitfall_07_an_issue_whose_reply_is_lost_is_one_issue(case: Case) -> None:
    case.forge.faults.append(Fault("POST", ISSUES, is_lost=True))
    case.keep(drift("copilot"))
    assert case.only.is_open


def test_two_jobs_at_once_leave_the_older_issue(case: Case) -> None:
    case.keep(drift("copilot"))
    first = case.forge.issues.pop()

    def other() -> None:
        case.forge.issues.append(first)

    case.forge.faults.append(Fault("POST", ISSUES, before=other))
    case.keep(drift("copilot"))
    assert [issue.is_open for issue in case.forge.issues] == [True, False]
    assert case.forge.issues[0] is first


def test_an_issue_that_is_deleted_meanwhile_is_created_again(case: Case) -> None:
    case.keep(drift("copilot"))
    case.forge.faults.append(Fault("*", ONE, before=case.forge.issues.clear))
    case.keep(drift("base"))
    assert "deployment.base" in case.only.body


def test_an_issue_without_its_label_is_closed_and_an_error(case: Case) -> None:
    case.forge.accounts[TOKEN] = Account(41, "ci[bot]", frozenset({"issue"}))
    assert "the issue didn't get the label ftops-drift" in case.keep(drift("copilot"), code=1)
    assert not case.only.is_open


def test_pitfall_22_a_token_that_may_not_write_issues(case: Case) -> None:
    case.forge.accounts[TOKEN] = Account(41, "ci[bot]", frozenset())
    said = case.keep(drift("copilot"), code=1)
    assert "can't create the" in said
    assert "The token needs" in said
    assert "with issues" in said
    assert "warning: can't create the" in case.keep(drift("copilot"), "--best-effort")
    case.forge.accounts.clear()
    assert "The token isn't valid" in case.keep(drift("copilot"), code=1)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            Fault("GET", ISSUES, 429, {"message": "slow down"}, {"Retry-After": "3600"}),
            "asks to wait 3,600 s",
        ),
        (Fault("POST", ISSUES, 410, {"message": "Issues has been disabled"}), "disabled"),
        (Fault("POST", ISSUES, 422, {"message": "Validation Failed"}), "Validation Failed"),
        (Fault("GET", ISSUES, 200, "<html>Sign in</html>"), "page for signing in"),
        (Fault("GET", ISSUES, 404, {"message": "Not Found"}), "the repository"),
        (Fault("POST", ISSUES, 201, [3]), "its answer has no id"),
    ],
    ids=lambda value: getattr(value, "status", value),
)
def test_pitfall_22_answers_that_end_the_command(case: Case, fault: Fault, said: str) -> None:
    case.forge.faults.append(
        Fault(fault.method, fault.path, fault.status, fault.body, fault.headers, times=9)
    )
    assert said.lower() in case.keep(drift("copilot"), code=1).lower()
    assert case.forge.issues == []


def test_a_failed_comment_is_a_warning(case: Case) -> None:
    case.keep(drift("copilot"))
    case.forge.faults.append(Fault("POST", r"/(comments|notes)$", 403, {"message": "locked"}))
    assert "warning: can't comment on the issue" in case.keep(drift())
    assert not case.only.is_open


def test_a_dry_run_prints_the_issue_and_contacts_nothing(case: Case) -> None:
    out = case.keep(drift("copilot"), "--dry-run")
    assert "Would create, update or reopen this issue in" in out
    assert (
        "with the label ftops-drift: drone (prod): 1 resource changed outside ftops <!-- ftops-issue" in out
    )
    assert "Would close the issue in" in case.keep(drift(), "--dry-run")
    assert case.forge.seen == []


EVIL = "x](https://evil.example) @org/team #12 `</details>` \u202e <!-- ftops-issue:v1 --> \n/close"


def test_pitfall_11_text_of_others_is_inert(case: Case) -> None:
    document = drift("copilot")
    document["drift"][0]["attributes"][0] |= {"path": EVIL, "before": EVIL, "after": EVIL}
    case.keep({**document, "spec": EVIL})
    body = case.only.body
    outside = [line for line in body.splitlines()[1:] if "`" not in line and "evil" in line]
    assert not [line for line in outside if not line.startswith(("  ", "!", "+", "-"))]
    assert "\u202e" not in body + case.only.title
    assert "\n/close" not in body
    assert len(case.only.title) < 200


def test_a_long_drift_fits(case: Case) -> None:
    case.keep(drift(*(f"copilot-{number}" for number in range(3_000))))
    assert len(case.only.body.encode()) <= 65_536 or isinstance(case.forge, GitLab)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ({}, "neither drift nor deadlines"),
        ({"diagnostics": []}, "neither drift nor deadlines"),
        ({"drift": 7}, "isn't a document"),
        ({**drift(), "drift": [{"address": "x"}]}, "KeyError"),
        (failure(), "doesn't say which spec"),
    ],
    ids=str,
)
def test_a_file_that_is_no_document(case: Case, text: Mapping[str, Any], why: str) -> None:
    assert why in case.keep(text, code=1)
    assert case.forge.seen == []


def test_azure_devops_has_no_issues(tmp_path: Path) -> None:
    with running(AzureDevOps()) as forge:
        assert isinstance(forge, AzureDevOps)
        made = Case(forge, Job(Folder.make(tmp_path / "drone"), dict(of_azure_devops(forge, tmp_path))))
        said = made.keep(drift("copilot"), code=1)
        assert "Azure DevOps has no issues that ftops could write" in said
        assert "exit code 2" in said
        assert forge.seen == []


def test_documents_of_the_commands_themselves(tmp_path: Path) -> None:
    """As they are printed, also if they fail."""
    with running(GitHub()) as forge:
        made = Case(forge, Job(Folder.make(tmp_path / "drone"), github_variables(forge, tmp_path)))
        job = made.job
        for words, code in ((("drift",), 0), (("radar", "--offline"), 0)):
            job.folder.write("it.json", job.ftops(*words, "-o", "json", code=code).out)
            job.ftops("ci", "issue", "it.json")
        job.folder.edit("n_epochs: 3", "n_epochs: three")
        job.folder.write("it.json", job.ftops("drift", "-o", "json", code=1).out)
        job.ftops("ci", "issue", "it.json", "--spec", "drone")
        assert "can't be checked" in forge.issues[-1].title
