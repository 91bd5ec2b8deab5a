"""Extracts what stand-ins are checked against from a vendor's OpenAPI description (version 2 or 3), and what
pipelines are checked against from a vendor's JSON Schema.

    python -m tests.forges.extract SERVICE DESCRIPTION.json

writes `published/SERVICE.json`: for each route that ftops or a test uses, the documented statuses, and the
types and required fields of requests and replies, three levels deep. The descriptions themselves aren't kept:
GitHub's is on npm (@octokit/openapi), Microsoft's in MicrosoftDocs/vsts-rest-api-specs, and Forgejo's at
/swagger.v1.json of each instance. GitLab's lacks notes: `published/gitlab.json` is written by hand, after the
examples in its reference.

The schemas of `gitlab-ci` and `azure-pipelines` are in the package check-jsonschema on PyPI. They are kept
without descriptions, and that of Azure with the tasks that are used alone.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "published"
ROUTES = {
    "github": [
        ("get", "/repos/{owner}/{repo}/issues/{issue_number}/comments"),
        ("post", "/repos/{owner}/{repo}/issues/{issue_number}/comments"),
        ("get", "/repos/{owner}/{repo}/issues/comments/{comment_id}"),
        ("patch", "/repos/{owner}/{repo}/issues/comments/{comment_id}"),
        ("delete", "/repos/{owner}/{repo}/issues/comments/{comment_id}"),
        ("post", "/repos/{owner}/{repo}/check-runs"),
        ("patch", "/repos/{owner}/{repo}/check-runs/{check_run_id}"),
        ("get", "/repos/{owner}/{repo}/check-runs/{check_run_id}/annotations"),
        ("get", "/repos/{owner}/{repo}/commits/{ref}/check-runs"),
        ("post", "/repos/{owner}/{repo}/statuses/{sha}"),
        ("get", "/repos/{owner}/{repo}/issues"),
        ("post", "/repos/{owner}/{repo}/issues"),
        ("patch", "/repos/{owner}/{repo}/issues/{issue_number}"),
        ("get", "/repos/{owner}/{repo}/commits/{commit_sha}/pulls"),
        ("get", "/repos/{owner}/{repo}/actions/oidc/customization/sub"),
    ],
    "gitea": [
        ("get", "/repos/{owner}/{repo}/issues/{index}/comments"),
        ("post", "/repos/{owner}/{repo}/issues/{index}/comments"),
        ("patch", "/repos/{owner}/{repo}/issues/comments/{id}"),
        ("delete", "/repos/{owner}/{repo}/issues/comments/{id}"),
        ("post", "/repos/{owner}/{repo}/statuses/{sha}"),
        ("get", "/repos/{owner}/{repo}/issues"),
        ("post", "/repos/{owner}/{repo}/issues"),
        ("patch", "/repos/{owner}/{repo}/issues/{index}"),
        ("get", "/repos/{owner}/{repo}/labels"),
        ("post", "/repos/{owner}/{repo}/labels"),
        ("get", "/repos/{owner}/{repo}/commits/{sha}/pull"),
        ("get", "/user"),
    ],
    "azure_devops": [
        (method, f"/{{organization}}/{{project}}/_apis/git/repositories/{{repositoryId}}{rest}")
        for method, rest in (
            ("get", "/pullRequests/{pullRequestId}/threads"),
            ("post", "/pullRequests/{pullRequestId}/threads"),
            ("patch", "/pullRequests/{pullRequestId}/threads/{threadId}"),
            ("patch", "/pullRequests/{pullRequestId}/threads/{threadId}/comments/{commentId}"),
            ("delete", "/pullRequests/{pullRequestId}/threads/{threadId}/comments/{commentId}"),
            ("post", "/pullRequests/{pullRequestId}/statuses"),
            ("post", "/commits/{commitId}/statuses"),
            ("post", "/pullrequestquery"),
        )
    ],
}
_KEPT = """
id body content state status context description creator author user login name head_sha conclusion output
title summary annotations annotations_count path start_line end_line annotation_level message comments
use_immutable_subject sub_claim_prefix include_claim_keys
commentType parentCommentId isDeleted targetUrl target_url genre total_count check_runs external_id minimized
number labels name color html_url merged merged_at merge_commit_sha queries results items type
"""
KEPT = frozenset(_KEPT.split())
"""Optional fields that are kept; of required ones, all are."""
DEPTH = 3
_SHALLOW = re.compile("/pulls$")
"""Paths whose replies are checked one level deep: they repeat whole repositories."""


class Description:
    """A document, and what its references stand for."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def resolved(self, node: Any) -> Any:
        while isinstance(node, dict) and "$ref" in node:
            found = self.raw
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def simple(self, schema: Any, depth: int = DEPTH) -> Any:
        """A JSON Schema with types, required fields and values."""
        schema = self.resolved(schema) or {}
        if "allOf" in schema:
            parts = [self.resolved(part) for part in schema["allOf"]]
            merged = {name: value for part in parts for name, value in part.items()}
            fields = {n: v for part in (*parts, schema) for n, v in part.get("properties", {}).items()}
            schema = {**merged, **schema, "properties": fields, "type": merged.get("type", "object")}
        kind = schema.get("type")
        found: dict[str, Any] = {}
        if kind:
            found["type"] = [kind, "null"] if schema.get("nullable") else kind
        if len(schema.get("enum", ())) in range(1, 16):
            found["enum"] = schema["enum"]
        if "maxItems" in schema:
            found["maxItems"] = schema["maxItems"]
        if kind == "array":
            found["items"] = self.simple(schema.get("items"), depth)
        required = sorted(schema.get("required", ())) if depth else []
        fields = schema.get("properties", {}) if depth else {}
        kept = {n: self.simple(v, depth - 1) for n, v in fields.items() if n in KEPT or n in required}
        return found | ({"required": required} if required else {}) | ({"properties": kept} if kept else {})

    def route(self, method: str, path: str) -> dict[str, Any]:
        operation = self.raw["paths"][path][method]
        answers = {status: self.resolved(answer) for status, answer in operation["responses"].items()}
        replies = {
            status: self.simple(self._content(answer), 1 if _SHALLOW.search(path) else DEPTH)
            for status, answer in answers.items()
            if status < "300"
        }
        body = [p for p in map(self.resolved, operation.get("parameters", ())) if p.get("in") == "body"]
        request = body[0] if body else self.resolved(operation.get("requestBody"))
        return {
            "statuses": sorted(answers),
            "replies": replies,
            **({"request": self.simple(self._content(request))} if request else {}),
        }

    @staticmethod
    def _content(holder: Any) -> Any:
        if "content" in holder:
            return holder["content"].get("application/json", {}).get("schema")
        return holder.get("schema")


