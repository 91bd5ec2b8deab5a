"""The table of the documentation: ``python -m tests.conformance.table`` runs the checks and writes it.

It is written only after a run without a failure or a skip, so that every line of it is true.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.conformance import descriptions, examples, facts, sdk_types, test_recording, test_statements
from tests.conformance.rows import REGISTERS, Row

DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"
DECLARED_BY = (descriptions, examples, sdk_types, test_recording, test_statements)
_TITLES = {
    "statement": "Statements about the wire",
    "example": "Official examples, replayed",
    "description": "Replies against official descriptions",
    "recording": "A recorded run, replayed",
    "SDK type": "Replies against the SDK's types",
}
_HEAD = """# Conformance of the emulator

Written by `python -m tests.conformance.table`, after a run in which every line held; not by hand.

The emulator is compared with sources outside this project: descriptions and examples that Microsoft and
OpenAI publish, recordings of the real service, public issue threads, and the real SDKs. Nothing of it was
compared with the live service by us. What no source settles is a switch, see [the emulator](emulator.md).

Where a note says so, the reply differs from its source in the way that the note tells, and in no other.
The tests need the sources beside the repository, or in the folder that `FTOPS_API_FACTS` names; without
them they are skipped, and say so. The statements are checked anyway.
"""


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows there are of each kind."""
    return dict(Counter(row.kind for row in rows))


def rows() -> list[Row]:
    """Every row that is declared."""
    return [row for register in REGISTERS for row in register.rows.values()]


def tests() -> dict[str, Row]:
    """The row that a test is about, by the test's name with its parameters."""
    shown = {path: path.replace("/examples", "") for path in examples.EXAMPLES}
    found = {f"test_statement[{row.id}]": row for row in REGISTERS[0].rows.values()}
    found |= {
        f"test_example[{shown[path]}]": row
        for path, row in zip(examples.EXAMPLES, REGISTERS[1].rows.values(), strict=True)
    }
    for name, row in REGISTERS[2].rows.items():
        dated = name.startswith(("stable", "preview"))
        found[f"{'test_the_dated_plane' if dated else 'test_v1_and_the_control_plane'}[{name}]"] = row
    found |= {f"test_{name}": row for name, row in REGISTERS[3].rows.items()}
    for name, row in REGISTERS[4].rows.items():
        chat = sdk_types.CHAT.get(name)
        found[chat or f"test_the_types_of_the_sdk[{ascii(name)[1:-1]}]"] = row
    return found


def markdown() -> str:
    """The document."""
    every = rows()
    found = counts(every)
    parts = [_HEAD, "| source | checks |\n|---|---|"]
    parts[-1] += "".join(f"\n| {title} | {found[kind]} |" for kind, title in _TITLES.items())
    parts[-1] += f"\n| all | {len(every)} |"
    for kind, title in _TITLES.items():
        lines = [f"## {title}\n\n| check | operation | source | result |\n|---|---|---|---|"]
        lines += [_line(row) for row in every if row.kind == kind]
        parts.append("\n".join(lines))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _line(row: Row) -> str:
    result = f"holds, but: {row.note}" if row.note else "holds"
    return f"| {row.id} | `{row.operation}` | {row.source} | {result} |"


def main() -> int:
    """Run the checks, and write the document if all of them held."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__).parent)]
    done = subprocess.run(command, env={**os.environ, "FTOPS_CONFORMANCE_ALL": "1"}, check=False)
    if done.returncode != 0 or not facts.AVAILABLE:
        sys.stderr.write("The document is left as it is.\n")
        return done.returncode or 1
    DOCUMENT.write_text(markdown(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
