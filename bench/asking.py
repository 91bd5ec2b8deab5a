"""Asking: how much of a deployment's rate limit an evaluation uses, and how many requests are refused.

python -m bench.asking [--windows 3] [--check]

The emulator limits requests in windows of ten seconds, as the service documents it. Each deployment is asked
over HTTP for the given number of whole windows, and for what is left of the first one, which doesn't count.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import ftops_command, run
from ftops.config.loader import load
from ftops.evaluation.answers import Answer, Answers, Question
from ftops.evaluation.asking import Asked, Asker
from ftops.evaluation.kept_answers import KeptAnswers
from ftops.session.session import Session

WINDOW = 10.0
"""Seconds, of the emulator."""
TARGET = 0.95


@dataclass(frozen=True)
class Case:
    """A deployment, and how the emulator answers."""

    capacity: int
    per_unit: int
    """Requests in a window for each unit of the capacity."""
    seconds: float
    """Of an answer with 20 tokens; others in proportion."""

    @property
    def limit(self) -> int:
        return self.capacity * self.per_unit

    @property
    def name(self) -> str:
        return f"c{self.capacity}"


CASES = (Case(10, 10, 0.0), Case(20, 1, 1.0), Case(50, 1, 1.0))
HEAD = "ftops: {name: asking}\nproviders: {here: {type: emulator, data: cloud}}\ndeployments:\n"
SKU = "{{name: GlobalStandard, capacity: {0}}}"
SPEC = HEAD + "".join(
    f"  {case.name}: {{model: gpt-4o-mini-2024-07-18, sku: {SKU.format(case.capacity)}}}\n" for case in CASES
)


@dataclass(frozen=True)
class Result:
    """The share of the limit that was used in each whole window, and the refused requests for each answer."""

    case: Case
    used: Sequence[float]
    refused: float
    answer: float
    """Seconds of an answer."""

    @property
    def mean(self) -> float:
        return sum(self.used) / len(self.used)


def measure(session: Session, case: Case, windows: int, concurrency: int) -> Result:
    provider = session.providers("here")
    assert isinstance(provider, Answers)
    admin = Admin(provider.connection())  # type: ignore[attr-defined]
    admin.send("PATCH", "settings", {"requests_per_unit": case.per_unit, "answer_seconds": case.seconds})
    admin.send("DELETE", "log")
    offset = admin.send("GET", "clock")["now"] - time.monotonic()
    first = int((time.monotonic() + offset) // WINDOW)
    answers = Counter[int]()

    def answered() -> None:
        answers[int((time.monotonic() + offset) // WINDOW) - first] += 1

    kept = KeptAnswers(session.config.project, case.name, fresh=True)
    asked = Asked(case.name, case.name, provider, kept, case.capacity)
    questions = [
        Question(({"role": "user", "content": f"What is {number} plus {number}?"},))
        for number in range((windows + 2) * case.limit)
    ]
    end = (first + windows + 1) * WINDOW - offset - time.monotonic()
    replies = Asker(asked).answers(questions, concurrency, answered, seconds=end)
    seconds = [reply.milliseconds / 1000 for reply in replies if isinstance(reply, Answer)]
    requests = sum("/chat/completions" in r["path"] for r in admin.send("GET", "log")["requests"])
    used = [answers[number] / case.limit for number in range(1, windows + 1)]
    return Result(case, used, requests / len(seconds) - 1, sum(seconds) / len(seconds))


class Admin:
    """The emulator's own endpoints."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def send(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"api-key": self._connection["api_key"], "Content-Type": "application/json"}
        url = f"{self._connection['url']}/_emulator/{path}"
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as reply:
            return json.loads(reply.read() or b"null")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--windows", type=int, default=3, help="whole windows of ten seconds (3)")
    parser.add_argument("--concurrency", type=int, default=32, help="requests at a time, at most (32)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if the target is missed")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ftops.yaml").write_text(SPEC, encoding="utf-8")
        run([*ftops_command(), "apply", "-y"], Path(folder))
        with Session.open(load(Path(folder), environ=os.environ)) as session:
            results = [measure(session, case, options.windows, options.concurrency) for case in CASES]
    print("capacity   answer  limit/min  answers/min   used  refused")
    for result in results:
        case, minute = result.case, result.case.limit * 60 / WINDOW
        print(
            f"{case.capacity:>8} {result.answer:>6.2f} s {minute:>10.0f} {minute * result.mean:>12.0f}"
            f" {result.mean:>6.0%} {result.refused:>8.2f}"
        )
    missed = [result for result in results if result.mean < TARGET]
    print(f"target: {TARGET:.0%} of the limit: {'missed' if missed else 'met'}")
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
