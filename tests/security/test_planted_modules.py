"""A folder that somebody else has filled: nothing that lies in it by the name of a module is run."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from ftops.dataset.checks.checker import BIG
from tests.support.command import ROOT, environment
from tests.support.embedded import SPEC, Folder, example

FTOPS = str(Path(sys.executable).parent / "ftops")
NAMES = (
    "secrets", "random", "uvicorn", "json", "sitecustomize", "usercustomize", "conftest", "starlette",
    "numpy", "openai", "click", "yaml", "msgspec", "ftops",
)  # fmt: skip
CANARY = "canary"
PLANT = f"""\
from pathlib import Path
with open({CANARY!r}, "a") as file:
    file.write(__name__ + "\\n")
raise SystemExit("a planted module was run")
"""


def planted(path: Path, names: tuple[str, ...] = NAMES) -> Folder:
    folder = Folder.make(path, SPEC)
    for name in names:
        (folder.path / f"{name}.py").write_text(PLANT, encoding="utf-8")
    return folder


def run(folder: Folder, command: list[str]) -> str:
    """From inside the folder, whatever PYTHONPATH the tests have."""
    kept = {name: value for name, value in environment().items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=folder.path, env=kept, capture_output=True, text=True, timeout=300, check=False
    )
    assert not (folder.path / CANARY).exists(), (folder.path / CANARY).read_text()
    assert done.returncode in (0, 2), done.stdout + done.stderr
    return done.stdout


def test_plan_and_apply_run_nothing_of_the_folder(tmp_path: Path) -> None:
    folder = planted(tmp_path)
    assert "3 to create" in run(folder, [FTOPS, "plan"])
    run(folder, [FTOPS, "apply", "--auto-approve"])
    run(folder, [FTOPS, "destroy", "--auto-approve"])


def test_workers_of_a_big_file_run_nothing_of_the_folder(tmp_path: Path) -> None:
    folder = planted(tmp_path)
    lines = (example(number, "word " * 400) for number in range(BIG // 2000 + 1))
    (folder.path / "big.jsonl").write_text("".join(lines), encoding="utf-8")
    assert (folder.path / "big.jsonl").stat().st_size >= BIG
    run(folder, [FTOPS, "data", "check", "big.jsonl"])
    run(folder, [FTOPS, "data", "stats", "big.jsonl"])


def test_the_emulator_by_itself_runs_nothing_of_the_folder(tmp_path: Path) -> None:
    folder = planted(tmp_path)
    run(folder, [FTOPS, "emulator", "--help"])
    server = [FTOPS, "emulator", "--data", "alone", "--parent-pipe", "--linger", "0"]
    assert '"url"' in run(folder, server)


@pytest.mark.parametrize(
    ("flags", "names"),
    [(["-P"], NAMES), ([], tuple(name for name in NAMES if name != "ftops"))],
    ids=["-P", "without ftops.py, which is what Python was asked for"],
)
def test_python_m_runs_nothing_of_the_folder(
    tmp_path: Path, flags: list[str], names: tuple[str, ...]
) -> None:
    folder = planted(tmp_path, names)
    assert "3 to create" in run(folder, [sys.executable, *flags, "-m", "ftops", "plan"])
    run(folder, [sys.executable, *flags, "-m", "ftops", "data", "check", "train.jsonl"])
    run(folder, [sys.executable, *flags, "-m", "ftops.emulator", "--parent-pipe", "--linger", "0"])


def test_every_process_of_python_is_started_with_the_flag() -> None:
    starts = 0
    for path in sorted((ROOT / "ftops").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if not any(word in text for word in ("executable", "multiprocessing")):
            continue
        tree = ast.parse(text)
        found = [node for node in ast.walk(tree) if ast.unparse(node) == "sys.executable"]
        lists = [node.elts for node in ast.walk(tree) if isinstance(node, ast.List | ast.Tuple) and node.elts]
        first = [elements for elements in lists if ast.unparse(elements[0]) == "sys.executable"]
        assert len(found) == len(first), f"{path}: sys.executable stands elsewhere than first in a command"
        for elements in first:
            assert ast.unparse(elements[1]) == "'-P'", f"{path}:{elements[0].lineno}: without -P"
            starts += 1
        names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert not any(n.partition(".")[0] == "multiprocessing" for n in names), f"{path}: takes no flag"
    assert starts >= 2
