"""Foreign formats: examples as other tools write them, recognised by their keys, and converted to ours."""

from __future__ import annotations

import json
import re
from ast import literal_eval
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from ftops.dataset.formats import OUTPUTS, is_conversation
from ftops.dataset.formats.jsonl import decode, describe
from ftops.dataset.rules.findings import quote

Example = Mapping[str, Any]
ROLES_OF_OTHERS = {
    **dict.fromkeys(("human", "customer"), "user"),
    **dict.fromkeys(
        ("ai", "agent", "bard", "bing", "bot", "chatbot", "chatgpt", "gpt", "model"), "assistant"
    ),
}
"""Roles in files of other tools, and ours."""
_CALLS = ("function_call", "tool_call")
_RESULTS = ("observation", "tool", "tool_response", "function", "function_response")
_ROLES = {
    **ROLES_OF_OTHERS,
    **{role: role for role in ("system", "developer", "user", "assistant")},
    **dict.fromkeys(_CALLS, "assistant"),
    **dict.fromkeys(_RESULTS, "tool"),
}
"""Roles in ShareGPT files, and ours."""
_TURNS = ("messages", "conversations", "conversation", "dialog", "dialogue", "items", "turns")
"""Keys of a list of turns."""
_PROMPTS = ("prompt", "question", "instruction", "input")
"""Keys of what a pair of answers answers."""
_LONGEST_LITERAL = 1_000_000
_CALL = "call_{}"
_END_OF_PROMPT, _END_OF_COMPLETION = re.compile(r"\s+(?:###|->)\Z"), re.compile(r"\s+(?:###|END)\Z")
"""What completion models needed to tell where a text ends, as their guide had it."""
_TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
_OFFER = ("tools", "functions", "parallel_tool_calls")


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _has_messages(value: object) -> bool:
    return isinstance(value, dict) and "messages" in value


def _is_said(value: object) -> bool:
    return bool(value) and is_conversation(value)


_LISTS: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(("messages", "tools", "functions", "conversations", "conversation"), _is_list_of_objects),
    **dict.fromkeys(
        (*OUTPUTS, "prompt", "chosen", "rejected"), lambda value: bool(value) and is_conversation(value)
    ),
    "input": _has_messages,
}
"""Keys whose value may be written as JSON text, and what that has to be."""


class Unconvertible(Exception):
    """An example that can't be expressed in the other format; says why."""


class Empty(Unconvertible):
    """An example without a question or an answer."""


class Foreign(NamedTuple):
    """One format: its name, the keys it is told by, and what converts an example. Raises Unconvertible."""

    name: str
    keys: tuple[str, ...]
    recognises: Callable[[Example], bool]
    convert: Callable[[Example], dict[str, Any]]
    optional: tuple[str, ...] = ()
    """Other keys that are used."""

    def left_out(self, example: Example) -> list[str]:
        """The keys of an example that aren't used."""
        return [key for key in example if key not in (*self.keys, *self.optional)]


def recognise(example: Example) -> Foreign | None:
    """The format of an example, if it is one of other tools."""
    if not example.keys().isdisjoint(OUTPUTS) or ("messages" in example and not _has_turns(example, "from")):
        return None
    return next((row for row in FORMATS if row.recognises(example)), None)


def unpacked(row: Example) -> Example:
    """The row with lists and objects in place of cells that have them as JSON text, as in some tables."""
    texts = {key: row[key] for key in _LISTS if isinstance(row.get(key), str)}
    values = {key: _decoded(text) for key, text in texts.items()}
    return {**row, **{key: value for key, value in values.items() if _LISTS[key](value)}} if texts else row


def _decoded(text: str) -> object:
    """The value of a cell: JSON, or what Python writes for a list in a CSV file."""
    if text.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        return decode(text)
    except (ValueError, RecursionError):
        pass
    try:
        return literal_eval(text.strip()) if len(text) <= _LONGEST_LITERAL else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def own(example: Example) -> dict[str, Any] | None:
    """An example that has one of our formats already, or nearly: without keys that its format doesn't have,
    without nulls, with our roles, and with the arguments of calls as text. Else None."""
    if not example.keys().isdisjoint(OUTPUTS):
        given = {key: _written(example[key]) for key in ("input", *OUTPUTS) if key in example}
        return {
            key: _as_input(v) if key == "input" else _as_messages(v, "assistant") for key, v in given.items()
        }
    messages = example.get("messages")
    if not (isinstance(messages, list) and messages and is_conversation(messages)):
        return None
    is_task = messages[-1]["role"] == "user"  # for reinforcement: the other keys are for the grader
    keys = example.keys() if is_task else _OFFER
    others = {key: _without_nulls(example[key]) for key in keys if example.get(key) not in (None, [])}
    system = [] if is_task or messages[0]["role"] in ("system", "developer") else _system(example)
    return {**others, "messages": [*system, *map(_with_our_role, _written(messages))]}


