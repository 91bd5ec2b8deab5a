"""openai for JavaScript: AzureOpenAI with a dated API version, and OpenAI on v1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.account import QUESTIONS, environment
from tests.clients.conftest import Did
from tests.clients.install import Client, from_npm
from tests.clients.manual import script
from tests.emulator.samples import jsonl, lines
from tests.emulator.server import Emulator
from tests.emulator.talking import GREETING, SKY

SECTION = "openai for JavaScript"
KINDS = ("azure", "v1")


@pytest.fixture(scope="module")
def openai() -> Client:
    return from_npm("openai (JavaScript)", "openai")


@pytest.mark.parametrize("kind", KINDS)
def test_a_job(openai: Client, emulator: Emulator, tmp_path: Path, did: Did, kind: str) -> None:
    did(openai, "files, jobs, events and checkpoints: AzureOpenAI with a dated version, OpenAI on v1")
    data = tmp_path / "train.jsonl"
    data.write_bytes(jsonl(lines(20)))
    run = script(openai, SECTION, "train.mjs")
    found = openai.json("node", run, **environment(emulator), KIND=kind, DATA=str(data))
    size = data.stat().st_size
    assert found["bytes"] == [size, size] and found["content"] == size
    assert found["model"].startswith("gpt-4o-mini-2024-07-18.ft-")
    assert "Training started." in found["events"]
    assert len(found["steps"]) == 3 and found["steps"] == sorted(found["steps"], reverse=True)
    assert found["listed"] and found["deleted"]


@pytest.mark.parametrize("kind", KINDS)
def test_answers(openai: Client, account: Emulator, did: Did, kind: str) -> None:
    did(openai, "chats, streams, tools, JSON, responses: AzureOpenAI with a dated version, OpenAI on v1")
    run = script(openai, SECTION, "ask.mjs")
    found: dict[str, Any] = openai.json(
        "node", run, **environment(account), KIND=kind, QUESTIONS=json.dumps(QUESTIONS)
    )
    texts = ("hello", "tokens", "stream", "said", "kept")
    assert {name: found[name] for name in texts} == dict.fromkeys(texts, GREETING)
    assert found["call"] == {"name": "set_colour", "arguments": '{"colour": "red"}'}
    assert found["called"] == '{"colour": "red"}'
    assert found["sky"] == SKY
    assert found["previous"] is True
    assert (found["gone"], found["refused"]) == (404, [400, "temperature"])
    assert found["kinds"][0] == "response.created"
    assert found["kinds"][-1] == "response.completed"
