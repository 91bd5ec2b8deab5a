"""Account inspection: a few concurrent reads of an Azure OpenAI account, for preflight.

Never raises a ProviderError: what you may not see stays unknown, and an endpoint that can't be reached is a
fact as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, TypeVar

from ftops.core.api_versions import describe
from ftops.core.errors import ProviderError
from ftops.core.nested import list_at, object_at
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.providers.account_facts import (
    Access,
    AccountFacts,
    ManagedFacts,
    OfferedModel,
    OfferedSku,
    Reach,
    Usage,
)
from ftops.providers.azure import deployment_wire as wire
from ftops.providers.azure.arm_objects import ArmObjects
from ftops.providers.azure.clients import Clients
from ftops.providers.azure.managed_compute import ManagedCompute
from ftops.providers.dataplane.client import body_of, items_of, reach_of
from ftops.providers.dataplane.job_wire import job_counts
from ftops.state.state import Status

T = TypeVar("T")
Json = Mapping[str, Any]
Items = list[dict[str, Any]]
Reply = Future[tuple[T | None, Access]]
"""What a read returned, if anything, and how far it came; a future, as reads are concurrent."""

TRAIN = "Microsoft.CognitiveServices/accounts/OpenAI/fine-tunes/write"
DEPLOY = "Microsoft.CognitiveServices/accounts/deployments/write"
_LIMITS: Mapping[str, str] = {
    "maxfinetunecount": "jobs",
    "maxrunningfinetunecount": "running_jobs",
    "maxrunningglobalstandardfinetunecount": "running_global_jobs",
    "maxuserfilecount": "files",
    "maxtrainingfilesize": "file_bytes",
}
"""Capabilities of an account, in lower case → names of limits."""
_COUNT = re.compile(r"[0-9]{1,18}")
_CALLS_AT_ONCE = 6
_PAGE = 100


def inspect(clients: Clients, kinds: Collection[str]) -> AccountFacts:
    """What preflight needs to know before resources of these kinds are created."""
    with ThreadPoolExecutor(_CALLS_AT_ONCE, "inspect") as pool:
        return _Inspection(clients, frozenset(kinds), pool).facts()


def inspect_managed(clients: Clients, location: str) -> ManagedFacts:
    """What preflight needs to know before something is deployed on managed compute."""
    objects, version = ArmObjects(clients, ManagedCompute.segment), clients.account.managed_api_version
    targets = _unless_refused(clients, objects.list, "list the deployments on managed compute")
    path = "managedComputeUsages"
    usages = (
        _unless_refused(clients, lambda: clients.arm.at_location(location, path, version), "read the quotas")
        if location
        else None
    )
    return ManagedFacts(
        None if targets is None else dict(map(_managed, targets)),
        None if usages is None else tuple(_usages(usages)),
    )


def _unless_refused(clients: Clients, call: Callable[[], Items], action: str) -> Items | None:
    """What a read of the control plane returns; None if it isn't possible."""
    try:
        with clients.calling(action, control_plane=True):
            return call()
    except ProviderError:
        return None


