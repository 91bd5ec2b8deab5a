"""The quickstart under random faults: it converges or fails for good, with nothing twice, nothing left over.

Every twentieth schedule runs a copy of specs/quickstart; the others a spec of its shape with small data,
because reading 1.4 MB and training on it takes over a second each time. `CHAOS_QUICKSTART_EVERY=1` runs
it in all.

A schedule is a few fault rules drawn from a seed: refusals, bursts, conflicts, dropped connections before
and after the effect, truncated bodies, jobs and deployments that fail. The engine, the Azure provider, the
SDKs and the server are the real ones; only time is short.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.applying.run import Report, Settings
from ftops.config.config import Config
from ftops.config.data_files import with_data
from ftops.config.graph import build
from ftops.config.loader import load
from ftops.core.errors import ProviderError
from ftops.planning.plan import NORMAL, Mode, Options
from ftops.providers.azure.provider import AzureProvider
from ftops.session.apply import apply_plan
from ftops.session.session import Session
from ftops.state.backends.local import LocalStore
from tests.contract.azure_cloud import Cloud, running_cloud
from tests.support.command import quickstart
from tests.support.embedded import example
from tests.support.nightly import by_night

SCHEDULES = 50
A_TEST = 10
TRIES = 14
QUICKSTART_EVERY = int(os.environ.get("CHAOS_QUICKSTART_EVERY", "20"))
DESTROY = Options(mode=Mode.DESTROY)

SPEC = """\
datasets:
  train: {path: train.jsonl}
  valid: {path: valid.jsonl}
jobs:
  copilot:
    model: gpt-4o-mini-2024-07-18
    training: train
    validation: valid
    hyperparameters: {n_epochs: 1, batch_size: 8}
    seed: 105
deployments:
  copilot: {model: "${job.copilot.fine_tuned_model}"}
  base: {model: gpt-4o-mini-2024-07-18}
outputs:
  model: ${job.copilot.fine_tuned_model}
