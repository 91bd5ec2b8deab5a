"""Changes + providers → findings: asks the accounts what they offer and allow, and lets preflight judge.

Reads only, one look at each account, all at once. Asks nobody where nothing is to be made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path

from ftops.config.accounts import accounts_of
from ftops.config.config import Config, Resource
from ftops.core.address import Address, Json
from ftops.core.errors import Diagnostic, Permanent, ProviderError
from ftops.planning.plan import MAKING, Change
from ftops.providers.account_facts import AccountFacts
from ftops.providers.base import Inspects, Provider


def run_preflight(
    changes: Sequence[Change],
    config: Config,
    resources: Mapping[Address, Resource],
    providers: Callable[[str], Provider],
    environ: Mapping[str, str],
    today: date,
    show: Callable[[Path], str] = str,
    values: Mapping[str, Json] = {},
) -> tuple[Diagnostic, ...]:
    """What would make the changes fail, as far as it can be seen beforehand; errors first. `values` are those
    of expressions in the changes that are known already."""
    makes = [c for c in changes if c.action in MAKING]
    asked = {name: providers(name) for name in sorted({c.provider for c in makes})}
    able = {name: provider for name, provider in asked.items() if isinstance(provider, Inspects)}
    if not able:
        return ()
    kinds = {name: {c.address.kind for c in makes if c.provider == name} for name in able}
    from ftops import catalog
    from ftops.planning import preflight  # only now: many plans need neither

    with ThreadPoolExecutor(len(able), "survey") as pool:
        looks = {name: pool.submit(provider.inspect, kinds[name]) for name, provider in able.items()}
        known = catalog.load(config.project, environ, show)
    places = {name: declared.place for name, declared in config.providers.items()}
    accounts, failed = _results(looks)
    homes = accounts_of(config)
    situation = preflight.Situation(tuple(changes), resources, accounts, known, today, places, homes, values)
    unasked = (situation.about_provider(*_told(name, error)) for name, error in failed.items())
    return (*unasked, *preflight.check(situation))


def _results(
    looks: Mapping[str, Future[AccountFacts]],
) -> tuple[dict[str, AccountFacts], dict[str, ProviderError]]:
    """The accounts, and why there is none to ask."""
    accounts: dict[str, AccountFacts] = {}
    failed: dict[str, ProviderError] = {}
    for name, look in looks.items():
        try:
            accounts[name] = look.result()
        except ProviderError as error:
            failed[name] = error
    return accounts, failed


def _told(name: str, error: ProviderError) -> tuple[str, str, str, str, str]:
    severity = "error" if isinstance(error, Permanent) else "warning"
    summary = error.summary.removeprefix(f"provider {name}: ")
    return name, summary, error.detail, error.hint, severity
