"""Installation: commands that add packages to this installation of ftops, by the tool that made it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from msgspec.json import decode


class _Tool(Struct, frozen=True):
    """What can have made an environment. `marker` is a file that it leaves there; PYTHON stands for the
    interpreter."""

    marker: str
    again: Sequence[str]
    """Before ftops with an extra."""
    more: Sequence[str]
    """Before other packages."""
    run: Sequence[str] = ("uvx", "--from")
    """Before a package, and a program of it."""


_TOOLS = (
    _Tool(
        "uv-receipt.toml",
        ("uv", "tool", "install", "--force"),
        ("uv", "pip", "install", "--python", "PYTHON"),
    ),
    _Tool(
        "pipx_metadata.json",
        ("pipx", "install", "--force"),
        ("pipx", "inject", "ftops"),
        ("pipx", "run", "--spec"),
    ),
)
_PIP = _Tool("", *[("PYTHON", "-m", "pip", "install")] * 2)
_UV = _Tool("", *[("uv", "pip", "install", "--python", "PYTHON")] * 2)


def install_extra(extra: str, prefix: str = sys.prefix) -> str:
    """The command that installs ftops again, with an extra: from where it came, if that is still there."""
    place, options = _source()
    tool = _tool(prefix)
    return _command(prefix, *tool.again, *(() if tool.marker else options), f"{place}[{extra}]")


def install(package: str, prefix: str = sys.prefix) -> str:
    """The command that installs another package beside ftops."""
    return _command(prefix, *_tool(prefix).more, package)


def run_program(package: str, *words: str, prefix: str = sys.prefix) -> str:
    """A command line of a program in a package that ftops doesn't contain."""
    return _command(prefix, *_tool(prefix).run, package, *words)


def _tool(prefix: str) -> _Tool:
    without = _PIP if find_spec("pip") else _UV
    return next((tool for tool in _TOOLS if Path(prefix, tool.marker).is_file()), without)


def _source() -> tuple[str, tuple[str, ...]]:
    """The wheel or folder that ftops was installed from, and options for it; else its name."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        url = decode(distribution("ftops").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:
        return "ftops", ()
    parts = urlsplit(url.get("url", ""))
    path = unquote(parts.path)
    if parts.scheme != "file" or not Path(path).exists():
        return "ftops", ()
    return path, ("--editable",) if url.get("dir_info", {}).get("editable") else ()


def _command(prefix: str, *words: str) -> str:
    python = str(Path(prefix, "bin", "python"))
    return shlex.join(python if word == "PYTHON" else word for word in words)
