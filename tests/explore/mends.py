"""What keeps each fault from happening, taken out again, to show that the exploration would find it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops.applying.provider_calls import ProviderCalls
from ftops.config import accounts
from ftops.core.dag_executor import DagExecutor
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.evaluation import curtailment
from ftops.planning import moves, plan_builder, planner
from ftops.planning.decider import Decider
from ftops.planning.reconcile import reconcile
from ftops.planning.reuse import Records, Want, reassignments
from ftops.providers.azure import managed_wire
from ftops.session import apply, saved_plans
from ftops.session import session as sessions
from ftops.state.state import State

Patch = tuple[Any, str, Any]
"""A module or a class, a name in it, and what that stands for instead."""

_settle = reconcile


def _seen_of_the_old_one(*args: Any, **named: Any) -> Any:
    """What an interrupted run has made is compared by what was seen of the object that it replaces."""
    past = _settle(*args, **named)
    old = {a: remote.inputs for a in past.found if (remote := args[1].objects.get(a)) is not None}
    return replace(past, seen={**past.seen, **old})


def _without_reservations(state: State, entries: object) -> State:
    """Found, imported and pending objects are anybody's."""
    return replace(state, pending={})


def _nothing_deposed(wants: Iterable[Want], records: Records) -> Any:
    return reassignments(wants, replace(records, deposed={}))


def _no_deployments(wants: Iterable[Want], records: Records) -> Any:
    return reassignments((w for w in wants if not RESOURCE_TYPES[w.address.kind].named_by), records)


def _nothing_renamed(wants: Iterable[Want], records: Records) -> Any:
    free = frozenset(a for a in records.free if not RESOURCE_TYPES[a.kind].reusable)
    return reassignments(wants, replace(records, free=free))


def _names_of(config: Any) -> dict[str, str]:
    """A provider is taken for its account."""
    return {name: name for name in config.providers}


def _nothing(*args: Any) -> None:
    return None


def _never(*args: Any) -> bool:
    return False


def _none(*args: Any) -> list[str]:
    return []


def _of_the_newest_key(session: sessions.Session) -> str:
    """A rotated key changes what is known of secrets."""
    return session.store.codec.digest_key(session.config.name, session.config.environment)


def _at_once(executor: Any, nodes: Iterable[str]) -> None:
    """Whoever is ready begins, the last one first."""
    executor._ready.extendleft(nodes)


_ranges = curtailment._ranges


def _hopeful(*args: Any) -> Any:
    """What isn't answered yet counts as right."""
    return {key: (high, high) for key, (_, high) in _ranges(*args).items()}


_UNCHECKED: Patch = (planner, "check_owners", _nothing)


class Mend(Struct, frozen=True):
    """`patches` take it out; `shows` are the invariants that break then, `edits` those that lead there."""

    patches: tuple[Patch, ...]
    shows: frozenset[str]
    edits: tuple[str, ...]


MENDS: Mapping[str, Mend] = {
    "a found object is compared by what is seen of it": Mend(
        ((planner, "reconcile", _seen_of_the_old_one), _UNCHECKED),
        frozenset({"nothing_kept_is_deleted", "one_owner", "paid_once"}),
        ("epochs", "content"),
    ),
    "what an intent or an import names isn't adopted": Mend(
        ((plan_builder, "fold", _without_reservations), _UNCHECKED),
        frozenset({"nothing_kept_is_deleted", "one_owner", "paid_once"}),
        ("add dataset", "epochs"),
    ),
    "a change that is undone restores the old object": Mend(
        ((planner, "reassignments", _nothing_deposed),), frozenset({"paid_once"}), ("epochs", "content")
    ),
    "an object is in the account where it was made": Mend(
        (
            (accounts, "accounts_of", _names_of),
            (sessions, "accounts_of", _names_of),
            (apply, "accounts_of", _names_of),
            (planner, "accounts_of", _names_of),
        ),
        frozenset({"nothing_lost", "converges", "destroy_leaves_nothing", "as_declared_in_the_end"}),
        ("account", "epochs"),
    ),
    "a saved plan is applied once": Mend(
        ((saved_plans, "_check_unspent", _nothing),), frozenset({"applied_twice"}), ("capacity", "epochs")
    ),
    "a name that changes hands stays one deployment": Mend(
        ((planner, "reassignments", _no_deployments),),
        frozenset({"endpoints_stay", "converges", "as_declared_in_the_end", "all_that_was_shown"}),
        ("name to a new one", "rename deployment", "exchange names"),
    ),
    "a rotated key changes no digest of a secret": Mend(
        ((sessions.Session, "digest_key", property(_of_the_newest_key)),),
        frozenset({"paid_once"}),
        ("key", "reports"),
    ),
    "an interrupted evaluation isn't forgotten": Mend(
        ((moves, "_temporary", _none),), frozenset({"nothing_lost"}), ("gate", "epochs", "prompts")
    ),
    "jobs wait for their places": Mend(
        ((ProviderCalls, "queue", _nothing),),
        frozenset({"jobs_begin_where_there_is_room"}),
        ("epochs",),
    ),
    "jobs line up for their places": Mend(
        ((DagExecutor, "_make_ready", _at_once),), frozenset({"jobs_begin_in_order"}), ("epochs",)
    ),
    "what isn't answered may be wrong": Mend(
        ((curtailment, "_ranges", _hopeful),),
        frozenset({"gates_hold", "decided_as_in_full"}),
        ("gate", "stop", "epochs", "bound"),
    ),
    "an adapter goes before the base that it stands on": Mend(
        ((Decider, "_loses", _never),),
        frozenset({"nothing_fails_unprovoked", "converges"}),
        ("managed", "name", "add base"),
    ),
    "what can't carry a token is recognised by its age": Mend(
        ((managed_wire, "may_be_of", _never),),
        frozenset({"converges", "nothing_lost", "nothing_fails_unprovoked"}),
        ("managed", "epochs"),
    ),
    "an expiry is recorded before anything else": Mend(
        ((apply, "sets_expiry", _never),),
        frozenset({"previews_leave_nothing"}),
        ("capacity", "epochs"),
    ),
    "a renamed resource is moved": Mend(
        ((planner, "reassignments", _nothing_renamed),), frozenset({"paid_once"}), ("rename job", "epochs")
    ),
}


@contextmanager
def taken_out(mend: Mend) -> Iterator[None]:
    """As if it had never been made."""
    with ExitStack() as stack:
        for module, name, instead in mend.patches:
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, instead)
        yield
