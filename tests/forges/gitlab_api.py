"""GitLab's API: notes of merge requests, in pages, commit statuses and issues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tests.forges.stand_in import AT, Account, Failure, Issue, Merged, Reply, Request, StandIn

LIMIT = 1_000_000


@dataclass
class Note:
    id: int
    body: str
    author: Account
    is_system: bool = False


class GitLab(StandIn):
    service = "gitlab"
    prefix = "/api/v4"

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[Note] = []
        self.statuses: list[dict[str, Any]] = []

    def token_of(self, headers: Any) -> str:
        return str(headers.get("private-token", ""))

    def write(self, body: str, token: str = "t0ken-of-eve") -> Note:
        """Somebody posts a note."""
        note = Note(self.new_id(), body, self.accounts[token])
        self.notes.append(note)
        return note

    def bodies(self) -> list[str]:
        """The text of the notes of the CI, the oldest first."""
        return [note.body for note in self.notes if note.author.login == "ci[bot]"]

    def remove(self) -> None:
        """Somebody deletes the newest note."""
        self.notes.pop()

    @staticmethod
    def _check(request: Request) -> None:
        if request.params["id"] != "77" or request.params.get("merge_request_iid", "12") != "12":
            raise Failure(404, "404 Not found")

    def _merge_request(self, request: Request) -> Reply:
        self._check(request)
        return Reply(200, {"id": 301, "iid": 12, "project_id": 77})

    def _list(self, request: Request) -> Reply:
        self._check(request)
        order = 1 if request.query.get("sort") == "asc" else -1
        return self.page(request, [self._note(note) for note in self.notes][::order])

    def _create(self, request: Request) -> Reply:
        self._check(request)
        note = Note(self.new_id(), self._body(request), self.need(request, "comment", "403 Forbidden"))
        self.notes.append(note)
        return Reply(201, self._note(note))

    @staticmethod
    def _body(request: Request) -> str:
        body = str(request.body["body"])
        if len(body) > LIMIT:
            raise Failure(400, {"note": [f"is too long (maximum is {LIMIT} characters)"]})
        return body

    def _found(self, request: Request) -> Note:
        self._check(request)
        for note in self.notes:
            if str(note.id) == request.params["note_id"]:
                return note
        raise Failure(404, "404 Note Not Found")

    def _edit(self, request: Request) -> Reply:
        note = self._found(request)
        if self.need(request, "comment", "403 Forbidden") != note.author:
            raise Failure(403, "403 Forbidden")
        note.body = self._body(request)
        return Reply(200, self._note(note))

    def _delete(self, request: Request) -> Reply:
        self.notes.remove(self._found(request))
        return Reply(204)

    def _note(self, note: Note) -> dict[str, Any]:
        return {
            "id": note.id,
            "body": note.body,
            "author": self._account(note.author),
            "created_at": AT,
            "updated_at": AT,
            "system": note.is_system,
            "noteable_id": 301,
            "noteable_iid": 12,
            "noteable_type": "MergeRequest",
            "resolvable": False,
        }

    @staticmethod
    def _account(account: Account) -> dict[str, Any]:
        return {"id": account.id, "username": account.login, "name": account.login, "state": "active"}

    def _user(self, request: Request) -> Reply:
        assert request.account is not None
        return Reply(200, self._account(request.account))

    def _list_issues(self, request: Request) -> Reply:
        self._check(request)
        return self.page(request, [self._issue(issue) for issue in self.labelled(request)])

    def _create_issue(self, request: Request) -> Reply:
        self._check(request)
        labels = [name for name in request.body.get("labels", "").split(",") if name]
        return Reply(201, self._issue(self.new_issue(request, request.body.get("description", ""), labels)))

    def _edit_issue(self, request: Request) -> Reply:
        self._check(request)
        issue = self.issue(request.params["issue_iid"])
        self.need(request, "issue", "403 Forbidden")
        issue.title, issue.body = request.body["title"], request.body["description"]
        issue.is_open = request.body["state_event"] == "reopen"
        return Reply(200, self._issue(issue))

    def _comment_issue(self, request: Request) -> Reply:
        self._check(request)
        issue = self.issue(request.params["issue_iid"])
        note = Note(self.new_id(), self._body(request), self.need(request, "issue", "403 Forbidden"))
        issue.comments.append(note.body)
        return Reply(201, self._note(note))

    def _issue(self, issue: Issue) -> dict[str, Any]:
        return {
            "id": issue.number + 5_000_000,
            "iid": issue.number,
            "project_id": 77,
            "title": issue.title,
            "description": issue.body,
            "state": "opened" if issue.is_open else "closed",
            "labels": issue.labels,
            "author": self._account(issue.author),
            "web_url": f"https://gitlab.example/contoso/models/-/issues/{issue.number}",
            "created_at": AT,
            "updated_at": AT,
            "closed_at": None if issue.is_open else AT,
        }

    def _merge_requests(self, request: Request) -> Reply:
        self._check(request)
        found = self.merged.get(request.params["sha"], [])
        return self.page(request, [self._merged(one) for one in found])

    @staticmethod
    def _merged(one: Merged) -> dict[str, Any]:
        return {
            "id": one.number + 7_000_000,
            "iid": one.number,
            "project_id": 77,
            "state": "merged" if one.is_merged else "opened",
            "merge_commit_sha": one.merge or None,
            "squash_commit_sha": one.squash or None,
            "sha": one.head,
            "merged_at": AT if one.is_merged else None,
        }

    def _status(self, request: Request) -> Reply:
        self._check(request)
        self.need(request, "status", "403 Forbidden")
        name = request.body.get("name") or request.body.get("context") or "default"
        state = request.body["state"]
        before = [s for s in self.statuses if (s["name"], s["sha"]) == (name, request.params["sha"])]
        if before and before[-1]["status"] == state == "pending":
            raise Failure(
                400, "Cannot transition status via :enqueue from :pending (Reason(s): Status cannot"
            )
        status = {
            "id": self.new_id(),
            "sha": request.params["sha"],
            "status": state,
            "name": name,
            "target_url": request.body.get("target_url"),
            "description": request.body.get("description"),
        }
        self.statuses.append(status)
        return Reply(201, status)

    def shown_statuses(self) -> list[tuple[str, str]]:
        """The names and states that were set."""
        return [(status["name"], status["status"]) for status in self.statuses]

    routes: ClassVar = {
        "GET /projects/{id}/merge_requests/{merge_request_iid}": _merge_request,
        "GET /projects/{id}/merge_requests/{merge_request_iid}/notes": _list,
        "POST /projects/{id}/merge_requests/{merge_request_iid}/notes": _create,
        "PUT /projects/{id}/merge_requests/{merge_request_iid}/notes/{note_id}": _edit,
        "DELETE /projects/{id}/merge_requests/{merge_request_iid}/notes/{note_id}": _delete,
        "POST /projects/{id}/statuses/{sha}": _status,
        "GET /projects/{id}/issues": _list_issues,
        "POST /projects/{id}/issues": _create_issue,
        "PUT /projects/{id}/issues/{issue_iid}": _edit_issue,
        "POST /projects/{id}/issues/{issue_iid}/notes": _comment_issue,
        "GET /projects/{id}/repository/commits/{sha}/merge_requests": _merge_requests,
        "GET /user": _user,
    }