PIPELINES = ("gitlab-ci", "azure-pipelines")
TASKS = ("AzureCLI@2", "UsePythonVersion@0")
"""Tasks of Azure Pipelines that are used."""
_NAMES = ("properties", "definitions", "patternProperties")
_WORDS = frozenset(
    ("title", "description", "markdownDescription", "examples", "deprecationMessage", "doNotSuggest")
)


def without_words(schema: Any, *, are_names: bool = False) -> Any:
    """A JSON Schema without text for people, and without other tasks than TASKS."""
    if isinstance(schema, list):
        return [found for item in schema if (found := without_words(item)) != {}]
    if not isinstance(schema, dict):
        return schema
    task = (schema.get("properties") or {}).get("task", {})
    names = [str(name) for name in schema.get("enum", ())]
    if "pattern" in task and not any(map(re.compile(task["pattern"]).match, TASKS)):
        return {}
    if any("@" in name for name in names) and not {*names} & {*TASKS}:
        return {}
    kept = {name: value for name, value in schema.items() if are_names or name not in _WORDS}
    return {name: without_words(value, are_names=name in _NAMES) for name, value in kept.items()}


def main(service: str, file: str) -> None:
    raw = json.loads(Path(file).read_text("utf-8-sig"))
    if service in PIPELINES:
        (HERE / f"{service}.json").write_text(json.dumps(without_words(raw), sort_keys=True) + "\n", "utf-8")
        return
    description = Description(raw)
    routes = {f"{method.upper()} {path}": description.route(method, path) for method, path in ROUTES[service]}
    about = {"title": raw["info"]["title"], "version": raw["info"]["version"]}
    lines = [
        f"{json.dumps(name)}: {json.dumps(route, sort_keys=True)}" for name, route in sorted(routes.items())
    ]
    text = f'{{"about": {json.dumps(about)}, "routes": {{\n' + ",\n".join(lines) + "\n}}\n"
    (HERE / f"{service}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
