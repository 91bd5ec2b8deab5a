"""Cross-account references: deployments of models that belong to another account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.config import Resource
from ftops.config.loader.for_each import Draft
from ftops.config.loader.references import items_of
from ftops.config.loader.settings import Providers
from ftops.config.loader.source import Keys
from ftops.config.schema.field_types import one_of
from ftops.core.address import Address, Reference, Value
from ftops.core.errors import Diagnostic
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of
from ftops.core.serving import Serving, serving_of


def link_accounts(
    resources: Sequence[tuple[Draft, Resource]], providers: Providers, findings: list[Diagnostic]
) -> list[Resource]:
    """The resources, in order; deployments of models of another account get its ID as `source`."""
    homes = {resource.address: resource.provider for _, resource in resources}
    linker = _Accounts(homes, providers, findings)
    return [linker.linked(draft, resource) for draft, resource in resources]


def check_control_plane(providers: Providers, name: str, detail: str, findings: list[Diagnostic]) -> None:
    """A finding, once for each provider, if settings for the ARM ID of its account are missing."""
    row = PROVIDER_TYPES.get(providers.type_of(name))
    missing = [k for k in row.control_plane if providers.setting(name, k) is None] if row else []
    if missing and name not in providers.incomplete:
        providers.incomplete.add(name)
        hint = f"Add {one_of(tuple(f'{key}: …' for key in missing), 'and')}."
        summary = f"the provider {name} lacks {', '.join(f'`{key}`' for key in missing)}"
        providers.entries[name].report(findings, (), summary, detail, hint, key=True)


_SINCE: Mapping[str, str] = {"deployment_state": "2026-03-01", "service_tier": "2026-09-15"}
"""Inputs of deployments that older API versions of the control plane don't know: the first that does."""


def check_control_version(draft: Draft, providers: Providers, name: str, findings: list[Diagnostic]) -> None:
    """Findings about inputs that the API version of the provider's control plane doesn't know."""
    row = PROVIDER_TYPES.get(providers.type_of(name))
    plane = providers.setting(name, "control_plane")
    version = (plane.api_version if plane else None) or ""
    for key, since in _SINCE.items() if row and row.control_plane else ():
        if key in draft.block.given and version[:10] < since:
            has = f"{name} has {version}" if version else f"{name} doesn't set one"
            detail = f"It is known since the API version {since}-preview of the control plane; {has}."
            hint = f"Set `control_plane: {{api_version: 2026-09-15-preview}}` of {name}."
            draft.entry.report(findings, (key,), f"`{key}` needs a newer API version", detail, hint, key=True)


_OF_ADAPTERS = ("target", "model")
"""Inputs of an adapter that can only refer to resources of its account."""


class _Accounts(Struct, frozen=True):
    homes: Mapping[Address, str]
    providers: Providers
    findings: list[Diagnostic]

    def linked(self, draft: Draft, resource: Resource) -> Resource:
        kind = kind_of(resource.address)
        is_adapter = kind.serves and serving_of(resource.inputs) is Serving.ADAPTER
        shared = _OF_ADAPTERS if is_adapter else kind.same_account
        for name in shared:
            for path, value in items_of(name, resource.inputs.get(name)):
                self._check_same_account(draft, resource, path, value)
        model = resource.inputs.get("model")
        if not kind.serves or not isinstance(model, Reference) or is_adapter:
            return resource
        home = self.homes.get(model.address)
        is_of_job = home is not None and kind_of(model.address).trains
        if home is None or not is_of_job or self.providers.is_one_account(home, resource.provider):
            return resource
        if not self._can_exchange(draft, resource, model, home):
            return resource
        return replace(resource, inputs={**resource.inputs, **self._source(resource, model.address, home)})

    def _check_same_account(self, draft: Draft, resource: Resource, path: Keys, value: Value) -> None:
        home = self.homes.get(value.address, "") if isinstance(value, Reference) else ""
        if isinstance(value, Reference) and not self.providers.is_one_account(home, resource.provider):
            kind = kind_of(resource.address)
            summary = f"{value.address} is in another account than {resource.address}"
            detail = (
                f"It is created by the provider {home}, but the {kind.kind} runs at {resource.provider}: "
                f"{kind.noun} can use only what its own account has."
            )
            hint = f"Give both the same `provider`, or declare {kind_of(value.address).noun} there too."
            draft.entry.report(self.findings, path, summary, detail, hint)

    def _can_exchange(self, draft: Draft, resource: Resource, model: Reference, home: str) -> bool:
        here = resource.provider
        type_, other = self.providers.type_of(home), self.providers.type_of(here)
        if type_ != other:
            summary = f"a model of the provider {home} can't be served by {here}"
            detail = (
                f"{model.address} is created by a provider of type {type_}, but {here} is of type {other}."
            )
            hint = (
                "Use providers of the same type; `provider` can be a variable that is set for each "
                "environment."
            )
        elif PROVIDER_TYPES[type_].names_own_account and self._have_one_name(home, here):
            summary = f"the emulators {home} and {here} have the same account name"
            detail = (
                f"{resource.address} serves a model of {model.address}, which is identified by its account."
            )
            hint = "Give each its own `account`."
        else:
            detail = f"{resource.address} serves a model of that account, which is identified by its ARM ID."
            check_control_plane(self.providers, home, detail, self.findings)
            return PROVIDER_TYPES[type_].exchanges_models
        draft.entry.report(self.findings, ("model",), summary, detail, hint)
        return False

    def _have_one_name(self, one: str, other: str) -> bool:
        are_started = all(self.providers.setting(name, "url") is None for name in (one, other))
        return are_started and self.providers.setting(one, "account") == self.providers.setting(
            other, "account"
        )

    def _source(self, resource: Resource, job: Address, home: str) -> dict[str, Value]:
        """References to the job's account and tenant, unless the spec sets them itself."""
        references = {"source": Reference(job, "account")}
        tenants = (self._tenant(home), self._tenant(resource.provider))
        if None not in tenants and tenants[0] != tenants[1]:
            references["source_tenant"] = Reference(job, "tenant")
        return {name: reference for name, reference in references.items() if name not in resource.inputs}

    def _tenant(self, name: str) -> str | None:
        credential = self.providers.setting(name, "credential")
        return credential.tenant_id if credential else None
