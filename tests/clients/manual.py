"""The code of docs/clients.md, which the tests of clients run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.clients.install import ROOT, Client

_PAGE = ROOT / "docs" / "clients.md"
_SCRIPTS = Path(__file__).parent / "scripts"


def code(section: str, language: str) -> str:
    """The code of a section, in one language."""
    text = _PAGE.read_text("utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks, f"no {language} in the section {section!r}"
    return "\n".join(blocks)


def script(client: Client, section: str, name: str) -> Path:
    """The code of a section, and then a script of ours, as a file in the folder of the client."""
    language = "js" if name.endswith("mjs") else "python"
    path = client.folder / name
    path.write_text(f"{code(section, language)}\n{(_SCRIPTS / name).read_text('utf-8')}", "utf-8")
    return path