class _Inspection:
    """The reads of one inspection."""

    def __init__(self, clients: Clients, kinds: frozenset[str], pool: ThreadPoolExecutor) -> None:
        self._clients = clients
        self._account = clients.account
        rows = [RESOURCE_TYPES[kind] for kind in kinds]
        self._has_data = any(row.is_data for row in rows)
        self._trains = any(row.trains for row in rows)
        self._deploys = any(row.by_control_plane for row in rows)
        self._pool = pool

    def facts(self) -> AccountFacts:
        files = self._start(self._trains or self._has_data, self._files, "list the files")
        jobs = self._start(self._trains, self._jobs, "list the jobs")
        account, models, rights, deployed = self._ask_control_plane()
        body, deploying = account.result()
        location = str((body or {}).get("location") or self._account.location)
        has_quotas = self._deploys and bool(location)
        quotas, _ = self._start(
            has_quotas, lambda: self._clients.arm.usages(location), "read the quotas", arm=True
        ).result()
        if deploying.reach is Reach.REFUSED:
            deploying = self._unless_deleted(deploying)
        found, training = files.result()
        sizes = None if found is None else _own_files(found)
        listed, grants, names = models.result()[0], rights.result()[0], deployed.result()[0]
        return AccountFacts(
            name=self._account.name or self._account.endpoint,
            location=location,
            is_located=bool((body or {}).get("location")),
            state=str(object_at(body or {}, "properties").get("provisioningState") or ""),
            training=training,
            deploying=deploying,
            may_train=None if self._account.api_key else _allows(grants, TRAIN, "dataActions"),
            may_deploy=_allows(grants, DEPLOY, "actions"),
            models=None if listed is None else tuple(map(model_of, filter(_is_named, listed))),
            usages=None if quotas is None else tuple(_usages(quotas)),
            deployments=None if names is None else dict(map(_served, names)),
            limits=_limits(body or {}),
            api_version=self._account.api_version,
            undescribed=describe(self._account.api_version).lacks,
            counts={**({} if sizes is None else _file_counts(sizes)), **_job_counts(jobs.result()[0])},
            file_sizes=sizes or {},
        )

    def _ask_control_plane(
        self,
    ) -> tuple[Reply[dict[str, Any]], Reply[Items], Reply[Items], Reply[Items]]:
        """The account with its limits, its models, what the caller may do, and its deployments."""
        deploys, clients, is_named = self._deploys, self._clients, not self._account.lacking
        wanted = deploys or (self._trains and is_named)
        has_limits = wanted or (self._has_data and is_named)
        return (
            self._start(has_limits, lambda: clients.arm.account(), "read the account", arm=True),
            self._start(wanted, lambda: clients.arm.models(), "list the models", arm=True),
            self._start(wanted, lambda: clients.arm.permissions(), "read the roles", arm=True),
            self._start(deploys, lambda: clients.arm.deployments(), "list the deployments", arm=True),
        )

    def _start(self, wanted: bool, call: Callable[[], T], action: str, *, arm: bool = False) -> Reply[T]:
        if wanted:
            return self._pool.submit(self._tried, call, action, arm)
        left_out: Reply[T] = Future()
        left_out.set_result((None, Access()))
        return left_out

    def _tried(self, call: Callable[[], T], action: str, arm: bool) -> tuple[T | None, Access]:
        try:
            with self._clients.calling(action, control_plane=arm):
                return call(), Access(Reach.USABLE)
        except ProviderError as error:
            return None, Access(reach_of(error), error.summary, error.detail, error.hint)

    def _files(self) -> list[dict[str, Any]]:
        list_: Callable[..., Any] = self._clients.data.files.with_raw_response.list
        # The dated versions know no paging, and list everything at once.
        fetch = partial(list_, limit=_PAGE) if self._account.is_v1 else lambda **after: list_()
        return [file for page in items_of(fetch, "list the files") for file in page]

    def _jobs(self) -> dict[str, Any]:
        """The newest jobs; running ones are among them."""
        reply = self._clients.data.fine_tuning.jobs.with_raw_response.list(limit=_PAGE)
        return body_of(reply, "list the jobs")

    def _unless_deleted(self, access: Access) -> Access:
        """An account that can't be read may be deleted, with its name still reserved."""
        deleted, _ = self._tried(lambda: self._clients.arm.deleted(), "list the deleted accounts", True)
        name = self._account.name.casefold()
        if not any(str(item.get("name")).casefold() == name for item in deleted or ()):
            return access
        return Access(
            Reach.REFUSED,
            f"account {self._account.name} is deleted",
            "It can still be restored. Until it is purged, its name is reserved.",
            "restore it (`az cognitiveservices account recover`), or purge it and create it again",
        )


