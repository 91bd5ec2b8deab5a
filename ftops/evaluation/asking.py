"""Asking: questions to deployments, several at once, each tried again while the service is busy."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import Protocol

from msgspec import Struct

from ftops.core.errors import Permanent, Temporary
from ftops.core.retry import Backoff
from ftops.evaluation.answers import Answer, Answers, Failure, Question
from ftops.evaluation.kept_answers import KeptAnswers

PATIENCE = Backoff(1.0, tries=12, longest=30.0, longest_named=120.0)
"""If the service is busy."""
ERRORS = Backoff(1.0, tries=5)
"""After another error, which may well come again."""
MOST_REFUSALS = 20
"""After so many permanent errors and no answer, the other questions would fail, too, and aren't sent."""
NOT_ASKED = Failure("not asked")
"""There was no time left for this question."""


class Clock(Protocol):
    """`now` in seconds, monotonic. `wait` ends early if the event is set."""

    def now(self) -> float: ...

    def wait(self, event: threading.Event, seconds: float) -> object: ...


class RealTime:
    def now(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> object:
        return event.wait(seconds)


class Asked(Struct, frozen=True):
    """A deployment that is asked. `model` identifies what answers: answers are kept under it."""

    name: str
    model: str
    provider: Answers
    kept: KeptAnswers


class Asker:
    """Asks one deployment. If the service says that it is busy, nobody asks until it may be asked again;
    after another error, only the same question waits. It remembers what failed: to ask in parts, call
    `answers` of the same object again."""

    def __init__(self, asked: Asked, clock: Clock | None = None) -> None:
        self._asked = asked
        self._clock = clock or RealTime()
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._tries = Counter[str]()
        self._failed: dict[str, Failure] = {}
        self._refusals = 0
        self._has_answered = False
        self._given_up = ""

    def answers(
        self,
        questions: Sequence[Question],
        concurrency: int,
        on_answer: Callable[[], object] = lambda: None,
        tell: Callable[[str], object] = lambda text: None,
        seconds: float = math.inf,
    ) -> list[Answer | Failure]:
        """In the order of the questions. Whatever has been answered is kept, also if this is interrupted.
        `tell` is called with what you should know, such as that another run is asking the same model. After
        so many seconds no question is sent any more; those that were sent are waited for, and the others are
        NOT_ASKED."""
        turn = _Turn(self._clock, self._clock.now() + seconds)
        keys = self._keys(questions)
        kept = self._asked.kept
        if kept.unusable:
            tell(f"{kept.unusable} files of shared answers are damaged or can't be trusted, and aren't used")

        def wait() -> None:
            tell("another run is asking it: waiting for its answers")

        with kept.asking(wait, seconds) as is_free:
            if is_free:
                self._ask(self._missing(questions, keys), concurrency, turn, on_answer)
                failed = kept.share(now=not self._missing(questions, keys))
                if failed:
                    tell(f"{failed.summary}: cached answers are only on this machine until the next run")
        if self._given_up:
            tell(f"stopped sending requests: {self._given_up}")
        return [self._asked.kept.get(key) or self._failed.get(key, NOT_ASKED) for key in keys]

    def _ask(
        self, tasks: Mapping[str, Question], concurrency: int, turn: _Turn, on_answer: Callable[[], object]
    ) -> None:
        try:
            for key, answer in self._each(tasks, concurrency, turn):
                if isinstance(answer, Failure):
                    self._failed[key] = answer
                on_answer()
                self._asked.kept.share(now=False)
        except BaseException:
            self._asked.kept.share(now=True)
            raise

    def count_missing(self, questions: Sequence[Question]) -> int:
        """How many would be asked."""
        return len(self._missing(questions, self._keys(questions)))

    def _keys(self, questions: Sequence[Question]) -> list[str]:
        return [question.key(self._asked.model) for question in questions]

    def _missing(self, questions: Sequence[Question], keys: Sequence[str]) -> dict[str, Question]:
        """Equal questions are one."""
        kept, failed = self._asked.kept, self._failed
        pairs = zip(keys, questions, strict=True)
        return {key: question for key, question in pairs if key not in failed and kept.get(key) is None}

    def _each(
        self, tasks: Mapping[str, Question], concurrency: int, turn: _Turn
    ) -> Iterator[tuple[str, Answer | Failure]]:
        """Answers as they come. The threads end with the process: nobody waits for a service that hangs."""
        waiting, done = deque(tasks.items()), SimpleQueue[tuple[str, Answer | Failure | Exception]]()

        def work() -> None:
            while not turn.stopped.is_set():
                try:
                    key, question = waiting.popleft()
                except IndexError:
                    return
                try:
                    done.put((key, self._answer(question, key, turn)))
                except Exception as error:  # noqa: BLE001 (raised again by who waits for it)
                    done.put((key, error))

        for _ in range(min(concurrency, len(tasks))):
            threading.Thread(target=work, daemon=True).start()
        try:
            for _ in tasks:
                key, answer = done.get()
                if isinstance(answer, Exception):
                    raise answer
                if answer is not NOT_ASKED:
                    yield key, answer
        finally:
            turn.stopped.set()

    def _answer(self, question: Question, key: str, turn: _Turn) -> Answer | Failure:
        while True:
            while not turn.is_over and self._clock.now() < self._not_before:
                turn.wait(self._not_before)
            if turn.is_over:
                return NOT_ASKED
            if self._given_up:
                return Failure(f"not sent: {self._given_up}")
            try:
                answer = self._asked.provider.ask(self._asked.name, question)
            except Permanent as error:
                self._refuse(error)
                return Failure(error.summary)
            except Temporary as error:
                self._tries[key] += 1
                delay = (PATIENCE if error.is_busy else ERRORS).wait(self._tries[key], error.retry_after)
                if delay is None:
                    return Failure(error.summary)
                again = self._clock.now() + delay
                if error.is_busy:
                    self._hold(again)
                else:
                    turn.wait(again)
            else:
                self._has_answered = True
                self._asked.kept.add(key, answer)
                return answer

    def _refuse(self, error: Permanent) -> None:
        with self._lock:
            self._refusals += 1
            if self._refusals == MOST_REFUSALS and not self._has_answered:
                self._given_up = f"the first {MOST_REFUSALS} requests failed: {error.summary}"

    def _hold(self, until: float) -> None:
        with self._lock:
            self._not_before = max(self._not_before, until)


class _Turn:
    """One call of `answers`: it is over when nobody waits for it any more, or at its end."""

    def __init__(self, clock: Clock, end: float) -> None:
        self._clock = clock
        self._end = end
        self.stopped = threading.Event()

    @property
    def is_over(self) -> bool:
        return self.stopped.is_set() or self._clock.now() >= self._end

    def wait(self, until: float) -> None:
        """Until then, or until it is over."""
        self._clock.wait(self.stopped, max(0.0, min(until, self._end) - self._clock.now()))
