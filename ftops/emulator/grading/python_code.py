"""Python graders: their code scores answers in a confined process.

Sources: the service's guide to reinforcement fine-tuning. Code has at most 256 KB; it must define
``grade(sample, item)``, which returns a number; it has no network, 2 GB of memory, 1 GB of disk, one core and
two minutes. Here, its modules are those that are installed beside the emulator.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ftops.emulator.grading.outcome import Case, Grade, number

_MAX_SOURCE = 256 * 1024
_PROGRAM = Path(__file__).with_name("confined.py")
_ONE_CORE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_LIBRARIES = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
)
_FILES = ("/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_LOOK_SECONDS = 0.2
_SPARE_SECONDS = 30.0


class Limits(NamedTuple):
    """Of the code, for each answer."""

    seconds: float = 120.0
    memory: int = 2 << 30
    """Bytes of each process."""
    disk: int = 1 << 30


_LIMITS = Limits()


class Unconfined(Exception):
    """Why this machine can't run code safely."""


def problem(grader: dict[str, Any]) -> str:
    """What is wrong with the fields of a grader; empty if nothing is."""
    source = grader.get("source")
    if not isinstance(source, str) or "grade" not in source:
        return "A grader of type python needs 'source', which defines grade(sample, item)."
    if len(source.encode("utf-8", "surrogatepass")) > _MAX_SOURCE:
        return f"'source' of a grader has more than {_MAX_SOURCE} bytes."
    return ""


def scores(
    source: str, cases: Sequence[Case], stop: threading.Event, limits: Limits = _LIMITS
) -> list[Grade]:
    """The grades of all cases, by one process. After ``stop`` is set, the rest has none."""
    try:
        replies = _run(source, cases, stop, limits)
    except Unconfined as exc:
        return [Grade(None, "python_grader_server_error", str(exc)) for _ in cases]
    return [_grade(reply) for reply in replies]


def _grade(reply: Any) -> Grade:
    """The code can write a reply of its own, so nothing in it is certain."""
    score = number(reply.get("score")) if isinstance(reply, dict) else None
    if score is not None:
        return Grade(score)
    if isinstance(reply, dict) and isinstance(reply.get("error"), str):
        text = reply["error"].encode("utf-8", "replace").decode()
        return Grade(None, "python_grader_runtime_error", text)
    return Grade(None, "python_grader_server_error", "The process that runs the code has ended.")


@cache
def refusal() -> str:
    """Why this machine can't run code safely; empty if it can."""
    try:
        (reply,) = _run("def grade(sample, item): return 1", [Case({}, {})], threading.Event(), _LIMITS)
    except Unconfined as exc:
        return str(exc)
    return "" if reply == {"score": 1.0} else f"a test gave {reply!r}"


def _run(source: str, cases: Sequence[Case], stop: threading.Event, limits: Limits) -> list[Any]:
    """The reply for each case; None if the process has ended before. Raises Unconfined."""
    if sys.platform != "linux":
        raise Unconfined("it needs Linux")
    request = {
        "source": source,
        "cases": [case._asdict() for case in cases],
        "limits": limits._asdict(),
        "shown": _shown(),
    }
    most = len(cases) * limits.seconds + _SPARE_SECONDS
    with tempfile.TemporaryDirectory(prefix="ftops-grader-") as folder:
        output, errors = _communicated(folder, json.dumps(request).encode(), stop, most)
    replies = [_parsed(line) for line in output.splitlines()[: len(cases)]]
    first = replies[0] if replies else {}
    if isinstance(first, dict) and "unconfined" in first:
        raise Unconfined(str(first["unconfined"]))
    if not replies and errors:
        raise Unconfined(errors.decode("utf-8", "replace").splitlines()[-1][:500])
    return replies + [None] * (len(cases) - len(replies))


def _communicated(
    folder: str, content: bytes | None, stop: threading.Event, seconds: float
) -> tuple[bytes, bytes]:
    """What the program writes to stdout and stderr."""
    command = [sys.executable, "-P", "-I", "-B", "-X", "utf8", str(_PROGRAM)]
    deadline = time.monotonic() + seconds
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=folder, env=_ONE_CORE, start_new_session=True
    ) as process:
        while True:
            try:
                return process.communicate(content, timeout=_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                content = None  # it is being sent
                if stop.is_set() or time.monotonic() > deadline:
                    process.kill()


def _parsed(line: bytes) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(line)
    return None


def _shown() -> list[str]:
    """The paths that the code can read: Python, its packages, libraries of the system. Raises Unconfined."""
    own = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    if any(Path(path).parent == Path(path) for path in own):
        raise Unconfined("Python is installed at the root of the file system")
    there = sorted(path for path in {*own, *_LIBRARIES, *_FILES} if Path(path).exists())
    return [path for path in there if not any(path.startswith(f"{other}/") for other in there)]
