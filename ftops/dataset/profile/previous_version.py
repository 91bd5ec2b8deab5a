"""Previous version of a data file: its stored profile, or its content from the Git history."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from hashlib import sha256
from pathlib import Path, PurePosixPath

from ftops.core.confined_files import real
from ftops.dataset.files.derived_files import fits
from ftops.dataset.files.jsonl_io import BOM
from ftops.dataset.profile import profile_store
from ftops.dataset.profile.profiler import Measured, measure
from ftops.dataset.profile.tokens import NoEncoding

COMMITS = 30
"""Commits that are searched for a version."""
MAX_BYTES = 64 * 1024 * 1024
"""A larger version is not read from Git."""
_SECONDS = 10


def find_version(project: Path, path: Path, digest: str, encoding: str, pattern: str = "") -> Measured | None:
    """The version whose bytes have this digest; None if it is neither stored nor committed. `pattern`: the
    version was joined from the files in the folder `path` that match it."""
    known = profile_store.recall(project, digest, encoding)
    if known is not None:
        return known
    content = from_git(project, path, digest, pattern)
    if content is None:
        return profile_store.recall_any(project, digest)
    measured = measure_bytes(content, encoding)
    profile_store.keep(project, measured, encoding)
    return measured


def from_git(project: Path, path: Path, digest: str, pattern: str = "") -> bytes | None:
    """The content of a file (or of several, joined) at one of its last commits, by its digest."""
    name = _inside(project, path)
    if name is None:
        return None
    for commit in (_git(project, "log", f"-n{COMMITS}", *_PLAIN_LOG, "--", name) or b"").split():
        revision = commit.decode()
        content = (
            _joined_at(project, name, revision, pattern) if pattern else at_commit(project, path, revision)
        )
        if content is not None and f"sha256:{sha256(content).hexdigest()}" == digest:
            return content
    return None


def at_commit(project: Path, path: Path, revision: str) -> bytes | None:
    """The content of a file at a commit; None if it isn't there, is too large, or is outside of the project:
    other repositories aren't read."""
    name = _inside(project, path)
    if name is None or revision.startswith("-"):
        return None
    return _git(project, "cat-file", "blob", f"{revision}:{name}")


def _inside(project: Path, path: Path) -> str | None:
    """The path from the project's root; None if it is outside, or the project has no history."""
    place = real(path.parent) / path.name
    if not place.is_relative_to(project) or not (project / ".git").exists():
        return None
    return place.relative_to(project).as_posix()


def _joined_at(project: Path, folder: str, revision: str, pattern: str) -> bytes | None:
    """The files in a folder that match a pattern, as they were at a commit, joined; None if there are none,
    or they are too large."""
    below = () if folder == "." else (f"{folder}/",)
    listed = _git(project, "ls-tree", "-r", "-z", "--name-only", revision, "--", *below) or b""
    whole = map(PurePosixPath, filter(None, listed.decode("utf-8", "surrogateescape").split("\0")))
    paths = [path.relative_to(folder) for path in whole]
    names = sorted(path for path in paths if fits(path.parts, PurePosixPath(pattern).parts))
    parts: list[bytes] = []
    for name in names:
        content = _git(project, "cat-file", "blob", f"{revision}:{PurePosixPath(folder, name)}")
        if content is None or sum(map(len, parts)) + len(content) > MAX_BYTES:
            return None
        content = content.removeprefix(BOM) if parts else content
        parts.append(content if content.endswith(b"\n") or not content else content + b"\n")
    return b"".join(parts) if names else None


def measure_bytes(content: bytes, encoding: str) -> Measured:
    """Measures a version that isn't a file. Tokens aren't counted if the encoding is missing."""
    with tempfile.TemporaryDirectory(prefix="ftops-") as folder:
        file = Path(folder) / "previous.jsonl"
        file.write_bytes(content)
        try:
            return measure(file, encoding)
        except NoEncoding:
            return measure(file, "")


_SAFE = (
    "--no-pager",
    "--literal-pathspecs",
    *("-c", "safe.bareRepository=explicit"),
    *("-c", "log.showSignature=false"),
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
)
_PLAIN_LOG = ("--format=%H", "--no-ext-diff", "--no-textconv")
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
}
"""Nothing that is missing in a partial clone is fetched: the repository itself would name the address."""


def _git(project: Path, *arguments: str) -> bytes | None:
    """The output of git in the project's root; None if it fails, isn't installed, takes too long or prints
    too much. Programs that the repository configures are not run."""
    try:
        process = subprocess.Popen(
            ["git", "-C", str(project), *_SAFE, *arguments],
            env={**os.environ, **_ENVIRONMENT},
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
        output = process.stdout.read(MAX_BYTES + 1)
        timeout.cancel()
        if len(output) > MAX_BYTES:
            process.kill()
            return None
    return output if process.returncode == 0 else None
