"""What training costs: epochs, prices, budgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ftops.catalog import Catalog, CatalogModel
from ftops.config.config import Budget, Resource
from ftops.config.sweeps import Stop
from ftops.core.address import Address
from ftops.core.errors import Place
from ftops.dataset.profile.profiler import Measured, Sums
from ftops.dataset.profile.statistics import statistics
from ftops.planning.cost import estimator
from ftops.planning.cost.budgets import over_budget, small_budgets
from ftops.planning.cost.durations import hours_between
from ftops.planning.estimate import (
    DataChange,
    Epochs,
    Estimate,
    HostingCost,
    TrainingCost,
    about,
    dollars,
    dollars_of,
)
from ftops.planning.plan import Plan
from ftops.planning.saved.plan_digest import PlanInputs
from ftops.planning.saved.plan_file import Origin, SavedPlan, parse_plan, plan_text
from ftops.views import money

JOB = Address("job", "a")


@pytest.mark.parametrize(
    ("wanted", "examples", "expected"),
    [
        (4, 10, Epochs(4)),
        ("auto", 10, Epochs(10, True)),
        (None, 1, Epochs(25, True)),
        (None, 33, Epochs(3, True)),
        (None, 34, Epochs(3, True)),
        ("auto", 40, Epochs(3, True)),
        (None, 8333, Epochs(3, True)),
        (None, 12_000, Epochs(2, True)),
        (None, 100_000, Epochs(1, True)),
        (None, 0, Epochs(3, True)),
        (True, 40, Epochs(3, True)),
    ],
)
def test_epochs(wanted: object, examples: int, expected: Epochs) -> None:
    """`auto` by the cookbook's rule; 40 examples gave 3 epochs in a recorded run of the service."""
    assert estimator.epochs(wanted, examples) == expected


def cost(model: CatalogModel | None, inputs: Mapping[str, Any]) -> TrainingCost:
    measured = Measured("", Sums(examples=10, tokens=16_000), b"")
    training_type = inputs.get("training_type", "standard")
    n_epochs = inputs.get("hyperparameters", {}).get("n_epochs")
    return estimator.training_cost(JOB, statistics(measured), model, "gpt-4.1", training_type, n_epochs)


def test_the_lab_example_of_the_service() -> None:
    """16,000 tokens in all at $2 a million were $0.032."""
    model = CatalogModel("gpt-4.1", "gpt-4.1", training_per_million={"global_standard": 2.0})
    found = cost(model, {"training_type": "global_standard", "hyperparameters": {"n_epochs": 1}})
    assert found.dollars == pytest.approx(0.032)
    assert money.training(found) == "about $0.03 (16,000 tokens × 1 epoch at $2.00 per 1M)"


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (
            None,
            "16,000 tokens × probably 10 epochs; no price of training gpt-4.1 (standard) in the catalogue",
        ),
        (
            CatalogModel("o4-mini", "o4-mini", training_per_hour=100.0),
            "$100.00 an hour of training, however long that takes",
        ),
    ],
)
def test_what_cannot_be_said_is_said(model: CatalogModel | None, told: str) -> None:
    found = cost(model, {})
    assert found.dollars is None
    assert money.training(found) == told


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-11-01T00:00:00.500Z", "2026-11-01T03:30:00.500Z", 3.5),
        ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z", None),
        ("", "2026-11-01T00:00:00Z", None),
        ("2026-11-01T00:00:00Z", None, None),
        ("2026-11-01T00:00:00", "2026-11-01T01:00:00Z", None),
    ],
)
def test_hours_between(start: str, end: str | None, hours: float | None) -> None:
    assert hours_between(start, end) == hours


def test_the_encoding_of_a_model() -> None:
    known = Catalog(
        {"own": CatalogModel("own", "own", encoding="cl100k_base")},
        encodings={"gpt-4": "cl100k_base", "gpt-4o": "o200k_base"},
    )
    names = ("own", "gpt-4-0613", "GPT-4o-mini-2024-07-18", "Llama")
    assert [known.encoding(n) for n in names] == ["cl100k_base", "cl100k_base", "o200k_base", ""]


def estimate(*dollars: float | None, per_hour: float = 0) -> Estimate:
    jobs = tuple(
        TrainingCost(
            Address("job", f"j{n}"),
            tokens=1_000_000,
            epochs=Epochs(1),
            per_million=d,
            note="" if d is not None else "no price",
        )
        for n, d in enumerate(dollars)
    )
    return Estimate(jobs, (HostingCost(Address("deployment", "d"), per_hour),))


