"""Drift classes: one row for each, with its policies and texts. docs/drift.md describes them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

IGNORE, FAIL = "ignore", "fail"


class DriftClass(Struct, frozen=True):
    """One way in which an object can differ from the state. The first policy is the default."""

    policies: tuple[str, ...]
    expected: bool
    """The service changed it by its own rules, so nobody has to investigate."""
    says: str
    """What happened to the object; follows its address."""
    reason: str
    """Why it is created again; empty if it exists."""
    description: str


DRIFT_CLASSES: Mapping[str, DriftClass] = {
    "changed": DriftClass(
        ("revert", IGNORE, FAIL),
        False,
        "has changed",
        "",
        "Somebody has changed an object outside ftops.",
    ),
    "vanished": DriftClass(
        ("recreate", IGNORE, FAIL),
        False,
        "is gone",
        "it was deleted outside ftops",
        "Somebody has deleted an object outside ftops.",
    ),
    "expired": DriftClass(
        ("recreate", IGNORE, FAIL),
        True,
        "has expired: the service deleted it",
        "it had expired and was deleted by the service",
        "The service has deleted a deployment by its own rules: not called for 15 days, or 24 hours of the "
        "developer tier.",
    ),
    "retired": DriftClass(
        ("recreate", IGNORE, FAIL),
        False,
        "is gone: its model has been retired",
        "it went with its model, which has been retired",
        "An object is gone, and its model is past the date of its retirement.",
    ),
    "upgraded": DriftClass(
        (IGNORE, FAIL),
        True,
        "was upgraded by the service",
        "",
        "The service has moved a deployment of a base model to a newer version, as version_upgrade_option "
        "lets it. It can't be moved back.",
    ),
    "normalised": DriftClass(
        (IGNORE, "revert", FAIL),
        True,
        "has values that the service filled in",
        "",
        "The service has filled in what wasn't said.",
    ),
}
GONE = frozenset(name for name, row in DRIFT_CLASSES.items() if row.reason)
"""Classes of objects that don't exist any more."""


def policy_of(policies: Mapping[str, str], kind: str) -> str:
    """The policy for a class of drift: that of the spec, else the default."""
    return policies.get(kind) or DRIFT_CLASSES[kind].policies[0]
