"""GitHub's API: comments of pull requests, check runs and statuses over REST, minimising over GraphQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.forges.stand_in import AT, Account, Failure, Issue, Merged, Reply, Request, StandIn

LIMIT = 65_536
_TOO_LONG = {
    "message": f"body is too long (maximum is {LIMIT} characters)",
    "field": "body",
    "code": "custom",
}


@dataclass
class Comment:
    id: int
    pull: int
    body: str
    author: Account
    is_minimized: bool = False


@dataclass
class CheckRun:
    id: int
    sha: str
    fields: dict[str, Any]
    annotations: list[Any] = field(default_factory=list)


class GitHub(StandIn):
    service = "github"

    def __init__(self) -> None:
        super().__init__()
        self.repositories = {"contoso/models"}
        self.pulls = {12}
        self.comments: list[Comment] = []
        self.checks: list[CheckRun] = []
        self.statuses: list[dict[str, Any]] = []
        self.subject: dict[str, Any] = {"use_default": True}
        """How the subjects of ID tokens are made."""

    # what tests do by hand

    def write(self, body: str, token: str = "t0ken-of-eve", pull: int = 12) -> Comment:
        """Somebody posts a comment."""
        comment = Comment(self.new_id(), pull, body, self.accounts[token])
        self.comments.append(comment)
        return comment

    @property
    def visible(self) -> list[Comment]:
        return [comment for comment in self.comments if not comment.is_minimized]

    # routes

    def _repository(self, request: Request) -> None:
        if f"{request.params['owner']}/{request.params['repo']}" not in self.repositories:
            raise Failure(404, "Not Found")

    def _pull(self, request: Request) -> int:
        self._repository(request)
        number = int(request.params["issue_number"])
        if number not in {*self.pulls, *(issue.number for issue in self.issues)}:
            raise Failure(404, "Not Found")
        return number

    def _issue(self, request: Request) -> Reply:
        number = self._pull(request)
        url = f"{self.api}/repos/contoso/models/issues/{number}"
        return Reply(200, {"number": number, "url": url, "comments_url": f"{url}/comments"})

    def _commit(self, request: Request) -> Reply:
        sha = request.params["ref"]
        return Reply(200, {"sha": sha, "url": f"{self.api}/repos/contoso/models/commits/{sha}"})

    def _list(self, request: Request) -> Reply:
        pull = self._pull(request)
        return self.page(request, [self._comment(c) for c in self.comments if c.pull == pull])

    def _create(self, request: Request) -> Reply:
        pull = self._pull(request)
        author = self.need(request, "comment")
        comment = Comment(self.new_id(), pull, self._body(request), author)
        for issue in self.issues:
            if issue.number == pull:
                issue.comments.append(comment.body)
        self.comments.append(comment)
        return Reply(201, self._comment(comment))

    def _get(self, request: Request) -> Reply:
        return Reply(200, self._comment(self._found(request)))

    def _edit(self, request: Request) -> Reply:
        comment = self._found(request)
        self.need(request, "comment")
        comment.body = self._body(request)
        return Reply(200, self._comment(comment))

    def _delete(self, request: Request) -> Reply:
        self.comments.remove(self._found(request))
        return Reply(204)

    def _found(self, request: Request) -> Comment:
        wanted = int(request.params["comment_id"])
        for comment in self.comments:
            if comment.id == wanted:
                return comment
        raise Failure(404, "Not Found")

    def _list_issues(self, request: Request) -> Reply:
        self._repository(request)
        pulls = [Issue(n, "A change", "", self.accounts["t0ken-of-eve"]) for n in self.pulls]
        mixed = [{**self._an_issue(pull), "pull_request": {"url": self.api}} for pull in pulls]
        return self.page(request, [*mixed, *(self._an_issue(issue) for issue in self.labelled(request))])

    def _create_issue(self, request: Request) -> Reply:
        self._repository(request)
        issue = self.new_issue(request, self._body(request), list(request.body.get("labels", ())))
        return Reply(201, self._an_issue(issue))

    def _edit_issue(self, request: Request) -> Reply:
        self._repository(request)
        issue = self.issue(request.params["issue_number"])
        self.need(request, "issue")
        issue.title, issue.body = request.body["title"], self._body(request)
        issue.is_open = request.body["state"] == "open"
        return Reply(200, self._an_issue(issue))

    def _an_issue(self, issue: Issue) -> dict[str, Any]:
        repository = f"{self.api}/repos/contoso/models"
        url = f"{repository}/issues/{issue.number}"
        return {
            "id": issue.number + 5_000_000,
            "node_id": f"I_{issue.number}",
            "number": issue.number,
            "url": url,
            "repository_url": repository,
            **{f"{name}_url": f"{url}/{name}" for name in ("labels", "comments", "events")},
            "html_url": f"https://github.example/contoso/models/issues/{issue.number}",
            "title": issue.title,
            "body": issue.body,
            "user": self._user(issue.author),
            "labels": [{"id": 9, "name": name} for name in issue.labels],
            "state": "open" if issue.is_open else "closed",
            "locked": False,
            "assignee": None,
            "milestone": None,
            "comments": len(issue.comments),
            "created_at": AT,
            "updated_at": AT,
            "closed_at": None if issue.is_open else AT,
        }

    def _pulls_of(self, request: Request) -> Reply:
        self._repository(request)
        found = self.merged.get(request.params["commit_sha"], [])
        return self.page(request, [self._a_pull(pull) for pull in found])

    def _a_pull(self, pull: Merged) -> dict[str, Any]:
        url = f"{self.api}/repos/contoso/models/pulls/{pull.number}"
        links = "comments commits diff html issue patch review_comment review_comments statuses"
        return {
            **{f"{name}_url": f"{url}/{name}" for name in links.split()},
            **dict.fromkeys(("assignee", "auto_merge", "milestone", "closed_at")),
            "id": pull.number + 7_000_000,
            "node_id": f"PR_{pull.number}",
            "number": pull.number,
            "url": url,
            "title": "A change",
            "body": None,
            "state": "closed" if pull.is_merged else "open",
            "locked": False,
            "labels": [],
            "user": self._user(self.accounts["t0ken-of-eve"]),
            "head": {"sha": pull.head},
            "base": {"ref": "main"},
            "_links": {},
            "author_association": "MEMBER",
            "merged_at": AT if pull.is_merged else None,
            "merge_commit_sha": pull.merge or pull.squash or pull.head,
            "created_at": AT,
            "updated_at": AT,
        }

    @staticmethod
    def _body(request: Request) -> str:
        body = str(request.body["body"])
        if len(body) > LIMIT:
            raise Failure(422, "Validation Failed", errors=[{"resource": "IssueComment", **_TOO_LONG}])
        return body

    def _comment(self, comment: Comment) -> dict[str, Any]:
        url = f"{self.api}/repos/contoso/models/issues/comments/{comment.id}"
        page = f"https://github.example/contoso/models/pull/{comment.pull}#issuecomment-{comment.id}"
        return {
            "id": comment.id,
            "node_id": f"IC_{comment.id}",
            "url": url,
            "html_url": page,
            "issue_url": f"{self.api}/repos/contoso/models/issues/{comment.pull}",
            "body": comment.body,
            "user": self._user(comment.author),
            "created_at": AT,
            "updated_at": AT,
            "author_association": "NONE",
            "minimized": {"reason": "outdated"} if comment.is_minimized else None,
        }

    def _user(self, account: Account) -> dict[str, Any]:
        url = f"{self.api}/users/{account.login}"
        links = "followers following gists starred subscriptions organizations repos events received_events"
        return {
            **{f"{name}_url": f"{url}/{name}" for name in links.split()},
            "login": account.login,
            "id": account.id,
            "node_id": f"U_{account.id}",
            "avatar_url": f"{url}.png",
            "gravatar_id": None,
            "url": url,
            "html_url": f"https://github.example/{account.login}",
            "type": "Bot" if account.login.endswith("[bot]") else "User",
            "site_admin": False,
        }

    def _graphql(self, request: Request) -> Reply:
        query, variables = request.body["query"], request.body["variables"]
        by_node = {f"IC_{comment.id}": comment for comment in self.comments}
        if "minimizeComment" in query:
            if request.account is None or "comment" not in request.account.rights:
                error = {"type": "FORBIDDEN", "message": "Resource not accessible by integration"}
                return Reply(200, {"data": {"minimizeComment": None}, "errors": [error]})
            subject = variables["id"] if "id" in variables else variables["input"]["subjectId"]
            by_node[subject].is_minimized = True
            return Reply(200, {"data": {"minimizeComment": {"minimizedComment": {"isMinimized": True}}}})
        issues = {f"I_{issue.number}": issue for issue in self.issues}
        everything: dict[str, Comment | Issue] = {**by_node, **issues}
        nodes = [self._node(node, everything.get(node), request.account) for node in variables["ids"]]
        return Reply(200, {"data": {"nodes": nodes}})

    @staticmethod
    def _node(id: str, found: Comment | Issue | None, viewer: Account | None) -> Any:
        if found is None:
            return None
        more = {"isMinimized": found.is_minimized} if isinstance(found, Comment) else {}
        return {"id": id, **more, "viewerDidAuthor": found.author == viewer}

    def _create_check(self, request: Request) -> Reply:
        self.need(request, "annotate")
        fields = {**request.body}
        check = CheckRun(self.new_id(), fields["head_sha"], fields)
        self._add_annotations(check, fields)
        self.checks.append(check)
        return Reply(201, self._check(check))

    def _edit_check(self, request: Request) -> Reply:
        self.need(request, "annotate")
        wanted = int(request.params["check_run_id"])
        for check in self.checks:
            if check.id == wanted:
                self._add_annotations(check, request.body)
                check.fields |= request.body
                return Reply(200, self._check(check))
        raise Failure(404, "Not Found")

    @staticmethod
    def _add_annotations(check: CheckRun, fields: Any) -> None:
        check.annotations += fields.get("output", {}).get("annotations", [])

    def _list_checks(self, request: Request) -> Reply:
        name = request.query.get("check_name")
        fitting = [
            c for c in self.checks if c.sha == request.params["ref"] and name in (None, c.fields["name"])
        ]
        return Reply(200, {"total_count": len(fitting), "check_runs": [self._check(c) for c in fitting]})

    def _list_annotations(self, request: Request) -> Reply:
        wanted = int(request.params["check_run_id"])
        (check,) = (check for check in self.checks if check.id == wanted)
        extra = {
            "blob_href": "https://github.example/blob",
            "raw_details": None,
            "title": None,
            "start_column": None,
            "end_column": None,
        }
        return self.page(request, [{**extra, **annotation} for annotation in check.annotations])

    def _check(self, check: CheckRun) -> dict[str, Any]:
        url = f"{self.api}/repos/contoso/models/check-runs/{check.id}"
        output = check.fields.get("output", {})
        return {
            "id": check.id,
            "node_id": f"CR_{check.id}",
            "head_sha": check.sha,
            "name": check.fields["name"],
            "external_id": check.fields.get("external_id", ""),
            "url": url,
            "html_url": f"https://github.example/contoso/models/runs/{check.id}",
            "details_url": check.fields.get("details_url"),
            "status": check.fields.get("status", "queued"),
            "conclusion": check.fields.get("conclusion"),
            "started_at": AT,
            "completed_at": AT,
            "output": {
                "title": output.get("title"),
                "summary": output.get("summary"),
                "text": None,
                "annotations_count": len(check.annotations),
                "annotations_url": f"{url}/annotations",
            },
            "check_suite": {"id": 5},
            "app": None,
            "pull_requests": [],
        }

    def _create_status(self, request: Request) -> Reply:
        creator = self.need(request, "status")
        url = f"{self.api}/repos/contoso/models/statuses/{request.params['sha']}"
        status = {
            "id": self.new_id(),
            "node_id": "SC_1",
            "url": url,
            "avatar_url": None,
            "context": "default",
            "description": None,
            "target_url": None,
            "created_at": AT,
            "updated_at": AT,
            "creator": self._user(creator),
            **request.body,
        }
        if len(status["description"] or "") > 140:
            raise Failure(
                422, "Validation Failed", errors=["description is too long (maximum is 140 characters)"]
            )
        self.statuses.append({**status, "sha": request.params["sha"]})
        return Reply(201, status)

    def _get_subject(self, request: Request) -> Reply:
        if f"{request.params['owner']}/{request.params['repo']}" not in self.repositories:
            raise Failure(404, "Not Found")
        self.need(request, "actions")
        return Reply(200, self.subject)

    routes: ClassVar = {
        "GET /repos/{owner}/{repo}/issues": _list_issues,
        "POST /repos/{owner}/{repo}/issues": _create_issue,
        "PATCH /repos/{owner}/{repo}/issues/{issue_number}": _edit_issue,
        "GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls": _pulls_of,
        "GET /repos/{owner}/{repo}/actions/oidc/customization/sub": _get_subject,
        "GET /repos/{owner}/{repo}/issues/{issue_number}": _issue,
        "GET /repos/{owner}/{repo}/commits/{ref}": _commit,
        "GET /repos/{owner}/{repo}/issues/{issue_number}/comments": _list,
        "POST /repos/{owner}/{repo}/issues/{issue_number}/comments": _create,
        "GET /repos/{owner}/{repo}/issues/comments/{comment_id}": _get,
        "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}": _edit,
        "DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}": _delete,
        "POST /repos/{owner}/{repo}/check-runs": _create_check,
        "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}": _edit_check,
        "GET /repos/{owner}/{repo}/check-runs/{check_run_id}/annotations": _list_annotations,
        "GET /repos/{owner}/{repo}/commits/{ref}/check-runs": _list_checks,
        "POST /repos/{owner}/{repo}/statuses/{sha}": _create_status,
        "POST /graphql": _graphql,
    }
