"""Plan digest: what a plan does and where, as one number that reviewers and `--expect-digest` compare."""

from __future__ import annotations

from hashlib import sha256

from msgspec.json import Encoder
from msgspec.structs import replace

from ftops.planning.plan import Change, Mode, Plan, Reason

_VERSION = 2
"""Of what is digested. Another one makes every digest another."""
DIGEST_PREFIX = f"v{_VERSION}:sha256:"
_canonical = Encoder(order="deterministic").encode


def plan_digest(plan: Plan) -> str:
    """`v2:sha256:…` of what a plan does and where: two plans with the same digest make the same calls in the
    same order, in the same accounts, on the same state.

    It is the same on every machine, in every folder, at any time, and whatever else is in the state: reasons,
    drift, findings and the serial don't count.
    """
    drift = plan.drift if plan.mode is Mode.REFRESH_ONLY else ()
    body = (
        _VERSION,
        (plan.spec, plan.environment, plan.mode),
        plan.destination,
        sorted((_essence(change) for change in plan.changes), key=lambda c: c.step),
        sorted(plan.outputs, key=lambda o: o.name),
        sorted(drift, key=_canonical),
        plan.moves,
        *([sorted(plan.settings, key=lambda s: (str(s.address), s.path))] if plan.settings else []),
    )
    return f"{DIGEST_PREFIX}{sha256(_canonical(body)).hexdigest()}"


def differing_step(one: Plan, other: Plan) -> str | None:
    """The first step in which two plans differ, or None."""
    first = {c.step: _essence(c) for c in one.changes}
    second = {c.step: _essence(c) for c in other.changes}
    return next((step for step in sorted({*first, *second}) if first.get(step) != second.get(step)), None)


def _essence(change: Change) -> Change:
    """A change without the words of its reason, and without the path of a derived file: only its content
    counts."""
    reason = Reason(change.reason.code, "")
    after = {name: value for name, value in change.after.items() if name != "file"}
    return replace(change, reason=reason, after=after, waits_for=tuple(sorted(change.waits_for)))
