"""Hosting: the use case of creating and deleting deployments by their hosting hours, as they are recorded.

The working copy, which may have moved on, gives only how to reach the accounts, and secrets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from ftops.core.address import Address, Secret, encode, secrets
from ftops.core.errors import FtopsError
from ftops.planning.hosting import is_due
from ftops.planning.moves import located
from ftops.planning.plan import Plan
from ftops.session.own_marks import NotingJournal, is_marked, own_objects, set_marks
from ftops.session.session import Session
from ftops.state.backends.base import Journal
from ftops.state.entries import Begun, Entry, Recorded
from ftops.state.state import Operation, PendingOperation, ResourceState

_MARKS = "hours"


class HoursRefused(FtopsError):
    """A deployment can't be switched under its approval."""

    exit_code = 3


class Switching(Struct, frozen=True):
    """What is to be switched, with the session to apply it with, and what is refused."""

    session: Session
    plan: Plan
    refused: Mapping[Address, HoursRefused]


def due(session: Session) -> list[Address]:
    """The recorded deployments that are to be created or deleted now, by the state alone."""
    now = session.wall_clock()
    return [address for address, record in session.state.resources.items() if is_due(record, now)]


def plan_switching(session: Session, addresses: Collection[Address], parallelism: int) -> Switching:
    """`session` is of the working copy. Only within `locked`. Raises ProviderError, and Blocked if the
    working copy doesn't lead to the accounts that are recorded."""
    records = located(session.state, session.config)[0].resources
    refused = {a: why for a in addresses if (why := _refusal(session, records[a])) is not None}
    allowed = [address for address in addresses if address not in refused]
    named = {secret for address in allowed for secret in secrets(list(records[address].inputs.values()))}
    config = replace(session.config, outputs=(), secrets={**session.config.secrets, **_given(named)})
    sub = replace(session, config=config, is_continuing=True)
    return Switching(sub, sub.plan_switches(allowed, parallelism), refused)


def _refusal(session: Session, record: ResourceState) -> HoursRefused | None:
    """Why a deployment must not be switched here."""
    address = record.address
    if not _is_approved(session, record):
        return HoursRefused(
            f"the hosting hours of {address} can't be trusted here",
            "They are in a local state that isn't encrypted, and weren't applied on this machine: the state "
            "may come from somebody else's checkout.",
            "store the state in a bucket, encrypt it, or run `ftops apply` here",
        )
    for secret in secrets(list(record.inputs.values())):
        if secret not in session.config.secrets and not _given([secret]):
            detail = f"{address} is created with it."
            return HoursRefused(f"the value of {secret} isn't known", detail, "set it and run it again")
    return None


def _is_approved(session: Session, record: ResourceState) -> bool:
    """Whether these hours were approved here, and for this object: or for none yet, and it was made here."""
    name, id = _name(record), record.remote_id
    if is_marked(session, _MARKS, name, id.encode()):
        return True
    return is_marked(session, _MARKS, name, b"") and id in own_objects(session)


def _given(wanted: Collection[Secret]) -> dict[Secret, str]:
    """The values of secrets that are environment variables."""
    return {s: os.environ[s.name] for s in wanted if s.scope == "env" and s.name in os.environ}


def noting_hours(session: Session, journal: Journal, addresses: Collection[Address]) -> Journal:
    """The same journal of an approved run; it remembers the hours that are recorded for these addresses, and
    those of objects whose creation begins, since the run may be killed. If that can't be written, the hours
    are refused."""

    def note(entries: Sequence[Entry]) -> None:
        marks: dict[str, bytes] = {}
        for entry in entries:
            if isinstance(entry, Begun) and entry.operation.operation is Operation.CREATE:
                if _is_hosted(entry.operation, addresses):
                    marks[_name(entry.operation)] = b""
            elif isinstance(entry, Recorded) and _is_hosted(entry.resource, addresses):
                marks[_name(entry.resource)] = entry.resource.remote_id.encode()
        if marks:
            with suppress(OSError):
                set_marks(session, _MARKS, marks)

    return NotingJournal(journal, note)


def _is_hosted(record: ResourceState | PendingOperation, addresses: Collection[Address]) -> bool:
    return record.address in addresses and "hosting" in record.inputs


def mark_hours(session: Session, addresses: Collection[Address]) -> None:
    """After an approved run: remembers what it has recorded for these addresses: hours and objects."""
    records = session.state.resources
    hosted = {a: _name(record) for a, record in records.items() if "hosting" in record.inputs}
    marks = {hosted[a]: records[a].remote_id.encode() for a in addresses if a in hosted}
    set_marks(session, _MARKS, marks, hosted.values())


def _name(record: ResourceState | PendingOperation) -> str:
    """Of what is created and deleted, and when; whatever it is called in the spec."""
    said = [record.account, encode(dict(record.inputs)), record.identities]
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
