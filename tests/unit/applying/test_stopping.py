"""Which jobs of a sweep a run stops, beside jobs that can't become the best one."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ftops.applying.stopping import Stopping
from ftops.config.sweeps import Stop
from ftops.core.address import Address
from ftops.providers.base import Progress
from ftops.state.live_state import LiveState
from ftops.state.state import ResourceState, Status
from tests.support.records import DATA, record, state_of

SWEEP = Address("job", "s")
LOSSES = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
JOBS = tuple(SWEEP._replace(key=key) for key in LOSSES)
MEDIAN = Stop(JOBS, "median", "loss", after=1, min_jobs=1)
HALVING = Stop(JOBS, "halving", "loss", after=1, min_jobs=1, factor=4)
BUDGET = replace(MEDIAN, after=99, tokens=350)


def job(address: Address, status: Status) -> ResourceState:
    inputs = {"hyperparameters": {"n_epochs": 1, "batch_size": 1}, "training": "dataset-train"}
    return record(address, str(address.key), status=status, inputs=inputs, dependencies=(DATA,))


def stopped(stop: Stop, **statuses: Status) -> set[str]:
    """Of jobs that have trained one of their ten steps, by key; others than these are in progress."""
    jobs = [job(address, statuses.get(str(address.key), Status.PENDING)) for address in JOBS]
    data = record(DATA, outputs={"examples": 10, "tokens": 300})
    live = LiveState(state_of([data, *jobs]))
    stopping = Stopping({SWEEP: stop}, live, lambda _: 1.0, ())
    for key, loss in LOSSES.items():
        stopping.add(key, [Progress("", None, {"step": 1, "loss": loss})], "")
    running = [one for one in jobs if one.status is Status.PENDING]
    return {str(one.address.key) for one in running if stopping.decide(one.address)}


@pytest.mark.parametrize(
    ("stop", "statuses", "losers"),
    [
        (HALVING, {}, {"b", "c", "d"}),
        (HALVING, {"a": Status.READY}, {"b", "c", "d"}),
        (HALVING, {"a": Status.TAINTED}, {"c", "d"}),
        (MEDIAN, {}, {"c", "d"}),
        (MEDIAN, {"a": Status.TAINTED, "b": Status.TAINTED}, {"d"}),
        (BUDGET, {}, {"b", "c", "d"}),
        (BUDGET, {"a": Status.TAINTED}, {"c", "d"}),
    ],
)
def test_no_job_is_stopped_in_favour_of_one_that_has_failed(
    stop: Stop, statuses: dict[str, Status], losers: set[str]
) -> None:
    assert stopped(stop, **statuses) == losers
