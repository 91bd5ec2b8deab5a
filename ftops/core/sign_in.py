"""Signing in: what a chain of credentials of Azure reports. Pure."""

from __future__ import annotations

NOT_SIGNED_IN = "NotSignedIn"
"""The code of an error: no credential was found."""
AZURE_SIGN_IN = (
    "`az login`, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET of a service principal"
)
_REJECTED = ("Authentication failed", "AADSTS")
"""What azure-identity says of a credential that was found."""


def rejected(text: str) -> list[str] | None:
    """The messages of credentials that were found but rejected; None if it isn't the text of a chain."""
    attempts = [line.strip() for line in text.splitlines() if line.startswith("\t")]
    if not attempts:
        return None
    return [line for line in attempts if any(mark in line for mark in _REJECTED)]
