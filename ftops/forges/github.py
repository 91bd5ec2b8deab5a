"""GitHub: comments, statuses, check runs and issues of its REST API; comments are minimised through GraphQL.

Sources: the REST and GraphQL references of GitHub; the variables of GitHub Actions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftops.core.nested import list_at, number_at, object_at
from ftops.forges.errors import ForgeError, Unanswered
from ftops.forges.service import (
    Check,
    Comment,
    Issue,
    Issues,
    Pull,
    Request,
    Service,
    Status,
    Target,
    Variables,
)

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient

MOST_ANNOTATIONS = 50
"""Of a request. Further ones are added by updates of the check run."""
_MOST_NODES = 100
_MOST_DESCRIPTION = 140
_NODES = (
    "query($ids: [ID!]!) { nodes(ids: $ids) { ... on IssueComment { id isMinimized viewerDidAuthor } "
    "... on Issue { id viewerDidAuthor } } }"
)
_MINIMIZE = (
    "mutation($id: ID!) { minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) "
    "{ minimizedComment { isMinimized } } }"
)
_COMMENTS = "/repos/{repository}/issues/{pull}/comments"
_ISSUES = "/repos/{repository}/issues"
_ISSUE = "/repos/{repository}/issues/{id}"
_COMMENT = "/repos/{repository}/issues/comments/{id}"
_CHECKS = "/repos/{repository}/check-runs"
_SUBJECT = "/repos/{repository}/actions/oidc/customization/sub"
_PREFIX = re.compile(r"repo:[\w.@-]+/[\w.@-]+")
_NAMED = "/repos/{repository}/commits/{commit}/check-runs?check_name={check}&filter=latest"


def login(token: str) -> Mapping[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }


def comment_of(raw: Any) -> Comment:
    """An issue comment; Gitea's have the same fields."""
    author = object_at(raw, "user").get("id") or ""
    texts = (str(raw.get(name) or "") for name in ("body", "html_url", "node_id"))
    body, url, node = texts
    return Comment(str(raw.get("id") or ""), body, str(author), url, node=node)


def comments_of(page: Any) -> Iterable[Comment]:
    return (comment_of(raw) for raw in (page if isinstance(page, list) else ()) if isinstance(raw, dict))


def create(target: Target, body: str) -> Request:
    return Request("POST", target.path(_COMMENTS), {"body": body})


def update(target: Target, comment: Comment, body: str) -> Request:
    return Request("PATCH", target.path(_COMMENT, id=comment.id), {"body": body})


def issues_of(page: Any) -> Iterable[Issue]:
    """GitHub lists pull requests as well."""
    found = (raw for raw in (page if isinstance(page, list) else ()) if isinstance(raw, dict))
    return (issue_of(raw) for raw in found if not raw.get("pull_request"))


def issue_of(raw: Any) -> Issue:
    """An issue; Gitea's have the same fields."""
    read = comment_of(raw)
    labels = (label for label in list_at(raw, "labels") if isinstance(label, dict))
    return Issue(
        str(raw.get("number") or ""),
        read.body,
        read.author,
        read.url,
        node=read.node,
        title=str(raw.get("title") or ""),
        is_open=raw.get("state") != "closed",
        labels=tuple(str(label.get("name") or "") for label in labels),
    )


def create_issue(target: Target, issue: Issue, label: str | int) -> Request:
    return Request(
        "POST", target.path(_ISSUES), {"title": issue.title, "body": issue.body, "labels": [label]}
    )


def update_issue(target: Target, issue: Issue) -> Request:
    body = {"title": issue.title, "body": issue.body, "state": "open" if issue.is_open else "closed"}
    return Request("PATCH", target.path(_ISSUE, id=issue.id), body)


def comment_issue(target: Target, issue: Issue, body: str) -> Request:
    return Request("POST", target.path(f"{_ISSUE}/comments", id=issue.id), {"body": body})


def pull_of(raw: Any) -> Pull:
    return Pull(number_at(raw, "number"), (str(raw.get("merge_commit_sha") or ""),))


def _merged(client: ForgeClient, target: Target) -> Iterable[Pull]:
    path = target.path("/repos/{repository}/commits/{commit}/pulls?per_page=100")
    for page in client.pages(path, "find the pull request of the commit"):
        found = (raw for raw in (page if isinstance(page, list) else ()) if isinstance(raw, dict))
        yield from (pull_of(raw) for raw in found if raw.get("merged_at"))


def status(target: Target, found: Status) -> Request:
    body = {
        "state": found.state,
        "context": found.name,
        "description": found.description[:_MOST_DESCRIPTION],
        "target_url": target.run_url or None,
    }
    return Request("POST", target.path("/repos/{repository}/statuses/{commit}"), body)


def _own(client: ForgeClient, comments: Sequence[Comment]) -> Sequence[Comment]:
    """By GraphQL, because the token of a job can't ask who it is."""
    found: set[str] = set()
    for start in range(0, len(comments), _MOST_NODES):
        ids = [comment.node for comment in comments[start : start + _MOST_NODES]]
        nodes = list_at(_graphql(client, _NODES, {"ids": ids}, "tell its own comments from others"), "nodes")
        found |= {
            str(node.get("id"))
            for node in nodes
            if isinstance(node, dict) and node.get("viewerDidAuthor") is True and not node.get("isMinimized")
        }
    return [comment for comment in comments if comment.node in found]


