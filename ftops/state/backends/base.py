"""What every store of states offers: read, lock, record, replace, look back. A table row for each backend
says where its code is; nothing of a bucket is imported for a state on a local disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from msgspec import Struct

from ftops.core.errors import StateError, StateLocked
from ftops.state.file_format import StateCodec
from ftops.state.state import Entry, State

T = TypeVar("T")

KEPT_VERSIONS = 10
"""Versions of a state that are kept, where the spec names no number."""


class LockInfo(Struct, frozen=True):
    """Who holds a lock, since when (UTC, ISO 8601), doing what. `run_url`: the CI run, where there is one."""

    id: str
    who: str
    host: str
    pid: int
    operation: str
    since: str
    run_url: str = ""

    @property
    def by(self) -> str:
        """Who, on which machine."""
        return f"{self.who}@{self.host}"

    def __str__(self) -> str:
        where = f" ({self.run_url})" if self.run_url else ""
        return f"{self.by}, process {self.pid}{where}, runs `ftops {self.operation}` since {self.since}"


class Version(Struct, frozen=True):
    """One state of the past: its serial as text, when it was written (UTC, ISO 8601), by whom and what."""

    id: str
    at: str
    who: str = ""
    operation: str = ""

    @property
    def serial(self) -> int:
        return int(self.id)


class Waiting(Struct, frozen=True):
    """How long to wait for a lock, in seconds, and whom to tell, once for each holder."""

    timeout: float = 0.0
    tell: Callable[[StateLocked], None] = lambda refusal: None
    every: float = 1.0
    """Seconds between two looks."""


AT_ONCE = Waiting()


class Journal(Protocol):
    """Appends entries. They are safe, and acknowledged, after `sync`. All may raise StateError."""

    def append(self, entries: Iterable[Entry]) -> None: ...

    def sync(self) -> None: ...

    def close(self) -> None:
        """Ends the recording and leaves the journal for the next run to read. Raises nothing."""

    def fold(self, state: State) -> None:
        """Ends the journal: `state`, which holds all its entries, becomes the snapshot."""


class Hold(Protocol):
    """A lock that is held."""

    def when_lost(self, tell: Callable[[], None]) -> None:
        """`tell` is called, maybe from another thread, once it is held no more."""

    def check(self) -> None:
        """Raises StateError where it is known to be lost. Asks nobody."""

    def confirm(self) -> None:
        """As `check`, but asks."""


class Store(Protocol):
    """The state of one spec in one environment. All methods may raise StateError, and change nothing then."""

    @property
    def place(self) -> str:
        """Where the state is, for people."""

    @property
    def form(self) -> StateCodec:
        """How it is written down."""

    def read(self, lineage: str = "") -> State:
        """The state as of now; an empty one of that lineage where none is recorded. Needs no lock."""

    def lock(self, info: LockInfo, waiting: Waiting = AT_ONCE) -> AbstractContextManager[Hold]:
        """Alone with the state until the end of the block. Raises StateLocked."""

    def open_journal(self, state: State) -> Journal:
        """Starts to record on top of `state`. Only for who holds the lock."""

    def write(self, state: State) -> None:
        """Replaces the state as a whole, journal included. Only for who holds the lock."""

    def versions(self) -> Sequence[Version]:
        """The versions that are kept, newest first; the current one is among them."""

    def read_version(self, id: str) -> State:
        """One of them. Raises StateError where it isn't kept."""

    def append_audit(self, name: str, line: str) -> None:
        """Adds a line to the audit log of this environment; it is safe once this returns. Only for who holds
        the lock. `name` is unique, and names sort by time: for a store that keeps each line by itself."""

    def audit_lines(self, newest: int | None = None) -> Sequence[str]:
        """The audit log, oldest line first; only so many of the newest lines where a number is given."""

    def force_unlock(self, id: str) -> LockInfo:
        """Takes the lock with that id from who holds it. Raises StateError where it isn't held."""


_RUN_URLS: tuple[tuple[str, str], ...] = (
    ("GITHUB_RUN_ID", "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}"),
    ("CI_JOB_URL", "{CI_JOB_URL}"),
    ("BUILD_BUILDID", "{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}"),
    ("BUILD_URL", "{BUILD_URL}"),
    ("CIRCLE_BUILD_URL", "{CIRCLE_BUILD_URL}"),
    ("BITBUCKET_BUILD_NUMBER", "{BITBUCKET_GIT_HTTP_ORIGIN}/pipelines/results/{BITBUCKET_BUILD_NUMBER}"),
    ("BUILDKITE_BUILD_URL", "{BUILDKITE_BUILD_URL}"),
)
"""The variable that tells a CI system → the URL of its run. GitHub, GitLab, Azure Pipelines, Jenkins and
others."""


def run_url(environ: dict[str, str]) -> str:
    """The page of the CI run that this process is part of; empty where there is none."""
    for sign, form in _RUN_URLS:
        if environ.get(sign):
            try:
                return form.format_map(environ)
            except KeyError:
                continue
    return ""


def lock_info(id: str, operation: str, since: str) -> LockInfo:
    """What this process writes into a lock."""
    from getpass import getuser

    try:
        who = os.environ.get("GITHUB_ACTOR") or os.environ.get("GITLAB_USER_LOGIN") or getuser()
    except (KeyError, OSError):
        who = str(os.getuid())
    return LockInfo(id, who, os.uname().nodename, os.getpid(), operation, since, run_url(dict(os.environ)))


def lock_info_from(raw: object) -> LockInfo:
    """From the JSON of a lock. Raises TypeError where it is none."""
    if not isinstance(raw, dict):
        raise TypeError("a lock must be a mapping")
    known = LockInfo.__struct_fields__
    return LockInfo(**{name: value for name, value in raw.items() if name in known})


def patiently(attempt: Callable[[], T], waiting: Waiting) -> T:
    """What `attempt` returns, as soon as it raises no StateLocked any more. Raises the last one."""
    end: float | None = None
    told = ""
    while True:
        try:
            return attempt()
        except StateLocked as refusal:
            now = time.monotonic()
            end = now + waiting.timeout if end is None else end
            if now >= end:
                raise
            if refusal.detail != told:
                told = refusal.detail
                waiting.tell(refusal)
            time.sleep(min(waiting.every, end - now))


class Elsewhere(StateError):
    """The state of the spec is in another store. Who only looks may look there."""

    def __init__(self, store: Store, summary: str, detail: str, hint: str) -> None:
        super().__init__(summary, detail, hint)
        self.store = store


def no_such_version(id: str, kept: Sequence[Version]) -> StateError:
    known = ", ".join(v.id for v in kept) or "none"
    return StateError(
        f"there is no version {id} of the state",
        f"kept versions: {known}.",
        "see `ftops state history`",
    )
