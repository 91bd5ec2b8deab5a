"""Evaluations of a plan → what they will ask and what that costs, as far as it is known before apply."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from ftops.catalog import Catalog
from ftops.config.accounts import accounts_of
from ftops.config.config import Config, Resource
from ftops.config.model_references import referenced_model
from ftops.core.address import Address, Json, Reference, Value, decode
from ftops.core.errors import Diagnostic, FtopsError
from ftops.core.model_names import NO_BASELINE, SERVING
from ftops.core.normal_form import model as spelled
from ftops.core.resource_types import is_several, kind_of
from ftops.core.serving import is_named
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
    from ftops.evaluation.grader_table import read_graders
    from ftops.evaluation.inputs import used_since
    from ftops.evaluation.remote_graders import REMOTE
    from ftops.evaluation.statistics import detectable_difference

    resource = known.resources[address]
    inputs: Mapping[str, Any] = resource.inputs
    summary, samples = resource.summary, int(inputs["samples"])
    values = _models(resource, known)
    models = [_Model.of(value, resource, known) for value in values]
    asking = _asking(models, resource, known, used_since(inputs))
    found = [model.expected(one, inputs, known) for model, one in zip(models, asking, strict=True)]
    cached = [one.cached for one in asking]
    is_compared = inputs.get("baseline") != NO_BASELINE
    is_certain = not any(isinstance(value, Reference) and is_several(value) for value in values)
    remote = sum(grader.type in REMOTE for grader in read_graders(inputs.get("graders", {}))[0])
    answers = summary.prompts * samples
    return EvaluationCost(
        address,
        summary.prompts,
        samples,
        len(models) if is_certain else None,
        None if None in cached or not is_certain else sum(count or 0 for count in cached),
        sum(one.too_old for one in asking),
        "stop" in inputs,
        remote * len(models) * answers,
        **(_total(found) if is_certain else {}),
        detectable=detectable_difference(summary.independent, alpha=inputs["alpha"]) if is_compared else None,
        independent=summary.independent,
        damaged=sum(one.damaged for one in asking),
        is_compared=is_compared,
        temporary=tuple(
            model.temporary(known)
            for model, count in zip(models, cached, strict=True)
            if not model.is_served and count != answers
        ),
        unpriced=tuple(
            model.unpriced()
            for model, one in zip(models, found, strict=True)
            if one.requests and one.prices is None
        ),
    )


def findings(cost: EvaluationCost, resource: Resource) -> Iterator[Diagnostic]:
    """What is wrong with its cached answers and its budget."""
    if cost.damaged:
        yield Diagnostic(
            f"{cost.address}: cached answers of its models can't be used ({cost.damaged:,})",
            "They were damaged or edited on this machine, or are of an older version of ftops. What is "
            "evaluated is asked again.",
            "restore .ftops/answers from a copy to keep them",
            resource.place,
            "warning",
        )
    yield from within_budget(cost, resource)


def within_budget(cost: EvaluationCost, resource: Resource) -> Iterator[Diagnostic]:
    """An error if an apply would refuse the budget of an evaluation, a warning if it may not suffice."""
    budget: Any = resource.inputs.get("budget")
    if budget is None:
        return
    for one in cost.unpriced:
        yield Diagnostic(
            f"{cost.address}: its budget can't be kept: the price of {one.model or 'its model'} isn't known",
            f"The catalogue has no price of it with the SKU {one.sku}.",
            "add it to ftops.catalog.yaml (`ftops docs catalog` says how), set `sku`, or remove `budget`",
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
            one
            for one in _deployments(resource, known)
            if _spelled(model_of(one)[0]) == spelled(name) and not one.is_off
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

    def kept(self, known: Known) -> tuple[KeptAnswers | None, bool]:
        """The kept answers, if there can be any, and whether they are known."""
        if not self.identity:
            return None, True
        try:
            kept = known.kept(self.identity) if known.kept else None
        except FtopsError:
            kept = None
        return kept, kept is not None

    def expected(self, asking: _Asking, inputs: Mapping[str, Value], known: Known) -> Expected:
        from ftops.evaluation.spending import expected, limit_of

        prices = known.catalog.token_prices(self.base, "", self._sku)
        settings: Any = inputs.get("settings") or {}
        limit = limit_of(settings)
        most = None if limit is None else limit * asking.missing
        return expected(asking.missing, asking.tokens, most, prices, asking.answers.values())


class _Asking(Struct):
    """What one model is to be asked. Equal questions are asked once."""

    missing: int
    tokens: int | None
    """Of the missing ones. None: unknown."""
    cached: int | None = 0
    """None: unknown."""
    damaged: int = 0
    """Cached answers that can't be used, to any questions."""
    too_old: int = 0
    """Cached, but not used."""
    answers: dict[str, Answer] = field(default_factory=dict)
    """All that are cached, by key."""


def _asking(models: Sequence[_Model], resource: Resource, known: Known, since: str) -> list[_Asking]:
    """In their order. Prompts are read again only if some answers are kept, or for the encoding of an old
    model."""
    from ftops.evaluation.prompts_file import ENCODING

    summary, samples = resource.summary, int(str(resource.inputs["samples"]))
    found = []
    some: list[_Counting] = []
    for model in models:
        encoding = known.catalog.encoding(model.base)
        kept, is_known = model.kept(known)
        damaged = kept.damaged if kept else 0
        if (kept and not kept.is_empty) or encoding not in ("", ENCODING):
            asking = _Asking(0, 0, 0 if is_known else None, damaged)
            some.append(_Counting(model.identity, encoding, kept, since, asking))
            found.append(asking)
        else:
            tokens = summary.tokens if encoding else None
            tokens = None if tokens is None else tokens * samples
            cached = 0 if is_known else None
            found.append(_Asking(summary.questions * samples, tokens, cached, damaged))
    for question in _questions(resource, known.config) if some else ():
        for one in some:
            one.add(question)
    return found


def _questions(resource: Resource, config: Config) -> Iterator[Question]:
    from ftops.evaluation.inputs import stream, without_prompts

    rest = without_prompts(resource.inputs, config.folder, config.project)
    for prompt in stream(resource.inputs, rest, config.folder, config.project):
        for sample in range(rest.samples):
            yield rest.question(prompt, sample)


class _Counting:
    """Counts the missing questions of a model one by one."""

    def __init__(
        self, identity: str, encoding: str, kept: KeptAnswers | None, since: str, asking: _Asking
    ) -> None:
        self.asking = asking
        self._identity = identity
        self._encoding = encoding
        self._kept = kept
        self._since = since
        self._missing: set[str] = set()

    def add(self, question: Question) -> None:
        from ftops.evaluation.spending import input_tokens

        asking, key = self.asking, question.key(self._identity)
        if self._kept and (answer := self._kept.get(key)):
            asking.answers[key] = answer
            if self._kept.get(key, self._since):
                asking.cached = (asking.cached or 0) + 1
                return
            asking.too_old += 1
        if key not in self._missing:
            self._missing.add(key)
            tokens = input_tokens(question, self._encoding)
            asking.missing += 1
            asking.tokens = None if tokens is None or asking.tokens is None else asking.tokens + tokens
