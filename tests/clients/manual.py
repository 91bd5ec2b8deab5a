"""The code of docs/clients.md, which the tests of clients run as it stands there."""

from __future__ import annotations

from pathlib import Path

from tests.clients.install import Client
from tests.support.pages import blocks

_SCRIPTS = Path(__file__).parent / "scripts"


def script(client: Client, section: str, name: str) -> Path:
    """The code of a section, and then a script of ours, as a file in the folder of the client."""
    language = "js" if name.endswith("mjs") else "python"
    code = "\n".join(blocks("clients.md", language, section))
    path = client.folder / name
    path.write_text(f"{code}\n{(_SCRIPTS / name).read_text('utf-8')}", "utf-8")
    return path
