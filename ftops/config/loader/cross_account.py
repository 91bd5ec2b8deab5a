"""Cross-account references: a deployment of a model of another account has to name that account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.config import Resource
from ftops.config.loader.for_each import Draft
from ftops.config.loader.settings import Providers
from ftops.core.address import Address, Reference, Value
from ftops.core.errors import Diagnostic
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of


def link_accounts(
    made: Sequence[tuple[Draft, Resource]], providers: Providers, findings: list[Diagnostic]
) -> list[Resource]:
    """The resources, in order; deployments of models of another account with their `source`."""
    homes = {resource.address: resource.provider for _, resource in made}
    linker = _Accounts(homes, providers, findings)
    return [linker.linked(draft, resource) for draft, resource in made]


def check_control_plane(providers: Providers, name: str, detail: str, findings: list[Diagnostic]) -> None:
    """A finding, once, where the ARM id of an Azure account can't be told."""
    row = PROVIDER_TYPES.get(providers.type_of(name))
    missing = [k for k in row.control_plane if providers.setting(name, k) is None] if row else []
    if missing and name not in providers.incomplete:
        providers.incomplete.add(name)
        keys = ", ".join(f"`{key}`" for key in missing)
        place = providers.entries[name].place(key=True)
        findings.append(Diagnostic(f"the provider {name} lacks {keys}", detail, "Add them.", place))


class _Accounts(Struct, frozen=True):
    homes: Mapping[Address, str]
    providers: Providers
    findings: list[Diagnostic]

    def linked(self, draft: Draft, resource: Resource) -> Resource:
        kind = kind_of(resource.address)
        for name in kind.same_account:
            self._check_tied(draft, resource, name)
        model = resource.inputs.get("model")
        if not kind.serves or not isinstance(model, Reference):
            return resource
        home = self.homes.get(model.address)
        if (
            home is None
            or not kind_of(model.address).trains
            or self.providers.is_one_account(home, resource.provider)
        ):
            return resource
        if not self._can_exchange(draft, resource, model, home):
            return resource
        return replace(resource, inputs={**resource.inputs, **self._source(resource, model.address, home)})

    def _check_tied(self, draft: Draft, resource: Resource, name: str) -> None:
        value = resource.inputs.get(name)
        home = self.homes.get(value.address, "") if isinstance(value, Reference) else ""
        if isinstance(value, Reference) and not self.providers.is_one_account(home, resource.provider):
            kind = kind_of(resource.address)
            summary = f"{value.address} is in another account than {resource.address}"
            detail = (
                f"It is created by the provider {home}, but the {kind.kind} runs at {resource.provider}: "
                f"{kind.noun} can use only files and models of its own account."
            )
            hint = f"Give both the same `provider`, or declare {kind_of(value.address).noun} there too."
            self.findings.append(Diagnostic(summary, detail, hint, draft.entry.place((name,))))

    def _can_exchange(self, draft: Draft, resource: Resource, model: Reference, home: str) -> bool:
        here = resource.provider
        types = (self.providers.type_of(home), self.providers.type_of(here))
        if types[0] != types[1]:
            summary = f"a model of the provider {home} can't be served by {here}"
            detail = (
                f"{model.address} is created by a provider of type {types[0]}, but {here} is of "
                f"type {types[1]}."
            )
            hint = (
                "Use providers of the same type; `provider` can be a variable that is set for each "
                "environment."
            )
            self.findings.append(Diagnostic(summary, detail, hint, draft.entry.place(("model",))))
        elif PROVIDER_TYPES[types[0]].names_own_account and self._have_one_name(home, here):
            summary = f"the emulators {home} and {here} have the same account name"
            detail = (
                f"{resource.address} serves a model of {model.address}, which is identified by its account."
            )
            hint = "Give each its own `account`."
            self.findings.append(Diagnostic(summary, detail, hint, draft.entry.place(("model",))))
        else:
            detail = f"{resource.address} serves a model of that account, which is identified by its ARM ID."
            check_control_plane(self.providers, home, detail, self.findings)
            return PROVIDER_TYPES[types[0]].exchanges_models
        return False

    def _have_one_name(self, one: str, other: str) -> bool:
        known = all(self.providers.setting(name, "url") is None for name in (one, other))
        return known and self.providers.setting(one, "account") == self.providers.setting(other, "account")

    def _source(self, resource: Resource, job: Address, home: str) -> dict[str, Value]:
        """What the spec doesn't say itself: computed attributes of the job."""
        wanted = {"source": "account"}
        tenants = (self._tenant(home), self._tenant(resource.provider))
        if None not in tenants and tenants[0] != tenants[1]:
            wanted["source_tenant"] = "tenant"
        return {
            name: Reference(job, attribute)
            for name, attribute in wanted.items()
            if name not in resource.inputs
        }

    def _tenant(self, name: str) -> str | None:
        credential = self.providers.setting(name, "credential")
        return credential.tenant_id if credential else None
