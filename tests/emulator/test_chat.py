"""Parameters of chat completions, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

from tests.emulator.server import Emulator
from tests.emulator.talking import ANSWERS, GREETING, OFFERED, SKY, asked, schema, talker

HELLO = asked("Say hello")
SEA = asked("Which colour is the sea? Answer in JSON.")
JSON_OBJECT: Any = {"type": "json_object"}


@pytest.fixture(scope="module")
def client(shared: Emulator) -> Iterator[OpenAI]:
    talker(shared)
    with shared.v1() as client:
        yield client


def ask(client: OpenAI, messages: Any = HELLO, model: str = "talk", **more: Any) -> ChatCompletion:
    found = client.chat.completions.create(model=model, messages=messages, **more)
    assert isinstance(found, ChatCompletion)
    return found


def said(client: OpenAI, messages: Any = HELLO, model: str = "talk", **more: Any) -> str:
    return ask(client, messages, model, **more).choices[0].message.content or ""


def test_the_model_has_learned(client: OpenAI) -> None:
    assert {question: said(client, asked(question)) for question in ANSWERS} == ANSWERS


# Ends


@pytest.mark.parametrize(
    ("stop", "text"),
    [(",", "Good morning"), (["shop", " and"], "Good morning,"), (["nothing"], GREETING), ("Good", "")],
)
def test_a_text_ends_before_a_stop_sequence(client: OpenAI, stop: Any, text: str) -> None:
    choice = ask(client, stop=stop, logprobs=True).choices[0]
    assert (choice.message.content, choice.finish_reason) == (text, "stop")
    assert choice.logprobs is not None
    assert "".join(token.token for token in choice.logprobs.content or ()) == text


def test_the_first_of_stop_and_limit_counts(client: OpenAI) -> None:
    assert ask(client, stop=",", max_tokens=1).choices[0].finish_reason == "length"
    assert ask(client, stop=",", max_tokens=2).choices[0].finish_reason == "stop"


# Probabilities


def test_probabilities_are_those_of_the_model(client: OpenAI) -> None:
    found = ask(client, logprobs=True, top_logprobs=20).choices[0].logprobs
    assert found is not None and found.content
    assert "".join(token.token for token in found.content) == GREETING
    for token in found.content:
        assert bytes(token.bytes or ()).decode() == token.token
        best = [other.logprob for other in token.top_logprobs]
        assert best == sorted(best, reverse=True) and len(best) == 20
        assert sum(map(math.exp, best)) <= 1 + 1e-9
        assert token.top_logprobs[0].token == token.token
        assert token.top_logprobs[0].logprob == token.logprob < 0
    first, second, third, *_ = found.content
    others = {other.token: other.logprob for other in second.top_logprobs}
    assert first.token == "Good" and " night" in others, "the other text that begins so"
    assert others[" night"] < second.logprob
    assert third.logprob > second.logprob, "once the second word is known, the text is"


def test_probabilities_do_not_depend_on_what_is_shown(client: OpenAI) -> None:
    def shown(**more: Any) -> list[float]:
        found = ask(client, logprobs=True, **more).choices[0].logprobs
        return [token.logprob for token in (found.content if found else None) or ()]

    assert shown() == shown(top_logprobs=5)
    assert shown(max_tokens=2) == shown()[:2]
    assert ask(client).choices[0].logprobs is None


def test_a_rule_has_no_doubt(client: OpenAI) -> None:
    found = ask(client, model="base", logprobs=True, top_logprobs=2).choices[0].logprobs
    assert found is not None and found.content
    assert {token.logprob for token in found.content} == {0.0}
    assert [len(token.top_logprobs) for token in found.content[:2]] == [1, 1]


def test_noise_is_unlikely(client: OpenAI, shared: Emulator) -> None:
    usual = ask(client, logprobs=True).choices[0].logprobs
    shared.settings(answer_noise=1)
    noisy = {name: ask(client, model=name, logprobs=True).choices[0].logprobs for name in ("talk", "base")}
    shared.settings(answer_noise=0)

    def least(found: Any) -> float:
        return min((token.logprob for token in found.content), default=0.0)

    assert least(noisy["talk"]) < least(usual)
    assert least(noisy["base"]) == -9999.0


def test_calls_have_no_probabilities(client: OpenAI) -> None:
    choice = ask(client, asked("make the light red"), tools=OFFERED, logprobs=True).choices[0]
    assert choice.finish_reason == "tool_calls" and choice.logprobs is None


# Formats


def test_json_is_what_the_model_has_learned(client: OpenAI) -> None:
    assert json.loads(said(client, SEA, response_format=JSON_OBJECT)) == SKY
    assert json.loads(said(client, SEA, response_format=schema())) == SKY


def test_the_most_probable_answer_that_fits_is_given(client: OpenAI) -> None:
    degrees = schema(properties={"degrees": {"type": "integer"}}, required=["degrees"])
    assert json.loads(said(client, SEA, response_format=degrees)) == {"degrees": 21}
    found = said(client, HELLO, response_format=JSON_OBJECT)
    assert found in ANSWERS.values() and isinstance(json.loads(found), dict)


def test_an_answer_that_fits_no_schema_is_refused(client: OpenAI) -> None:
    years = schema(properties={"year": {"type": "integer"}}, required=["year"])
    with pytest.raises(openai.BadRequestError, match="No text that this model has learned fits") as caught:
        said(client, SEA, response_format=years)
    assert "Additional properties are not allowed ('colour', 'sure' were unexpected)" in str(caught.value)
    assert caught.value.param == "response_format"
    with pytest.raises(openai.BadRequestError, match="no language model here"):
        said(client, SEA, "base", response_format=schema())


def test_calls_need_no_format(client: OpenAI) -> None:
    found = ask(client, asked("make the light red"), tools=OFFERED, response_format=schema())
    assert found.choices[0].message.tool_calls


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"type": "xml"}, "must be text, json_object or json_schema"),
        ({"type": "json_schema"}, "needs a 'name'"),
        (schema("two words"), "needs a 'name'"),
        (schema(additionalProperties=True), "'additionalProperties' is required to be supplied"),
        (schema(required=["colour"]), "Missing 'sure'"),
        (schema(properties={"colour": {"type": "object"}}), "In context=.'properties', 'colour'.,"),
        (schema(type="array"), "JSON Schema of 'type: \"object\"'"),
        (schema(strict=False, properties={"colour": {"type": "colourful"}}), "colourful"),
        (schema(strict=False, properties={"colour": {"$ref": "http://127.0.0.1/a"}}), "127.0.0.1"),
    ],
)  # fmt: skip
def test_formats_that_are_refused(client: OpenAI, given: Any, problem: str) -> None:
    with pytest.raises(openai.BadRequestError, match=problem):
        said(client, SEA, response_format=given)


# Refusals


@pytest.mark.parametrize(
    ("parameter", "value", "problem"),
    [
        ("temperature", 2.1, "above maximum value. Expected a value <= 2, but got 2.1"),
        ("temperature", "hot", "expected a number"),
        ("top_p", -0.1, "below minimum value"),
        ("presence_penalty", -3, "below minimum value"),
        ("frequency_penalty", 3, "above maximum value"),
        ("n", 0, "below minimum value"),
        ("n", 129, "above maximum value"),
        ("max_tokens", 0, "below minimum value"),
        ("max_completion_tokens", 1.5, "expected an integer"),
        ("top_logprobs", 2, "only allowed when 'logprobs' is enabled"),
        ("logprobs", 1, "expected a boolean"),
        ("stop", ["a"] * 5, "at most 4"),
        ("stop", 1, "string or a list"),
        ("tool_choice", "maybe", "Supported values are: 'none', 'auto', 'required'"),
        ("stream_options", {"include_usage": True}, "only allowed when 'stream'"),
    ],
)
def test_parameters_that_are_refused(client: OpenAI, parameter: str, value: Any, problem: str) -> None:
    with pytest.raises(openai.BadRequestError, match=problem) as caught:
        ask(client, extra_body={parameter: value})
    assert caught.value.param == parameter


def test_a_number_of_logprobs_beyond_the_limit_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="above maximum value"):
        ask(client, logprobs=True, top_logprobs=21)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "robot", "content": "Hello"}, "messages[1].role"),
        ({"content": "Hello"}, "messages[1].role"),
        ({"role": "user", "content": None}, "messages[1].content"),
        ({"role": "user", "content": 1}, "messages[1].content"),
        ("Hello", "messages[1]"),
    ],
)
@pytest.mark.parametrize("plane", ["v1", "dated"])
def test_messages_that_are_refused(shared: Emulator, message: Any, param: str, plane: str) -> None:
    dated = "/openai/deployments/base/chat/completions?api-version=2024-10-21"
    path = "/openai/v1/chat/completions" if plane == "v1" else dated
    body = {"model": "base", "messages": [{"role": "user", "content": "Hello"}, message]}
    status, _, answer = shared.call("POST", path, body)
    assert (status, answer["error"]["param"]) == (400, param)
    assert answer["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool", "function"])
def test_roles_that_are_known(client: OpenAI, role: str) -> None:
    messages: Any = [{"role": role, "content": "Hello", "tool_call_id": "call_1", "name": "a"}, *HELLO]
    assert said(client, messages)


# Streams


def test_a_stream_has_the_tokens_of_the_whole(client: OpenAI) -> None:
    options: Any = {"include_usage": True}
    whole = ask(client, logprobs=True, n=2)
    with client.chat.completions.create(
        model="talk", messages=HELLO, stream=True, logprobs=True, n=2, stream_options=options
    ) as stream:
        chunks = list(stream)
    parts = [choice for chunk in chunks for choice in chunk.choices]
    texts = ["".join(p.delta.content or "" for p in parts if p.index == index) for index in (0, 1)]
    assert texts == [GREETING, GREETING]
    tokens = [t.logprob for p in parts if p.index == 0 and p.logprobs for t in p.logprobs.content or ()]
    assert whole.choices[0].logprobs is not None
    assert tokens == [token.logprob for token in whole.choices[0].logprobs.content or ()]
    assert [p.finish_reason for p in parts if p.finish_reason] == ["stop", "stop"]
    assert chunks[-1].usage == whole.usage
    assert {chunk.usage for chunk in chunks[:-1]} == {None}


def test_a_call_is_streamed_in_parts(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="talk", messages=asked("make the light red"), tools=OFFERED
    ) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls or []
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        ("set_colour", '{"colour": "red"}')
    ]
