"""Preflight's context: the changes of a plan, their resources, the accounts and the catalogue.

A value that is only known after apply is None here; the rules skip it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from msgspec import Struct, field

from ftops.catalog import Catalog, CatalogModel
from ftops.config.config import Resource
from ftops.config.model_references import referenced_model
from ftops.core.address import Address, Json, Value
from ftops.core.errors import Diagnostic, Place
from ftops.core.model_names import ModelName
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import ResourceType, kind_of
from ftops.core.serving import Serving, serving_of
from ftops.planning.estimate import Temporary
from ftops.planning.plan import CREATING, MAKING, Action, Change
from ftops.planning.preflight.shortage import Order
from ftops.providers.account_facts import AccountFacts, ManagedFacts, OfferedModel

_IN_MODEL = ("model", "version", "sku")
"""Inputs of a deployment whose change makes it worth checking again."""
OTHER_MODEL = "choose another model"
Wanted = Callable[[ResourceType], bool]
_OTHERWISE: Mapping[str, str] = dict.fromkeys(("method", "training_type", "sku.name"), "model")
"""By input that may be left out: the one that its default must suit."""
OwnerOf = Callable[[str, str], str]
"""The other environment that has a deployment on record, by account and name; empty if none has."""


def unowned(account: str, name: str) -> str:
    """No other environment has it on record."""
    return ""


class Situation(Struct, frozen=True):
    """One plan and the accounts that it changes.

    `accounts` has the facts of each provider that could be asked; `places` says where it is declared, `homes`
    which account it uses.
    """

    changes: tuple[Change, ...]
    resources: Mapping[Address, Resource]
    accounts: Mapping[str, AccountFacts]
    catalog: Catalog
    today: date
    places: Mapping[str, Place | None] = field(default_factory=dict)
    homes: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, Json] = field(default_factory=dict)
    """The known values of expressions in the changes."""
    managed: Mapping[str, ManagedFacts] = field(default_factory=dict)
    """What the accounts have on managed compute, by provider, if the plan changes something there."""
    temporary: Mapping[Address, Sequence[Temporary]] = field(default_factory=dict)
    """The temporary deployments of evaluations, as far as the plan knows."""
    owner_of: OwnerOf = unowned
    _offered: dict[tuple[str, ModelName], OfferedModel | None] = field(default_factory=dict)
    """A cache: many resources have the same model, and accounts list hundreds."""

    def declared(self, kinds: Callable[[ResourceType], bool]) -> list[Resource]:
        """The declared resources of these kinds."""
        return [resource for address, resource in self.resources.items() if kinds(kind_of(address))]

    def concerned(
        self, is_wanted: Wanted, actions: Iterable[Action] = CREATING, provider: str = ""
    ) -> Iterator[Change]:
        """The changes that create objects of the wanted kinds in known accounts, or at one provider."""
        accounts = (provider,) if provider else self.accounts
        for change in self.changes:
            wanted = is_wanted(kind_of(change.address)) and change.action in actions
            if wanted and change.provider in accounts:
                yield change

    def addresses(self, is_wanted: Wanted, provider: str) -> list[Address]:
        """The resources of the wanted kinds that are created or changed in the account of a provider."""
        return [change.address for change in self.concerned(is_wanted, MAKING, provider)]

    def order(self) -> Order:
        """Which steps wait for which; a new one, because others can be added to it."""
        return Order({change.step: change.waits_for for change in self.changes})

    def sent(self, is_wanted: Wanted, provider: str) -> frozenset[str]:
        """The inputs that are set in resources of the wanted kinds that are created at a provider."""
        changes = self.concerned(is_wanted, provider=provider)
        return frozenset(name for change in changes for name, value in change.after.items() if value)

    def new_deployments(self, provider: str) -> list[tuple[Value, tuple[str, ...]]]:
        """The models of deployments that are created at a provider, and the steps that each waits for."""
        made = self.concerned(lambda kind: kind.serves, provider=provider)
        return [(change.after.get("model"), change.waits_for) for change in made]

    def made(self, is_wanted: Wanted, provider: str) -> list[Address]:
        """The resources of the wanted kinds that are created at a provider."""
        return [change.address for change in self.concerned(is_wanted, provider=provider)]

    def named(self, value: Value, version: str = "") -> ModelName | None:
        """The model that an input names, followed through references to jobs."""
        return referenced_model(value, self.resources, version)

    def offered(self, provider: str, model: ModelName) -> OfferedModel | None:
        """The base model as the account lists it."""
        key = (provider, model._replace(tuned=False, literal=""))
        if key not in self._offered:
            models = self.accounts[provider].models or ()
            self._offered[key] = find(models, model.base, model.version) if model.base else None
        return self._offered[key]

    def deployed(self, provider: str, model: ModelName) -> OfferedModel | None:
        """The account's row for deployments of a model. For a tuned one that is its own, or else that of
        another one of the same base: neither dates nor SKUs of a base model hold for those."""
        offered = self.offered(provider, model)
        if not model.tuned:
            return offered
        rows = [row for row in self.accounts[provider].models or () if row.base]
        own = find(rows, model.literal.partition(":ckpt")[0]) if model.literal else None
        return own or next((r for r in rows if offered and r.base.casefold() == offered.id.casefold()), None)

    def listed(self, provider: str, model: ModelName) -> CatalogModel | None:
        """The base model as the catalogue has it."""
        return self.catalog_of(provider).find(model.base, model.version) if model.base else None

    def catalog_of(self, provider: str) -> Catalog:
        """The catalogue of the account's service."""
        return self.catalog.of(PROVIDER_TYPES[self.accounts[provider].service])

    def limit(self, provider: str, name: str) -> int | None:
        """A limit of the account; if it doesn't report one, the catalogue's."""
        return self.accounts[provider].limits.get(name, self.catalog_of(provider).limits.get(name))

    def finding(
        self, address: Address, summary: str, detail: str, hint: str, severity: str = "error", at: str = ""
    ) -> Diagnostic:
        """A finding about one resource, with its place: that of the input `at` it, if the spec sets that, or
        of the input that it must suit."""
        resource = self.resources.get(address)
        places = resource.places if resource else {}
        written = places.get(at) or places.get(at.partition(".")[0]) or places.get(_OTHERWISE.get(at, ""))
        place = written or (resource.place if resource else None)
        return Diagnostic(f"{address}: {summary}", detail, hint, place, severity)

    def warning(self, address: Address, summary: str, detail: str, hint: str, at: str = "") -> Diagnostic:
        return self.finding(address, summary, detail, hint, "warning", at)

    def about_provider(
        self, provider: str, summary: str, detail: str, hint: str, severity: str = "error"
    ) -> Diagnostic:
        """A finding about an account as a whole."""
        place = self.places.get(provider)
        return Diagnostic(f"provider {provider}: {summary}", detail, hint, place, severity)


