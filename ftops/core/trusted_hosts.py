"""Trusted hosts: the hosts that credentials may be sent to, the scopes of tokens, and their checks. Pure.

A spec may come from a stranger; the credentials belong to whoever sets the environment. So a spec can only
choose among the known hosts of a service, and the environment can add others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from msgspec import Struct

from ftops.core.azure_clouds import CLOUDS
from ftops.core.suggestions import CURLY_QUOTES, STRAIGHT_QUOTES

ALLOW_VARIABLE = "FTOPS_ALLOW_HOSTS"
"""Environment variable with additional hosts, separated by commas: `host`, `host:port`, `*.suffix`."""

ALLOW_SCOPES_VARIABLE = "FTOPS_ALLOW_SCOPES"
"""Environment variable with additional scopes of tokens, separated by commas."""
SCOPES = tuple(scope for cloud in CLOUDS for scope in (cloud.resource_scope, cloud.project_scope))
"""Of tokens for the data plane of Azure OpenAI, which open nothing else."""


class Service(Struct, frozen=True):
    """A service that receives credentials, and its known hosts.

    In a pattern, `*` stands for one label, or for one or more at the beginning.
    """

    name: str
    hosts: tuple[str, ...] = ()
    is_local: bool = False
    """Whether it only runs on this machine."""


AZURE_OPENAI = Service(
    "Azure OpenAI",
    (
        "*.openai.azure.com",
        "*.cognitiveservices.azure.com",
        "*.services.ai.azure.com",
        "*.api.cognitive.microsoft.com",
        "*.openai.azure.us",
        "*.cognitiveservices.azure.us",
        "*.services.ai.azure.us",
        "*.openai.azure.cn",
        "*.cognitiveservices.azure.cn",
        "*.services.ai.azure.cn",
    ),
)
RESOURCE_MANAGER = Service(
    "Azure Resource Manager",
    (
        "management.azure.com",
        "*.management.azure.com",
        "management.usgovcloudapi.net",
        "*.management.usgovcloudapi.net",
        "management.chinacloudapi.cn",
        "*.management.chinacloudapi.cn",
    ),
)
OPENAI = Service("the OpenAI platform", ("api.openai.com", "*.api.openai.com"))
CHAT = Service("a service with the API of OpenAI", (*OPENAI.hosts, *AZURE_OPENAI.hosts))
EMULATOR = Service("an emulator", is_local=True)
BLOB_STORAGE = Service(
    "Azure Blob Storage",
    (
        "*.blob.core.windows.net",
        "*.blob.storage.azure.net",
        "*.blob.core.usgovcloudapi.net",
        "*.blob.core.chinacloudapi.cn",
    ),
)
S3 = Service(
    "Amazon S3",
    # Customers can get other names below amazonaws.com.
    (
        "s3.amazonaws.com",
        "s3.*.amazonaws.com",
        "s3.dualstack.*.amazonaws.com",
        "s3-fips.*.amazonaws.com",
        "s3-fips.dualstack.*.amazonaws.com",
        "s3.*.amazonaws.com.cn",
        "s3.dualstack.*.amazonaws.com.cn",
    ),
)

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:]+\]|[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/[a-z0-9/._~%-]*)?",
    re.IGNORECASE | re.ASCII,
)
"""Stricter than the standards: no address that two parsers may read as two hosts is accepted."""
_HTTPS_PORT = 443
_LOOPBACK_6 = IPv6Address("::1")


class Refusal(NamedTuple):
    """Why credentials aren't sent to an address: what is wrong, why, and what to do."""

    summary: str
    detail: str
    hint: str


