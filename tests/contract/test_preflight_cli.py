"""Preflight on the command line: the plan is shown, then what it would fail on, and the exit code is 3."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.azure_cloud import Cloud, running_cloud
from tests.golden.cli import SPEC, Folder
from tests.support.command import environment, quickstart

FIRST = "error: deployment.copilot: not enough quota"


def spec_for(cloud: Cloud) -> str:
    provider = f"m: {{type: emulator, url: {cloud.url}, api_key: {cloud.key}}}"
    return SPEC.replace("m: {type: memory}", provider)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account of its own: deployments of other tests would take the names and the quota."""
    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture
def folder(cloud: Cloud, tmp_path: Path) -> Iterator[Folder]:
    """A spec whose tuned deployment needs more quota than there is."""
    folder = Folder.make(tmp_path, spec_for(cloud))
    with cloud.set(model_quota=15):
        yield folder


def reads(cloud: Cloud) -> int:
    """How many requests the cloud has answered, of the last thousand."""
    requests = cloud.admin("GET", "log")["requests"]
    return sum(not str(r["path"]).startswith("/_emulator") for r in requests)


def test_the_plan_is_shown_and_then_its_findings(folder: Folder) -> None:
    done = folder.run("plan")
    assert done.code == 3
    assert "Plan: 5 to create" in done.out
    assert "error: deployment.base: not enough quota" in done.err
    assert FIRST in done.err
    assert "--> ftops.yaml:" in done.err
    assert "  hint: Lower sku.capacity" in done.err
    assert done.err.rstrip().endswith("2 errors")
    assert folder.run("plan", "--detailed-exitcode").code == 3


def test_the_document_carries_the_findings(folder: Folder) -> None:
    done = folder.run("plan", "-o", "json")
    assert done.code == 3
    found = done.json["findings"]
    assert [f["severity"] for f in found] == ["error", "error"]
    assert found[1]["summary"].startswith("deployment.copilot: not enough quota")
    assert found[1]["place"]["file"] == "ftops.yaml"
    assert done.json["summary"]["create"] == 5


def test_apply_refuses_before_it_asks(folder: Folder, cloud: Cloud) -> None:
    before = cloud.admin("GET", "objects")["created"]
    done = folder.run("apply")
    assert done.code == 3
    assert "Plan: 5 to create" in done.out and "yes" not in done.out
    assert FIRST in done.err
    assert folder.run("apply", "-y").code == 3
    assert cloud.admin("GET", "objects")["created"] == before
    lines = folder.run("apply", "-y", "-o", "json").lines
    assert [line["event"] for line in lines] == ["plan", "diagnostic", "diagnostic", "result"]
    assert lines[-1]["exit_code"] == 3
    assert len(lines[0]["findings"]) == 2


def test_offline_asks_nobody(folder: Folder, cloud: Cloud) -> None:
    cloud.admin("DELETE", "log")
    before = reads(cloud)
    assert folder.run("plan", "--offline").code == 0
    assert folder.run("plan", "--offline", "-o", "json").json["findings"] == []
    assert folder.run("destroy", "-y", "--offline").code == 0
    assert reads(cloud) == before


def test_what_needs_nothing_asks_nobody(folder: Folder, cloud: Cloud) -> None:
    cloud.admin("DELETE", "log")
    with cloud.set(model_quota=1000):
        folder.ok("apply", "-y")
        before = reads(cloud)
        assert folder.ok("plan").startswith("No changes.")
        unchanged = reads(cloud) - before
        assert folder.run("plan", "--offline").code == 0
        assert reads(cloud) - before == unchanged, "offline can't read a state"
        assert folder.run("plan", "--no-adopt").code == 0
        assert reads(cloud) - before == 2 * unchanged, "a plan without changes only refreshes"
        folder.ok("plan", "--destroy")
        assert reads(cloud) - before == 3 * unchanged, "and so does one that only deletes"
        folder.ok("destroy", "-y")


def test_a_warning_stops_nobody(folder: Folder, cloud: Cloud) -> None:
    cloud.fault("GET /openai*/files", status=503)
    folder.edit("default: 20", "default: 1")
    done = folder.run("plan", "--no-adopt")
    assert done.code == 0
    assert "warning: provider m: list the files: the service has an internal error" in done.err


