"""From the settings of a spec to the store that they mean. What a local state in the clear needs is all
that is loaded for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftops.config.config import Config, StateSettings
from ftops.core.confined_files import Refused, content
from ftops.core.errors import Place, StateError
from ftops.state.backends.base import KEPT_VERSIONS, Store, lock_info
from ftops.state.backends.local import LocalStore
from ftops.state.backends.ownership import check_origin
from ftops.state.backends.previous_locations import LOCAL_FOLDER, check_other_places
from ftops.state.file_format import PLAIN, StateCodec
from ftops.state.state import State

if TYPE_CHECKING:
    from ftops.state.encryption import Key, Keys


_KEY_BYTES = 4096
"""More is no file of a key."""


def open_store(config: Config) -> Store:
    """The state of a spec in its environment. Asks nobody yet. Raises StateError where a key is none."""
    state = config.state
    form = state_form(config)
    settings: Any = state.settings
    keep = int(settings.get("history", KEPT_VERSIONS))
    if state.backend == "local":
        return LocalStore(config.project / state.path, config.name, config.environment, form, keep)
    return _open_bucket_store(config, form, keep)


def state_form(config: Config) -> StateCodec:
    """How the state, and what is made of it, is written down. Raises StateError."""
    keys = state_keys(config.project, config.state)
    if keys is None:
        return PLAIN
    from ftops.state.backends.encrypted import EncryptedCodec

    return EncryptedCodec(keys)


def state_keys(project: Path, state: StateSettings) -> Keys | None:
    """With what a state and the plans of it are encrypted; None: they aren't. Raises StateError."""
    settings: Any = state.settings.get("encryption")
    if not settings:
        return None
    from ftops.state.encryption import Keys

    key = _key(project, settings, "key", state.places)
    fallback = _key(project, settings, "fallback", state.places)
    return Keys(key, (fallback,) if fallback else (), bool(settings.get("accept_plain")))


def check_place(config: Config, store: Store, state: State) -> None:
    """Raises StateError where this can't be the state of the spec: it is that of another one, or nothing is
    recorded here and there is a state elsewhere. To go on would make everything anew."""
    if isinstance(store, LocalStore):
        check_origin(config, state, store.form)
    if not state.lineage:
        check_other_places(config, store)


def move_in(config: Config, store: Store, folder: Path | None) -> tuple[State, Path]:
    """Writes the local state of a spec to another store, which has to be empty and locked. Returns it, and
    where the old one is now. Raises StateError."""
    local = _local(config, folder)
    with local.lock(lock_info("migrate", "state migrate", "")):
        state = local.read()
        if not state.lineage:
            raise StateError(f"there is no state to move: {local.place}", "", "set its folder with --from")
        there = store.read()
        if there.lineage:
            raise StateError(
                f"there already is a state: {store.place}",
                f"it has serial {there.serial} and {len(there.resources)} resources.",
                "to replace it: `ftops state push FILE`",
            )
        store.write(state)
        old = local.snapshot_path.with_suffix(".json.migrated")
        local.write(state)
        local.snapshot_path.replace(old)
    return state, old


def _local(config: Config, folder: Path | None) -> LocalStore:
    """Where a state is while the spec names no bucket."""
    form = state_form(config)
    if form is not PLAIN:
        from ftops.state.backends.encrypted import EncryptedCodec, taking_plain

        assert isinstance(form, EncryptedCodec)  # noqa: S101 - there are two
        form = taking_plain(form)
    return LocalStore(config.project / (folder or LOCAL_FOLDER), config.name, config.environment, form)


def _open_bucket_store(config: Config, form: StateCodec, keep: int) -> Store:
    from ftops.state.backends.bucket import BucketStore
    from ftops.state.backends.bucket_lock import LEASE_SECONDS, Pace
    from ftops.state.backends.object_stores import open_bucket

    state = config.state
    known: Any = state.settings
    settings = {name: str(value) for name, value in known.items() if isinstance(value, str)}
    prefix = "/".join(part for part in (state.path.strip("/"), config.name, config.environment) if part)
    pace = Pace(float(known.get("lease", LEASE_SECONDS)))
    bucket = open_bucket(state.backend, settings, prefix)
    return BucketStore(bucket, config.name, config.environment, form, keep, pace)


def _key(project: Path, settings: Mapping[str, Any], name: str, places: Mapping[str, Place]) -> Key | None:
    from ftops.state.encryption import MAKE_ONE, key_of

    if settings.get(name) is not None:
        return key_of(str(settings[name]), f"`encryption.{name}`", places.get(name))
    if not settings.get(f"{name}_file"):
        return None
    file = project / str(settings[f"{name}_file"])
    try:
        return key_of(content(file, project, limit=_KEY_BYTES).decode(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it isn't text"
        hint = error.hint if isinstance(error, Refused) else MAKE_ONE
        raise StateError(f"can't read the encryption key: {file}", f"{why}.", hint) from error
