"""Nouns and verbs that agree with a number."""

from __future__ import annotations

from ftops.core.plurals import agree, plural, share


def test_one_and_many() -> None:
    assert [plural(n, "example") for n in (0, 1, 1000)] == ["0 examples", "1 example", "1,000 examples"]
    assert [agree(n, "lacks", "lack") for n in (0, 1, 1.0, 2)] == ["lack", "lacks", "lacks", "lack"]
    assert share(1, 1, "example") == "1 of 1 example"
    assert share(1, 1600, "example") == "1 of 1,600 examples"
