"""Kept answers: what was asked once is never asked again, over kills, over runs at the same time and, if they
are shared, over machines."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ftops.core.errors import FtopsError
from ftops.core.timestamps import iso_timestamp
from ftops.evaluation.answer_files import AnswerFiles, Kept, Segments, answers_folder, digest_of
from ftops.evaluation.answers import Answer

BATCH = 500
"""So many answers are shared at once, or all after BATCH_SECONDS: each segment costs a request."""
BATCH_SECONDS = 60.0


def time_before(seconds: float) -> str:
    """The time so many seconds ago, as answers have it: exact enough to tell which one is newer."""
    return iso_timestamp(datetime.now(UTC) - timedelta(seconds=seconds), "microseconds")


class KeptAnswers:
    """Of one model in one project. Safe for threads and processes. If `fresh`, what was kept before isn't
    used, and new answers take its place. Raises UsageError if they can't be read or kept, and StateError if
    the shared ones can't be read."""

    def __init__(
        self, project: Path, model: str, fresh: bool = False, shared: Segments | None = None
    ) -> None:
        self._model = model
        self._files = AnswerFiles(answers_folder(project), digest_of(model), shared)
        self._fresh = fresh
        self._lock = threading.Lock()
        self._read: set[str] = set()
        self._kept: dict[str, Kept] = {}
        self._shared: dict[str, Kept] = {}
        self._unshared: dict[str, Kept] = {}
        self._damaged: dict[str, int] = {}
        """Lines, by segment."""
        self._failed: FtopsError | None = None
        self._given: set[str] = set()
        self.added: list[Answer] = []
        """The answers that were given since this object was made: only these have a latency."""
        self.unusable = self._files.pull()
        """Shared segments that are damaged or can't be trusted."""
        self._load()

    @property
    def damaged(self) -> int:
        """Answers that were damaged or edited, or are of an older version. They aren't used."""
        return sum(self._damaged.values())

    @property
    def is_empty(self) -> bool:
        return not self._kept

    def get(self, key: str, since: str = "") -> Answer | None:
        """If it was given at that time or later, or by means of this object: clocks may be set back."""
        kept = self._kept.get(key)
        return kept.answer if kept and (kept.at >= since or key in self._given) else None

    @contextmanager
    def asking(
        self, on_wait: Callable[[], object] = lambda: None, seconds: float = math.inf
    ) -> Iterator[bool]:
        """One run at a time: another one waits, and then finds the answers. False if the first one is still
        asking after so many seconds. Raises UsageError."""
        with self._files.locked(on_wait, seconds) as is_free:
            self._load()
            yield is_free

    def add(self, key: str, answer: Answer, sku: str = "") -> None:
        """On disk when it returns. `sku`: of the deployment that gave it. Raises UsageError."""
        kept = Kept(key, time_before(0), answer, sku)
        with self._lock:
            self._files.append(self._model, kept)
            self._kept[key] = self._unshared[key] = kept
            self._given.add(key)
            self.added.append(answer)

    def share(self, *, now: bool) -> FtopsError | None:
        """Shares the answers that aren't shared yet; unless `now`, only if they are many or old. Only within
        `asking`. Returns why it failed: the next run shares them."""
        with self._lock:
            if not (self._unshared and self._files.is_shared and (now or self._is_due)):
                return None
            sent = dict(self._unshared)
        try:
            self._files.share(self._model, sent.values())
        except FtopsError as error:
            self._failed = error
            return error
        with self._lock:
            rest = {key: kept for key, kept in self._unshared.items() if sent.get(key) is not kept}
            self._files.replace_unshared(self._model, rest.values())
            self._unshared = rest
        return None

    @property
    def _is_due(self) -> bool:
        oldest = next(iter(self._unshared.values())).at
        is_old = oldest <= time_before(BATCH_SECONDS)
        return self._failed is None and (len(self._unshared) >= BATCH or is_old)

    def _load(self) -> None:
        """What is kept, also since it was last read."""
        for name in self._files.names():
            if name not in self._read:
                self._read.add(name)
                found = self._files.segment(name)
                self._damaged[name] = found.damaged
                for kept in found.kept:
                    _put(self._shared, kept)
        self._unshared = {}
        found = self._files.unshared()
        self._damaged[""] = found.damaged
        for kept in found.kept:
            if kept != self._shared.get(kept.key):  # else a kill came between sharing it and removing it here
                _put(self._unshared, kept)
        if not self._fresh:
            for kept in (*self._shared.values(), *self._unshared.values()):
                _put(self._kept, kept)


def _put(known: dict[str, Kept], kept: Kept) -> None:
    """The newest answer counts."""
    if kept.key not in known or kept.at >= known[kept.key].at:
        known[kept.key] = kept
