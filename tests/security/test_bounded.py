"""Specs and files that are small, and would take for ever or all memory: refused in words, and soon."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from tests.golden.cli import SPEC, Done, Folder

MEMORY = 2_000_000_000
SECONDS = 60
"""Of processor time: a command that doesn't end is killed, and its code is negative."""


def bounded(folder: Folder, *argv: str) -> Done:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    return folder.process(*argv, preexec_fn=limit)


@pytest.mark.parametrize("pattern", ["**/" * 30 + "x.jsonl", "**/d/" * 12 + "**/x.jsonl"])
def test_patterns_of_many_folders(tmp_path: Path, pattern: str) -> None:
    folder = Folder.make(tmp_path / "here", SPEC.replace("data/train.jsonl", f"'data/{pattern}'"))
    (folder.path / "data" / "/".join("d" * 30)).mkdir(parents=True)
    done = bounded(folder, "validate", "--untrusted")
    assert done.code == 1
    assert "no file matches" in done.err


def test_lists_that_are_named_often(tmp_path: Path) -> None:
    entries = ", ".join(f"v{n}" for n in range(100_000))
    outputs = "".join(f'  o{n}: "${{var.many}}"\n' for n in range(2000))
    variables = f"variables: {{many: {{type: list, default: [{entries}]}}}}"
    text = f"ftops: {{name: drone}}\n{variables}\noutputs:\n{outputs}"
    done = bounded(Folder.make(tmp_path / "here", text), "validate", "--untrusted")
    assert done.code == 1
    assert "expressions produce too much text" in done.err


HOLES = ("state/drone/default.json", "state/drone/default.journal")


@pytest.mark.parametrize("name", HOLES)
def test_files_that_are_mostly_holes(tmp_path: Path, name: str) -> None:
    folder = Folder.make(tmp_path / "here")
    file = folder.path / name
    file.parent.mkdir(parents=True)
    file.touch()
    os.truncate(file, 30_000_000_000)
    done = bounded(folder, "plan", "--offline")
    assert done.code == 1
    assert "it has more than 512 MB" in " ".join(done.err.split())
