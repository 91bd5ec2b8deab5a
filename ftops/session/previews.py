"""Previews: the use case of deleting an environment that expires, with all that it made, and then its state.

What an environment is and when it expires is what its state says, which the last apply recorded. The spec of
the working copy says only how to reach the state and the accounts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from math import inf

from msgspec.structs import replace

from ftops.applying.events import Event
from ftops.applying.run import Report, Settings
from ftops.core.errors import FtopsError, StateError
from ftops.core.resource_types import kind_of
from ftops.planning.plan import Mode, Options
from ftops.session.apply import apply_plan
from ftops.session.own_marks import own_objects
from ftops.session.session import Session
from ftops.state.backends.factory import is_own_preview, open_store, plan_store, recorded_environments
from ftops.state.entries import Entry, Recorded, Removed
from ftops.state.state import ResourceState, State, owner_mark, recorded_objects

_DESTROY = Options(Mode.DESTROY)
Show = Callable[[Event], None]


class NoPreview(FtopsError):
    """An environment isn't deleted, because its state doesn't say that it expires, or can't be trusted."""


def is_over(state: State) -> bool:
    """Whether an environment has expired."""
    return bool(state.expires_at) and datetime.fromisoformat(state.expires_at) <= datetime.now(UTC)


def check_preview(session: Session) -> None:
    """Raises NoPreview."""
    config, state = session.config, session.state
    if not state.expires_at:
        raise NoPreview(
            f"`{config.environment}` isn't a preview",
            "Its state says that it doesn't expire: it was applied without a `ttl`.",
            "`ftops destroy` deletes it",
        )
    own = own_objects(session)
    ids = [record.remote_id for _, record in recorded_objects(state.resources, state.deposed)]
    ids += [operation.token for operation in state.pending.values()]
    if not (is_own_preview(config, session.store, state.lineage) and all(id in own for id in ids)):
        raise NoPreview(
            f"the state of `{config.environment}` can't be trusted here",
            "It is a local state that isn't encrypted, and another machine made it a preview, or recorded "
            "objects in it: it may come from somebody else's checkout.",
            "store the state in a bucket, or encrypt it; `ftops destroy` deletes what it has",
        )


def remove_preview(
    session: Session, settings: Settings, showing: Callable[[], AbstractContextManager[Show]]
) -> Report | None:
    """Deletes all that a preview has made, and its state if nothing is left. Objects that it imported, and
    files that another environment has adopted, are only forgotten. None if there were none. Only within
    `locked`. Raises NoPreview, Blocked, and what planning raises."""
    check_preview(session)
    session.confirm_lock()
    if entries := _forgetting(session):
        session.record(entries)
    report = None
    if not session.state.is_empty:
        made = session.plan(_DESTROY, parallelism=settings.parallelism)
        with showing() as show:
            report = apply_plan(session, made, settings, show, is_whole=True)
    if session.state.is_empty and (report is None or report.result == "done"):
        plan_store(session.config).prune(inf)
        session.remove_state()
    return report


def _forgetting(session: Session) -> list[Entry]:
    """Entries after which what others have made or use isn't deleted."""
    state, adopted = session.state, _adopted_elsewhere(session)

    def is_kept(one: ResourceState) -> bool:
        return one.remote_id in adopted or not _is_made_here(one, state)

    others = [one for one in state.resources.values() if not one.shared and is_kept(one)]
    old = [Removed(*key) for key, one in state.deposed.items() if is_kept(one)]
    return [*(Recorded(replace(one, shared=True)) for one in others), *old]


def _adopted_elsewhere(session: Session) -> set[str]:
    """The ids of files that other environments of the spec have on record. A state that can't be read has
    none: such a file can be uploaded again."""
    if not any(kind_of(address).is_data for address in session.state.resources):
        return set()
    found: set[str] = set()
    for name in {*recorded_environments(session.config)} - {session.config.environment}:
        with suppress(StateError):
            state = open_store(replace(session.config, environment=name)).read()
            found |= {r.remote_id for r in state.resources.values() if kind_of(r.address).is_data}
    return found


def _is_made_here(resource: ResourceState, state: State) -> bool:
    mine = bool(resource.token) and resource.token.startswith(owner_mark(state.lineage))
    return mine or bool(resource.created_at) or resource.is_off
