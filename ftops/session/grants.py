"""Grants: the use cases of recording an approval, and of continuing what it approved.

A grant is continued from the recorded plan and spec. The working copy, which may have moved on, gives only
what isn't recorded: how to reach the accounts, secrets, and files that are still to be sent. All of these
must be those that were approved.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.config import Config, Resource
from ftops.config.graph import build
from ftops.config.policy import Policy
from ftops.core.address import Secret, Secrets, Value, secrets
from ftops.core.durations import seconds_of
from ftops.core.errors import Diagnostic, FtopsError
from ftops.core.resource_types import kind_of
from ftops.core.timestamps import iso_timestamp
from ftops.planning.estimate import about, dollars
from ftops.planning.grants import Residual, options_left, residual, retraining
from ftops.planning.plan import MAKING, Change, Mode, Options, Plan
from ftops.planning.saved.grant_record import GrantRecord, read_record, record_text, recorded_config
from ftops.planning.saved.plan_digest import destination_of, elsewhere, plan_digest
from ftops.planning.saved.plan_file import SavedPlan
from ftops.session.own_marks import is_marked, own_objects, set_marks
from ftops.session.session import Session
from ftops.state.backends.base import fact, lock_info
from ftops.state.state import Grant, recorded_objects

LASTS = 14 * 86400.0
"""How long an approval lasts, in seconds, if the spec sets no other time."""
_MARKS = "grants"
_SHOWN = 5
"""How many steps a refusal names."""


class GrantRefused(FtopsError):
    """A grant can't be continued: it has expired, or what is left isn't what was approved."""

    exit_code = 3


class Denied(GrantRefused):
    """The policy has changed since the approval, and denies what is left."""

    def __init__(self, grant: Grant, findings: Iterable[Diagnostic]) -> None:
        super().__init__(
            "the policy has changed since the approval, and denies what is left to do",
            f"{_shown(grant)} Nothing more is started; jobs in progress go on.",
            "change the rule, override it in `overrides` of the spec, or approve another plan",
        )
        self._found = (*self.diagnostics, *findings)


class Rest(Struct, frozen=True):
    """What is left of a grant, and the session to apply it with. `grant` is what is recorded when it is
    applied."""

    session: Session
    grant: Grant
    residual: Residual

    @property
    def plan(self) -> Plan:
        return self.residual.plan


def grant_of(session: Session, saved: SavedPlan) -> Grant | None:
    """The grant to record with the first run of an approved plan; None if there is nothing to continue
    later."""
    plan, config = saved.plan, session.config
    if not plan.approved_changes or plan.mode is Mode.REFRESH_ONLY:
        return None
    now, info = datetime.now(UTC), lock_info("", "apply", "")
    lasts = seconds_of(str(config.state.settings.get("approval_max_age") or "")) or LASTS
    grant = Grant(
        plan_digest(plan),
        iso_timestamp(now),
        iso_timestamp(now + timedelta(seconds=lasts)),
        tuple(dict.fromkeys(change.address for change in plan.approved_changes)),
        record_text(saved, config),
        who=fact(os.environ, "FTOPS_APPROVED_BY") or info.by,
        run=info.run_url,
        pull_request=info.pull_request,
        commit=info.commit,
        budget=config.budget.training,
        spent=plan.estimate.dollars,
    )
    set_marks(session, _MARKS, {_name(grant): _mark(grant)}, list(map(_name, session.state.grants.values())))
    return grant


def expiry(grant: Grant) -> GrantRefused | None:
    """The error if a grant has expired."""
    if datetime.now(UTC) < datetime.fromisoformat(grant.expires):
        return None
    return GrantRefused(
        "the approval has expired",
        f"{_shown(grant)} It was valid until {grant.expires}.",
        "plan again, read it, and approve that; jobs in progress are continued, not started again",
    )


def goes_on_with(session: Session, made: Plan, grant: Grant) -> bool:
    """Whether a plan of the whole spec does what is left of a grant, and nothing else."""
    try:
        approved = read_record(grant).saved.plan
    except FtopsError:
        return False  # another version of ftops wrote it
    left = residual(approved, made, session.state, retry=True)
    declared = {change.address for change in approved.changes if change.action in MAKING}
    steps = {change.step for change in left.plan.changes}
    return (
        declared <= session.config.by_address.keys()
        and not (left.foreign or left.changed)
        and steps == {change.step for change in made.approved_changes}
    )


def plan_rest(
    session: Session,
    grant: Grant,
    with_files: Callable[[], Config],
    *,
    retry: bool,
    parallelism: int = 10,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Rest:
    """What is left of a grant. `session` is of the working copy, `with_files` gives its spec with the content
    of its files. With `retry`, what failed is made again. Only within `locked`. Raises GrantRefused."""
    _check_valid(session, grant)
    try:
        record = read_record(grant)
    except FtopsError as error:
        raise GrantRefused(error.summary, f"{_shown(grant)} {error.detail}", error.hint) from error
    approved, working = record.saved.plan, session.config
    _check_objects(session, grant, approved)
    _check_place(session, grant, record)
    config = recorded_config(record, working, _known_secrets(record, working, grant))

    def planned(config: Config) -> tuple[Session, Residual]:
        sub = replace(session, config=config, graph=build(config), is_continuing=True)
        again = sub.plan(
            options_left(record.saved.options, approved, session.state),
            preflight=False,
            priced=False,
            parallelism=parallelism,
            on_progress=on_progress,
        )
        if not set(again.moves) <= set(approved.moves):
            raise _refused(grant, "other resources would be moved")
        return sub, residual(approved, again, session.state, retry=retry)

    sub, left = planned(config)
    if steps := [change for change in left.plan.changes if _sends_files(change)]:
        sub, left = planned(_with_files(config, steps, with_files(), grant))
    _check_steps(grant, left)
    _check_policy(sub, working.policy, grant, record, left)
    return Rest(sub, _paid(grant, record, left), left)


def _check_valid(session: Session, grant: Grant) -> None:
    if expired := expiry(grant):
        raise expired
    if not is_marked(session, _MARKS, _name(grant), _mark(grant)):
        raise _not_trusted(grant, "the approval", "It")


def _check_objects(session: Session, grant: Grant, approved: Plan) -> None:
    """Raises GrantRefused if the state has other objects than the plan was made with, or than were recorded
    since then here."""
    state, own = session.state, own_objects(session)
    named = {change.remote_id for change in approved.changes}
    for (address, _), record in recorded_objects(state.resources, state.deposed):
        if address in grant.addresses and record.remote_id not in named and record.remote_id not in own:
            raise _not_trusted(grant, str(address), f"The object {record.remote_id}")


def _not_trusted(grant: Grant, what: str, it: str) -> GrantRefused:
    return GrantRefused(
        f"{what} can't be trusted here",
        f"{_shown(grant)} {it} is in a local state that isn't encrypted, and wasn't recorded on this "
        "machine: it may come from somebody else's checkout.",
        "store the state in a bucket, encrypt it, or approve a plan here",
    )


def _check_place(session: Session, grant: Grant, record: GrantRecord) -> None:
    """Raises GrantRefused if the working copy leads to another account or state."""
    approved, state, config = record.saved.plan, session.state, session.config
    used = {resource.provider for resource in record.spec.resources}
    used |= {state.resources[a].provider for a in grant.addresses if a in state.resources}
    if lacking := used - config.providers.keys():
        raise _refused(grant, f"the spec has no provider {min(lacking)} any more")
    spec = record.spec
    config = replace(config, drift=spec.drift, variables=spec.variables, given=spec.given)
    now = destination_of(config, replace(approved, lineage=state.lineage))
    now = replace(now, policies=approved.destination.policies)  # the recorded ones count
    then, now = (
        replace(place, providers={n: p for n, p in place.providers.items() if n in used})
        for place in (approved.destination, now)
    )
    if found := elsewhere(then, now):
        raise _refused(grant, "; ".join(found))


def _check_steps(grant: Grant, left: Residual) -> None:
    if not left.foreign:
        return
    words = [f"{step}: {why}" for step, why in list(left.foreign.items())[:_SHOWN]]
    more = len(left.foreign) - len(words)
    listed = "; ".join([*words, *([f"{more} more"] if more > 0 else [])])
    raise _refused(grant, f"what is left to do ({plan_digest(left.plan)}) isn't part of it: {listed}")


def _check_policy(
    session: Session, policy: Policy, grant: Grant, record: GrantRecord, left: Residual
) -> None:
    """Raises Denied if rules that weren't in force at the approval deny what is left. Equal rules aren't
    judged again, unless an override of one has ended."""
    approved, today = record.saved.plan, datetime.now(UTC).date()
    lifted = {one.rule: one.reason for one in approved.policy.overridden if not one.has_ended(today)}
    is_equal = policy.digest == approved.destination.policies.get("policy", "")
    if is_equal and len(lifted) == len(approved.policy.overridden):
        return
    overridable = {rule.name for rule in policy.rules if rule.overridable}
    options = Options(rule_overrides={name: why for name, why in lifted.items() if name in overridable})
    judged = session.judged(left.plan, policy, options, approved.estimate.training)
    denied = [finding for finding in judged.findings if finding.severity == "error"]
    if denied:
        raise Denied(grant, denied)


def _known_secrets(record: GrantRecord, working: Config, grant: Grant) -> Secrets:
    """The values of the secrets in the recorded spec."""
    values: list[Value] = [v for r in record.spec.resources for v in r.inputs.values()]
    wanted = secrets([*values, *(output.value for output in record.spec.outputs)])
    known: dict[Secret, Any] = dict(working.secrets)
    for secret in wanted:
        if secret not in known and secret.scope == "env" and secret.name in os.environ:
            known[secret] = os.environ[secret.name]
        if secret not in known:
            raise _refused(grant, f"the value of {secret} isn't known: the spec doesn't have it any more")
    return known


def _sends_files(change: Change) -> bool:
    return change.action in MAKING and any(
        isinstance(change.after.get(name), str) for name in kind_of(change.address).files
    )


def _with_files(config: Config, steps: list[Change], working: Config, grant: Grant) -> Config:
    """The recorded spec with the files of the working copy, which must be those that were approved."""
    found, recorded = working.by_address, config.by_address
    for address in {change.address for change in steps}:
        one = found.get(address)
        if one is None or one.inputs.get("content") != recorded[address].inputs.get("content"):
            commit = f" (commit {grant.commit[:12]})" if grant.commit else ""
            raise _refused(
                grant,
                f"the files of {address} are still to be sent, and the working copy has others",
                f"check out what was approved{commit} and run `ftops reconcile` there; or plan again",
            )
    sent = {change.address for change in steps}
    resources = (_sent_from(found[r.address], r) if r.address in sent else r for r in config.resources)
    return replace(config, resources=tuple(resources))


def _sent_from(working: Resource, recorded: Resource) -> Resource:
    """The recorded resource with the derived file of the working copy, which is of the same content."""
    derived = {name: value for name, value in working.inputs.items() if name == "file"}
    return replace(recorded, inputs={**recorded.inputs, **derived}, summary=working.summary)


def _paid(grant: Grant, record: GrantRecord, left: Residual) -> Grant:
    """The grant with what jobs cost that are trained once more. Raises GrantRefused if it is too much."""
    costs = {cost.address: cost.dollars for cost in record.saved.plan.estimate.training}
    again = [costs.get(address) for address in retraining(left.plan, left.failed)]
    spent = grant.spent + sum(cost or 0 for cost in again)
    if grant.budget is None:
        return replace(grant, spent=spent)
    if None in again:
        raise _refused(grant, "what it costs to train once more isn't known, and the approval has a budget")
    if again and spent > grant.budget:
        raise _refused(
            grant,
            f"training once more would cost {about(spent)} in all, and {dollars(grant.budget)} are approved",
            "raise `ftops: {budget: {training: …}}`, and approve a new plan",
        )
    return replace(grant, spent=spent)


def _refused(grant: Grant, why: str, hint: str = "plan again, read it, and approve that") -> GrantRefused:
    return GrantRefused("the approval doesn't cover what is left to do", f"{_shown(grant)} {why}.", hint)


def _shown(grant: Grant) -> str:
    where = "".join(
        [
            f", pull request {grant.pull_request}" * bool(grant.pull_request),
            f", commit {grant.commit[:12]}" * bool(grant.commit),
            f", {grant.run}" * bool(grant.run),
        ]
    )
    return f"Approved: {grant.digest}, by {grant.who} at {grant.at}{where}."


def _name(grant: Grant) -> str:
    return grant.digest.rpartition(":")[2]


def _mark(grant: Grant) -> bytes:
    text = "\n".join([grant.digest, grant.at, grant.expires, str(grant.budget), grant.record])
    return sha256(text.encode()).hexdigest().encode()
