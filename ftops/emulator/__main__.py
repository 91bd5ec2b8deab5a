"""``python -m ftops.emulator``."""

import sys

from ftops.emulator.main import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
