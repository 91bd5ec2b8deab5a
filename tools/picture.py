"""Picture of the README: what `ftops plan` shows of its spec after an example was edited, as an SVG."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "images" / "plan.svg"
COLUMNS = 100
_EXAMPLES = 40
_DATA = {"train": "data/train.generated/dataset.jsonl", "valid": "data/valid.jsonl"}
_RANDOM = r"(?<=lineage )[0-9a-f]{8}\b|\b[0-9a-f]{32}\b|\b[0-9a-f]{64}\b"
"""IDs, which are others in each run."""
_NOT_A_PERSONS = ("FTOPS_", "AZURE_", "CI", "GITHUB_", "GITLAB_", "TF_BUILD")
"""How names of variables begin that change what ftops shows; the picture is of a person's terminal."""
_FONTS = r"\n *@font-face \{\{.*?\n *\}\}"
"""Are loaded from elsewhere, which pages that show the picture don't allow."""


def picture() -> str:
    """The text of docs/images/plan.svg."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi(stable(_plan())), soft_wrap=True)
    form = re.sub(_FONTS, "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code, ", "")
    return console.export_svg(
        title="ftops plan, after an example was edited", code_format=form, unique_id="plan"
    )


def stable(text: str) -> str:
    """With IDs that depend only on their order."""
    found: dict[str, str] = {}

    def other(match: re.Match[str]) -> str:
        digest = hashlib.sha256(f"{len(found)}".encode()).hexdigest()
        return found.setdefault(match[0], digest[: len(match[0])])

    return re.sub(_RANDOM, other, text)


def _plan() -> str:
    """As on a terminal, with colours."""
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path) / "copilot"
        (folder / "data").mkdir(parents=True)
        (spec,) = re.findall(r"^## A spec\n+```yaml\n(.*?)^```$", _readme(), re.MULTILINE | re.DOTALL)
        (folder / "ftops.yaml").write_text(spec, encoding="utf-8")
        for name, source in _DATA.items():
            lines = (
                (ROOT / "specs" / "quickstart" / source).read_text(encoding="utf-8").splitlines(keepends=True)
            )
            (folder / "data" / f"{name}.jsonl").write_text("".join(lines[:_EXAMPLES]), encoding="utf-8")
        _ftops(folder, "apply", "-y")
        train = folder / "data" / "train.jsonl"
        train.write_text(train.read_text(encoding="utf-8").replace("drone", "copter", 1), encoding="utf-8")
        return _ftops(folder, "plan")


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def _ftops(folder: Path, *words: str) -> str:
    """What a command shows on a terminal. Raises CalledProcessError."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (50, COLUMNS))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_A_PERSONS)}
    environ = kept | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "PYTHONUTF8": "1"}
    environ.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "ftops", *words]
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=slave, env=environ
    ) as process:
        os.close(slave)
        shown = b"".join(iter(lambda: _read(master), b""))
    os.close(master)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, shown)
    return shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    """Empty at the end, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
