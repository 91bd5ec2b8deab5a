"""Evaluations of a plan → what they will ask and what that costs, as far as it is known before apply."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ftops.catalog import Catalog
from ftops.config.accounts import accounts_of
from ftops.config.config import Config, Resource
from ftops.config.model_references import referenced_model
from ftops.core.address import Address, Json, Reference, Value, decode
from ftops.core.errors import Diagnostic, FtopsError
from ftops.core.model_names import NO_BASELINE, SERVING
from ftops.core.normal_form import model as spelled
from ftops.core.resource_types import is_named, is_several, kind_of
from ftops.evaluation.temporary import sku_for
from ftops.planning.estimate import EvaluationCost, Temporary, Unpriced, dollars
from ftops.state.deployments import model_of, sku_of
from ftops.state.state import ResourceState, State, Status

if TYPE_CHECKING:
    from ftops.evaluation.answers import Answer, Question
    from ftops.evaluation.kept_answers import KeptAnswers
    from ftops.evaluation.spending import Expected

KeptOf = Callable[[str], "KeptAnswers"]
"""The kept answers of a model, by its identity."""


class Known(Struct, frozen=True):
    """What is known when a plan is made. `values` are those of expressions; without `kept`, no answers."""

    config: Config
    resources: Mapping[Address, Resource]
    catalog: Catalog
    state: State
    values: Mapping[str, Json]
    kept: KeptOf | None


def evaluation_cost(address: Address, known: Known) -> EvaluationCost:
    """Raises FtopsError if its files can't be read any more."""
    from ftops.evaluation.inputs import load, used_since
    from ftops.evaluation.remote_graders import REMOTE
    from ftops.evaluation.statistics import detectable_difference

    config, resource = known.config, known.resources[address]
    asked = load(resource.inputs, config.folder, config.project)
    values = _models(resource, known)
    models = [_Model.of(value, resource, known) for value in values]
    questions = asked.questions()
    since = used_since(resource.inputs)
    kept = [model.kept(questions, known, since) for model in models]
    found = [model.expected(questions, one, known) for model, one in zip(models, kept, strict=True)]
    cached = [one.count for one in kept]
    is_compared = resource.inputs.get("baseline") != NO_BASELINE
    independent = len({prompt.group for prompt in asked.prompts})
    is_certain = not any(isinstance(value, Reference) and is_several(value) for value in values)
    remote = sum(grader.type in REMOTE for grader in asked.graders)
    return EvaluationCost(
        address,
        len(asked.prompts),
        asked.samples,
        len(models) if is_certain else None,
        None if None in cached or not is_certain else sum(count or 0 for count in cached),
        sum(one.too_old for one in kept),
        remote * len(models) * len(questions),
        **(_total(found) if is_certain else {}),
        detectable=detectable_difference(independent, alpha=asked.alpha) if is_compared else None,
        independent=independent,
        is_compared=is_compared,
        temporary=tuple(
            model.temporary(known)
            for model, count in zip(models, cached, strict=True)
            if not model.is_served and count != len(questions)
        ),
        unpriced=tuple(
            model.unpriced()
            for model, one in zip(models, found, strict=True)
            if one.requests and one.prices is None
        ),
    )


def within_budget(cost: EvaluationCost, resource: Resource) -> Iterator[Diagnostic]:
    """An error if an apply would refuse the budget of an evaluation, a warning if it may not suffice."""
    budget: Any = resource.inputs.get("budget")
    if budget is None:
        return
    for one in cost.unpriced:
        yield Diagnostic(
            f"{cost.address}: its budget can't be kept: the price of {one.model or 'its model'} isn't known",
            f"The catalogue has no price of it with the SKU {one.sku}.",
            "add it to ftops.catalog.yaml (docs/catalog.md says how), set `sku`, or remove `budget`",
            resource.place,
            "error" if one.is_certain else "warning",
        )
    if cost.dollars is not None and cost.dollars > budget:
        yield Diagnostic(
            f"{cost.address}: its budget of ${budget:g} may not suffice",
            f"{'At most' if cost.is_limited else 'About'} {dollars(cost.dollars)} are to be spent. When the "
            "money is spent, it is incomplete, and the next apply continues.",
            "raise `budget`",
            resource.place,
            "warning",
        )


def _total(found: Sequence[Expected]) -> dict[str, Any]:
    found = [one for one in found if one.requests]
    inputs, outputs = [one.input for one in found], [one.output for one in found]
    before = [one.input_dollars for one in found]
    return {
        "input": _sum(inputs),
        "output": _sum(outputs),
        "is_limited": all(one.is_limited for one in found),
        "input_dollars": _sum(before),
        "dollars": None if None in outputs else _sum([one.dollars for one in found]),
    }


def _sum(amounts: Sequence[Any]) -> Any:
    return None if None in amounts else sum(amounts)


