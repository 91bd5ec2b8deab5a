"""Asking: questions to deployments, several at once, each tried again while the service is busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from msgspec import Struct

from ftops.core.errors import Permanent, Temporary
from ftops.core.retry import Backoff
from ftops.evaluation.answers import Answer, Answers, Failure, Question
from ftops.evaluation.kept_answers import KeptAnswers

PATIENCE = Backoff(1.0, tries=12, longest=30.0, longest_named=120.0)


class Asked(Struct, frozen=True):
    """A deployment that is asked. `model` identifies what answers: answers are kept under it."""

    name: str
    model: str
    provider: Answers
    kept: KeptAnswers


class Asker:
    """Asks one deployment. If the service says that it is busy, nobody asks until it may be asked again."""

    def __init__(self, asked: Asked, pause: Callable[[float], object] = time.sleep) -> None:
        self._asked = asked
        self._pause = pause
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._stopped = threading.Event()

    def answers(
        self,
        questions: Sequence[Question],
        concurrency: int,
        on_answer: Callable[[], object] = lambda: None,
    ) -> list[Answer | Failure]:
        """In the order of the questions. Whatever has been answered is kept, also if this is interrupted."""
        results: list[Answer | Failure | None] = [self._kept(question) for question in questions]
        missing = [i for i, answer in enumerate(results) if answer is None]
        with ThreadPoolExecutor(max(1, min(concurrency, len(missing) or 1))) as pool:
            futures = {pool.submit(self._answer, questions[i]): i for i in missing}
            try:
                for future in as_completed(futures):
                    results[futures[future]] = future.result()
                    on_answer()
            except BaseException:
                self._stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [answer or Failure("it wasn't asked") for answer in results]

    def count_missing(self, questions: Sequence[Question]) -> int:
        """How many would be asked."""
        return sum(self._kept(question) is None for question in questions)

    def _kept(self, question: Question) -> Answer | None:
        return self._asked.kept.get(question.key(self._asked.model))

    def _answer(self, question: Question) -> Answer | Failure:
        failures = 0
        while not self._stopped.is_set():
            self._wait()
            try:
                answer = self._asked.provider.ask(self._asked.name, question)
            except Permanent as error:
                return Failure(error.summary)
            except Temporary as error:
                failures += 1
                delay = PATIENCE.wait(failures, error.retry_after)
                if delay is None:
                    return Failure(error.summary)
                self._hold(delay)
            else:
                self._asked.kept.add(question.key(self._asked.model), answer)
                return answer
        return Failure("it was stopped")

    def _hold(self, delay: float) -> None:
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + delay)

    def _wait(self) -> None:
        while (left := self._not_before - time.monotonic()) > 0 and not self._stopped.is_set():
            self._pause(min(left, 0.2))
