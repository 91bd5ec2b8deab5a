"""`ftops models`: the catalogue as a list and one by one, in text and JSON, with the user's file over it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ftops.core.project import CATALOG_FILE
from tests.golden.cli import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def listed(folder: Folder, *words: str) -> list[str]:
    return [model["id"] for model in json.loads(folder.ok("models", *words, "-o", "json"))["models"]]


def test_all_models_and_some(folder: Folder) -> None:
    assert len(listed(folder)) == 18
    some = listed(folder, "--method", "dpo", "--region", "Sweden Central", "--sku", "developertier")
    assert some == ["gpt-4.1-2025-04-14", "gpt-4.1-mini-2025-04-14", "gpt-4.1-nano-2025-04-14"]
    assert "gpt-4.1-nano-2025-04-14" not in listed(
        folder, "--region", "polandcentral", "--training-type", "global_standard"
    )
    assert listed(folder, "--sku", "GlobalManagedCompute", "--training-type", "standard") == []
    none = folder.ok("models", "--method", "dpo", "--sku", "GlobalManagedCompute")
    assert none == "No model of the catalogue matches.\n"
    assert listed(folder, "--sku", "developer") == listed(folder, "--sku", "developer_tier") != []


WRONG = {
    "region": (("--region", "sweden"), "the catalogue has no region sweden", "Did you mean `swedencentral`?"),
    "sku": (("--sku", "Standrd"), "the catalogue has no SKU Standrd", "Did you mean `Standard`?"),
    "both": (("gpt-4.1", "--sku", "Standard"), "filters are for the list of models", "or gpt-4.1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_filters_that_nothing_could_pass(folder: Folder, name: str) -> None:
    words, summary, hint = WRONG[name]
    done = folder.run("models", *words)
    assert (done.code, summary in done.err, hint in done.err) == (1, True, True), done


def test_the_lowest_price_is_of_the_training_types_that_are_asked_for(folder: Folder) -> None:
    def price(*words: str) -> str:
        lines = folder.ok("models", "--method", "dpo", *words).splitlines()
        return next(line for line in lines if line.startswith("gpt-4.1-nano"))

    assert "$1.65 per 1M (standard)" in price("--training-type", "standard")
    assert "$0.75 per 1M (developer)" in price("--region", "swedencentral")


def test_a_line_for_each(folder: Folder) -> None:
    lines = folder.ok("models", "--method", "dpo").splitlines()
    assert lines[0].split("  ")[0] == "MODEL" and max(map(len, lines)) <= 110
    nano = next(line for line in lines if line.startswith("gpt-4.1-nano"))
    assert nano.split("  ", 1)[1].split() == [
        "dpo,", "supervised", "$0.75", "per", "1M", "(developer)", "2027-04-14", "or", "later", "2027-10-14",
    ]  # fmt: skip


def test_one_model_by_any_of_its_names(folder: Folder) -> None:
    text = folder.ok("models", "qwen-3-32b")
    assert text.startswith("model") and "Qwen3-32B" in text and "Alibaba" in text
    (one,) = json.loads(folder.ok("models", "GPT-4.1", "-o", "json"))["models"]
    assert (one["id"], one["retirement"]["base"]) == ("gpt-4.1-2025-04-14", "2027-04-14")


def test_the_catalogue_of_the_project_counts(folder: Folder) -> None:
    folder.write(
        CATALOG_FILE, "models: {house-1: {name: house, methods: [dpo], training: {developer: any}}}\n"
    )
    assert "house-1" in listed(folder, "--method", "dpo")


def test_an_unknown_model(folder: Folder) -> None:
    done = folder.run("models", "gpt-4.1-minni")
    assert done.code == 1
    assert "the catalogue has no model gpt-4.1-minni" in done.err and "gpt-4.1-mini-2025-04-14" in done.err
