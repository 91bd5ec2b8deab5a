"""The prompts file of an evaluation: what a plan finds in it, and when it is read again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ftops.core.errors import SpecError
from ftops.dataset import Cache
from ftops.dataset.files import file_identity
from ftops.evaluation.evaluation import Inputs
from ftops.evaluation.inputs import digest, load, without_prompts
from ftops.evaluation.prompts_file import ENCODING, PromptsFile, Summary
from ftops.evaluation.spending import input_tokens

LAND = {"type": "function", "function": {"name": "land", "description": "Lands.", "parameters": {}}}
FLY = {"type": "function", "function": {"name": "fly"}}
ROWS: list[dict[str, Any]] = [
    {"prompt": "Land!", "expect": "land", "slice": "easy"},
    {"prompt": "Land!", "expect": "land", "slice": "hard"},
    {
        "prompt": "Down, please",
        "expect": {"call": "land", "arguments": {}},
        "slice": "easy",
        "cluster": "down",
    },
    {"prompt": "Get down", "expect": "land", "cluster": "down"},
    {"prompt": "Take off", "expect": "fly", "tools": [FLY]},
    {"prompt": "Sing", "expect": {"no_call": True}},
]


class Spec:
    """A folder with prompts, and a cache; each call of `summary` stands for one plan."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inputs: dict[str, Any] = {
            "prompts": "p.jsonl", "tools": "t.json", "system": "s.txt",
            "samples": 1, "alpha": 0.05, "margin": 0.05,
        }  # fmt: skip
        self.write("t.json", json.dumps([LAND]))
        self.write("s.txt", "You fly a drone.")
        self.write("p.jsonl", *map(json.dumps, ROWS))

    def write(self, name: str, *lines: str) -> None:
        (self.folder / name).write_text("\n".join(lines), encoding="utf-8")
        os.utime(self.folder / name, (len(lines), 0))

    def file(self, cache: Cache) -> PromptsFile:
        rest = without_prompts(self.inputs, self.folder, self.folder)
        return PromptsFile(self.inputs, rest, self.folder, self.folder, cache)

    def summary(self) -> Summary:
        later = time.time_ns() + 2 * file_identity.SETTLED
        with Cache(self.folder / "cache", clock=lambda: later) as cache:
            return self.file(cache).summary

    @property
    def loaded(self) -> Inputs:
        return load(self.inputs, self.folder, self.folder)

    def pretend(self) -> None:
        """Puts a false number into the cache, by which a hit can be told."""
        file = self.folder / "cache" / "datasets.json"
        saved = json.loads(file.read_text())
        for row in saved["found"].values():
            row["value"]["prompts"] = FALSE
        file.write_text(json.dumps(saved))


FALSE = 10**9


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return Spec(tmp_path)


def test_the_summary_is_that_of_the_loaded_prompts(spec: Spec) -> None:
    found, loaded = spec.summary(), spec.loaded
    assert found.content == digest(loaded)
    assert (found.prompts, found.independent) == (6, 5)
    different = {question.key(""): question for question in loaded.questions()}
    assert found.questions == len(different) == 5
    assert found.tokens == sum(input_tokens(q, ENCODING) or 0 for q in different.values())
    assert found.slices == ("easy", "hard")
    assert found.functions == ("land", "fly", "no_call")
    assert found.graders == tuple(grader.name for grader in loaded.graders) == ("call", "name")


@pytest.mark.parametrize("kept", [1, 4, 5])
def test_default_graders_are_those_of_the_prompts(spec: Spec, kept: int) -> None:
    spec.write("p.jsonl", *map(json.dumps, ROWS[kept:]))
    assert spec.summary().graders == tuple(grader.name for grader in spec.loaded.graders)


def test_the_only_slice_has_no_row_of_its_own(spec: Spec) -> None:
    spec.write("p.jsonl", json.dumps(ROWS[0]))
    found = spec.summary()
    assert (found.slices, found.functions) == ((), ())


def test_an_unchanged_file_is_not_read_again(spec: Spec) -> None:
    first = spec.summary()
    spec.pretend()
    assert spec.summary().prompts == FALSE
    spec.write("p.jsonl", *map(json.dumps, ROWS[:3]))
    assert (spec.summary().prompts, first.prompts) == (3, 6)


@pytest.mark.parametrize(
    "change",
    [
        {"tools": [LAND, FLY]},
        {"system": "You fly a kite."},
        {"graders": {"name": {"type": "function_call", "match": "name"}}},
    ],
)
def test_what_prompts_depend_on_reads_them_again(spec: Spec, change: Mapping[str, Any]) -> None:
    spec.summary()
    spec.pretend()
    if "tools" in change:
        spec.write("t.json", json.dumps(change["tools"]))
    elif "system" in change:
        spec.write("s.txt", change["system"])
    else:
        spec.inputs |= change
    assert spec.summary().prompts == 6
    assert spec.summary().content == digest(spec.loaded)


def test_a_file_with_faults_is_read_again(spec: Spec) -> None:
    spec.write("p.jsonl", json.dumps(ROWS[0]), "{")
    for _ in range(2):
        with pytest.raises(SpecError) as caught:
            spec.summary()
        assert "p.jsonl:2" in str(caught.value.diagnostics[0].place)


def test_training_data_is_compared_again_only_if_it_changes(spec: Spec) -> None:
    spec.write("train.jsonl", '{"messages": [{"role": "user", "content": "SING"}]}')
    training = spec.folder / "train.jsonl"
    later = time.time_ns() + 2 * file_identity.SETTLED
    for digest_of_training, expected in (("one", 1), ("one", 1), ("two", 0)):
        with Cache(spec.folder / "cache", clock=lambda: later) as cache:
            assert spec.file(cache).known_in(training, digest_of_training).same == expected
        training.write_text("")
