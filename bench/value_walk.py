"""Value walk: how many files one value of a spec passes on its way through `plan` and `apply`.

Runs both on a copy of the quickstart with a learning rate multiplier that occurs nowhere else, against the
emulator, with a profile function that looks at the arguments and locals of every function of ftops. A file
counts if one of its functions holds the value, itself or in a container a few levels deep.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import FrameType

import ftops

VALUE = 0.1234567
DEPTH = 3
"""Levels of containers that are searched. Mappings, sequences, sets and records (structs, dataclasses) are
containers: the value is on the third level of a resource, as `resource.inputs["hyperparameters"][…]`."""
TARGETS = {"plan": 25, "apply": 40}
"""Target: maximum number of files."""
_QUICKSTART = Path(__file__).parents[1] / "specs" / "quickstart"
_CODE = str(Path(ftops.__file__).parent) + os.sep
_COMMANDS = {"plan": ["plan"], "apply": ["apply", "-y"]}


def holds(value: object, depth: int = DEPTH) -> bool:
    """Whether an object is the value, or a container with it, at most `depth` levels down."""
    if isinstance(value, float):
        return value == VALUE
    if depth == 0 or isinstance(value, str | bytes | int | type):
        return False
    return any(holds(item, depth - 1) for item in _items(value))


def _items(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from list(value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from list(value)
    elif fields := getattr(type(value), "__struct_fields__", ()):
        yield from (getattr(value, name, None) for name in fields)
    elif dataclass := getattr(type(value), "__dataclass_fields__", ()):
        yield from (getattr(value, name, None) for name in dataclass)


class Walk:
    """The functions that held the value, by file."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()

    def __call__(self, frame: FrameType, event: str, result: object) -> None:
        code = frame.f_code
        if event != "return" or not code.co_filename.startswith(_CODE):
            return
        function = code.co_filename.removeprefix(_CODE), code.co_qualname
        if function not in self.seen and (holds(result) or any(map(holds, frame.f_locals.values()))):
            self.seen[function] += 1


def _measured(command: str, folder: Path) -> list[tuple[str, str]]:
    """What a run of one command passes, in a process of its own: imports and caches are as for a user."""
    output = subprocess.run(
        [sys.executable, "-m", "bench.value_walk", "--run", command, "--folder", str(folder)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    ).stdout
    return [(file, name) for file, name in json.loads(output)]


def _run(command: str, folder: Path) -> None:
    from ftops.cli.main import run

    walk = Walk()
    os.chdir(folder)
    threading.setprofile(walk)
    sys.setprofile(walk)
    with redirect_stdout(StringIO()) as shown:
        code = run([*_COMMANDS[command]])
    sys.setprofile(None)
    if code not in (0, 2, 5):
        sys.exit(f"`ftops {command}` ended with {code}: {shown.getvalue()}")
    print(json.dumps(sorted(walk.seen)))


def _copy(folder: Path) -> None:
    shutil.copytree(_QUICKSTART, folder)
    spec = folder / "ftops.yaml"
    text = spec.read_text(encoding="utf-8")
    changed = text.replace("learning_rate_multiplier: 1}", f"learning_rate_multiplier: {VALUE}}}")
    assert changed != text, "the quickstart sets no learning_rate_multiplier"
    spec.write_text(changed, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="Files that learning_rate_multiplier passes.")
    parser.add_argument("--functions", action="store_true", help="list the functions, too")
    parser.add_argument("--run", choices=_COMMANDS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        _run(options.run, options.folder)
        return 0
    missed = False
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "quickstart"
        _copy(folder)
        for command, target in TARGETS.items():
            passed = _measured(command, folder)
            files = Counter(file for file, _ in passed)
            missed |= len(files) > target
            verdict = "met" if len(files) <= target else "MISSED"
            print(f"{command}: {len(files)} files (target: {target}, {verdict}), {len(passed)} functions")
            for file in sorted(files):
                names = ", ".join(name for other, name in passed if other == file)
                print(f"  {file}: {names}" if options.functions else f"  {file} ({files[file]})")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
