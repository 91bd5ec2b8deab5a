"""The formatter keeps what a text means and what its comments say, and does nothing the second time."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ftops.core.errors import SpecError
from ftops.yaml.formatter import format_text

WORDS = st.sampled_from(["chat", "two words", "x", "gpt-4o-mini", "data/a.jsonl"])
KEYS = st.sampled_from(["name", "path", "jobs", "a", "train", "sku", "tags", "model"])
SCALARS = st.one_of(
    WORDS,
    WORDS.map(lambda w: f'"{w}: {{#}}"'),
    WORDS.map(lambda w: f"'{w}  # no comment'"),
    WORDS.map(lambda w: f"{{a:   {w},  b: [1,   2]}}"),
    st.sampled_from(["${job.a.id}", "-1", "~", "", "[a,b]", "{}", "[]"]),
)
TEXTS = st.lists(st.sampled_from(["one", "  two", "", "# three", "- five"]), min_size=1, max_size=5)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | TEXTS.map(tuple),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(KEYS, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)
SPECS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4)


def written(value: Any, depth: int, draw: Any) -> list[str]:
    """A value as lines in some layout: what it begins with after its key, and the lines below."""
    step = draw(st.integers(1, 4))
    pad = " " * (depth + step)
    if isinstance(value, tuple):
        first = f"{pad}{value[0].strip() or 'x'}"
        return [
            draw(st.sampled_from(["|", ">", "|-", "|+"])),
            first,
            *(pad + v if v else "" for v in value[1:]),
        ]
    if isinstance(value, str):
        return [value]
    lines = [""]
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        lines += draw(st.sampled_from([[], [], ["", ""], [f"{pad}#why"], ["#left"]]))
        head, *rest = written(item, depth + step, draw)
        mark = f"{key}:" if isinstance(value, dict) else "-"
        gap = " " * draw(st.integers(1, 3)) if head else draw(st.sampled_from(["", "  ", "  # note"]))
        lines += [f"{pad}{mark}{gap}{head}", *rest]
    return lines


@st.composite
def texts(draw: Any) -> str:
    lines = []
    for key, value in draw(SPECS).items():
        head, *rest = written(value, 0, draw)
        lines += [f"{key}: {head}", *rest, *draw(st.sampled_from([[], [""], ["", "", "# next"]]))]
    end: str = draw(st.sampled_from(["", "\n", "\n\n\n"]))
    return "\n".join(lines) + end


def meaning(text: str) -> Any:
    return yaml.load(text, yaml.BaseLoader)


def comments(text: str) -> list[str]:
    return sorted(
        line.strip().removeprefix("#").strip() for line in text.split("\n") if line.strip()[:1] == "#"
    )


@given(texts())
def test_keeps_meaning_and_comments(text: str) -> None:
    formatted = format_text(text, "spec.yaml")
    assert meaning(formatted) == meaning(text)
    assert comments(formatted) == comments(text)


@given(texts())
def test_does_nothing_the_second_time(text: str) -> None:
    formatted = format_text(text, "spec.yaml")
    assert format_text(formatted, "spec.yaml") == formatted


@given(texts().map(lambda text: text + "\n"))
def test_does_its_work(text: str) -> None:
    """It is not the safety net that keeps the meaning: keys do stand where they should."""
    formatted = format_text(text, "spec.yaml")
    assert not [line for line in formatted.split("\n") if re.match(r"(?:  )* [a-z]+:(?: |$)", line)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("a:   1", "a: 1\n", id="gap after a colon"),
        pytest.param("a:\n- 1\n-   2\n", "a:\n  - 1\n  - 2\n", id="list below its key"),
        pytest.param("a:\n     b: 1\nc: 2\n", "a:\n  b: 1\n\nc: 2\n", id="sections apart"),
        pytest.param("\n\na: 1\n\n\n\nb: 2\n\n", "a: 1\n\nb: 2\n", id="empty lines"),
        pytest.param("a:\n    #why\n    b: 1   # x\n", "a:\n  # why\n  b: 1   # x\n", id="comments"),
        pytest.param("a: 1\n# for b\nb: 2\n", "a: 1\n\n# for b\nb: 2\n", id="comment of a section"),
        pytest.param("a:\n    b: |\n      x\n\n\n      y\n", "a:\n  b: |\n    x\n\n\n    y\n", id="text"),
        pytest.param("a: {b: 1,\n    c: 2}\n", "a: {b: 1,\n    c: 2}\n", id="flow mapping as written"),
        pytest.param("a:\n-   d: 3\n    e: 4\n", "a:\n  - d: 3\n    e: 4\n", id="mapping in a list"),
        pytest.param("a: &x {b: 1}\nc:   *x\n", "a: &x {b: 1}\nc:   *x\n", id="aliases are left alone"),
        pytest.param("# nothing\n", "# nothing\n", id="only comments"),
        pytest.param("a:\r\n    b: 1\r\n", "a:\r\n    b: 1\r\n", id="foreign line ends are left alone"),
    ],
)  # fmt: skip
def test_layout(before: str, after: str) -> None:
    assert format_text(before, "spec.yaml") == after
    assert format_text(after, "spec.yaml") == after


def test_refuses_what_is_no_yaml() -> None:
    with pytest.raises(SpecError):
        format_text("a: {b\n", "spec.yaml")
