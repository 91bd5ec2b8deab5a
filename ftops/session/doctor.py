"""Doctor: whether all that an apply needs is there: packages, state, accounts, roles, quota and the clock."""

from __future__ import annotations

import http.client
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from msgspec import Struct

from ftops import __version__
from ftops.config.accounts import placeholders_left
from ftops.config.config import ProviderConfig
from ftops.core.errors import FtopsError
from ftops.core.plurals import plural
from ftops.core.resource_types import kind_of
from ftops.providers.account_facts import Access, AccountFacts, Reach
from ftops.providers.base import Connects, Inspects
from ftops.session.session import Session

OK, WARNING, ERROR = "ok", "warning", "error"
_PACKAGES = ("openai", "azure-identity", "azure-mgmt-cognitiveservices")
_SKEW = 60
"""Seconds by which a clock may differ: tokens of Entra and leases of a state allow for more than that."""
_TIMEOUT = 10.0
_BLOCKED = {Reach.REFUSED, Reach.SIGNED_OUT, Reach.UNREACHABLE}


class Check(Struct, frozen=True):
    """One line: what was checked, `ok`, `warning` or `error`, and what was found."""

    name: str
    verdict: str
    found: str
    hint: str = ""


def of_machine() -> Iterator[Check]:
    """Python, and the packages that ftops uses."""
    yield Check("python", OK, f"{platform.python_version()} on {platform.system()}")
    known, missing = [f"ftops {__version__}"], []
    for name in _PACKAGES:
        try:
            known.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Check("packages", OK, ", ".join(known))
    if missing:
        yield Check("packages", ERROR, f"not installed: {', '.join(missing)}", "install ftops again")


def of_spec(session: Session) -> Check:
    config = session.config
    resources = plural(len(config.resources), "resource")
    return Check("spec", OK, f"{config.name}, environment {config.environment}, {resources}")


def of_state(session: Session) -> Iterator[Check]:
    """Whether it can be read, and locked: for a moment, if anything is recorded."""
    place = session.store.place
    try:
        state = session.state
        if not state.lineage:
            yield Check("state", OK, f"nothing is recorded yet in {place}")
            return
        yield Check(
            "state", OK, f"{plural(len(state.resources), 'object')}, serial {state.serial}, in {place}"
        )
        with session.locked("doctor"):
            pass
        yield Check("lock", OK, "free")
    except FtopsError as error:
        yield _failed("state", error)


def of_providers(session: Session) -> Iterator[Check]:
    """The accounts that the spec uses: sign-in, roles, quota and the clock. Nothing is changed."""
    kinds: dict[str, set[str]] = {}
    for resource in session.config.resources:
        kinds.setdefault(resource.provider, set()).add(resource.address.kind)
    for name in sorted(kinds):
        where = f"provider {name}"
        if found := _placeholders(session.config.providers[name]):
            yield found
            continue
        try:
            provider = session.providers(name)
            if isinstance(provider, Inspects):
                yield from _of_account(where, provider.inspect(kinds[name]))
            else:
                yield Check(where, OK, "has nothing to check")
            if isinstance(provider, Connects):
                known = provider.connection()
                yield from _of_clock(where, str(known.get("url") or known.get("openai_url") or ""))
        except FtopsError as error:
            yield _failed(where, error)


def of_sign_in(session: Session) -> Iterator[Check]:
    """Whether the accounts that the spec uses can be reached, if some of their settings have no value: then
    only the data plane is asked, for what needs nothing else."""
    kinds: dict[str, set[str]] = {}
    for resource in session.config.resources:
        if not kind_of(resource.address).by_control_plane:
            kinds.setdefault(resource.provider, set()).add(resource.address.kind)
    for name in sorted(kinds):
        if found := _placeholders(session.config.providers[name]):
            yield found
            continue
        try:
            provider = session.providers(name)
            if isinstance(provider, Inspects):
                yield from _of_access(f"provider {name}", provider.inspect(kinds[name]))
        except FtopsError as error:
            yield _failed(f"provider {name}", error)


def _placeholders(provider: ProviderConfig) -> Check | None:
    """What a template left to fill in."""
    found = placeholders_left(provider)
    if found is None:
        return None
    place = f" ({provider.place})" if provider.place else ""
    return Check(f"provider {provider.name}", ERROR, f"{found.summary}{place}: {found.detail}", found.hint)


def _of_access(where: str, facts: AccountFacts) -> Iterator[Check]:
    reached = [access for access in (facts.training, facts.deploying) if access.reach is not Reach.UNKNOWN]
    failed = {access.summary: access for access in reached if access.reach is not Reach.USABLE}
    yield from (_unusable(where, access) for access in failed.values())
    if any(access.reach is Reach.USABLE for access in reached):
        place = f"{facts.name or 'account'}" + (f" in {facts.location}" if facts.location else "")
        yield Check(where, OK, f"signed in, {place}")


def _of_account(where: str, facts: AccountFacts) -> Iterator[Check]:
    yield from _of_access(where, facts)
    for may, what in ((facts.may_train, "upload and train"), (facts.may_deploy, "deploy")):
        if may is not None:
            hint = "" if may else "`ftops docs preflight` names the roles"
            said = f"your roles {'' if may else 'do not '}allow you to {what}"
            yield Check(where, OK if may else ERROR, said, hint)
    full = [usage for usage in facts.usages or () if usage.limit and usage.used >= usage.limit]
    if facts.usages is not None and not full:
        yield Check(where, OK, "no quota is used up")
    for usage in full:
        said = f"quota used up: {usage.title or usage.name}, {usage.used:g} of {usage.limit:g}"
        yield Check(where, WARNING, said, "request more, or delete a deployment")


def _unusable(where: str, access: Access) -> Check:
    verdict = ERROR if access.reach in _BLOCKED else WARNING
    return Check(where, verdict, ": ".join(filter(None, (access.summary, access.detail))), access.hint)


def _of_clock(where: str, url: str) -> Iterator[Check]:
    """By the Date of a reply, to which no credentials are sent. Nothing if it can't be told."""
    there = _date_of(url)
    if there is None:
        return
    skew = round((datetime.now(UTC) - there).total_seconds())
    if abs(skew) <= _SKEW:
        yield Check(where, OK, "the clocks agree")
    else:
        ahead = "ahead of" if skew > 0 else "behind"
        said = f"this machine's clock is {plural(abs(skew), 'second')} {ahead} the service's"
        yield Check(where, WARNING, said, "set the clock: sign-in and leases depend on it")


def _date_of(url: str) -> datetime | None:
    parts = urlsplit(url)
    if not parts.hostname:
        return None
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT)
    try:
        connection.request("HEAD", "/")
        found = parsedate_to_datetime(connection.getresponse().getheader("Date", ""))
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return None
    finally:
        connection.close()
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _failed(name: str, error: FtopsError) -> Check:
    return Check(name, ERROR, ": ".join(filter(None, (error.summary, error.detail))), error.hint)
