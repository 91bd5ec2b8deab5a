"""Environments: patterns of names, and how an environment varies the resources of a spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ftops.config.config import Config
from ftops.config.loader import load
from ftops.config.loader.environments import prefixed
from ftops.core.address import Address
from ftops.core.errors import SpecError

SPEC = """
environments:
  prod: {}
  pr-main: {sample: 7}
  pr: {pattern: "pr-*", ttl: 72h, sample: 5, tier: developer}
datasets:
  train: {path: train.jsonl, transform: [{convert: tools}]}
  valid: {path: valid.jsonl}
  far: {url: "https://example.com/far.jsonl"}
  unused: {path: unused.jsonl}
jobs:
  nano: {model: gpt-4.1-nano-2025-04-14, training: train, validation: valid, suffix: bot}
  mini: {model: gpt-4o-mini-2024-07-18, training: far}
  next: {model: "${job.mini.fine_tuned_model}", training: train, training_type: global_standard}
deployments:
  nano: {model: "${job.nano.fine_tuned_model}", name: chat, spillover: base}
  next: {model: "${job.next.fine_tuned_model}", sku: {name: GlobalStandard, capacity: 5}}
  base: {model: gpt-4o-mini, version: "2024-07-18"}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "ftops.yaml"
    path.write_text(SPEC)
    return path


def read(spec: Path, environment: str) -> Config:
    return load(spec, environment=environment, environ={})


def inputs(config: Config, address: str) -> Any:
    return config.by_address[Address.parse(address)].inputs


def test_a_preview_has_names_of_its_own(spec: Path) -> None:
    preview, other = read(spec, "pr-123"), read(spec, "pr-124")
    assert inputs(preview, "deployment.nano")["name"] == "pr-123-chat"
    assert inputs(preview, "deployment.nano")["spillover"] == "pr-123-base"
    assert inputs(preview, "deployment.next")["name"] == "pr-123-next"
    assert inputs(preview, "job.nano")["suffix"] == "pr-123-bot"
    assert inputs(preview, "job.mini")["suffix"] == "pr-123"
    for one in ("deployment.nano", "deployment.next", "deployment.base"):
        assert len({inputs(c, one)["name"] for c in (preview, other, read(spec, "prod"))}) == 3


def test_an_exact_name_wins_and_changes_no_names(spec: Path) -> None:
    config = read(spec, "pr-main")
    assert (config.ttl, inputs(config, "deployment.nano")["name"]) == ("", "chat")
    assert inputs(config, "dataset.train")["transform"] == [{"convert": "tools"}, {"sample": 7}]
    assert inputs(read(spec, "prod"), "dataset.train")["transform"] == [{"convert": "tools"}]


def test_jobs_learn_from_a_sample(spec: Path) -> None:
    config = read(spec, "pr-1")
    assert config.ttl == "72h"
    assert inputs(config, "dataset.train")["transform"] == [{"convert": "tools"}, {"sample": 5}]
    assert inputs(config, "dataset.valid")["transform"] == [{"sample": 5}]
    assert "transform" not in inputs(config, "dataset.unused")
    assert "no sample is taken of dataset.far" in [warning.summary for warning in config.warnings]


def test_the_developer_tier_where_it_is_offered(spec: Path) -> None:
    config = read(spec, "pr-1")
    assert [inputs(config, f"job.{one}")["training_type"] for one in ("nano", "mini", "next")] == [
        "developer"
    ] * 3
    assert inputs(config, "deployment.nano")["sku"] == {"name": "DeveloperTier", "capacity": 1}
    assert inputs(config, "deployment.next")["sku"] == {"name": "GlobalStandard", "capacity": 5}
    assert inputs(config, "deployment.base")["sku"] == {"name": "Standard", "capacity": 1}
    warned = [warning.summary for warning in config.warnings]
    assert "deployment.next isn't of the developer tier" in warned
    assert not any("deployment.base" in one for one in warned)


def test_an_environment_that_is_recorded_need_not_be_declared(spec: Path) -> None:
    with pytest.raises(SpecError) as refused:
        read(spec, "old-1")
    assert [d.summary for d in refused.value.diagnostics] == ["there is no environment `old-1`"]
    config = load(spec, environment="old-1", environ={}, destroying=True, is_recorded=True)
    assert (config.environment, config.ttl) == ("old-1", "")


def test_protected_objects_outlive_their_environment(tmp_path: Path) -> None:
    path = tmp_path / "ftops.yaml"
    path.write_text(SPEC.replace("name: chat,", "name: chat, lifecycle: {prevent_destroy: true},"))
    assert [w.summary for w in read(path, "pr-1").warnings if "outlive" in w.summary] == [
        "deployment.nano will outlive its environment"
    ]
    assert not read(path, "prod").warnings


@pytest.mark.parametrize("length", (1, 50, 57, 58, 64))
def test_long_names_are_shortened_and_stay_different(length: int) -> None:
    names = {prefixed("pr-123", "a" * length + end, 64) for end in "bcd"} | {
        prefixed("pr-124", "a" * length, 64)
    }
    assert len(names) == 4
    assert all(len(name) <= 64 and name[-1].isalnum() for name in names)
    assert prefixed("pr-123", "a" * length, 64) == prefixed("pr-123", "a" * length, 64)
