"""State backends: a local folder, or a bucket. One interface, `Store`; see `base`."""

from ftops.state.backends.base import (
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
from ftops.state.backends.factory import check_place, move_in, open_store, state_form, state_keys
from ftops.state.backends.local import LocalStore
from ftops.state.backends.ownership import note_origin
from ftops.state.backends.previous_locations import note_place

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
    "state_form",
    "state_keys",
]
