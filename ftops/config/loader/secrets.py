"""Secret values of inputs and outputs, in the type of their fields."""

from __future__ import annotations

from collections.abc import Sequence

from ftops.config.schema.field_types import Hidden
from ftops.core.address import Scalar, Secret, render
from ftops.core.errors import Diagnostic


def secret_values(
    hidden: Sequence[Hidden], findings: list[Diagnostic]
) -> dict[Secret, str | int | float | bool]:
    """One value for each secret. A finding where two fields want it in different forms."""
    values: dict[Secret, str | int | float | bool] = {}
    for use in hidden:
        form = _plain(use.form)
        if form is None:
            continue
        known = values.setdefault(use.secret, form)
        if type(known) is not type(form) or known != form:
            findings.append(_conflict(use))
    for use in hidden:
        value = _plain(use.value)
        known = values.setdefault(use.secret, "" if value is None else value)
        if use.form is None and value is not None and render(known) != render(value):
            findings.append(_conflict(use))
    return values


def _plain(value: Scalar) -> Scalar:
    return str(value) if isinstance(value, str) else value


def _conflict(use: Hidden) -> Diagnostic:
    detail = "A secret has one type: here it is used as text, elsewhere as a number or boolean."
    entry, path = use.place
    return Diagnostic(
        f"`{use.secret}` is used with two types",
        detail,
        "Use two variables, one for each type.",
        entry.place(path),
    )
