"""Store factory: settings of a spec → store. Loads only what the backend needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ftops.config.config import Config, StateSettings
from ftops.core.confined_files import Refused, content
from ftops.core.errors import Place, StateError
from ftops.state.backends.base import KEPT_VERSIONS, Store, lock_info
from ftops.state.backends.local import LocalStore
from ftops.state.backends.ownership import LOCAL_FOLDER, check_other_places, check_ownership
from ftops.state.file_format import StateCodec
from ftops.state.state import State

if TYPE_CHECKING:
    from ftops.state.backends.bucket_interface import Bucket
    from ftops.state.encryption import Key, Keys


def open_store(config: Config) -> Store:
    """The store of the state of a spec. Makes no request. Raises StateError for an invalid key."""
    state, codec = config.state, StateCodec(state_keys(config.project, config.state))
    settings: Any = state.settings
    keep = int(settings.get("history", KEPT_VERSIONS))
    if not state.is_in_bucket:
        return LocalStore(config.project / state.path, config.name, config.environment, codec, keep)
    from ftops.state.backends.bucket import BucketStore
    from ftops.state.backends.bucket_lock import LEASE_SECONDS, Pace

    pace = Pace(float(settings.get("lease", LEASE_SECONDS)))
    return BucketStore(state_bucket(config), config.name, config.environment, codec, keep, pace)


def state_bucket(config: Config) -> Bucket:
    """The bucket of a state that is in one. Makes no request. Raises StateError."""
    from ftops.state.backends.bucket_services import open_bucket

    state = config.state
    texts = {name: value for name, value in state.settings.items() if isinstance(value, str)}
    prefix = "/".join(part for part in (state.path.strip("/"), config.name, config.environment) if part)
    return open_bucket(state.backend, texts, prefix)


def state_keys(project: Path, state: StateSettings) -> Keys | None:
    """The keys that encrypt a state and its saved plans, if any. Raises StateError."""
    settings: Any = state.settings.get("encryption")
    if not settings:
        return None
    from ftops.state.encryption import Keys

    key = _key(project, settings, "key", state.places)
    fallback = _key(project, settings, "fallback", state.places)
    return Keys(key, (fallback,) if fallback else (), bool(settings.get("accept_plain")))


def check_location(config: Config, store: Store, state: State) -> None:
    """Raises StateError if the state belongs to another spec, or is empty although there is one elsewhere:
    then everything would be created again."""
    if isinstance(store, LocalStore):
        check_ownership(config, state, store.codec)
    if not state.lineage:
        check_other_places(config, store)


def move_in(config: Config, store: Store, folder: Path | None) -> tuple[State, Path]:
    """Moves the local state of a spec to another store, which must be empty and locked. Returns the state,
    and the path of the old file. Raises StateError."""
    keys = state_keys(config.project, config.state)  # the local state may not be encrypted yet
    codec = StateCodec(keys and replace(keys, accept_plain=True))
    local = LocalStore(config.project / (folder or LOCAL_FOLDER), config.name, config.environment, codec)
    with local.lock(lock_info("migrate", "state migrate", "")):
        state = local.read()
        if not state.lineage:
            raise StateError(f"there is no state to move: {local.place}", "", "set its folder with --from")
        existing = store.read()
        if existing.lineage:
            raise StateError(
                f"there already is a state: {store.place}",
                f"it has serial {existing.serial} and {len(existing.resources)} resources.",
                "to replace it: `ftops state push FILE`",
            )
        store.write(state)
        old = local.snapshot_path.with_suffix(".json.migrated")
        local.write(state)
        local.snapshot_path.replace(old)
    return state, old


def _key(project: Path, settings: Mapping[str, Any], name: str, places: Mapping[str, Place]) -> Key | None:
    from ftops.state.encryption import MAKE_ONE, key_of

    if settings.get(name) is not None:
        return key_of(str(settings[name]), f"`encryption.{name}`", places.get(name))
    if not settings.get(f"{name}_file"):
        return None
    file = project / str(settings[f"{name}_file"])
    try:
        return key_of(content(file, project, limit=4096).decode(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it isn't text"
        hint = error.hint if isinstance(error, Refused) else MAKE_ONE
        raise StateError(f"can't read the encryption key: {file}", f"{why}.", hint) from error
