"""Signing in: what a chain of credentials of Azure reports. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

NOT_SIGNED_IN = "NotSignedIn"
"""The code of an error: no credential was found, or none could be tried."""
AZURE_SIGN_IN = (
    "`az login`, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET of a service principal"
)
_REJECTED = ("Authentication failed", "AADSTS")
"""What azure-identity says of a credential that was found."""
_NO_CONNECTION = re.compile(
    r"HTTPSConnection(?:Pool)?\(host='(?P<host>[^']+)', port=(?P<port>\d+)\): "
    r"(?P<reason>[^\t\n]+?)(?:\"\)\))?$",
    re.MULTILINE,
)
"""What its HTTP client says. Plain HTTP is for the metadata service of a virtual machine."""

_SERVICE_PRINCIPAL = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET")


def sign_in_hint(environ: Mapping[str, str], *, has_cli: bool) -> str:
    """How to sign in if no credential was found: what a service principal lacks, or that the Azure CLI is not
    installed."""
    lacking = [name for name in _SERVICE_PRINCIPAL if not environ.get(name)]
    given = [name for name in _SERVICE_PRINCIPAL if name not in lacking]
    cli = "`az login`" if has_cli else "install the Azure CLI and run `az login`"
    if given and lacking:
        are = "is" if len(given) == 1 else "are"
        return f"set {' and '.join(lacking)} too: {' and '.join(given)} {are} not enough; or {cli}"
    return AZURE_SIGN_IN.replace("`az login`", cli)


class NoConnection(NamedTuple):
    """Where a credential would have been checked, or the proxy on the way; and why it wasn't."""

    target: str
    reason: str


def no_connection(text: str) -> NoConnection | None:
    """What kept a chain of credentials from asking Microsoft Entra ID; None if nothing did."""
    found = None if _REJECTED[1] in text else _NO_CONNECTION.search(text)
    if found is None:
        return None
    is_proxy = "proxy" in text.lower()
    target = f"the proxy {found['host']}:{found['port']}" if is_proxy else found["host"]
    return NoConnection(target, found["reason"])


def rejected(text: str) -> list[str] | None:
    """The messages of credentials that were found but rejected; None if it isn't the text of a chain."""
    attempts = [line.strip() for line in text.splitlines() if line.startswith("\t")]
    if not attempts:
        return None
    return [line for line in attempts if any(mark in line for mark in _REJECTED)]
