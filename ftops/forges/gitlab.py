"""GitLab: notes of merge requests and commit statuses of its REST API.

Sources: GitLab's reference of the notes and commits APIs; its predefined CI/CD variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftops.core.nested import object_at
from ftops.forges.folding import folded
from ftops.forges.service import Comment, Request, Service, Status, Target, Variables

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient

_MOST_DESCRIPTION = 255
_NOTES = "/projects/{project}/merge_requests/{pull}/notes"
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
    status_again="cannot transition status",
    reports="`-o gitlab` for `artifacts: {reports: {codequality: …}}`, or `-o junit` for `junit: …` there",
    rights={
        "comment": "the scope `api` and the role Reporter in the project; CI_JOB_TOKEN can't write notes",
        "status": "the scope `api` and the role Developer in the project",
    },
)
