"""Destination: where a plan is applied: the accounts of its providers, its state, and its variables. Pure.

An approval is for a plan at a destination: the same steps in another account are another plan. Keys, API
versions and folders of this machine aren't part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ftops.config.accounts import host_of
from ftops.config.config import Config, ProviderConfig
from ftops.core.address import Value
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.planning.plan import Destination, Plan

_NO_PLACE = frozenset({"encryption", "history", "lease"})
"""Settings of a state that don't say where it is."""


def destination_of(config: Config, plan: Plan) -> Destination:
    """That of a plan of this config."""
    used = plan.providers_of() | config.used_providers
    project = f"{config.project}/"
    return Destination(
        providers={
            name: _provider(provider, project) for name, provider in config.providers.items() if name in used
        },
        state={**dict(_state(config)), **({"lineage": plan.lineage} if plan.lineage else {})},
        variables=given_variables(config),
        policies=dict(_policies(config)),
    )


def given_variables(config: Config) -> dict[str, str]:
    """Variables that are given from outside, without the values of sensitive ones."""
    return {name: config.variables.get(name, "(sensitive)") for name in config.given}


def elsewhere(approved: Destination, now: Destination) -> list[str]:
    """How the destination differs from the approved one, in words; empty if it doesn't. A state that was
    created since counts as the same."""
    before = {"lineage": now.state.get("lineage", ""), **approved.state}
    said = [
        f"provider {name} is {_shown(now.providers.get(name, {}))}, not {_shown(provider)}"
        for name, provider in approved.providers.items()
        if now.providers.get(name, {}) != provider
    ]
    said += [f"provider {name} is new" for name in now.providers.keys() - approved.providers.keys()]
    if {k: v for k, v in before.items() if v} != {k: v for k, v in now.state.items() if v}:
        said.append(f"the state is {_shown(now.state)}, not {_shown(approved.state)}")
    for what, old, new in (
        ("variable", approved.variables, now.variables),
        ("setting", approved.policies, now.policies),
    ):
        said += [
            f"the {what} {k} has another value" for k in sorted({*old, *new}) if old.get(k) != new.get(k)
        ]
    return said


def _shown(place: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in place.items()) or "missing"


def _provider(provider: ProviderConfig, project: str) -> Mapping[str, str]:
    settings = provider.settings
    row = PROVIDER_TYPES[provider.type]
    found = {"type": provider.type, "host": host_of(settings.get(row.address) or row.default_address)}
    if row.data_folder and not found["host"]:
        found["data"] = str(settings.get(row.data_folder) or "").removeprefix(project)
    found |= {name: str(settings.get(name) or "") for name in row.account_settings}
    found["tenant"] = _below(settings, "credential", "tenant_id")
    found["cloud"] = host_of(_below(settings, "control_plane", "endpoint"))
    found["set_from"] = ", ".join(provider.sources)
    return {name: value for name, value in found.items() if value}


def _below(settings: Mapping[str, Value], block: str, key: str) -> str:
    inner = settings.get(block)
    return str(inner.get(key) or "") if isinstance(inner, Mapping) else ""


def _state(config: Config) -> Iterator[tuple[str, str]]:
    state = config.state
    yield "backend", state.backend
    if not state.is_in_bucket:
        yield "path", state.path
    for name, value in sorted(state.settings.items()):
        if name not in _NO_PLACE and value is not None:
            yield name, str(value)


def _policies(config: Config) -> Iterator[tuple[str, str]]:
    for kind, policy in sorted(config.drift.items()):
        yield f"drift.{kind}", policy
    for name in ("training", "hosting_per_hour"):
        limit = getattr(config.budget, name)
        if limit is not None:
            yield f"budget.{name}", str(limit)
