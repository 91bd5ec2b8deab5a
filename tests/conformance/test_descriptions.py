"""Every reply has the form that the official descriptions give it."""

from __future__ import annotations

import pytest

from tests.conformance.descriptions import CASES, Tours, check_against, check_dated
from tests.conformance.facts import PREVIEW, STABLE, load, needed
from tests.conformance.schemas import Document
from tests.conformance.world import World

_DATED = [(which, name) for which, name, _, _ in CASES if which in ("stable", "preview")]
_OTHER = [(which, name) for which, name, _, _ in CASES if which not in ("stable", "preview")]


@pytest.fixture(scope="module")
def tours(server: World) -> Tours:
    return Tours(server)


@needed
@pytest.mark.parametrize(("which", "name"), _DATED, ids=[" ".join(case) for case in _DATED])
def test_the_dated_plane(which: str, name: str, tours: Tours) -> None:
    check_dated(tours, which, name)


@needed
@pytest.mark.parametrize(("which", "name"), _OTHER, ids=[" ".join(case) for case in _OTHER])
def test_v1_and_the_control_plane(which: str, name: str, tours: Tours) -> None:
    check_against(tours, which, name)


@needed
@pytest.mark.parametrize("place", [STABLE, PREVIEW])
def test_every_operation_is_compared(place: str) -> None:
    paths = load(f"{place}/azureopenai.distilled.json")["paths"]
    which = "stable" if place == STABLE else "preview"
    known = {name for plane, name in _DATED if plane == which}
    assert {operation["operationId"] for path in paths.values() for operation in path.values()} == known


_ONE = Document({"d": {"Name": {"type": "string", "minLength": 2}}})


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"type": "integer"}, True, "bool instead of integer"),
        ({"type": ["string", "null"]}, 1, "int instead of string or null"),
        ({"enum": ["a"]}, "b", "breaks enum"),
        ({"$ref": "#/d/Name"}, "x", "breaks minLength"),
        ({"required": ["a"], "properties": {}}, {}, "$.a: is missing"),
        ({"properties": {"a": {"items": {"type": "string"}}}}, {"a": [1]}, "$.a[]: int instead of string"),
        ({"additionalProperties": {"type": "number"}}, {"a": "1"}, "$.*: str instead of number"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "instead of"),
    ],
    ids=str,
)
def test_the_validator_sees(schema: dict[str, object], value: object, problem: str) -> None:
    assert problem in " ".join(_ONE.check(schema, value).problems)
