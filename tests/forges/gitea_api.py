"""Gitea's and Forgejo's API: comments of pull requests and statuses; lists of comments have no pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tests.forges.stand_in import AT, Account, Failure, Reply, Request, StandIn


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
        if (request.params["owner"], request.params["repo"], request.params.get("index", "12")) != (
            "contoso",
            "models",
            "12",
        ):
            raise Failure(404, "The target couldn't be found.")

    def _list(self, request: Request) -> Reply:
        self._check(request)
        return Reply(200, [self._comment(comment) for comment in self.comments])

    def _create(self, request: Request) -> Reply:
        self._check(request)
        author = self.need(request, "comment", "token does not have at least one of required scope(s)")
        comment = Comment(self.new_id(), request.body["body"], author)
        self.comments.append(comment)
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
        "GET /user": _user,
    }
