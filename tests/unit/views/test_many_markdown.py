"""Several plans in one document: who gets how much room, and what is never left out without a word."""

from __future__ import annotations

import pytest

from ftops.views.many_markdown import Section, draw
from ftops.views.markdown import Drawn
from ftops.views.markdown_text import Source

SOURCE = Source("", "1")


def section(path: str, level: str, length: int, *, least: int = 20, is_reviewable: bool = True) -> Section:
    """A spec whose document can be shortened to `least` bytes."""

    def drawn(limit: int) -> Drawn:
        return Drawn(f"<{path}>".ljust(max(least, min(length, limit)), "."), is_reviewable or limit >= length)

    return Section(path, path, level, f"verdict on {path}", "", drawn)


def test_small_ones_are_whole_and_leave_their_room_to_others() -> None:
    sections = [
        section("small", "safe", 100),
        section("large", "safe", 50_000),
        section("huge", "safe", 90_000),
    ]
    text = draw(sections, [], SOURCE, 20_000).text
    assert len(text) <= 20_000
    assert f"<small>{'.' * 93}\n" in text
    lengths = {line[1:5]: len(line) for line in text.split("\n") if line.startswith("<")}
    assert lengths["larg"] == pytest.approx(lengths["huge"], abs=10)
    assert lengths["huge"] > 8_000


@pytest.mark.parametrize("level", ["destructive", "denied", "blocked", "failed"])
def test_what_needs_care_comes_before_what_is_harmless(level: str) -> None:
    others = [section(f"s{number}", "safe", 300, least=300) for number in range(800)]
    sections = [*others[:400], section("grave", level, 3_000), *others[400:]]
    drawn = draw(sections, [], SOURCE, 20_000)
    assert len(drawn.text) <= 20_000
    assert "| `grave` | verdict on grave |" in drawn.text
    assert f"<grave>{'.' * 2_993}\n" in drawn.text
    assert drawn.is_reviewable
    assert "Left out for length" in drawn.text


def test_it_can_not_be_reviewed_if_something_that_needs_care_is_left_out() -> None:
    grave = [section(f"g{number}", "destructive", 3_000, least=900) for number in range(50)]
    assert not draw(grave, [], SOURCE, 20_000).is_reviewable
    assert draw(grave, [], SOURCE).is_reviewable
    cut = section("cut", "destructive", 30_000, is_reviewable=False)
    assert not draw([cut], [], SOURCE, 20_000).is_reviewable


def test_none_is_touched() -> None:
    drawn = draw([], [("a", "it has no environment prod")], SOURCE, 2_000)
    assert "no spec is touched" in drawn.text
    assert "`a` isn't planned: `it has no environment prod`" in drawn.text
    assert drawn.is_reviewable
