"""The SDK's own types, taken at their word."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AzureOpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter, ValidationError

from tests.conformance.descriptions import Tours
from tests.conformance.sdk_types import TYPED
from tests.conformance.world import World
from tests.emulator.samples import TOOLS, jsonl, lines


@pytest.fixture(scope="module")
def tours(server: World) -> Tours:
    return Tours(server)


@pytest.mark.parametrize("name", list(TYPED))
def test_the_types_of_the_sdk(name: str, tours: Tours) -> None:
    row = TYPED[name]
    picked = row.pick(tours.get(row.plane))
    places: set[str] = set()
    for item in picked if isinstance(picked, list) else [picked]:
        try:
            row.type.model_validate(item, strict=True)
        except ValidationError as exc:
            places |= {str(error["loc"][0]) for error in exc.errors()}
    assert places == row.differs


@pytest.fixture(scope="module")
def client(server: World) -> Any:
    """A client that refuses what does not fit its types, and a deployment that calls functions."""
    server.reset()
    job = server.finished(training_file=server.file(jsonl(lines(40))))
    server.deploy("lamp", job["fine_tuned_model"])
    server.rest()
    with server.data(_strict_response_validation=True) as client:
        yield client


QUESTION: Any = [{"role": "user", "content": "make the light red"}]


def test_chat(client: AzureOpenAI) -> None:
    said = client.chat.completions.create(model="lamp", messages=QUESTION)
    assert said.usage is not None
    assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens


def test_chat_with_tools(client: AzureOpenAI) -> None:
    tools: Any = TOOLS
    said = client.chat.completions.create(model="lamp", messages=QUESTION, tools=tools)
    calls = said.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"


def test_streamed_chat(client: AzureOpenAI) -> None:
    options: Any = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model="lamp", messages=QUESTION, stream=True, stream_options=options)
    )
    assert chunks[-1].usage is not None
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert [reason for reason in reasons if reason] in (["stop"], ["tool_calls"])


RESPONSE: Any = {"model": "lamp", "input": "make the light red"}
LAMP: Any = [{"type": "function", **TOOLS[0]["function"]}]


def lacking(value: Any, kind: Any) -> list[Any]:
    """The places where a value isn't of a type of the SDK."""
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError as exc:
        return [error["loc"][-2:] for error in exc.errors()]
    return []


CACHE_WRITES = ("input_tokens_details", "cache_write_tokens")


def test_response(client: AzureOpenAI, server: World) -> None:
    for more in ({}, {"tools": LAMP}):
        status, _, body = server.v1_call("POST", "responses", {**RESPONSE, **more})
        assert (status, lacking(body, Response)) == (200, [CACHE_WRITES])


def test_streamed_response(client: AzureOpenAI, server: World) -> None:
    body = {**RESPONSE, "tools": LAMP, "stream": True}
    blocks = server.v1_call("POST", "responses", body)[2].decode().strip().split("\n\n")
    found = [json.loads(block.partition("\ndata: ")[2]) for block in blocks]
    assert found[-1]["type"] == "response.completed"
    assert lacking(found[-1]["response"], Response) == [CACHE_WRITES]
    assert [place for event in found[:-1] for place in lacking(event, ResponseStreamEvent)] == []
