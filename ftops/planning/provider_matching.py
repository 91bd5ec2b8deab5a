"""Provider matching: which provider of the spec reaches the account of a recorded object. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from ftops.config.accounts import accounts_of, agrees
from ftops.config.config import Config
from ftops.core.errors import Blocked, Diagnostic
from ftops.core.snippets import command
from ftops.core.suggestions import some
from ftops.state.state import Home, PendingOperation, ProviderReplaced, ResourceState, State, fold


def located(state: State, config: Config) -> tuple[State, tuple[ProviderReplaced, ...]]:
    """The state, with the same serial, with each object at a provider of the spec that reaches its account:
    the recorded one unless it uses another account now; and the entries that record it. Raises Blocked if no
    provider does."""
    accounts = accounts_of(config)
    records: list[ResourceState | PendingOperation] = [*state.resources.values(), *state.pending.values()]
    records += state.deposed.values()
    homes = sorted({Home(one.provider, one.account) for one in records})
    names = {home: _reaching(*home, accounts) for home in homes}
    lost = {home for home, name in names.items() if name is None}
    if lost:
        gone = {home: [str(r.address) for r in records if (r.provider, r.account) == home] for home in lost}
        raise Blocked([_unreachable(*home, gone[home], accounts) for home in sorted(lost)])
    entries = tuple(
        ProviderReplaced(home, Home(name, home.account))
        for home, name in names.items()
        if name is not None and name != home.provider
    )
    return (replace(fold(state, entries), serial=state.serial) if entries else state), entries


def _reaching(provider: str, account: str, accounts: Mapping[str, str]) -> str | None:
    """The provider by which an account is reached; None if there is none. Another provider than the recorded
    one has to name just this account."""
    if not account or (provider in accounts and agrees(accounts[provider], account)):
        return provider
    return next((name for name in sorted(accounts) if accounts[name] == account), None)


def _unreachable(
    provider: str, account: str, addresses: list[str], accounts: Mapping[str, str]
) -> Diagnostic:
    instead = accounts.get(provider)
    where = f"the spec declares no provider `{provider}`"
    where = f"provider {provider} is {instead} in the spec" if instead else where
    return Diagnostic(
        f"no provider of the spec reaches {account}",
        f"{some(sorted(addresses), 5)} exist there, and {where}. ftops would no longer manage these objects.",
        "declare that account as another provider, under any name: the plan then replaces the objects and "
        "deletes the old ones. If it is the same account under another address, run "
        f"{command('ftops', 'state', 'replace-provider', provider, provider if instead else 'NAME')}; "
        "if it is gone for good, `ftops state rm` forgets them",
    )
