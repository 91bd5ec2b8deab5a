"""Transforms on every format: what they change, and that their results pass the checks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ftops.core.errors import Diagnostic
from ftops.dataset import inspect
from ftops.dataset.files.jsonl_io import DataError
from ftops.dataset.formats import OUTPUTS
from ftops.dataset.profile.tokens import definitions
from ftops.dataset.transforms.transform import apply, to_tools

CITY = {"type": "string", "description": "Name of city"}
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"$ref": "#/$defs/City"}},
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"City": CITY},
}
WEATHER = {"name": "get_weather", "description": "Weather now", "strict": True, "parameters": PARAMETERS}
CALLED = {"name": "get_weather", "arguments": '{"city": "Rome"}'}
ASK = {"role": "user", "content": "weather in Rome?"}
FORMS: Mapping[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "tools": (
        {"tools": [{"type": "function", "function": WEATHER}], "parallel_tool_calls": False},
        {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": CALLED}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"},
    ),
    "functions": (
        {"functions": [WEATHER]},
        {"role": "assistant", "function_call": CALLED},
        {"role": "function", "name": "get_weather", "content": "Sunny"},
    ),
}
"""What an example offers, a call, and its result."""
SAID = {"role": "assistant", "content": "It is sunny."}


def example(format: str, form: str) -> dict[str, Any]:
    offer, call, result = FORMS[form]
    if format == "preference":
        outputs = dict(zip(OUTPUTS, ([call, result, SAID], [SAID]), strict=True))
        return {"input": {"messages": [ASK], **offer}, **outputs}
    if format == "reinforcement":
        return {"messages": [ASK, call, result, SAID, {**ASK, "content": "And now?"}], **offer, "answer": "x"}
    return {"messages": [ASK, call, result, SAID], **offer}


def applied(path: Path, examples: list[dict[str, Any]], *steps: Mapping[str, Any]) -> list[dict[str, Any]]:
    path.write_text("".join(json.dumps(e) + "\n" for e in examples), encoding="utf-8")
    return list(apply(path, path.name, steps))


CASES = [(format, form) for format in ("chat", "preference", "reinforcement") for form in FORMS]


@pytest.mark.parametrize(("format", "form"), CASES)
@pytest.mark.parametrize("what", ["descriptions", "parameters", "functions"])
def test_slim_works_on_every_format_and_its_result_passes(
    tmp_path: Path, format: str, form: str, what: str
) -> None:
    before = example(format, form)
    [after] = applied(tmp_path / "a.jsonl", [before], {"slim": what})
    holder = after["input"] if format == "preference" else after
    assert "Weather now" not in json.dumps(after) or what == "parameters"
    assert "Name of city" not in json.dumps(after)
    if what == "functions":
        assert holder.keys() <= {"messages", "answer"}
    if what == "parameters":
        [function] = definitions(holder)
        assert function == {
            "name": "get_weather",
            "description": "Weather now",
            "parameters": {"type": "object"},
        }
    path = tmp_path / "b.jsonl"
    path.write_text(json.dumps(after))
    counts = inspect(path, format=format).counts
    assert not [
        rule for rule in counts if rule.startswith(("tools/", "chat/")) and rule != "tools/none-offered"
    ]
    with pytest.raises(DataError, match="no example has function definitions"):
        applied(path, [after], {"slim": what})


@pytest.mark.parametrize(("format", "form"), CASES)
def test_convert_works_on_every_format(tmp_path: Path, format: str, form: str) -> None:
    before = example(format, form)
    other = next(name for name in FORMS if name != form)
    [after] = applied(tmp_path / "a.jsonl", [before], {"convert": other})
    wanted = example(format, other)
    (wanted["input"] if format == "preference" else wanted).pop("parallel_tool_calls", None)
    assert after == wanted
    with pytest.raises(DataError, match="no example has function calls"):
        applied(tmp_path / "a.jsonl", [before], {"convert": form})


def test_a_choice_of_a_request_is_no_key_of_tools() -> None:
    """The service ignores `function_call` beside messages, but rejects `tool_choice`."""
    old = {**example("chat", "functions"), "function_call": "auto"}
    assert to_tools(old).keys() == {"messages", "tools"}


def test_a_value_to_group_by_that_no_example_has(tmp_path: Path) -> None:
    step = {"split": {"part": "train", "group_by": "metadata.customer"}}
    with pytest.raises(DataError, match=r"no example has `metadata\.customer`"):
        applied(tmp_path / "a.jsonl", [{"messages": [ASK, SAID]}], step)


def test_one_changed_example_is_enough(tmp_path: Path) -> None:
    plain = {"messages": [ASK, SAID]}
    found = applied(tmp_path / "a.jsonl", [plain, example("chat", "functions")], {"convert": "tools"})
    assert found[0] == plain
    assert applied(tmp_path / "a.jsonl", [], {"slim": "functions"}) == []


def test_results_in_the_old_form_belong_to_tool_calls_too() -> None:
    """Ids that are made differ from those that are there."""
    call = {"name": "rise", "arguments": "{}"}
    mixed = [
        {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": call}]},
        {"role": "function", "name": "rise", "content": "5"},
        {"role": "assistant", "function_call": call},
        {"role": "function", "name": "rise", "content": "6"},
    ]
    messages = to_tools({"messages": mixed})["messages"]
    assert [m["tool_calls"][0]["id"] for m in messages[::2]] == ["call_1", "call_2"]
    assert [m["tool_call_id"] for m in messages[1::2]] == ["call_1", "call_2"]


OTHER = {"name": "get_news", "parameters": {"type": "object"}}


@pytest.mark.parametrize(("format", "form"), CASES)
def test_functions_that_are_called_stay_while_others_do(tmp_path: Path, format: str, form: str) -> None:
    """A call of a function that isn't offered, while others are, is rejected."""
    offered = {"type": "function", "function": OTHER} if form == "tools" else OTHER
    forced = (
        {"type": "function", "function": {"name": "get_weather"}}
        if form == "tools"
        else {"name": "get_weather"}
    )
    choice = "tool_choice" if form == "tools" else "function_call"
    calling, plain = example(format, form), {"messages": [ASK, SAID], **FORMS[form][0], choice: forced}
    for one in (calling, plain):
        holder = one.get("input", one)
        holder[form] = [*holder[form], offered]
    step = {"slim": "functions", "only": ["get_weather"]}
    notes: list[Diagnostic] = []
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(calling)}\n{json.dumps(plain)}\n")
    kept, slimmed = apply(path, "a.jsonl", [step], unchanged=notes.append)
    assert kept == calling
    assert definitions(slimmed) == [OTHER] and choice not in slimmed
    assert [note.summary for note in notes] == ["1 example with a function that `slim` removes elsewhere"]
    path.write_text(json.dumps(kept))
    assert not {"tools/not-offered", "tools/definition"} & inspect(path, format=format).counts.keys()
    with pytest.raises(DataError, match="no example has a function `get_weather` from"):
        applied(path, [calling], step)
    [bare] = applied(path, [calling], {"slim": "functions", "only": ["get_weather", "get_news"]})
    assert definitions(bare.get("input", bare)) == []
