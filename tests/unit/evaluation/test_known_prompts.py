"""Prompts that are in training data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ftops.evaluation.inputs import candidates_of
from ftops.evaluation.known_prompts import Known, Texts, in_training
from ftops.evaluation.prompts import read_prompts


def file_of(folder: Path, *rows: object) -> Path:
    path = folder / "train.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def asked(*contents: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": content} for content in contents]}


PROMPTS = read_prompts(
    b'[{"prompt": "Land!", "expect": "a"}, {"prompt": "Stay", "expect": "b"}]', "p.json", ()
)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ((asked("Fly"), asked("stay."), asked("STAY")), Known(1, (PROMPTS[1].id, 2))),
        (("", asked("land"), asked("stay")), Known(2, (PROMPTS[0].id, 2))),
        ((asked("land", "fly"), asked("Land here")), Known()),
        (
            ("{", "[]", "3", '{"messages": [1, {"role": "user"}]}', asked([{"type": "text"}]), asked("!")),
            Known(),
        ),
        ((), Known()),
    ],
)
def test_25_in_training(tmp_path: Path, rows: tuple[object, ...], found: Known) -> None:
    texts = Texts()
    for prompt in PROMPTS:
        texts.add(prompt.text)
    assert in_training(texts, file_of(tmp_path, *rows), lambda: iter(PROMPTS)) == found


def test_candidates_are_flat_and_each_is_one() -> None:
    assert candidates_of({"candidates": ["a", ["b", "a", "c"], "c"]}) == ["a", "b", "c"]
    assert candidates_of({"candidates": [[]]}) == []
    assert candidates_of({"model": "a"}) == ["a"]
