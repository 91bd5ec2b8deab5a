"""The document says what is checked."""

from __future__ import annotations

import os

from tests.conformance import table
from tests.conformance.facts import needed


def test_the_document_is_current() -> None:
    if os.environ.get("UPDATE_GOLDEN") or os.environ.get("FTOPS_CONFORMANCE_ALL"):
        return  # it is about to be written
    assert table.DOCUMENT.read_text("utf-8") == table.markdown(), "run `python -m tests.conformance.table`"


@needed
def test_no_line_can_be_skipped_here() -> None:
    assert all(table.counts(table.rows()).get(kind) for kind in ("statement", "example", "recording"))
