"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# Many tests start commands, and every one of them would compile ftops anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The same examples in every run, and no clock that decides. FTOPS_EXPLORE=1 looks for new ones.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("FTOPS_EXPLORE") else "steady")
