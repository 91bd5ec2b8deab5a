"""Azure DevOps: threads and statuses of pull requests of its REST API, version 7.1.

Sources: Microsoft's OpenAPI description of the Git API; the predefined variables of Azure Pipelines.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftops.core.nested import list_at, number_at, object_at
from ftops.forges.service import Comment, Pull, Request, Service, Status, Target, Variables

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient

_VERSION = "api-version=7.1"
_CALLER = "/_apis/connectionData?api-version=7.1-preview"
_REPOSITORY = "/{owner}/_apis/git/repositories/{name}"
_THREADS = f"{_REPOSITORY}/pullRequests/{{pull}}/threads"
_STATES = {"success": "succeeded", "failure": "failed"}
"""States with another name there."""
_CLOSED = "closed"


def _login(token: str) -> Mapping[str, str]:
    """A token of a pipeline or of Entra ID is a JWT; a personal access token is a password."""
    if token.count(".") == 2:
        return {"Authorization": f"Bearer {token}"}
    return {"Authorization": f"Basic {b64encode(f':{token}'.encode()).decode()}"}


def _read(page: Any) -> Iterable[Comment]:
    """The first comment of each open thread."""
    threads = list_at(page, "value") if isinstance(page, dict) else []
    open_threads = (t for t in threads if isinstance(t, dict) and not t.get("isDeleted"))
    found = (_first(thread) for thread in open_threads if thread.get("status") != _CLOSED)
    return (comment for comment in found if comment is not None)


def _first(thread: Any) -> Comment | None:
    for raw in list_at(thread, "comments")[:1]:
        if isinstance(raw, dict) and not raw.get("isDeleted"):
            author = str(object_at(raw, "author").get("id") or "")
            body = str(raw.get("content") or "")
            return Comment(str(raw.get("id") or ""), body, author, thread=str(thread.get("id") or ""))
    return None


def _created(thread: Any) -> Comment:
    return (_first(thread) if isinstance(thread, dict) else None) or Comment("", "")


def _own(client: ForgeClient, comments: Sequence[Comment]) -> Sequence[Comment]:
    caller = client.send("GET", _CALLER, what="ask who the token belongs to").fields
    me = str(object_at(caller, "authenticatedUser").get("id") or "").lower()
    return [comment for comment in comments if me and comment.author.lower() == me]


def _create(target: Target, body: str) -> Request:
    """Without a status: an active thread could block the pull request."""
    comment = {"parentCommentId": 0, "content": body, "commentType": "text"}
    return Request("POST", f"{target.path(_THREADS)}?{_VERSION}", {"comments": [comment]})


def _update(target: Target, comment: Comment, body: str) -> Request:
    path = target.path(_THREADS + "/{thread}/comments/{id}", thread=comment.thread, id=comment.id)
    return Request("PATCH", f"{path}?{_VERSION}", {"content": body})


def _collapse(client: ForgeClient, target: Target, comment: Comment) -> None:
    path = target.path(_THREADS + "/{thread}", thread=comment.thread)
    client.send("PATCH", f"{path}?{_VERSION}", {"status": _CLOSED}, what="close a thread")


def _status(target: Target, found: Status) -> Request:
    """Of the pull request, if there is one: a branch policy can require it."""
    place = "/pullRequests/{pull}/statuses" if target.pull else "/commits/{commit}/statuses"
    genre, _, name = found.name.partition("/")
    body = {
        "state": _STATES.get(found.state, found.state),
        "context": {"genre": genre, "name": name},
        "description": found.description,
        **({"targetUrl": target.run_url} if target.run_url else {}),
    }
    return Request("POST", f"{target.path(_REPOSITORY + place)}?{_VERSION}", body)


def _merged(client: ForgeClient, target: Target) -> Iterable[Pull]:
    """By the merge commit: a squash and a rebase are found by it as well."""
    query = {"queries": [{"type": "lastMergeCommit", "items": [target.commit]}]}
    path = f"{target.path(_REPOSITORY)}/pullrequestquery?{_VERSION}"
    reply = client.send("POST", path, query, what="find the pull request of the commit", is_repeatable=True)
    for result in list_at(reply.fields, "results"):
        for raw in list_at(result, target.commit) if isinstance(result, dict) else ():
            if isinstance(raw, dict) and raw.get("status") == "completed":
                commit = object_at(raw, "lastMergeCommit").get("commitId")
                yield Pull(number_at(raw, "pullRequestId"), (str(commit or ""),))


AZURE_DEVOPS = Service(
    name="azure-devops",
    title="Azure DevOps",
    variables=Variables(
        is_ci=("TF_BUILD",),
        api=("{SYSTEM_COLLECTIONURI}",),
        repository=("{SYSTEM_TEAMPROJECTID}/{BUILD_REPOSITORY_ID}",),
        pull=("{SYSTEM_PULLREQUEST_PULLREQUESTID}",),
        commit=("{SYSTEM_PULLREQUEST_SOURCECOMMITID}", "{BUILD_SOURCEVERSION}"),
        token=("SYSTEM_ACCESSTOKEN", "AZURE_DEVOPS_EXT_PAT"),
        page=("{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_git/{BUILD_REPOSITORY_NAME}",),
    ),
    limit=150_000,
    login=_login,
    comments=f"{_THREADS}?{_VERSION}",
    read=_read,
    own=_own,
    create=_create,
    created=_created,
    update=_update,
    collapse=_collapse,
    status=_status,
    merged=_merged,
    line="?path=/{path}&version=GC{commit}&line={line}&lineEnd={line}&lineStartColumn=1&lineEndColumn=1",
    reports="`-o junit` with the task PublishTestResults, or `-o sarif`",
    rights={
        "comment": "`Contribute to pull requests` on the repository, for the build service's account",
        "status": "`Contribute to pull requests` on the repository, for the build service's account",
    },
)
