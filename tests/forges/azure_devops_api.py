"""Azure DevOps' API: threads and statuses of pull requests; lists of threads have no pages."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.forges.stand_in import AT, Account, Failure, Merged, Reply, Request, StandIn

LIMIT = 150_000
_REPOSITORY = "/{organization}/{project}/_apis/git/repositories/{repositoryId}"
_PULL = f"{_REPOSITORY}/pullRequests/{{pullRequestId}}"


@dataclass
class Thread:
    id: int
    author: Account
    content: str
    fields: dict[str, Any] = field(default_factory=dict)
    is_deleted: bool = False


class AzureDevOps(StandIn):
    service = "azure_devops"

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[Thread] = []
        self.statuses: list[dict[str, Any]] = []

    @property
    def api(self) -> str:
        return f"{self.url}/contoso"

    def token_of(self, headers: Any) -> str:
        scheme, _, token = str(headers.get("authorization", "")).partition(" ")
        return b64decode(token).decode().partition(":")[2] if scheme == "Basic" else token

    def write(self, body: str, token: str = "t0ken-of-eve") -> Thread:
        """Somebody starts a thread."""
        thread = Thread(self.new_id(), self.accounts[token], body, {"status": "active"})
        self.threads.append(thread)
        return thread

    def bodies(self) -> list[str]:
        """The text of the open threads of the CI, the oldest first."""
        mine = [t for t in self.threads if t.author.login == "ci[bot]" and not t.is_deleted]
        return [thread.content for thread in mine if thread.fields.get("status") != "closed"]

    def remove(self) -> None:
        """Somebody deletes the comment of the newest thread."""
        self.threads[-1].is_deleted = True

    @staticmethod
    def _check(request: Request) -> None:
        found = [request.params[name] for name in ("organization", "project", "repositoryId")]
        if found != ["contoso", "my project", "r-77"] or request.params.get("pullRequestId", "12") != "12":
            raise Failure(404, "TF401019: The Git repository does not exist or you do not have permissions.")
        if request.query.get("api-version") != "7.1":
            raise Failure(400, "No api-version was supplied for the request.")

    def published_form(self, body: Any) -> Any:
        """Lists come with their number, which the description doesn't say."""
        return body["value"] if isinstance(body, dict) and "value" in body else body

    def _list(self, request: Request) -> Reply:
        self._check(request)
        return Reply(200, {"value": [self._thread(t) for t in self.threads], "count": len(self.threads)})

    def _create(self, request: Request) -> Reply:
        self._check(request)
        author = self.need(request, "comment", "TF401027: You need the PullRequestContribute permission.")
        (comment,) = request.body["comments"]
        fields = {name: value for name, value in request.body.items() if name != "comments"}
        thread = Thread(self.new_id(), author, self._content(comment), fields)
        self.threads.append(thread)
        return Reply(200, self._thread(thread))

    @staticmethod
    def _content(comment: Any) -> str:
        content = str(comment["content"])
        if len(content) > LIMIT:
            raise Failure(400, f"The comment content exceeds the maximum of {LIMIT} characters.")
        return content

    def _found(self, request: Request) -> Thread:
        self._check(request)
        for thread in self.threads:
            if str(thread.id) == request.params["threadId"] and not thread.is_deleted:
                return thread
        raise Failure(404, "The comment thread doesn't exist.")

    def _edit_thread(self, request: Request) -> Reply:
        thread = self._found(request)
        self.need(request, "comment")
        thread.fields |= request.body
        return Reply(200, self._thread(thread))

    def _edit_comment(self, request: Request) -> Reply:
        thread = self._found(request)
        if self.need(request, "comment") != thread.author or request.params["commentId"] != "1":
            raise Failure(403, "You can edit your own comments only.")
        thread.content = self._content(request.body)
        return Reply(200, self._comment(thread))

    def _delete_comment(self, request: Request) -> Reply:
        self._found(request).is_deleted = True
        return Reply(200)

    def _thread(self, thread: Thread) -> dict[str, Any]:
        shown = {"publishedDate": AT, "isDeleted": False, "comments": [self._comment(thread)]}
        return {"id": thread.id, **shown, **thread.fields}

    @staticmethod
    def _comment(thread: Thread) -> dict[str, Any]:
        author = {"id": identity(thread.author), "displayName": thread.author.login}
        if thread.is_deleted:
            return {"id": 1, "parentCommentId": 0, "author": author, "isDeleted": True, "commentType": "text"}
        return {
            "id": 1,
            "parentCommentId": 0,
            "author": author,
            "content": thread.content,
            "commentType": "text",
        }

    def _caller(self, request: Request) -> Reply:
        assert request.account is not None
        return Reply(200, {"authenticatedUser": {"id": identity(request.account).upper()}})

    def _query(self, request: Request) -> Reply:
        self._check(request)
        (query,) = request.body["queries"]
        assert query["type"] == "lastMergeCommit"
        found = {sha: self.merged[sha] for sha in query["items"] if sha in self.merged}
        result = {sha: [self._pull_request(one) for one in pulls] for sha, pulls in found.items()}
        return Reply(200, {"queries": request.body["queries"], "results": [result]})

    @staticmethod
    def _pull_request(one: Merged) -> dict[str, Any]:
        return {
            "pullRequestId": one.number,
            "status": "completed" if one.is_merged else "active",
            "lastMergeCommit": {"commitId": one.merge or one.squash or one.head},
        }

    def _status(self, request: Request) -> Reply:
        self._check(request)
        self.need(request, "status")
        status = {"id": self.new_id(), **request.body}
        self.statuses.append({**status, "place": request.path})
        return Reply(200, status)

    def shown_statuses(self) -> list[tuple[str, str]]:
        """The names and states that were set."""
        return [(f"{s['context']['genre']}/{s['context']['name']}", s["state"]) for s in self.statuses]

    routes: ClassVar = {
        f"GET {_PULL}/threads": _list,
        f"POST {_PULL}/threads": _create,
        f"PATCH {_PULL}/threads/{{threadId}}": _edit_thread,
        f"PATCH {_PULL}/threads/{{threadId}}/comments/{{commentId}}": _edit_comment,
        f"DELETE {_PULL}/threads/{{threadId}}/comments/{{commentId}}": _delete_comment,
        f"POST {_PULL}/statuses": _status,
        f"POST {_REPOSITORY}/pullrequestquery": _query,
        f"POST {_REPOSITORY}/commits/{{commitId}}/statuses": _status,
        "GET /{organization}/_apis/connectionData": _caller,
    }


def identity(account: Account) -> str:
    """The ID of an account, as Azure DevOps writes it."""
    return f"abcdef00-0000-4000-8000-{account.id:012}"
