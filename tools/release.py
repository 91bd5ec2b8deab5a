"""Release check: compares the tag, the version of the package and the changelog before a build."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ftops import __version__

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"


def problems(tag: str, version: str, changelog: str) -> list[str]:
    """Reasons why this version can't be released under this tag."""
    found = []
    if tag != f"v{version}":
        found.append(f"the tag is {tag}; it must be v{version}, as ftops/__init__.py has {version}")
    heading = re.compile(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)", re.M | re.S)
    section = heading.search(changelog)
    if section is None:
        found.append(f"CHANGELOG.md has no heading `## [{version}] - YYYY-MM-DD`")
    elif not section[1].strip():
        found.append(f"CHANGELOG.md says nothing about {version}")
    return found


def main(tag: str) -> int:
    """Prints the problems. Returns 1 if there are any."""
    found = problems(tag, __version__, CHANGELOG.read_text(encoding="utf-8"))
    for problem in found:
        print(f"can't release: {problem}", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tools.release TAG")
    sys.exit(main(sys.argv[1]))
