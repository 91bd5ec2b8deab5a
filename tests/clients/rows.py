"""What clients did: rows of the table "Clients" in docs/conformance.md, kept in `rows.json` between runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

KEPT = Path(__file__).parent / "rows.json"


@dataclass(frozen=True, slots=True, order=True)
class ClientRow:
    """One line of the table. ``note`` says what differs, or how the client has to be told."""

    client: str
    version: str
    operation: str
    note: str = ""


def kept() -> list[ClientRow]:
    """The rows of the last run of each client in which every test passed."""
    return [ClientRow(**row) for row in json.loads(KEPT.read_text("utf-8"))]


def keep(rows: Iterable[ClientRow]) -> None:
    """Keep the rows of a run, instead of earlier ones of the same clients."""
    new = list(dict.fromkeys(rows))
    old = [row for row in kept() if row.client not in {row.client for row in new}]
    lines = [json.dumps(asdict(row), ensure_ascii=False) for row in sorted(old + new, key=_by_client)]
    KEPT.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")


def _by_client(row: ClientRow) -> str:
    return row.client.lower()


def markdown(rows: Iterable[ClientRow]) -> str:
    """The table."""
    lines = [f"| {row.client} | {row.version} | {row.operation} | {_result(row)} |" for row in rows]
    return "\n".join(["| client | version | what it did | result |", "|---|---|---|---|", *lines])


def _result(row: ClientRow) -> str:
    return f"works, but: {row.note}" if row.note else "works"
