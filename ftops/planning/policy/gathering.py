"""Gathering: what the rules in force need to know of a plan, and no more. Asks accounts and reads folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path

from msgspec.structs import replace

from ftops import catalog
from ftops.config.accounts import accounts_of
from ftops.config.config import Config, Resource
from ftops.core.address import Address
from ftops.core.errors import Diagnostic, ProviderError
from ftops.core.project import CATALOG_FILE
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.planning.estimate import Estimate
from ftops.planning.plan import Action, Plan
from ftops.planning.policy.conditions import CONDITIONS
from ftops.planning.policy.context import MAKES, Context
from ftops.planning.policy.data_sources import data_sources
from ftops.planning.preflight.context import Situation
from ftops.providers.account_facts import AccountFacts
from ftops.providers.base import Inspects, Provider

Estimates = Callable[[Plan, Mapping[Address, Resource], Path | None], tuple[Estimate, tuple[Diagnostic, ...]]]
_TAKEN = frozenset({Action.ADOPT, Action.RESTORE})
"""Judged as if it were created."""


def gather(
    plan: Plan,
    config: Config,
    resources: Mapping[Address, Resource],
    accounts: Mapping[str, AccountFacts],
    ask: Callable[[str], Provider] | None,
    estimated: Estimates,
    today: date,
) -> Context:
    """`accounts` are those that preflight has asked; `ask` opens a provider to ask others, if that is
    possible; `estimated` counts the costs with the catalogue of a project, or none."""
    rows = [CONDITIONS[rule.condition] for rule in config.policy.rules]
    if ask is not None and any(row.asks_accounts for row in rows):
        accounts = {**accounts, **_asked(plan, ask, accounts)}
    estimates: tuple[Estimate, ...] = (plan.estimate,)
    if any(row.counts_costs for row in rows) and os.path.lexists(config.project / CATALOG_FILE):
        estimates = (*estimates, estimated(plan, resources, None)[0])
    made = [change.address for change in plan.changes if change.action in MAKES]
    reads = any(row.reads_data for row in rows)
    return Context(
        plan,
        config,
        _situation(plan, config, resources, accounts, today),
        estimates,
        data_sources(made, resources, config) if reads else {},
    )


def _asked(
    plan: Plan, ask: Callable[[str], Provider], known: Mapping[str, AccountFacts]
) -> dict[str, AccountFacts]:
    """What the other accounts of the plan say; nothing of one that can't be asked."""
    kinds: dict[str, set[str]] = {}
    for change in plan.changes:
        if change.action in MAKES and change.provider not in known:
            kinds.setdefault(change.provider, set()).add(change.address.kind)
    found = {}
    for name, wanted in kinds.items():
        provider = ask(name)
        if isinstance(provider, Inspects):
            with suppress(ProviderError):  # then it isn't known, which the rules don't accept
                found[name] = provider.inspect(wanted)
    return found


def _situation(
    plan: Plan,
    config: Config,
    resources: Mapping[Address, Resource],
    accounts: Mapping[str, AccountFacts],
    today: date,
) -> Situation:
    """As preflight's, but what is adopted is judged like what is created, and of an account that wasn't asked
    only its type is known."""
    unasked = {
        name: AccountFacts(name, service=declared.type, retires=PROVIDER_TYPES[declared.type].retires_models)
        for name, declared in config.providers.items()
    }
    changes = tuple(replace(c, action=Action.CREATE) if c.action in _TAKEN else c for c in plan.changes)
    return Situation(
        changes,
        resources,
        {**unasked, **accounts},
        catalog.load(None, os.environ),
        today,
        {name: declared.place for name, declared in config.providers.items()},
        accounts_of(config),
        plan.known,
    )