@pytest.mark.parametrize(
    ("found", "budget", "severities"),
    [
        (estimate(5.0, 6.0), Budget(), []),
        (estimate(5.0, 6.0), Budget(training=11.0), []),
        (estimate(5.0, 6.0), Budget(training=10.99), ["error"]),
        (estimate(5.0, None), Budget(training=10.0), ["warning"]),
        (estimate(50.0, None), Budget(training=10.0), ["error", "warning"]),
        (estimate(0.01), Budget(training=0.0), ["error"]),
        (estimate(per_hour=1.7), Budget(hosting_per_hour=1.0), ["error"]),
        (estimate(per_hour=1.7), Budget(training=0.0), []),
    ],
)
def test_budgets(found: Estimate, budget: Budget, severities: list[str]) -> None:
    assert [d.severity for d in over_budget(found, budget)] == severities


def test_a_finding_stands_where_the_limit_is_written() -> None:
    place = Place("ftops.yaml", 3, 5, "  budget: {training: 1}")
    budget = Budget(training=1.0, places=(("training", place),))
    (found,) = over_budget(estimate(5.0), budget)
    assert found.place == place
    assert "job.j0: about $5.00" in found.detail


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "$0.00"), (1234.5, "$1,234.50"), (0.004, "$0.0040"), (0.00001, "less than $0.0001")],
)
def test_dollars(amount: float, text: str) -> None:
    assert dollars(amount) == text


@pytest.mark.parametrize(
    ("amounts", "texts"),
    [
        ([0.0058, 0.0039, None], ["$0.0058", "$0.0039"]),
        ([12.0, 0.25, 0.004, 0.00001], ["$12.00", "$0.2500", "$0.0040", "less than $0.0001"]),
        ([0.25, 0.0124], ["$0.25", "$0.01"]),
    ],
)
def test_amounts_of_a_column_can_be_compared(amounts: list[float | None], texts: list[str]) -> None:
    written = dollars_of(amounts)
    assert [written(amount) for amount in amounts if amount is not None] == texts


@pytest.mark.parametrize(
    ("amount", "at_most", "text"),
    [(1.5, False, "about $1.50"), (1.5, True, "at most about $1.50"), (0.00001, True, "less than $0.0001")],
)
def test_an_amount_is_about_what_is_said(amount: float, at_most: bool, text: str) -> None:
    assert about(amount, at_most=at_most) == text


def test_a_plan_with_all_of_an_estimate_is_written_and_read() -> None:
    found = Estimate(
        training=(
            TrainingCost(JOB, 10, 500, Epochs(3, True), 2, 3.5),
            TrainingCost(JOB, per_hour=100.0, note="by the hour"),
        ),
        hosting=(HostingCost(JOB, 1.7), HostingCost(JOB, None)),
        data=(DataChange(JOB, 1, 2, 3, 4, -5, -0.25), DataChange(JOB, note="not at hand")),
        is_rehearsal=True,
    )
    made = Plan("spec", "default", "lineage", 1, estimate=found)
    saved = SavedPlan(made, Origin("2026-01-01T00:00:00Z", "1", ".", "default"), PlanInputs())
    assert parse_plan(plan_text(saved), "plan.ft") == saved


SWEEP = Address("job", "s", None)
JOBS = tuple(SWEEP._replace(key=key) for key in "abc")


@pytest.mark.parametrize(
    ("costs", "stop", "said"),
    [
        (
            (5.0, 2.0, 3.0),
            Stop(JOBS, "median", dollars=1.5),
            "$1.50, is less than its smallest job needs, about $2.00",
        ),
        ((5.0, 2.0, 3.0), Stop(JOBS, "median", dollars=2.0), ""),
        ((5.0, None, 3.0), Stop(JOBS, "median", dollars=1.5), ""),
        ((5.0, 2.0), Stop(JOBS, "median", dollars=1.5), ""),
        ((5.0, 2.0, 3.0), Stop(JOBS, "median"), ""),
        ((0.00004, 0.00003, 0.1), Stop(JOBS, "median", dollars=0.00001), "$0.00001, is less"),
        ((5.0, None, 3.0), Stop(JOBS, "halving", tokens=3_999_999), "3,999,999 tokens, is less"),
        ((5.0, None, 3.0), Stop(JOBS, "halving", tokens=4_000_000), ""),
    ],
    ids=range(8),
)
def test_a_budget_for_less_than_one_job(costs: tuple[float | None, ...], stop: Stop, said: str) -> None:
    """Of a sweep whose jobs are all known."""
    place = Place("ftops.yaml", 9, 20)
    resources = {job: Resource(job, "p", {}, places={"stop.budget": place}) for job in JOBS}
    training = [
        TrainingCost(job, 10, 2_000_000, Epochs(2), per_million=None if cost is None else cost / 4)
        for job, cost in zip(JOBS, costs, strict=False)
    ]
    found = list(small_budgets(training, {SWEEP: stop}, resources))
    assert [(one.severity, one.place) for one in found] == [("warning", place)] * bool(said)
    assert said in "".join(one.summary for one in found)
