"""Environment state: the recorded state of a spec in one environment: read once, locked, and written.

Every write is made under the lock, and has a row in the audit log.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.config.config import Config
from ftops.core.errors import Diagnostic, StateError
from ftops.core.timestamps import iso_timestamp
from ftops.state.backends.base import AT_ONCE, Elsewhere, Hold, Journal, LockInfo, Store, Waiting, lock_info
from ftops.state.backends.factory import (
    check_location,
    record_location,
    record_ownership,
    record_preview,
)
from ftops.state.backends.local import LocalStore
from ftops.state.entries import DigestKeySet, Entry, ExpirySet, GrantEnded
from ftops.state.live_state import fold
from ftops.state.state import State, carried_over

if TYPE_CHECKING:
    from ftops.state.backends.audit_log import Run, RunEnded


class EnvironmentState(Struct):
    """The state that a spec has in one environment."""

    config: Config
    store: Store
    _state: State | None = field(default=None)
    hold: Hold | None = field(default=None)
    """The lock, if it is held."""
    _info: LockInfo | None = field(default=None)

    @property
    def state(self) -> State:
        """The recorded state; read once."""
        if self._state is None:
            state = self.store.read()
            check_location(self.config, self.store, state)
            self._state = state
        return self._state

    def reread(self) -> None:
        """Reads the state again when it is next used: another session has written it."""
        self._state = None

    def look_elsewhere(self) -> tuple[Diagnostic, ...]:
        """For commands that only read: uses a state that is found at another place than the spec's, and
        returns warnings that say so."""
        try:
            self._state = self.state
        except Elsewhere as found:
            self.store, self._state = found.store, found.store.read()
            return tuple(replace(d, severity="warning") for d in found.diagnostics)
        except StateError:  # raised again when the state is used
            pass
        return ()

    @property
    def readable_state(self) -> State | None:
        """The recorded state; None if it can't be trusted."""
        try:
            return self.state
        except StateError:
            return None

    @contextmanager
    def locked(self, operation: str, waiting: Waiting = AT_ONCE) -> Iterator[None]:
        """Locks the state until the end of the block. Raises StateLocked."""
        self._info = lock_info(os.urandom(4).hex(), operation, iso_timestamp(datetime.now(UTC)))
        with self.store.lock(self._info, waiting) as hold:
            self._state, self.hold = None, hold
            try:
                yield
            finally:
                self.hold = None

    def confirm_lock(self) -> None:
        """Raises StateError if the lock was lost meanwhile."""
        if self.hold is not None:
            self.hold.confirm()

    def record(self, entries: Iterable[Entry]) -> State:
        """Records these entries, and returns the state after them. All grants end: what they are about may
        not be what it was. Only within `locked`."""
        with self.audited() as ending:
            ended = [GrantEnded(digest, "superseded") for digest in self.state.grants]
            return self.record_in(ending, [*ended, *entries])

    def record_in(self, ending: RunEnded, entries: Collection[Entry]) -> State:
        """The same in a run of the audit log that has begun; grants stay."""
        before, journal = self.begin()
        after = fold(before, entries)
        journal.append(entries)
        journal.sync()
        self.end(journal, after)
        ending.result, ending.serial = "done", after.serial
        return after

    @property
    def digest_key(self) -> str:
        """The key of the digests of secrets. It is derived from the encryption key when the first entry is
        recorded, and stays the same through rotations: else every secret would seem changed."""
        if self.state.digest_key or self.state.serial:
            return self.state.digest_key
        return self.store.codec.digest_key(self.config.name, self.config.environment)

    def begin(self, first: Sequence[Entry] = ()) -> tuple[State, Journal]:
        """The state and its journal, with these entries first; `end` ends it. A state has a lineage from its
        first entry on."""
        from ftops.session.own_marks import noting

        if isinstance(self.store, LocalStore):
            record_ownership(self.config)
        record_location(self.config, self.store)
        state = self.state if self.state.lineage else replace(self.state, lineage=str(uuid4()))
        journal = noting(self, self.store.open_journal(state), state)
        if any(isinstance(entry, ExpirySet) and entry.at for entry in first):
            record_preview(self.config, self.store, state.lineage)
        if self.digest_key != state.digest_key:
            first = [DigestKeySet(self.digest_key), *first]
        if not first:
            return state, journal
        try:
            journal.append(first)
            journal.sync()
        except BaseException:
            journal.close()
            raise
        return fold(state, first), journal

    def end(self, journal: Journal, after: State) -> None:
        """Folds the journal into the state."""
        journal.fold(after)
        self._state = after

    def renew_encryption(self) -> bool:
        """Writes the state and shared answers again if their encryption may differ from the spec's. Whether
        they were written. Only within `locked`."""
        if not (self.store.codec.is_changing and self.state.lineage):
            return False
        from ftops.session.answers import shared_answers

        self._write(self.state)
        if answers := shared_answers(self.config):
            answers.renew()
        return True

    def replace_state(self, pushed: State) -> State:
        """Replaces the whole state. Its serial never decreases, so that older plans stay stale. All grants
        end. Only within `locked`."""
        pushed = replace(pushed, grants={})
        highest = self._highest_serial()
        if pushed.serial <= highest and pushed != self.readable_state:
            pushed = replace(pushed, serial=highest + 1)
        return self._write(pushed)

    def restore(self, version: str) -> State:
        """Restores a version of the state under a new serial, even if the present state can't be read. All
        grants end. Only within `locked`."""
        wanted = self.store.read_version(version)
        highest = max([self._highest_serial(), wanted.serial, *(v.serial for v in self.store.versions())])
        return self._write(replace(wanted, serial=highest + 1, grants={}))

    def _write(self, state: State) -> State:
        with self.audited() as ending:
            self.store.write(state)
            self._state = state
            ending.result, ending.serial = "done", state.serial
        return state

    def remove_state(self) -> None:
        """Removes the state, in which nothing is recorded any more. Only within `locked`."""
        with self.audited() as ending:
            ending.result, ending.serial = "done", self.state.serial
            self.store.remove()
            self._state = State("")

    def _highest_serial(self) -> int:
        """Of the recorded state, or of its versions."""
        recorded = self.readable_state
        if recorded is not None:
            return recorded.serial
        return max((v.serial for v in self.store.versions()), default=0)

    def runs(self) -> list[Run]:
        """The runs in the audit log, oldest first."""
        from ftops.state.backends.audit_log import read_runs

        return read_runs(self.store.audit_lines())

    def audited(self, **known: Any) -> AbstractContextManager[RunEnded]:
        """Writes a run to the audit log. Only after `locked`, which knows who runs what."""
        from ftops.state.backends.audit_log import RunStarted, audited, now

        recorded = self.readable_state or State("")  # a restore repairs what can't be read
        info = self._info or lock_info("", "apply", now())
        begun = RunStarted(
            run=uuid4().hex,
            at=now(),
            **carried_over(info, RunStarted),
            lineage=recorded.lineage,
            serial=recorded.serial,
            **known,
        )
        return audited(self.store, begun)
