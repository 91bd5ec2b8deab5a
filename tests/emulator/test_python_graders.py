"""Python graders: their code runs only if the server was started so, and reaches nothing of the machine."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError

from ftops.emulator.grading import confined, python_code
from ftops.emulator.grading.outcome import Case, Grade
from ftops.emulator.grading.python_code import Limits
from tests.emulator.conftest import Start
from tests.emulator.server import ROOT, Emulator, ended, until
from tests.emulator.test_graders import CHECK, flags, multi, run
from tests.emulator.test_reinforcement import rows_of, submitted

FLAG = "--allow-python-graders"
isolated = pytest.mark.skipif(
    bool(python_code.refusal()),
    reason=f"CODE OF GRADERS ISN'T TESTED: this machine can't isolate it ({python_code.refusal()})",
)
ANY = "def grade(sample, item):\n names = {**item}\n exec(item['code'], names)\n return names['value']\n"
SECONDS = 1.5
LIMITS = Limits(seconds=SECONDS, memory=300 << 20, disk=8 << 20)
ATTEMPTS = {
    "a score": "import numpy as np\nvalue = np.float32(0.5) + True",
    "the network": "import socket\nsocket.create_connection(('127.0.0.1', port), 1)",
    "datagrams": "import socket\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', port))",
    "a socket in the file system": "import socket\nsocket.socket(socket.AF_UNIX).connect(path)",
    "an abstract socket": "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0' + name)",
    "files of the user": "open(file).read()",
    "the root": "import os\nraise ValueError(*os.listdir('/'), os.getcwd(), *os.listdir('.'))",
    "Python's files": "import sys, pathlib\n(pathlib.Path(sys.prefix) / 'x').write_text('x')",
    "the environment": "import os\nraise ValueError(sorted(os.environ))",
    "open files": "import fcntl\ndef is_open(n):\n  try: fcntl.fcntl(n, 1)\n  except OSError: return False\n"
    "  return True\nraise ValueError([n for n in range(250) if is_open(n)])",
    "other processes": "import os\nos.kill(pid, 0)",
    "processes of the same user": "import os\n[os.kill(1, n) for n in (2, 9, 10, 15)]\nos.kill(-1, 9)",
    "mounts": "import ctypes, os\nc = ctypes.CDLL(None, use_errno=True)\n"
    "value = c.mount(b'none', b'/grading', b'tmpfs', 0, None)\nraise OSError(ctypes.get_errno(), '')",
    "namespaces": "import ctypes, os\nc = ctypes.CDLL(None, use_errno=True)\n"
    "value = c.unshare(0x10000000)\nc.mount(b'none', b'/grading', b'tmpfs', 0, None)\nopen('/usr/x', 'w')",
    "too much time": "while True: pass",
    "too much sleep": "import os, time\nos.fork()\ntime.sleep(600)",
    "too much memory": "value = len(bytearray(400 << 20))",
    "too much disk": "open('x', 'wb').write(bytes(9 << 20))",
    "disk": "import tempfile\nwith tempfile.TemporaryFile() as f: value = f.write(bytes(7 << 20)) >> 20",
    "a sudden end": "import os\nos._exit(3)",
    "a crash": "import ctypes\nctypes.string_at(0)",
    "noise": "import os\nprint('{\"score\": 7}', flush=True)\nos.write(2, b'x' * 100000)\nvalue = 2",
    "a forged reply": "import os\nos.write(3, b'[' * 60000 + b'\\n')",
    "no number": "value = 'high'",
    "not finite": "value = float('inf')",
    "deep": "def f(): f()\nf()",
    "the end of Python": "raise SystemExit(0)",
}
FAILS = {
    "the network": "Network is unreachable",
    "datagrams": "Network is unreachable",
    "a socket in the file system": "No such file",
    "an abstract socket": "Connection refused",
    "files of the user": "No such file",
    "Python's files": "Read-only file system",
    "open files": r"\[0, 1, 2, 3\]",
    "other processes": "No such process",
    "processes of the same user": "No such process",
    "mounts": "Errno 1]",
    "namespaces": "Read-only file system",
    "too much time": f"more than {SECONDS:g} seconds",
    "too much sleep": f"more than {SECONDS:g} seconds",
    "too much memory": "MemoryError",
    "too much disk": "File too large",
    "a sudden end": r"unexpectedly \(3\)",
    "a crash": r"unexpectedly \(-11\)",
    "a forged reply": "unexpectedly",
    "no number": "'high', which is no number",
    "not finite": "inf, which is no number",
    "deep": "RecursionError",
    "the end of Python": "SystemExit",
}
SCORES = {"a score": 1.5, "disk": 7.0, "noise": 2.0}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Grade]]:
    """What came of each attempt. One process makes all of them."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "file").write_text("private")
    name = f"ftops-test-{os.getpid()}"
    listening = socket.create_server(("127.0.0.1", 0))
    here, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    with listening, here, abstract:
        here.bind(os.path.relpath(folder / "socket"))
        abstract.bind(f"\0{name}")
        for one in (here, abstract):
            one.listen()
        known = {
            "port": listening.getsockname()[1], "path": str(folder / "socket"), "name": name,
            "file": str(folder / "file"), "pid": os.getpid(),
        }  # fmt: skip
        cases = [Case({**known, "code": code}, {}) for code in ATTEMPTS.values()]
        grades = python_code.scores(ANY, cases, threading.Event(), LIMITS)
    yield dict(zip(ATTEMPTS, grades, strict=True))


