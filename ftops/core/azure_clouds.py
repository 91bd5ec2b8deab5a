"""Azure clouds: what differs between the public one and those for the US government and China. Pure.

Sources: `get_arm_endpoints` of azure-mgmt-core 1.6, `AzureAuthorityHosts` of azure-identity 1.27, and the
pages on Foundry in Azure Government.
"""

from __future__ import annotations

import re

from msgspec import Struct


class AzureCloud(Struct, frozen=True):
    """One cloud."""

    suffix: str
    """Of the hosts of accounts."""
    control_endpoint: str
    """Azure Resource Manager."""
    control_scope: str
    """Of the tokens for it."""
    authority: str
    """The host of Microsoft Entra ID."""

    @property
    def resource_scope(self) -> str:
        """Of the tokens for a resource."""
        return f"https://cognitiveservices.{self.suffix}/.default"

    @property
    def project_scope(self) -> str:
        """Of the tokens for a project."""
        return f"https://ai.{self.suffix}/.default"


_HOST = re.compile(r"https?://(?P<host>[a-z0-9.-]+)(?=[:/]|\Z)", re.IGNORECASE | re.ASCII)
PUBLIC = AzureCloud(
    "azure.com",
    "https://management.azure.com",
    "https://management.azure.com/.default",
    "login.microsoftonline.com",
)
CLOUDS = (
    PUBLIC,
    AzureCloud(
        "azure.us",
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
        "login.microsoftonline.us",
    ),
    AzureCloud(
        "azure.cn",
        "https://management.chinacloudapi.cn",
        "https://management.chinacloudapi.cn/.default",
        "login.chinacloudapi.cn",
    ),
)


def cloud_of(*addresses: str) -> AzureCloud:
    """That of the first address whose host tells it, of an account or of Azure Resource Manager; else the
    public one: a gateway or an emulator can be in any."""
    hosts = [found["host"].lower() for address in addresses if (found := _HOST.match(address))]
    known = (cloud for host in hosts for cloud in CLOUDS if _is_in(host, cloud))
    return next(known, PUBLIC)


def other_scope(scope: str, cloud: AzureCloud) -> str:
    """What to try if a token for this scope is refused: not all services take the same."""
    return cloud.project_scope if scope == cloud.resource_scope else cloud.resource_scope


def _is_in(host: str, cloud: AzureCloud) -> bool:
    control = cloud.control_endpoint.removeprefix("https://")
    return host == control or host.endswith((f".{control}", f".{cloud.suffix}"))
