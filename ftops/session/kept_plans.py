"""Kept plans: saved plans beside the state, each by its digest.

A kept plan is a cache. Whoever can write there can't make another plan out of it: its content must have its
digest, and apply plans again and compares.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ftops.config.config import Config
from ftops.core.durations import seconds_of
from ftops.core.errors import FtopsError
from ftops.planning.saved.plan_digest import plan_digest
from ftops.planning.saved.plan_file import PlanFileError, SavedPlan, Sealed, parse_plan
from ftops.session.saved_plans import text_of
from ftops.state.backends.factory import plan_store, state_keys

if TYPE_CHECKING:
    from ftops.state.encryption import Keys

MAX_AGE = 30 * 86400.0
"""In seconds, if the spec sets no other."""


class KeptPlanError(FtopsError):
    """A kept plan isn't there, or can't be trusted."""

    exit_code = 3


def keep_plan(config: Config, saved: SavedPlan) -> str:
    """Keeps a plan beside the state, by its digest, which is returned; deletes those that are too old.
    Encrypted if there is a key. Raises StateError."""
    store, digest = plan_store(config), plan_digest(saved.plan)
    store.put(_name(digest), text_of(saved, state_keys(config.project, config.state)).encode())
    store.prune(time.time() - _max_age(config))
    return digest


def kept_plan(config: Config, digest: str) -> SavedPlan:
    """The plan that is kept by a digest. Raises KeptPlanError, and StateError if it can't be read."""
    store = plan_store(config)
    place, content = f"{store.place}/{_name(digest)}", store.get(_name(digest))
    if content is None:
        raise KeptPlanError(
            f"no plan with this digest is kept: {place}",
            "it was never saved, was deleted, or is of another spec or environment.",
            "plan again with --save; or let `ftops apply --expect-digest` plan it again",
        )
    keys = state_keys(config.project, config.state)
    try:
        saved = parse_plan(content.decode(), place, lambda sealed: _opened(sealed, config, keys, place))
    except (FtopsError, UnicodeDecodeError) as error:
        why = error.summary if isinstance(error, FtopsError) else "it isn't text"
        raise _forged(place, f"{why}.") from error
    if plan_digest(saved.plan) != digest:
        raise _forged(place, f"it is another plan: its digest is {plan_digest(saved.plan)}.")
    if keys is not None and keys.key is not None and not saved.is_sealed:
        raise _forged(place, "it isn't encrypted, and the plans of this spec are.")
    made, age = datetime.fromisoformat(saved.origin.at), _max_age(config)
    if (datetime.now(UTC) - made).total_seconds() > age:
        raise KeptPlanError(
            "the plan is too old to be applied",
            f"it was made at {saved.origin.at}, and plans are kept for {age / 86400:g} days.",
            "plan again, read it, and apply that",
        )
    return saved


def _name(digest: str) -> str:
    return digest.rpartition(":")[2]


def _max_age(config: Config) -> float:
    """In seconds."""
    return seconds_of(str(config.state.settings.get("plan_max_age") or "")) or MAX_AGE


def _forged(place: str, why: str) -> KeptPlanError:
    return KeptPlanError(
        f"the kept plan can't be trusted: {place}",
        f"{why} Nothing was changed.",
        "plan again with --save, read it, and apply that; check who can write there",
    )


def _opened(sealed: Sealed, config: Config, keys: Keys | None, place: str) -> str:
    """Raises FtopsError."""
    if keys is None:
        raise PlanFileError("it is encrypted, and the spec names no key")
    if (sealed.spec, sealed.environment) != (config.name, config.environment):
        raise PlanFileError(f"it is a plan of {sealed.spec}/{sealed.environment}")
    return keys.decrypt(sealed.sealed, sealed.bound, place)
