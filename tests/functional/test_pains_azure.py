"""What users of Azure OpenAI suffer from, a row a test: the command line and the SDKs at a real server.

Rows 3, 16 and 17 are also in tests/contract/test_preflight.py, from the side of the plan alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from ftops.providers.azure.provider import AzureProvider
from ftops.state.state import Status
from tests.contract.azure_cloud import SETTLED, Cloud, changed, made, running_cloud, until
from tests.contract.azure_cloud import deployment as deployment_request
from tests.contract.wire import Wire, tapped
from tests.golden.cli import Folder
from tests.support import forked
from tests.support.command import environment

SPEC = """\
providers:
  here: {{type: emulator, url: {url}, api_key: {key}}}
datasets:
  train: {{path: data/train.jsonl}}
  valid: {{path: data/valid.jsonl}}
jobs:
  copilot:
    model: gpt-4o-mini-2024-07-18
    training: train
    validation: valid
    hyperparameters: {{n_epochs: 2, batch_size: 4}}
    seed: 7
"""
TUNED = """\
deployments:
  prod: {model: "${job.copilot.fine_tuned_model}"}
"""
MODEL = "gpt-4o-mini-2024-07-18"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("pains")) as cloud:
        yield cloud


@pytest.fixture
def cloud(running: Cloud) -> Cloud:
    """Empty, in real time, and quick."""
    running.admin("POST", "reset")
    running.admin("PATCH", "settings", {**SETTLED, "strict": True})
    return running


def folder_for(cloud: Cloud, path: Path, more: str = "", url: str = "") -> Folder:
    return Folder.make(path, SPEC.format(url=url or cloud.url, key=cloud.key) + more)


def log(cloud: Cloud, method: str = "", part: str = "") -> list[dict[str, Any]]:
    """What the service was asked, oldest first."""
    asked = cloud.admin("GET", "log")["requests"]
    own = [r for r in asked if not r["path"].startswith("/_emulator")]
    return [r for r in own if method in ("", r["method"]) and part in r["path"]]


def created(cloud: Cloud, kind: str) -> int:
    """How many were ever made."""
    return int(cloud.admin("GET", "objects")["created"][kind])


def test_pain_14_parallel_deployment_changes(cloud: Cloud, tmp_path: Path) -> None:
    """409 "Another operation is being performed on the parent resource"."""
    names = ("a1", "b2", "c3")
    rows = "".join(f"  {name}: {{model: {MODEL}}}\n" for name in names)
    folder = folder_for(cloud, tmp_path, f"deployments:\n{rows}")
    cloud.admin("PATCH", "settings", {"base_deployment_async": True, "deployment_seconds": 3600})
    with cloud_client(cloud) as provider:  # it does refuse two at a time
        provider.create(deployment_request(tmp_path, "first"))
        refused = cloud.control("PUT", DEPLOYMENT_BODY, "/deployments/second")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "RequestConflict")
    cloud.admin("POST", "clock", {"advance": 3600})
    first = cloud.control("GET", path="/deployments/first").json()
    assert first["properties"]["provisioningState"] == "Succeeded"
    cloud.admin("PATCH", "settings", {"deployment_seconds": 0.2})
    cloud.admin("DELETE", "log")
    targets = [word for name in names for word in ("--target", f"deployment.{name}")]
    folder.ok("apply", "-y", *targets)
    puts = log(cloud, "PUT", "/deployments/")
    assert [r["status"] for r in puts] == [201] * 3, "one after another, none refused"
    somebody_else = {"status": 409, "code": "RequestConflict"}
    cloud.fault("PATCH */deployments/*", **somebody_else)
    folder.edit(f"  a1: {{model: {MODEL}}}", f"  a1: {{model: {MODEL}, sku: {{capacity: 2}}}}")
    folder.ok("apply", "-y", *targets)
    assert [r["status"] for r in log(cloud, "PATCH", "/deployments/a1")] == [409, 200]
    assert cloud.control("GET", path="/deployments/a1").json()["sku"]["capacity"] == 2


DEPLOYMENT_BODY = {
    "sku": {"name": "Standard", "capacity": 1},
    "properties": {"model": {"format": "OpenAI", "name": "gpt-4o-mini", "version": "2024-07-18"}},
}


@contextmanager
def cloud_client(cloud: Cloud, url: str = "") -> Iterator[AzureProvider]:
    own: dict[str, Any] = {"endpoint": url, "control_plane": {"endpoint": url, "token": cloud.key}}
    provider = cloud.provider(**(own if url else {}))
    try:
        yield provider
    finally:
        provider.close()


def test_pain_15_an_update_that_was_reported_and_not_made(cloud: Cloud, tmp_path: Path) -> None:
    """Update reported as done, but is not; needless replacement."""
    asked = deployment_request(tmp_path, "sized", tags={"team": "a"})
    with tapped(Wire(cloud.url)) as wire, cloud_client(cloud, wire.url) as provider:
        resource = made(provider, asked)
        before = cloud.control("GET", path="/deployments/sized").json()
        wanted = changed(asked, sku={"name": "Standard", "capacity": 5})
        names = cloud.connection
        path = (
            f"PATCH /subscriptions/{names['subscription_id']}/resourceGroups/{names['resource_group']}"
            f"/providers/Microsoft.CognitiveServices/accounts/{names['account']}/deployments/sized"
        )
        wire.replies[path] = (200, before)  # success, says the service, and does nothing
        remote = provider.update(wanted, resource)
        assert remote.status is Status.PENDING
        assert remote.message == "the service accepted the change but doesn't show it yet: sku"
        wire.replies.clear()
        assert provider.update(wanted, resource).status is Status.READY
        methods = {e.method for e in wire.exchanges if e.path.endswith("/deployments/sized")}
        assert methods == {"GET", "PUT", "PATCH"}
        assert len(wire.sent("PUT", "/sized")) == 1, "it was changed in place, and never made again"
    assert cloud.control("GET", path="/deployments/sized").json()["sku"]["capacity"] == 5


def test_pain_16_no_quota_for_what_does_not_change(cloud: Cloud, tmp_path: Path) -> None:
    """InsufficientQuota, even on an unchanged run."""
    base = f"deployments:\n  base: {{model: {MODEL}, sku: {{capacity: 30}}}}\n"
    folder = folder_for(cloud, tmp_path, base)
    folder.ok("apply", "-y", "--target", "deployment.base")
    cloud.admin("PATCH", "settings", {"model_quota": 10})  # somebody lowered it meanwhile
    refused = cloud.control("PUT", {**DEPLOYMENT_BODY, "sku": {"name": "Standard", "capacity": 30}},
                            "/deployments/other")  # fmt: skip
    assert refused.json()["error"]["code"] == "InsufficientQuota"
    cloud.admin("DELETE", "log")
    assert folder.ok("apply", "-y", "--target", "deployment.base").startswith("No changes.")
    assert {r["method"] for r in log(cloud)} == {"GET"}, "what is unchanged sends nothing"
    folder.edit("capacity: 30", "capacity: 31")
    done = folder.run("plan", "--target", "deployment.base")
    assert done.code == 3 and "not enough quota" in done.err, "and what grows is found at plan time"


def test_pain_17_a_deleted_account_holds_its_name(tmp_path: Path) -> None:
    """Soft-deleted account blocks its name."""
    with running_cloud(tmp_path / "cloud") as cloud:
        folder = folder_for(cloud, tmp_path, f"deployments:\n  base: {{model: {MODEL}}}\n")
        assert cloud.control("DELETE").status_code == 200
        done = folder.run("plan", "--target", "deployment.base")
        assert done.code == 3
        assert "account emulator is deleted" in done.err
        assert "az cognitiveservices account recover" in done.err


def test_pain_18_endpoint_and_names_are_outputs(cloud: Cloud, tmp_path: Path) -> None:
    """Endpoint and names not in outputs."""
    outputs = (
        "outputs:\n  name: ${deployment.prod.name}\n  endpoint: ${deployment.prod.endpoint}\n"
        "  model: ${deployment.prod.model}\n  job: ${job.copilot.id}\n"
    )
    folder = folder_for(cloud, tmp_path, TUNED + outputs)
    folder.ok("apply", "-y")
    found = {name: row["value"] for name, row in folder.run("output", "-o", "json").json["outputs"].items()}
    assert found["job"].startswith("ftjob-")
    with openai.AzureOpenAI(
        azure_endpoint=found["endpoint"], api_key=cloud.key, api_version="2024-10-21"
    ) as client:
        reply = client.chat.completions.create(
            model=found["name"], messages=[{"role": "user", "content": "What is 3 plus 3?"}]
        )
    assert reply.model == found["model"]


@pytest.mark.parametrize(
    ("sku", "lasts", "hours", "known"),
    [
        ("Standard", "after 15 days without calls", 15 * 24, "after 15 days without calls"),
        ("DeveloperTier", "24 hours after it is created", 24, "T"),
    ],
)
def test_pain_19_a_deployment_disappears(
    cloud: Cloud, tmp_path: Path, sku: str, lasts: str, hours: int, known: str
) -> None:
    """A deployment disappears (idle 15 days; developer tier 24 h)."""
    more = TUNED.replace("}\n", f", sku: {{name: {sku}}}}}\n") + f"  base: {{model: {MODEL}}}\n"
    folder = folder_for(cloud, tmp_path, more + 'outputs: {expires: "${deployment.prod.expires}"}\n')
    folder.edit(MODEL, "gpt-4.1-mini-2025-04-14")  # gpt-4o-mini has no DeveloperTier
    assert f"# the service deletes it {lasts}" in folder.ok("plan")
    folder.ok("apply", "-y")
    assert known in folder.run("output", "expires", "--raw").out
    cloud.admin("POST", "clock", {"advance": hours * 3600 - 600})
    assert folder.run("plan", "--detailed-exitcode").code == 0, "it isn't time yet"
    cloud.admin("POST", "clock", {"advance": 1200})
    cloud.admin("DELETE", "objects/deployments/base")  # and somebody deleted this one
    plan = folder.run("plan", "-o", "json").json
    assert {d["address"]: d["kind"] for d in plan["drift"]} == {
        "deployment.prod": "expired",
        "deployment.base": "vanished",
    }
    said = folder.ok("plan")
    assert "deployment.prod  has expired: the service deleted it" in said
    assert "because it had expired and was deleted by the service" in said
    assert "because it was deleted outside ftops" in said
    folder.ok("apply", "-y")
    assert folder.run("plan", "--detailed-exitcode").code == 0
    assert created(cloud, "jobs") == 1, "the model outlives its deployment"


ODD = (
    ('"name":"Standard"', '"name":"standard"'),
    ('"provisioningState":"Succeeded"', '"provisioningState":"succeeded"'),
    ('"status":"succeeded"', '"status":"Succeeded","error":null,"suffix":null,"organization_id":null'),
    ('"status":"processed"', '"status":"Processed","status_details":null,"expires_at":null'),
    ('"model":"gpt-4o-mini-2024-07-18"', '"model":"GPT-4o-mini-2024-07-18"'),
    ('"name":"gpt-4o-mini"', '"name":"GPT-4o-Mini","source":null,"callRateLimit":null'),
)


def test_pain_20_odd_casing_and_nulls_are_no_difference(cloud: Cloud, tmp_path: Path) -> None:
    """Status "pending", nulls, odd casing break typed clients and give eternal diffs."""
    rewritten = 0

    def odd(text: str) -> str:
        nonlocal rewritten
        for usual, strange in ODD:
            rewritten += usual in text
            text = text.replace(usual, strange)
        return text

    with tapped(Wire(cloud.url, answered=odd)) as wire:
        more = TUNED + f"  base: {{model: {MODEL}, sku: {{name: standard, capacity: 2}}}}\n"
        folder = folder_for(cloud, tmp_path, more, wire.url)
        folder.ok("apply", "-y")
        done = folder.run("plan", "--detailed-exitcode")
        assert done.code == 0, done.out
        assert "Changed outside ftops" not in done.out
    assert rewritten > 10


def test_pain_21_bad_data_is_named_before_anything_is_sent(cloud: Cloud, tmp_path: Path) -> None:
    """Data rejected late and vaguely."""
    folder = folder_for(cloud, tmp_path)
    data = folder.path / "data" / "train.jsonl"
    lines = data.read_text("utf-8").splitlines(keepends=True)
    lines[6] = '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistent", "content": "Ho"}]}\n'
    data.write_text("".join(lines), "utf-8")
    done = folder.run("apply", "-y")
    assert done.code == 1
    assert "data/train.jsonl:7:" in done.err, "row and column"
    assert "assistent" in done.err
    assert log(cloud) == []


def test_pain_22_a_job_waits_for_its_file(cloud: Cloud, tmp_path: Path) -> None:
    """File not processed yet when the job starts."""
    cloud.admin("PATCH", "settings", {"file_processing_seconds": 0.7})
    with openai.AzureOpenAI(
        azure_endpoint=cloud.url, api_key=cloud.key, api_version="2024-10-21", max_retries=0
    ) as client:  # it does refuse one that is pending
        folder = folder_for(cloud, tmp_path)
        file = client.files.create(file=folder.path / "data" / "train.jsonl", purpose="fine-tune")
        with pytest.raises(openai.BadRequestError, match="pending"):
            client.fine_tuning.jobs.create(
                model=MODEL, training_file=file.id, extra_body={"trainingType": "Standard"}
            )
    cloud.admin("DELETE", "log")
    folder.ok("apply", "-y")
    assert [r["status"] for r in log(cloud, "POST", "/fine_tuning/jobs")] == [200], (
        "asked for once, and in time"
    )
    assert len(log(cloud, "GET", "/files/")) >= 2, "the file was watched"


def test_pain_23_a_dropped_connection_uploads_nothing_twice(cloud: Cloud, tmp_path: Path) -> None:
    """Dropped stream, upload started twice."""
    folder = folder_for(cloud, tmp_path)
    cloud.fault("POST /openai*/files", effect="drop_after", times=2)
    cloud.fault("GET */events", effect="drop_before", times=2)
    cloud.fault("POST /openai*/fine_tuning/jobs", effect="drop_after")
    folder.ok("apply", "-y")
    assert None in [r["status"] for r in log(cloud)] or len(log(cloud, "POST", "/files")) >= 2
    assert created(cloud, "files") == 3, "training, validation, results"
    assert created(cloud, "jobs") == 1
    assert folder.run("plan", "--detailed-exitcode").code == 0


def test_pain_24_a_job_in_the_queue_is_left_and_taken_up_again(cloud: Cloud, tmp_path: Path) -> None:
    """Jobs wait in the queue for hours; users submit again."""
    folder = folder_for(cloud, tmp_path, TUNED)
    cloud.admin("PATCH", "settings", {"queue_seconds": 4 * 3600})
    first = folder.run("apply", "-y", "--no-wait")
    assert first.code == 4, first
    for _ in range(2):  # impatient: once more, and once more
        assert folder.run("apply", "-y", "--no-wait").code == 4
    waiting = forked.Popen(  # and one that waits, until the machine goes down
        [sys.executable, "-m", "ftops", "apply", "-y"], cwd=folder.path, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    cloud.admin("DELETE", "log")
    until(lambda: len(log(cloud, "GET", "/fine_tuning/jobs/")) >= 2)
    os.kill(waiting.pid, signal.SIGKILL)
    waiting.communicate(timeout=300)
    assert created(cloud, "jobs") == 1
    cloud.admin("POST", "clock", {"advance": 5 * 3600})
    folder.ok("apply", "-y")
    assert (created(cloud, "jobs"), created(cloud, "files")) == (1, 3), "exactly once"
    assert folder.run("plan", "--detailed-exitcode").code == 0


def test_pain_25_a_result_file_in_base64(cloud: Cloud, tmp_path: Path) -> None:
    """Result file arrives base64-encoded."""
    folder = folder_for(cloud, tmp_path)
    folder.ok("apply", "-y")
    plain = folder.ok("results", "job.copilot", "--csv")
    assert plain.startswith("step,train_loss,")
    cloud.admin("PATCH", "settings", {"results_encoding": "base64"})
    with openai.AzureOpenAI(
        azure_endpoint=cloud.url, api_key=cloud.key, api_version="2024-10-21"
    ) as client:  # it does come so
        job = client.fine_tuning.jobs.list().data[0]
        assert not client.files.content(job.result_files[0]).read().startswith(b"step")
    assert folder.ok("results", "job.copilot", "--csv") == plain
    rows = folder.run("results", "job.copilot", "-o", "json").json["rows"]
    assert [row["step"] for row in rows] == list(range(1, 7))
    assert "best" in folder.ok("results", "job.copilot")
