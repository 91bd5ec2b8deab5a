"""Entries of a journal, whose fold is the state.

An entry is written before a call to a provider (`Begun`) or right after it (`Recorded`, `Removed`, `Failed`).
Others only change the state (`Moved`, `Reassigned`, `ProviderReplaced`, `DigestKeySet`, `Granted`,
`GrantEnded`, `ExpirySet`, `Pinned`, `Released`). Each has a serial, one more than the previous entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from msgspec import Struct

from ftops.core.address import Address, Json
from ftops.state.state import (
    Grant,
    PendingOperation,
    Pin,
    ResourceState,
)


class Begun(Struct, frozen=True, tag_field="entry", tag="begun"):
    """An operation starts. Durable before the call is made."""

    operation: PendingOperation


class Recorded(Struct, frozen=True, tag_field="entry", tag="recorded"):
    """The current object of an address. Ends its pending operation. `deposes` is the key under which the
    previous object is kept until it is deleted."""

    resource: ResourceState
    deposes: str = ""


class Removed(Struct, frozen=True, tag_field="entry", tag="removed"):
    """An object was deleted or forgotten: the current one, or the deposed one with this key."""

    address: Address
    deposed: str = ""


class Failed(Struct, frozen=True, tag_field="entry", tag="failed"):
    """The service refused a pending operation. Nothing was created."""

    address: Address
    message: str = ""
    always_written: ClassVar = ("message",)


class OutputsRecorded(Struct, frozen=True, tag_field="entry", tag="outputs"):
    """All outputs of the spec after an apply."""

    outputs: Mapping[str, Json]


class Moved(Struct, frozen=True, tag_field="entry", tag="moved"):
    """Objects get other addresses, all at once: (from, to). Dependencies on them are updated."""

    moves: tuple[tuple[Address, Address], ...]


class Reassignment(NamedTuple):
    """An object gets another address: the current one of `source`, or its deposed one with `key`. `deposes`
    is the key under which the current object of the target is kept."""

    source: Address
    key: str
    target: Address
    deposes: str = ""


class Reassigned(Struct, frozen=True, tag_field="entry", tag="reassigned"):
    """Objects are reused under other addresses, all at once: two may be exchanged. Dependencies on current
    objects are updated."""

    objects: tuple[Reassignment, ...]


class Home(NamedTuple):
    """A provider of the spec, and its account."""

    provider: str
    account: str


class ProviderReplaced(Struct, frozen=True, tag_field="entry", tag="provider_replaced"):
    """Objects of a provider and account belong to another one from now on."""

    before: Home
    after: Home


class DigestKeySet(Struct, frozen=True, tag_field="entry", tag="digest_key"):
    """The key for digests of secrets, as 64 hex digits. Set before anything else is recorded."""

    key: str


class Granted(Struct, frozen=True, tag_field="entry", tag="granted"):
    """A run starts whose plan was approved, or it continues. Durable before anything else of it."""

    grant: Grant


class GrantEnded(Struct, frozen=True, tag_field="entry", tag="grant_ended"):
    """The plan is done, or the approval doesn't count any more: `done` or `superseded`."""

    digest: str
    why: str


class ExpirySet(Struct, frozen=True, tag_field="entry", tag="expiry"):
    """When the environment expires, from now on (UTC, ISO 8601); empty: it doesn't. Durable before anything
    else of a run."""

    at: str


class Pinned(Struct, frozen=True, tag_field="entry", tag="pinned"):
    """A deployment goes back to an earlier model. Durable before anything is changed."""

    pin: Pin


class Released(Struct, frozen=True, tag_field="entry", tag="released"):
    """A pin ends: `asked`, `declared` (the spec asks for the model), `served` (in another way), `undeclared`
    or `destroyed`."""

    address: Address
    why: str


Rearrangement = Moved | Reassigned | ProviderReplaced | DigestKeySet
Entry = (
    Begun
    | Recorded
    | Removed
    | Failed
    | OutputsRecorded
    | Rearrangement
    | Granted
    | GrantEnded
    | ExpirySet
    | Pinned
    | Released
)
