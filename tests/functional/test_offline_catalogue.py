"""What the catalogue tells of models without any account: in validate and in `plan --offline`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.cli import AZURE, Folder, examples

HEAD = f"ftops: {{name: autumn}}\n{AZURE}datasets: {{train: {{path: train.jsonl}}}}\n"
JOB = "jobs: {a: {model: %s, training: train}}\n"
SERVED = JOB + "deployments: {assistant: {model: '${job.a.fine_tuned_model}'%s}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("train.jsonl", examples(12))
    return folder


WRONG = {
    "method": (JOB % "o4-mini-2025-04-16", "o4-mini-2025-04-16 doesn't support the method supervised"),
    "training-type": (JOB % "gpt-oss-20b", "standard training of gpt-oss-20b isn't available in any region"),
    "sku": (
        SERVED % ("gpt-4o-mini-2024-07-18", ", sku: {name: DeveloperTier}"),
        "gpt-4o-mini-2024-07-18 isn't available with the SKU DeveloperTier",
    ),
    "name": (
        SERVED % ("gpt-4o-mini-2024-07-18", ", name: d"),
        "`d` is too short for the name of a deployment",
    ),
    "sku-of-an-open-model": (
        SERVED % ("'gpt-oss-20b', training_type: global_standard", ""),
        "gpt-oss-20b isn't available with the SKU Standard",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_catalogue_knows_to_fail(folder: Folder, name: str) -> None:
    spec, summary = WRONG[name]
    folder.write("ftops.yaml", HEAD + spec)
    for words, code in ((("validate",), 1), (("plan", "--offline"), 3)):
        done = folder.run(*words)
        assert (done.code, summary in done.err) == (code, True), done


DOUBTFUL = {
    "misspelled": ("gpt-4o-mni-2024-07-18", "unknown model gpt-4o-mni-2024-07-18"),
    "unknown": ("gpt-6", "unknown model gpt-6"),
    "training-type": (
        "gpt-4o-mini-2024-07-18, training_type: global",
        "the catalogue has no training type global for gpt-4o-mini-2024-07-18",
    ),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_the_catalogue_does_not_know_is_a_warning(folder: Folder, name: str) -> None:
    job, summary = DOUBTFUL[name]
    folder.write("ftops.yaml", HEAD + JOB % job)
    for words in (("validate",), ("plan", "--offline")):
        done = folder.run(*words)
        assert (done.code, summary in done.err) == (0, True), done


def test_the_catalogue_of_the_project_counts(folder: Folder) -> None:
    folder.write("ftops.yaml", HEAD + WRONG["sku"][0])
    assert folder.run("validate").code == 1
    folder.write("ftops.catalog.yaml", "models: {gpt-4o-mini-2024-07-18: {skus: [DeveloperTier]}}\n")
    assert folder.run("validate").code == 0
    folder.write("ftops.catalog.yaml", "models: {gpt-4o-mini-2024-07-18: {skus: }}\n")
    assert folder.run("validate").code == 0, "unknown, so not checked"