def refusal(
    address: str, service: Service, environ: Mapping[str, str], *, written: str = ""
) -> Refusal | None:
    """Why credentials of a service may not be sent to an address; None if they may. `written`: the expression
    for an address whose value must not be shown."""
    found = _ADDRESS.fullmatch(address.strip())
    if found is None:
        return address_refusal(address, written=written)
    host = found["host"].lower()
    port = int(found["port"]) if found["port"] else None
    if _is_loopback(host):
        return None
    shown = written or host
    if service.is_local:
        return Refusal(f"{shown} isn't this machine", _LOCAL, _LOCAL_HINT)
    if unsafe := address_refusal(address, written=written):
        return unsafe
    if port in (None, _HTTPS_PORT) and any(_matches(host, pattern) for pattern in service.hosts):
        return None
    allowed = [entry.strip().lower() for entry in environ.get(ALLOW_VARIABLE, "").split(",")]
    if any(_matches(host, entry) or entry == f"{host}:{port}" for entry in allowed):
        return None
    name = "…" if written else host if port is None else f"{host}:{port}"
    wrong = next((entry for entry in allowed if entry and not _ENTRY.fullmatch(entry)), None)
    note = f". `{wrong}` in it isn't a host: write `host`, `host:port` or `*.suffix`."
    return Refusal(
        f"{shown} isn't a known host of {service.name}",
        f"Keys and tokens are only sent to known hosts ({', '.join(service.hosts)}), at port 443: a spec "
        "can't have them sent elsewhere.",
        "Correct the address. If you trust the host, allow it in the environment: `export "
        f"{ALLOW_VARIABLE}={name}`" + (note if wrong else ""),
    )


_HOST_ALONE = re.compile(r"(localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?::[0-9]+)?(?:/[^\s?#]*)?")
"""A host, with a port and a path if there are any, of which only the scheme is missing."""


def address_refusal(address: str, *, written: str = "") -> Refusal | None:
    """Why no credentials may be sent to an address, whoever answers there; None if they may."""
    found = _ADDRESS.fullmatch(address.strip())
    if found is None:
        alone = _HOST_ALONE.fullmatch(address.strip()) if not written else None
        scheme = "http" if alone and _is_loopback(alone[1].lower()) else "https"
        hint = f"Write `{scheme}://{address.strip()}`." if alone else _FORM_HINT
        if _ADDRESS.fullmatch(address.strip().strip(CURLY_QUOTES)):
            hint = STRAIGHT_QUOTES
        return Refusal(f"{written or 'this'} isn't the address of a server", _FORM, hint)
    host = found["host"].lower()
    if found["scheme"].lower() == "http" and not _is_loopback(host):
        return Refusal(f"credentials would go to {written or host} unencrypted", _HTTP, _HTTP_HINT)
    return None


def scope_refusal(scope: str, environ: Mapping[str, str], *, written: str = "") -> Refusal | None:
    """Why no token for a scope may be asked for; None if it may. `written`: the expression for a scope whose
    value must not be shown."""
    allowed = (entry.strip() for entry in environ.get(ALLOW_SCOPES_VARIABLE, "").split(","))
    if scope in SCOPES or scope in filter(None, allowed):
        return None
    return Refusal(
        f"{written or scope} isn't a known scope of {AZURE_OPENAI.name}",
        f"Tokens are only asked for with known scopes ({', '.join(SCOPES)}): with another one, a spec could "
        "have a token sent that opens more.",
        "Correct the scope. If your gateway has an audience of its own, allow its scope in the environment: "
        f"`export {ALLOW_SCOPES_VARIABLE}={'…' if written else scope}`",
    )


_ENTRY = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:\d+)?", re.ASCII)


def is_local(address: str) -> bool:
    """Whether an address is on this machine."""
    found = _ADDRESS.fullmatch(address.strip())
    return found is not None and _is_loopback(found["host"].lower())


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        found = ip_address(host.strip("[]"))
    except ValueError:
        return False
    return found == _LOOPBACK_6 if isinstance(found, IPv6Address) else found.is_loopback


def _matches(host: str, pattern: str) -> bool:
    """Compares whole labels."""
    labels, wanted = host.split("."), pattern.split(".")
    if wanted[0] == "*" and len(labels) >= len(wanted) > 1:
        wanted = wanted[1:]
        labels = labels[-len(wanted) :]
    return len(labels) == len(wanted) and all(w in ("*", one) for one, w in zip(labels, wanted, strict=True))


_FORM = (
    "An address is `https://host/path`: ASCII letters, digits and hyphens, without user, query and fragment."
)
_FORM_HINT = "Write the address as the service shows it, such as https://acme.openai.azure.com/."
_LOCAL = "An emulator receives its key over http, which is only safe within one machine."
_LOCAL_HINT = "Write http://127.0.0.1:PORT, or remove `url`: then an emulator is started when needed."
_HTTP = "Without TLS, others on the network can read keys and tokens. http is for 127.0.0.1, ::1, localhost."
_HTTP_HINT = "Write https://."
