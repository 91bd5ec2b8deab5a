"""Asking: questions to deployments, several at once, each tried again while the service is busy."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue

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


class Asked(Struct, frozen=True):
    """A deployment that is asked. `model` identifies what answers: answers are kept under it."""

    name: str
    model: str
    provider: Answers
    kept: KeptAnswers


class Asker:
    """Asks one deployment. If the service says that it is busy, nobody asks until it may be asked again;
    after another error, only the same question waits."""

    def __init__(self, asked: Asked, pause: Callable[[float], object] = time.sleep) -> None:
        self._asked = asked
        self._pause = pause
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._refusals = 0
        self._has_answered = False
        self._given_up = ""
        self._stopped = threading.Event()

    def answers(
        self,
        questions: Sequence[Question],
        concurrency: int,
        on_answer: Callable[[], object] = lambda: None,
        on_wait: Callable[[], object] = lambda: None,
        on_give_up: Callable[[str], object] = lambda reason: None,
    ) -> list[Answer | Failure]:
        """In the order of the questions. Whatever has been answered is kept, also if this is interrupted.
        `on_wait` is called if another run is asking the same model, whose answers are waited for,
        `on_give_up` if the first MOST_REFUSALS questions failed for good and the others weren't sent."""
        keys = self._keys(questions)
        with self._asked.kept.asking(on_wait):
            results: list[Answer | Failure | None] = [self._asked.kept.get(key) for key in keys]
            missing = self._missing(keys)
            tasks = [(questions[positions[0]], key, positions) for key, positions in missing.items()]
            for positions, answer in self._each(tasks, concurrency):
                for position in positions:
                    results[position] = answer
                on_answer()
        if self._given_up:
            on_give_up(self._given_up)
        return [answer or Failure("not asked") for answer in results]

    def count_missing(self, questions: Sequence[Question]) -> int:
        """How many would be asked."""
        return len(self._missing(self._keys(questions)))

    def _keys(self, questions: Sequence[Question]) -> list[str]:
        return [question.key(self._asked.model) for question in questions]

    def _missing(self, keys: Sequence[str]) -> dict[str, list[int]]:
        """Positions of questions without an answer; those of equal questions, asked once, together."""
        found: dict[str, list[int]] = {}
        for position, key in enumerate(keys):
            if self._asked.kept.get(key) is None:
                found.setdefault(key, []).append(position)
        return found

    def _each(
        self, tasks: Sequence[tuple[Question, str, list[int]]], concurrency: int
    ) -> Iterator[tuple[list[int], Answer | Failure]]:
        """Answers as they come. The threads end with the process: nobody waits for a service that hangs."""
        waiting, done = deque(tasks), SimpleQueue[tuple[list[int], Answer | Failure | Exception]]()

        def work() -> None:
            while not self._stopped.is_set():
                try:
                    question, key, positions = waiting.popleft()
                except IndexError:
                    return
                try:
                    done.put((positions, self._answer(question, key)))
                except Exception as error:  # noqa: BLE001 (raised again by who waits for it)
                    done.put((positions, error))

        for _ in range(min(concurrency, len(tasks))):
            threading.Thread(target=work, daemon=True).start()
        try:
            for _ in tasks:
                positions, answer = done.get()
                if isinstance(answer, Exception):
                    raise answer
                yield positions, answer
        finally:
            self._stopped.set()

    def _answer(self, question: Question, key: str) -> Answer | Failure:
        failures = 0
        while not self._stopped.is_set():
            if self._given_up:
                return Failure(f"not sent: {self._given_up}")
            self._wait()
            try:
                answer = self._asked.provider.ask(self._asked.name, question)
            except Permanent as error:
                self._refuse(error)
                return Failure(error.summary)
            except Temporary as error:
                failures += 1
                is_busy = error.retry_after is not None or "HTTP 429" in error.detail
                delay = (PATIENCE if is_busy else ERRORS).wait(failures, error.retry_after)
                if delay is None:
                    return Failure(error.summary)
                if is_busy:
                    self._hold(delay)
                else:
                    self._wait(time.monotonic() + delay)
            else:
                self._has_answered = True
                self._asked.kept.add(key, answer)
                return answer
        return Failure("stopped")

    def _refuse(self, error: Permanent) -> None:
        with self._lock:
            self._refusals += 1
            if self._refusals == MOST_REFUSALS and not self._has_answered:
                self._given_up = f"the first {MOST_REFUSALS} requests failed: {error.summary}"

    def _hold(self, delay: float) -> None:
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + delay)

    def _wait(self, until: float = 0.0) -> None:
        while (left := max(until, self._not_before) - time.monotonic()) > 0 and not self._stopped.is_set():
            self._pause(min(left, 0.2))
