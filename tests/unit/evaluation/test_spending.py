"""What questions will cost, and a budget that several threads keep."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ftops.catalog import TokenPrices
from ftops.core.errors import Permanent, Temporary
from ftops.evaluation.answers import Answer, Question, Usage
from ftops.evaluation.spending import Budget, Metered, expected_of, input_tokens

PRICES = TokenPrices(input=1000.0, output=10_000.0)  # a tenth and a whole cent for a token
O200K = "o200k_base"


def question(**settings: object) -> Question:
    return Question(({"role": "user", "content": "Hello"},), (), settings)


def given(input: int, output: int) -> Answer:
    return Answer("yes", usage=Usage(input, 0, output))


def test_tokens_are_counted_as_in_training_data() -> None:
    one = input_tokens(question(), O200K)
    assert one == 8  # the text, its role, and three tokens each around the message and before the reply
    tool = {"type": "function", "function": {"name": "land", "parameters": {"type": "object"}}}
    with_tool = input_tokens(Question(question().messages, (tool,)), O200K)
    assert with_tool is not None and with_tool > one
    assert input_tokens(question(), "") is None


def test_a_limit_of_answers_gives_an_upper_bound() -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        found = expected_of([question(**{name: 5})] * 3, O200K, PRICES, [])
        assert (found.requests, found.input, found.output, found.is_limited) == (3, 24, 15, True)
        assert found.dollars == pytest.approx((24 * 1000 + 15 * 10_000) / 1e6)
    found = expected_of([question(max_tokens=5), question()], O200K, PRICES, [])
    assert (found.output, found.is_limited) == (None, False)
    assert found.dollars == pytest.approx(16 * 1000 / 1e6), "of the input alone"


def test_kept_answers_say_what_is_not_known_otherwise() -> None:
    kept = [given(10, 4), given(20, 8), given(0, 0)]
    found = expected_of([question()] * 2, "", PRICES, kept)
    assert (found.input, found.output, found.is_limited) == (30, 12, False)
    assert expected_of([question()], O200K, PRICES, kept).input == 8
    found = expected_of([question()], "", None, [])
    assert (found.input, found.output, found.dollars) == (None, None, None)


class Service:
    """Answers of ten tokens, some later than others, never more than the money that was there."""

    def __init__(self, output: int = 10, busy: int = 0) -> None:
        self.asked = 0
        self._output = output
        self._busy = busy
        self._lock = threading.Lock()

    def ask(self, deployment: str, question: Question) -> Answer:
        with self._lock:
            self.asked += 1
            if self.asked <= self._busy:
                raise Temporary("busy")
        return given(10, self._output)


def ask_all(metered: Metered, count: int, threads: int, **settings: object) -> int:
    """How many are answered."""

    def ask(number: int) -> bool:
        try:
            metered.ask("a", question(**settings))
        except (Permanent, Temporary):
            return False
        return True

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(ask, range(count)))


@pytest.mark.parametrize("threads", [1, 16])
@pytest.mark.parametrize("settings", [{}, {"max_tokens": 10}, {"max_tokens": 40}])
def test_a_budget_is_never_exceeded(threads: int, settings: dict[str, object]) -> None:
    budget, service = Budget(1.0), Service()
    answered = ask_all(Metered(service, budget, PRICES, O200K), 40, threads, **settings)
    assert service.asked == answered
    assert budget.spent == pytest.approx(answered * 0.11)
    assert budget.spent <= 1.0
    assert answered == (9 if settings.get("max_tokens") != 40 else 6), "what may be longer needs more room"
    assert budget.is_used_up


def test_models_share_a_budget() -> None:
    budget, services = Budget(1.0), (Service(), Service())
    answered = sum(ask_all(Metered(s, budget, PRICES, O200K), 6, 4) for s in services)
    assert answered == 9
    assert [s.asked for s in services] == [6, 3]


def test_what_fails_costs_nothing() -> None:
    budget, service = Budget(0.25), Service(busy=5)
    metered = Metered(service, budget, PRICES, O200K)
    assert ask_all(metered, 7, 1) == 2
    assert not budget.is_used_up
    assert budget.spent == pytest.approx(0.22)


def test_the_first_answer_of_unknown_length_is_asked_alone() -> None:
    """It may cost more than the budget, but only one can."""
    budget, service = Budget(0.05), Service(output=1000)
    assert ask_all(Metered(service, budget, PRICES, O200K), 20, 8) == 1
    assert service.asked == 1


def test_those_who_waited_for_the_first_answer_know_its_length() -> None:
    """All threads wait for it; none of them then takes the whole rest for itself."""
    budget, service = Budget(0.4), Service()
    assert ask_all(Metered(service, budget, PRICES, O200K), 20, 20) == 3
    assert budget.spent == pytest.approx(0.33)


def test_an_answer_without_a_usage_costs_what_it_could_have() -> None:
    class Silent:
        def ask(self, deployment: str, question: Question) -> Answer:
            return Answer("yes")

    budget = Budget(0.5)
    assert ask_all(Metered(Silent(), budget, PRICES, O200K), 20, 4, max_tokens=10) == 4
    assert budget.spent == pytest.approx(4 * 0.108)
