"""Rollback: the models that a deployment has served, and the one to which it goes back."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ftops.core.address import Address
from ftops.core.errors import Blocked, Diagnostic, UsageError
from ftops.core.resource_types import kind_of
from ftops.core.serving import Serving, serving_of
from ftops.core.snippets import command
from ftops.core.suggestions import did_you_mean
from ftops.planning.moves import located
from ftops.planning.pins import base_model, jobs_of
from ftops.planning.plan import PinTo
from ftops.session.session import Session
from ftops.state.state import Served, Status


class Candidate(Struct, frozen=True):
    """A model that was served. `number` counts back from the one that is served now, which has 0."""

    number: int
    served: Served
    is_there: bool


def candidates_of(session: Session, address: Address) -> list[Candidate]:
    """The newest first, each model once. Asks the service whether their jobs and models exist. Raises
    UsageError if there is no such deployment, ProviderError."""
    state = located(session.state, session.config)[0]
    _check(session, address)
    served = {row.model: row for row in state.served.get(address, ())}
    record = state.resources.get(address)
    now = record.inputs.get("model") if record else None
    rows = [*reversed(state.served.get(address, ()))]
    newest = list(dict.fromkeys(row.model for row in rows))
    jobs = {base_model(job): job for job in jobs_of(state)}
    wanted = {model: jobs[base] for model in newest if (base := model.partition(":ckpt")[0]) in jobs}
    seen = session.observe_all([*wanted.values()])
    there = {model for model, job in wanted.items() if _is_ready(seen.get(job.remote_id))}
    others = [model for model in newest if model != now]
    first = [Candidate(0, served[now], now in there)] if isinstance(now, str) and now in served else []
    return [*first, *(Candidate(n, served[m], m in there) for n, m in enumerate(others, 1))]


def _is_ready(status: Status | None) -> bool:
    return status is Status.READY


def _check(session: Session, address: Address) -> None:
    declared = [one for one in session.config.by_address if kind_of(one).serves]
    if not kind_of(address).serves or address not in declared:
        hint = did_you_mean(str(address), map(str, declared), nothing="the spec declares no deployments")
        raise UsageError(f"the spec declares no {address}", "only deployments can go back.", hint)
    if serving_of(session.config.by_address[address].inputs) is Serving.MANAGED:
        raise UsageError(
            f"{address} can't go back to a fine-tuned model",
            "on managed compute it serves a base model; fine-tuned models are adapters on it.",
            "name the deployment of an adapter",
        )


def choose(candidates: Sequence[Candidate], address: Address, to: str, reason: str, *, pinned: bool) -> PinTo:
    """The model to go back to: by its number or name; without one, the newest earlier one that exists. Raises
    Blocked if there is none, or it is gone."""
    earlier = [one for one in candidates if one.number]
    if not to:
        if pinned:
            hint = f"say which with --to, or {command('ftops', 'rollback', address, '--release')}"
            raise Blocked([Diagnostic(f"{address} is pinned already", _listed(candidates), hint)])
        found = next((one for one in earlier if one.is_there), None)
    else:
        found = next((one for one in candidates if to in (str(one.number), one.served.model)), None)
    if found is None:
        summary = f"{address} has served no model {to}" if to else f"there is no earlier model of {address}"
        raise Blocked([Diagnostic(summary, _listed(candidates), _KEEP)])
    if not found.is_there:
        summary = f"the model {found.served.model} doesn't exist any more"
        raise Blocked([Diagnostic(summary, _listed(candidates), _KEEP)])
    served = found.served
    return PinTo(served.model, served.trained_by, reason, served.evaluated)


_KEEP = (
    "to be able to go back next time, set `keep_models: 2` of the deployment: replaced models are kept then"
)


def _listed(candidates: Sequence[Candidate]) -> str:
    there = [f"{one.number}: {one.served.model}" for one in candidates if one.number and one.is_there]
    gone = sum(not one.is_there for one in candidates if one.number)
    if there:
        return f"These exist: {', '.join(there)}."
    return f"None of the {gone} earlier models exists any more." if gone else "It has served no other model."
