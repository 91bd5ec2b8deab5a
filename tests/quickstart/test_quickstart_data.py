"""The committed data of the quickstart: as it is generated, valid, balanced, and fair."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import in_process, quickstart

QUICKSTART = Path(__file__).resolve().parents[2] / "specs" / "quickstart"
TRAIN = "train.generated/dataset.jsonl"
FILES = (TRAIN, "valid.jsonl")
TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
}


@dataclass(frozen=True)
class Example:
    prompt: str
    function: str
    arguments: str


def load(name: str) -> Any:
    return json.loads((QUICKSTART / name).read_text(encoding="utf-8"))


def lines(name: str) -> list[Any]:
    text = (QUICKSTART / "data" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def examples(name: str) -> list[Example]:
    return [example(line) for line in lines(name)]


def example(line: Any) -> Example:
    _, user, assistant = line["messages"]
    (call,) = assistant["tool_calls"]
    return Example(user["content"], call["function"]["name"], call["function"]["arguments"])


def schemas() -> dict[str, Any]:
    return {f["function"]["name"]: f["function"]["parameters"] for f in load("functions.json")}


def plain(prompt: str) -> str:
    return " ".join(re.findall(r"[\w/-]+", prompt.casefold()))


def violations(arguments: Any, schema: Any) -> list[str]:
    """Where arguments break a function's parameter schema: just the keywords that we use."""
    found = [f"{name} is missing" for name in schema["required"] if name not in arguments]
    for name, value in arguments.items():
        rule = schema["properties"].get(name)
        if rule is None:
            found.append(f"{name} is unknown")
        elif isinstance(value, bool) or not isinstance(value, TYPES[rule["type"]]):
            found.append(f"{name} is no {rule['type']}")
        elif "enum" in rule and value not in rule["enum"]:
            found.append(f"{name} is none of {rule['enum']}")
        elif not rule.get("minimum", value) <= value <= rule.get("maximum", value):
            found.append(f"{name} is out of range")
    return found


def test_the_committed_recording_is_what_is_generated(tmp_path: Path) -> None:
    folder = quickstart(tmp_path)
    for file in (folder / "data" / "train.generated").iterdir():
        file.unlink()
    done = in_process(folder, "data", "generate")
    assert (done.returncode, done.stderr) == (0, "")
    for file in (QUICKSTART / "data" / "train.generated").iterdir():
        assert (folder / "data" / "train.generated" / file.name).read_bytes() == file.read_bytes()


def test_the_recording_names_its_teacher() -> None:
    manifest = (QUICKSTART / "data" / "train.generated" / "manifest.jsonl").read_text(encoding="utf-8")
    assert json.loads(manifest.splitlines()[0])["teacher"] == "templates"


def test_sizes() -> None:
    assert len(examples(TRAIN)) >= 240
    assert len(examples("valid.jsonl")) >= 40
    assert sum((QUICKSTART / "data" / name).stat().st_size for name in FILES) < 1_500_000


@pytest.mark.parametrize("name", FILES)
def test_every_line_has_the_shape_that_the_service_accepts(name: str) -> None:
    system = (QUICKSTART / "system.txt").read_text(encoding="utf-8").strip()
    for line in lines(name):
        assert set(line) == {"messages", "tools"}
        assert [set(message) for message in line["messages"]] == [
            {"role", "content"},
            {"role", "content"},
            {"role", "tool_calls"},
        ]
        assert [m["role"] for m in line["messages"]] == ["system", "user", "assistant"]
        assert line["messages"][0]["content"] == system
        assert line["messages"][1]["content"].strip()
        assert [set(call) for call in line["messages"][2]["tool_calls"]] == [{"id", "type", "function"}]


@pytest.mark.parametrize("name", FILES)
def test_functions_are_the_same_in_every_line(name: str) -> None:
    functions = load("functions.json")
    assert all(line["tools"] == functions for line in lines(name))


@pytest.mark.parametrize("name", FILES)
def test_arguments_satisfy_the_function_called(name: str) -> None:
    rules = schemas()
    broken = {
        example.prompt: found
        for example in examples(name)
        if (found := violations(json.loads(example.arguments), rules[example.function]))
    }
    assert broken == {}


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"level": 3, "mode": "on"}, []),
        ({"level": 3}, ["mode is missing"]),
        ({"level": 3.5, "mode": "on"}, ["level is no integer"]),
        ({"level": True, "mode": "on"}, ["level is no integer"]),
        ({"level": 0, "mode": "on"}, ["level is out of range"]),
        ({"mode": "maybe"}, ["mode is none of ['on', 'off']"]),
        ({"mode": "on", "colour": "red"}, ["colour is unknown"]),
    ],
)
def test_the_schema_checker_itself(arguments: Any, found: list[str]) -> None:
    level = {"type": "integer", "minimum": 1, "maximum": 9}
    mode = {"type": "string", "enum": ["on", "off"]}
    schema = {"properties": {"level": level, "mode": mode}, "required": ["mode"]}
    assert violations(arguments, schema) == found


@pytest.mark.parametrize("name", FILES)
def test_numbers_can_be_read_off_the_prompt(name: str) -> None:
    for example in examples(name):
        for value in json.loads(example.arguments).values():
            if not isinstance(value, str):
                assert str(value) in re.findall(r"-?\d+(?:\.\d+)?", example.prompt)


@pytest.mark.parametrize("name", FILES)
def test_sixteen_functions_are_all_used(name: str) -> None:
    assert len(schemas()) == 16
    assert {example.function for example in examples(name)} == set(schemas())


@pytest.mark.parametrize("name", FILES)
def test_share_of_requests_to_decline(name: str) -> None:
    calls = Counter(example.function for example in examples(name))
    assert 0.25 <= calls["reject_request"] / calls.total() <= 0.30


def test_no_prompt_occurs_twice_in_either_file() -> None:
    prompts = Counter(plain(example.prompt) for name in FILES for example in examples(name))
    assert [prompt for prompt, count in prompts.items() if count > 1] == []


def test_no_evaluation_prompt_is_in_the_data() -> None:
    evaluated = {plain(prompt) for prompts in load("prompts.json").values() for prompt in prompts}
    seen = {plain(example.prompt) for name in FILES for example in examples(name)}
    assert evaluated & seen == set()


def test_evaluation_prompts_expect_functions_that_exist() -> None:
    sections = load("prompts.json")
    assert {section: len(prompts) for section, prompts in sections.items()} == {
        "straightforward": 10,
        "challenging": 10,
    }
    expected = [call for prompts in sections.values() for call in prompts.values()]
    assert {call if isinstance(call, str) else call["call"] for call in expected} <= set(schemas())
    assert set(sections["challenging"].values()) == {"reject_request"}
