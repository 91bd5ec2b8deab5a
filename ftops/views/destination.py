"""Destination of a plan as text: the providers, the state and input variables; how long it lasts there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ftops.planning.plan import Destination, Mode, Plan

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
"""Fields of a provider → the word before them, in the order of display."""
_NAMES = [key for key in _TITLES if key not in ("host", "data", "set_from")]
"""Fields that name an account."""


def destination_lines(plan: Plan) -> Iterator[str]:
    """`Provider azure: azure_openai acme.openai.azure.com, account acme`, and what it was made with."""
    destination = plan.destination
    for name, provider in sorted(destination.providers.items()):
        yield f"Provider {name}: {', '.join([provider['type'], *_fields(provider, _TITLES)])}"
    if destination.state:
        place = dict(sorted(destination.state.items()))
        backend, lineage = place.pop("backend"), place.pop("lineage", "")[:8]
        rest = [f"{name} {value}" for name, value in [*place.items(), ("lineage", lineage)] if value]
        yield f"State: {', '.join([backend, *rest])}"
    if destination.variables:
        given = (f"{name} = {value}" for name, value in sorted(destination.variables.items()))
        yield f"Input variables: {', '.join(given)}"
    for read in plan.reads:
        names = ", ".join(sorted(read.values))
        yield f"Outputs of {read.title} as of serial {read.serial}, lineage {read.lineage[:8]}: {names}"


def lifetime_lines(plan: Plan) -> Iterator[str]:
    """When the environment of a plan expires, if it does."""
    if plan.mode is not Mode.NORMAL:
        return
    recorded = f" It was to expire at {plan.expires_at}." if plan.expires_at else ""
    if plan.ttl:
        yield f"Preview: everything is deleted {plan.ttl} after the last apply.{recorded}"
    elif plan.stays_for_good:
        yield f"No longer a preview: it stays for good.{recorded}"


def redirections(destination: Destination) -> Iterator[str]:
    """Warnings about accounts that are set outside the spec."""
    for name, provider in sorted(destination.providers.items()):
        sources = provider.get("set_from", "").split(", ")
        given = [source for source in sources if source.removeprefix("var.") in destination.variables]
        if given:
            what = f"the account of provider {name} is set outside the spec, by {', '.join(given)}"
            server = [provider[key] for key in ("host", "data") if key in provider]
            yield f"{what}: {', '.join([*server, *_fields(provider, _NAMES)])}"


def accounts(destination: Destination) -> str:
    """The names of the accounts."""
    places = (
        provider.get("host") or provider.get("data") or provider.get("account") or name
        for name, provider in destination.providers.items()
    )
    return ", ".join(dict.fromkeys(places))


def _fields(provider: Mapping[str, str], keys: Iterable[str]) -> Iterator[str]:
    return (f"{_TITLES[key]} {provider[key]}".strip() for key in keys if key in provider)
