"""Feeds the checks of data with what atheris thinks up, looking for crashes and for readers that differ.

python -m tests.fuzz.fuzz_data [-max_total_time=300] [-rss_limit_mb=1000] [-timeout=5] [CORPUS]

Needs `pip install atheris`, which is no dependency: wheels exist for few platforms.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:  # said aloud, as nothing would be tested
    sys.exit("SKIPPED: atheris is not installed; `pip install atheris` where it has a wheel")

with atheris.instrument_imports(include=["ftops.dataset"]):
    from ftops.dataset import inspect
    from ftops.dataset.checks import chunk
    from ftops.dataset.formats import chat
    from ftops.dataset.formats.jsonl import parse
    from ftops.dataset.rules.findings import Finding

_FILE = Path(tempfile.mkdtemp(prefix="fuzz-")) / "data.jsonl"


def one_input(data: bytes) -> None:
    """A file of these bytes; raises where something is wrong with the checks, not with the bytes."""
    _FILE.write_bytes(data)
    inspection = inspect(_FILE)
    for diagnostic in inspection.diagnostics("data.jsonl"):
        assert diagnostic.place is None or diagnostic.place.text.isprintable()
        assert diagnostic.summary.isprintable()
    for line in data.split(b"\n")[:3]:
        if line.strip() and not chunk.read(line, "chat").counts:
            example = parse(line.decode())
            assert not isinstance(example, Finding), example
            assert list(chat.check(example)) == []


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
