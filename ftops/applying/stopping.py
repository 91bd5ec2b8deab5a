"""Stopping: which jobs of a sweep its rule stops, by the events that their service has of them.

Decisions are recorded as `stopped` in the outputs of a job before it is cancelled. So a run that is killed in
between goes on with that, and one that is killed earlier decides again: the events are still at the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from ftops.config.sweeps import Stop, Stops, has_result
from ftops.core.address import Address, Json
from ftops.core.dag_executor import Call
from ftops.core.errors import Permanent, ProviderError
from ftops.core.measures import Measure
from ftops.core.nested import object_at
from ftops.core.resource_types import kind_of
from ftops.planning.early_stopping import Curve, Loss, Spending, curve_of, is_used_up, leader, losing
from ftops.planning.estimate import dollars
from ftops.planning.refresh import Reader
from ftops.providers.base import Controls, PollResult, Progress, Provider
from ftops.providers.training_run import WatchesTraining, newest
from ftops.state.live_state import LiveState
from ftops.state.state import ResourceState, Status

Prices = Callable[[ResourceState], float | None]
"""US dollars per million training tokens of a job."""


class Stopping:
    """The sweeps of a run whose jobs are stopped early; used by one thread."""

    def __init__(self, stops: Stops, live: LiveState, price: Prices, anew: Iterable[Address]) -> None:
        self._all = tuple(stops.values())
        self._stops = {job: stop for stop in self._all for job in stop.jobs}
        self._live, self._price = live, price
        self._former = frozenset(live.resources[job].remote_id for job in anew if job in live.resources)
        """The IDs of jobs that are replaced: they count no more."""
        self._rows: dict[str, list[Mapping[str, Any]]] = {}
        self._curves: dict[str, Curve] = {}
        self._measured: dict[str, tuple[str, int]] = {}
        """The metric of each curve, and from how many rows it was made."""
        self.seen: dict[str, str] = {}
        """The newest event of each job that was read. All by the ID of the job."""

    def read(self, reader: Reader) -> None:
        """Reads the events of all jobs that are recorded: what earlier runs have seen of them."""
        jobs = [job for stop in self._all for job in self._jobs(stop)]
        calls = {
            job.remote_id: (job.provider, partial(self.events, reader.providers(job.provider), job, ""))
            for job in jobs
            if not job.is_off
        }
        for job, (lines, seen) in reader.gather(calls).items():
            self.add(job, lines, seen)

    def watches(self, job: ResourceState, provider: Provider) -> bool:
        """Whether an object is a job of a sweep with a rule, of which the provider lists the events."""
        return job.address in self._stops and isinstance(provider, WatchesTraining)

    @staticmethod
    def events(provider: Provider, job: ResourceState, seen: str) -> tuple[list[Progress], str]:
        """New events of a job, and the newest one. An error means none: they are read again later."""
        if not isinstance(provider, WatchesTraining):
            return [], seen
        try:
            found = provider.job_events(job, seen)
        except ProviderError:
            return [], seen
        return [event.progress for event in found], newest(found, seen)

    def cancelling(self, job: ResourceState, provider: Provider, check: Callable[[], None]) -> Call:
        """The call that asks the service to end a job. It may have ended meanwhile."""

        def cancel() -> object:
            check()
            refusal = None
            try:
                if isinstance(provider, Controls):
                    provider.control(job, "cancel")
            except Permanent as error:
                refusal = error
            remote = provider.read(job)
            if refusal and remote is not None and remote.status is Status.PENDING:
                raise refusal
            return remote and PollResult(remote, (), self.seen.get(job.remote_id, ""), is_cancelled=True)

        return cancel

    def add(self, job: str, lines: Iterable[Progress], seen: str) -> None:
        """New events of a job, and the newest of them."""
        self._rows.setdefault(job, []).extend(line.metrics for line in lines if "step" in line.metrics)
        self.seen[job] = seen

    def _jobs(self, stop: Stop) -> list[ResourceState]:
        """The recorded jobs of a sweep that count."""
        known = (self._live.resources.get(job) for job in stop.jobs)
        return [record for record in known if record and record.remote_id not in self._former]

    def _results(self, stop: Stop) -> list[ResourceState]:
        """Those that are a result or become one. No job is stopped in favour of one that has failed, or was
        cancelled elsewhere."""
        return [job for job in self._jobs(stop) if job.status is not Status.TAINTED]

    def decide(self, address: Address) -> dict[str, Json]:
        """What is recorded of a job that is stopped now; empty if it goes on. A job of another state isn't
        this one's to stop."""
        stop, record = self._stops.get(address), self._live.resources.get(address)
        if stop is None or record is None or record.shared or record.stopped:
            return {}
        curves = self._curves_of(stop)
        step, steps = self._step(record), self._steps(record)
        if steps is not None and step >= steps:
            return {}
        left = {job.address for job in self._results(stop) if has_result(job.outputs)}
        if loss := losing(address, curves, stop, left):
            return self._said(record, stop.rule, self._reason(stop, loss), step)
        if full := self._no_room(stop, curves, address):
            reason = f"{full}; with a larger one, --replace trains it"
            return {**self._said(record, "budget", reason, step), "budget": stop.budget}
        return {}

    def starts(self, address: Address) -> dict[str, Json]:
        """What is recorded of a job that isn't started, because the budget is used up; empty if it may be."""
        stop = self._stops.get(address)
        full = self._no_room(stop, self._curves_of(stop), address) if stop else ""
        if stop is None or not full:
            return {}
        return {"rule": "budget", "reason": f"{full}; a larger one starts it", "budget": stop.budget}

    def _curves_of(self, stop: Stop) -> dict[Address, Curve]:
        jobs, measure = self._results(stop), self._measure(stop)
        if measure is None:
            return {}
        for job in jobs:
            rows = self._rows.get(job.remote_id, [])
            if self._measured.get(job.remote_id) != (measure.name, len(rows)):
                self._measured[job.remote_id] = measure.name, len(rows)
                self._curves[job.remote_id] = curve_of(rows, measure)
        return {job.address: curve for job in jobs if (curve := self._curves[job.remote_id]).steps}

    def _measure(self, stop: Stop) -> Measure | None:
        return stop.measure([row for job in self._jobs(stop) for row in self._rows.get(job.remote_id, ())])

    def _reason(self, stop: Stop, loss: Loss) -> str:
        measure = self._measure(stop)
        assert measure is not None  # noqa: S101 - there are curves of it
        value, bound = measure.rank(loss.value), measure.rank(loss.bound)  # a rank of a rank is the value
        digits = next((n for n in range(4, 9) if f"{value:.{n}g}" != f"{bound:.{n}g}"), 9)
        at = f"at step {loss.step}, {measure.name} {value:.{digits}g}"
        if not loss.kept:
            return f"{at} was worse than the median of {loss.others} other jobs, {bound:.{digits}g}"
        first = "only the first goes on" if loss.kept == 1 else f"the first {loss.kept} go on"
        return f"{at} was in place {loss.place} of {loss.others + 1}; {first} (up to {bound:.{digits}g})"

    def _said(self, record: ResourceState, rule: str, reason: str, step: int) -> dict[str, Json]:
        """With what is saved, if that is known."""
        said: dict[str, Json] = {"rule": rule, "reason": reason, "step": step}
        steps, tokens = self._steps(record), self._tokens(record)
        if steps and tokens:
            saved, price = round(tokens * (1 - min(step, steps) / steps)), self._price(record)
            said["tokens_saved"] = saved
            if price is not None:
                said["dollars_saved"] = round(saved * price / 1e6, 4)
        return said

    # budgets

    def _no_room(self, stop: Stop, curves: Mapping[Address, Curve], address: Address) -> str:
        """Why the budget is only enough for another job than this one; empty if it isn't used up."""
        limit = stop.dollars if stop.tokens is None else float(stop.tokens)
        if limit is None:
            return ""
        jobs = self._jobs(stop)
        spent = {job.address: one for job in jobs if (one := self._spending(job, stop))}
        left = [job.address for job in self._results(stop) if not job.stopped]
        kept = leader(left, curves, spent)
        if address == kept or not is_used_up(spent, kept, limit):
            return ""
        used = sum(one.done for one in spent.values())
        rest = ", the rest is kept for the best job" if kept and used < limit else ""
        has_room = f"the budget of its sweep ({_amount(stop, limit)}) has no room for it"
        return f"{has_room}: {_amount(stop, used)} {'are' if stop.tokens else 'is'} used{rest}"

    def _spending(self, record: ResourceState, stop: Stop) -> Spending | None:
        """None if it isn't known what a job costs."""
        trained, whole = record.outputs.get("trained_tokens"), self._tokens(record)
        if isinstance(trained, int) and record.status is Status.READY:
            done, whole = float(trained), trained
        elif whole is None:
            return None
        else:
            steps = self._steps(record)
            done = whole * min(1.0, self._step(record) / steps) if steps else 0.0
        if stop.tokens is not None:
            return Spending(done, whole)
        price = self._price(record)
        return None if price is None else Spending(done * price / 1e6, whole * price / 1e6)

    def _step(self, record: ResourceState) -> int:
        """The last step that was heard of."""
        steps = (row["step"] for row in self._rows.get(record.remote_id, ()))
        return int(max(steps, default=record.stopped.get("step") or 0))

    def _steps(self, record: ResourceState) -> int | None:
        epochs, batch = _chosen(record, "n_epochs"), _chosen(record, "batch_size")
        examples = self._data(record).get("examples")
        return epochs * -(-examples // batch) if epochs and batch and isinstance(examples, int) else None

    def _tokens(self, record: ResourceState) -> int | None:
        """Those that it is billed for if it isn't stopped."""
        epochs, tokens = _chosen(record, "n_epochs"), self._data(record).get("tokens")
        return epochs * tokens if epochs and isinstance(tokens, int) else None

    def _data(self, record: ResourceState) -> Mapping[str, Json]:
        """What is recorded of its training data."""
        needs = (self._live.resources.get(need) for need in record.dependencies)
        wanted = record.inputs.get("training")
        found = (r for r in needs if r and kind_of(r.address).is_data and r.remote_id == wanted)
        return next((one.outputs for one in found), {})


def _amount(stop: Stop, amount: float) -> str:
    """In the unit of a budget."""
    return dollars(amount) if stop.tokens is None else f"{round(amount):,} tokens"


def _chosen(record: ResourceState, name: str) -> int | None:
    """A hyperparameter as the service has chosen it, or as it was asked for."""
    for tree in (record.outputs, record.inputs):
        value = object_at(tree, "hyperparameters").get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None
