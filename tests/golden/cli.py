"""What the tests of the command line share: a spec in a folder, a way to run ftops, golden files."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftops.cli.main import run as run_command_line
from ftops.core.confined_files import ALLOW
from tests.support.command import FTOPS, environment, run

GOLDEN = Path(__file__).parent
ROOT = GOLDEN.parent.parent
_ID = re.compile(r"\b[0-9a-f]{16}\b")
_DIGEST = re.compile(r"((?:Digest:?|\|) `?)v2:sha256:[0-9a-f]{64}")
_MADE = re.compile(r"[0-9TZ:-]{20} · ftops [0-9.]+")
_LINEAGE = re.compile(r"lineage [0-9a-f]{8}\b")

SPEC = """\
ftops: {name: drone}

providers:
  m: {type: memory}

variables:
  capacity: {type: integer, default: 20}

hyperparameters:
  steady: {n_epochs: 3, batch_size: 8}

datasets:
  train: {path: data/train.jsonl}
  valid: {path: data/valid.jsonl}

jobs:
  copilot:
    model: gpt-4o-mini-2024-07-18
    training: train
    validation: valid
    hyperparameters: steady
    seed: 105
    suffix: copilot

deployments:
  base:
    model: gpt-4o-mini-2024-07-18
    sku: {name: Standard, capacity: "${var.capacity}"}
  copilot:
    model: ${job.copilot.fine_tuned_model}
    sku: {name: Standard, capacity: "${var.capacity}"}

outputs:
  model: ${job.copilot.fine_tuned_model}
  name: ${deployment.copilot.name}
"""


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """All that was printed, in one line, however it was wrapped."""
        return " ".join((self.out + self.err).split())

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Folder:
    """A spec in a folder, and ftops run there."""

    path: Path

    @classmethod
    def make(cls, path: Path, spec: str = SPEC) -> Folder:
        folder = cls(path)
        folder.write("ftops.yaml", spec)
        folder.write("data/train.jsonl", examples(12))
        folder.write("data/valid.jsonl", examples(10, "valid "))
        return folder

    def write(self, name: str, text: str) -> None:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def edit(self, old: str, new: str, name: str = "ftops.yaml") -> None:
        text = (self.path / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def run(self, *argv: str, environ: Mapping[str, str] | None = None, stdin: str = "") -> Done:
        """In this process: the whole command line except its entry point."""
        with chdir(self.path), _environment(environ or {}), _streams(stdin) as (out, err):
            code = run_command_line(argv)
        return Done(code, _text(out), _text(err))

    def ok(self, *argv: str) -> str:
        done = self.run(*argv)
        assert done.code == 0, done
        return done.out

    def process(self, *argv: str, environ: Mapping[str, str] | None = None, **more: Any) -> Done:
        """In a process of its own."""
        done = run([*FTOPS, *argv], self.path, environ, **more)
        return Done(done.returncode, done.stdout, done.stderr)


AZURE = """\
providers:
  azure:
    type: azure_openai
    endpoint: https://example.openai.azure.com
    api_key: placeholder
    subscription_id: 00000000-0000-0000-0000-000000000000
    resource_group: rg
    account: example
"""
"""An account in Azure, for commands that contact none."""


def examples(count: int, word: str = "") -> str:
    """Training data."""
    return "".join(_example(f"{word}{number}") for number in range(count))


def golden(name: str, text: str, suffix: str = ".txt") -> None:
    """Compares with a file; UPDATE_GOLDEN=1 writes it."""
    path = GOLDEN / f"{name}{suffix}"
    found = stable(text)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


def stable(text: str) -> str:
    """Random ids become numbers, in the order in which they come; digests made of them are left out."""
    numbers: dict[str, str] = {}
    text = _ID.sub(lambda m: numbers.setdefault(m[0], f"<id {len(numbers) + 1}>"), text)
    text = _LINEAGE.sub("lineage <lineage>", text)
    text = _MADE.sub("<time> · ftops <version>", text)
    return _DIGEST.sub(r"\1v2:sha256:<digest>", text)


def _example(text: str) -> str:
    messages = [{"role": "user", "content": f"say {text}"}, {"role": "assistant", "content": text}]
    return json.dumps({"messages": messages}) + "\n"


@contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    allowed = {name: before[name] for name in (ALLOW, "XDG_CACHE_HOME") if name in before}
    os.environ.clear()
    os.environ.update(environment({**allowed, **more}))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _streams(stdin: str) -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    before = sys.stdin, sys.stdout, sys.stderr
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    sys.stdout, sys.stderr = out, err
    try:
        yield out, err
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
