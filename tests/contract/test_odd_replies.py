"""Replies with values of another type than they should have: they count as unknown, or as no usable reply."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ftops.core.errors import ProviderError
from ftops.core.reply_json import parsed
from ftops.providers.account_facts import Reach
from ftops.providers.azure.provider import AzureProvider
from tests.contract.azure_cloud import Cloud, job, recorded
from tests.contract.wire import Wire, tapped

KINDS = ("dataset", "job", "deployment")
ODD = (True, 5, "x", "9" * 5000, ["x"], {"a": 1})
HUGE = 10**400


@pytest.fixture
def wire(cloud: Cloud) -> Iterator[Wire]:
    with tapped(Wire(cloud.url)) as tap:
        yield tap


@pytest.fixture
def azure(wire: Wire, cloud: Cloud) -> Iterator[AzureProvider]:
    provider = cloud.provider(endpoint=wire.url, control_plane={"endpoint": wire.url, "token": cloud.key})
    yield provider
    provider.close()


def path_of(wire: Wire, pattern: str) -> str:
    """The path of an earlier request that ends so."""
    return next(f"GET {e.path}" for e in wire.exchanges if re.search(pattern, e.path))


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:10])
def test_an_account_with_odd_values_can_be_inspected(azure: AzureProvider, wire: Wire, odd: Any) -> None:
    azure.inspect(KINDS)
    limits = [{"name": "maxFineTuneCount", "value": odd}]
    model = {"name": "m", "skus": [{"name": "s", "capacity": {"maximum": odd}}], "format": odd}
    wire.replies = {
        path_of(wire, "/accounts/[^/]+$"): (
            200,
            {"location": "swedencentral", "properties": {"capabilities": limits}},
        ),
        path_of(wire, "/models$"): (
            200,
            {"value": [model, odd]},
        ),
        path_of(wire, "/permissions$"): (200, {"value": [{"actions": odd, "notDataActions": odd}]}),
        path_of(wire, "/usages$"): (200, {"value": odd}),
        path_of(wire, "/files$"): (200, {"data": [{"id": odd, "bytes": odd}, odd], "has_more": odd}),
        path_of(wire, "/jobs$"): (200, {"data": odd, "has_more": odd}),
    }
    facts = azure.inspect(KINDS)
    assert facts.location == "swedencentral"
    assert facts.counts["queued_jobs"] == 0
    assert facts.usages == ()
    assert not {limit for limit in facts.limits.values() if limit > 10**18}


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:10])
def test_a_job_with_odd_values_can_be_read(
    azure: AzureProvider, wire: Wire, tmp_path: Path, odd: Any
) -> None:
    asked = job(tmp_path, "file-a")
    wire.replies = {
        "POST /openai/v1/fine_tuning/jobs": (200, {"id": "ftjob-a", "status": odd}),
        "GET /openai/v1/fine_tuning/jobs/ftjob-a": (
            200,
            {"id": "ftjob-a", "status": "succeeded", "created_at": odd, "result_files": odd, "method": odd},
        ),
        "GET /openai/v1/fine_tuning/jobs/ftjob-a/checkpoints": (200, {"data": odd}),
        "GET /openai/v1/fine_tuning/jobs/ftjob-a/events": (
            200,
            {"data": [{"id": "e", "message": f"Step 1/{'9' * 5000}", "data": {"step": odd}}]},
        ),
    }
    running = recorded(asked, azure.create(asked))
    found = azure.read(running)
    assert found is not None
    assert json.dumps(found.attributes)
    assert len(azure.progress(running, "")[0]) == 1


def test_an_error_with_odd_details_is_an_error(azure: AzureProvider, wire: Wire, tmp_path: Path) -> None:
    asked = job(tmp_path, "file-a")
    body = {"error": {"code": 5, "message": ["x"], "details": 5}}
    wire.replies = {"POST /openai/v1/fine_tuning/jobs": (400, body)}
    with pytest.raises(ProviderError, match="start job"):
        azure.create(asked)


@pytest.mark.parametrize("path", ["/models$", "/files$"])
def test_a_reply_that_is_nested_too_deeply_is_no_fault_of_the_spec(
    azure: AzureProvider, wire: Wire, path: str
) -> None:
    azure.inspect(KINDS)
    planned = wire._planned
    deep = path_of(wire, path)
    body = (200, [("content-type", "application/json")], b'{"value":' * 100_000)
    wire.__dict__["_planned"] = lambda what: body if what == deep else planned(what)
    facts = azure.inspect(KINDS)
    assert (facts.models is None) is (path == "/models$")
    assert (facts.training.reach is Reach.BUSY) is (path == "/files$")


def test_a_link_to_another_server_of_this_machine_is_not_followed(
    azure: AzureProvider, wire: Wire, cloud: Cloud
) -> None:
    azure.inspect(KINDS)
    with tapped(Wire(cloud.url)) as other:
        link = {"value": [{"name": "m"}], "nextLink": f"{other.url}/subscriptions?api-version=2024-10-01"}
        wire.replies = {path_of(wire, "/models$"): (200, link)}
        assert azure.inspect(KINDS).models is None
        assert not other.exchanges


def test_numbers_that_nothing_can_hold_are_unknown() -> None:
    text = f'{{"a": NaN, "b": [-Infinity, 1e999, {HUGE}, -{HUGE}], "c": 1.5, "d": 12345678901234567890}}'
    assert parsed(text) == {"a": None, "b": [None] * 4, "c": 1.5, "d": 12345678901234567890}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (rb'"\ud800x"', "?x"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (b'\xef\xbb\xbf"a"', "a"),
        (b'"\xff"', "\ufffd"),
    ],
)
def test_text_that_cannot_be_written_is_replaced(content: bytes, text: str) -> None:
    assert parsed(content) == text
