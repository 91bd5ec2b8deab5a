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
from ftops.state.backends.factory import check_location, move_in, open_store, state_codec, state_keys
from ftops.state.backends.local import LocalStore
from ftops.state.backends.ownership import record_location, record_ownership

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
    "check_location",
    "lock_info",
    "move_in",
    "open_store",
    "record_location",
    "record_ownership",
    "state_codec",
    "state_keys",
]
