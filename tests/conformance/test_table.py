"""The document says what is checked."""

from __future__ import annotations

import os
from pathlib import Path

from tests.clients import rows as clients
from tests.conformance import table
from tests.conformance.facts import needed


def test_the_document_is_current() -> None:
    if os.environ.get("UPDATE_GOLDEN") or os.environ.get("FTOPS_CONFORMANCE_ALL"):
        return  # it is about to be written
    assert table.DOCUMENT.read_text("utf-8") == table.markdown(), "run `python -m tests.conformance.table`"


@needed
def test_no_line_can_be_skipped_here() -> None:
    assert all(table.counts(table.rows()).get(kind) for kind in ("statement", "example", "recording"))


def test_every_row_of_a_client_is_of_a_test() -> None:
    sources = [path.read_text("utf-8") for path in Path(clients.__file__).parent.glob("test_*.py")]
    assert [row for row in clients.kept() if not any(f'"{row.operation}"' in text for text in sources)] == []
