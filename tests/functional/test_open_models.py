"""Formats of open models in the emulator, which refuses a wrong one as the service does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.azure_cloud import running_cloud
from tests.golden.cli import Folder, examples

SPEC = """\
ftops: {name: open}
providers: {local: {type: emulator}}
datasets: {train: {path: train.jsonl}}
jobs:
  tuned: {model: %s, training: train, training_type: global_standard, hyperparameters: {n_epochs: 1}}
deployments:
  tuned: {model: "${job.tuned.fine_tuned_model}", sku: {name: GlobalStandard, capacity: 100}%s}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("train.jsonl", examples(12))
    return folder


def test_the_format_of_the_account_counts_before_that_of_the_catalogue(folder: Folder) -> None:
    folder.write("ftops.yaml", SPEC % ("gpt-oss-20b", ""))
    folder.write("ftops.catalog.yaml", "models: {gpt-oss-20b: {format: Somebody}}\n")
    folder.ok("apply", "-y")


def test_an_outage_is_not_taken_for_a_wrong_format(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "spec", SPEC % ("gpt-oss-20b", ""))
    folder.edit("train.jsonl", "data/train.jsonl")
    with running_cloud(tmp_path / "cloud") as cloud:
        folder.edit("type: emulator", f'type: emulator, url: "{cloud.url}", api_key: "{cloud.key}"')
        cloud.fault("PUT */deployments/tuned", status=500, times=2)
        assert folder.ok("apply", "-y").count("the service has an internal error") == 2


def test_a_wrong_format_is_said_in_the_plan_and_where_it_fails(folder: Folder) -> None:
    folder.write("ftops.yaml", SPEC % ("Ministral-3B", ", format: Ministral AI"))
    planned = folder.run("plan")
    assert "the format Ministral AI isn't that of Ministral-3B" in planned.err
    assert "`format: Mistral AI`" in planned.err
    applied = folder.run("apply", "-y")
    assert applied.code == 1
    assert "the service failed twice, probably because of the format `Ministral AI`" in applied.err
    folder.write("ftops.yaml", SPEC % ("Ministral-3B", ", format: Mistral AI"))
    folder.ok("apply", "-y")
    folder.write("ftops.yaml", SPEC % ("Ministral-3B", ""))
    assert "No changes" in folder.ok("plan"), "it only guides the request"