def _collapse(client: ForgeClient, target: Target, comment: Comment) -> None:
    _graphql(client, _MINIMIZE, {"id": comment.node}, "minimise a comment")


def _graphql(client: ForgeClient, query: str, variables: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """The data of a query, or of a mutation that does no harm when it is repeated."""
    request = {"query": query, "variables": dict(variables)}
    url = f"{client.api.removesuffix('/v3')}/graphql"  # Enterprise Server: /api/v3 and /api/graphql
    reply = client.send("POST", url, request, what=what, is_repeatable=True).fields
    errors = [str(error.get("message")) for error in list_at(reply, "errors") if isinstance(error, dict)]
    if errors:
        raise ForgeError(f"can't {what}", f"GitHub answered: {'; '.join(errors)}.")
    return object_at(reply, "data")


def _check(client: ForgeClient, target: Target, check: Check) -> str:
    output = {"title": check.title, "summary": check.summary}
    batches = [
        check.annotations[start : start + MOST_ANNOTATIONS]
        for start in range(0, len(check.annotations), MOST_ANNOTATIONS)
    ]
    first = {
        "name": check.name,
        "head_sha": target.commit,
        "external_id": check.id,
        "status": "completed",
        "conclusion": check.conclusion,
        "output": {**output, "annotations": list(batches[0]) if batches else []},
        **({"details_url": target.run_url} if target.run_url else {}),
    }
    raw = _created_check(client, target, check, first)
    path = f"{target.path(_CHECKS)}/{raw.get('id')}"
    for batch in batches[1:]:
        client.send("PATCH", path, {"output": {**output, "annotations": list(batch)}}, what="add annotations")
    return str(raw.get("html_url") or "")


def _created_check(
    client: ForgeClient, target: Target, check: Check, body: Mapping[str, Any]
) -> Mapping[str, Any]:
    """One check run, even if the reply to a request is lost."""
    what = "create the check run"
    try:
        return client.send("POST", target.path(_CHECKS), body, what=what).fields
    except Unanswered:
        named = client.send("GET", target.path(_NAMED, check=check.name), what="list the check runs")
        for raw in list_at(named.fields, "check_runs"):
            if isinstance(raw, dict) and raw.get("external_id") == check.id:
                return raw
    return client.send("POST", target.path(_CHECKS), body, what=what).fields


def subject_prefix(client: ForgeClient, repository: str) -> str:
    """How subjects of ID tokens for jobs of a repository begin, as GitHub says; empty if it doesn't say. The
    flag for subjects with IDs isn't looked at: it may be false where they are used. Raises ForgeError."""
    what = "ask how subjects of ID tokens begin"
    raw = client.send("GET", Target(repository).path(_SUBJECT), what=what).fields
    keys = [str(key) for key in list_at(raw, "include_claim_keys")]
    prefix = str(raw.get("sub_claim_prefix") or "")
    if not raw.get("use_default", True) and keys != ["repo", "context"]:
        raise ForgeError(
            f"can't {what}",
            f"the repository makes them from other claims: {', '.join(keys)}.",
            "use the default: gh api --method PUT …/actions/oidc/customization/sub -F use_default=true",
        )
    if prefix and not _PREFIX.fullmatch(prefix):
        raise ForgeError(f"can't {what}", f"GitHub answered `{prefix[:200]}`, which isn't one.")
    return prefix


GITHUB = Service(
    name="github",
    title="GitHub",
    variables=Variables(
        is_ci=("GITHUB_ACTIONS",),
        api=("{GITHUB_API_URL}",),
        repository=("{GITHUB_REPOSITORY}",),
        pull=("{EVENT_PULL}",),
        commit=("{EVENT_HEAD}", "{GITHUB_SHA}"),
        token=("GITHUB_TOKEN", "GH_TOKEN"),
        page=("{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}",),
        repository_id=("{GITHUB_REPOSITORY_ID}",),
    ),
    limit=65_536,
    login=login,
    comments=f"{_COMMENTS}?per_page=100",
    read=comments_of,
    own=_own,
    create=create,
    created=comment_of,
    update=update,
    collapse=_collapse,
    status=status,
    merged=_merged,
    line="/blob/{commit}/{path}#L{line}",
    check=_check,
    issues=Issues(
        label=lambda client, target, name: name,
        list=f"{_ISSUES}?labels={{label}}&state=all&per_page=100",
        read=issues_of,
        create=create_issue,
        created=issue_of,
        update=update_issue,
        comment=comment_issue,
    ),
    rights={
        "comment": "`permissions: {pull-requests: write}` in the job",
        "status": "`permissions: {statuses: write}` in the job",
        "annotate": "`permissions: {checks: write}` in the job",
        "issue": "`permissions: {issues: write}` in the job, and a repository with issues",
    },
)
