"""What a plan would cost and how its data changes, as values. All are estimates: prices come from the
catalogue, tokens are counted here. US dollars throughout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from ftops.core.address import Address, Json, Value
from ftops.core.codec import Codec

HOURS_PER_MONTH = 730
_CENT = 0.00995
"""What is written with two digits, from here on, says enough."""


def dollars(amount: float) -> str:
    """`$1.23`; four digits below a cent, where two would say nothing."""
    if 0 < abs(amount) < _CENT:
        return f"${amount:,.4f}" if abs(amount) >= 0.00005 else "less than $0.0001"
    return f"${amount:,.2f}"


def dollars_of(amounts: Iterable[float | None]) -> Callable[[float], str]:
    """How amounts of one column are written: those below $1 with four digits if one of them needs them, so
    that they can be compared."""
    if not any(amount is not None and 0 < abs(amount) < _CENT for amount in amounts):
        return dollars
    return lambda amount: f"${amount:,.4f}" if _CENT <= abs(amount) < 1 else dollars(amount)


def about(amount: float, *, at_most: bool = False) -> str:
    """`about $1.23`, `at most about $1.23` or `less than $0.0001`."""
    text = dollars(amount)
    return text if text.startswith("less") else f"{'at most ' * at_most}about {text}"


class Epochs(NamedTuple):
    """How often training goes through the examples."""

    number: int
    is_estimate: bool = False
    """`auto`: the service decides; this is by the rule that it documents."""


class TrainingCost(Struct, frozen=True):
    """What a job would cost. `note` says why `dollars` isn't known."""

    address: Address
    examples: int = 0
    tokens: int = 0
    """Of one epoch, without what is cut off."""
    epochs: Epochs = Epochs(0)
    cut: int = 0
    """Examples that are longer than the model takes."""
    per_million: float | None = None
    per_hour: float | None = None
    note: str = ""
    spending_limit: float | None = None
    """What it costs when the service pauses it."""
    hours: tuple[float, ...] = ()
    """How long comparable recorded jobs took, queue included; the shortest first, at least two."""

    @property
    def dollars(self) -> float | None:
        if self.per_million is None or self.note:
            return None
        return self.tokens * self.epochs.number * self.per_million / 1_000_000


class HostingCost(Struct, frozen=True):
    """What a deployment of a tuned model, or on managed compute, costs while it exists, used or not."""

    address: Address
    per_hour: float | None
    """None: the catalogue doesn't know."""
    note: str = ""
    """What it is for, or why the price isn't known."""
    hours_per_month: float = HOURS_PER_MONTH
    """Less, if it has hosting hours."""

    @property
    def per_month(self) -> float | None:
        return None if self.per_hour is None else self.per_hour * self.hours_per_month


class Temporary(NamedTuple):
    """A deployment that exists only while its model is asked. `per_hour`: None if it isn't known;
    `is_certain`: whether no other deployment can serve the model by then."""

    model: Value
    sku: Mapping[str, Json]
    per_hour: float | None
    is_certain: bool = True


class Unpriced(NamedTuple):
    """A model without a price; `is_certain`: whether it is asked through this SKU in any case."""

    model: str
    sku: str
    is_certain: bool


class EvaluationCost(Struct, frozen=True):
    """What an evaluation will ask. None: unknown before apply."""

    address: Address
    prompts: int = 0
    samples: int = 1
    models: int | None = None
    cached: int | None = None
    """Answers that aren't asked for again."""
    too_old: int = 0
    """Cached answers that are asked for again."""
    may_stop: bool = False
    """Whether fewer may be asked: no more than decide the gates."""
    graded: int = 0
    """Requests to judges and graders of the service, at most. Their cost isn't known."""
    input: int | None = None
    """Tokens of the requests to send."""
    output: int | None = None
    is_limited: bool = False
    """Whether `output` is an upper limit."""
    input_dollars: float | None = None
    dollars: float | None = None
    detectable: float | None = None
    """The smallest difference to the baseline that can be shown."""
    independent: int = 0
    """Prompts, those of a cluster as one."""
    is_compared: bool = False
    damaged: int = 0
    """Cached answers of its models that can't be used."""
    temporary: tuple[Temporary, ...] = ()
    unpriced: tuple[Unpriced, ...] = ()
    """The models that are asked at an unknown price."""

    @property
    def answers(self) -> int | None:
        return None if self.models is None else self.models * self.prompts * self.samples


class Line(NamedTuple):
    """A line of a data file."""

    file: str
    line: int


class DataChange(Struct, frozen=True):
    """How the content of a dataset changes, by example. `note` says why that can't be told."""

    address: Address
    added: int = 0
    removed: int = 0
    edited: int = 0
    examples: int = 0
    """Of the new version."""
    tokens: int | None = None
    """More than before; None where tokens weren't counted."""
    dollars: float | None = None
    """More than before, for all jobs that train on it."""
    note: str = ""
    reordered: bool = False
    """The same examples stand in another order."""
    lines: tuple[Line, ...] = ()
    """Where the first examples are that are new or edited."""


class Estimate(Struct, frozen=True):
    """What the jobs of a plan cost once, and its deployments by the hour."""

    training: tuple[TrainingCost, ...] = ()
    hosting: tuple[HostingCost, ...] = ()
    data: tuple[DataChange, ...] = ()
    asking: tuple[EvaluationCost, ...] = ()
    is_rehearsal: bool = False
    """It all happens in the embedded cloud, which bills nothing: this is what the service would."""

    @property
    def dollars(self) -> float:
        """Of all jobs whose cost is known."""
        return sum(cost.dollars or 0 for cost in self.training)

    @property
    def per_hour(self) -> float:
        """Of all deployments whose price is known."""
        return sum(cost.per_hour or 0 for cost in self.hosting)

    @property
    def per_month(self) -> float:
        """The same, of a month."""
        return sum(cost.per_month or 0 for cost in self.hosting)

    @property
    def unknown(self) -> tuple[TrainingCost, ...]:
        return tuple(cost for cost in self.training if cost.dollars is None)


