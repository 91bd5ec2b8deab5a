"""Accounts: where objects live, and which provider of the spec manages a recorded one. Pure.

The name of a provider is the spec's own; the account behind it is what makes two objects one.
docs/identity.md has the rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ftops.config.config import Config, ProviderConfig
from ftops.core.address import Value
from ftops.core.lazy import resolve
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import RESOURCE_TYPES

_CUSTOM_DOMAINS = (".openai.azure.", ".cognitiveservices.azure.", ".services.ai.azure.")
"""What follows the name of an account in its host; the name is unique within a cloud."""
_URL = re.compile(r"(?:(\w+)://)?(?:[^/?#]*@)?(\[[^]]*\]|[^:/?#]*)(?::(\d*))?([^?#]*)")
"""Scheme, host, port and path; of any text, for what is wrong with an address the service will say."""
_LOOPBACK = "127.0.0.1"
_LOOPBACKS = frozenset({_LOOPBACK, "localhost", "[::1]"})
"""Names of this machine, as addresses spell them."""
_DEFAULT_PORTS: Mapping[str, str] = {"http": "80", "https": "443"}


def account_of(provider: ProviderConfig, project: Path) -> str:
    """A name of the account that is the same wherever ftops runs, whoever asks, and by whichever of its
    addresses. No secret is in it. What the settings don't say of it is left off at the end."""
    if provider.account:
        return provider.account
    account: str = resolve(PROVIDER_TYPES[provider.type].account)(provider, project)
    return account


def accounts_of(config: Config) -> dict[str, str]:
    """The account of each provider."""
    return {name: account_of(provider, config.project) for name, provider in config.providers.items()}


def is_exclusive(account: str, kind: str) -> bool:
    """Whether an object of this kind can have one address only. A deployment on the OpenAI platform is the
    model itself, which any number of them may name, and deleting it does nothing."""
    type_ = PROVIDER_TYPES.get(account.partition(":")[0])
    return type_ is None or type_.has_deployments or not RESOURCE_TYPES[kind].serves


def agrees(one: str, other: str) -> bool:
    """Whether two names of the account of one provider can be the same: settings that were added later, or
    left out, say more or less of it."""
    return one == other or one.startswith(f"{other}#") or other.startswith(f"{one}#")


def possible_accounts(provider: ProviderConfig, project: Path, stand_in: str) -> str:
    """The names that an account can have where nobody knows some of its settings, as a regular expression;
    empty where they don't matter. `stand_in` is what stands in place of them, and nowhere else."""
    account = account_of(provider, project)
    if stand_in not in account:
        return ""
    type_ = PROVIDER_TYPES[provider.type]
    anything = type_.account_part
    head, *named = (re.escape(part).replace(stand_in, anything) for part in account.split("#"))
    if not type_.may_be_emulator:
        return "#".join([head, *named])
    if stand_in in account.partition("#")[0]:
        head = f"(?:{head}|emulator:{re.escape(_LOOPBACK)}{anything})"
    rest = "(?:#.*)?"  # as `agrees` has it, either name may say less of the account
    for part in reversed(named):
        rest = f"(?:#{part}{rest})?"
    return head + rest


def azure_account(provider: ProviderConfig, project: Path) -> str:
    """What answers on this machine is an emulator, which has one account, by whichever type it is reached."""
    host, path = _address(provider.settings.get("endpoint"))
    if host.partition(":")[0] == _LOOPBACK:
        return f"emulator:{host}{path}"
    named = _named(provider.settings, "account", "resource_group", "subscription_id")
    for mark in _CUSTOM_DOMAINS:
        label, found, cloud = host.partition(mark)
        if found:
            host, path = label + (f".{cloud}" if cloud != "com" else ""), ""
    return "#".join([f"azure:{host}{path}", *named])


def openai_account(provider: ProviderConfig, project: Path) -> str:
    """Without an organization or a project, those of the key count: others than any that is named."""
    host, _ = _address(provider.settings.get("base_url"))
    settings = provider.settings
    named = [str(settings.get(key) or "") for key in ("organization", "project")]
    return "/".join([f"openai:{host or 'api.openai.com'}", *named])


def emulator_account(provider: ProviderConfig, project: Path) -> str:
    """A server that runs already says itself which account it is."""
    settings = provider.settings
    host, path = _address(settings.get("url"))
    if host:
        return f"emulator:{host}{path}"
    folder = str(settings.get("data") or "").removeprefix(f"{project}/")
    return f"emulator:{folder}#{settings.get('account') or 'emulator'}"


def memory_account(provider: ProviderConfig, project: Path) -> str:
    return f"memory:{provider.settings.get('account') or provider.name}"


def host_of(url: Value) -> str:
    """The host of an address in one spelling, with its port if that isn't the default one; empty if there is
    no address. No secret is in it."""
    return _address(url)[0]


def _address(url: Value) -> tuple[str, str]:
    """Host and path of an address in one spelling, without what is secret in it."""
    scheme, host, port, path = _URL.findall(str(url or ""))[0]
    host = host.lower()
    host = _LOOPBACK if host in _LOOPBACKS else host
    is_default = port in ("", _DEFAULT_PORTS.get(scheme.lower()))
    return host if is_default else f"{host}:{port}", path.rstrip("/")


def _named(settings: Mapping[str, Value], *keys: str) -> list[str]:
    """The values of these keys up to the first that isn't set."""
    found = [str(settings.get(key) or "").lower() for key in keys]
    return found[: found.index("")] if "" in found else found
