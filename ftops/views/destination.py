"""Destination of a plan as text: the providers, the state and input variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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


def destination_lines(destination: Destination) -> Iterator[str]:
    """`Provider azure: azure_openai acme.openai.azure.com, account acme`."""
    for name, provider in sorted(destination.providers.items()):
        said = (f"{title} {provider[key]}".strip() for key, title in _TITLES.items() if key in provider)
        yield f"Provider {name}: {', '.join([provider['type'], *said])}"
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
            yield f"{what}: {_place(provider)}"


def accounts(destination: Destination) -> str:
    """The accounts in words, where it doesn't matter which is which."""
    return ", ".join(dict.fromkeys(_place(one) or name for name, one in destination.providers.items()))


def _place(provider: Mapping[str, str]) -> str:
    return provider.get("host") or provider.get("data") or provider.get("account", "")
