"""Store interface: what every backend offers to read, lock, record and replace a state."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Protocol, TypeVar

from msgspec import Struct

from ftops.core.errors import StateError, StateLocked
from ftops.state.entries import Entry
from ftops.state.file_format import StateCodec
from ftops.state.state import State

T = TypeVar("T")

KEPT_VERSIONS = 10
"""How many versions of a state are kept by default."""


class LockInfo(Struct, frozen=True):
    """Who holds a lock, since when (UTC, ISO 8601), and for which command. `run_url`, `pull_request` and
    `commit` are those of the CI run, if any."""

    id: str
    who: str
    host: str
    pid: int
    operation: str
    since: str
    run_url: str = ""
    pull_request: str = ""
    commit: str = ""

    @property
    def by(self) -> str:
        return f"{self.who}@{self.host}"

    def __str__(self) -> str:
        where = f" ({self.run_url})" if self.run_url else ""
        return f"{self.by}, process {self.pid}{where}, runs `ftops {self.operation}` since {self.since}"


class Version(Struct, frozen=True):
    """A past state: its serial as text, when it was written (UTC, ISO 8601), by whom and by which command."""

    id: str
    at: str
    who: str = ""
    operation: str = ""

    @property
    def serial(self) -> int:
        return int(self.id)


class Waiting(Struct, frozen=True):
    """How long to wait for a lock, in seconds. `tell` is called once for each holder."""

    timeout: float = 0.0
    tell: Callable[[StateLocked], None] = lambda refusal: None
    every: float = 1.0
    """Seconds between attempts."""


AT_ONCE = Waiting()


class Journal(Protocol):
    """Appends entries. They are durable after `sync`. All methods may raise StateError."""

    def append(self, entries: Iterable[Entry]) -> None: ...

    def sync(self) -> None: ...

    def close(self) -> None:
        """Stops recording and leaves the journal for the next run. Raises nothing."""

    def fold(self, state: State) -> None:
        """Replaces the snapshot by `state`, which includes all entries, and deletes the journal."""


class Hold(Protocol):
    """A held lock."""

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Calls `tell`, maybe in another thread, if the lock is lost."""

    def check(self) -> None:
        """Raises StateError if the lock is known to be lost. Makes no request."""

    def confirm(self) -> None:
        """Like `check`, but asks the backend."""


class Store(Protocol):
    """The state of a spec in an environment. A method that raises StateError has changed nothing."""

    @property
    def place(self) -> str:
        """Where the state is, for messages."""

    @property
    def codec(self) -> StateCodec: ...

    def read(self) -> State:
        """The current state; an empty one without a lineage if nothing is recorded. Needs no lock."""

    def lock(self, info: LockInfo, waiting: Waiting = AT_ONCE) -> AbstractContextManager[Hold]:
        """Locks the state until the end of the block. Raises StateLocked."""

    def open_journal(self, state: State) -> Journal:
        """Starts to record changes of `state`. Only for the holder of the lock."""

    def write(self, state: State) -> None:
        """Replaces snapshot and journal. Only for the holder of the lock."""

    def remove(self) -> None:
        """Removes a state in which nothing is recorded, and its versions; the audit log stays. A run that is
        killed meanwhile leaves the state as it was, or none. Only for the holder of the lock, after `fold`
        or `write`."""

    def versions(self) -> Sequence[Version]:
        """The versions that are kept, newest first, including the current one."""

    def read_version(self, id: str) -> State: ...

    def append_audit(self, name: str, line: str) -> None:
        """Adds a line to the audit log of this environment, durably. Needs no lock. `name` is unique, and
        names sort by time: for stores that keep each line by itself."""

    def audit_lines(self, newest: int | None = None) -> Sequence[str]:
        """The lines of the audit log, oldest first; only the `newest` ones if a number is given."""

    def force_unlock(self, id: str) -> LockInfo:
        """Releases the lock with this id, whoever holds it. Raises StateError if it isn't held."""


_RUN_URLS: tuple[tuple[str, str], ...] = (
    ("GITHUB_RUN_ID", "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}"),
    ("CI_JOB_URL", "{CI_JOB_URL}"),
    ("BUILD_BUILDID", "{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}"),
    ("BUILD_URL", "{BUILD_URL}"),
    ("CIRCLE_BUILD_URL", "{CIRCLE_BUILD_URL}"),
    ("BITBUCKET_BUILD_NUMBER", "{BITBUCKET_GIT_HTTP_ORIGIN}/pipelines/results/{BITBUCKET_BUILD_NUMBER}"),
    ("BUILDKITE_BUILD_URL", "{BUILDKITE_BUILD_URL}"),
)
"""Variable that identifies a CI system → URL of its run."""


_ACTORS = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_REQUESTEDFOR")
_PULL_REQUESTS = (
    "FTOPS_PULL_REQUEST",
    "CI_MERGE_REQUEST_IID",
    "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER",
    "SYSTEM_PULLREQUEST_PULLREQUESTID",
    "BITBUCKET_PR_ID",
)
_COMMITS = (
    "FTOPS_COMMIT",
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "BUILD_SOURCEVERSION",
    "BITBUCKET_COMMIT",
    "GIT_COMMIT",
)
"""Variables of CI systems, and those that you set; the first one with a value counts."""
_GITHUB_REF = re.compile(r"refs/(?:pull/|heads/gh-readonly-queue/.*/pr-)(\d+)[/-]")
_LONGEST_FACT = 200


def fact(environ: Mapping[str, str], *names: str) -> str:
    """The value of the first of these variables that has one, as a short line."""
    value = next((environ[name] for name in names if environ.get(name)), "")
    return " ".join(value.split())[:_LONGEST_FACT]


def pull_request(environ: Mapping[str, str]) -> str:
    """The number of the pull request that this process runs for, if CI tells. A push to a branch has none:
    FTOPS_PULL_REQUEST may say it."""
    found = _GITHUB_REF.match(environ.get("GITHUB_REF", ""))
    return fact(environ, *_PULL_REQUESTS) or (found[1] if found else "")


def run_url(environ: dict[str, str]) -> str:
    """The URL of the CI run that this process is part of, if any."""
    for variable, url in _RUN_URLS:
        with suppress(KeyError):
            if environ.get(variable):
                return url.format_map(environ)
    return ""


def lock_info(id: str, operation: str, since: str) -> LockInfo:
    """For a lock of this process."""
    from getpass import getuser

    try:
        who = fact(os.environ, *_ACTORS) or getuser()
    except (KeyError, OSError):
        who = str(os.getuid())
    environ = dict(os.environ)
    run = (run_url(environ), pull_request(environ), fact(environ, *_COMMITS))
    return LockInfo(id, who, os.uname().nodename, os.getpid(), operation, since, *run)


def retry_while_locked(attempt: Callable[[], T], waiting: Waiting) -> T:
    """The result of `attempt`, which is repeated while it raises StateLocked, until the time is over."""
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
    """The state of the spec is in another store, which read-only commands may use."""

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
