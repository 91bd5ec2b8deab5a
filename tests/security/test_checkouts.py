"""Checkouts that strangers may have written: whatever lies in one, ftops ends, says so, and stays inside."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.golden.cli import SPEC, Folder, examples
from tests.security.canaries import WORD, Canaries
from tests.support.command import FTOPS, ROOT, run

CODES = (0, 1, 2, 3)
"""As docs/cli.md has them; no run here is interrupted."""
CHECKOUTS = 40

FOLDERS = (
    "", "data", "state", "state/drone", "state/drone/default.history", "state/.cache",
    ".ftops", ".ftops/cache", ".ftops/data", ".ftops/.cache", ".ftops/places", ".ftops/emulator",
)  # fmt: skip
NAMES = (
    "ftops.yaml", "more.yaml", "secrets.yaml", "ftops.catalog.yaml", "data", "train.jsonl", "more.jsonl",
    "state", "drone", ".spec", ".ftops", ".gitignore", "cache", "emulator", "datasets.json", "index.json",
    "default.json", "default.journal", "default.lock", "default.audit.jsonl", "default.json.tmp", "1.json",
    "drone.default", "server.json", "port", "made-here", "secrets.py", "random.py", "sitecustomize.py",
    "yaml.py", "ftops.py", ".git",
)  # fmt: skip
ODD = (
    "-rf", "--help.yaml", "a\nb.yaml", "a\tb.jsonl", "\u202elmay.x", "x\u202e.yaml", "\x1b[2J.yaml", "é.yaml",
    "e\u0301.jsonl", " .yaml", "~.jsonl", "*.jsonl", "[x].jsonl", "a b.yaml", "%s{0}.yaml", "'\"$(id).yaml",
    "x" * 240 + ".yaml", os.fsdecode(b"\xff\xfe.yaml"), os.fsdecode(b"\xe9.jsonl"),
)  # fmt: skip
PATHS = (
    "data/train.jsonl", "data/*.jsonl", "**/*.jsonl", "*/*", "data", ".", "..", "/", "-rf", "a\nb.jsonl",
    "../outside/data.jsonl", "data/../../outside/data.jsonl", "far/data.jsonl", "/dev/zero", "/dev/stdin",
    "/proc/self/environ", "nul\0.jsonl", "x" * 5000, "data/[", "~/x.jsonl", "~root", "*/../../outside/*",
)  # fmt: skip

Plant = tuple[str, str, str]
"""A folder, a name in it, and what is to be there."""


@st.composite
def specs(draw: st.DrawFn) -> str:
    """A spec that is right, or has other paths, or a piece that was cut out, doubled or put in."""
    text = SPEC
    if draw(st.booleans()):
        text = text.replace("data/train.jsonl", _quoted(draw(st.sampled_from(PATHS))))
    if draw(st.integers(0, 3)) == 0:
        place = _quoted(draw(st.sampled_from(PATHS)))
        setting = draw(st.sampled_from(("state: {path: %s}", "state: {encryption: {key_file: %s}}")))
        text = text.replace("{name: drone}", "{name: drone, " + setting.replace("%s", place) + "}")
    if draw(st.integers(0, 3)) == 0:
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start, min(len(text), start + 40)))
        odd = draw(
            st.sampled_from(("", "\0", "\t", "- ", "{", "&a *a", "!!python/object:os.system x", "\ud7ff"))
        )
        text = text[:start] + odd + text[end:] * draw(st.integers(1, 2))
    return text


def _quoted(text: str) -> str:
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\x{ord(c):02x}" for c in text) + '"'


@cache
def plants() -> st.SearchStrategy[list[Plant]]:
    names = st.one_of(st.sampled_from(NAMES), st.sampled_from(ODD))
    one = st.tuples(st.sampled_from(FOLDERS), names, st.sampled_from(sorted(KINDS)))
    return st.lists(one, min_size=1, max_size=6)


def _pipe(path: Path, _: Canaries) -> None:
    os.mkfifo(path)


def _socket(path: Path, _: Canaries) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        near = path.parent / "s"
        here = os.open(path.parent, os.O_RDONLY)
        try:
            made.bind(f"/proc/self/fd/{here}/s" if sys.platform == "linux" else str(near))
        finally:
            os.close(here)
        near.rename(path)


def _sparse(path: Path, _: Canaries) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _module(path: Path, canaries: Canaries) -> None:
    path.write_text(f"open({str(canaries.folder / 'ran')!r}, 'w').close()\n", encoding="utf-8")


def _repository(path: Path, canaries: Canaries) -> None:
    """A bare one, whose settings name programs."""
    for folder in ("objects", "refs/heads", "hooks"):
        (path / folder).mkdir(parents=True)
    program = f"touch {canaries.folder / 'ran'}"
    (path / "HEAD").write_text("ref: refs/heads/main\n")
    (path / "config").write_text(
        f'[core]\n\tbare = true\n\tfsmonitor = "{program}"\n\tpager = "{program}"\n'
        f'[gpg]\n\tprogram = "{program}"\n[log]\n\tshowSignature = true\n[alias]\n\tlog = "!{program}"\n'
    )


KINDS: Mapping[str, Callable[[Path, Canaries], object]] = {
    "a link to a file outside": lambda path, c: path.symlink_to(c.folder / "data.jsonl"),
    "a link to text outside": lambda path, c: path.symlink_to(c.folder / "secrets.yaml"),
    "a link to a folder outside": lambda path, c: path.symlink_to(c.folder),
    "a link to a new file outside": lambda path, c: path.symlink_to(c.folder / "new"),
    "a link up": lambda path, _: path.symlink_to(".."),
    "a link to itself": lambda path, _: path.symlink_to(path.name),
    "a link within": lambda path, _: path.symlink_to(path.parent / "train.jsonl"),
    "a link to a device": lambda path, _: path.symlink_to("/dev/zero"),
    "a pipe": _pipe,
    "a socket": _socket,
    "a sparse file": _sparse,
    "a folder": lambda path, _: path.mkdir(),
    "a module": _module,
    "a bare repository": _repository,
    "bytes": lambda path, _: path.write_bytes(b"\xff\x00\x1b[2J\n"),
    "examples": lambda path, _: path.write_text(examples(12)),
    "a spec": lambda path, _: path.write_text("datasets: {train: {path: data/train.jsonl}}\n"),
    "values": lambda path, _: path.write_text("capacity: 3\n"),
}


def checkout(folder: Path, spec: str, planted: list[Plant], canaries: Canaries) -> None:
    made = Folder.make(folder, "")
    (folder / "ftops.yaml").write_bytes(spec.encode("utf-8", "surrogatepass"))
    made.write(".git/HEAD", "ref: refs/heads/main\n")
    for where, name, kind in planted:
        path = folder / where / name
        real = Path(os.path.realpath(path.parent))
        if not real.is_relative_to(folder) or (real.exists() and not real.is_dir()):
            continue  # something else was planted there before
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        KINDS[kind](path, canaries)


@cache
def commands() -> tuple[tuple[str, ...], ...]:
    told = run([*FTOPS, "plan", "--help"], ROOT)
    untrusted = (("plan", "--untrusted"),) if "--untrusted" in told.stdout else ()
    return (("validate",), ("plan", "--offline"), *untrusted)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkouts")


@pytest.fixture(scope="module")
def canaries(place: Path) -> Iterator[Canaries]:
    made = Canaries(place / "outside")
    made.file("data.jsonl", examples(12))
    made.file("secrets.yaml", f"password: {WORD}: x\n")
    yield made
    made.close()


@settings(max_examples=CHECKOUTS, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=specs(), planted=plants())
def test_a_checkout_by_strangers(place: Path, canaries: Canaries, spec: str, planted: list[Plant]) -> None:
    folder = place / "checkout"
    shutil.rmtree(folder, ignore_errors=True)
    checkout(folder, spec, planted, canaries)
    for argv in commands():
        done = run([*FTOPS, *argv], folder, stdin=subprocess.DEVNULL, errors="replace")
        said = done.stdout + done.stderr
        assert done.returncode in CODES, said
        assert "Traceback" not in said and "bug in ftops" not in said, said
        assert WORD not in said, said
        canaries.assert_untouched()
