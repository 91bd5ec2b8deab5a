"""What goes wrong in a run: once, at a place that is chosen beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from ftops.core.errors import Permanent, Temporary
from tests.support.specs import Crash

T = TypeVar("T")


class FaultKind(Enum):
    """What goes wrong in a run. The number of a fault counts calls that change something, reads, or
    appends to the journal."""

    NONE = "without faults"
    KILL_BEFORE_APPEND = "killed before append"
    KILL_AFTER_APPEND = "killed after append"
    KILL_AFTER_CALL = "killed between effect and reply of call"
    LOSE_REPLY = "the reply is lost of call"
    LOSE_ALL = "all replies are lost from call"
    BUSY = "busy at call"
    REFUSE = "refused at call"
    BUSY_READ = "busy at read"
    PLACE_TAKEN = "somebody takes the place of job"
    JOB_FAILS = "the training fails of job"


@dataclass
class Fault:
    """The plan of mischief of one run."""

    kind: FaultKind = FaultKind.NONE
    at: int = 1
    writes: int = 0
    reads: int = 0
    appends: int = 0
    jobs: int = 0
    submitted: int = 0
    hit: bool = False
    crashed: bool = False

    def __str__(self) -> str:
        return self.kind.value if self.kind is FaultKind.NONE else f"{self.kind.value} {self.at}"

    def anew(self) -> Fault:
        """The same plan, of which nothing has happened yet."""
        return Fault(self.kind, self.at)

    def append(self, write: Callable[[], T]) -> T:
        """An append to the journal."""
        self.appends += 1
        due = self.appends == self.at
        if due and self.kind is FaultKind.KILL_BEFORE_APPEND:
            raise self._crash()
        done = write()
        if due and self.kind is FaultKind.KILL_AFTER_APPEND:
            raise self._crash()
        return done

    def call(self, effect: Callable[[], T]) -> T:
        """A call that changes something."""
        self.writes += 1
        due = self.writes == self.at
        if due and self.kind is FaultKind.BUSY:
            self.hit = True
            raise Temporary("too many requests", retry_after=3.0)
        if due and self.kind is FaultKind.REFUSE:
            self.hit = True
            raise Permanent("not allowed now", code="Refused")
        done = effect()
        if due and self.kind is FaultKind.KILL_AFTER_CALL:
            raise self._crash()
        lost_for_good = self.kind is FaultKind.LOSE_ALL and self.writes >= self.at
        if lost_for_good or (due and self.kind is FaultKind.LOSE_REPLY):
            self.hit = True
            raise Temporary("the reply was lost", effect_unknown=True)
        return done

    def fails_a_job(self) -> bool:
        """Whether the job that is started now is going to fail: mostly the first one."""
        self.jobs += 1
        fails = self.kind is FaultKind.JOB_FAILS and self.jobs == 1 + self.at // 4
        self.hit = self.hit or fails
        return fails

    def takes_the_place(self) -> bool:
        """Whether the queue has become full between the look at it and the job that is submitted now. It is
        nothing that goes wrong."""
        self.submitted += 1
        return self.kind is FaultKind.PLACE_TAKEN and self.submitted == self.at

    def read(self) -> None:
        """A call that only looks."""
        self.reads += 1
        if self.kind is FaultKind.BUSY_READ and self.reads == self.at:
            self.hit = True
            raise Temporary("too many requests", retry_after=3.0)
        if self.kind is FaultKind.LOSE_ALL and self.writes >= self.at:
            raise Temporary("no reply")

    def _crash(self) -> Crash:
        self.hit = self.crashed = True
        return Crash()
