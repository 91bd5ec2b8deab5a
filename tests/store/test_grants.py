"""Grants of a state in a bucket at a real server: another machine, in a fresh checkout, goes on."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.azure_cloud import SETTLED, Cloud, running_cloud, until
from tests.golden.cli import Done, Folder
from tests.support.servers import Service

_numbers = itertools.count()
SPEC = """\
ftops:
  name: scene
  state: {{{state}, path: grants/{number}}}
providers: {{here: {{type: emulator, url: '{url}', api_key: '{key}'}}}}
datasets: {{train: {{path: data/train.jsonl}}}}
jobs: {{copilot: {{model: gpt-4o-mini-2024-07-18, training: train, hyperparameters: {{n_epochs: 1}}}}}}
deployments: {{prod: {{model: "${{job.copilot.fine_tuned_model}}"}}}}
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("account")) as found:
        yield found


def test_plans_and_approvals_in_a_bucket(service: Service, cloud: Cloud, tmp_path: Path) -> None:
    cloud.admin("POST", "reset", {})
    cloud.admin("PATCH", "settings", {**SETTLED, "min_training_seconds": 36000.0})
    state = ", ".join(f"{k}: {v}" for k, v in {"backend": service.backend, **service.settings}.items())
    spec = SPEC.format(state=state, number=next(_numbers), url=cloud.url, key=cloud.key)
    laptop, runner = (Folder.make(tmp_path / name, spec) for name in ("laptop", "runner"))

    def run(folder: Folder, *words: str) -> Done:
        return folder.run(*words, environ=service.environ)

    planned = run(laptop, "plan", "--save")
    assert planned.code == 0, planned
    digest = planned.out.partition("Digest: ")[2].split()[0]
    assert run(runner, "show", digest).code == 0
    submitted = run(runner, "apply", digest, "--no-wait")
    assert submitted.code == 4, submitted
    shutil.rmtree(runner.path)
    until(lambda: all(job["computed"] for job in cloud.admin("GET", "objects")["jobs"]))
    later = Folder.make(tmp_path / "later", spec.replace("n_epochs: 1", "n_epochs: 7"))
    assert run(later, "reconcile").code == 4
    cloud.admin("POST", "clock", {"advance": 36000.0})
    done = run(later, "reconcile", "-o", "json")
    assert (done.code, done.json["grants"][0]["digest"]) == (0, digest), done
    assert cloud.admin("GET", "objects")["created"]["jobs"] == 1
    assert run(later, "apply", digest).code == 3
