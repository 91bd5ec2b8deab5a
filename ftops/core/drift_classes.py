"""The classes of drift, and what may be done about each. What differs by class is a row here.

Source of the rows: docs/drift.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

IGNORE, FAIL = "ignore", "fail"


class DriftClass(Struct, frozen=True):
    """One way in which what exists comes to differ from what was recorded. The first policy is the
    default."""

    policies: tuple[str, ...]
    expected: bool
    """The service's own doing, by its own rules: nothing that anybody has to look into."""
    says: str
    """What has become of the object, after its address."""
    reason: str
    """Why it is made again; empty where it is still there."""
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
"""Classes of objects that are there no more."""


def policy_of(policies: Mapping[str, str], kind: str) -> str:
    """What is to be done about drift of a class: what the spec says, else the default."""
    return policies.get(kind) or DRIFT_CLASSES[kind].policies[0]
