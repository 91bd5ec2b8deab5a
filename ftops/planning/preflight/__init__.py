"""Preflight: finds before an apply what the plan would fail on.

`run_preflight` asks the accounts what they offer and allow. The rules are pure: Situation → Diagnostics, an
error if apply would fail, a warning if it might. What isn't known isn't checked; what an account reports
takes precedence over the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from typing import NamedTuple

from msgspec.structs import replace

from ftops import catalog
from ftops.config.accounts import accounts_of, placeholders_left
from ftops.config.config import Config, Resource
from ftops.core.address import Address, Json
from ftops.core.errors import Diagnostic, Permanent, ProviderError
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.planning.estimate import Temporary
from ftops.planning.plan import MAKING, Action, Change, Plan, Reason
from ftops.planning.preflight import account, limits, managed, models, retirement
from ftops.planning.preflight.context import OwnerOf, Situation, text, unowned
from ftops.planning.preflight.graders import ask_about_graders, refused_graders
from ftops.planning.preflight.shortage import relief
from ftops.providers.account_facts import AccountFacts, ManagedFacts
from ftops.providers.base import Inspects, InspectsManaged, Provider

__all__ = ["RULES", "Situation", "check", "check_offline", "check_spec", "run_preflight"]

Rule = Callable[[Situation], Iterable[Diagnostic]]

RULES: tuple[Rule, ...] = (
    account.reachable,
    account.roles,
    account.settled,
    account.described,
    account.long_enough,
    account.taken,
    account.shared,
    account.spills_over,
    models.known,
    models.spelled,
    models.tunable,
    models.versioned,
    models.method,
    models.training_type,
    models.training_type_listed,
    retirement.training_retires,
    retirement.inference_retires,
    models.checkpointed,
    models.format_,
    models.sku,
    retirement.aged,
    managed.asset_known,
    managed.target_fits,
    managed.target_takes_adapters,
    managed.target_exists,
    managed.quota,
    limits.quota,
    limits.slots,
    limits.numbers,
    limits.file_size,
    limits.all_file_sizes,
    limits.running_jobs,
)


OFFLINE_RULES: tuple[Rule, ...] = (
    account.long_enough,
    account.shared,
    models.known,
    models.versioned,
    models.method,
    models.training_type,
    models.training_type_listed,
    models.checkpointed,
    models.sku,
    managed.asset_known,
    managed.target_fits,
    limits.file_size,
)
"""Those that the spec and the catalogue alone can answer."""


def check(situation: Situation, rules: Iterable[Rule] = RULES) -> tuple[Diagnostic, ...]:
    """Errors first, then by place."""
    return _sorted(diagnostic for rule in rules for diagnostic in rule(situation))


def _sorted(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(found, key=lambda d: (d.severity != "error", d.sort_key)))


class Found(NamedTuple):
    """What preflight finds: diagnostics, for which steps of the plan others have to make room first, and what
    the accounts said."""

    findings: tuple[Diagnostic, ...] = ()
    room: Mapping[str, tuple[str, ...]] = {}
    accounts: Mapping[str, AccountFacts] = {}
    """What the accounts said, by provider, if they could be asked."""


def make_room(situation: Situation) -> Mapping[str, tuple[str, ...]]:
    """Steps → others that they have to wait for, beside those of the plan, so that what these free is there
    for them. No more than is needed, and nothing where their order doesn't allow it."""
    order = situation.order()
    room: dict[str, tuple[str, ...]] = {}
    for ledger in limits.ledgers(situation):
        for step, other in relief(ledger.takes, ledger.left, order):
            room[step] = (*room.get(step, ()), other)
    return room