def test_a_catalogue_of_ones_own(folder: Folder) -> None:
    folder.edit("default: 20", "default: 1")
    assert folder.run("plan").code == 0
    own = "models:\n  gpt-4o-mini-2024-07-18:\n    methods: [dpo]\n"
    folder.write("ftops.catalog.yaml", own)
    done = folder.run("plan")
    assert done.code == 3
    assert "doesn't support the method supervised" in done.err
    folder.write("ftops.catalog.yaml", own.replace("dpo", "magic"))
    done = folder.run("plan")
    assert done.code == 1
    assert "`methods` must be a list of supervised, dpo, reinforcement" in done.err


def test_an_emulator_that_is_not_there(folder: Folder, cloud: Cloud) -> None:
    folder.edit(cloud.url, "http://127.0.0.1:9")
    done = folder.run("plan")
    assert done.code == 3
    assert "Plan: 5 to create" in done.out
    assert "error: provider m: no emulator answers at http://127.0.0.1:9" in done.err


_LOADED = """\
import sys
sys.argv = ["ftops", "plan"]
from ftops.cli.main import run
try:
    run(sys.argv[1:])
finally:
    print(*sorted(m for m in sys.modules if m.startswith("ftops.")), file=sys.stderr)
"""


def test_an_unchanged_plan_loads_nothing_of_this(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path)
    folder.ok("apply", "-y")
    done = subprocess.run(
        [sys.executable, "-c", _LOADED],
        cwd=folder.path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.split())
    assert "ftops.planning.plan" in loaded
    assert not loaded & {
        "ftops.planning.preflight",
        "ftops.catalog",
        "ftops.providers.account_facts",
    }


def test_the_quickstarts_plan_stays_green(cloud: Cloud, tmp_path: Path) -> None:
    folder = Folder(quickstart(tmp_path))
    text = (folder.path / "ftops.yaml").read_text(encoding="utf-8")
    provider = f"{{type: emulator, url: {cloud.url}, api_key: {cloud.key}}}"
    folder.write("ftops.yaml", f"providers:\n  m: {provider}\n\n{text}")
    done = folder.run("plan")
    assert (done.code, done.err) == (0, "")
    assert "Plan: 6 to create" in done.out


REINFORCED = """
ftops: {name: solver}
providers: {m: {type: emulator, url: "URL", api_key: "KEY"}}
datasets:
  train: {path: train.jsonl}
  valid: {path: valid.jsonl}
jobs:
  solver:
    model: o4-mini-2025-04-16
    method: reinforcement
    training: train
    validation: valid
    grader:
      type: string_check
      name: same
      operation: eq
      input: "{{sample.output_text}}"
      reference: "{{item.answer}}"
"""
VALIDATE = "POST *graders/validate*"


@pytest.fixture
def reinforced(cloud: Cloud, tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("ftops.yaml", REINFORCED.replace("URL", cloud.url).replace("KEY", cloud.key))
    for name in ("train", "valid"):
        rows = (
            {"messages": [{"role": "user", "content": f"{name} {n}"}], "answer": str(n)} for n in range(12)
        )
        folder.write(f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return folder


def about_graders(folder: Folder) -> list[tuple[str, str]]:
    found = folder.run("plan", "-o", "json").json["findings"]
    return [(f["severity"], f["detail"]) for f in found if "grader" in f["summary"]]


def test_the_service_is_asked_about_graders(cloud: Cloud, reinforced: Folder) -> None:
    assert about_graders(reinforced) == []
    [sent] = [r for r in cloud.admin("GET", "log")["requests"] if r["path"].endswith("graders/validate")]
    assert sent["status"] == 200


@pytest.mark.parametrize(
    ("fault", "severity", "detail"),
    [
        ({"status": 400, "message": "Invalid grader: no."}, "error", "Invalid grader: no."),
        ({"status": 422, "message": "'operation' is odd."}, "error", "'operation' is odd."),
        ({"status": 400, "message": "Bad request."}, "note", "Bad request."),
        ({"status": 429, "message": "Slow down."}, "note", "Slow down."),
        ({"status": 403, "message": "Not you."}, "note", "Not you."),
        ({"status": 500, "message": "The grader is ill."}, "note", "The grader is ill."),
    ],
)
def test_only_a_refusal_of_the_grader_is_an_error(
    cloud: Cloud, reinforced: Folder, fault: dict[str, object], severity: str, detail: str
) -> None:
    cloud.fault(VALIDATE, **fault)
    [(found, said)] = about_graders(reinforced)
    assert (found, detail in said) == (severity, True), said


@pytest.mark.parametrize("status", [404, 405])
def test_a_service_without_the_route_is_no_finding(cloud: Cloud, reinforced: Folder, status: int) -> None:
    cloud.fault(VALIDATE, status=status, message="Resource not found")
    assert about_graders(reinforced) == []
