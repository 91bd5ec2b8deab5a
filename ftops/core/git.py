"""Git: reads of the repository of a project, in which nothing that it configures is run."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from ftops.core.errors import UsageError

MOST_BYTES = 64 * 1024 * 1024
"""More isn't read."""
_SECONDS = 10
_SAFE = (
    "--no-pager",
    "--literal-pathspecs",
    *("-c", "safe.bareRepository=explicit"),
    *("-c", "log.showSignature=false"),
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
)
PLAIN_LOG = ("--format=%H", "--no-ext-diff", "--no-textconv")
_NAMES_ONLY = (
    *("--name-only", "-z", "--no-renames", "--no-relative", "--no-ext-diff", "--no-textconv"),
    "--ignore-submodules=dirty",
)
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
"""Nothing that is missing in a partial clone is fetched: the repository itself would name the address.
No replacement is read for an object of a revision."""


def git(project: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> bytes | None:
    """The output of git in the project's root; None if it fails, isn't installed, takes too long or prints
    too much. Programs that the repository configures are not run; `settings` override its own."""
    try:
        process = subprocess.Popen(
            ["git", "-C", str(project), *_SAFE, *arguments],
            env={**os.environ, **_ENVIRONMENT, **_as_environment(settings or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    timeout = threading.Timer(_SECONDS, process.kill)
    timeout.start()
    with process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        output = process.stdout.read(MOST_BYTES + 1)
        timeout.cancel()
        if len(output) > MOST_BYTES:
            process.kill()
            return None
    return output if process.returncode == 0 else None


def _as_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings as git takes them from the environment: their names may have any character."""
    found = {"GIT_CONFIG_COUNT": str(len(settings))} if settings else {}
    for number, (name, value) in enumerate(settings.items()):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def changed_since(project: Path, revision: str) -> frozenset[str]:
    """The files, from the project's root, that the branch has changed since it left a revision: committed or
    not, also those that were deleted or aren't tracked. A renamed file counts by both names. Raises
    UsageError."""
    if git(project, "rev-parse", "--git-dir") is None:
        hint = "see what `git status` says there; or leave out --changed-since"
        raise UsageError(f"git can't read {project} as a repository", "--changed-since needs it.", hint)
    commit = None
    if not revision.startswith("-"):
        commit = git(project, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not commit:
        name = revision.removeprefix("origin/")
        raise UsageError(
            f"there is no revision {revision} here",
            "a shallow clone has only the newest commits.",
            f"check its name; in CI, fetch it: `git fetch origin {name}`, or a checkout with full history",
        )
    base = git(project, "merge-base", commit.decode().strip(), "HEAD")
    if not base:
        raise UsageError(
            f"{revision} and the current commit have no common commit here",
            "what the branch changed is counted from there; a shallow clone may lack it.",
            "fetch the history: `git fetch --unshallow`, or a checkout with full history",
        )
    unfiltered = _without_filters(project)
    changed = git(project, "diff", *_NAMES_ONLY, base.decode().strip(), settings=unfiltered)
    added = git(project, "ls-files", "--others", "--exclude-standard", "-z", "--full-name")
    if changed is None or added is None:
        raise UsageError(
            f"git can't compare the files with {revision}", "", "see `git status`; or plan all specs"
        )
    return frozenset(os.fsdecode(name) for name in (changed + added).split(b"\0") if name)


def tracked_changes(project: Path) -> bool:
    """Whether files below a folder that git tracks differ from the current commit."""
    changed = git(project, "diff", *_NAMES_ONLY, "HEAD", "--", ".", settings=_without_filters(project))
    return bool(changed)


def _without_filters(project: Path) -> dict[str, str]:
    """Settings that turn off the filters of the repository: comparing files with it would run them."""
    listed = git(project, "config", "--name-only", "-z", "--get-regexp", r"^filter\.") or b""
    names = {os.fsdecode(name).rpartition(".")[0] for name in listed.split(b"\0") if name}
    off = {"clean": "", "smudge": "", "process": "", "required": "false"}
    return {f"{name}.{key}": value for name in sorted(names) for key, value in off.items()}
