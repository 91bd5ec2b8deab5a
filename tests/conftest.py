"""What holds for every test."""

from __future__ import annotations

import os

# Many tests start commands, and every one of them would compile ftops anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