NOTHING = Estimate()


def estimate_to_json(estimate: Estimate) -> dict[str, Json]:
    """As docs/json-output.md describes it."""
    return {
        "currency": "USD",
        "is_rehearsal": estimate.is_rehearsal,
        "training": [_training_to_json(cost) for cost in estimate.training],
        "hosting": [_hosting_to_json(cost) for cost in estimate.hosting],
        "training_total": round(estimate.dollars, 4),
        "training_total_is_complete": not estimate.unknown,
        "hosting_per_hour": round(estimate.per_hour, 4),
        "hosting_per_month": round(estimate.per_month, 2),
        "data": [_data_to_json(change) for change in estimate.data],
        "asking": [_evaluation_to_json(cost) for cost in estimate.asking],
    }


def _hosting_to_json(cost: HostingCost) -> dict[str, Json]:
    note = {"note": cost.note} if cost.note else {}
    hours = round(cost.hours_per_month, 2)
    return {"address": str(cost.address), "per_hour": cost.per_hour, "hours_per_month": hours, **note}


def _data_to_json(change: DataChange) -> dict[str, Json]:
    return {
        "address": str(change.address),
        "examples": change.examples,
        "added": change.added,
        "removed": change.removed,
        "edited": change.edited,
        "tokens": change.tokens,
        "dollars": None if change.dollars is None else round(change.dollars, 4),
        "note": change.note,
        **({"reordered": True} if change.reordered else {}),
        **({"lines": [line._asdict() for line in change.lines]} if change.lines else {}),
    }


def _evaluation_to_json(cost: EvaluationCost) -> dict[str, Json]:
    return {
        "address": str(cost.address),
        "prompts": cost.prompts,
        "samples": cost.samples,
        "models": cost.models,
        "answers": cost.answers,
        "answers_cached": cost.cached,
        "answers_too_old": cost.too_old,
        "may_stop_early": cost.may_stop,
        "grading_requests": cost.graded,
        "input_tokens": cost.input,
        "output_tokens": cost.output,
        "output_is_limit": cost.is_limited,
        "input_dollars": None if cost.input_dollars is None else round(cost.input_dollars, 6),
        "dollars": None if cost.dollars is None else round(cost.dollars, 6),
        "detectable_difference": None if cost.detectable is None else round(cost.detectable, 4),
        "independent_prompts": cost.independent,
        "is_compared": cost.is_compared,
        "temporary_deployments": [_temporary_to_json(one) for one in cost.temporary],
    }


def _temporary_to_json(one: Temporary) -> dict[str, Json]:
    return {**one._asdict(), "model": str(one.model), "sku": one.sku["name"]}


def _training_to_json(cost: TrainingCost) -> dict[str, Json]:
    dollars = cost.dollars
    return {
        "address": str(cost.address),
        "examples": cost.examples,
        "tokens": cost.tokens,
        "epochs": cost.epochs.number,
        "epochs_estimated": cost.epochs.is_estimate,
        "examples_cut": cost.cut,
        "per_million": cost.per_million,
        "per_hour": cost.per_hour,
        "spending_limit": cost.spending_limit,
        "hours_recorded": [cost.hours[0], cost.hours[-1]] if cost.hours else None,
        "jobs_recorded": len(cost.hours),
        "dollars": None if dollars is None else round(dollars, 4),
        "note": cost.note,
    }


def estimate_from_json(raw: Mapping[str, Any]) -> Estimate:
    """The inverse of `estimate_to_json`, for display. Raises KeyError, TypeError or ValueError."""
    return Estimate(
        training=tuple(_training_from_json(row) for row in raw["training"]),
        hosting=_CODEC.read(_HOSTING, raw["hosting"]),
        data=_CODEC.read(_DATA, raw["data"]),
        asking=tuple(_evaluation_from_json(row) for row in raw["asking"]),
        is_rehearsal=bool(raw["is_rehearsal"]),
    )


def _training_from_json(raw: Mapping[str, Any]) -> TrainingCost:
    hours = raw["hours_recorded"] or ()
    count = max(raw.get("jobs_recorded", 0), len(hours))
    if count > _MOST_RECORDED:
        raise ValueError(f"it has {count} recorded jobs")
    fields = {
        "epochs": {"number": raw["epochs"], "is_estimate": raw["epochs_estimated"]},
        "cut": raw["examples_cut"],
        "hours": [*hours[:1] * (count - 1), *hours[-1:]],
    }
    return _CODEC.read(TrainingCost, {**raw, **fields})


def _evaluation_from_json(raw: Mapping[str, Any]) -> EvaluationCost:
    renamed = {field: raw[key] for field, key in _ASKING_KEYS.items()}
    temporary = [{**one, "sku": {"name": one["sku"]}} for one in raw["temporary_deployments"]]
    return _CODEC.read(EvaluationCost, {**raw, **renamed, "temporary": temporary})


_ASKING_KEYS: Mapping[str, str] = {
    "cached": "answers_cached",
    "too_old": "answers_too_old",
    "may_stop": "may_stop_early",
    "graded": "grading_requests",
    "input": "input_tokens",
    "output": "output_tokens",
    "is_limited": "output_is_limit",
    "detectable": "detectable_difference",
    "independent": "independent_prompts",
}
"""Fields of an EvaluationCost → their keys in JSON, where these differ."""
_MOST_RECORDED = 1_000_000
_CODEC = Codec()
_HOSTING = tuple[HostingCost, ...]
_DATA = tuple[DataChange, ...]
