"""The emulator provider: starting, attaching, going on after its server has vanished."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from ftops.core.address import Address
from ftops.core.errors import Permanent
from ftops.providers.emulator.provider import EmulatorProvider
from tests.contract.azure_cloud import (
    Cloud,
    dataset,
    deployment,
    operation_of,
    recorded,
    running_cloud,
    until,
)
from tests.contract.sessions import Project, done


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for note in tmp_path.rglob("server.json"):
        os.kill(json.loads(note.read_text())["pid"], signal.SIGTERM)
        until(partial(_is_gone, note))


def _is_gone(note: Path) -> bool:
    return not note.exists()


def open_in(project: Path, **settings: object) -> EmulatorProvider:
    return EmulatorProvider({"data": "cloud", **settings}, name="local", project=project)  # type: ignore[dict-item]


def test_nothing_starts_before_it_is_needed(project: Path) -> None:
    with closing(open_in(project)) as local:
        assert local.concurrency_key(Address("deployment", "a"))
        assert not (project / "cloud").exists()


def test_one_server_for_many_threads_and_commands(project: Path) -> None:
    first = open_in(project)
    pids: list[object] = []
    threads = [threading.Thread(target=lambda: pids.append(first.connection()["pid"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(open_in(project)) as second:
        assert {second.connection()["pid"], *pids} == {pids[0]}
        asked = dataset(project)
        remote = second.create(asked)
        assert first.read(recorded(asked, remote)) is not None
    first.close()
    with closing(open_in(project)) as third:
        assert third.connection()["pid"] == pids[0]


def test_a_vanished_server_is_started_again(project: Path) -> None:
    with closing(open_in(project)) as local:
        asked = dataset(project)
        resource = recorded(asked, local.create(asked))
        url, pid = local.connection()["url"], local.connection()["pid"]
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGKILL)
        until(lambda: _is_dead(pid))
        assert (project / "cloud" / "server.json").exists(), "it had no time to tidy up"
        assert local.read(resource) is not None
        assert local.connection()["pid"] != pid
        assert local.connection()["url"] == url, "outputs may name it"
        assert local.find_by_token(operation_of(asked), frozenset()) is not None


def _is_dead(pid: int) -> bool:
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return True
        os.kill(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        return True
    return False


def test_settings_are_passed_on(project: Path) -> None:
    with closing(open_in(project, settings={"model_quota": 17})) as local:
        found = Cloud(local.connection(), project).admin("GET", "settings")
        assert found["model_quota"] == 17
    with closing(open_in(project, settings={"model_kuota": 17})) as local:
        with pytest.raises(Permanent, match="rejects its settings") as caught:
            local.connection()
        assert caught.value.detail == "unknown setting 'model_kuota'; did you mean 'model_quota'?"


def test_a_server_that_is_named(cloud: Cloud, project: Path) -> None:
    with closing(open_in(project, url=cloud.url, api_key=cloud.key)) as local:
        assert local.create(dataset(project)).remote_id
        asked = deployment(project, "named")
        assert local.delete(recorded(asked, local.create(asked))) is None
        assert not (project / "cloud").exists()
    local = open_in(project, url="http://127.0.0.1:9", api_key="k")
    with closing(local), pytest.raises(Permanent, match="no emulator answers"):
        local.create(dataset(project))


@pytest.mark.parametrize(("key", "said"), [("", "requires a key"), ("wrong", "rejects the `api_key`")])
def test_a_server_that_is_named_and_its_key_is_not(cloud: Cloud, project: Path, key: str, said: str) -> None:
    local = open_in(project, url=cloud.url, **({"api_key": key} if key else {}))
    with closing(local), pytest.raises(Permanent, match=said):
        local.create(dataset(project))


@pytest.mark.parametrize(
    "named", [{}, {"account": "east"}, {"account": "East"}], ids=["unnamed", "same", "case"]
)
def test_a_server_that_is_named_says_which_account_it_is(project: Path, named: dict[str, str]) -> None:
    names = ("--account", "east", "--resource-group", "rg-east")
    with (
        running_cloud(project / "east", *names) as east,
        closing(open_in(project, url=east.url, api_key=east.key, **named)) as local,
    ):
        asked = deployment(project, "there")
        assert "/resourceGroups/rg-east/" in local.create(asked).remote_id
        assert local.connection()["account"] == "east"


@pytest.mark.parametrize("place", ["url", "data"])
def test_a_server_of_another_account_is_refused(project: Path, place: str) -> None:
    with running_cloud(project / "east", "--account", "east") as east:
        where = {"url": east.url, "api_key": east.key} if place == "url" else {"data": "east"}
        local = open_in(project, account="west", **where)
        with closing(local), pytest.raises(Permanent, match="has another account") as caught:
            local.create(dataset(project))
    assert "`account` is west" in caught.value.detail
    assert "running server is east" in caught.value.detail


def test_a_server_that_cannot_start_says_why(project: Path) -> None:
    (project / "cloud").write_text("no folder")
    with closing(open_in(project)) as local, pytest.raises(Permanent, match="doesn't start"):
        local.create(dataset(project))


def test_a_key_of_ones_own(project: Path) -> None:
    with closing(open_in(project, api_key="a-key-of-my-own")) as local:
        assert local.connection()["api_key"] == "a-key-of-my-own"
        assert local.create(dataset(project)).remote_id


def test_a_port_that_is_taken_by_now(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, closing(open_in(project)) as local:
        (project / "cloud").mkdir()
        (project / "cloud" / "port").write_text(str(other.getsockname()[1]))
        assert local.create(dataset(project)).remote_id


def test_two_commands_that_start_at_once_share_a_server(project: Path) -> None:
    both = [open_in(project), open_in(project)]
    found: list[object] = []
    threads = [threading.Thread(target=_note_url, args=(local, found)) for local in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and len(set(found)) == 1
    for local in both:
        local.close()


def _note_url(local: EmulatorProvider, found: list[object]) -> None:
    found.append(local.connection()["url"])


TWO = """
providers:
  one: {type: emulator, data: one, default: true}
  two: {type: emulator, data: two, account: two}
datasets:
  train: {path: train.jsonl}
jobs:
  a: {model: gpt-4o-mini-2024-07-18, training: train, hyperparameters: {n_epochs: 1}}
deployments:
  far: {model: "${job.a.fine_tuned_model}", provider: two}
"""


def test_two_emulators_exchange_a_model(project: Path) -> None:
    spec = Project(project, {}, preflight=True)
    report = done(spec.apply(TWO))
    source = str(report.state.resources[Address("deployment", "far")].inputs["source"])
    assert source.endswith("/accounts/emulator")
    assert report.state.resources[Address("deployment", "far")].remote_id.endswith(
        "/accounts/two/deployments/far"
    )
    assert spec.plan(TWO).is_empty
