"""CI run: which service hosts the repository, and what it runs for, from the variables that the CI sets."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from ftops.core.confined_files import content
from ftops.core.errors import UsageError
from ftops.core.nested import object_at
from ftops.forges.service import Service, Target
from ftops.forges.services import SERVICES

PULL_REQUEST = "FTOPS_PULL_REQUEST"
"""The number of the pull request, if the CI doesn't say it: after a merge."""
_EVENT = "GITHUB_EVENT_PATH"
_MOST_BYTES = 25 << 20
"""GitHub's limit for the payload of an event."""
COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_REPOSITORY = re.compile(r"[\w.~ -]+(/[\w.~ -]+)*")
_LINK = re.compile(r"https?://[^\s<>()\[\]`|\\]+")


class Overrides(Struct, frozen=True):
    """What the command line says instead of the variables; empty: nothing. `token_variable` is a name."""

    service: str = ""
    api: str = ""
    repository: str = ""
    pull: int = 0
    commit: str = ""
    token_variable: str = ""


class CiRun(Struct, frozen=True):
    """`repository_id` stays the same if the repository is renamed. `token` is empty if no variable has one;
    `token_variables` are those that were looked at."""

    service: Service
    api: str
    target: Target
    repository_id: str
    token: str
    token_variables: tuple[str, ...]
    page: str = ""
    """The page of the repository; empty: not known."""


def ci_run(environ: Mapping[str, str], given: Overrides, run_url: str) -> CiRun:
    """The run that this process belongs to. Raises UsageError if something isn't known."""
    service = _service(environ, given.service)
    known = {name: value for name, value in {**environ, **_event(environ)}.items() if value}
    rows = service.variables
    api = given.api or _filled(rows.api, known)
    if not api:
        raise _missing("the URL of its API", rows.api, "--api")
    repository = given.repository or _filled(rows.repository, known)
    if not _REPOSITORY.fullmatch(repository) or {".", ".."} & {*repository.split("/")}:
        raise _missing("the repository", rows.repository, "--repository")
    commit = given.commit or _filled(rows.commit, known)
    if commit and not COMMIT.fullmatch(commit):
        raise UsageError(f"`{commit}` isn't the hash of a commit", "", "name it with --commit")
    pull = given.pull or _number(known.get(PULL_REQUEST, "")) or _number(_filled(rows.pull, known))
    tokens = (given.token_variable,) if given.token_variable else rows.token
    token = next((environ[name].strip() for name in tokens if environ.get(name, "").strip()), "")
    target = Target(repository, pull, commit, run_url if _LINK.fullmatch(run_url) else "")
    identity = given.repository or _filled(rows.repository_id, known) or repository
    page = quote(_filled(rows.page, known).rstrip("/"), safe=":/~%")
    page = page if _LINK.fullmatch(page) and not given.repository else ""
    return CiRun(service, api.rstrip("/"), target, identity, token, tokens, page)


def line_url(run: CiRun, folder: str, file: str, line: int) -> str:
    """The page of a line of a file at the commit; empty if there is none. `file` is relative to `folder`, and
    that to the root of the repository."""
    path = posixpath.normpath(posixpath.join(folder, file))
    if not (run.page and run.target.commit) or path.startswith(("/", "../")) or path == "..":
        return ""
    known = {"commit": run.target.commit, "path": quote(path), "line": line}
    return f"{run.page}{run.service.line.format_map(known)}"


def _service(environ: Mapping[str, str], named: str) -> Service:
    if named:
        return SERVICES[named]
    for row in SERVICES.values():
        if any(environ.get(name, "").lower() == "true" for name in row.variables.is_ci):
            return row
    variables = ", ".join(name for row in SERVICES.values() for name in row.variables.is_ci)
    raise UsageError(
        "this isn't a run of a known CI",
        f"none of {variables} is set to `true`.",
        "name the service with --service, and the repository with --api, --repository and --pull",
    )


def _event(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The number of the pull request and its newest commit, from the event that GitHub's and Gitea's runners
    store in a file: the other variables name the commit that merges it."""
    path = environ.get(_EVENT)
    try:
        raw: Any = json.loads(content(Path(path), limit=_MOST_BYTES)) if path else {}
    except (OSError, ValueError, RecursionError):
        raw = {}
    pull = object_at(raw if isinstance(raw, dict) else {}, "pull_request")
    found = {"EVENT_PULL": pull.get("number"), "EVENT_HEAD": object_at(pull, "head").get("sha")}
    return {name: str(value or "") for name, value in found.items()}


def _filled(templates: Iterable[str], known: Mapping[str, str]) -> str:
    """The first template whose variables are all set; empty if there is none."""
    for template in templates:
        if all(name in known for name in re.findall(r"{(\w+)}", template)):
            return template.format_map(known)
    return ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def _missing(what: str, templates: Iterable[str], option: str) -> UsageError:
    names = ", ".join(name for template in templates for name in re.findall(r"{(\w+)}", template))
    return UsageError(f"can't tell {what}", f"it comes from {names}.", f"name it with {option}")
