"""docs/az.md: its commands and programs run as they stand there."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from tests.clients.conftest import Did
from tests.clients.install import from_npm, from_pypi
from tests.emulator.server import Emulator
from tests.support.pages import at, blocks


def shell(script: str, emulator: Emulator, folder: Path, path: str) -> str:
    """What commands print that are run beside the emulator's folder, which the page calls `account`."""
    (folder / "account").symlink_to(emulator.folder)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", at(script, emulator)],
        cwd=folder, capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "NO_PROXY": "127.0.0.1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_of_az(emulator: Emulator, tmp_path: Path, did: Did) -> None:
    az = from_pypi("az", "azure-cli")
    start, *prepare = blocks("az.md", "sh")
    command, arguments = start.split(maxsplit=1)
    assert command == "ftops" and shlex.split(arguments)[0] == "emulator"
    did(az, "runs the commands in docs/az.md")
    script = "\n".join([*prepare, *blocks("az.md", "sh", "az")])
    printed = shell(script, emulator, tmp_path, str(az.folder / "bin"))
    assert "copilot" in printed and '"finish_reason":"stop"' in printed
    assert emulator.admin("GET", "objects")["deployments"] == []


def test_the_program_in_javascript(emulator: Emulator, tmp_path: Path, did: Did) -> None:
    node = from_npm("@azure/arm-cognitiveservices", "@azure/arm-cognitiveservices", "@azure/identity")
    did(node, "runs the program in docs/az.md")
    _, *prepare = blocks("az.md", "sh")
    shell("\n".join(prepare), emulator, tmp_path, "")
    (program,) = blocks("az.md", "js", "Azure SDK for JavaScript")
    script = tmp_path / "program.mjs"
    script.write_text(at(program, emulator), "utf-8")
    done = node.run(script, NODE_EXTRA_CA_CERTS=emulator.ca)
    assert (done.returncode, done.stdout) == (0, "Succeeded\n"), done.stderr
