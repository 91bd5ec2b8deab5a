"""What a provider's account says of itself, before anything is made there. Values only.

A field that the service didn't tell is None or missing: nothing here is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum

from msgspec import Struct, field


class Reach(StrEnum):
    """How far a request to an interface of the service came."""

    USABLE = "usable"
    REFUSED = "refused"
    """It would be refused again: who asks, or what is asked for, is wrong."""
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
    """Capacity of one deployment at most."""
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

    @property
    def id(self) -> str:
        """`gpt-4o-mini-2024-07-18`: the name by which a spec and the data plane know it."""
        return f"{self.name}-{self.version}" if self.version and not self.base else self.name


class Usage(Struct, frozen=True):
    """A quota: how much of it is used, and how much there is."""

    name: str
    title: str
    used: float
    limit: float


class AccountFacts(Struct, frozen=True):
    """One account as it is now.

    `limits` and `counts` go by the same names as the limits of the catalogue: files, file_bytes,
    total_file_bytes, jobs, running_jobs, running_global_jobs, queued_jobs.
    """

    name: str = ""
    location: str = ""
    state: str = ""
    """The account's own provisioning state."""
    training: Access = Access()
    """The interface for files and jobs."""
    deploying: Access = Access()
    """The interface for deployments."""
    may_train: bool | None = None
    """Whether the roles of who asks allow it; None: they can't be read, or a key decides."""
    may_deploy: bool | None = None
    models: tuple[OfferedModel, ...] | None = None
    usages: tuple[Usage, ...] | None = None
    deployments: frozenset[str] | None = None
    """Names of all deployments, in lower case."""
    limits: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    service: str = "azure_openai"
    """Which part of the catalogue describes it: `azure_openai` or `openai`."""
    retires: bool = True
    """False: what is listed here goes on beyond its retirement date."""
