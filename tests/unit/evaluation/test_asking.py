"""Asking: each question once, again while the service is busy, and an end when nobody waits any more."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ftops.core.errors import Permanent, Temporary, UsageError
from ftops.evaluation.answers import Answer, Failure, Question, answer_from
from ftops.evaluation.asking import ERRORS, MOST_REFUSALS, NOT_ASKED, PATIENCE, Asked, Asker
from ftops.evaluation.calls import Call
from ftops.evaluation.kept_answers import KeptAnswers


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


class Time:
    """A clock that waiting puts forward."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def wait(self, event: threading.Event, seconds: float) -> None:
        self.seconds += seconds


def asker(service: Any, folder: Path, clock: Time | None = None, **more: Any) -> Asker:
    return Asker(Asked("d", "m", service, KeptAnswers(folder, "m", **more)), clock or Time())


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
    assert service.asked == ["a"] * ERRORS.tries + ["b"] * PATIENCE.tries


class Slow(Service):
    """Takes a second for each question."""

    def __init__(self, clock: Time, **errors: Sequence[Exception]) -> None:
        super().__init__(**errors)
        self._clock = clock

    def ask(self, deployment: str, question: Question) -> Answer:
        self._clock.seconds += 1
        return super().ask(deployment, question)


def test_asking_in_parts_asks_each_question_once(tmp_path: Path) -> None:
    """What failed for good isn't asked again in the next part."""
    clock = Time()
    service = Slow(clock, b=[Permanent("no")])
    tested, questions = asker(service, tmp_path, clock), [question(text) for text in "abcde"]
    first = tested.answers(questions, 1, seconds=3)
    assert first == [Answer("a"), Failure("no"), Answer("c"), NOT_ASKED, NOT_ASKED]
    assert tested.answers(questions, 1, seconds=0) == first
    done = tested.answers(questions, 1)
    assert done == [Answer("a"), Failure("no"), Answer("c"), Answer("d"), Answer("e")]
    assert service.asked == list("abcde")


def test_a_busy_service_ends_the_part_and_its_time_counts_in_the_next_one(tmp_path: Path) -> None:
    clock = Time()
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
    assert service.asked == texts[:MOST_REFUSALS]
    assert reasons == [f"stopped sending requests: the first {MOST_REFUSALS} requests failed: wrong key"]
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
