"""ftops with a slow cloud: `python -m tests.golden.slow hanging|pending apply …`

The provider of type `memory` stands in for it. `hanging`: creating a job never returns. `pending`:
it returns at once, and the job is never ready.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ftops import __main__
from ftops.config.config import ProviderConfig
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.providers.base import Progress, Request
from ftops.providers.memory import MemoryProvider
from ftops.state.state import RemoteObject, ResourceState, Status


class SlowProvider:
    """Like the memory provider, but its jobs take for ever. Its calls are made by threads."""

    manner = "pending"

    def __init__(self) -> None:
        self._memory = MemoryProvider()

    def create(self, request: Request) -> RemoteObject:
        made = self._memory.create(request)
        if request.address.kind != "job":
            return made
        if self.manner == "hanging":
            threading.Event().wait()
        request.report(Progress("step 1/100: loss 2.5", 1.0, {"loss": 2.5}))
        known = {name: value for name, value in made.attributes.items() if name != "fine_tuned_model"}
        return replace(made, status=Status.PENDING, attributes=known, requeue_after=0.01)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        made = self._memory.read(resource)
        return made and replace(made, requeue_after=0.01)

    def __getattr__(self, name: str) -> Any:
        if name == "instant":
            raise AttributeError(name)
        return getattr(self._memory, name)


def open_provider(config: ProviderConfig, project: Path) -> SlowProvider:
    """For the table of provider types."""
    return SlowProvider()


if __name__ == "__main__":
    SlowProvider.manner = sys.argv.pop(1)
    PROVIDER_TYPES["memory"] = replace(PROVIDER_TYPES["memory"], opens=f"{__name__}:open_provider")
    sys.exit(__main__.main())
