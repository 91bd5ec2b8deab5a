"""Confined process: a program that runs the code of python graders without network, files and privileges.

``python_code`` starts it, with a JSON object on stdin: ``{"source", "cases": [{"sample", "item"}, …],
"limits": {"seconds", "memory", "disk"}, "shown": [path, …]}``. It writes a line for each case, ``{"score":
number}`` or ``{"error": text}``; or ``{"unconfined": text}``, if the machine doesn't let it confine itself.

Before any code runs, it moves into namespaces of its own: without a network, without other processes, and
with a root that has only Python's files, read-only, and a folder for files. Each case is graded by a process
of its own, a copy of this one without privileges, in an empty folder: no case sees what another has left.
"""

# ruff: noqa: PTH102, PTH103, PTH109, PTH112, PTH120, PTH123, PTH211 - pathlib takes time to load

from __future__ import annotations

import ctypes
import errno
import importlib
import json
import math
import os
import re
import resource
import select
import signal
import sys
import time
import traceback
from contextlib import suppress
from numbers import Real
from typing import Any, NoReturn

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_NAMESPACES = _CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWIPC | _CLONE_NEWUTS
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000  # the number is the same on all usual machines
_ATTR_RDONLY, _ATTR_NOSUID = 0x1, 0x2
_MNT_DETACH = 0x2
_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "loongarch64": 219, "ppc64le": 271, "s390x": 280}
"""The number of the system call, by processor."""
_JOIN_SESSION_KEYRING = 1
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION = 0x20080522
_NOBODY = 65534
_MAX_FILES, _MAX_PROCESSES = 256, 64
_MAX_REPLY = 65_536
_MAX_DETAILS = 1_000
_WORK = "/grading"  # a name that no folder with Python has, for it hides what is below
_IMPORT = re.compile(r"^(?:from|import)\s+([A-Za-z_][\w.]*)", re.MULTILINE)
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> int:
    request = json.loads(sys.stdin.buffer.read())
    try:
        _leave()
        child = os.fork()  # the first process of its namespace: if it ends, all in it do
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _become_supervisor()
        _change_root(request["shown"])
    except (OSError, AttributeError) as exc:
        _write(1, {"unconfined": getattr(exc, "strerror", None) or str(exc)})
        return 0
    output = _silenced()
    for name in _IMPORT.findall(request["source"]):
        with suppress(Exception):
            importlib.import_module(name)  # once, for all cases
    for case in request["cases"]:
        _mount("none", _WORK, "tmpfs", _MS_NOSUID | _MS_NODEV, f"size={request['limits']['disk']},mode=700")
        _write(output, _graded(request["source"], case, request["limits"]))
        _call("umount2", _WORK.encode(), _MNT_DETACH)
    return 0


def _call(name: str, *arguments: Any) -> None:
    """A function of the C library. Raises OSError."""
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        what = "mount_setattr" if name == "syscall" else name
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _leave_keyrings() -> None:
    """Of the user, which may have passwords. The user's own is another one in a new namespace; that of the
    session isn't. Raises OSError."""
    call = _KEYCTL.get(os.uname().machine)
    if call is None:
        raise OSError(0, f"unknown processor: {os.uname().machine}")
    joined = _libc.syscall(call, _JOIN_SESSION_KEYRING, None)
    if joined < 0 and ctypes.get_errno() != errno.ENOSYS:  # a kernel without keyrings
        raise OSError(ctypes.get_errno(), f"keyctl: {os.strerror(ctypes.get_errno())}")


def _write(place: int, value: Any) -> None:
    data = json.dumps(value).encode() + b"\n"
    while data:
        data = data[os.write(place, data) :]


def _leave() -> None:
    """Move into new namespaces, as a user without any right outside of them."""
    user, group = os.geteuid(), os.getegid()
    _leave_keyrings()
    _call("unshare", _NAMESPACES)
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_NOBODY} {user} 1"),
        ("gid_map", f"{_NOBODY} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    with suppress(OSError), open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")  # the code can't get privileges in further namespaces


