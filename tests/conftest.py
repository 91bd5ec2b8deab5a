"""Setup of every test: environment variables, signals and profiles of Hypothesis."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

# Many tests start commands, and each of them would compile ftops again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What a machine or a CI job sets for ftops, its SDKs or its output would change the results of tests.
_ASKED_OF_TESTS = ("FTOPS_EXPLORE", "FTOPS_API_FACTS", "FTOPS_CONFORMANCE", "FTOPS_HISTORIES", "FTOPS_UPDATE")
_SET_ELSEWHERE = ("CI", "GITHUB_", "FTOPS_", "AZURE_", "OPENAI_", "AWS_", "NO_COLOR", "FORCE_COLOR")
for variable in [v for v in os.environ if v.startswith(_SET_ELSEWHERE) and not v.startswith(_ASKED_OF_TESTS)]:
    del os.environ[variable]

# On a disk, tests wait for fsync longer than they compute.
MEMORY = Path("/dev/shm")
_ROOM = 2 << 30


def _takes_files(folder: Path) -> bool:
    """Whether there is room, also for programs."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC


if "TMPDIR" not in os.environ and _takes_files(MEMORY):
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

# Checks of files that belong to no spec are kept among the user's caches.
os.environ["XDG_CACHE_HOME"] = str(Path(tempfile.gettempdir()) / f"ftops-tests-{os.getuid()}")

# Commands that tests start inherit ignored signals, which background jobs of a shell have.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

# The same examples in every run, and no deadline. FTOPS_EXPLORE=1 looks for new examples.
calm = [HealthCheck.too_slow]
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=calm)
settings.register_profile("explore", deadline=None, suppress_health_check=calm)
settings.load_profile("explore" if os.environ.get("FTOPS_EXPLORE") else "steady")


def pytest_collection_finish() -> None:
    """Garbage is searched for as seldom as in ftops itself, and not among modules and collected tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000)
