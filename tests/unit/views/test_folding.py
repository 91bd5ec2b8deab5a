"""Folding and tables: nothing is wider than the terminal but what can't be broken, and nothing is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.views.folding import columns_of, filled, folded, folded_lines, shortened
from ftops.views.paint import PLAIN, Painter
from ftops.views.table import draw_table

MODEL = '"gpt-4o-mini-2024-07-18.ft-0123456789abcdef0123456789abcdef-copilot"'
LINES: dict[str, tuple[str, int, list[str]]] = {
    "prose": ("  a note that is long", 12, ["  a note", "    that is", "    long"]),
    "fits": ("exactly ten", 11, ["exactly ten"]),
    "label": ("loss    falling as it should", 22, ["loss    falling as it", "        should"]),
    "value": (f"  model = {MODEL}", 75, ["  model =", f"    {MODEL}"]),
    "too long to break": (f"  model = {MODEL}", 40, [f"  model = {MODEL}"]),
    "padded": ("  a                       = (known after apply: x)", 40, ["  a = (known after apply: x)"]),
    "arrow": ("~ a: 12345678 → 87654321", 20, ["~ a: 12345678", "  → 87654321"]),
    "comment": ('sku = "S"  # deleted after days', 30, ['sku = "S"', "      # deleted after days"]),
    "command": ("run `ftops apply -y` now", 18, ["run", "  `ftops apply -y`", "  now"]),
    "quoted": ('it is "a b c" here', 12, ["it is", '  "a b c"', "  here"]),
    "wide": ("日本語 日本語 日本語", 14, ["日本語 日本語", "  日本語"]),
    "moment": ("10:00:01  one two three", 18, ["10:00:01  one two", "  three"]),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line(name: str) -> None:
    line, columns, expected = LINES[name]
    assert folded_lines(line, columns) == expected


def test_painted_text_is_as_wide_as_it_looks() -> None:
    paint = Painter(True)
    line = paint("error", "error") + paint(": 日本 é 😀", "bold")
    assert columns_of(line) == len("error: ") + 4 + 1 + 1 + 1 + 2
    assert re.sub(r"\x1b\[[0-9;]*m", "", folded(line + " and more words\n", 24)) == (
        "error: 日本 é 😀 and\n  more words\n"
    )


@given(st.text(alphabet='ab `"→#(=: \x1b日', max_size=80), st.integers(24, 60))
def test_no_word_is_lost_or_changed(text: str, columns: int) -> None:
    lines = folded_lines(text, columns)
    assert "".join(lines).split() == [] or "".join(text.split()) == "".join("".join(lines).split())


@pytest.mark.parametrize(("columns", "short"), [(9, "job.…lot]"), (20, "job.a-very[copilot]")])
def test_names_keep_both_ends(columns: int, short: str) -> None:
    assert shortened("job.a-very[copilot]", columns) == short


TABLE = (
    ("MODEL", "METHODS", "learning_rate_multiplier", "tokens"),
    ("gpt-4o", "dpo, supervised", "0.5", "1,200"),
    ("日本", "supervised", "12", "30"),
)


def test_a_table_with_room() -> None:
    assert draw_table(TABLE, PLAIN, right=(2, 3)) == [
        "MODEL   METHODS          learning_rate_multiplier  tokens",
        "gpt-4o  dpo, supervised                       0.5   1,200",
        "日本    supervised                             12      30",
    ]


def test_a_narrower_table_folds_its_cells() -> None:
    assert "\n".join(draw_table(TABLE, PLAIN, 46, right=(2, 3))).splitlines() == [
        "MODEL   METHODS         learning_rate_  tokens",
        "                            multiplier",
        "gpt-4o  dpo,                       0.5   1,200",
        "        supervised",
        "日本    supervised                  12      30",
    ]


def test_a_table_without_room_becomes_blocks() -> None:
    assert draw_table(TABLE, PLAIN, 30)[1].splitlines() == [
        "MODEL: 日本",
        "  METHODS                   supervised",
        "  learning_rate_multiplier  12",
        "  tokens                    30",
    ]


def test_colours_stay_within_their_cell() -> None:
    heading, row = draw_table((("a", "b"), ("x y", "z")), Painter(True), 4, styles={(1, 0): "error"})
    assert heading.startswith("\x1b[1ma\x1b[0m")
    assert row == "\x1b[1;31mx\x1b[0m  z\n\x1b[1;31my\x1b[0m"


@pytest.mark.parametrize("piece", ["x", "日", 'a"', "(", "`", "# "])
def test_long_text_takes_time_that_grows_with_its_length(piece: str) -> None:
    lines = [*filled(piece * 200_000, 76, 2)]
    assert max(map(columns_of, lines)) <= 76
    assert "".join("".join(lines).split()) == "".join((piece * 200_000).split())
