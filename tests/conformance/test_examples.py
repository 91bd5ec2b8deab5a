"""Every official example is replayed: same status, same keys and types, or a known difference."""

from __future__ import annotations

import pytest

from tests.conformance.examples import EXAMPLES
from tests.conformance.facts import CONTROL, PREVIEW, ROOT, STABLE, example, needed
from tests.conformance.schemas import differences, shape
from tests.conformance.world import World

pytestmark = needed


@pytest.mark.parametrize("path", list(EXAMPLES), ids=lambda path: path.replace("/examples", ""))
def test_example(path: str, world: World) -> None:
    said, row = example(path), EXAMPLES[path]
    status, headers, body = row.send(world, said["parameters"])
    assert str(status) in said["responses"]
    response = said["responses"][str(status)]
    assert set(response.get("headers", {})) <= set(headers)
    lacking, beyond = differences(shape(response.get("body")), shape(body))
    if isinstance(body, bytes):  # no JSON: nothing, or the content of a file
        assert isinstance(response.get("body", ""), str)
        assert bool(body) == bool(response.get("body"))
        return
    assert lacking <= row.lacking
    assert beyond <= row.beyond


def test_every_example_is_replayed() -> None:
    places = (f"{STABLE}/examples", f"{PREVIEW}/examples", CONTROL)
    found = {f"{place}/{path.name}" for place in places for path in (ROOT / place).glob("*.json")}
    assert found == set(EXAMPLES)
