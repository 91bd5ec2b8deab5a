"""What is checked: one row per statement, example, description, step and SDK type.

Each row is declared beside its check; the table of the documentation is drawn from these rows, and the
one at the end of a run from its results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tests.conformance.world import World

Check = Callable[[World], None]
C = TypeVar("C", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    kind: str
    id: str
    operation: str
    source: str
    note: str = ""


@dataclass(slots=True)
class Register:
    """The checks of one kind, in the order of their declaration."""

    kind: str
    rows: dict[str, Row] = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)

    def __call__(self, name: str, operation: str, source: str, note: str = "") -> Callable[[Check], Check]:
        """Declare a check."""

        def declare(check: Check) -> Check:
            assert name not in self.rows, f"{name} is declared twice"
            self.rows[name] = Row(self.kind, name, operation, source, note)
            self.checks[name] = check
            return check

        return declare


statement = Register("statement")
example = Register("example")
step = Register("recording")
described = Register("description")
typed = Register("SDK type")
REGISTERS = (statement, example, described, step, typed)
