"""A machine that sleeps: the others don't, and a lease is over all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASLEEP = 100_000
CODE = """
import time
from ftops.state.backends.bucket_lock import REAL_TIME
print(REAL_TIME.now() - time.monotonic())
"""


def test_time_asleep_counts() -> None:
    """In a namespace whose machine has been asleep for a day."""
    alone = ["unshare", "--map-root-user", "--time", "--boottime", str(ASLEEP), "--fork"]
    try:
        subprocess.run([*alone, "true"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine offers no time namespaces")
    done = subprocess.run([*alone, sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert float(done.stdout) > ASLEEP / 2
