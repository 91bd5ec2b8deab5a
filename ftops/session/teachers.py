"""Teachers: the models that write and judge training data, asked only for what isn't recorded or kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import Any, NamedTuple

from ftops import catalog
from ftops.catalog import TokenPrices
from ftops.config.config import Config
from ftops.core.errors import FtopsError, UsageError
from ftops.core.plurals import plural, share
from ftops.core.resource_types import kind_of
from ftops.dataset.profile.tokens import ENCODINGS
from ftops.evaluation.answers import Answer, Answers, Failure, Question
from ftops.evaluation.asking import Asked, Asker
from ftops.evaluation.kept_answers import KeptAnswers
from ftops.evaluation.metrics import cost
from ftops.evaluation.spending import Budget, Expected, Metered, expected_of
from ftops.generation.recipe import JUDGE, Recipe, Teacher
from ftops.generation.recording import RecordedAnswer
from ftops.generation.teaching import VERSIONS
from ftops.planning.estimate import dollars
from ftops.session.answers import kept_answers
from ftops.session.evaluation import find_deployment
from ftops.session.session import Session
from ftops.state.deployments import sku_of

Tell = Callable[[str], object]
Ask = Callable[[str, Sequence[Question]], list[Answer | None]]


class _Source(NamedTuple):
    """Who is asked: the name of a deployment or a model."""

    name: str
    provider: Answers
    capacity: int | None = None


class Teachers:
    """Of one recipe. `recorded`: answers in its recording, by key. `used` are those that were given."""

    def __init__(self, config: Config, recipe: Recipe, recorded: Mapping[str, RecordedAnswer]) -> None:
        self._config = config
        self._recipe = recipe
        self._recorded = recorded
        self._kept: dict[str, KeptAnswers] = {}
        self._open = ExitStack()
        self._session: Session | None = None
        self._to_come: dict[str, dict[str, Question]] = {}
        limit = recipe.settings.budget
        self._budget = None if limit is None else Budget(limit)
        self.used: dict[str, RecordedAnswer] = {}
        self.spent = 0.0

    def count(self, step: str, questions: Sequence[Question]) -> list[Answer | None]:
        """What is known already; the others are counted in `expected`."""
        found = []
        for question in questions:
            key = self._key(step, question)
            found.append(self._known(step, key))
            if found[-1] is None:
                self._to_come.setdefault(step, {})[key] = question
        return found

    def expected(self) -> Iterator[Expected]:
        """What each step would take, of those that were counted."""
        for step, questions in self._to_come.items():
            yield expected_of(questions.values(), self._encoding(step), self._prices(step), ())

    def asking(self, on_answer: Callable[[], object], tell: Tell, concurrency: int) -> Ask:
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
                answers = self._asker(step).answers(list(missing.values()), concurrency, on_answer, tell)
                self._count_spent(step, answers)
                self._require(answers)
            found = [self._known(step, key) for key in keys]
            given = {key: answer for key, answer in zip(keys, found, strict=True) if answer is not None}
            self.used |= {key: RecordedAnswer.of(key, step, answer) for key, answer in given.items()}
            return found

        return ask

    def close(self) -> None:
        self._open.close()

    @property
    def about(self) -> Any:
        """For the manifest: who wrote the requests."""
        if self._recipe.phrasings:
            return "templates"
        served = sorted({answer.answer.model for answer in self.used.values()} - {""})
        teacher = self._recipe.settings.teacher
        return {"model": teacher.model, "endpoint": teacher.endpoint, "served": served, "steps": VERSIONS}

    def _asker(self, step: str) -> Asker:
        source, prices = self._source(self._model(step)), self._prices(step)
        provider = source.provider
        if self._budget:
            if prices is None:
                detail = f"`budget` is ${self._budget.limit:g}, but the price of {self._model(step).model} "
                hint = "add `price: {input: …, output: …}` beside the model, or to ftops.catalog.yaml"
                raise UsageError("the budget can't be kept", f"{detail}isn't known.", hint)
            provider = Metered(provider, self._budget, prices, self._encoding(step))
        identity = self._identity(step)
        return Asker(Asked(source.name, identity, provider, self._keeper(step), source.capacity))

    def _count_spent(self, step: str, answers: Sequence[Answer | Failure]) -> None:
        if prices := self._prices(step):
            self.spent += sum(cost(a.usage, prices) for a in answers if isinstance(a, Answer))

    def _require(self, answers: Sequence[Answer | Failure]) -> None:
        failures = [answer for answer in answers if isinstance(answer, Failure)]
        if failures and self._budget and self._budget.is_used_up:
            raise FtopsError(
                f"the budget of ${self._budget.limit:g} isn't enough for "
                f"{plural(len(failures), 'more request')}",
                f"About {dollars(self._budget.spent)} is spent; nothing was written.",
                "run it again, which asks nothing twice, or raise `budget`",
            )
        if failures:
            raise FtopsError(
                f"{share(len(failures), len(answers), 'request')} to the teacher failed",
                f"The first: {failures[0].reason}. Nothing was written.",
                "run it again: what was answered is kept, and nothing is asked twice",
            )

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

    def _prices(self, step: str) -> TokenPrices | None:
        model = self._model(step)
        if model.price:
            return TokenPrices(model.price.input, model.price.output)
        return self._catalog.token_prices(model.model, "", self._sku(model)) if model.deployment else None

    def _encoding(self, step: str) -> str:
        """That of a model that isn't known is probably a common one."""
        return self._catalog.encoding(self._model(step).model) or ENCODINGS[0]

    @cached_property
    def _catalog(self) -> catalog.Catalog:
        return catalog.load(self._config.project, os.environ)

    def _sku(self, model: Teacher) -> str:
        served = (r for r in self._config.resources if kind_of(r.address).serves)
        named = (r for r in served if str(r.address).partition(".")[2] == model.deployment)
        sku = next((resource.inputs.get("sku") for resource in named), None)
        return str(sku.get("name") or "") if isinstance(sku, Mapping) else ""

    def _source(self, model: Teacher) -> _Source:
        if model.endpoint:
            from ftops.providers.openai.endpoint import Endpoint

            key = os.environ.get(model.api_key, "") if model.api_key else ""
            if model.api_key and not key:
                hint = f"set it before the command: `export {model.api_key}=…`"
                raise UsageError(f"the environment variable {model.api_key} is not set", "", hint)
            endpoint = Endpoint(model.endpoint, key)
            self._open.callback(endpoint.close)
            return _Source(model.model, endpoint)
        if self._session is None:
            self._session = self._open.enter_context(Session.open(self._config))
        resource, provider = find_deployment(self._session, model.deployment)
        name = str(resource.outputs.get("name") or model.deployment)
        return _Source(name, provider, sku_of(resource).capacity)
