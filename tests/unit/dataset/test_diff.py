"""Differences of two versions of a dataset: by content, whatever the order and the spelling."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.dataset.profile.diff import Difference, difference, overlap, shifts
from ftops.dataset.profile.profiler import Measured, Measurement, measure, measure_block

WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "kelp", "larch"]


def chat(question: str, answer: str, system: str = "Be brief.") -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


def packed(examples: Sequence[object], **spelling: Any) -> Measured:
    text = "".join(json.dumps(e, **spelling) + "\n" for e in examples)
    sums, rows, _ = measure_block(bytes(7) + b"\x01" + text.encode(), Measurement())
    return Measured("", sums, rows)


def told(found: Difference) -> tuple[int, int, int, int]:
    return len(found.added), len(found.removed), len(found.edited), found.same


def questions(count: int, seed: int = 1) -> list[dict[str, Any]]:
    choose = random.Random(seed)
    return [chat(" ".join(choose.choices(WORDS, k=12)) + f" {n}?", f"answer {n}") for n in range(count)]


def test_added_removed_and_edited() -> None:
    old = questions(40)
    new = [*old[:10], *old[12:]]
    new[3] = chat(old[3]["messages"][1]["content"], "another answer")
    new[5] = chat(old[5]["messages"][1]["content"].replace("5?", "five, please?"), "answer 5")
    new.append(chat("Something else entirely, with other words", "yes"))
    found = difference(packed(old), packed(new))
    assert told(found) == (1, 2, 2, 36)
    assert [(a.line, b.line) for a, b in found.edited] == [(4, 4), (6, 6)]
    assert [row.line for row in found.removed] == [11, 12]


def test_a_new_system_message_edits_every_example() -> None:
    old = questions(20)
    new = [chat(e["messages"][1]["content"], e["messages"][2]["content"], "Be kind.") for e in old]
    assert told(difference(packed(old), packed(new))) == (0, 0, 20, 0)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 25),
    dropped=st.sets(st.integers(0, 24)),
    added=st.integers(0, 8),
    seed=st.integers(0, 99),
)
def test_order_and_spelling_are_no_difference(count: int, dropped: set[int], added: int, seed: int) -> None:
    old = questions(count)
    kept = [e for n, e in enumerate(old) if n not in dropped]
    fresh = [chat(f"{seed} {n} unheard of {n * 7919}", "no") for n in range(added)]
    new = [*kept, *fresh]
    random.Random(seed).shuffle(new)
    found = difference(packed(old), packed(new, indent=None, separators=(", ", " :  "), sort_keys=True))
    assert found.same == len(kept)
    assert len(found.added) + len(found.edited) == added
    assert len(found.removed) + len(found.edited) == len(old) - len(kept)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(range(6)), max_size=12), st.lists(st.sampled_from(range(6)), max_size=12))
def test_examples_are_counted_as_often_as_they_stand_there(before: list[int], after: list[int]) -> None:
    pool = questions(6)
    found = difference(packed([pool[n] for n in before]), packed([pool[n] for n in after]))
    assert found.same + len(found.edited) + len(found.added) == len(after)
    assert found.same + len(found.edited) + len(found.removed) == len(before)
    assert found.is_empty == (sorted(before) == sorted(after))


def test_new_duplicates() -> None:
    old = questions(5)
    found = difference(packed([*old, old[0]]), packed([*old, old[0], old[0], old[1]]))
    assert [(first.line, again.line) for first, again in found.new_duplicates] == [(1, 7), (2, 8)]


def test_overlap_of_two_files() -> None:
    train = questions(10)
    valid = [questions(1, seed=9)[0], train[4], chat(train[6]["messages"][1]["content"], "other")]
    found = overlap(packed(train), packed(valid))
    assert [(a.line, b.line) for a, b in found] == [(5, 2), (7, 3)]


def test_shifts_of_labels() -> None:
    found = shifts({"a": 5, "b": 2, "c": 1}, {"a": 5, "b": 9, "d": 1})
    assert [(s.name, s.before, s.after) for s in found] == [("b", 2, 9), ("c", 1, 0), ("d", 0, 1)]


def test_one_process_or_several_measure_the_same() -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "chat.jsonl"
        examples = questions(200) * 60
        file.write_text("\ufeff" + "\r\n\r\n".join(json.dumps(e) for e in examples), encoding="utf-8")
        one, two = measure(file, "o200k_base", processes=1), measure(file, "o200k_base", processes=2)
        assert one == two
        assert one.sums.examples == len(examples)


def test_the_few_that_are_left_are_paired_by_similar_texts_and_lines() -> None:
    """Short texts share less than longer ones; an edit mostly stays in its line."""
    old = [chat(q, "no") for q in ("Bump into a wall", "Fly home", "Take a photo of the house", "Wait")]
    new = [
        chat(q, "no") for q in ("Bump into a wall, please", "Fly home now", "Land", "Take photos of a house")
    ]
    found = difference(packed(old), packed(new))
    assert [(a.line, b.line) for a, b in found.edited][:2] == [(1, 1), (2, 2)]
    assert told(found)[3] == 0
    other = [chat(" ".join(WORDS[n : n + 4]), f"answer {n}", "x") for n in range(4)]
    assert told(difference(packed(old), packed(other)))[2] == 0


def test_many_that_are_left_are_not_compared_with_each_other() -> None:
    old = [chat(f"Bump {n} into a wall {n * 7}", "no") for n in range(60)]
    new = [chat(f"Bump {n} {n} into walls, please {n * 11}", "yes") for n in range(60)]
    found = difference(packed(old), packed(new))
    assert len(found.added) + len(found.edited) == 60
