"""What the catalogue tells of models without any account: in validate and in `plan --offline`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.cli import AZURE, Folder, examples

HEAD = f"ftops: {{name: autumn}}\n{AZURE}datasets: {{train: {{path: train.jsonl}}}}\n"
LOCAL = "ftops: {name: autumn}\ndatasets: {train: {path: train.jsonl}}\n"
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
    "no version": ("gpt-4o-mini", "gpt-4o-mini has no version"),
    "version": ("gpt-4o-mini-2024-07-19", "unknown model version gpt-4o-mini-2024-07-19"),
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


def test_a_misspelled_model_of_the_emulator_has_a_suggestion_at_its_value(folder: Folder) -> None:
    folder.write("ftops.yaml", LOCAL + JOB % "gpt-4o-mni-2024-07-18")
    (found,) = folder.run("validate", "-o", "json").json["diagnostics"]
    assert (found["severity"], found["hint"]) == ("warning", "did you mean `gpt-4o-mini-2024-07-18`?")
    assert (found["place"]["line"], found["place"]["column"]) == (3, 19)
    assert found["place"]["width"] == len("gpt-4o-mni-2024-07-18")


def test_what_the_method_left_out_asks_of_the_model_is_said_at_the_model(folder: Folder) -> None:
    folder.write("ftops.yaml", HEAD + JOB % "o4-mini-2025-04-16")
    (found,) = folder.run("validate", "-o", "json").json["diagnostics"]
    assert (found["place"]["text"], found["place"]["column"]) == (JOB.strip() % "o4-mini-2025-04-16", 19)


def test_the_name_of_a_job_in_place_of_its_model_is_a_warning(folder: Folder) -> None:
    folder.write("ftops.yaml", LOCAL + JOB % "gpt-4o-mini-2024-07-18" + "deployments: {chat: {model: a}}\n")
    done = folder.run("validate", "-o", "json")
    (found,) = done.json["diagnostics"]
    assert (done.code, found["severity"]) == (0, "warning")
    assert found["hint"] == "job.a is a job of the spec: write `${job.a.fine_tuned_model}` for its model"
    assert (found["place"]["line"], found["place"]["column"]) == (4, 29)


NAMES = {
    "too short": ("deployments: {base: {model: gpt-4o, name: x}}", "too short for the name", 43),
    "the name of the resource": ("deployments: {b: {model: gpt-4o}}", "too short for the name", 15),
    "characters": ("deployments: {base: {model: gpt-4o, name: 'a b'}}", "1 to 64 letters, digits", 43),
    "length": (f"deployments: {{base: {{model: gpt-4o, name: {'x' * 65}}}}}", "1 to 64 letters, digits", 43),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_the_service_refuses_are_found_without_an_account(folder: Folder, name: str) -> None:
    spec, said, column = NAMES[name]
    folder.write("ftops.yaml", f"{LOCAL}{spec}\n")
    done = folder.run("validate", "-o", "json")
    (found,) = done.json["diagnostics"]
    assert done.code == 1 and said in found["summary"]
    assert (found["place"]["line"], found["place"]["column"]) == (3, column)


STEPS = {
    "saved": ("n_epochs: 3, batch_size: 5", "6", ""),
    "between epochs": ("n_epochs: 3, batch_size: 5", "7", "those of step 3, 6, 9."),
    "not kept": ("n_epochs: 5, batch_size: 5", "3", "those of step 9, 12, 15."),
    "after the end": ("n_epochs: 1, batch_size: 12", "2", "those of step 1."),
    "of a batch that the service chooses": (
        "n_epochs: 3",
        "7",
        "chooses `batch_size`, and so at which steps",
    ),
    "of auto": ("n_epochs: auto, batch_size: auto", "7", "chooses `n_epochs` and `batch_size`, and so"),
    "the best": ("n_epochs: 3, batch_size: 5", "best", ""),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("words", [("validate",), ("plan", "--offline"), ("plan",)], ids=" ".join)
def test_a_checkpoint_that_no_job_saves(folder: Folder, name: str, words: tuple[str, ...]) -> None:
    hyperparameters, step, said = STEPS[name]
    job = JOB % f"gpt-4o-mini-2024-07-18, hyperparameters: {{{hyperparameters}}}"
    served = f"deployments: {{base: {{model: '${{job.a.checkpoint.{step}}}'}}}}\n"
    folder.write("ftops.yaml", LOCAL + job + served)
    done = folder.run(*words)
    assert done.code == 0, done
    summary = "is known when the job has run" if "chooses" in said else "probably won't exist"
    assert (summary in done.words, said in done.words) == (bool(said), True)


def test_a_checkpoint_is_named_by_its_step(folder: Folder) -> None:
    served = "deployments: {base: {model: '${job.a.checkpoint.last}'}}\n"
    folder.write("ftops.yaml", LOCAL + JOB % "gpt-4o-mini-2024-07-18" + served)
    done = folder.run("validate")
    assert done.code == 1 and "a job has no attribute `checkpoint.last`" in done.err


def test_two_providers_of_one_account_do_not_share_a_name(folder: Folder) -> None:
    second = AZURE.replace("providers:\n", "").replace("  azure:", "  other:")
    first = AZURE.replace("    type:", "    default: true\n    type:")
    one = "{model: gpt-4o, name: base}"
    served = f"deployments: {{one: {one}, two: {{model: gpt-4o, name: base, provider: other}}}}\n"
    folder.write("ftops.yaml", f"ftops: {{name: autumn}}\n{first}{second}{served}")
    done = folder.run("validate")
    assert done.code == 1 and "several deployments of the account have the name `base`" in done.err


def test_a_file_that_is_larger_than_the_service_takes(folder: Folder) -> None:
    folder.write("ftops.yaml", LOCAL)
    folder.write("ftops.catalog.yaml", "limits: {file_bytes: 100}\n")
    done = folder.run("validate")
    assert done.code == 1 and "dataset.train: the file is too large" in done.err


def test_the_catalogue_of_the_project_counts(folder: Folder) -> None:
    folder.write("ftops.yaml", HEAD + WRONG["sku"][0])
    assert folder.run("validate").code == 1
    folder.write("ftops.catalog.yaml", "models: {gpt-4o-mini-2024-07-18: {skus: [DeveloperTier]}}\n")
    assert folder.run("validate").code == 0
    folder.write("ftops.catalog.yaml", "models: {gpt-4o-mini-2024-07-18: {skus: }}\n")
    assert folder.run("validate").code == 0, "unknown, so not checked"
