"""Prompts that are in training data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ftops.evaluation import known_prompts
from ftops.evaluation.inputs import candidates_of
from ftops.evaluation.known_prompts import SHOWN, Known, Pair, Texts, in_training
from ftops.evaluation.prompts import Prompt, read_prompts


def file_of(folder: Path, *rows: object) -> Path:
    path = folder / "train.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def asked(*contents: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": content} for content in contents]}


PROMPTS = read_prompts(
    b'[{"prompt": "Land!", "expect": "a"}, {"prompt": "Stay", "expect": "b"}]', "p.json", ()
)


def known(prompts: Sequence[Prompt], training: Path) -> Known:
    texts = Texts()
    for prompt in prompts:
        texts.add(prompt.text)
    return in_training(texts, training, lambda: iter(prompts))


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ((asked("Fly"), asked("stay."), asked("STAY")), Known(1, 0, (Pair(1, PROMPTS[1].id, 2),))),
        (
            ("", asked("land"), asked("stay")),
            Known(2, 0, (Pair(1, PROMPTS[0].id, 2), Pair(1, PROMPTS[1].id, 3))),
        ),
        ((asked("land", "fly"), asked("Land here")), Known()),
        (
            ("{", "[]", "3", '{"messages": [1, {"role": "user"}]}', asked([{"type": "text"}]), asked("!")),
            Known(),
        ),
        ((), Known()),
    ],
)
def test_25_in_training(tmp_path: Path, rows: tuple[object, ...], found: Known) -> None:
    assert known(PROMPTS, file_of(tmp_path, *rows)) == found


LONG = "please fly the drone slowly over the river to the old tower and take a photo of the garden"


def prompts_of(*texts: str) -> tuple[Prompt, ...]:
    rows = [json.dumps({"prompt": text, "expect": "a"}) for text in texts]
    return read_prompts("\n".join(rows).encode(), "p.jsonl")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"  {LONG.upper()}!", "same"),
        (LONG.replace("river", "lake"), "near"),
        (f"{LONG}, now", "near"),
        (LONG.replace("river", "lake").replace("garden", "house").replace("old", "new"), ""),
        ("fly 5 meters", ""),
        ("", ""),
    ],
)
def test_25_nearly_in_training(tmp_path: Path, text: str, kind: str) -> None:
    """By the rule for examples: four of five pairs of words are shared."""
    training = file_of(tmp_path, asked("fly 9 meters"), asked(LONG))
    found = known(prompts_of("Take off", text or "?"), training)
    pair = (Pair(2, prompts_of(text)[0].id, 2),) if kind else ()
    expected = {"same": Known(1, 0, pair), "near": Known(0, 1, (), pair), "": Known()}
    assert found == expected[kind]


def test_prompts_are_told_by_their_lines_and_only_the_first(tmp_path: Path) -> None:
    texts = [f"{LONG} number {i}" for i in range(40)]
    training = file_of(tmp_path, *(asked(f"{text}, now") for text in reversed(texts)))
    found = known(prompts_of(*texts, "Land"), training)
    assert found.same == 0
    assert 36 <= found.near <= 40, "a few have no hash in common"
    lines = [pair.line for pair in found.first_near]
    assert len(lines) == SHOWN and lines == sorted(lines) and lines[0] < 5


@pytest.mark.parametrize("kept", [0, 1_000, known_prompts.KEPT])
def test_many_texts_are_compared_as_few_are(
    tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many, hashes are computed by numpy, and those that aren't kept are read again."""
    monkeypatch.setattr(known_prompts, "KEPT", kept)
    texts = [f"{LONG} until {i} comes" for i in range(6_000)]
    found = known(prompts_of(*texts), file_of(tmp_path, asked(f"now {texts[5_900]}"), asked(texts[3])))
    few = known(prompts_of(texts[3], texts[5_900]), tmp_path / "train.jsonl")
    assert found.first_same == (Pair(4, prompts_of(texts[3])[0].id, 2),)
    assert few.first_same[0].training == 2
    assert (found.near, few.near) == (1, 1)
    assert (found.first_near[0].line, few.first_near[0].line) == (5_901, 2)


def test_candidates_are_flat_and_each_is_one() -> None:
    assert candidates_of({"candidates": ["a", ["b", "a", "c"], "c"]}) == ["a", "b", "c"]
    assert candidates_of({"candidates": [[]]}) == []
    assert candidates_of({"model": "a"}) == ["a"]