def _become_supervisor() -> None:
    """The code, which has the same user, can neither read this process nor interrupt it."""
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)
    _call("prctl", _PR_SET_DUMPABLE, 0)
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the first process gets only signals that it handles


def _change_root(shown: list[str]) -> None:
    """Replace the root by one that has only the shown paths, read-only, and an empty folder to work in."""
    root = os.getcwd()
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    _mount("none", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    os.mkdir(root + _WORK)
    for path in shown:
        _show(path, root + path)
    with suppress(FileExistsError):  # Python may be in there
        os.symlink(_WORK, f"{root}/tmp")  # noqa: S108
    attributes = (ctypes.c_uint64 * 4)(_ATTR_RDONLY | _ATTR_NOSUID, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    _call("syscall", _MOUNT_SETATTR, _AT_FDCWD, root.encode(), _AT_RECURSIVE, attributes, size)
    os.chdir(root)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", _MNT_DETACH)
    os.chdir("/")


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    _call("mount", texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])


def _show(path: str, target: str) -> None:
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    _mount(path, target, None, _MS_BIND | _MS_REC)


def _give_up_privileges() -> None:
    """Those that the namespaces gave: with them, the code could mount and unmount."""
    header, data = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    _call("capset", header, data)


def _silenced() -> int:
    """The place of replies. What was stdin, stdout and stderr is nothing from now on."""
    output = os.dup(1)
    nothing = os.open("/dev/null", os.O_RDWR)
    for place in range(3):
        os.dup2(nothing, place)
    return output


def _graded(source: str, case: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    """The reply for a case, from a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _grade(source, case, limits, writing)
    os.close(writing)
    said = _read(reading, time.monotonic() + limits["seconds"])
    os.close(reading)
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)  # it, and all that it has started
    status = os.waitpid(child, 0)[1]
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    if said is None:
        return {"error": f"The code took more than {limits['seconds']:g} seconds."}
    with suppress(ValueError, RecursionError):
        reply = json.loads(said)
        if isinstance(reply, dict):
            return reply
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return {"error": f"The code took more than {limits['seconds']:g} seconds."}
    return {"error": f"The process of the code ended unexpectedly ({os.waitstatus_to_exitcode(status)})."}


def _read(place: int, deadline: float) -> bytes | None:
    """A line; None if it doesn't come in time."""
    said = b""
    while not said.endswith(b"\n") and len(said) < _MAX_REPLY:
        if not select.select([place], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        piece = os.read(place, _MAX_REPLY)
        if not piece:
            break
        said += piece
    return said


def _grade(source: str, case: dict[str, Any], limits: dict[str, Any], writing: int) -> NoReturn:
    """Run the code, which may do here whatever it likes."""
    try:
        reply = os.dup2(writing, 3)
        os.closerange(4, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        os.chdir(_WORK)
        _give_up_privileges()
        _limit(limits)
        try:
            answer: dict[str, Any] = {"score": _score(source, case)}
        except BaseException as exc:  # noqa: BLE001 - of the code
            answer = {"error": _described(exc)}
        _write(reply, answer)
    finally:
        os._exit(0)


def _limit(limits: dict[str, Any]) -> None:
    seconds = math.ceil(limits["seconds"])
    for name, most in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_FSIZE, limits["disk"]),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MAX_FILES),
        (resource.RLIMIT_NPROC, _MAX_PROCESSES),
    ):
        hard = resource.getrlimit(name)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(name, (most, most))


def _score(source: str, case: dict[str, Any]) -> float:
    names: dict[str, Any] = {"__name__": "grader"}
    exec(compile(source, "grader", "exec"), names)  # noqa: S102 - that is what this program is for
    value = names["grade"](case["sample"], case["item"])
    score = float(value) if isinstance(value, Real) else math.nan
    if not math.isfinite(score):
        raise ValueError(f"grade returned {value!r}, which is no number")
    return score


def _described(exc: BaseException) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == "grader"]
    place = f" (line {lines[-1]})" if lines else ""
    return f"{type(exc).__name__}: {exc}{place}"[:_MAX_DETAILS]


if __name__ == "__main__":
    sys.exit(main())
