"""Vulnerability audit of the locked packages: runs pip-audit, and reports if it couldn't check anything.

pip-audit succeeds if the index has no vulnerability data, as with mirrors, and fails with a traceback
without a network. In both cases the packages weren't checked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tools.licenses import LOCKS

_UNREACHABLE = re.compile(r"\b(?:ConnectionError|ProxyError|ConnectTimeout|ReadTimeout)\b.*")
_COMMAND = ("pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json")


def audit(options: Sequence[str]) -> int:
    """Returns 1 for a vulnerability, an unchecked package or another error; 0 also if it was skipped."""
    command = [sys.executable, "-m", *_COMMAND, f"--requirement={LOCKS / 'dev.txt'}", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        unreachable = _UNREACHABLE.findall(done.stderr)
        if not unreachable:
            print(done.stderr, end="", file=sys.stderr)
            return 1
        return _skipped(f"the vulnerability database can't be reached ({unreachable[-1][:160]})")
    packages = json.loads(done.stdout)["dependencies"]
    if all("skip_reason" in package for package in packages):
        return _skipped("the registry has no vulnerability data")
    findings = [line for package in packages for line in _findings(package)]
    print("\n".join((*findings, f"{len(packages)} packages audited, {len(findings)} findings")))
    return bool(findings)


def _skipped(why: str) -> int:
    print(f"AUDIT SKIPPED: {why}. No package was checked.", file=sys.stderr)
    return 0


def _findings(package: dict[str, Any]) -> list[str]:
    if reason := package.get("skip_reason"):
        return [f"{package['name']}: not checked: {reason}"]
    return [
        f"{package['name']} {package['version']}: {found['id']}"
        f" (fixed in {', '.join(found['fix_versions']) or 'no version yet'}): {found['description'][:200]}"
        for found in package["vulns"]
    ]


if __name__ == "__main__":
    sys.exit(audit(sys.argv[1:]))