def _as_input(value: Any) -> Any:
    messages = _as_messages(value, "user")
    return {"messages": messages} if isinstance(messages, list) else messages


def _as_messages(value: Any, role: str) -> Any:
    """Messages that are a text, or one message."""
    if isinstance(value, str):
        return [_message(role, value)]
    return [value] if isinstance(value, dict) and "role" in value else value


def _with_our_role(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "role": ROLES_OF_OTHERS.get(message["role"], message["role"])}


def _has_texts(example: Example, asked: str, answer: str) -> bool:
    return isinstance(example.get(asked), str) and isinstance(example.get(answer), str)


def _from_texts(example: Example, asked: tuple[str, ...], answer: str) -> dict[str, Any]:
    """One question, of one or several texts, and one answer."""
    if example.get("label") is False:
        raise Unconvertible("`label` is false: leave out such rows, which the model shouldn't learn")
    given = [example.get(key) for key in asked]
    texts = [text.strip() for text in given if isinstance(text, str) and text.strip()]
    messages = _system(example)
    for turn in example.get("history") or ():
        if not (isinstance(turn, list) and len(turn) == 2 and all(isinstance(text, str) for text in turn)):
            raise Unconvertible("`history` must be a list of pairs: a question and its answer")
        messages += [_message("user", turn[0]), _message("assistant", turn[1])]
    if not texts or not example[answer].strip():
        raise Empty(f"`{answer if texts else asked[0]}` is empty")
    question, reply = "\n\n".join(texts), example[answer].strip()
    if answer == "completion":
        question, reply = _END_OF_PROMPT.sub("", question), _END_OF_COMPLETION.sub("", reply)
    return {"messages": [*messages, _message("user", question), _message("assistant", reply)]}


def _has_turns(example: Example, key: str) -> bool:
    turns = _turns(example)
    return bool(turns) and all(isinstance(turn, dict) and key in turn for turn in turns)


def _turns(example: Example) -> list[Any]:
    turns = next((example[key] for key in _TURNS if key in example), None)
    return turns if isinstance(turns, list) else []


def _from_sharegpt(example: Example) -> dict[str, Any]:
    messages = _system(example)
    open_calls: list[str] = []
    for number, turn in enumerate(_turns(example), 1):
        name, text = turn.get("from"), turn.get("value")
        role = _ROLES.get(name) if isinstance(name, str) else None
        if role is None or not isinstance(text, str):
            what = f"`from` {describe(name)}" if role is None else f"`value` {describe(text)}"
            raise Unconvertible(f"a turn has {what}")
        message = _message(role, text)
        if name in _CALLS:
            made = _calls(text, number)
            open_calls += [call["id"] for call in made]
            message = {"role": "assistant", "tool_calls": made}
        elif role == "tool":
            if not open_calls:
                raise Unconvertible(f"a turn of {name} without a call before it")
            message["tool_call_id"] = open_calls.pop(0)
        messages.append(message)
    offer = example.get("tools") or []
    try:
        functions = decode(offer) if isinstance(offer, str) else offer
    except (ValueError, RecursionError) as error:
        raise Unconvertible("`tools` isn't JSON") from error
    if not isinstance(functions, list):
        raise Unconvertible("`tools` isn't a list")
    if not all(isinstance(function, dict) for function in functions):
        raise Unconvertible("a function in `tools` isn't an object")
    tools = [f if "function" in f else {"type": "function", "function": f} for f in functions]
    return {"messages": messages, **({"tools": tools} if tools else {})}


def _calls(text: str, number: int) -> list[dict[str, Any]]:
    """The calls of a turn: one, or a list of them."""
    try:
        value = decode(text)
    except (ValueError, RecursionError):
        value = None
    calls = value if isinstance(value, list) else [value]
    if not calls or not all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in calls):
        raise Unconvertible(f"the call {quote(text)} isn't JSON with a `name`")
    ids = [_CALL.format(number if len(calls) == 1 else f"{number}_{n}") for n in range(1, len(calls) + 1)]
    return [_call(call, id) for call, id in zip(calls, ids, strict=True)]


def _call(call: Example, id: str) -> dict[str, Any]:
    given = call.get("arguments", {})
    arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return {"id": id, "type": "function", "function": {"name": call["name"], "arguments": arguments}}


def _from_conversations(example: Example) -> dict[str, Any]:
    others = {key: value for key, value in example.items() if key not in _TURNS}
    converted = own({**others, "messages": _turns(example)})
    if converted is None:
        raise Unconvertible("`conversations` has a turn without a `role` that is text")
    return converted


