"""Account facts: what an account offers and allows, for preflight. Values only.

A fact that the service didn't report is None or missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum

from msgspec import Struct, field

RUNNING_LIMITS: Mapping[str, str] = {
    "standard": "running_jobs",
    "global_standard": "running_global_jobs",
    "developer": "running_developer_jobs",
}
"""Training types → the limits for jobs that run at a time."""


class Reach(StrEnum):
    """How far a request to a service came."""

    USABLE = "usable"
    REFUSED = "refused"
    """The request would be refused again: the identity or the request is wrong."""
    SIGNED_OUT = "signed out"
    """There is no key, and no credential was found."""
    UNREACHABLE = "unreachable"
    """No connection could be made."""
    BUSY = "busy"
    """No usable answer this time."""
    UNKNOWN = "unknown"
    """Not asked."""


class Access(Struct, frozen=True):
    """Whether one interface of the account can be used; if not, why and what to do."""

    reach: Reach = Reach.UNKNOWN
    summary: str = ""
    detail: str = ""
    hint: str = ""


class OfferedSku(Struct, frozen=True):
    """A SKU under which a model can be deployed. `usage` names the quota that it counts against."""

    name: str
    usage: str = ""
    maximum: int | None = None
    """The largest capacity of one deployment."""
    retires: date | None = None


class OfferedModel(Struct, frozen=True):
    """A model as the account lists it. `base` is the id of a tuned model's base model."""

    name: str
    version: str = ""
    tunable: bool | None = None
    skus: tuple[OfferedSku, ...] | None = None
    training_retires: date | None = None
    inference_retires: date | None = None
    lifecycle: str = ""
    is_default: bool = False
    base: str = ""
    is_tentative: bool = False
    """Whether the dates may still be moved."""
    format: str = ""
    """The word for its publisher in requests for deployments."""

    @property
    def id(self) -> str:
        """`gpt-4o-mini-2024-07-18`: the name in specs and on the data plane."""
        return f"{self.name}-{self.version}" if self.version and not self.base else self.name


class Usage(Struct, frozen=True):
    """A quota: its usage and its limit."""

    name: str
    title: str
    used: float
    limit: float


class ManagedFacts(Struct, frozen=True):
    """What an account has on managed compute."""

    targets: Mapping[str, str] | None = None
    """Deployments of base models: their names in lower case, and their models."""
    usages: tuple[Usage, ...] | None = None


class AccountFacts(Struct, frozen=True):
    """One account as it is now.

    `limits` and `counts` have the names of limits in the catalogue: files, file_bytes,
    total_file_bytes, jobs, running_jobs, running_global_jobs, running_developer_jobs, queued_jobs.
    """

    name: str = ""
    location: str = ""
    is_located: bool = False
    """Whether the account itself reports its location; if not, it is the one in the spec."""
    state: str = ""
    """The account's own provisioning state."""
    training: Access = Access()
    """The interface for files and jobs."""
    deploying: Access = Access()
    """The interface for deployments."""
    may_train: bool | None = None
    """Whether your roles allow it; None: they can't be read, or a key is used."""
    may_deploy: bool | None = None
    models: tuple[OfferedModel, ...] | None = None
    usages: tuple[Usage, ...] | None = None
    deployments: Mapping[str, str] | None = None
    """All deployments: their names in lower case, and the models of those that are ready."""
    limits: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    file_sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of the files, by ID."""
    api_version: str = ""
    undescribed: tuple[str, ...] = ()
    """Fields of jobs that the description of this API version lacks."""
    service: str = "azure_openai"
    """The type of provider whose models, names and limits it has."""
    retires: bool = True
    """False: models remain available after their retirement date."""