@isolated
@pytest.mark.parametrize("name", FAILS)
def test_what_the_code_cannot_do(found: Mapping[str, Grade], name: str) -> None:
    grade = found[name]
    assert (grade.reward, grade.error) == (None, "python_grader_runtime_error"), grade
    assert re.search(FAILS[name], grade.details), grade


@isolated
@pytest.mark.parametrize("name", SCORES)
def test_what_the_code_can_do(found: Mapping[str, Grade], name: str) -> None:
    assert found[name] == Grade(SCORES[name])


@isolated
def test_the_code_sees_python_alone(found: Mapping[str, Grade]) -> None:
    roots = {Path(path).parts[1] for path in python_code._shown()} | {"tmp", "grading"}
    details = found["the root"].details
    assert details.startswith("ValueError: ('")
    shown = details.partition("(")[2].partition(")")[0].replace("'", "").split(", ")
    assert set(shown[:-1]) == roots
    assert shown[-1] == "/grading"
    variables = found["the environment"].details
    assert not {name for name in os.environ if f"'{name}'" in variables} - {
        "LC_CTYPE",
        *python_code._ONE_CORE,
    }


@isolated
def test_no_case_sees_what_another_left() -> None:
    source = (
        "import os, numpy\nseen = []\n"
        "def grade(sample, item):\n seen.append(1)\n numpy.seen = getattr(numpy, 'seen', 0) + 1\n"
        " file = open('x', 'a')\n file.write('x')\n"
        " return 1000 * file.tell() + 100 * len(seen) + 10 * numpy.seen + item['n']\n"
    )
    grades = python_code.scores(source, [Case({"n": n}, {}) for n in range(5)], threading.Event())
    assert [grade.reward for grade in grades] == [1110, 1111, 1112, 1113, 1114]


@isolated
def test_a_mistake_is_shown_with_its_line() -> None:
    def details(source: str) -> str:
        (grade,) = python_code.scores(source, [Case({}, {})], threading.Event())
        return grade.details

    assert details("def grade(sample, item):\n    return item['x']\n") == "KeyError: 'x' (line 2)"
    assert details("def grade(sample, item)\n").startswith("SyntaxError: expected ':'")
    assert details("def grades(): pass") == "KeyError: 'grade'"
    assert details("import nothing_here\ndef grade(a, b): pass").startswith("ModuleNotFoundError")


@isolated
@pytest.mark.parametrize("reply", ['{"score": NaN}', '{"score": 1e999}', '{"score": 1%s}' % ("0" * 400)])
def test_a_forged_score_that_is_no_number_is_none(reply: str) -> None:
    source = f"import os\ndef grade(sample, item):\n os.write(3, b'{reply}\\n')\n os._exit(0)\n"
    (grade,) = python_code.scores(source, [Case({}, {})], threading.Event())
    assert (grade.reward, grade.error) == (None, "python_grader_server_error")


@isolated
def test_an_error_that_is_no_text_can_be_sent() -> None:
    source = "def grade(sample, item):\n raise ValueError('\\ud800')\n"
    (grade,) = python_code.scores(source, [Case({}, {})], threading.Event())
    assert grade.details == "ValueError: ? (line 2)"


@isolated
def test_the_keyring_of_the_session_is_another_one() -> None:
    number, session = confined._KEYCTL[os.uname().machine], -3
    source = (
        "import ctypes\n"
        f"def grade(sample, item):\n return ctypes.CDLL(None).syscall({number}, 0, {session}, 1)\n"
    )
    own = ctypes.CDLL(None).syscall(number, 0, session, 1)
    (grade,) = python_code.scores(source, [Case({}, {})], threading.Event())
    assert grade.reward is not None
    assert grade.reward != own or own < 0, "the code can read the keys of this session"


