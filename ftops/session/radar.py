"""Radar: asks the accounts of a spec what they say of its models, for the deadlines of what it uses."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date

from msgspec.structs import replace

from ftops import catalog
from ftops.core.errors import ProviderError
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of
from ftops.planning.deadlines import Deadline, deadlines
from ftops.planning.plan import Action, Change, Reason
from ftops.planning.preflight.context import Situation, text
from ftops.providers.account_facts import AccountFacts
from ftops.providers.base import Inspects
from ftops.session.session import Session
from ftops.session.unasked import Unasked, unasked


def radar(session: Session, today: date, *, offline: bool) -> tuple[tuple[Deadline, ...], list[Unasked]]:
    """The deadlines of what the spec declares and what is recorded; and the accounts that couldn't be asked,
    for which the catalogue speaks. Raises SpecError if the catalogue can't be read."""
    config = session.config
    changes = tuple(_uses(session))
    kinds: dict[str, set[str]] = {}
    for change in changes:
        kinds.setdefault(change.provider, set()).add(change.address.kind)
    accounts = {name: _unasked(session, name) for name in kinds}
    missing: list[Unasked] = []
    if not offline and accounts:
        with ThreadPoolExecutor(len(accounts), "radar") as pool:
            replies = {name: pool.submit(_asked, session, name, kinds[name]) for name in sorted(kinds)}
        for name, reply in replies.items():
            try:
                accounts[name] = reply.result() or accounts[name]
            except ProviderError as error:
                missing.append(unasked(name, "deadlines are the catalogue's", error))
    known = catalog.load(config.project, os.environ)
    situation = Situation(changes, config.by_address, accounts, known, today)
    return deadlines(situation, session.state), missing


def _uses(session: Session) -> Iterator[Change]:
    """What is declared, as if it were created; deployments that exist, as they are recorded."""
    recorded = session.state.resources
    declared = {resource.address: resource for resource in session.config.resources}
    for address in sorted({*recorded, *declared}, key=lambda a: a.sort_key):
        here, wanted = recorded.get(address), declared.get(address)
        if here is not None and (kind_of(address).serves or wanted is None):
            provider, inputs = here.provider, here.inputs
        elif wanted is not None:
            provider, inputs = wanted.provider, wanted.inputs
        if provider in session.config.providers:
            yield Change(str(address), address, Action.CREATE, Reason("used", ""), provider, after=inputs)


def _unasked(session: Session, name: str) -> AccountFacts:
    declared = session.config.providers[name]
    row = PROVIDER_TYPES[declared.type]
    location = text(declared.settings, "location")
    return AccountFacts(name, location, service=declared.type, retires=row.retires_models or row.is_rehearsal)


def _asked(session: Session, name: str, kinds: Collection[str]) -> AccountFacts | None:
    """A rehearsal shows the ends of the service, whose models it keeps."""
    provider = session.providers(name)
    if not isinstance(provider, Inspects):
        return None
    facts = provider.inspect(kinds)
    is_rehearsal = PROVIDER_TYPES[session.config.providers[name].type].is_rehearsal
    return replace(facts, retires=True) if is_rehearsal else facts
