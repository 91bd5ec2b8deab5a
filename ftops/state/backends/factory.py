"""Store factory: settings of a spec → store, and checks before it takes another one or none for its state.

Only what a backend needs is loaded.

A spec has the name of its folder by default. If the folder is renamed, copied, linked or moved to another
project, or if the settings of the state change, ftops would find no state or that of another spec, and create
objects again or delete those of others. This is noticed before anything is planned: `<path>/<name>/.spec`
lists the files of the spec, and `.ftops/places` has its last location. As that may be lost, folders of the
project are searched as well.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ftops.config.config import PLANS, Config, StateSettings
from ftops.core.address import NAME
from ftops.core.backend_types import LOCAL
from ftops.core.confined_files import Refused, content, folders, outside, real
from ftops.core.errors import Place, StateError
from ftops.core.plurals import plural
from ftops.core.private_files import make_folder, write_private
from ftops.core.project import FOLDER, ignore, made_here, make_own, own_folder
from ftops.core.snippets import command
from ftops.state.backends.base import KEPT_VERSIONS, Elsewhere, Store, lock_info
from ftops.state.backends.local import LocalStore, translated
from ftops.state.file_format import StateCodec
from ftops.state.state import State

if TYPE_CHECKING:
    from ftops.state.backends.bucket_interface import Bucket
    from ftops.state.backends.plan_store import PlanStore
    from ftops.state.encryption import Key, Keys

LOCAL_FOLDER = StateSettings().path
"""The default folder of states."""
PIN = "FTOPS_STATE"
"""Environment variable with the place below which all states are."""
_OWNER_FILE = ".spec"
_OBJECT = re.compile(rf"({NAME})/(?:versions|journal)/.*")
_FILE = re.compile(rf"({NAME})\.(?:json|journal)")
_PREVIEWS = "previews"
"""The folder in `.ftops` with the previews that this machine has made."""
_EMULATOR = Path(".ftops", "emulator")
_CONSEQUENCE = "everything would be created again, and existing objects would no longer be managed."
_AGAIN = _CONSEQUENCE.capitalize()


def open_store(config: Config) -> Store:
    """The store of the state of a spec. Makes no request. Raises StateError for an invalid key."""
    state, codec = config.state, StateCodec(state_keys(config.project, config.state))
    settings: Any = state.settings
    keep = int(settings.get("history", KEPT_VERSIONS))
    if not state.is_in_bucket:
        local = LocalStore(config.project / state.path, config.name, config.environment, codec, keep)
        return _pinned(local)
    from ftops.state.backends.bucket import BucketStore
    from ftops.state.backends.bucket_lock import LEASE_SECONDS, Pace

    pace = Pace(float(settings.get("lease", LEASE_SECONDS)))
    store = BucketStore(state_bucket(config), config.name, config.environment, codec, keep, pace)
    return _pinned(store)


def _pinned(store: Store) -> Store:
    """The same. Raises StateError if it isn't where the environment says that states are: a spec may come
    from somebody else, and with its state the approvals in it."""
    pin = os.environ.get(PIN, "").rstrip("/")
    if pin and not store.place.startswith(f"{pin}/"):
        raise StateError(
            f"the state isn't where {PIN} says",
            f"the spec stores it at {store.place}; {PIN} is {pin}.",
            "correct `ftops: {state: …}`, or the variable",
        )
    return store


def plan_store(config: Config) -> PlanStore:
    """Where plans are kept, beside the state of a spec. Makes no request. Raises StateError."""
    from ftops.state.backends.plan_store import BucketPlans, LocalPlans

    if config.state.is_in_bucket:
        return BucketPlans(state_bucket(config, PLANS))
    folder = config.project / config.state.path / PLANS / config.name / config.environment
    return LocalPlans(folder)


def state_bucket(config: Config, *within: str) -> Bucket:
    """The bucket of a state that is in one; `within` a folder beside the states. Makes no request. Raises
    StateError."""
    return _bucket(config.state, *within, config.name, config.environment)


def _bucket(state: StateSettings, *within: str) -> Bucket:
    from ftops.state.backends.bucket_services import open_bucket

    texts = {name: value for name, value in state.settings.items() if isinstance(value, str)}
    prefix = "/".join(part for part in (state.path.strip("/"), *within) if part)
    return open_bucket(state.backend, texts, prefix)


def recorded_environments(config: Config) -> list[str]:
    """The environments of a spec that have a state. Raises StateError."""
    listed: Iterable[re.Match[str] | None]
    if config.state.is_in_bucket:
        listed = map(_OBJECT.fullmatch, _bucket(config.state, config.name).names(""))
    else:
        folder = _folder(config) / config.name
        with translated(folder):
            files = list(folder.iterdir()) if folder.is_dir() else []
        listed = (_FILE.fullmatch(file.name) for file in files)
    return sorted({found[1] for found in listed if found})


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
                f"it has serial {existing.serial} and {plural(len(existing.resources), 'resource')}.",
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


def record_ownership(config: Config) -> None:
    """Records the files of the spec."""
    _record(config, _folder(config) / config.name / _OWNER_FILE, "".join(f"{f}\n" for f in _files(config)))


def record_location(config: Config, store: Store) -> None:
    """Records where the state is: a folder as in the settings, so that the project can be moved."""
    is_local = isinstance(store, LocalStore)
    backend, place = (LOCAL, config.state.path) if is_local else (config.state.backend, store.place)
    _record(config, _location_file(config), f"{backend} {place}\n")


def is_protected(store: Store) -> bool:
    """Whether a checkout can't contain the state: it is in a bucket, or encrypted."""
    keys = store.codec.keys
    return not isinstance(store, LocalStore) or (keys is not None and keys.key is not None)