def python(source: str = "def grade(sample, item):\n    return len(sample['output_text'])") -> dict[str, Any]:
    return {"type": "python", "name": "code", "source": source}


def test_no_code_runs_unless_the_server_was_started_so(shared: Emulator) -> None:
    for grader in (python(), multi("a + b", a=CHECK, b=python())):
        with pytest.raises(BadRequestError, match=FLAG):
            run(shared, grader, "yes")
        with pytest.raises(BadRequestError, match=FLAG):
            create(shared, grader)
        status, _, answer = shared.call(
            "POST", "/openai/v1/fine_tuning/alpha/graders/validate", {"grader": grader}
        )
        assert status == 400 and FLAG in answer["error"]["message"]
    for name in ("allow_python_graders", "python", "permissions"):
        assert shared.call("PATCH", "/_emulator/settings", {name: True})[0] == 400


@pytest.mark.parametrize("source", [None, 5, "x = 1", "def grade(sample, item): return 1" + " " * 262_144])
def test_what_is_no_code_is_refused(shared: Emulator, source: Any) -> None:
    with pytest.raises(BadRequestError, match="'source'"):
        run(shared, python(source), "yes")


def create(emulator: Emulator, grader: dict[str, Any]) -> str:
    """The id of a job of three steps with this grader."""
    with emulator.v1() as client:
        return submitted(client, grader, {"n_epochs": 3, "batch_size": 12}, sizes=(4, 4))


def children(emulator: Emulator) -> list[str]:
    """The processes that run code for a server."""
    folder = Path("/proc", str(emulator.process.pid), "task")
    return [pid for task in folder.iterdir() for pid in (task / "children").read_text().split()]


def has_ended(pid: str) -> bool:
    """Even if nobody has asked for its exit code yet."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@isolated
def test_code_grades_and_trains(start: Start) -> None:
    emulator = start(FLAG)
    code = python(
        "def grade(sample, item):\n    return 1.0 if sample['output_text'] == item['colour'] else 0.25"
    )
    found = run(emulator, multi("a + b", a=CHECK, b=code), "yes", answer="yes", colour="yes")
    assert (found.reward, found.sub_rewards, flags(found)) == (2, {"a": 1, "b": 1}, [])
    failed = run(emulator, python("def grade(sample, item):\n    return item['x']"), "yes")
    assert flags(failed) == ["python_grader_runtime_error"]
    assert failed.metadata.errors.python_grader_runtime_error_details == "KeyError: 'x' (line 2)"
    with emulator.v1() as client:
        job = ended(client, create(emulator, code))
        assert job.status == "succeeded", job.error
        rewards = [row["train_mean_reward"] for row in rows_of(client, job)]
    right = [(48 * reward - 12) / 36 for reward in rewards]  # of 48 answers, by a mean of 1 and 0.25
    assert all(0 < share < 1 for share in right)
    assert right[0] < right[-1]


@isolated
@pytest.mark.parametrize("end", ["cancel", "kill"])
def test_code_ends_with_its_job_and_with_the_server(start: Start, end: str) -> None:
    emulator = start(FLAG)
    job = create(emulator, python("def grade(sample, item):\n    while True: pass"))
    (confined,) = until(lambda: children(emulator))
    inside = until(lambda: Path(f"/proc/{confined}/task/{confined}/children").read_text().split())
    if end == "cancel":
        assert emulator.call("POST", f"/openai/v1/fine_tuning/jobs/{job}/cancel")[0] == 200
    else:
        emulator.stop(signal.SIGKILL)
    for pid in (confined, *inside):
        until(partial(has_ended, pid))


@isolated
def test_a_job_of_an_earlier_server_runs_no_code_in_one_that_may_not(start: Start) -> None:
    first = start(FLAG, "--queue-seconds=1000")
    job = create(first, python())
    first.stop()
    second = start()
    second.advance(2000)
    with second.v1() as client:
        done = ended(client, job)
    assert done.status == "failed"
    assert done.error and FLAG in str(done.error.message)


@isolated
def test_a_machine_that_cannot_isolate_code_is_told_at_the_start(tmp_path: Path) -> None:
    """Here, further namespaces are forbidden, as they are in many containers."""
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    command = [sys.executable, "-m", "ftops.emulator", "--data", str(tmp_path / "data"), FLAG]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh", *command],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert "can't isolate their code (unshare: No space left on device)" in json.loads(done.stdout)["error"]
