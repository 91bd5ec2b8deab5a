"""Edited examples of a dataset diff: the part that differs, cut to the terminal's width."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ftops.dataset.profile.diff import Compared, Difference
from ftops.dataset.profile.edits import edits
from ftops.dataset.profile.example_digest import Row
from ftops.dataset.profile.profiler import Sums
from ftops.views.datadiff import draw
from ftops.views.folding import columns_of
from ftops.views.paint import PLAIN

SAME = "Lorem ipsum dolor sit amet, consetetur sadipscing elitr. " * 9
KEY = "sk-" + "abcdefghij0123456789" * 2


def said(answer: Any, **more: Any) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": "When?"}, {"role": "assistant", "content": answer}],
        **more,
    }


def drawn(old: Any, new: Any, columns: int | None = None) -> str:
    pair = (Row(1, 0, b"a", b"", b""), Row(1, 0, b"b", b"", b""))
    before, after = (json.dumps(one).encode() for one in (old, new))
    found = Difference((), (), (pair,), 0, (), 0)
    changes = edits(before, after, (pair,))
    compared = Compared(found, Sums(), Sums(), {1: "old"}, {1: "new"}, changes)
    return "\n".join(draw(compared, PLAIN, columns=columns))


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (said("at ten."), said("at eleven."), 'assistant: "at ten." → "at eleven."'),
        (said("a\x1b[2J\u202e\n"), said("b\x1b[2J\u202e\n"), r'"a\u001b[2J\u202e\n" → "b\u001b[2J\u202e\n"'),
        (said(f"{KEY} a"), said(f"{KEY} b"), '• a" → "•'),
        (said("a"), said("a", **{"k\x1b[2J": 1}), r'+ k\x1b[2J: "1"'),
        (said("a", n=[[1]]), said("a"), '- n[1][1]: "1"'),
        (said([{"text": "a"}]), said([{"text": "b"}]), 'assistant[1].text: "a" → "b"'),
        ({"input": said("a")}, {"input": said("b")}, 'assistant: "a" → "b"'),
        (
            {"preferred_output": said("a")["messages"]},
            {"preferred_output": said("b")["messages"]},
            'preferred_output assistant: "a" → "b"',
        ),
        (said(KEY), said(KEY.replace("a", "b")), "line 1  new"),
    ],
)
def test_what_differs_is_named(old: Any, new: Any, shown: str) -> None:
    text = drawn(old, new)
    assert shown in text
    assert text.replace("\n", "").isprintable() and KEY not in text


@pytest.mark.parametrize("same", [SAME, "東京は日本の首都です。" * 20])
@pytest.mark.parametrize("columns", [60, 80])
def test_a_long_text_is_cut_around_what_differs(same: str, columns: int) -> None:
    text = drawn(said(f"{same}ten{same}"), said(f"{same}eleven{same}"), columns)
    before, after = text.splitlines()[-1].split(" → ")
    assert "ten" in before and "eleven" in after
    assert max(columns_of(before), columns_of(f"        → {after}")) <= columns
