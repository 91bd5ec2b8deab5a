"""One server for the conformance tests of a worker; the table of results at the end of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.conformance import facts
from tests.conformance.world import World

_RESULTS: dict[str, str] = {}
_OTHERS: set[str] = set()
_WORSE = {"passed": 0, "skipped": 1, "failed": 2}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("conformance"))
    yield world
    world.stop()


@pytest.fixture
def world(server: World) -> World:
    """An empty cloud."""
    server.reset()
    return server


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "tests/conformance/" not in report.nodeid:
        _OTHERS.add(report.nodeid)
        return
    name = report.nodeid.partition("::")[2]
    before = _RESULTS.get(name, "passed")
    _RESULTS[name] = max(before, report.outcome, key=lambda outcome: _WORSE[outcome])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """All lines when these tests ran alone; else their number, and the lines that do not hold."""
    if not _RESULTS:
        return
    from tests.conformance.table import tests

    rows = [(row, _RESULTS[name]) for name, row in tests().items() if name in _RESULTS]
    terminalreporter.section("conformance: operation × source × result")
    for row, outcome in rows:
        if outcome != "passed" or not _OTHERS:
            result = f"holds, but: {row.note}" if row.note and outcome == "passed" else outcome
            terminalreporter.line(f"{row.kind:<12} {row.operation:<58} {row.source:<60} {result}")
    for kind in dict.fromkeys(row.kind for row, _ in rows):
        sums = Counter(outcome for row, outcome in rows if row.kind == kind)
        terminalreporter.line(f"{kind}: {', '.join(f'{count} {what}' for what, count in sums.items())}")
    if not facts.AVAILABLE:
        terminalreporter.line(f"NOT COMPARED with descriptions and examples: there are none in {facts.ROOT}")
