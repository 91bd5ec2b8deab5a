"""Managed compute as the examples of the API description 2026-09-15-preview have it: the same requests here,
and replies with all that theirs show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from tests.conformance.facts import ROOT, load
from tests.conformance.world import World

EXAMPLES = "2026-10/observed/spec_adapterDeployments_2026-09-15-preview.json"
_VERSION = "api-version=2026-09-15-preview"
_EXAMPLE = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/rg/providers/Microsoft\.CognitiveServices/accounts/acct"
)
_WEIGHTS = "azureai://accounts/acct/projects/proj/models/model1/versions/1"
_VARYING = re.compile(
    r"https?://[^/]+|[0-9a-f]{8}-[0-9a-f-]{27}(?=\?|$)|(?<=/locations/)\w+|(?<=/subscriptions/)[^/]+"
)

pytestmark = pytest.mark.skipif(
    not (ROOT / EXAMPLES).is_file(), reason=f"NOT CHECKED: no {EXAMPLES} in {ROOT}; set FTOPS_API_FACTS"
)
Reply = tuple[int, Mapping[str, str], Any]


class Examples:
    """Requests and replies, with the names of the emulated account."""

    def __init__(self, world: World) -> None:
        self.world = world
        job = world.finished(model="gpt-oss-120b", trainingType="GlobalStandard")
        model = job["fine_tuned_model"]
        weights = f"azureai://accounts/emulator/projects/project/models/{model}/versions/1"
        text = _EXAMPLE.sub(world.arm, json.dumps(load(EXAMPLES)))
        self.all: Any = json.loads(text.replace(_WEIGHTS, weights).replace("the same as before", weights))

    def send(self, name: str, path: str, etag: str = "") -> Reply:
        asked = self.all[name]["request"]
        headers = {header: etag or value for header, value in asked.get("headers", {}).items()}
        path = f"{self.world.arm}/{path}?{_VERSION}"
        return self.world.call(asked["method"], path, asked.get("body"), **headers)

    def properties(self, path: str) -> Any:
        return self.world.call("GET", f"{self.world.arm}/{path}?{_VERSION}")[2]["properties"]


@pytest.fixture
def examples(world: World) -> Examples:
    world.settings(
        retry_after_seconds=10, managed_seconds=900.0, adapter_seconds=60.0, retarget_reply="former"
    )
    return Examples(world)


def part(whole: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: whole.get(name) for name in names}


def headers_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Without what differs from call to call."""
    named = {name.lower(): _VARYING.sub("*", value) for name, value in headers.items()}
    return named | dict.fromkeys(named.keys() & {"etag", "retry-after"}, "*")


def check(reply: Reply, status: int, example: Any) -> None:
    """A reply has the status, the headers and the body of an example, and maybe more."""
    code, headers, body = reply
    assert code == status
    wanted = headers_of(example["headers"])
    assert part(headers_of(headers), wanted) == wanted
    shown = example.get("body", {})
    for now, then in ((body or {}, shown), ((body or {}).get("properties", {}), shown.get("properties", {}))):
        names = then.keys() - {"properties", "etag"}
        assert part(now, names) == part(then, names)
    assert "etag" not in shown or headers["etag"] == body["etag"]


def test_replies_have_all_that_the_examples_show(examples: Examples) -> None:
    world, replies = examples.world, examples.all
    base, adapter = "managedComputeDeployments/base1", "adapterDeployments/adapter1"
    made = examples.send("managed_compute_create", base)
    check(made, 201, replies["managed_compute_create"]["response_201"])
    assert made[2]["properties"]["provisioningState"] == "Accepted"
    examples.send("managed_compute_create", "managedComputeDeployments/base2")
    world.rest()
    ready, added = examples.properties(base), replies["managed_compute_create"]["response_200"]["added"]
    details = added.pop("provisioningDetails")
    assert part(ready, added) == added
    assert ready["provisioningDetails"].keys() == details.keys()

    created = examples.send("adapter_create", adapter)
    check(created, 201, replies["adapter_create"]["response"])
    world.rest()
    moved = examples.send("adapter_retarget", adapter, created[2]["etag"])
    check(moved, 200, replies["adapter_retarget"]["response"])
    world.rest()
    assert examples.properties(adapter)["targetDeploymentName"] == "base2"
    deleted = examples.send("adapter_delete", adapter, moved[2]["etag"])
    check(deleted, 202, replies["adapter_delete"]["responses"]["202"])
    world.rest()
    assert examples.send("adapter_delete", adapter, "*")[0] == 204
