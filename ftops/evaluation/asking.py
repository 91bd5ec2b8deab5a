"""Asking: questions to deployments, several at once, each tried again while the service is busy."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush
from queue import SimpleQueue

from msgspec import Struct, field

from ftops.core.dag_executor import Clock, Deliveries, Executor, RealTime, Threads
from ftops.core.errors import Permanent, Temporary
from ftops.core.plurals import agree, plural
from ftops.core.retry import Backoff
from ftops.evaluation.answers import Answer, Answers, Failure, Question
from ftops.evaluation.kept_answers import KeptAnswers
from ftops.evaluation.pace import Pace

ERRORS = Backoff(1.0, tries=5)
"""After an error that doesn't mean that the service is busy. It may well come again."""
MOST_FAILURES = 20
"""After so many failed questions, and no answer, the others would fail, too, and aren't sent."""
MOST_AT_ONCE = 256
NOT_ASKED = Failure("not asked")
"""There was no time left for this question."""


class Asked(Struct, frozen=True):
    """A deployment that is asked. `model` identifies what answers: answers are kept under it. `capacity` and
    `sku` are those of its SKU; None and empty: not known. Kept answers from before `since` aren't used."""

    name: str
    model: str
    provider: Answers
    kept: KeptAnswers
    capacity: int | None = None
    sku: str = ""
    since: str = ""

    def get(self, key: str) -> Answer | None:
        """The kept answer, if it is used."""
        return self.kept.get(key, self.since)


class Asker:
    """Asks one deployment, with at most as many requests at once as its capacity. It remembers what failed
    and how busy the service was: to ask in parts, call `answers` of the same object again."""

    def __init__(self, asked: Asked, executor: Executor | None = None, clock: Clock | None = None) -> None:
        self._asked = asked
        self._executor = executor or Threads(MOST_AT_ONCE)
        self._clock = clock or RealTime()
        self._pace = Pace()
        self._tries = Counter[str]()
        self._failed: dict[str, Failure] = {}
        self._has_answered = False
        self._in_vain = 0
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
        end = self._clock.now() + seconds
        keys = self._keys(questions)
        kept = self._asked.kept
        if kept.unusable:
            files, are = plural(kept.unusable, "file"), agree(kept.unusable, "is", "are")
            tell(f"{files} of shared answers {are} damaged or can't be trusted, and {are}n't used")

        if kept.damaged:
            tell(
                f"{kept.damaged} cached answers were damaged or edited, or are of an older version of ftops: "
                "they aren't used"
            )

        def wait() -> None:
            tell("another run is asking it: waiting for its answers")

        with kept.asking(wait, seconds) as is_free:
            if is_free:
                slots = min(concurrency, self._asked.capacity or concurrency)
                self._ask(_Round(self._missing(questions, keys), slots, end), on_answer)
                failed = kept.share(now=not self._missing(questions, keys))
                if failed:
                    tell(f"{failed.summary}: cached answers are only on this machine until the next run")
        if self._given_up:
            tell(f"stopped sending requests: {self._given_up}")
        return self.known(questions)

    def known(self, questions: Sequence[Question]) -> list[Answer | Failure]:
        """The answers, without asking: those of some questions are NOT_ASKED."""
        keys = self._keys(questions)
        return [self._asked.get(key) or self._failed.get(key, NOT_ASKED) for key in keys]

    def count_missing(self, questions: Sequence[Question]) -> int:
        """How many would be asked."""
        return len(self.missing(questions))

    def missing(self, questions: Sequence[Question]) -> list[Question]:
        """Those that would be asked."""
        return list(self._missing(questions, self._keys(questions)).values())

    def _keys(self, questions: Sequence[Question]) -> list[str]:
        return [question.key(self._asked.model) for question in questions]

    def _missing(self, questions: Sequence[Question], keys: Sequence[str]) -> dict[str, Question]:
        """Equal questions are one."""
        asked, failed = self._asked, self._failed
        pairs = zip(keys, questions, strict=True)
        return {key: question for key, question in pairs if key not in failed and asked.get(key) is None}

    def _ask(self, asking: _Round, on_answer: Callable[[], object]) -> None:
        try:
            for _ in self._each(asking):
                on_answer()
                self._asked.kept.share(now=False)
        except BaseException:
            self._asked.kept.share(now=True)
            raise

    def _each(self, asking: _Round) -> Iterator[None]:
        """With each answer, and each question that failed for good. This thread alone decides; others send,
        and end with the process: nobody waits for a service that hangs."""
        while True:
            self._send(asking)
            wait = None if self._given_up else asking.wait(self._clock.now(), self._pace)
            if wait is None and not asking.running:
                break
            delivery = self._clock.take(asking.done, wait)
            if delivery and self._settle(asking, str(delivery[0]), delivery[1]):
                yield
        if self._given_up:
            for key in asking.waiting():
                self._failed[key] = Failure(f"not sent: {self._given_up}")
                yield

    def _send(self, asking: _Round) -> None:
        while not self._given_up and (key := asking.next(self._clock.now(), self._pace)):
            deliver = partial(_deliver, asking.done, key)
            self._executor.submit(partial(self._attempt, key, asking.tasks[key]), deliver)

    def _attempt(self, key: str, question: Question) -> None:
        asked = self._asked
        asked.kept.add(key, asked.provider.ask(asked.name, question), asked.sku)

    def _settle(self, asking: _Round, key: str, result: object) -> bool:
        """Whether the question is answered, or has failed for good."""
        running, number = len(asking.running), asking.running.pop(key)
        now = self._clock.now()
        match result:
            case None:
                self._pace.answered()
                self._has_answered, self._in_vain = True, 0
                return True
            case Temporary(is_busy=True):
                if not self._pace.refused(number, now, running, result.retry_after):
                    self._given_up = f"the service has been busy for too long: {result.summary}"
                asking.ready.appendleft(key)
                return False
            case Temporary():
                self._tries[key] += 1
                delay = ERRORS.wait(self._tries[key])
                if delay is not None:
                    heappush(asking.later, (now + delay, key))
                    return False
                self._fail(key, result)
            case Permanent():
                self._fail(key, result)
            case BaseException():
                raise result
        return True

    def _fail(self, key: str, error: Temporary | Permanent) -> None:
        self._failed[key] = Failure(error.summary)
        self._in_vain += isinstance(error, Temporary) or not self._has_answered
        if self._in_vain == MOST_FAILURES and not self._given_up:
            self._given_up = f"{MOST_FAILURES} requests failed: {error.summary}"


