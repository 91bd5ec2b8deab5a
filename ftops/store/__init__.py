"""Where states are kept: a local folder, or a bucket. One interface, `Store`; see `base`."""

from ftops.store.base import (
    AT_ONCE,
    Elsewhere,
    Hold,
    Journal,
    LockInfo,
    Store,
    Version,
    Waiting,
    lock_info,
)
from ftops.store.local import LocalStore
from ftops.store.opening import check_place, move_in, open_store, state_keys
from ftops.store.origin import note_origin
from ftops.store.places import note_place

__all__ = [
    "AT_ONCE",
    "Elsewhere",
    "Hold",
    "Journal",
    "LocalStore",
    "LockInfo",
    "Store",
    "Version",
    "Waiting",
    "check_place",
    "lock_info",
    "move_in",
    "note_origin",
    "note_place",
    "open_store",
    "state_keys",
]
