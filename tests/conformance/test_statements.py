"""Every statement about the wire has a check, and holds."""

from __future__ import annotations

import pytest

from tests.conformance import statements_control, statements_files, statements_jobs, statements_sdk
from tests.conformance.facts import load, needed
from tests.conformance.rows import statement
from tests.conformance.world import World

MODULES = (statements_files, statements_jobs, statements_control, statements_sdk)


@pytest.mark.parametrize("name", list(statement.checks))
def test_statement(name: str, world: World) -> None:
    statement.checks[name](world)


@needed
def test_every_statement_has_a_check() -> None:
    assert {row["id"] for row in load("vectors.json")} == set(statement.checks)
