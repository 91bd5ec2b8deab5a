"""`make conformance`: run the tests of clients, and write what they did into docs/conformance.md.

Arguments are those of pytest. Nothing is kept after a run with a failure or a skip, so that every line of the
table is true.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients.rows import ClientRow, keep


class _Rows:
    """A plugin of pytest that collects rows and outcomes."""

    def __init__(self) -> None:
        self.rows: list[ClientRow] = []
        self.skipped = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.skipped += report.skipped
        if report.when == "call" and report.passed:
            self.rows += [row for _, row in report.user_properties if isinstance(row, ClientRow)]


def main(arguments: list[str]) -> int:
    """The exit code: 0 if every test passed."""
    collected = _Rows()
    given = (
        arguments
        if any("test_" in argument for argument in arguments)
        else [str(Path(__file__).parent), *arguments]
    )
    code = int(pytest.main(["-q", "-p", "no:cacheprovider", *given], plugins=[collected]))
    if code or collected.skipped:
        sys.stderr.write("The table of clients is left as it is.\n")
        return code or 1
    keep(collected.rows)
    from tests.conformance.table import write  # imports what pytest has to import first, to rewrite it

    write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
