"""Pitfalls of asking, by their numbers in the design: what is asked, how often, and which answer counts."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.azure_cloud import SETTLED, Cloud, running_cloud
from tests.golden.cli import Folder
from tests.support import forked
from tests.support.command import FTOPS, environment
from tests.support.embedded import wait_until

CHAT = "POST *chat/completions*"
SPEC = """\
deployments:
  one: {model: gpt-4o-mini-2024-07-18, sku: {capacity: 10}}
  two: {model: gpt-4o-mini-2024-07-18, sku: {capacity: 10}}
  upgraded: {model: gpt-4o-2024-08-06, version_upgrade_option: OnceNewDefaultVersionAvailable}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("asked")) as cloud:
        yield cloud


@dataclass(frozen=True)
class Project:
    """A spec with deployments, and the service that has them."""

    folder: Folder
    cloud: Cloud

    def prompts(self, count: int) -> None:
        rows = ({"prompt": f"What is {n} plus {n}?", "expect": {"text": str(2 * n)}} for n in range(count))
        self.folder.write("prompts.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    def words(self, *more: str, deployment: str = "one") -> list[str]:
        return ["eval", "--deployment", deployment, "--prompts", "prompts.jsonl", "-y", *more]

    def eval(self, *more: str, deployment: str = "one") -> Any:
        """The document, and what was asked and cached."""
        done = self.folder.run(*self.words(*more, "-o", "json", deployment=deployment))
        assert done.code == 0, done.err
        assert done.json["is_complete"]
        return done.json

    def said(self, *more: str, deployment: str = "one") -> str:
        done = self.folder.run(*self.words(*more, deployment=deployment))
        assert done.code == 0, done.err
        return done.err.splitlines()[0]

    def start(self, *more: str) -> subprocess.Popen[str]:
        command = [*FTOPS, *self.words(*more)]
        quiet = subprocess.DEVNULL
        return forked.Popen(
            command,
            cwd=self.folder.path,
            env=environment(),
            stdout=quiet,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def requests(self) -> int:
        """That were sent since the log was cleared, also those that were refused."""
        log = self.cloud.admin("GET", "log")["requests"]
        return sum("/chat/completions" in request["path"] for request in log)

    @property
    def kept(self) -> list[Any]:
        """The answers, oldest first. A line that is being written isn't one."""
        files = (self.folder.path / ".ftops" / "answers").glob("*.jsonl")
        lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()[1:]]
        return [json.loads(line) for line in lines if line.endswith("}")]

    @property
    def keys(self) -> list[str]:
        return [line["key"] for line in self.kept]


@pytest.fixture
def project(tmp_path: Path, running: Cloud) -> Iterator[Project]:
    running.admin("POST", "reset")
    running.admin("PATCH", "settings", SETTLED)
    provider = {"type": "emulator", "url": running.url, "api_key": running.key}
    folder = Folder.make(tmp_path, f"providers: {json.dumps({'m': provider})}\n{SPEC}")
    folder.ok("apply", "-y")
    running.admin("DELETE", "log")
    yield Project(folder, running)
    running.admin("POST", "clock", {"rate": 1})
    running.clear_faults()


def test_1_a_run_that_is_killed_goes_on_where_it_stopped(project: Project) -> None:
    """At random moments. Only questions that were on their way are asked again."""
    count, at_once = 500, 4
    project.prompts(count)
    moments = sorted(random.Random(7).sample(range(20, count - 200), 4))
    running = 0
    for moment in moments:
        with project.start("--concurrency", str(at_once)) as process:
            wait_until(lambda least=moment: process.poll() is not None or len(project.kept) >= least)
            assert process.poll() is None, "it ended before it could be killed"
            process.kill()
        running += at_once
    before = len(set(project.keys))
    assert moments[-1] <= before < count
    left = count - before
    assert project.said() == f"{left} requests to send, {before} answers cached"
    assert len(project.keys) == len(set(project.keys)) == count
    assert count <= project.requests <= count + running


def test_3_two_runs_at_once_ask_each_question_once(project: Project) -> None:
    project.prompts(30)
    project.cloud.fault(CHAT, delay=0.2, times=-1)
    with project.start("--concurrency", "2") as first:
        wait_until(lambda: first.poll() is not None or project.kept)
        second = project.folder.run(*project.words())
        assert first.wait(300) == second.code == 0
    assert "one: another run is asking it: waiting for its answers" in second.err
    assert project.requests == len(set(project.keys)) == len(project.keys) == 30


def test_4_a_busy_service_neither_loses_nor_repeats_an_answer(project: Project) -> None:
    """openai/evals#955. Ten requests in ten seconds, of a clock that runs twenty times as fast."""
    project.prompts(40)
    calm = project.eval(deployment="upgraded")
    project.cloud.admin("DELETE", "log")
    project.cloud.admin("POST", "clock", {"rate": 20})
    with project.cloud.set(requests_per_unit=1):
        busy = project.eval()
    assert project.requests > 40, "the limit was never reached"
    assert len(project.keys) == len(set(project.keys)) == 80
    graded = [d["comparisons"][0]["rows"][0]["candidate"]["graded"] for d in (calm, busy)]
    assert graded == [40, 40]


def test_5_each_sample_is_an_answer_of_its_own(project: Project) -> None:
    """promptfoo#360: not one answer five times. More samples ask only for those."""
    project.prompts(3)
    assert project.said("--samples", "3") == "9 requests to send, 0 answers cached"
    assert project.said("--samples", "5") == "6 requests to send, 9 answers cached"
    assert project.said("--samples", "5") == "0 requests to send, 15 answers cached"
    assert project.requests == len(set(project.keys)) == 15


def test_9_answers_are_those_of_the_model_not_of_its_deployment(project: Project) -> None:
    project.prompts(3)
    project.eval()
    assert project.said(deployment="two") == "0 requests to send, 3 answers cached"
    project.folder.edit("  two:", "  another:")
    project.folder.ok("apply", "-y")
    assert project.said(deployment="another") == "0 requests to send, 3 answers cached"
    assert len(project.keys) == 3


def test_10_a_model_that_the_service_upgrades_is_another_one(project: Project) -> None:
    """Also before the state knows of it."""
    project.prompts(3)
    project.eval(deployment="upgraded")
    body = project.cloud.control("GET", path="/deployments/upgraded").json()
    body["properties"]["model"]["version"] = "2024-11-20"
    put = {name: body[name] for name in ("sku", "properties")}
    assert project.cloud.control("PUT", put, "/deployments/upgraded").status_code == 200
    assert project.said(deployment="upgraded") == "3 requests to send, 0 answers cached"
    project.folder.ok("apply", "-y")
    assert project.said(deployment="upgraded") == "0 requests to send, 3 answers cached"


def test_31_fresh_asks_everything_anew_and_its_answers_replace_the_others(project: Project) -> None:
    project.prompts(5)
    project.eval()
    old = {line["key"]: line["at"] for line in project.kept}
    assert project.said("--fresh") == "5 requests to send, 0 answers cached"
    assert project.said() == "0 requests to send, 5 answers cached"
    assert project.requests == 10
    latest = {line["key"]: line["at"] for line in project.kept}
    assert latest.keys() == old.keys()
    assert all(latest[key] > at for key, at in old.items())


def test_34_a_run_stops_at_its_budget_and_goes_on_where_it_stopped(project: Project) -> None:
    """Within the budget, whatever is on its way; what is missing is neither right nor wrong."""
    project.prompts(40)
    done = project.folder.run(*project.words("--max-cost", "0.0002", "-o", "json"))
    assert done.code == 1
    assert not done.json["is_complete"]
    answered = len(project.keys)
    assert 0 < answered == project.requests < 40
    row = done.json["comparisons"][0]["rows"][0]["candidate"]
    assert (row["graded"], row["ungraded"]) == (answered, 40 - answered)
    assert project.said() == f"{40 - answered} requests to send, {answered} answers cached"
    assert project.requests == 40


def test_44_line_ends_and_a_byte_order_mark_change_no_question(project: Project) -> None:
    project.prompts(3)
    project.folder.write("system.txt", "You add numbers.\nAnswer briefly.\n")
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    project.folder.write("tools.json", json.dumps(tools, indent=1))
    more = ("--system", "system.txt", "--tools", "tools.json")
    assert project.said(*more) == "3 requests to send, 0 answers cached"
    for name in ("prompts.jsonl", "system.txt", "tools.json"):
        path = project.folder.path / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert project.said(*more) == "0 requests to send, 3 answers cached"
    expected = '"{""text"": ""%s""}"'
    table = "prompt,expect\r\n" + "".join(f"What is {n} plus {n}?,{expected % (2 * n)}\r\n" for n in range(3))
    (project.folder.path / "prompts.csv").write_bytes(b"\xef\xbb\xbf" + table.encode())
    words = ["prompts.csv" if word == "prompts.jsonl" else word for word in project.words(*more)]
    assert "0 requests to send, 3 answers cached" in project.folder.run(*words).err
