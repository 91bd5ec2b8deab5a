"""Requests that are made of templates, and what is wrong with a file of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ftops.core.errors import SpecError
from ftops.generation.phrasings import Phrasings, read_phrasings
from ftops.generation.targets import Target

SCHEMAS: dict[str, Any] = {
    "move": {
        "type": "object",
        "properties": {
            "direction": {"enum": ["left", "right", "up"]},
            "distance": {"type": "integer", "minimum": 1, "maximum": 9},
        },
        "required": ["direction"],
    },
    "land": {"type": "object", "properties": {"place": {"enum": ["here", "home_base"]}}},
}
FILE: Any = {
    "openers": ["please {}"],
    "words": {"pan": ["left", "right"], "meters": ["m"]},
    "requests": [
        {"function": "move", "say": ["shift {distance} {meters} to the {direction:pan}", "Go {direction}!"]},
        {"function": "land", "with": {"place": "home_base"}, "say": ["land at home"]},
        {"reject": "near", "theme": "sound", "say": ["play music"]},
    ],
}


def read(file: Any = FILE) -> Phrasings:
    return read_phrasings(json.dumps(file, indent=1).encode(), "phrasings.json", SCHEMAS)


def ask(function: str, count: int = 5, **arguments: Any) -> list[str]:
    return list(read().requests(Target(function, arguments), SCHEMAS[function], count, 1))


def test_a_phrase_says_exactly_the_arguments_of_a_call() -> None:
    assert ask("move", direction="left", distance=3) == ["Please shift 3 m to the left"]
    assert ask("move", direction="up", distance=3) == []
    assert ask("move", direction="up") == ["Go up!"]
    assert ask("land", place="home_base") == ["Please land at home"]
    assert ask("land", place="here") == []
    assert ask("land") == []


def test_requests_differ_and_follow_from_the_seed() -> None:
    words = {**FILE["words"], "meters": ["m", "meters", "metres"]}
    phrasings = read({**FILE, "words": words, "openers": ["{}", "please {}", "{} now", "can you {}?"]})
    target = Target("move", {"direction": "left", "distance": 3})
    made = [list(phrasings.requests(target, SCHEMAS["move"], 4, seed)) for seed in (1, 1, 2)]
    assert len(set(made[0])) == len(made[0]) > 2
    assert made[0] == made[1] != made[2]


def test_themes_are_rejected() -> None:
    (theme,) = read().themes
    assert list(read().rejected(theme, 3, 1)) == ["Please play music"]


MOVE, LAND = {"function": "move"}, {"function": "land", "say": ["x"]}


@pytest.mark.parametrize(
    ("change", "summary", "at"),
    [
        ({"requests": [{"function": "mov", "say": ["x"]}]}, "there is no function `mov`", '"mov"'),
        ({"requests": [{**MOVE, "say": ["to {there}"]}]}, "there are no words `there`", "to {there}"),
        ({"requests": [{**MOVE, "say": ["go {"]}]}, "a brace isn't part of a `{word}`", "go {"),
        ({"requests": [{**LAND, "with": {"at": 1}}]}, "`with` must have parameters of `land`", '"at"'),
        (
            {"requests": [{"reject": "never", "say": ["x"]}]},
            "a request needs a `function`, or a reason",
            '"never"',
        ),
        ({"requests": [{**LAND, "say": []}]}, "`say` must be a list of texts", '"land"'),
        ({"requests": [{**LAND, "says": ["x"]}]}, "unknown key `says` in a request", '"says"'),
        ({"openers": ["please"]}, "`openers` must be a list of texts with `{}` in each", '"openers"'),
        ({"words": {"pan": []}}, "`words` must be an object of lists", '"words"'),
    ],
)
def test_faults_have_a_place(change: Any, summary: str, at: str) -> None:
    file = {**FILE, **change}
    with pytest.raises(SpecError) as caught:
        read(file)
    found = caught.value.diagnostics[0]
    assert found.summary.startswith(summary)
    assert found.place
    line = json.dumps(file, indent=1).splitlines()[found.place.line - 1]
    assert line[found.place.column - 1 :].startswith(at)


@pytest.mark.parametrize(
    "content", [b"{", b"\xff", b"[]", b'{"a": 1, "a": 2}', b'{"requests": 1}', b'{"words": 3}']
)
def test_what_isnt_phrasings_is_an_error(content: bytes) -> None:
    with pytest.raises(SpecError):
        read_phrasings(content, "phrasings.json", SCHEMAS)
