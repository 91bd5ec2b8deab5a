"""Teachers: the models that write and judge training data, asked only for what isn't recorded or kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from msgspec import Struct

from ftops import catalog
from ftops.config.config import Config
from ftops.core.errors import FtopsError, UsageError
from ftops.core.resource_types import kind_of
from ftops.evaluation.answers import Answer, Answers, Failure, Question, Usage
from ftops.evaluation.asking import Asked, Asker
from ftops.evaluation.kept_answers import KeptAnswers
from ftops.generation.recipe import JUDGE, Price, Recipe, Teacher
from ftops.generation.recording import RecordedAnswer
from ftops.generation.teaching import VERSIONS, token_bounds
from ftops.session.answers import kept_answers
from ftops.session.evaluation import find_deployment
from ftops.session.session import Session

CONCURRENCY = 8
Watch = Callable[[], object]
Tell = Callable[[str], object]


class Expected(Struct, frozen=True):
    """What would be asked. `dollars` is an upper bound; None if a price isn't known."""

    requests: int = 0
    dollars: float | None = 0.0


class Teachers:
    """Of one recipe. `recorded`: answers in its recording, by key."""

    def __init__(self, config: Config, recipe: Recipe, recorded: Mapping[str, RecordedAnswer]) -> None:
        self._config = config
        self._recipe = recipe
        self._recorded = recorded
        self._kept: dict[str, KeptAnswers] = {}
        self._opened = ExitStack()
        self._session: Session | None = None
        self.used: dict[str, RecordedAnswer] = {}
        self.spent = 0.0
        self.expected = Expected()

    def count(self, step: str, questions: Sequence[Question]) -> list[Answer | None]:
        """What is known already; the others are added to `expected`."""
        found: list[Answer | None] = []
        price, seen = self._price(step), set()
        for question in questions:
            key = self._key(step, question)
            answer = self._known(step, key)
            found.append(answer)
            if answer is None and key not in seen:
                seen.add(key)
                bound = _dollars(price, Usage(*_usage(question)))
                dollars = None if None in (bound, self.expected.dollars) else bound
                total = None if dollars is None else (self.expected.dollars or 0.0) + dollars
                self.expected = Expected(self.expected.requests + 1, total)
        return found

    def asking(self, on_answer: Watch, tell: Tell, concurrency: int) -> Callable[..., list[Answer | None]]:
        """Asks for what isn't known. Raises FtopsError if a request fails, or the budget is used up; what was
        answered is kept."""

        def ask(step: str, questions: Sequence[Question]) -> list[Answer | None]:
            keys = [self._key(step, question) for question in questions]
            missing = {
                key: question
                for key, question in zip(keys, questions, strict=True)
                if self._known(step, key) is None
            }
            if missing:
                self._ask(step, list(missing.values()), concurrency, on_answer, tell)
            answers = [self._known(step, key) for key in keys]
            for key, answer in zip(keys, answers, strict=True):
                if answer is not None:
                    self.used[key] = RecordedAnswer.of(key, step, answer)
            return answers

        return ask

    def close(self) -> None:
        self._opened.close()

    @property
    def about(self) -> Any:
        """For the manifest: who wrote the requests."""
        if self._recipe.phrasings:
            return "templates"
        served = sorted({answer.answer.model for answer in self.used.values()} - {""})
        teacher = self._recipe.settings.teacher
        return {"model": teacher.model, "endpoint": teacher.endpoint, "served": served, "steps": VERSIONS}

    def _ask(
        self, step: str, questions: Sequence[Question], concurrency: int, on_answer: Watch, tell: Tell
    ) -> None:
        name, provider = self._provider(self._model(step))
        price, budget = self._price(step), self._recipe.settings.budget
        if budget is not None and price is None:
            detail = (
                f"`budget` is ${budget:g}, but the price of {self._model(step).model or name} isn't known."
            )
            raise UsageError("the budget can't be kept", detail, "add `price: {input: …, output: …}` to it")
        asker = Asker(Asked(name, self._identity(step), provider, self._keeper(step)))
        size = len(questions) if budget is None else concurrency
        for start in range(0, len(questions), size):
            batch = questions[start : start + size]
            new = [question for question in batch if asker.count_missing([question])]
            bounds = sum(_dollars(price, Usage(*_usage(question))) or 0.0 for question in new)
            if budget is not None and self.spent + bounds > budget:
                raise FtopsError(
                    f"the budget of ${budget:g} isn't enough for {len(questions) - start:,} more requests",
                    f"About ${self.spent:.2f} was spent; the next requests may cost ${bounds:.2f}.",
                    "run it again, which asks nothing twice, or raise `budget`",
                )
            answers = asker.answers(batch, concurrency, on_answer, tell)
            for question in new:
                given = self._keeper(step).get(self._key(step, question))
                self.spent += _dollars(price, given.usage) or 0.0 if given else 0.0
            _require(answers)

    def _known(self, step: str, key: str) -> Answer | None:
        recorded = self._recorded.get(key)
        return recorded.answer if recorded else self._keeper(step).get(key)

    def _keeper(self, step: str) -> KeptAnswers:
        if step not in self._kept:
            self._kept[step] = kept_answers(self._config, self._identity(step))
        return self._kept[step]

    def _key(self, step: str, question: Question) -> str:
        return question.key(self._identity(step))

    def _identity(self, step: str) -> str:
        return self._recipe.identity(step, VERSIONS[step])

    def _model(self, step: str) -> Teacher:
        judge = self._recipe.settings.verify.judge
        return judge if step == JUDGE and judge else self._recipe.settings.teacher

    def _price(self, step: str) -> Price | None:
        model = self._model(step)
        if model.price or not model.deployment:
            return model.price
        known = catalog.load(self._config.project, os.environ).find(model.model)
        sku = next(
            (
                resource.inputs.get("sku")
                for resource in self._config.resources
                if kind_of(resource.address).serves
                and str(resource.address).partition(".")[2] == model.deployment
            ),
            None,
        )
        name = str(sku.get("name")).lower() if isinstance(sku, Mapping) else ""
        prices = known.inference_per_million.get(name) if known else None
        return Price(prices.input, prices.output) if prices else None

    def _provider(self, model: Teacher) -> tuple[str, Answers]:
        if model.endpoint:
            from ftops.providers.openai.endpoint import Endpoint

            key = os.environ.get(model.api_key, "") if model.api_key else ""
            if model.api_key and not key:
                hint = f"set it before the command: export {model.api_key}=…"
                raise UsageError(f"the environment variable {model.api_key} is not set", "", hint)
            endpoint = Endpoint(model.endpoint, key)
            self._opened.callback(endpoint.close)
            return model.model, endpoint
        if self._session is None:
            self._session = self._opened.enter_context(Session.open(self._config))
        resource, provider = find_deployment(self._session, model.deployment)
        return str(resource.outputs.get("name") or model.deployment), provider


def _usage(question: Question) -> tuple[int, int, int]:
    """At most: input, cached and output."""
    sent, answered = token_bounds(question)
    return sent, 0, answered


def _dollars(price: Price | None, usage: Usage) -> float | None:
    return (price.input * usage.input + price.output * usage.output) / 1e6 if price else None


def _require(answers: Sequence[Answer | Failure]) -> None:
    failures = [answer for answer in answers if isinstance(answer, Failure)]
    if failures:
        raise FtopsError(
            f"{len(failures):,} of {len(answers):,} requests to the teacher failed",
            f"The first: {failures[0].reason}.",
            "run it again: what was answered is kept, and nothing is asked twice; nothing was written",
        )
