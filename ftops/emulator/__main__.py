"""``python -m ftops.emulator``."""

import sys

if not sys.flags.safe_path:
    sys.path.pop(0)  # the current folder, whose modules would go before those of Python

from ftops.emulator.server.main import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
