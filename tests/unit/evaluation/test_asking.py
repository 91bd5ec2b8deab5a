"""Asking: each question once, again while the service is busy, and an end when nobody waits any more."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ftops.core.dag_executor import Inline
from ftops.core.errors import Permanent, Temporary, UsageError
from ftops.evaluation.answers import Answer, Failure, Question, answer_from
from ftops.evaluation.asking import ERRORS, MOST_FAILURES, NOT_ASKED, Asked, Asker
from ftops.evaluation.calls import Call
from ftops.evaluation.kept_answers import KeptAnswers, time_before
from ftops.evaluation.pace import PATIENCE
from tests.support.cloud import VirtualTime


def question(text: str) -> Question:
    return Question(({"role": "user", "content": text},))


class Service:
    """Answers with the question, or raises what `errors` has for it."""

    def __init__(self, **errors: Sequence[Exception]) -> None:
        self.asked: list[str] = []
        self._errors = {text: list(raised) for text, raised in errors.items()}

    def ask(self, deployment: str, question: Question) -> Answer:
        text = question.messages[0]["content"]
        self.asked.append(text)
        if errors := self._errors.get(text):
            raise errors.pop()
        return Answer(text)


def asker(service: Any, folder: Path, clock: VirtualTime | None = None, **more: Any) -> Asker:
    asked = Asked("d", "m", service, KeptAnswers(folder, "m", **more))
    return Asker(asked, Inline(), clock or VirtualTime())


def test_equal_questions_are_asked_once(tmp_path: Path) -> None:
    service = Service()
    questions = [question(text) for text in "abab"]
    tested = asker(service, tmp_path, fresh=True)
    assert tested.count_missing(questions) == 2
    assert tested.answers(questions, 8) == [Answer("a"), Answer("b")] * 2
    assert sorted(service.asked) == ["a", "b"]


def busy(status: int, seconds: float | None = None) -> Temporary:
    return Temporary("busy", status=status, retry_after=seconds)


def test_errors_are_tried_less_often_than_a_busy_service(tmp_path: Path) -> None:
    failing: list[Exception] = [busy(500) for _ in range(99)]
    service = Service(a=failing, b=[busy(429) for _ in range(11)])
    failed, answered = asker(service, tmp_path).answers([question("a"), question("b")], 1)
    assert failed != answered == Answer("b")
    assert [service.asked.count(text) for text in "ab"] == [ERRORS.tries, PATIENCE.tries]


def test_a_question_that_waits_for_another_try_blocks_only_its_slot(tmp_path: Path) -> None:
    service = Service(a=[busy(500)])
    asker(service, tmp_path).answers([question(text) for text in "abc"], 2)
    assert service.asked == list("abca")


@pytest.mark.parametrize(("status", "sent"), [(429, PATIENCE.tries), (500, MOST_FAILURES * ERRORS.tries)])
def test_a_service_that_is_away_is_given_up(tmp_path: Path, status: int, sent: int) -> None:
    """Also after it has answered. Not every question waits for it anew."""
    texts = [f"q{i}" for i in range(50)]
    service = Service(**{text: [busy(status) for _ in range(99)] for text in texts[1:]})
    told: list[str] = []
    results = asker(service, tmp_path).answers(list(map(question, texts)), 1, tell=told.append)
    assert results[0] == Answer("q0")
    assert len(service.asked) == 1 + sent
    assert len(told) == 1
    assert told[0].startswith("stopped sending requests: ")
    assert isinstance(results[-1], Failure)
    assert results[-1].reason.startswith("not sent: ")


class Limited:
    """Answers as many questions in a window as its limit says, or from a bucket that holds `burst`."""

    def __init__(self, clock: VirtualTime, limit: int, window: float = 0.0, burst: int = 1) -> None:
        self._clock, self._limit, self._window, self._burst = clock, limit, window, burst
        self._number, self._used, self._full_at = -1, 0, 0.0
        self.refused = 0

    def ask(self, deployment: str, question: Question) -> Answer:
        now = self._clock.now()
        wait = self._until_next_window(now) if self._window else self._until_next_drop(now)
        if wait > 0:
            self.refused += 1
            raise busy(429, wait)
        return Answer(str(question.sample))

    def _until_next_window(self, now: float) -> float:
        number = int(now // self._window)
        self._used = 1 + (self._used if number == self._number else 0)
        self._number = number
        return (number + 1) * self._window - now if self._used > self._limit else 0.0

    def _until_next_drop(self, now: float) -> float:
        """The limit is that of a minute."""
        each = 60 / self._limit
        start = max(self._full_at, now - self._burst * each)
        if start + each > now + 1e-9:
            return start + each - now
        self._full_at = start + each
        return 0.0


@pytest.mark.parametrize(
    ("limit", "window", "burst", "refused"),
    [(50, 10.0, 0, 0.5), (5, 1.0, 0, 1.0), (300, 60.0, 0, 0.2), (300, 0.0, 1, 2.2), (300, 0.0, 20, 2.2)],
)
def test_a_limit_is_used_and_few_requests_are_refused(
    tmp_path: Path, limit: int, window: float, burst: int, refused: float
) -> None:
    """All of these are 300 requests a minute."""
    clock = VirtualTime()
    service = Limited(clock, limit, window, burst)
    questions = [Question((), sample=number) for number in range(1000)]
    answers = asker(service, tmp_path, clock).answers(questions, 64)
    assert answers == [Answer(str(number)) for number in range(1000)]
    assert clock.seconds <= 1000 / 300 * 60 / 0.95
    assert service.refused <= 1000 * refused


def test_requests_at_once_are_bounded_by_the_capacity(tmp_path: Path) -> None:
    most = 0
    turns: list[Any] = []

    class Held(Inline):
        def submit(self, turn: Any, deliver: Any) -> None:
            turns.append((turn, deliver))

    class Clock(VirtualTime):
        def take(self, queue: Any, seconds: float | None) -> Any:
            nonlocal most
            most = max(most, len(turns))
            Inline().submit(*turns.pop(0))
            return super().take(queue, seconds)

    asked = Asked("d", "m", Service(), KeptAnswers(tmp_path, "m"), 3)
    Asker(asked, Held(), Clock()).answers([question(str(i)) for i in range(20)], 8)
    assert most == 3


class Slow(Service):
    """Takes a second for each question."""

    def __init__(self, clock: VirtualTime, **errors: Sequence[Exception]) -> None:
        super().__init__(**errors)
        self._clock = clock

    def ask(self, deployment: str, question: Question) -> Answer:
        self._clock.seconds += 1
        return super().ask(deployment, question)


def test_asking_in_parts_asks_each_question_once(tmp_path: Path) -> None:
    """What failed for good isn't asked again in the next part."""
    clock = VirtualTime()
    service = Slow(clock, b=[Permanent("no")])
    tested, questions = asker(service, tmp_path, clock), [question(text) for text in "abcde"]
    first = tested.answers(questions, 1, seconds=3)
    assert first == [Answer("a"), Failure("no"), Answer("c"), NOT_ASKED, NOT_ASKED]
    assert tested.answers(questions, 1, seconds=0) == first
    done = tested.answers(questions, 1)
    assert done == [Answer("a"), Failure("no"), Answer("c"), Answer("d"), Answer("e")]
    assert service.asked == list("abcde")


