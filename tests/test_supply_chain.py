"""Supply chain: locks fit pyproject.toml, licenses are allowed, workflows are pinned, an audit can fail."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.licenses import ALLOWED, LOCKS, PAGE, identifiers, licenses, locked, page

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REQUIRED: dict[str, list[str]] = {
    "build": PROJECT["build-system"]["requires"],
    "run": PROJECT["project"]["dependencies"],
    "dev": PROJECT["project"]["optional-dependencies"]["dev"],
    "docs": PROJECT["dependency-groups"]["docs"],
}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
VULNERABLE = "click"


@pytest.mark.parametrize("name", REQUIRED)
def test_a_lock_fits_what_pyproject_asks_for(name: str) -> None:
    pins = locked(name)
    for wanted in map(Requirement, REQUIRED[name]):
        pin = pins[canonicalize_name(wanted.name)]
        (version,) = (specifier.version for specifier in pin.specifier)
        assert version in wanted.specifier, f"{name}.txt has {pin}; run `make lock`"


@pytest.mark.parametrize("name", ["build", "run", "docs"])
def test_the_development_lock_has_the_same_versions(name: str) -> None:
    everything, pins = locked("dev"), locked(name)
    assert name == "docs" or pins.keys() <= everything.keys()
    shared = pins.keys() & everything.keys()
    assert {package: everything[package].specifier for package in shared} == {
        package: pins[package].specifier for package in shared
    }


def test_what_builds_ftops_is_locked_as_it_is_required() -> None:
    assert PROJECT["dependency-groups"]["build"] == PROJECT["build-system"]["requires"]


@pytest.mark.parametrize("path", sorted(LOCKS.iterdir()), ids=lambda path: path.name)
def test_a_lock_has_hashes_and_names_no_place(path: Path) -> None:
    text = re.sub(r" \\\n +--hash=sha256:[0-9a-f]{64}", " HASHED", path.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[^ ]+( ; [^/:@\\]+)?( HASHED)+", line), line


def test_every_license_is_allowed() -> None:
    found = licenses(locked("dev"))
    assert {name: spdx for name, spdx in found.items() if not identifiers(spdx) <= ALLOWED} == {}


@pytest.mark.skipif(sys.platform != "linux", reason="docs/licenses.md lists what is installed on Linux")
def test_the_page_of_licenses_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make licenses`"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_pinned_and_may_do_little(path: Path) -> None:
    """A job with an identity that others trust runs no code of ours, nor of our packages."""
    text = path.read_text(encoding="utf-8")
    uses = [line.strip() for line in text.splitlines() if "uses:" in line]
    assert uses
    for line in uses:
        assert re.fullmatch(r"- uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if str(step.get("uses")).startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
        if "permissions" in job:
            assert job["permissions"].items() <= {"id-token": "write", "attestations": "write"}.items()
            assert not [step for step in job["steps"] if "run" in step or "actions/checkout" in step["uses"]]


class _Database(http.server.BaseHTTPRequestHandler):
    """Answers queries in the form of OSV: one package has a vulnerability."""

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9999"}]}]
        found = {
            "id": "TEST-1",
            "summary": "It is broken.",
            "affected": [{"package": query, "ranges": ranges}],
        }
        body = json.dumps({"vulns": [found]} if query["name"] == VULNERABLE else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests read what the audit says."""


@pytest.fixture
def database() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Database) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def audited(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    options = ["--vulnerability-service=osv", f"--osv-url={url}", f"--cache-dir={folder}"]
    unproxied = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, "-m", "tools.audit", *options]
    return subprocess.run(command, cwd=ROOT, env=unproxied, capture_output=True, text=True, check=False)


def test_an_audit_fails_on_a_vulnerability(database: http.server.ThreadingHTTPServer, tmp_path: Path) -> None:
    done = audited(f"http://127.0.0.1:{database.server_port}/", tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"{VULNERABLE} " in done.stdout and "TEST-1 (fixed in 9999): It is broken." in done.stdout
    assert ", 1 findings" in done.stdout


def test_an_audit_that_reaches_nobody_says_that_it_was_skipped(tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        done = audited(f"http://127.0.0.1:{deaf.getsockname()[1]}/", tmp_path)
    assert done.returncode == 0
    assert done.stderr.startswith("AUDIT SKIPPED: ") and "No package was checked." in done.stderr


def test_an_audit_that_goes_wrong_otherwise_fails(tmp_path: Path) -> None:
    done = audited("no address", tmp_path)
    assert done.returncode == 1 and "SKIPPED" not in done.stderr
