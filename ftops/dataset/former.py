"""A version of a data file that was applied before: as it was measured then, or out of Git's history."""

from __future__ import annotations

import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path, PurePosixPath

from ftops.dataset import summaries
from ftops.dataset.joined import fits
from ftops.dataset.lines import BOM
from ftops.dataset.measure import Measured, measure
from ftops.dataset.tokens import NoEncoding

COMMITS = 30
"""How far back a version is looked for."""
MAX_BYTES = 64 * 1024 * 1024
"""A larger version is not taken out of Git."""
_SECONDS = 10


def former(project: Path, path: Path, digest: str, encoding: str, pattern: str = "") -> Measured | None:
    """The version whose bytes have this digest; None where it is neither kept nor committed. `pattern`: it
    was put together from the files below the folder `path` that it names."""
    known = summaries.recall(project, digest, encoding)
    if known is not None:
        return known
    content = from_git(path, digest, pattern)
    if content is None:
        return summaries.recall_any(project, digest, encoding)
    made = measure_bytes(content, encoding)
    summaries.keep(project, made, encoding)
    return made


def from_git(path: Path, digest: str, pattern: str = "") -> bytes | None:
    """The content of a file (or of several as one) at one of its last commits, by the digest of its bytes."""
    inside = path / "any" if pattern else path
    name = "." if pattern else path.name
    for commit in (_git(inside, "log", f"-n{COMMITS}", "--format=%H", "--", name) or b"").split():
        revision = commit.decode()
        content = _joined_at(path, revision, pattern) if pattern else at_commit(path, revision)
        if content is not None and f"sha256:{sha256(content).hexdigest()}" == digest:
            return content
    return None


def at_commit(path: Path, revision: str) -> bytes | None:
    """The content of a file at a commit; None where it isn't there, or is too large."""
    name = f"{revision}:./{path.name}"
    size = _git(path, "cat-file", "-s", name)
    if size is None or not size.strip().isdigit() or int(size) > MAX_BYTES:
        return None
    return _git(path, "cat-file", "blob", name)


def _joined_at(folder: Path, revision: str, pattern: str) -> bytes | None:
    """The files that a pattern names below a folder, as they were at a commit, as one; None where there are
    none, or they are too large."""
    inside = folder / "any"
    listed = _git(inside, "ls-tree", "-r", "-z", "--name-only", revision, "--", ".") or b""
    paths = map(PurePosixPath, filter(None, listed.decode("utf-8", "surrogateescape").split("\0")))
    names = sorted(path for path in paths if fits(path.parts, PurePosixPath(pattern).parts))
    parts: list[bytes] = []
    for name in names:
        content = _git(inside, "cat-file", "blob", f"{revision}:./{name}")
        if content is None or sum(map(len, parts)) + len(content) > MAX_BYTES:
            return None
        content = content.removeprefix(BOM) if parts else content
        parts.append(content if content.endswith(b"\n") or not content else content + b"\n")
    return b"".join(parts) if names else None


def measure_bytes(content: bytes, encoding: str) -> Measured:
    """A version that is no file. Tokens aren't counted where the encoding is missing."""
    with tempfile.TemporaryDirectory(prefix="ftops-") as folder:
        file = Path(folder) / "former.jsonl"
        file.write_bytes(content)
        try:
            return measure(file, encoding)
        except NoEncoding:
            return measure(file, "")


def _git(path: Path, *arguments: str) -> bytes | None:
    """What git prints; None where it fails, or isn't there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(path.parent), *arguments],
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
