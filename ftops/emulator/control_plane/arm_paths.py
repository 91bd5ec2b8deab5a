"""Paths and api-versions of Azure Resource Manager, and its errors for those that don't exist.

Sources: versions as Microsoft lists them for types of resources, and those of the SDKs; errors as in its
documents and in public issues (terraform-provider-azurerm, ansible-collections/azure, azure-cli).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from ftops.emulator.account.cloud import Account
from ftops.emulator.account.settings import Settings
from ftops.emulator.http.errors import ServiceError, resource_not_found

NAMESPACE = "Microsoft.CognitiveServices"
_VERSIONS_LIST = """
    2026-09-15-preview 2026-07-01 2026-05-15-preview 2026-05-01 2026-03-15-preview 2026-03-01
    2026-01-15-preview 2025-12-01 2025-10-01-preview 2025-09-01 2025-07-01-preview 2025-06-01
    2025-04-01-preview 2024-10-01 2024-06-01-preview 2024-04-01-preview 2023-10-01-preview 2023-05-01
    2022-12-01 2022-10-01 2022-03-01 2021-10-01 2021-04-30 2017-04-18 2016-02-01-preview
"""
VERSIONS = tuple(_VERSIONS_LIST.split())
"""Of the provider, the newest first."""
_OF_RESOURCE_MANAGER_LIST = """
    2025-07-01 2025-04-01 2025-03-01 2024-11-01 2024-08-01 2024-07-01 2024-03-01 2023-07-01 2022-12-01
    2022-09-01 2022-06-01 2022-05-01 2022-01-01 2021-04-01 2021-01-01 2020-10-01 2020-09-01 2020-08-01
    2020-07-01 2020-06-01 2020-05-01 2020-01-01 2019-11-01 2019-10-01 2019-09-01 2019-08-01 2019-07-01
    2019-06-01 2019-05-10 2019-05-01 2019-03-01 2018-11-01 2018-09-01 2018-08-01 2018-07-01 2018-06-01
    2018-05-01 2018-02-01 2018-01-01 2017-12-01 2017-08-01 2017-06-01 2017-05-10 2017-05-01 2017-03-01
    2016-09-01 2016-07-01 2016-06-01 2016-02-01 2015-11-01 2015-01-01 2014-04-01
"""
_OF_RESOURCE_MANAGER = tuple(_OF_RESOURCE_MANAGER_LIST.split())
"""Of subscriptions, tenants, resource groups and providers."""
TYPES: Mapping[str, str] = {
    "accounts": "2016-02-01",
    "accounts/adapterDeployments": "2026-09-15",
    "accounts/deployments": "2021-10-01",
    "accounts/managedComputeDeployments": "2026-03-15",
    "accounts/models": "2021-10-01",
    "accounts/projects": "2025-04-01",
    "accounts/raiPolicies": "2023-10-01",
    "accounts/skus": "2016-02-01",
    "accounts/usages": "2017-04-18",
    "checkDomainAvailability": "2017-04-18",
    "deletedAccounts": "2021-04-30",
    "locations": "2016-02-01",
    "locations/managedComputeUsages": "2026-03-15",
    "locations/modelCapacities": "2023-10-01",
    "locations/models": "2023-05-01",
    "locations/operationResults": "2016-02-01",
    "locations/resourceGroups": "2021-04-30",
    "locations/resourceGroups/deletedAccounts": "2021-04-30",
    "locations/usages": "2023-05-01",
    "modelCapacities": "2023-10-01",
    "skus": "2017-04-18",
}
"""The emulated types of resources, with the date of the first version that has them."""
_TYPES = {name.lower(): name for name in TYPES}
_PATH = re.compile(
    r"/subscriptions(?:/(?P<subscription>[^/]+)(?:/resourceGroups/(?P<group>[^/]+))?)?"
    r"(?:/providers/(?P<namespace>[^/]+)(?:/(?P<rest>.+))?)?/?",
    re.IGNORECASE,
)
_NESTED = re.compile(r"^(.*)/providers/([^/]+)/([^/]+)", re.IGNORECASE)
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")


class Place(NamedTuple):
    """What a path names. ``kind`` is a type without its namespace, in lower case."""

    subscription: str = ""
    group: str = ""
    namespace: str = ""
    kind: str = ""
    account: str = ""


def versions_of(kind: str) -> list[str]:
    """The versions that have a type of resource."""
    return [version for version in VERSIONS if version >= TYPES[kind]]


def check_version(path: str, version: str | None, location: str, settings: Settings) -> None:
    """Raise ServiceError unless the api-version of a request exists for what its path names."""
    if not version:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ServiceError(400, "MissingApiVersionParameter", message)
    place = _place(path)
    kind = _known(place.kind)
    is_of_provider = place.namespace.lower() == NAMESPACE.lower()
    if place.kind and not (is_of_provider and kind):
        return  # of an unknown type, which is the error
    known = versions_of(kind) if kind else list(_OF_RESOURCE_MANAGER)
    if version.lower() in known or _is_accepted(version, known[0], settings):
        return
    if kind is None:
        message = f"The api-version '{version}' is invalid. The supported versions are '{','.join(known)}'."
        raise ServiceError(400, "InvalidApiVersionParameter", message)
    raise ServiceError(
        400,
        "NoRegisteredProviderFound",
        f"No registered resource provider found for location '{location}' and API version '{version}' for "
        f"type '{kind}'. The supported api-versions are '{', '.join(known)}'. The supported locations are "
        f"'{location}'.",
    )


def _is_accepted(version: str, newest: str, settings: Settings) -> bool:
    """Whether it is newer than all that were known when this was written, and such versions are accepted."""
    is_newer = _DATED.fullmatch(version) is not None and version[:10] > newest[:10]
    return is_newer and settings.newer_api_versions == "accepted"


def unknown(account: Account, groups: Collection[str], path: str, version: str) -> ServiceError:
    """The error for a path without a route. ``groups`` are the resource groups that exist, in lower case."""
    place = _place(path)
    if place.subscription and place.subscription.lower() != account.subscription.lower():
        message = f"The subscription '{place.subscription}' could not be found."
        return ServiceError(404, "SubscriptionNotFound", message)
    if place.group and place.group.lower() not in groups:
        return group_not_found(place.group)
    if not place.namespace or place.namespace.lower() != NAMESPACE.lower():
        message = f"The resource namespace '{place.namespace}' is invalid."
        return ServiceError(404, "InvalidResourceNamespace", message)
    if place.kind not in _TYPES:
        return ServiceError(
            404,
            "InvalidResourceType",
            f"The resource type '{place.kind}' could not be found in the namespace '{NAMESPACE}' for api "
            f"version '{version}'.",
        )
    return resource_not_found(f"{NAMESPACE}/accounts/{place.account}", place.group)


def group_not_found(group: str) -> ServiceError:
    return ServiceError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def _place(path: str) -> Place:
    match = _PATH.fullmatch(path)
    if match is None:
        return Place()
    rest = match["rest"] or ""
    if nested := _NESTED.match(f"/{rest}"):
        return Place(match["subscription"] or "", match["group"] or "", nested[2], nested[3].lower())
    parts = rest.split("/")
    return Place(
        match["subscription"] or "",
        match["group"] or "",
        match["namespace"] or "",
        "/".join(parts[::2]).lower(),
        parts[1] if len(parts) > 1 else "",
    )


def _known(kind: str) -> str | None:
    """The emulated type that a type is or belongs to: an action follows the type of its resource."""
    while kind and kind not in _TYPES:
        kind = kind.rpartition("/")[0]
    return _TYPES.get(kind)
