"""Gitea's and Forgejo's API: comments of pull requests (in one page), statuses, issues and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tests.forges.stand_in import AT, Account, Failure, Issue, Reply, Request, StandIn


@dataclass
class Comment:
    id: int
    body: str
    author: Account


class Gitea(StandIn):
    service = "gitea"
    prefix = "/api/v1"

    def __init__(self) -> None:
        super().__init__()
        self.comments: list[Comment] = []
        self.statuses: list[dict[str, Any]] = []
        self.labels = ["bug"]

    def write(self, body: str, token: str = "t0ken-of-eve") -> Comment:
        """Somebody posts a comment."""
        comment = Comment(self.new_id(), body, self.accounts[token])
        self.comments.append(comment)
        return comment

    def bodies(self) -> list[str]:
        """The text of the comments of the CI, the oldest first."""
        return [comment.body for comment in self.comments if comment.author.login == "ci[bot]"]

    def remove(self) -> None:
        """Somebody deletes the newest comment."""
        self.comments.pop()

    @staticmethod
    def _check(request: Request) -> None:
        if (request.params["owner"], request.params["repo"]) != ("contoso", "models"):
            raise Failure(404, "The target couldn't be found.")

    def _list(self, request: Request) -> Reply:
        self._check(request)
        if request.params["index"] != "12":
            raise Failure(404, "The target couldn't be found.")
        return Reply(200, [self._comment(comment) for comment in self.comments])

    def _create(self, request: Request) -> Reply:
        self._check(request)
        author = self.need(request, "comment", "token does not have at least one of required scope(s)")
        comment = Comment(self.new_id(), request.body["body"], author)
        if request.params["index"] == "12":
            self.comments.append(comment)
        else:
            self.issue(request.params["index"]).comments.append(comment.body)
        return Reply(201, self._comment(comment))

    def _found(self, request: Request) -> Comment:
        self._check(request)
        for comment in self.comments:
            if str(comment.id) == request.params["id"]:
                return comment
        raise Failure(404, "comment does not exist")

    def _edit(self, request: Request) -> Reply:
        comment = self._found(request)
        if self.need(request, "comment") != comment.author:
            raise Failure(403, "user should be the author")
        comment.body = request.body["body"]
        return Reply(200, self._comment(comment))

    def _delete(self, request: Request) -> Reply:
        self.comments.remove(self._found(request))
        return Reply(204)

    def _comment(self, comment: Comment) -> dict[str, Any]:
        page = f"https://gitea.example/contoso/models/pulls/12#issuecomment-{comment.id}"
        user = {"id": comment.author.id, "login": comment.author.login}
        return {"id": comment.id, "html_url": page, "body": comment.body, "user": user, "created_at": AT}

    def _user(self, request: Request) -> Reply:
        assert request.account is not None
        return Reply(200, {"id": request.account.id, "login": request.account.login})

    def _list_issues(self, request: Request) -> Reply:
        self._check(request)
        assert request.query["type"] == "issues"
        return self.page(request, [self._issue(issue) for issue in self.labelled(request)])

    def _create_issue(self, request: Request) -> Reply:
        self._check(request)
        labels = [self.labels[number - 1] for number in request.body.get("labels", ())]
        return Reply(201, self._issue(self.new_issue(request, request.body.get("body", ""), labels)))

    def _edit_issue(self, request: Request) -> Reply:
        self._check(request)
        issue = self.issue(request.params["index"])
        self.need(request, "issue")
        issue.title, issue.body = request.body["title"], request.body["body"]
        issue.is_open = request.body["state"] == "open"
        return Reply(201, self._issue(issue))

    def _issue(self, issue: Issue) -> dict[str, Any]:
        return {
            "id": issue.number + 5_000_000,
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "state": "open" if issue.is_open else "closed",
            "labels": [{"id": self.labels.index(name) + 1, "name": name} for name in issue.labels],
            "user": {"id": issue.author.id, "login": issue.author.login},
            "html_url": f"https://gitea.example/contoso/models/issues/{issue.number}",
        }

    def _list_labels(self, request: Request) -> Reply:
        self._check(request)
        named = [{"id": n + 1, "name": name, "color": "fff"} for n, name in enumerate(self.labels)]
        return self.page(request, named)

    def _create_label(self, request: Request) -> Reply:
        self._check(request)
        self.need(request, "issue")
        self.labels.append(request.body["name"])
        return Reply(201, {"id": len(self.labels), **request.body})

    def _pull_of(self, request: Request) -> Reply:
        self._check(request)
        for one in self.merged.get(request.params["sha"], ()):
            merge = one.merge or one.squash or one.head
            return Reply(200, {"number": one.number, "merged": one.is_merged, "merge_commit_sha": merge})
        raise Failure(404, "pull request does not exist")

    def _status(self, request: Request) -> Reply:
        self._check(request)
        creator = self.need(request, "status")
        body = request.body
        if body["state"] not in ("pending", "success", "error", "failure", "warning"):
            raise Failure(400, f"invalid state {body['state']}")
        status = {"id": self.new_id(), "status": body["state"], **body}
        self.statuses.append({**status, "sha": request.params["sha"]})
        return Reply(201, {**status, "creator": {"id": creator.id, "login": creator.login}})

    def shown_statuses(self) -> list[tuple[str, str]]:
        """The names and states that were set."""
        return [(status["context"], status["state"]) for status in self.statuses]

    routes: ClassVar = {
        "GET /repos/{owner}/{repo}/issues/{index}/comments": _list,
        "POST /repos/{owner}/{repo}/issues/{index}/comments": _create,
        "PATCH /repos/{owner}/{repo}/issues/comments/{id}": _edit,
        "DELETE /repos/{owner}/{repo}/issues/comments/{id}": _delete,
        "POST /repos/{owner}/{repo}/statuses/{sha}": _status,
        "GET /repos/{owner}/{repo}/issues": _list_issues,
        "POST /repos/{owner}/{repo}/issues": _create_issue,
        "PATCH /repos/{owner}/{repo}/issues/{index}": _edit_issue,
        "GET /repos/{owner}/{repo}/labels": _list_labels,
        "POST /repos/{owner}/{repo}/labels": _create_label,
        "GET /repos/{owner}/{repo}/commits/{sha}/pull": _pull_of,
        "GET /user": _user,
    }