def _models(resource: Resource, known: Known) -> list[Value]:
    """What is asked: the candidates, then the baseline. References without a known value stay."""
    from ftops.evaluation.inputs import candidates_of

    inputs = resource.inputs
    models = [value for one in candidates_of(inputs) for value in _values(one, known)]
    baseline = inputs.get("baseline")
    if baseline == SERVING:
        served = _served(str(inputs.get("serving")), resource, known)
        is_other = served is not None and _spelled(served) not in map(_spelled, models)
        baseline = served if is_other else inputs.get("base_model", NO_BASELINE)
    if baseline != NO_BASELINE:
        models += _values(baseline, known)
    return list({str(_spelled(value)): value for value in models}.values())


def _values(value: Value, known: Known) -> list[Value]:
    if isinstance(value, Reference) and str(value) in known.values:
        found = decode(known.values[str(value)])
        return list(found) if isinstance(found, list) else [found]
    return [value]


def _spelled(value: Value) -> Value:
    return spelled(value) if isinstance(value, str) else str(value)


def _served(name: str, resource: Resource, known: Known) -> str | None:
    """The model that a recorded deployment serves, by its name at the service."""
    for record in _deployments(resource, known):
        if is_named(str(record.outputs.get("name")), name):
            return model_of(record)[0]
    return None


def _deployments(resource: Resource, known: Known) -> list[ResourceState]:
    """Those of the account that are ready."""
    return [
        record
        for record in known.state.resources.values()
        if kind_of(record.address).serves
        and record.provider == resource.provider
        and record.status is Status.READY
    ]


class _Model(Struct, frozen=True):
    """One that is asked. `name` is empty before it is trained; `deployment` serves it already."""

    value: Value
    name: str
    base: str
    is_tuned: bool
    deployment: ResourceState | None
    sku: Mapping[str, Json]
    identity: str

    @classmethod
    def of(cls, value: Value, resource: Resource, known: Known) -> _Model:
        named = referenced_model(value, known.resources)
        name = value if isinstance(value, str) else ""
        base, is_tuned = (named.base, named.tuned) if named else ("", False)
        serving = (
            one for one in _deployments(resource, known) if _spelled(model_of(one)[0]) == spelled(name)
        )
        deployment = next(serving, None) if name else None
        wanted: Any = resource.inputs.get("sku") or {}
        sku = sku_for(base, wanted, known.catalog, tuned=is_tuned)
        identity = f"{accounts_of(known.config)[resource.provider]}|{name}" if name else ""
        return cls(value, name, base, is_tuned, deployment, sku, identity)

    @property
    def is_served(self) -> bool:
        """Whether a deployment serves it by then."""
        value = self.value
        return self.deployment is not None or (isinstance(value, Reference) and kind_of(value.address).serves)

    def temporary(self, known: Known) -> Temporary:
        """The deployment that is created for it. Base models have no hosting fee, unless they have a
        throughput of their own."""
        sku = str(self.sku["name"])
        per_hour = known.catalog.hosting_per_hour.get(sku.casefold())
        if not self.is_tuned:
            per_hour = None if "provisioned" in sku.casefold() else 0.0
        return Temporary(self.value, self.sku, per_hour, is_certain=not self.name)

    def unpriced(self) -> Unpriced:
        is_certain = not self.name or self.deployment is not None
        return Unpriced(self.base, self._sku, is_certain)

    @property
    def _sku(self) -> str:
        return sku_of(self.deployment).name if self.deployment else str(self.sku["name"])

    def expected(self, questions: Sequence[Question], kept: _Kept, known: Known) -> Expected:
        """Of the questions whose answers aren't used; equal ones are one."""
        from ftops.evaluation.spending import expected

        prices = known.catalog.token_prices(self.base, "", self._sku)
        missing = {key: q for q in questions if (key := q.key(self.identity)) not in kept.used}
        answers = (*kept.used.values(), *kept.old.values())
        return expected(list(missing.values()), known.catalog.encoding(self.base), prices, answers)

    def kept(self, questions: Sequence[Question], known: Known, since: str) -> _Kept:
        if not self.identity:
            return _Kept()
        try:
            kept = known.kept(self.identity) if known.kept else None
        except FtopsError:
            kept = None
        if kept is None:
            return _Kept(count=None)
        keys = [question.key(self.identity) for question in questions]
        used = {key: answer for key in keys if (answer := kept.get(key, since))}
        old = {key: answer for key in keys if key not in used and (answer := kept.get(key))}
        return _Kept(used, old, sum(key in used for key in keys), sum(key in old for key in keys))


class _Kept(Struct, frozen=True):
    """The kept answers of one model, by key: those that are used, and those that are too old. `count` and
    `too_old` are of questions, of which some may be equal; None: they can't be read."""

    used: Mapping[str, Answer] = {}
    old: Mapping[str, Answer] = {}
    count: int | None = 0
    too_old: int = 0
