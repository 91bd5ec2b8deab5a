"""The Responses API by the SDK: create, stream, continue, retrieve, delete, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from ftops.emulator.data_plane.inference import request_key
from tests.emulator.server import Emulator, deployment
from tests.emulator.talking import COLOUR, GREETING, SKY, talker

SYSTEM = "You control a lamp."
SEA = "Which colour is the sea? Answer in JSON."
LAMP: Any = {
    "type": "function",
    "name": "set_colour",
    "description": "Choose the colour of the lamp.",
    "strict": False,
    "parameters": {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]},
}
PREVIEW = "api-version=2025-04-01-preview"


@pytest.fixture(scope="module")
def client(shared: Emulator) -> Iterator[OpenAI]:
    talker(shared)
    with shared.v1() as client:
        yield client


def create(client: OpenAI, said: Any = "Say hello", **more: Any) -> Response:
    found = client.responses.create(**{"model": "talk", "instructions": SYSTEM, "input": said, **more})
    assert isinstance(found, Response)
    return found


def deploy(emulator: Emulator, model: str, version: str) -> None:
    """Under the name of the model."""
    with emulator.control() as control:
        body = deployment(model, version)
        control.deployments.begin_create_or_update("rg-emulator", "emulator", model, body).result()
    emulator.advance(1)


def items(response: Response) -> list[Any]:
    return [item.model_dump(exclude_none=True) for item in response.output]


def test_a_text(client: OpenAI) -> None:
    found = create(client, metadata={"a": "b"}, user="me")
    assert (found.status, found.output_text, found.instructions) == ("completed", GREETING, SYSTEM)
    assert (found.metadata, found.user, found.error) == ({"a": "b"}, "me", None)
    assert found.usage is not None
    assert found.usage.total_tokens == found.usage.input_tokens + found.usage.output_tokens
    chat = client.chat.completions.create(
        model="talk",
        messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Say hello"}],
    )
    assert chat.usage is not None
    assert chat.usage.prompt_tokens == found.usage.input_tokens
    assert chat.usage.completion_tokens == found.usage.output_tokens


def test_a_base_model_answers_too(client: OpenAI) -> None:
    assert create(client, model="base").output_text.startswith("I am an untuned base model")
    (call,) = items(create(client, "Which colour? Red", model="base", tools=[LAMP]))
    assert (call["type"], call["name"]) == ("function_call", "set_colour")


def test_a_call_and_its_result(client: OpenAI) -> None:
    asked = create(client, "make the light red", tools=[LAMP])
    (call,) = items(asked)
    assert (call["name"], call["arguments"], call["status"]) == (
        "set_colour",
        '{"colour": "red"}',
        "completed",
    )
    output: Any = [{"type": "function_call_output", "call_id": call["call_id"], "output": "done"}]
    after = create(client, output, previous_response_id=asked.id, tools=[LAMP])
    assert after.previous_response_id == asked.id
    listed = client.responses.input_items.list(after.id, order="asc").data
    assert [item.type for item in listed] == ["message", "function_call", "function_call_output"]
    newest: Any = client.responses.input_items.list(after.id, limit=1)
    assert newest.data[0].type == "function_call_output" and newest.has_more
    whole: Any = [{"role": "user", "content": "make the light red"}, call, *output]
    same = create(client, whole, tools=[LAMP])
    assert same.usage == after.usage and same.output_text == after.output_text


def test_a_forced_call(client: OpenAI) -> None:
    choice: Any = {"type": "function", "name": "set_colour"}
    (call,) = items(create(client, tools=[LAMP], tool_choice=choice))
    assert call["name"] == "set_colour"
    (text,) = items(create(client, tools=[LAMP], tool_choice="none"))
    assert text["type"] == "message"


def test_a_format(client: OpenAI) -> None:
    form: Any = {"format": {"type": "json_schema", "name": "sky", "strict": True, "schema": COLOUR}}
    found = create(client, SEA, text=form)
    assert json.loads(found.output_text) == SKY
    assert found.text is not None and found.text.format is not None
    assert found.text.format.type == "json_schema"
    form["format"]["schema"] = {**COLOUR, "required": []}
    with pytest.raises(openai.BadRequestError, match="Missing 'colour'") as caught:
        create(client, SEA, text=form)
    assert caught.value.param == "text.format"

    class Sky(BaseModel):
        colour: str
        sure: bool

    parsed = client.responses.parse(model="talk", instructions=SYSTEM, input=SEA, text_format=Sky)
    assert parsed.output_parsed == Sky(**SKY)


def test_probabilities(client: OpenAI) -> None:
    include: Any = ["message.output_text.logprobs"]
    (text,) = items(create(client, include=include, top_logprobs=2))
    tokens = text["content"][0]["logprobs"]
    assert "".join(token["token"] for token in tokens) == GREETING
    assert all(token["logprob"] < 0 and len(token["top_logprobs"]) == 2 for token in tokens)
    assert items(create(client))[0]["content"][0]["logprobs"] == []


def test_an_answer_that_is_cut_off(client: OpenAI, shared: Emulator) -> None:
    shared.settings(answer_noise=1)  # without noise, no answer is that long
    found = create(client, model="base", max_output_tokens=16)
    shared.settings(answer_noise=0)
    assert found.status == "incomplete"
    assert found.incomplete_details is not None
    assert found.incomplete_details.reason == "max_output_tokens"
    assert found.usage is not None and found.usage.output_tokens == 16
    assert items(found)[0]["status"] == "incomplete"


# Streams

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
BEGIN = ["response.created", "response.in_progress", "response.output_item.added"]


def events(client: OpenAI, text: str, **more: Any) -> list[Any]:
    with client.responses.create(
        **{"model": "talk", "instructions": SYSTEM, "input": text, "stream": True, **more}
    ) as stream:
        return list(stream)


def kinds(found: list[Any]) -> list[str]:
    """The types in their order, each only once where it is repeated."""
    return [e.type for i, e in enumerate(found) if i == 0 or found[i - 1].type != e.type]


def test_a_text_is_streamed_in_the_documented_order(client: OpenAI) -> None:
    found = events(client, "Say hello")
    assert kinds(found) == [
        *BEGIN,
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in found] == list(range(len(found)))
    assert "".join(e.delta for e in found if e.type == "response.output_text.delta") == GREETING
    assert found[0].response.status == "in_progress" and found[0].response.output == []
    assert client.responses.retrieve(found[-1].response.id) == found[-1].response
    assert {e.item_id for e in found if hasattr(e, "item_id")} == {found[-1].response.output[0].id}


def test_a_call_is_streamed_in_the_documented_order(client: OpenAI) -> None:
    found = events(client, "make the light red", tools=[LAMP])
    assert kinds(found) == [
        *BEGIN,
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]
    deltas = "".join(e.delta for e in found if e.type == "response.function_call_arguments.delta")
    assert deltas == '{"colour": "red"}' == found[-1].response.output[0].arguments


def test_events_are_of_the_types_of_the_sdk(client: OpenAI, shared: Emulator) -> None:
    """Taken at their word. Usage lacks cache writes, which the newest types of OpenAI have."""
    for more in ({}, {"tools": [LAMP]}, {"include": ["message.output_text.logprobs"], "top_logprobs": 3}):
        body = {"model": "talk", "input": "make the light red", "stream": True, **more}
        raw = shared.call("POST", "/openai/v1/responses", body)[2].decode()
        for block in raw.strip().split("\n\n"):
            name, _, data = block.partition("\n")
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            if usage := (event.get("response") or {}).get("usage"):
                usage["input_tokens_details"]["cache_write_tokens"] = 0
            EVENTS.validate_python(event, strict=True)


def test_the_helper_of_the_sdk_gathers_a_stream(client: OpenAI) -> None:
    with client.responses.stream(model="talk", instructions=SYSTEM, input="Say hello") as stream:
        assert stream.get_final_response().output_text == GREETING


# What is kept


def test_a_response_is_kept_until_it_is_deleted(client: OpenAI) -> None:
    found = create(client)
    assert client.responses.retrieve(found.id) == found
    client.responses.delete(found.id)
    for call in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError, match="not found"):
            call(found.id)


def test_a_response_is_kept_for_thirty_days(emulator: Emulator) -> None:
    deploy(emulator, "gpt-4o-mini", "2024-07-18")
    with emulator.v1() as client:
        found = create(client, model="gpt-4o-mini")
        emulator.advance(29 * 86400)
        client.responses.retrieve(found.id)
        emulator.advance(86400)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(found.id)


def test_what_is_not_stored_cannot_be_continued(client: OpenAI) -> None:
    found = create(client, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(found.id)
    with pytest.raises(openai.BadRequestError, match=found.id) as caught:
        create(client, previous_response_id=found.id)
    assert caught.value.code == "previous_response_not_found"


def test_responses_outlive_the_server(start: Any) -> None:
    emulator = start()
    deploy(emulator, "gpt-4o-mini", "2024-07-18")
    with emulator.v1() as client:
        found = create(client, model="gpt-4o-mini")
    emulator.stop()
    emulator = start()
    with emulator.v1() as client:
        assert client.responses.retrieve(found.id) == found


def test_the_dated_plane_has_it_since_its_preview(shared: Emulator, client: OpenAI) -> None:
    body = {"model": "talk", "input": "Say hello"}
    status, _, found = shared.call("POST", f"/openai/responses?{PREVIEW}", body)
    assert (status, found["object"]) == (200, "response")
    path = f"/openai/responses/{found['id']}"
    assert shared.call("GET", f"{path}?{PREVIEW}")[2] == found
    assert shared.call("DELETE", f"{path}?{PREVIEW}")[2] == {
        "id": found["id"], "object": "response", "deleted": True,
    }  # fmt: skip
    assert shared.call("POST", "/openai/responses?api-version=2024-10-21", body)[0] == 404


def test_recordings_of_chats_apply(shared: Emulator, client: OpenAI, tmp_path: Path) -> None:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Hi"}]
    line = {"key": request_key({"messages": messages}), "message": {"content": "Good day."}}
    file = tmp_path / "teacher.jsonl"
    file.write_text(json.dumps(line), encoding="utf-8")
    shared.settings(recordings=str(file))
    deploy(shared, "replay", "1")
    assert create(client, "Hi", model="replay").output_text == "Good day."


# Refusals


@pytest.mark.parametrize(
    ("changes", "param", "problem"),
    [
        ({"input": ""}, "input", "a text or a list of items"),
        ({"input": [{"role": "robot", "content": "a"}]}, "input[0].role", "Supported values are: 'user'"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type", "The emulator knows"),
        ({"input": [{"type": "function_call_output", "output": "a"}]}, "input[0].call_id", "is required"),
        ({"max_output_tokens": 15}, "max_output_tokens", "Expected a value >= 16, but got 15"),
        ({"temperature": 3}, "temperature", "Expected a value <= 2"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "only tools of the type 'function'"),
        (
            {"tools": [LAMP], "tool_choice": {"type": "mcp"}},
            "tool_choice",
            "no tool_choice of the type 'mcp'",
        ),
        ({"tools": [LAMP], "tool_choice": "maybe"}, "tool_choice", "Supported values are"),
        ({"background": True}, "background", "has no 'background'"),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "'resp_1' not found"),
        ({"model": "nothing"}, None, "deployment for this resource does not exist"),
    ],
)
def test_what_is_refused(shared: Emulator, client: OpenAI, changes: Any, param: Any, problem: str) -> None:
    body = {"model": "talk", "input": "Say hello", **changes}
    status, _, answer = shared.call("POST", "/openai/v1/responses", body)
    assert status == (404 if param is None else 400)
    assert (answer["error"]["param"], answer["error"]["type"] != "") == (param, True)
    assert problem in answer["error"]["message"]


def test_only_a_response_of_the_background_is_cancelled_or_streamed_later(client: OpenAI) -> None:
    found = create(client)
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        client.responses.cancel(found.id)
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.retrieve(found.id, stream=True)
