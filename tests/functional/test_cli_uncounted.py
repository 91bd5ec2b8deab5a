"""If the package that has the vocabularies isn't installed, everything else works."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftops.dataset.profile import tokens
from tests.functional.test_cli_costs import CATALOG, SPEC
from tests.golden.cli import Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.setitem(sys.modules, "bpe_openai", None)
    tokens.counter.cache_clear()
    tokens._bindings.cache_clear()
    made = Folder.make(tmp_path, SPEC)
    made.write("ftops.catalog.yaml", CATALOG)
    yield made
    tokens.counter.cache_clear()
    tokens._bindings.cache_clear()


def test_a_plan_says_that_costs_are_not_known(folder: Folder) -> None:
    done = folder.run("plan", "--offline")
    assert done.code == 0
    assert "cost: unknown: its tokens can't be counted here" in done.out


def test_a_budget_warns(folder: Folder) -> None:
    folder.edit("{name: costs}", "{name: costs, budget: {training: 1}}")
    done = folder.run("plan", "--offline")
    assert done.code == 0
    assert "the cost of 2 of 2 jobs isn't known" in done.err


def test_files_are_counted_without_tokens(folder: Folder) -> None:
    done = folder.run("data", "stats", "data/train.jsonl")
    assert done.code == 0
    assert "12 examples, 24 messages (2.0 each)\n" in done.out
    assert "warning: tokens can't be counted" in done.err
    assert folder.run("data", "stats", "data/train.jsonl", "--model", "gpt-4o").code == 1
    assert "only read" in folder.ok("data", "show", "data/train.jsonl")
    assert "No difference" in folder.ok("data", "diff", "data/train.jsonl", "data/train.jsonl")
