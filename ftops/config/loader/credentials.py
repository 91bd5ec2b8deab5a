"""Credentials in a spec: the hosts that they would be sent to, and keys that are written in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ftops.config.loader.expressions import Scope
from ftops.config.loader.files import Entry
from ftops.config.schema.providers import ProviderBlock
from ftops.core.address import scan
from ftops.core.errors import Diagnostic
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.trusted_hosts import Service, is_local, refusal


def check_addresses(
    addresses: Mapping[tuple[str, ...], Service], settings: Mapping[str, Any], entry: Entry, scope: Scope
) -> None:
    """Findings where credentials would go to a host that nobody but the spec vouches for."""
    for path, service in addresses.items():
        address, raw = _leaf(settings, path), _leaf(entry.data, path)
        if not isinstance(address, str) or _is_withheld(raw, scope):
            continue
        written = f"`{raw}`" if "${" in str(raw) else ""
        found = refusal(address, service, scope.environ, written=written)
        if found is not None:
            place = entry.place(path)
            scope.findings.append(Diagnostic(*found, place.veiled() if place and "@" in address else place))


def check_key(block: ProviderBlock, entry: Entry, scope: Scope) -> None:
    """A warning where a key is written out that opens anything beyond this machine."""
    row, key = PROVIDER_TYPES[block.type], entry.data.get("api_key")
    if not row.key_variable or not isinstance(key, str) or is_local(str(getattr(block, row.address))):
        return
    if any(fragment.is_expression and scope.names_secret(fragment.text) for fragment in scan(key)):
        return
    place = entry.place(("api_key",))
    summary = "an API key is written in the spec"
    detail = "Anyone who can read the spec, or a commit that contained it, can use the key."
    hint = f'Create a new key and read it from the environment: `api_key: "${{env.{row.key_variable}}}"`.'
    scope.warnings.append(Diagnostic(summary, detail, hint, place.veiled() if place else None, "warning"))


def check_forms(settings: Mapping[str, Any], entry: Entry, scope: Scope) -> None:
    """Findings where a setting that is recorded and shown is given a secret of another kind."""
    for name, form in _FORMS.items():
        value, raw = settings.get(name), entry.data.get(name)
        if not isinstance(value, str) or not isinstance(raw, str) or form.pattern.fullmatch(value):
            continue
        if _is_withheld(raw, scope):
            continue
        if any(fragment.is_expression and scope.names_secret(fragment.text) for fragment in scan(raw)):
            summary = f"the value of `{raw}` isn't {form.meaning}"
            hint = f"Name the variable that contains it, or write the value: `{name}: {form.example}`."
            detail = (
                "The value is recorded and shown in plans and messages, so other variables aren't "
                "allowed here."
            )
            scope.findings.append(Diagnostic(summary, detail, hint, entry.place((name,))))


class _Form(NamedTuple):
    meaning: str
    example: str
    pattern: re.Pattern[str]


_FORMS: Mapping[str, _Form] = {
    "subscription_id": _Form(
        "a subscription ID",
        "00000000-0000-0000-0000-000000000000",
        re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    ),
    "location": _Form("a region name", "swedencentral", re.compile(r"[A-Za-z][A-Za-z ]{1,30}[0-9]?")),
    "organization": _Form("an organization ID", "org-…", re.compile(r"org-[A-Za-z0-9]{1,40}")),
    "project": _Form("a project ID", "proj_…", re.compile(r"proj_[A-Za-z0-9]{1,40}")),
    "bucket": _Form(
        "a bucket name", "acme-ftops", re.compile(r"(?![0-9a-f]{32,}$)[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
    ),
    "region": _Form(
        "a region name", "eu-west-1", re.compile(r"[a-z]{2,12}(?:-[a-z]{2,12}){0,3}-?[0-9]{0,2}")
    ),
}
"""Of settings whose value may come from the environment."""


def _is_withheld(raw: Any, scope: Scope) -> bool:
    """Whether an environment variable that isn't there has a value all the same: a stand-in."""
    names = (
        f.text.removeprefix("env.") for f in scan(str(raw)) if f.is_expression and f.text.startswith("env.")
    )
    return any(name not in scope.environ for name in names)


def _leaf(data: Any, path: tuple[str, ...]) -> Any:
    """The value that keys lead to, or None."""
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data
