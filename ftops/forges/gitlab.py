"""GitLab: notes of merge requests, commit statuses and issues of its REST API.

Sources: GitLab's reference of the notes, commits and issues APIs; its predefined CI/CD variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftops.core.nested import list_at, number_at, object_at
from ftops.forges.folding import folded
from ftops.forges.service import Comment, Issue, Issues, Pull, Request, Service, Status, Target, Variables

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient

_MOST_DESCRIPTION = 255
_NOTES = "/projects/{project}/merge_requests/{pull}/notes"
_ISSUES = "/projects/{project}/issues"
_ISSUE = "/projects/{project}/issues/{id}"
_COMMITS_OF = ("merge_commit_sha", "squash_commit_sha", "sha")
"""Of a merge request: what a merge commit, a squash, and a rebase or fast-forward leave on the branch."""
_STATES = {"error": "failed", "failure": "failed"}
"""States with another name there."""


def _login(token: str) -> Mapping[str, str]:
    return {"PRIVATE-TOKEN": token}


def _read(page: Any) -> Iterable[Comment]:
    notes = (raw for raw in (page if isinstance(page, list) else ()) if isinstance(raw, dict))
    return (_note(raw) for raw in notes if not raw.get("system"))


def _note(raw: Any) -> Comment:
    author = object_at(raw, "author").get("id") or ""
    return Comment(str(raw.get("id") or ""), str(raw.get("body") or ""), str(author))


def _own(client: ForgeClient, comments: Sequence[Comment]) -> Sequence[Comment]:
    me = str(client.send("GET", "/user", what="ask who the token belongs to").fields.get("id", ""))
    return [comment for comment in comments if me and comment.author == me]


def _create(target: Target, body: str) -> Request:
    return Request("POST", target.path(_NOTES), {"body": body})


def _update(target: Target, comment: Comment, body: str) -> Request:
    return Request("PUT", f"{target.path(_NOTES)}/{comment.id}", {"body": body})


def _collapse(client: ForgeClient, target: Target, comment: Comment) -> None:
    client.send(*_update(target, comment, folded(comment)), what="fold a note")


def _status(target: Target, found: Status) -> Request:
    body = {
        "state": _STATES.get(found.state, found.state),
        "name": found.name,
        "description": found.description[:_MOST_DESCRIPTION],
        **({"target_url": target.run_url} if target.run_url else {}),
    }
    return Request("POST", target.path("/projects/{project}/statuses/{commit}"), body)


def _issues(page: Any) -> Iterable[Issue]:
    return (_issue(raw) for raw in (page if isinstance(page, list) else ()) if isinstance(raw, dict))


def _issue(raw: Any) -> Issue:
    texts = (str(raw.get(name) or "") for name in ("iid", "description", "web_url", "title"))
    number, body, url, title = texts
    labels = tuple(str(label) for label in list_at(raw, "labels"))
    author = str(object_at(raw, "author").get("id") or "")
    return Issue(number, body, author, url, title=title, is_open=raw.get("state") != "closed", labels=labels)


def _create_issue(target: Target, issue: Issue, label: str | int) -> Request:
    body = {"title": issue.title, "description": issue.body, "labels": str(label)}
    return Request("POST", target.path(_ISSUES), body)


def _update_issue(target: Target, issue: Issue) -> Request:
    event = "reopen" if issue.is_open else "close"
    body = {"title": issue.title, "description": issue.body, "state_event": event}
    return Request("PUT", target.path(_ISSUE, id=issue.id), body)


def _comment_issue(target: Target, issue: Issue, body: str) -> Request:
    return Request("POST", target.path(f"{_ISSUE}/notes", id=issue.id), {"body": body})


def _merged(client: ForgeClient, target: Target) -> Iterable[Pull]:
    path = target.path("/projects/{project}/repository/commits/{commit}/merge_requests?per_page=100")
    for page in client.pages(path, "find the merge request of the commit"):
        for raw in page if isinstance(page, list) else ():
            if isinstance(raw, dict) and raw.get("state") == "merged":
                commits = tuple(str(raw.get(name) or "") for name in _COMMITS_OF)
                yield Pull(number_at(raw, "iid"), commits)


GITLAB = Service(
    name="gitlab",
    title="GitLab",
    variables=Variables(
        is_ci=("GITLAB_CI",),
        api=("{CI_API_V4_URL}",),
        repository=("{CI_MERGE_REQUEST_PROJECT_ID}", "{CI_PROJECT_ID}"),
        pull=("{CI_MERGE_REQUEST_IID}",),
        commit=("{CI_MERGE_REQUEST_SOURCE_BRANCH_SHA}", "{CI_COMMIT_SHA}"),
        token=("GITLAB_TOKEN",),
        page=("{CI_MERGE_REQUEST_PROJECT_URL}", "{CI_PROJECT_URL}"),
    ),
    limit=1_000_000,
    login=_login,
    comments=f"{_NOTES}?per_page=100&sort=asc&order_by=created_at",
    read=_read,
    own=_own,
    create=_create,
    created=_note,
    update=_update,
    collapse=_collapse,
    status=_status,
    merged=_merged,
    line="/-/blob/{commit}/{path}#L{line}",
    issues=Issues(
        label=lambda client, target, name: name,
        list=f"{_ISSUES}?labels={{label}}&state=all&scope=all&per_page=100",
        read=_issues,
        create=_create_issue,
        created=_issue,
        update=_update_issue,
        comment=_comment_issue,
    ),
    status_again="cannot transition status",
    reports="`-o gitlab` for `artifacts: {reports: {codequality: …}}`, or `-o junit` for `junit: …` there",
    rights={
        "comment": "the scope `api` and the role Reporter in the project; CI_JOB_TOKEN can't write notes",
        "status": "the scope `api` and the role Developer in the project",
        "issue": "the scope `api` and the role Reporter in a project with issues",
    },
)