class _Round(Struct):
    """One call of `answers`: the questions that it is about, by key."""

    tasks: Mapping[str, Question]
    slots: int
    """Requests at once."""
    end: float
    ready: deque[str] = field(default_factory=deque)
    later: list[tuple[float, str]] = field(default_factory=list)
    """A heap of those that failed, and when they are tried again."""
    running: dict[str, int] = field(default_factory=dict)
    """The numbers of their requests."""
    done: Deliveries = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        self.ready.extend(self.tasks)

    def next(self, now: float, pace: Pace) -> str | None:
        """The question to be sent now, if any."""
        while self.later and self.later[0][0] <= now:
            self.ready.appendleft(heappop(self.later)[1])
        if not self.ready or not self._has_slot(pace) or not pace.not_before <= now < self.end:
            return None
        key = self.ready.popleft()
        self.running[key] = pace.sent()
        return key

    def wait(self, now: float, pace: Pace) -> float | None:
        """Seconds until another question may be sent; None if that depends on those that were."""
        times = [self.later[0][0]] if self.later else []
        if self.ready and self._has_slot(pace):
            times.append(pace.not_before)
        return max(0.0, min(*times, self.end) - now) if times and now < self.end else None

    def waiting(self) -> Iterator[str]:
        yield from self.ready
        yield from (key for _, key in self.later)

    def _has_slot(self, pace: Pace) -> bool:
        """A question that failed keeps its slot, so that a service that is away gets few requests."""
        return len(self.running) + len(self.later) + 1 <= min(self.slots, pace.slots)


def _deliver(queue: Deliveries, key: str, result: object) -> None:
    queue.put((key, result))