def model_of(entry: Json) -> OfferedModel:
    """An item of the account's list of models. Its fields depend on the API version."""
    capabilities, dates = object_at(entry, "capabilities"), object_at(entry, "deprecation")
    base = object_at(entry, "baseModel")
    skus = entry.get("skus")
    return OfferedModel(
        name=str(entry.get("name")),
        version=str(entry.get("version") or ""),
        tunable=str(capabilities.get("fineTune", "")).lower() == "true" if capabilities else None,
        skus=tuple(map(_sku, filter(_is_named, skus))) if isinstance(skus, list) and skus else None,
        format=str(entry.get("format") or ""),
        training_retires=_day(dates.get("fineTune")),
        inference_retires=_day(dates.get("inference")),
        is_tentative=str(dates.get("deprecationStatus") or "").casefold() == "tentative",
        lifecycle=str(entry.get("lifecycleStatus") or ""),
        is_default=entry.get("isDefaultVersion") is True,
        base="-".join(str(base[key]) for key in ("name", "version") if base.get(key)),
    )


def _sku(entry: Json) -> OfferedSku:
    maximum = object_at(entry, "capacity").get("maximum")
    return OfferedSku(
        name=str(entry.get("name")),
        usage=str(entry.get("usageName") or ""),
        maximum=int(maximum) if isinstance(maximum, int | float) else None,
        retires=_day(entry.get("deprecationDate")),
    )


def _usages(rows: Iterable[Json]) -> Iterable[Usage]:
    for row in rows:
        name, used, limit = object_at(row, "name"), row.get("currentValue"), row.get("limit")
        if name.get("value") and isinstance(used, int | float) and isinstance(limit, int | float):
            yield Usage(str(name["value"]), str(name.get("localizedValue") or name["value"]), used, limit)


def _limits(body: Json) -> dict[str, int]:
    limits: dict[str, int] = {}
    for row in list_at(object_at(body, "properties"), "capabilities"):
        ours = _LIMITS.get(str(row.get("name")).lower()) if isinstance(row, Mapping) else None
        if ours and _COUNT.fullmatch(str(row.get("value"))):
            limits[ours] = int(row["value"])
    return limits


def _own_files(files: list[dict[str, Any]]) -> dict[str, int]:
    """Those that count, without the results of jobs, and their sizes."""
    own = (file for file in files if file.get("purpose") != "fine-tune-results")
    return {str(file.get("id")): size if isinstance(size := file.get("bytes"), int) else 0 for file in own}


def _file_counts(sizes: Mapping[str, int]) -> dict[str, int]:
    return {"files": len(sizes), "total_file_bytes": sum(sizes.values())}


def _job_counts(page: Json | None) -> dict[str, int]:
    if page is None:
        return {}
    jobs = [job for job in list_at(page, "data") if isinstance(job, Mapping)]
    counts = job_counts(jobs)
    return counts if page.get("has_more") else {**counts, "jobs": len(jobs)}


def _allows(grants: list[dict[str, Any]] | None, action: str, key: str) -> bool | None:
    """Whether one of the grants allows an action; None if they aren't known."""
    if not grants:
        return None
    excluded = f"not{key[0].upper()}{key[1:]}"
    return any(_covers(list_at(g, key), action) and not _covers(list_at(g, excluded), action) for g in grants)


def _covers(patterns: Iterable[Any], action: str) -> bool:
    return any(fnmatchcase(action.lower(), str(pattern).lower()) for pattern in patterns)


def _is_named(entry: Any) -> bool:
    return isinstance(entry, Mapping) and bool(entry.get("name"))


def _managed(deployment: Json) -> tuple[str, str]:
    """Its name, and its model."""
    return str(deployment.get("name")).lower(), str(object_at(deployment, "properties").get("model"))


def _served(deployment: Json) -> tuple[str, str]:
    """Its name, and the model that it serves; empty if it isn't ready."""
    name = str(deployment.get("name"))
    is_ready = wire.status_of(deployment) is Status.READY
    return name.lower(), str(wire.attributes_of(deployment, name, "")["model"]) if is_ready else ""


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10]) if value else None
    except ValueError:
        return None
