"""Account names: which account a provider uses, whatever its name in the spec. Pure.

Two resources can be the same object only within one account. docs/identity.md has the rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftops.config.config import Config, ProviderConfig
from ftops.core.address import Value
from ftops.core.api_versions import is_v1
from ftops.core.azure_endpoint import parse
from ftops.core.errors import Diagnostic
from ftops.core.lazy import resolve
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.trusted_hosts import AZURE_OPENAI

_CUSTOM_DOMAINS = (".openai.azure.", ".cognitiveservices.azure.", ".services.ai.azure.")
"""Host names after the name of an account, which is unique within a cloud."""
_ENDPOINTS = (
    "Write it as the portal shows it: https://acme.openai.azure.com/ for a resource, or "
    "https://acme.services.ai.azure.com/api/projects/support for a project in it."
)
_URL = re.compile(r"(?:(\w+)://)?(?:[^/?#]*@)?(\[[^]]*\]|[^:/?#]*)(?::(\d*))?([^?#]*)")
"""Scheme, host, port and path. It matches any text: the service reports invalid URLs."""
_LOOPBACK = "127.0.0.1"
_LOOPBACKS = frozenset({_LOOPBACK, "localhost", "[::1]"})
_DEFAULT_PORTS: Mapping[str, str] = {"http": "80", "https": "443"}


def account_of(provider: ProviderConfig, project: Path) -> str:
    """The name of the account: the same on every machine, for every user and each of its URLs. It contains no
    secret. Parts that the settings don't have are left out at the end."""
    if provider.account:
        return provider.account
    account: str = resolve(PROVIDER_TYPES[provider.type].account)(provider, project)
    return account


def accounts_of(config: Config) -> dict[str, str]:
    """The account name of each provider."""
    return {name: account_of(provider, config.project) for name, provider in config.providers.items()}


def is_exclusive(account: str, kind: str) -> bool:
    """Whether an object of this kind can be only one resource. A deployment on the OpenAI platform is the
    model itself: any number of deployments may name it, and deleting one does nothing."""
    type_ = PROVIDER_TYPES.get(account.partition(":")[0])
    return type_ is None or type_.has_deployments or not RESOURCE_TYPES[kind].serves


def agrees(one: str, other: str) -> bool:
    """Whether two account names of one provider can mean the same account: one of them may have fewer parts,
    as settings were added or removed."""
    return one == other or one.startswith(f"{other}#") or other.startswith(f"{one}#")


def placeholders_left(provider: ProviderConfig) -> Diagnostic | None:
    """The settings that a template left to fill in, if none was filled in: an account may really have the
    name of one. Such an account isn't asked: it is somebody else's, if anybody's."""
    left = PROVIDER_TYPES[provider.type].placeholders
    if not left or any(provider.settings.get(key) != value for key, value in left.items()):
        return None
    named = ", ".join(f"`{key}: {value}`" for key, value in left.items())
    hint = "fill in those of your account; `az cognitiveservices account list` shows them"
    return Diagnostic("placeholders of a template", named, hint, provider.place)


def possible_accounts(provider: ProviderConfig, project: Path, stand_in: str) -> str:
    """A regular expression of the names that an account can have if some settings are unknown; empty if these
    don't matter. `stand_in` is the placeholder of their values."""
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
    rest = "(?:#.*)?"  # as in `agrees`, either name may have fewer parts
    for part in reversed(named):
        rest = f"(?:#{part}{rest})?"
    return head + rest


def azure_account(provider: ProviderConfig, project: Path) -> str:
    """A server on this machine is an emulator, which has one account, whatever the type of the provider."""
    host, path = _address(parse(str(provider.settings.get("endpoint") or "")).resource)
    if host.partition(":")[0] == _LOOPBACK:
        return f"emulator:{host}{path}"
    named = _named(provider.settings, "account", "resource_group", "subscription_id")
    for mark in _CUSTOM_DOMAINS:
        label, separator, cloud = host.partition(mark)
        if separator:
            host, path = label + (f".{cloud}" if cloud != "com" else ""), ""
    return "#".join([f"azure:{host}{path}", *named])


def azure_settings(settings: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, tuple[str, str, str]]]:
    """The account of a project, which is the first label of its host; and faults: a path that isn't that of a
    project, and a dated API version of a project."""
    endpoint, version = parse(str(settings.get("endpoint") or "")), settings.get("api_version")
    host, path = _address(endpoint.resource)
    if "/api/projects" in path.lower():
        detail = "A project's endpoint ends in `/api/projects/` and its name, without anything after it."
        return {}, {"endpoint": ("the endpoint doesn't name a project", detail, _ENDPOINTS)}
    if path and any(host.endswith(known.removeprefix("*")) for known in AZURE_OPENAI.hosts):
        detail = "Requests would go to paths that don't exist: ftops adds those of the service itself."
        return {}, {"endpoint": ("the endpoint has a path that the service doesn't have", detail, _ENDPOINTS)}
    if not endpoint.project:
        return {}, {}
    label = _address(endpoint.resource)[0].partition(".")[0] if _is_custom(endpoint.resource) else ""
    implied = {"account": label} if label and settings.get("account") is None else {}
    if version is None or is_v1(str(version)):
        return implied, {}
    detail = "The routes of a project have no date; only those of the resource itself do."
    hint = f"Remove `api_version`, or write the endpoint of the resource: {endpoint.resource}/."
    return implied, {"api_version": (f"a project can't be used with api_version {version}", detail, hint)}


def _is_custom(address: str) -> bool:
    """Whether the host begins with the name of an account."""
    return any(mark in _address(address)[0] for mark in _CUSTOM_DOMAINS)


def openai_account(provider: ProviderConfig, project: Path) -> str:
    """Without an organization or project, it is that of the key, which counts as a different one."""
    host, _ = _address(provider.settings.get("base_url"))
    settings = provider.settings
    named = [str(settings.get(key) or "") for key in ("organization", "project")]
    return "/".join([f"openai:{host or 'api.openai.com'}", *named])


def emulator_account(provider: ProviderConfig, project: Path) -> str:
    """A running server is its own account; one that ftops starts is identified by its folder."""
    settings = provider.settings
    host, path = _address(settings.get("url"))
    if host:
        return f"emulator:{host}{path}"
    folder = str(settings.get("data") or "").removeprefix(f"{project}/")
    return f"emulator:{folder}#{settings.get('account') or 'emulator'}"


def memory_account(provider: ProviderConfig, project: Path) -> str:
    return f"memory:{provider.settings.get('account') or provider.name}"


def host_of(url: Value) -> str:
    """The normalised host of a URL, with its port unless that is the default; empty without a URL."""
    return _address(url)[0]


def _address(url: Value) -> tuple[str, str]:
    """The normalised host and path of a URL, without user, password and query."""
    scheme, host, port, path = _URL.findall(str(url or ""))[0]
    host = host.lower()
    host = _LOOPBACK if host in _LOOPBACKS else host
    is_default = port in ("", _DEFAULT_PORTS.get(scheme.lower()))
    return host if is_default else f"{host}:{port}", path.rstrip("/")


def _named(settings: Mapping[str, Value], *keys: str) -> list[str]:
    """The values of these keys up to the first that isn't set."""
    values = [str(settings.get(key) or "").lower() for key in keys]
    return values[: values.index("")] if "" in values else values