def record_preview(config: Config, store: Store, lineage: str) -> None:
    """Remembers that this machine has made an environment that expires; `ftops gc` refuses others."""
    if is_protected(store):
        return
    folder = own_folder(config.project, _PREVIEWS)
    with suppress(OSError):
        ignore(config.project)
        make_own(folder)
        write_private(folder / f"{config.name}.{config.environment}", lineage.encode())


def is_own_preview(config: Config, store: Store, lineage: str) -> bool:
    """Whether the state is that of `record_preview`, or can't come from somebody else's checkout."""
    if is_protected(store):
        return True
    folder = own_folder(config.project, _PREVIEWS)
    with suppress(OSError):
        return (
            made_here(folder) and content(folder / f"{config.name}.{config.environment}") == lineage.encode()
        )
    return False


def _record(config: Config, path: Path, text: str) -> None:
    """If the file can't be written, later checks don't find anything, but nothing else breaks."""
    with suppress(OSError):
        if not path.exists() or content(path, config.project) != text.encode():
            ignore(config.project)
            make_folder(path.parent)
            write_private(path, text.encode())


def check_ownership(config: Config, state: State, codec: StateCodec) -> None:
    """Raises StateError if the state belongs to another spec, Elsewhere if that of this spec is elsewhere."""
    folder = _folder(config) / config.name
    if not state.is_empty:
        existing = sorted(f for f in _owner(folder, config.project) if (config.project / f).exists())
        if existing and _belongs_to_other(config, folder):
            raise StateError(
                f"the state of `{config.name}` belongs to another spec: {existing[0]}",
                f"this one is {_files(config)[0]}. Objects of the other spec would be replaced or deleted.",
                "give this spec another name: `ftops: {name: …}`",
            )
        return
    # The holder of the lock has created the folder, so that alone doesn't count.
    has_records = (
        (folder / _OWNER_FILE).exists() or any(folder.glob("*.json")) or any(folder.glob("*.journal"))
    )
    if not (state.lineage or has_records):
        _check_other_folders(config, codec)
        _check_other_names(config, codec)


def _belongs_to_other(config: Config, folder: Path) -> bool:
    owner = _owner(folder, config.project)
    return bool(owner) and owner.isdisjoint(_files(config))


def _check_other_folders(config: Config, codec: StateCodec) -> None:
    """`git init` in a parent folder moves the root of the project, and so where the state is expected."""
    between = [f for f in (config.folder, *config.folder.parents) if config.project in f.parents]
    for folder in between:
        old = folder / config.state.path / config.name
        if (old / f"{config.environment}.json").exists():
            moves = [(old, _folder(config) / config.name)]
            if (folder / _EMULATOR).exists():  # the data of the embedded emulator is beside the state
                moves.append((folder / _EMULATOR, config.project / _EMULATOR))
            quoted = [(shlex.quote(str(before)), shlex.quote(str(after))) for before, after in moves]
            # The target may exist, with only a lock in it.
            commands = [f"mkdir -p {after} && mv {before}/* {after}/" for before, after in quoted]
            raise Elsewhere(
                LocalStore(old.parent, config.name, config.environment, codec),
                f"the state is in another folder: {old}",
                "it is expected at the root of the project, the nearest folder with `.git`: "
                f"{_folder(config)}. {_AGAIN}",
                f"move it: `{' && '.join(commands)}`",
            )