def test_a_busy_service_ends_the_part_and_its_time_counts_in_the_next_one(tmp_path: Path) -> None:
    clock = VirtualTime()
    service = Slow(clock, a=[busy(503, 60.0)])
    tested = asker(service, tmp_path, clock)
    assert tested.answers([question("a")], 1, seconds=5) == [NOT_ASKED]
    assert clock.seconds == 5
    assert tested.answers([question("a")], 1, seconds=5) == [NOT_ASKED]
    assert tested.answers([question("a")], 1, seconds=90) == [Answer("a")]
    assert clock.seconds == 62
    assert service.asked == ["a", "a"]


def test_another_run_ends_the_part(tmp_path: Path) -> None:
    service = Service()
    with KeptAnswers(tmp_path, "m").asking() as is_free:
        assert is_free
        assert asker(service, tmp_path).answers([question("a")], 1, seconds=0) == [NOT_ASKED]
    assert service.asked == []


def test_a_service_that_refuses_everything_is_asked_no_more(tmp_path: Path) -> None:
    texts = [f"q{i}" for i in range(50)]
    service, reasons = Service(**{text: [Permanent("wrong key")] for text in texts}), list[str]()
    results = asker(service, tmp_path).answers(list(map(question, texts)), 1, tell=reasons.append)
    assert service.asked == texts[:MOST_FAILURES]
    assert reasons == [f"stopped sending requests: {MOST_FAILURES} requests failed: wrong key"]
    assert results[0] == Failure("wrong key")
    assert results[-1] == Failure(reasons[0].replace("stopped sending requests", "not sent"))


def test_a_service_that_has_answered_once_is_asked_everything(tmp_path: Path) -> None:
    texts = [f"q{i}" for i in range(50)]
    service, reasons = Service(**{text: [Permanent("no")] for text in texts[1:]}), list[str]()
    asker(service, tmp_path).answers(list(map(question, texts)), 1, tell=reasons.append)
    assert service.asked == texts
    assert reasons == []


