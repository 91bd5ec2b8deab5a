"""Credential checks: the hosts that a spec would send credentials to, and keys that are written in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ftops.config.loader.expressions import HOW_TO_READ, Scope
from ftops.config.loader.source import Entry
from ftops.config.schema.providers import ProviderBlock
from ftops.core.address import scan
from ftops.core.errors import Diagnostic
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.trusted_hosts import Service, is_local, refusal, scope_refusal


def check_addresses(
    addresses: Mapping[tuple[str, ...], Service], settings: Mapping[str, Any], entry: Entry, scope: Scope
) -> None:
    """Findings if credentials would be sent to a host that only the spec trusts."""
    for path, service in addresses.items():
        address: Any = settings
        for key in path:
            address = address.get(key) if isinstance(address, Mapping) else None
        raw = entry.value(*path)
        if not isinstance(address, str) or _is_withheld(raw, scope):
            continue
        refused = refusal(address, service, scope.environ, written=_written(raw))
        if refused is not None:
            place = entry.place(path)
            scope.findings.append(Diagnostic(*refused, place.veiled() if "@" in address else place))


def check_scope(settings: Mapping[str, Any], entry: Entry, scope: Scope) -> None:
    """A finding if tokens would be asked for that only the spec trusts."""
    wanted, raw = settings.get("scope"), entry.value("scope")
    if not isinstance(wanted, str) or _is_withheld(raw, scope):
        return
    if refused := scope_refusal(wanted, scope.environ, written=_written(raw)):
        scope.findings.append(Diagnostic(*refused, entry.place(("scope",))))


def check_key(block: ProviderBlock, entry: Entry, scope: Scope) -> None:
    """A warning if the spec contains a key that works on other machines than this one."""
    row, key = PROVIDER_TYPES[block.type], entry.data.get("api_key")
    if not row.key_variable or not isinstance(key, str) or is_local(str(getattr(block, row.address))):
        return
    if not _names_secret(key, scope):
        summary = "an API key is written in the spec"
        detail = "Anyone who can read the spec, or a commit that contained it, can use the key."
        hint = f'Create a new key and read it from the environment: `api_key: "${{env.{row.key_variable}}}"`.'
        place = entry.place(("api_key",)).veiled()
        scope.warnings.append(Diagnostic(summary, detail, hint, place, "warning"))


def check_forms(settings: Mapping[str, Any], entry: Entry, scope: Scope) -> None:
    """Findings about settings that are recorded and shown, but whose variable contains something else."""
    for name, form in _FORMS.items():
        value, raw = settings.get(name), entry.data.get(name)
        if not isinstance(value, str) or not isinstance(raw, str) or form.pattern.fullmatch(value):
            continue
        if _names_secret(raw, scope) and not _is_withheld(raw, scope):
            summary = f"the value of `{raw}` isn't {form.meaning}"
            detail = (
                f"It is written like {form.example}. Its value isn't shown here, because the variable could "
                "contain a secret."
            )
            hint = f"{_how_to_set(raw)}, or write the value: `{name}: {form.example}`."
            entry.report(scope.findings, (name,), summary, detail, hint)


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
"""By setting whose value may come from the environment."""


def _written(raw: Any) -> str:
    """The expression as it is written, if its value must not be shown; else empty."""
    return f"`{raw}`" if "${" in str(raw) else ""


def _how_to_set(raw: str) -> str:
    """What to do about the variable that an expression names."""
    for fragment in scan(raw):
        variable = fragment.text.removeprefix("env.")
        if variable in HOW_TO_READ:
            return f"Set it again: `export {variable}={HOW_TO_READ[variable]}`"
    return "Correct the variable, or name another one"


def _names_secret(text: str, scope: Scope) -> bool:
    return any(fragment.is_expression and scope.names_secret(fragment.text) for fragment in scan(text))


def _is_withheld(raw: Any, scope: Scope) -> bool:
    """Whether a text names an environment variable that isn't set, and got a placeholder as its value."""
    names = (f.text for f in scan(str(raw)) if f.is_expression and f.text.startswith("env."))
    return any(name.removeprefix("env.") not in scope.environ for name in names)