def run_preflight(
    plan: Plan,
    config: Config,
    resources: Mapping[Address, Resource],
    providers: Callable[[str], Provider],
    environ: Mapping[str, str],
    today: date,
    temporary: Mapping[Address, Sequence[Temporary]] = {},
    owner_of: OwnerOf = unowned,
    *,
    is_read_only: bool = False,
) -> Found:
    """The findings of all rules, after room was made. Asks each account once, all at the same time, and only
    those in which the plan creates or changes objects, unless placeholders name them. `temporary` are the
    deployments that evaluations will create. `owner_of`: see `OwnerOf`. `is_read_only`: what the identity may
    change says nothing about that of the apply."""
    kinds: dict[str, set[str]] = {}
    for change in plan.changes:
        if change.action in MAKING:
            kinds.setdefault(change.provider, set()).add(change.address.kind)
    blank = {name: left for name in sorted(kinds) if (left := placeholders_left(config.providers[name]))}
    unfilled = [replace(left, summary=f"provider {name}: {left.summary}") for name, left in blank.items()]
    asked = {name: providers(name) for name in sorted(kinds) if name not in blank}
    able = {name: provider for name, provider in asked.items() if isinstance(provider, Inspects)}
    if not able:
        return Found(tuple(unfilled))
    situation = Situation(
        plan.changes,
        resources,
        {},
        catalog.load(config.project, environ),
        today,
        {name: declared.place for name, declared in config.providers.items()},
        accounts_of(config),
        plan.known,
        temporary=temporary,
        owner_of=owner_of,
    )
    with ThreadPoolExecutor(len(able), "preflight") as pool:
        graders = ask_about_graders(plan.changes, asked, config.secrets, pool)
        replies = {name: pool.submit(provider.inspect, kinds[name]) for name, provider in able.items()}
        situation, unasked = _asked(situation, asked, replies, is_read_only=is_read_only)
    refused = refused_graders(situation, graders, config.secrets)
    room = make_room(situation)
    if room:
        situation = replace(situation, changes=_in_order(plan.making_room(room)))
    found = _sorted((*check(situation), *refused))
    return Found((*unfilled, *unasked, *found), room, situation.accounts)


def _asked(
    situation: Situation,
    providers: Mapping[str, Provider],
    replies: Mapping[str, Future[AccountFacts]],
    *,
    is_read_only: bool,
) -> tuple[Situation, list[Diagnostic]]:
    """With what the accounts replied, and a diagnostic about each that couldn't be asked."""
    accounts: dict[str, AccountFacts] = {}
    on_gpus: dict[str, ManagedFacts] = {}
    unasked: list[Diagnostic] = []
    wanted = managed.wanted(situation.changes)
    for name, reply in replies.items():
        try:
            facts = reply.result()
            accounts[name] = replace(facts, may_train=None, may_deploy=None) if is_read_only else facts
            provider = providers[name]
            if name in wanted and isinstance(provider, InspectsManaged):
                on_gpus[name] = provider.inspect_managed(facts.location)
        except ProviderError as error:
            unasked.append(_not_asked(situation, name, error))
    return replace(situation, accounts=accounts, managed=on_gpus), unasked


def _not_asked(situation: Situation, provider: str, error: ProviderError) -> Diagnostic:
    """An account that couldn't be asked: an error if that won't change by itself."""
    severity = "error" if isinstance(error, Permanent) else "warning"
    summary = error.summary.removeprefix(f"provider {provider}: ")
    return situation.about_provider(provider, summary, error.detail, error.hint, severity)


def _in_order(plan: Plan) -> tuple[Change, ...]:
    """The changes, each with all that it waits for."""
    waits_for = plan.waits_for
    return tuple(replace(change, waits_for=waits_for[change.step]) for change in plan.changes)


def check_spec(config: Config, environ: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """What the catalogue tells of all resources of a spec. No account is asked."""
    return check_offline(as_new(config), config, config.by_address, environ)


def as_new(config: Config) -> list[Change]:
    """The changes of a spec of which nothing exists."""
    return [
        Change(
            str(r.address),
            r.address,
            Action.CREATE,
            Reason("declared", ""),
            r.provider,
            after=r.inputs,
            facts=r.facts,
        )
        for r in config.resources
    ]


def check_offline(
    changes: Sequence[Change],
    config: Config,
    resources: Mapping[Address, Resource],
    environ: Mapping[str, str],
    values: Mapping[str, Json] = {},
) -> tuple[Diagnostic, ...]:
    """The findings of the rules that the catalogue alone can answer."""
    accounts = {
        name: AccountFacts(name, text(declared.settings, "location"), service=declared.type)
        for name, declared in config.providers.items()
        if PROVIDER_TYPES[declared.type].is_billed
    }
    if not any(change.provider in accounts for change in changes):
        return ()
    known = catalog.load(config.project, environ)
    situation = Situation(
        tuple(changes), resources, accounts, known, date.max, homes=accounts_of(config), known=values
    )
    return check(situation, OFFLINE_RULES)
