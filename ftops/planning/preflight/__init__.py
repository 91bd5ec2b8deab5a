"""Preflight: what a plan would fail on, found before anything is done. Pure: values in, findings out.

    check(Situation) → Diagnostics: an error where apply would fail, a warning where it might

Every rule stands in one of the modules below, and its name in RULES. What isn't known is not checked;
what an account says of itself goes before the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ftops.core.errors import Diagnostic
from ftops.planning.preflight import access, capacity, limits, models, names
from ftops.planning.preflight.context import Situation

__all__ = ["RULES", "Situation", "check"]

Rule = Callable[[Situation], Iterable[Diagnostic]]

RULES: tuple[Rule, ...] = (
    access.reachable,
    access.roles,
    access.settled,
    names.long_enough,
    names.taken,
    names.shared,
    models.known,
    models.spelled,
    models.tunable,
    models.versioned,
    models.method,
    models.training_type,
    models.training_retires,
    models.inference_retires,
    models.sku,
    capacity.quota,
    capacity.slots,
    limits.numbers,
    limits.file_size,
    limits.all_file_sizes,
    limits.running_jobs,
)


def check(situation: Situation) -> tuple[Diagnostic, ...]:
    """Errors first, then by place."""
    found = [diagnostic for rule in RULES for diagnostic in rule(situation)]
    return tuple(sorted(found, key=lambda d: (d.severity != "error", d.sort_key)))
