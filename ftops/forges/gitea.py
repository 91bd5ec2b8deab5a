"""Gitea and Forgejo: comments and statuses of their API, which is like GitHub's.

Source: the Swagger description of Gitea's API; the variables of Gitea Actions and Forgejo Actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ftops.forges.folding import folded, is_folded
from ftops.forges.github import GITHUB, comment_of, comments_of, create, status, update
from ftops.forges.service import Comment, Service, Target, Variables

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient


def _login(token: str) -> Mapping[str, str]:
    return {"Authorization": f"token {token}"}


def _own(client: ForgeClient, comments: Sequence[Comment]) -> Sequence[Comment]:
    me = str(client.send("GET", "/user", what="ask who the token belongs to").fields.get("id", ""))
    return [comment for comment in comments if me and comment.author == me and not is_folded(comment)]


def _collapse(client: ForgeClient, target: Target, comment: Comment) -> None:
    client.send(*update(target, comment, folded(comment)), what="fold a comment")


GITEA = Service(
    name="gitea",
    title="Gitea",
    variables=Variables(
        is_ci=("GITEA_ACTIONS", "FORGEJO_ACTIONS"),
        api=("{GITHUB_API_URL}", "{GITHUB_SERVER_URL}/api/v1"),
        repository=GITHUB.variables.repository,
        pull=GITHUB.variables.pull,
        commit=GITHUB.variables.commit,
        token=("GITEA_TOKEN", "FORGEJO_TOKEN", "GITHUB_TOKEN"),
        repository_id=GITHUB.variables.repository_id,
    ),
    limit=65_536,
    login=_login,
    comments="/repos/{repository}/issues/{pull}/comments",
    read=comments_of,
    own=_own,
    create=create,
    created=comment_of,
    update=update,
    collapse=_collapse,
    status=status,
    reports="`-o sarif` or `-o junit` for a tool that reads it",
    rights={
        "comment": "write access to the issues and pull requests of the repository (`write:issue`)",
        "status": "write access to the repository (`write:repository`)",
    },
)
"""Its comments have no documented limit: the same as GitHub's is used."""