def test_another_run_waits_and_asks_nothing(tmp_path: Path) -> None:
    first, second = Service(), Service()
    waits = threading.Event()
    late = asker(second, tmp_path)
    results: list[Any] = []
    with KeptAnswers(tmp_path, "m").asking():
        thread = threading.Thread(
            target=lambda: results.append(late.answers([question("a")], 1, tell=lambda text: waits.set()))
        )
        thread.start()
        assert waits.wait(60)
        KeptAnswers(tmp_path, "m").add(question("a").key("m"), first.ask("d", question("a")))
    thread.join(60)
    assert results == [[Answer("a")]]
    assert second.asked == []


def test_an_error_that_nobody_expects_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        asker(Service(a=[ZeroDivisionError()]), tmp_path).answers([question("a"), question("b")], 1)


def test_an_answer_of_this_run_is_never_too_old(tmp_path: Path) -> None:
    """The clock may have been set back since it began."""
    kept = KeptAnswers(tmp_path, "m")
    kept.add("k", Answer("a"))
    later = time_before(-3600)
    assert kept.get("k", later) == Answer("a")
    with kept.asking():
        assert kept.get("k", later) == Answer("a")
    assert KeptAnswers(tmp_path, "m").get("k", later) is None
    assert KeptAnswers(tmp_path, "m").get("k", time_before(3600)) == Answer("a")


@pytest.mark.parametrize("plant", ["link", "pipe", "folder"])
def test_what_is_planted_among_the_answers_is_refused(tmp_path: Path, plant: str) -> None:
    kept = KeptAnswers(tmp_path, "m")
    kept.add("k", Answer("a"))
    (file,) = (tmp_path / ".ftops" / "answers").glob("*.jsonl")
    file.unlink()
    if plant == "link":
        file.symlink_to("/etc/passwd")
    elif plant == "pipe":
        os.mkfifo(file)
    else:
        file.mkdir()
    with pytest.raises(UsageError, match="can't read"):
        KeptAnswers(tmp_path, "m")
    with pytest.raises(UsageError, match="can't write"):
        kept.add("k", Answer("a"))


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """As far as an answer was written, it is no answer."""
    import resource
    import signal

    kept = KeptAnswers(tmp_path, "m")
    kept.add("k", Answer("a"))
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, former[1]))
        with pytest.raises(UsageError, match="can't write"):
            kept.add("large", Answer("x" * 10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
        signal.signal(signal.SIGXFSZ, handler)
    kept.add("l", Answer("b"))
    again = KeptAnswers(tmp_path, "m")
    assert (again.get("k"), again.get("large"), again.get("l")) == (Answer("a"), None, Answer("b"))


def test_the_lock_is_no_link(tmp_path: Path) -> None:
    kept = KeptAnswers(tmp_path, "m")
    with kept.asking():
        (lock,) = (tmp_path / ".ftops" / "answers").glob("*.lock")
        with lock.open("rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="can't write"), kept.asking():
        pass
    assert not (tmp_path / "elsewhere").exists()


def reply(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": "stop"}], **more}


LAND = {"type": "function", "function": {"name": "land", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("message", "content", "calls"),
    [
        ({"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}, "", (Call("f", '{"a": 1}'),)),
        ({"tool_calls": [{"function": {"name": "f", "arguments": None}}]}, "", (Call("f", ""),)),
        ({"tool_calls": [LAND], "function_call": LAND["function"]}, "", (Call("land", "{}"),)),
        (
            {"tool_calls": [LAND, {"type": "custom", "custom": {"name": "sql", "input": "drop"}}]},
            "",
            (Call("land", "{}"), Call("sql", "drop")),
        ),
        ({"tool_calls": [{"type": "web_search"}]}, "", (Call("web_search", ""),)),
        ({"content": [{"type": "text", "text": "a"}, {"type": "image"}]}, "a", ()),
        ({"content": "\ud800x"}, "?x", ()),
        ({"content": None, "refusal": "no"}, "no", ()),
    ],
)
def test_replies_of_many_servers(message: Any, content: str, calls: Any, tmp_path: Path) -> None:
    answer = answer_from(reply(message, usage={"prompt_tokens": "7", "completion_tokens": -1}))
    assert (answer.content, answer.calls, answer.usage.input, answer.usage.output) == (content, calls, 0, 0)
    KeptAnswers(tmp_path, "m").add("k", answer)
    assert KeptAnswers(tmp_path, "m").get("k") == answer


@pytest.mark.parametrize(
    "message", [{"content": 5}, {"tool_calls": [5]}, {"tool_calls": [{"function": {"name": 5}}]}]
)
def test_what_is_no_answer(message: Any) -> None:
    with pytest.raises(ValueError, match="isn't a chat completion"):
        answer_from(reply(message))
