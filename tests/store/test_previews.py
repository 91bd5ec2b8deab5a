"""Previews whose states are in a bucket at a real server: another machine deletes them."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftops.state.backends.bucket_services import open_bucket
from tests.contract.azure_cloud import SETTLED, Cloud, running_cloud
from tests.golden.cli import Done, Folder
from tests.support.servers import Service

_numbers = itertools.count()
SPEC = """\
ftops:
  name: scene
  state: {{{state}, path: previews/{number}}}
providers: {{here: {{type: emulator, url: '{url}', api_key: '{key}'}}}}
datasets: {{train: {{path: data/train.jsonl}}}}
"""
ENVIRONMENTS = "environments: {prod: {}, pr: {pattern: 'pr-*', ttl: 0.01s}}\n"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("account")) as found:
        yield found


def test_previews_in_a_bucket(service: Service, cloud: Cloud, tmp_path: Path) -> None:
    cloud.admin("POST", "reset", {})
    cloud.admin("PATCH", "settings", SETTLED)
    state = ", ".join(f"{k}: {v}" for k, v in {"backend": service.backend, **service.settings}.items())
    number = next(_numbers)
    spec = SPEC.format(state=state, number=number, url=cloud.url, key=cloud.key)

    def run(folder: Folder, *words: str, code: int = 0) -> Done:
        done = folder.run(*words, environ=service.environ)
        assert done.code == code, done
        return done

    runner = Folder.make(tmp_path / "runner", spec + ENVIRONMENTS)
    for name in ("prod", "pr-1", "pr-2"):
        run(runner, "apply", "-y", "--no-adopt", "--env", name)
    run(runner, "plan", "--save", "--env", "pr-1")
    run(runner, "destroy", "-y", "--env", "pr-2")
    shutil.rmtree(runner.path)
    later = Folder.make(tmp_path / "later", spec)
    run(later, "gc", "-y", "--env", "prod", code=1)
    done = run(later, "gc", "-y", "--expired", "-o", "json").json["previews"]
    assert {one["environment"]: one["result"] for one in done} == {"pr-1": "deleted", "pr-2": "deleted"}
    assert run(later, "gc", "--expired", "--dry-run").out == "No previews.\n"
    assert "nothing is recorded of pr-9" in run(later, "gc", "-y", "--env", "pr-9").out
    assert len(cloud.admin("GET", "objects")["files"]) == 1
    bucket = open_bucket(service.backend, service.settings, f"previews/{number}")
    kept = {name for name in bucket.names("") if "/audit/" not in name and "/prod/" not in name}
    assert kept == {"scene/pr-1/head.json", "scene/pr-2/head.json"}
    run(Folder.make(tmp_path / "again", spec + ENVIRONMENTS), "apply", "-y", "--no-adopt", "--env", "pr-1")
