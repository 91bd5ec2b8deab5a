"""Other environments of a spec: what they have on record, which a plan of one environment has to respect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from msgspec import Struct

from ftops.config.accounts import accounts_of, agrees
from ftops.config.config import Config
from ftops.core.errors import FtopsError
from ftops.core.resource_types import kind_of
from ftops.planning.plan import Action, Plan
from ftops.state.state import ResourceState, State, recorded_objects


class OtherEnvironments(Struct, frozen=True):
    """As one environment sees them."""

    config: Config
    state_of: Callable[[str], State] | None
    """The recorded state of an environment; None: no other is read. Raises FtopsError."""

    def using_models_deleted_by(self, plan: Plan) -> Mapping[str, str]:
        """The models that the plan would delete and another environment uses: the id of the job, and which
        one. Raises FtopsError if a state can't be read."""
        homes = accounts_of(self.config)
        going = {
            (change.remote_id, homes.get(change.provider, change.provider))
            for change in plan.changes
            if change.action is Action.DELETE and kind_of(change.address).trains
        }
        return {
            record.remote_id: f"the environment {name}"
            for name in (self._names if going else ())
            for record in self._recorded_in(name)
            if any(id == record.remote_id and agrees(home, record.account) for id, home in going)
        }

    def owner_of(self, account: str, name: str) -> str:
        """The one that has this deployment of an account on record; empty if none has, or its state can't be
        read."""
        for environment in self._names:
            with suppress(FtopsError):
                if any(
                    kind_of(record.address).serves
                    and record.remote_id.rpartition("/")[2].casefold() == name.casefold()
                    and agrees(account, record.account)
                    for record in self._recorded_in(environment)
                ):
                    return environment
        return ""

    @property
    def _names(self) -> list[str]:
        """Those whose states may be read."""
        others = {*self.config.environments} - {self.config.environment}
        return sorted(others) if self.state_of is not None else []

    def _recorded_in(self, environment: str) -> Iterator[ResourceState]:
        """The records of one of `_names`. Raises FtopsError if its state can't be read."""
        assert self.state_of is not None  # noqa: S101 - or there are no others
        state = self.state_of(environment)
        return (record for _, record in recorded_objects(state.resources, state.deposed))
