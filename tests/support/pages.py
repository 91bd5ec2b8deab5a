"""Code blocks of the documentation, to be run against an emulator on other ports than those written there."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from tests.emulator.server import Emulator

DOCS = Path(__file__).parents[2] / "docs"
_HTTP_PORT, _TLS_PORT = "8080", "8443"


def blocks(page: str, language: str, section: str = "") -> list[str]:
    """The code blocks in ``language`` of a section of a page; by default, of what is before all sections."""
    text = (DOCS / page).read_text("utf-8")
    parts = re.split(r"^## (.*)\n", text, flags=re.M)
    found = parts[0] if not section else parts[parts.index(section) + 1]
    code = re.findall(rf"^```{language}\n(.*?)^```$", found, re.M | re.S)
    assert code, f"no {language} in the section {section!r} of {page}"
    return code


def at(code: str, emulator: Emulator) -> str:
    """The code with the ports of a running server."""
    ports = {_HTTP_PORT: urlsplit(emulator.url).port, _TLS_PORT: urlsplit(emulator.tls_url).port}
    for written, port in ports.items():
        code = code.replace(f"127.0.0.1:{written}", f"127.0.0.1:{port}")
    return code
