"""Spending: what questions will cost, as far as that is known, and a budget within which they are asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from msgspec import Struct

from ftops.catalog import TokenPrices
from ftops.core.errors import Permanent
from ftops.core.same_object import SameObject
from ftops.dataset.profile.tokens import REPLY, NoEncoding, counter
from ftops.evaluation.answers import Answer, Answers, Question, Usage
from ftops.evaluation.metrics import cost

LIMITS = ("max_completion_tokens", "max_tokens")
"""Settings that limit the tokens of an answer."""


class Expected(Struct, frozen=True):
    """What questions will take. None: unknown."""

    requests: int
    input: int | None
    output: int | None
    is_limited: bool
    """Whether `output` is an upper limit, and not an estimate."""
    prices: TokenPrices | None

    @property
    def input_dollars(self) -> float | None:
        if self.input is None or self.prices is None:
            return None
        return cost(Usage(self.input, 0, 0), self.prices)

    @property
    def dollars(self) -> float | None:
        """Without `output`, of the input alone."""
        if self.input is None or self.prices is None:
            return None
        return cost(Usage(self.input, 0, self.output or 0), self.prices)


def expected(
    requests: int,
    sent: int | None,
    most: int | None,
    prices: TokenPrices | None,
    kept: Iterable[Answer],
) -> Expected:
    """Of so many requests that have `sent` tokens together, and whose answers can have `most`. What isn't
    known is estimated by answers that the model gave before."""
    known = [answer.usage for answer in kept if answer.usage.input]
    if sent is None and known:
        sent = requests * sum(usage.input for usage in known) // len(known)
    output = most
    if output is None and known:
        output = requests * sum(usage.output for usage in known) // len(known)
    return Expected(requests, sent, output, most is not None, prices)


def limit_of(settings: Mapping[str, Any]) -> int | None:
    """Tokens that an answer can have."""
    limits = (settings.get(name) for name in LIMITS)
    return next((limit for limit in limits if isinstance(limit, int)), None)


def expected_of(
    questions: Iterable[Question], encoding: str, prices: TokenPrices | None, kept: Iterable[Answer]
) -> Expected:
    """By the model's encoding and the limits of answers, as far as they are known of all questions."""
    questions = list(questions)
    sent = total(input_tokens(question, encoding) for question in questions)
    most = total(limit_of(question.settings) for question in questions)
    return expected(len(questions), sent, most, prices, kept)


def total(amounts: Iterable[int | None]) -> int | None:
    """None if one of them isn't known."""
    found = list(amounts)
    return None if None in found else sum(amount or 0 for amount in found)


def input_tokens(question: Question, encoding: str) -> int | None:
    """As far as it is documented how the service counts them."""
    try:
        tokens = counter(encoding).tokens({"messages": list(question.messages)})
        return tokens + tools_tokens(question.tools, encoding)
    except NoEncoding:
        return None


def tools_tokens(tools: Sequence[Mapping[str, Any]], encoding: str) -> int:
    """What tools add to a question. Raises NoEncoding."""
    return _tools_tokens(SameObject(tools), encoding)


@lru_cache(maxsize=16)
def _tools_tokens(tools: SameObject[Any], encoding: str) -> int:
    """Most questions have the same tools."""
    return counter(encoding).tokens({"messages": [], "tools": list(tools.value)}) - REPLY


class Budget:
    """US dollars for all that is asked in one run. Safe for threads."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.spent = 0.0
        self.is_used_up = False
        """Whether a request wasn't sent."""
        self._held = 0.0
        self._holders = 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, most: Callable[[], float | None]) -> Iterator[list[float]]:
        """Holds what a request can cost, as far as is known by then; None: nobody knows, so all that is left.
        Waits for other requests if only what they hold is missing. What it did cost is put into the list that
        it yields; nothing if it failed. Raises Permanent if the budget isn't enough."""
        paid: list[float] = []
        with self._changed:
            while not self._has_room(dollars := most()):
                if not self._holders:
                    self.is_used_up = True
                    raise Permanent(f"the rest of the budget of ${self.limit:g} isn't enough")
                self._changed.wait()
            held = self.limit - self.spent if dollars is None else dollars
            self._held += held
            self._holders += 1
        try:
            yield paid
        finally:
            with self._changed:
                self._holders -= 1
                self._held = self._held - held if self._holders else 0.0
                self.spent += sum(paid)
                self._changed.notify_all()

    def _has_room(self, dollars: float | None) -> bool:
        left = self.limit - self.spent - self._held
        return (left > 0 and not self._holders) if dollars is None else dollars <= left


class Metered:
    """Asks within a budget. Without a limit for answers, the longest one so far counts as what an answer can
    cost, and the first is asked alone."""

    def __init__(self, provider: Answers, budget: Budget, prices: TokenPrices, encoding: str) -> None:
        self._provider = provider
        self._budget = budget
        self._prices = prices
        self._encoding = encoding
        self._longest: Usage | None = None

    def ask(self, deployment: str, question: Question) -> Answer:
        sent, limit = input_tokens(question, self._encoding), limit_of(question.settings)

        def most() -> float | None:
            usage = self._most(sent, limit)
            return cost(usage, self._prices) if usage else None

        with self._budget.hold(most) as paid:
            answer = self._provider.ask(deployment, question)
            usage = answer.usage if answer.usage.input else self._most(sent, limit) or Usage()
            paid.append(cost(usage, self._prices))
            so_far = self._longest or Usage()
            self._longest = Usage(max(so_far.input, usage.input), 0, max(so_far.output, usage.output))
        return answer

    def _most(self, sent: int | None, limit: int | None) -> Usage | None:
        """None: unknown."""
        longest = self._longest
        if longest is None:
            return None if sent is None or limit is None else Usage(sent, 0, limit)
        return Usage(max(sent or 0, longest.input), 0, longest.output if limit is None else limit)