def _check_other_names(config: Config, codec: StateCodec) -> None:
    files = set(_files(config))
    names = {Path(file).name for file in files}
    for name, owner in _other_owners(config):
        is_same = not owner.isdisjoint(files)
        is_gone = not any((config.project / file).exists() for file in owner)
        is_renamed = is_gone and not config.is_named and not names.isdisjoint(Path(f).name for f in owner)
        other = LocalStore(_folder(config), name, config.environment, codec)
        if not (is_same or is_renamed) or _is_empty(other, default=True):
            continue
        if is_same:
            why = "" if config.is_named else ", after its folder"
            raise Elsewhere(
                other,
                f"the state of this spec is recorded as `{name}`",
                f"the spec is now called `{config.name}`{why}, and there is no state of that name. {_AGAIN}",
                f"keep the name: `ftops: {{name: {name}}}`",
            )
        raise Elsewhere(
            other,
            f"there is no state for `{config.name}`, and the spec of `{name}` no longer exists",
            f"it was {min(owner)}. Was its folder renamed? {_AGAIN}",
            f"if so, set `ftops: {{name: {name}}}`; if this is another spec, set "
            f"`ftops: {{name: {config.name}}}`",
        )


def _other_owners(config: Config) -> Iterator[tuple[str, frozenset[str]]]:
    """Names and files of other specs in the same folder of states."""
    with suppress(OSError):
        for folder in folders(_folder(config)):
            owner = _owner(folder, config.project)
            if owner and folder.name != config.name:
                yield folder.name, owner


def _is_empty(store: LocalStore, *, default: bool) -> bool:
    """`default` is for a state that can't be read."""
    try:
        return store.read().is_empty
    except StateError:
        return default


def _owner(folder: Path, project: Path) -> frozenset[str]:
    """The files of the spec that the state in a folder belongs to, if known."""
    with suppress(OSError, UnicodeDecodeError):
        return frozenset(content(folder / _OWNER_FILE, project).decode().splitlines())
    return frozenset()


def _files(config: Config) -> list[str]:
    """The files of the spec, relative to the project, without links."""
    folder, project = real(config.folder), real(config.project)
    return sorted(
        Path(os.path.relpath(folder / Path(file).name, project)).as_posix() for file in config.files
    )


def _folder(config: Config) -> Path:
    return config.project / config.state.path


def check_other_places(config: Config, store: Store) -> None:
    """For a store without a state. Raises StateError if the state of the spec is at another place."""
    for folder in _local_folders(config):
        other = LocalStore(folder, config.name, config.environment, store.codec)
        if other.place != store.place and _is_own(config, other):
            raise _in_other_folder(other, store)
    backend, _, place = _recorded_location(config).partition(" ")
    if backend not in ("", LOCAL) and place != store.place:
        raise StateError(
            f"the state was stored at {place}",
            f"the spec now stores it at {store.place}, but there is no state there: {_CONSEQUENCE}",
            "restore the setting, or move the state: `ftops state pull` with the previous setting, "
            "`ftops state push FILE` with the new one. If the old state no longer exists, remove "
            f"{_location_file(config)}",
        )


def _in_other_folder(other: LocalStore, store: Store) -> Elsewhere:
    summary = f"the state is in another folder: {other.snapshot_path.parent}"
    if not isinstance(store, LocalStore):
        summary = f"the state is still in a local folder: {other.snapshot_path}"
        source = () if other.folder.name == LOCAL_FOLDER else ("--from", other.folder)
        how = command("ftops", "state", "migrate", *source)
    else:
        old, new = (shlex.quote(str(s.snapshot_path.parent)) for s in (other, store))
        how = f"`mkdir -p {new} && mv {old}/{other.environment}.* {new}/`"
    detail = f"the spec now stores it at {store.place}, but there is no state there: {_CONSEQUENCE}"
    return Elsewhere(other, summary, detail, f"restore the setting of `state`, or move it: {how}")


def _local_folders(config: Config) -> Iterator[Path]:
    """Folders that may contain a local state of the spec."""
    backend, _, path = _recorded_location(config).partition(" ")
    candidates = [config.project / path] if backend == LOCAL else []
    candidates.append(config.project / LOCAL_FOLDER)
    with suppress(OSError):
        for folder in folders(config.project):
            candidates += [f for f in (folder, *folders(folder)) if (f / config.name / _OWNER_FILE).exists()]
    for folder in dict.fromkeys(candidates):
        if outside(folder / config.name, config.project) is None:
            yield folder


def _is_own(config: Config, other: LocalStore) -> bool:
    is_there = other.snapshot_path.exists() or other.journal_path.exists()
    is_foreign = is_there and _belongs_to_other(config, other.snapshot_path.parent)
    return is_there and not is_foreign and not _is_empty(other, default=False)


def _recorded_location(config: Config) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return content(_location_file(config), config.project).decode().strip()
    return ""


def _location_file(config: Config) -> Path:
    return config.project / FOLDER / "places" / f"{config.name}.{config.environment}"