def _from_lists(example: Example) -> dict[str, Any]:
    return {"messages": _written([*example["prompt"], *example["completion"]])}


def _has_choice(example: Example) -> bool:
    values = [example.get(key) for key in ("chosen", "rejected")]
    return all(isinstance(v, str) or is_conversation(v) for v in values)


def _from_choice(example: Example) -> dict[str, Any]:
    """A pair of answers, as texts, or as conversations that may begin with the prompt."""
    prompt = next((example[key] for key in _PROMPTS if example.get(key)), None)
    asked = _spoken("user", prompt) if isinstance(prompt, str) else prompt or []
    outputs = [
        _spoken("assistant", value) if isinstance(value, str) else value
        for value in (example["chosen"], example["rejected"])
    ]
    shared = 0
    while all(len(output) > shared + 1 for output in outputs) and outputs[0][shared] == outputs[1][shared]:
        shared += 1
    if shared:
        asked = outputs[0][:shared]
        outputs = [output[shared:] for output in outputs]
    if not asked or not is_conversation(asked):
        raise Unconvertible("the pair has no prompt")
    system = [] if asked[0]["role"] == "system" else _system(example)
    return {
        "input": {"messages": [*system, *_written(asked)]},
        **{key: _written(output) for key, output in zip(OUTPUTS, outputs, strict=True)},
    }


def _spoken(role: str, text: str) -> list[dict[str, Any]]:
    """A text as one message, or a transcript (`Human: … Assistant: …`) as its messages."""
    before, *turns = _TURN.split(text.strip())
    if before or not turns:
        return [_message(role, text)]
    said = zip(turns[::2], map(str.strip, turns[1::2]), strict=True)
    return [_message(_ROLES[name.lower()], text) for name, text in said if text]


def _from_contents(example: Example) -> dict[str, Any]:
    """Turns with parts, such as {"role": "model", "parts": [{"text": "…"}]}."""
    before = example.get("systemInstruction", example.get("system_instruction"))
    turns = [{"role": "system", **before}] if isinstance(before, dict) else []
    return {"messages": [_from_parts(turn) for turn in [*turns, *example["contents"]]]}


def _from_parts(turn: Example) -> dict[str, Any]:
    role, parts = str(turn.get("role", "user")), turn.get("parts")
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts or ()]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise Unconvertible("a turn has parts that aren't text")
    return _message(ROLES_OF_OTHERS.get(role, role), "".join(map(str, texts)))


def _has_contents(example: Example) -> bool:
    turns = example.get("contents")
    return _is_list_of_objects(turns) and all("parts" in turn for turn in example["contents"])


def _system(example: Example) -> list[dict[str, Any]]:
    text = example.get("system")
    return [_message("system", text)] if isinstance(text, str) and text.strip() else []


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def _without_nulls(value: Any) -> Any:
    """A table has every key in every row: those that a row lacks are null there."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _written(value: Any) -> Any:
    """Messages, or what has them, without nulls; arguments of calls that are objects become text."""
    if isinstance(value, list):
        return [_written(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _written(item) for key, item in value.items() if item is not None}
    if isinstance(arguments := kept.get("arguments"), dict) and isinstance(kept.get("name"), str):
        kept["arguments"] = json.dumps(arguments, ensure_ascii=False)
    return kept


def _texts(name: str, asked: tuple[str, ...], answer: str) -> Foreign:
    return Foreign(
        name,
        (asked[0], answer),
        partial(_has_texts, asked=asked[0], answer=answer),
        partial(_from_texts, asked=asked, answer=answer),
        (*asked, "system", "history"),
    )


FORMATS = (
    _texts("Alpaca", ("instruction", "input"), "output"),
    _texts("Dolly", ("instruction", "context"), "response"),
    _texts("prompt/completion", ("prompt",), "completion"),
    _texts("prompt/response", ("prompt",), "response"),
    Foreign(
        "prompt/completion",
        ("prompt", "completion"),
        lambda example: all(is_conversation(example.get(key)) for key in ("prompt", "completion")),
        _from_lists,
    ),
    Foreign(
        "ShareGPT",
        ("conversations",),
        partial(_has_turns, key="from"),
        _from_sharegpt,
        (*_TURNS, "system", "tools"),
    ),
    Foreign(
        "conversations",
        ("conversations",),
        partial(_has_turns, key="role"),
        _from_conversations,
        (*_TURNS, *_OFFER, "system"),
    ),
    Foreign("chosen/rejected", ("chosen", "rejected"), _has_choice, _from_choice, (*_PROMPTS, "system")),
    Foreign(
        "Gemini", ("contents",), _has_contents, _from_contents, ("systemInstruction", "system_instruction")
    ),
)
"""Those with more keys first."""
NAMES = frozenset(row.name for row in FORMATS)
