"""What deployments answer: samples, the time they take, rate limits, cached prompts, recordings."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from ftops.dataset.files.jsonl_io import canonical
from ftops.emulator.data_plane.inference import request_key
from tests.emulator.samples import TOOLS
from tests.emulator.server import Emulator, deployment

DIM: Any = [{"role": "user", "content": "dim the lamp to 40 percent"}]
HELLO: Any = [{"role": "user", "content": "Hello"}]
JSON_ONLY: Any = {"type": "json_object"}


@pytest.fixture
def base(emulator: Emulator) -> Emulator:
    """With the deployments `base`, `other` (both of a capacity of 2) and `replay`."""
    with emulator.control() as control:
        for name, model, version in (
            ("base", "gpt-4o-mini", "2024-07-18"),
            ("other", "gpt-4o-mini", "2024-07-18"),
            ("replay", "replay", "1"),
        ):
            body = deployment(model, version, capacity=2)
            control.deployments.begin_create_or_update("rg-emulator", "emulator", name, body).result()
    emulator.advance(1)
    return emulator


def ask(emulator: Emulator, messages: Any = DIM, model: str = "base", **more: Any) -> ChatCompletion:
    with emulator.v1() as client:
        found = client.chat.completions.create(model=model, messages=messages, **more)
    assert isinstance(found, ChatCompletion)
    return found


def called(completion: ChatCompletion) -> Any:
    """The function of the only call."""
    calls: Any = completion.choices[0].message.tool_calls
    assert len(calls) == 1
    return calls[0].function


def samples(emulator: Emulator, count: int = 40) -> list[str]:
    tools: Any = TOOLS
    return [called(ask(emulator, tools=tools)).name for _ in range(count)]


def test_an_answer_is_always_the_same(base: Emulator) -> None:
    assert set(samples(base, 5)) == {"dim"}


def test_noise_makes_a_share_of_the_samples_differ_and_can_be_repeated(base: Emulator) -> None:
    base.settings(answer_noise=0.25)
    first = samples(base)
    wrong = [name for name in first if name != "dim"]
    assert 3 <= len(wrong) <= 20
    assert set(wrong) == {"set_colour", "decline"}
    base.reset()
    with base.control() as control:
        body = deployment("gpt-4o-mini", "2024-07-18")
        control.deployments.begin_create_or_update("rg-emulator", "emulator", "base", body).result()
    base.advance(1)
    base.settings(answer_noise=0.25)
    assert samples(base) == first


def test_choices_are_samples_and_texts_have_noise_too(base: Emulator) -> None:
    base.settings(answer_noise=1)
    texts = {choice.message.content or "" for choice in ask(base, HELLO, n=4).choices}
    assert len(texts) == 4
    base.settings(answer_noise=0)
    usual = ask(base, HELLO).choices[0].message.content or ""
    assert usual not in texts
    assert {tuple(sorted(text.split())) for text in texts} == {tuple(sorted(usual.split()))}


def test_a_function_without_an_alternative_loses_its_arguments(base: Emulator) -> None:
    base.settings(answer_noise=1)
    only: Any = {"type": "function", "function": {"name": "dim"}}
    tools: Any = TOOLS
    call = called(ask(base, tools=tools, tool_choice=only))
    assert (call.name, call.arguments) == ("dim", "{}")


def test_answers_take_time_in_proportion_to_their_tokens(base: Emulator) -> None:
    """In virtual time: at 1,000 times the speed, a minute takes 60 ms."""
    base.admin("POST", "clock", {"rate": 1000})
    base.settings(answer_seconds=200)
    tokens = ask(base, HELLO).usage
    assert tokens is not None
    started = time.perf_counter()
    ask(base, HELLO)
    assert time.perf_counter() - started >= 0.2 * tokens.completion_tokens / 20
    base.admin("POST", "clock", {"rate": 1})


def test_requests_beyond_the_capacity_are_refused(base: Emulator) -> None:
    base.settings(requests_per_unit=1)
    base.admin("POST", "clock", {"rate": 0})
    base.advance(10 - base.admin("GET", "clock")["now"] % 10)
    with base.v1() as client:
        raw = client.chat.completions.with_raw_response
        headers = [raw.create(model="base", messages=DIM).headers for _ in range(2)]
        assert [h["x-ratelimit-remaining-requests"] for h in headers] == ["1", "0"]
        assert {h["x-ratelimit-limit-requests"] for h in headers} == {"2"}
        with pytest.raises(openai.RateLimitError, match="exceeded call rate limit") as caught:
            client.chat.completions.create(model="base", messages=DIM)
        assert caught.value.response.headers["retry-after"] == "10"
        assert caught.value.response.headers["retry-after-ms"] == "10000"
        raw.create(model="other", messages=DIM)  # has a limit of its own
        base.advance(10)
        raw.create(model="base", messages=DIM)
    base.admin("POST", "clock", {"rate": 1})


def test_tokens_count_with_those_that_an_answer_may_have(base: Emulator) -> None:
    base.settings(tokens_per_unit=100)
    base.admin("POST", "clock", {"rate": 0})
    base.advance(60 - base.admin("GET", "clock")["now"] % 60)
    with base.v1() as client:
        headers = client.chat.completions.with_raw_response.create(
            model="base", messages=HELLO, max_tokens=150
        ).headers
        assert headers["x-ratelimit-limit-tokens"] == "200"
        assert int(headers["x-ratelimit-remaining-tokens"]) == 200 - 150 - 4
        with pytest.raises(openai.RateLimitError, match="exceeded token rate limit"):
            client.chat.completions.create(model="base", messages=HELLO, max_tokens=150)
        client.chat.completions.create(model="base", messages=HELLO)
    row = base.call("GET", f"{base.arm}/deployments/base?api-version=2024-10-01")[2]
    assert row["properties"]["rateLimits"] == [
        {"key": "request", "renewalPeriod": 10, "count": 2},
        {"key": "token", "renewalPeriod": 60, "count": 200},
    ]
    base.admin("POST", "clock", {"rate": 1})


def test_the_sdk_waits_as_long_as_the_headers_say(base: Emulator) -> None:
    base.settings(requests_per_unit=1)
    base.admin("POST", "clock", {"rate": 50})
    with base.v1() as client:
        patient = client.with_options(max_retries=5)
        for _ in range(6):
            patient.chat.completions.create(model="base", messages=DIM)
    statuses = Counter(row["status"] for row in base.admin("GET", "log")["requests"] if "chat" in row["path"])
    assert statuses[200] == 6
    assert statuses[429] >= 1
    base.admin("POST", "clock", {"rate": 1})


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_an_answer_ends_where_the_request_says(base: Emulator, name: str) -> None:
    limit: Any = {name: 3}
    choice = ask(base, HELLO, **limit).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("I am an", "length")
    tools: Any = TOOLS
    found = ask(base, tools=tools, **limit)
    assert (called(found).name, called(found).arguments) == ("dim", '{"')
    assert found.choices[0].finish_reason == "length"
    assert found.usage is not None and found.usage.completion_tokens <= 3
    more: Any = {name: 50}
    whole = ask(base, tools=tools, **more)
    assert (called(whole).arguments, whole.choices[0].finish_reason) == ('{"percent": 40}', "tool_calls")


def test_a_legacy_call_ends_there_too(base: Emulator) -> None:
    functions: Any = [tool["function"] for tool in TOOLS]
    choice = ask(base, functions=functions, max_tokens=2).choices[0]
    assert choice.message.function_call is not None
    assert (choice.message.function_call.name, choice.message.function_call.arguments) == ("dim", "{")
    assert choice.finish_reason == "length"


def test_the_beginning_of_a_prompt_is_cached(base: Emulator) -> None:
    system = {"role": "system", "content": "word " * 1500}

    def cached(user: str, model: str = "base") -> int:
        usage = ask(base, [system, {"role": "user", "content": user}], model).usage
        assert usage is not None and usage.prompt_tokens_details is not None
        assert usage.prompt_tokens > 1500
        return usage.prompt_tokens_details.cached_tokens or 0

    assert [cached("Hello"), cached("Hello"), cached("Bye")] == [0, 1408, 1408]
    assert cached("Hello", "other") == 1408, "another deployment of the same model"
    base.advance(601)
    assert cached("Hello") == 0
    short = ask(base, HELLO).usage
    assert short is not None and short.prompt_tokens_details is not None
    assert short.prompt_tokens_details.cached_tokens == 0


def test_a_base_model_writes_no_json(base: Emulator) -> None:
    with pytest.raises(openai.BadRequestError, match="no language model here"):
        ask(base, HELLO, response_format=JSON_ONLY)
    tools: Any = TOOLS
    assert called(ask(base, tools=tools, tool_choice="required", response_format=JSON_ONLY)).name == "dim"


def recording(messages: Any, text: str, **more: Any) -> dict[str, Any]:
    body = {"messages": messages, **more}
    return {"key": request_key(body), "message": {"role": "assistant", "content": text}}


def write(path: Path, *lines: dict[str, Any]) -> str:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return str(path)


def test_a_recording_is_given_again_and_nothing_else(base: Emulator, tmp_path: Path) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    call = {"id": "call_1", "type": "function", "function": {"name": "dim", "arguments": '{"percent": 40}'}}
    file = write(
        tmp_path / "teacher.jsonl",
        {**recording(HELLO, "Good day.", temperature=0.8), "usage": usage},
        {**recording(DIM, "", tools=TOOLS), "message": {"content": None, "tool_calls": [call]}},
    )
    base.settings(recordings=file)
    found = ask(base, HELLO, "replay", temperature=0.8)
    assert found.choices[0].message.content == "Good day."
    assert found.usage is not None and found.usage.total_tokens == 14
    tools: Any = TOOLS
    found = ask(base, DIM, "replay", tools=tools)
    assert (called(found).name, found.choices[0].finish_reason) == ("dim", "tool_calls")
    with (
        base.v1() as client,
        client.chat.completions.create(
            model="replay", messages=HELLO, temperature=0.8, stream=True
        ) as stream,
    ):
        assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices) == "Good day."
    for settings in ({}, {"temperature": 0.7}):
        key = request_key({"messages": HELLO, **settings})
        with pytest.raises(openai.NotFoundError, match=key) as caught:
            ask(base, HELLO, "replay", **settings)
        assert caught.value.code == "RecordingNotFound"


def test_lines_with_one_key_are_given_in_turn_and_a_changed_file_is_read_again(
    base: Emulator, tmp_path: Path
) -> None:
    path = tmp_path / "teacher.jsonl"
    base.settings(recordings=write(path, recording(HELLO, "One."), recording(HELLO, "Two.")))

    def text() -> str | None:
        return ask(base, HELLO, "replay").choices[0].message.content

    assert [text() for _ in range(3)] == ["One.", "Two.", "One."]
    write(path, recording(HELLO, "Three, at last."))
    assert text() == "Three, at last."


def test_recordings_that_cannot_be_used(base: Emulator, tmp_path: Path) -> None:
    for content, match in (
        ('{"key": "a"}\n', "Line 1 of .* is not a recording"),
        ('\n{"key": "a", "message": {"tool_calls": [{}]}}\n', "Line 2 of .* is not a recording"),
        (None, "can't be read: No such file"),
    ):
        path = tmp_path / f"{len(match)}.jsonl"
        if content is not None:
            path.write_text(content)
        base.settings(recordings=str(path))
        with pytest.raises(openai.BadRequestError, match=match):
            ask(base, HELLO, "replay")
    base.settings(recordings=str(tmp_path))
    with pytest.raises(openai.BadRequestError, match="are not a file"):
        ask(base, HELLO, "replay")
    base.settings(recordings="")
    with pytest.raises(openai.NotFoundError, match="no recordings"):
        ask(base, HELLO, "replay")


@pytest.mark.parametrize(
    "settings", [{}, {"temperature": 0.8, "seed": 7}, {"top_p": 1e16}, {"user_data": ["ä", "\ud800", 2**70]}]
)
def test_the_key_is_that_of_canonical_json(settings: dict[str, Any]) -> None:
    """So that ftops and other programs compute the same one."""
    content = {"messages": DIM, "settings": settings, "tools": TOOLS}
    body = {"model": "x", "n": 2, "stream": True, "user": "u", "messages": DIM, "tools": TOOLS, **settings}
    assert request_key(body) == hashlib.sha256(canonical(content)).hexdigest()
