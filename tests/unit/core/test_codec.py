"""Values are written by the annotations of their fields, and read back as they were."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

import pytest
from msgspec import Struct, field

from ftops.core.address import Address, Json, Reference, Secret, Value
from ftops.core.codec import Codec
from ftops.planning.saved.plan_file import SavedPlan


class Color(StrEnum):
    RED = "red"


class Pair(NamedTuple):
    left: Address
    right: str = ""


class Circle(Struct, frozen=True, tag_field="shape", tag="circle"):
    radius: float


class Square(Struct, frozen=True, tag_field="shape", tag="square"):
    side: int = 1
    always_written: ClassVar = ("side",)


class Drawing(Struct, frozen=True):
    shape: Circle | Square
    color: Color = Color.RED
    pairs: tuple[Pair, ...] = ()
    inputs: Mapping[str, Value] = field(default_factory=dict)
    outputs: Mapping[str, Json] = field(default_factory=dict)
    by_address: Mapping[Address, int] = field(default_factory=dict)
    moves: tuple[tuple[Address, Address], ...] = ()
    note: str | None = None


A = Address("job", "a")
B = Address("job", "b", "x y")
FULL = Drawing(
    Square(),
    pairs=(Pair(A), Pair(B, "r")),
    inputs={"model": Reference(A, "id"), "text": "costs ${5}", "list": [Secret("env", "KEY"), None]},
    outputs={"text": "${not.an.expression}"},
    by_address={B: 2},
    moves=((A, B),),
    note="n",
)
WRITTEN: dict[str, Any] = {
    "shape": {"shape": "square", "side": 1},
    "pairs": [{"left": "job.a"}, {"left": 'job.b["x y"]', "right": "r"}],
    "inputs": {"model": "${job.a.id}", "text": "costs $${5}", "list": ["${env.KEY}", None]},
    "outputs": {"text": "${not.an.expression}"},
    "by_address": {'job.b["x y"]': 2},
    "moves": [["job.a", 'job.b["x y"]']],
    "note": "n",
}


def test_what_is_written_is_read_back() -> None:
    assert Codec().write(FULL) == WRITTEN
    assert Codec().read(Drawing, WRITTEN) == FULL


def test_defaults_are_left_out_and_restored() -> None:
    raw = {"shape": {"shape": "circle", "radius": 2}}
    assert Codec().write(Drawing(Circle(2))) == raw
    assert Codec().read(Drawing, raw) == Drawing(Circle(2))


def test_an_array_has_all_fields_without_their_names() -> None:
    codec = Codec(arrays=(Pair,))
    assert codec.write(Pair(A)) == ["job.a", ""]
    assert codec.read(Pair, ["job.a", ""]) == Pair(A)


def test_unknown_fields_are_ignored_or_refused() -> None:
    raw = {**WRITTEN, "new": 1, "shape": {"shape": "square", "side": 1, "angle": 90}}
    assert Codec().read(Drawing, raw) == FULL
    with pytest.raises(ValueError, match="has no field"):
        Codec(strict=True).read(Drawing, raw)


@pytest.mark.parametrize(
    "other",
    [
        {"shape": {"shape": "triangle"}},
        {"shape": {"side": 1}},
        {"shape": {"shape": "circle", "radius": "2"}},
        {"shape": {"shape": "circle"}},
        {"color": "green"},
        {"color": ["red"]},
        {"pairs": [{"left": "nothing"}]},
        {"pairs": {}},
        {"inputs": []},
        {"by_address": {"job.a": True}},
        {"by_address": {'job.b["\u00e9"]': 1, 'job.b["e\u0301"]': 2}},
        {"moves": [["job.a"]]},
        {"note": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("strict", [False, True])
def test_what_is_of_another_form_is_refused(other: dict[str, Any], strict: bool) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Codec(strict=strict).read(Drawing, {**WRITTEN, **other})


def test_every_field_of_a_plan_has_a_form() -> None:
    Codec().form(SavedPlan)


def test_a_type_without_a_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no form"):
        Codec().form(set[str])
