"""Destination of a plan as text: the providers, the state and input variables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ftops.planning.plan import Destination

_TITLES: Mapping[str, str] = {
    "host": "",
    "data": "in",
    "account": "account",
    "resource_group": "resource group",
    "subscription_id": "subscription",
    "organization": "organization",
    "project": "project",
    "tenant": "tenant",
    "cloud": "cloud",
    "set_from": "set by",
}
"""What a provider has beside its type, in the order in which it is shown, and how it is led in."""
_NAMES = [key for key in _TITLES if key not in ("host", "data", "set_from")]
"""What of it says which account of a server is meant."""


def destination_lines(destination: Destination) -> Iterator[str]:
    """`Provider azure: azure_openai acme.openai.azure.com, account acme`."""
    for name, provider in sorted(destination.providers.items()):
        yield f"Provider {name}: {', '.join([provider['type'], *_said(provider, _TITLES)])}"
    if destination.state:
        place = dict(sorted(destination.state.items()))
        backend, lineage = place.pop("backend"), place.pop("lineage", "")[:8]
        rest = [f"{name} {value}" for name, value in [*place.items(), ("lineage", lineage)] if value]
        yield f"State: {', '.join([backend, *rest])}"
    if destination.variables:
        given = (f"{name} = {value}" for name, value in sorted(destination.variables.items()))
        yield f"Input variables: {', '.join(given)}"


def redirections(destination: Destination) -> Iterator[str]:
    """What to say first: an account that was chosen from outside the spec."""
    for name, provider in sorted(destination.providers.items()):
        sources = provider.get("set_from", "").split(", ")
        given = [one for one in sources if one.removeprefix("var.") in destination.variables]
        if given:
            what = f"the account of provider {name} is set outside the spec, by {', '.join(given)}"
            server = [provider[key] for key in ("host", "data") if key in provider]
            yield f"{what}: {', '.join([*server, *_said(provider, _NAMES)])}"


def accounts(destination: Destination) -> str:
    """The accounts in words, where it doesn't matter which is which."""
    return ", ".join(dict.fromkeys(_place(one) or name for name, one in destination.providers.items()))


def _place(provider: Mapping[str, str]) -> str:
    return provider.get("host") or provider.get("data") or provider.get("account", "")


def _said(provider: Mapping[str, str], keys: Iterable[str]) -> Iterator[str]:
    return (f"{_TITLES[key]} {provider[key]}".strip() for key in keys if key in provider)
