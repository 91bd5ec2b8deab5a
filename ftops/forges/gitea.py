"""Gitea and Forgejo: comments, statuses and issues of their API, which is like GitHub's.

Source: the Swagger description of Gitea's API; the variables of Gitea Actions and Forgejo Actions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ftops.core.nested import number_at
from ftops.forges.errors import Gone
from ftops.forges.folding import folded, is_folded
from ftops.forges.github import (
    GITHUB,
    comment_issue,
    comment_of,
    comments_of,
    create,
    create_issue,
    issue_of,
    issues_of,
    pull_of,
    status,
    update,
    update_issue,
)
from ftops.forges.service import Comment, Issues, Pull, Service, Target, Variables

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient

_COLOR = "#fbca04"
"""Of a label."""


def _login(token: str) -> Mapping[str, str]:
    return {"Authorization": f"token {token}"}


def _own(client: ForgeClient, comments: Sequence[Comment]) -> Sequence[Comment]:
    me = str(client.send("GET", "/user", what="ask who the token belongs to").fields.get("id", ""))
    return [comment for comment in comments if me and comment.author == me and not is_folded(comment)]


def _collapse(client: ForgeClient, target: Target, comment: Comment) -> None:
    client.send(*update(target, comment, folded(comment)), what="fold a comment")


def _label(client: ForgeClient, target: Target, name: str) -> int:
    """The ID of a label, which is made if there is none: issues name labels by it."""
    path = target.path("/repos/{repository}/labels")
    for page in client.pages(f"{path}?limit=50", "list the labels"):
        for raw in page if isinstance(page, list) else ():
            if isinstance(raw, dict) and raw.get("name") == name:
                return number_at(raw, "id")
    body = {"name": name, "color": _COLOR}
    return number_at(client.send("POST", path, body, what="create the label").fields, "id")


def _merged(client: ForgeClient, target: Target) -> Iterable[Pull]:
    path = target.path("/repos/{repository}/commits/{commit}/pull")
    try:
        raw = client.send("GET", path, what="find the pull request of the commit").fields
    except Gone:
        return ()
    return (pull_of(raw),) if raw.get("merged") else ()


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
        page=GITHUB.variables.page,
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
    merged=_merged,
    line="/src/commit/{commit}/{path}#L{line}",
    issues=Issues(
        label=_label,
        list="/repos/{repository}/issues?labels={label}&state=all&type=issues&limit=50",
        read=issues_of,
        create=create_issue,
        created=issue_of,
        update=update_issue,
        comment=comment_issue,
    ),
    reports="`-o sarif` or `-o junit` for a tool that reads it",
    rights={
        "comment": "write access to the issues and pull requests of the repository (`write:issue`)",
        "status": "write access to the repository (`write:repository`)",
        "issue": "write access to the issues of the repository (`write:issue`), and a repository with issues",
    },
)
"""Its comments have no documented limit: the same as GitHub's is used."""