"""

ROUTES = (
    "POST /openai*/files",
    "GET /openai*/files",
    "GET /openai*/files/*",
    "DELETE /openai*/files/*",
    "POST /openai*/fine_tuning/jobs",
    "GET /openai*/fine_tuning/jobs",
    "GET /openai*/fine_tuning/jobs/*",
    "DELETE /openai*/fine_tuning/jobs/*",
    "PUT */deployments/*",
    "GET */deployments/*",
    "DELETE */deployments/*",
    "POST */chat/completions",
)
SLOW_DOWN: dict[str, Any] = {"status": 429, "headers": {"Retry-After": "0"}, "code": "429"}
FAULTS: tuple[dict[str, Any], ...] = (
    SLOW_DOWN,
    {"status": 429, "code": "429"},
    {"status": 500, "code": "internalFailure"},
    {"status": 503, "code": "serviceUnavailable"},
    {"status": 500, "code": "internalFailure", "effect": "applied"},
    {"effect": "drop_before"},
    {"effect": "drop_after"},
    {"effect": "truncate"},
)
ON_WRITES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("PUT */deployments/*", {"status": 409, "code": "RequestConflict"}),
    ("DELETE */deployments/*", {"status": 409, "code": "RequestConflict"}),
    ("POST /openai*/fine_tuning/jobs", {"job": {"fail": "training", "message": "out of memory"}}),
    ("POST /openai*/fine_tuning/jobs", {"job": {"fail": "safety", "message": "harmful content"}}),
    ("PUT */deployments/*", {"deployment": "fail"}),
)


def schedule(seed: int) -> list[dict[str, Any]]:
    """One to five rules, each for one to three requests, after none to four were let through."""
    chance = random.Random(seed)
    rules = []
    for _ in range(chance.randint(1, 5)):
        if chance.random() < 0.25:
            match, fault = chance.choice(ON_WRITES)
        else:
            match, fault = chance.choice(ROUTES), chance.choice(FAULTS)
        rules.append({"match": match, "times": chance.randint(1, 3), "after": chance.randint(0, 4), **fault})
    return rules


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("chaos"), "--strict") as running:
        yield running


@pytest.fixture(scope="module")
def started_with(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return with_data(load(quickstart(tmp_path_factory.mktemp("project")), environ={}), str)[0]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    folder = tmp_path_factory.mktemp("spec")
    (folder / "ftops.yaml").write_text(SPEC, encoding="utf-8")
    for name, count in (("train", 16), ("valid", 10)):
        lines = "".join(example(number, f"{name} {number}") for number in range(count))
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return with_data(load(folder, environ={}), str)[0]


class OneProvider:
    """The providers of a session: one account, whatever its name in the spec."""

    def __init__(self, provider: AzureProvider) -> None:
        self._provider = provider

    def __call__(self, name: str) -> AzureProvider:
        return self._provider

    def close(self) -> None:
        return None


class Trial:
    """One schedule: a state of its own, applied until nothing is left to do."""

    def __init__(self, config: Config, cloud: Cloud, provider: AzureProvider, folder: Path) -> None:
        self.config = replace(config, name=folder.name)
        self.cloud = cloud
        store = LocalStore(folder / "state", folder.name, "default")
        providers: Any = OneProvider(provider)
        self.session = Session(
            self.config, store, graph=build(self.config), providers=providers, retry_base=0.001
        )

    def run(self, options: Options = NORMAL) -> Report | None:
        """One plan and apply; None where the service refuses even to be read."""
        with self.session.locked("apply"):
            try:
                made = self.session.plan(options)
            except ProviderError:
                return None
            if made.is_empty and not made.entries:
                return None
            return apply_plan(self.session, made, Settings(retry_base=0.001), lambda event: None)

    def converge(self, options: Options = NORMAL) -> bool:
        """Whether nothing is left to do in the end. At no time does anything exist twice."""
        for _ in range(TRIES):
            self.run(options)
            self.check_nothing_twice()
            try:
                if not self.session.plan(options).changes:
                    return True
            except ProviderError:
                continue
        return False

    def check_nothing_twice(self) -> None:
        found = self.cloud.admin("GET", "objects")
        files = [f for f in found["files"] if f["purpose"] == "fine-tune"]
        jobs = [j for j in found["jobs"] if j["status"] not in ("failed", "cancelled")]
        names = [d["name"] for d in found["deployments"]]
        assert len(files) <= 2, found
        assert len(jobs) <= 1, found
        assert len(names) == len(set(names)), found


@pytest.mark.parametrize("first", by_night(range(0, SCHEDULES, A_TEST), lambda first: first % 20 > 0))
def test_random_faults_end_converged_with_nothing_twice(
    cloud: Cloud, config: Config, started_with: Config, tmp_path: Path, first: int
) -> None:
    provider = cloud.provider()
    try:
        for seed in range(first, first + A_TEST):
            folder = tmp_path / f"s{seed}"
            folder.mkdir()
            spec = config if seed % QUICKSTART_EVERY else started_with
            _try(Trial(spec, cloud, provider, folder), seed)
    finally:
        provider.close()


def _try(trial: Trial, seed: int) -> None:
    rules = schedule(seed)
    trial.cloud.admin("POST", "faults", {"faults": rules})
    assert trial.converge(), f"seed {seed} has not converged: {rules}"
    found = trial.cloud.admin("GET", "objects")
    assert {d["name"] for d in found["deployments"]} == {"copilot", "base"}, f"seed {seed}: {rules}"
    trial.cloud.clear_faults()
    trial.cloud.admin("POST", "faults", {"faults": schedule(seed + 10_000)})
    assert trial.converge(DESTROY), f"seed {seed} leaves something behind: {rules}"
    trial.cloud.clear_faults()
    left = {kind: n for kind, n in trial.cloud.admin("GET", "objects")["counts"].items() if n}
    assert not left, f"seed {seed}: {left} {rules}"