def has_model(kind: ResourceType) -> bool:
    """Whether such a resource is made from a model."""
    return kind.trains or kind.serves


def models_of(
    situation: Situation, is_wanted: Wanted
) -> Iterator[tuple[Change, ModelName, OfferedModel | None, CatalogModel | None]]:
    """Resources of the wanted kinds that are created, or given another model or SKU, with the model of each:
    as it is named, as the account lists it, and as the catalogue does."""
    for change in situation.concerned(is_wanted, actions=MAKING):
        if kind_of(change.address).serves and serving_of(change.after) is not Serving.SERVERLESS:
            continue  # what the account lists is about serverless deployments
        touched = change.action in CREATING or any(
            a.path.partition(".")[0] in _IN_MODEL and a.path != "sku.capacity" for a in change.attributes
        )
        after = change.after
        model = situation.named(after.get("model"), text(after, "version")) if touched else None
        if model is not None:
            name = change.provider
            yield change, model, situation.offered(name, model), situation.listed(name, model)


class Training(NamedTuple):
    """A job that is created, and its model: as it is named, as the account lists it, and as the catalogue
    does."""

    address: Address
    provider: str
    model: ModelName
    offered: OfferedModel | None
    listed: CatalogModel | None


def trainings(situation: Situation) -> Iterator[Training]:
    """Of all jobs with a known model."""
    for change, model, offered, listed in models_of(situation, lambda kind: kind.trains):
        yield Training(change.address, change.provider, model, offered, listed)


def account_name(situation: Situation, change: Change) -> str:
    """The account of a change, with its region if that is known."""
    facts = situation.accounts[change.provider]
    return f"{facts.name} ({facts.location})" if facts.location else facts.name


def find(models: Iterable[OfferedModel], name: str, version: str = "") -> OfferedModel | None:
    """By id, by name and version, or by name alone: then the default version."""
    asked, wanted = name.casefold(), version.casefold()
    named = [m for m in models if asked in (m.id.casefold(), m.name.casefold())]
    if wanted:
        return next((m for m in named if m.version.casefold() == wanted), None)
    named.sort(key=lambda m: (m.id.casefold() != asked, not m.is_default))
    return named[0] if named else None


def text(inputs: Mapping[str, Value], name: str) -> str:
    """An input that is plain text; empty if it is missing or not known yet."""
    value = inputs.get(name)
    return value if isinstance(value, str) else ""
