"""Clients from PyPI and npm, each in a folder of its own below `build/clients`.

A folder is installed once; remove it to get newer versions. If that fails, the tests are skipped, with the
reason.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "build" / "clients"
_INSTALL_SECONDS = 1800
_RUN_SECONDS = 300


@dataclass(frozen=True)
class Client:
    """An installed client: its name in the table, its version and its folder."""

    name: str
    version: str
    folder: Path

    def part(self, name: str, package: str) -> Client:
        """Another package of a folder from npm, with its own name and version in the table."""
        return Client(name, _npm_version(self.folder, package), self.folder)

    def run(self, *command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command with ``environ`` added to the environment; the caller checks the exit code.

        A program without a folder is taken from the client's own, and a script for Node is copied there,
        because it imports packages from where it is.
        """
        program, *arguments = map(str, command)
        if program.endswith(("js", "ts")):
            program, arguments = "node", [shutil.copy(program, str(self.folder)), *arguments]
        elif (self.folder / "bin" / program).exists():
            program = str(self.folder / "bin" / program)
        return subprocess.run(
            [program, *arguments],
            env={**os.environ, "NO_PROXY": "127.0.0.1,localhost", **environ},
            cwd=self.folder, capture_output=True, text=True, check=False, timeout=_RUN_SECONDS,
        )  # fmt: skip

    def json(self, *command: str | Path, **environ: str) -> Any:
        """As `run`, for a command that must succeed and prints JSON, or nothing."""
        done = self.run(*command, **environ)
        assert done.returncode == 0, f"{done.args} failed:\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None


def from_pypi(name: str, *packages: str) -> Client:
    """A virtual environment with ``packages``; the version is that of the first."""

    def install(folder: Path) -> None:
        _do(sys.executable, "-m", "venv", str(folder))
        pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check")
        _do(*pip, "--quiet", *packages)

    folder = _installed(install, packages)
    ask = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    python = str(folder / "bin" / "python")
    return Client(name, _do(python, "-c", ask, packages[0].partition("[")[0]).strip(), folder)


def from_npm(name: str, *packages: str) -> Client:
    """A folder with ``packages`` in `node_modules`; the version is that of the first."""

    def install(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"private": true}', "utf-8")
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        _do("npm", "install", *options, *packages, cwd=folder)

    folder = _installed(install, packages)
    return Client(name, _npm_version(folder, packages[0]), folder)


def _npm_version(folder: Path, package: str) -> str:
    about = json.loads((folder / "node_modules" / package / "package.json").read_text("utf-8"))
    return str(about["version"])


def _installed(install: Callable[[Path], None], packages: tuple[str, ...]) -> Path:
    """The folder of ``packages``, installed if it isn't there as a whole; else the test is skipped."""
    folder = CLIENTS / packages[0].replace("/", "+")
    stamp = folder / "packages.json"
    wanted = json.dumps(packages)
    with _locked(folder.with_name(f"{folder.name}.lock")):
        if not stamp.exists() or stamp.read_text("utf-8") != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            try:
                install(folder)
            except (OSError, subprocess.SubprocessError) as exc:
                said = str(getattr(exc, "stderr", "") or exc).strip().splitlines()
                pytest.skip(
                    f"NOT CHECKED: {' '.join(packages)} can't be installed: {said[-1] if said else exc}"
                )
            stamp.write_text(wanted, "utf-8")
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process installs a client at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _do(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=True, timeout=_INSTALL_SECONDS
    )
    return done.stdout
