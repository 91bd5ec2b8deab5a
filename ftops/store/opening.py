"""From the settings of a spec to the store that they mean."""

from __future__ import annotations

from ftops.config import Config
from ftops.errors import StateError
from ftops.store.base import Store
from ftops.store.local import LocalStore


def open_store(config: Config) -> Store:
    """The state of a spec in its environment. Asks nobody yet."""
    state = config.state
    if state.backend == "local":
        return LocalStore(config.project / state.path, config.name, config.environment)
    raise StateError(f"the backend {state.backend} is not available yet", "", "use the backend `local`")
