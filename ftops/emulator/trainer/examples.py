"""Training data: JSONL files of chats or preferences → examples, or an error with the line.

The rules are those of the service's preprocessing, which is stricter than its validators. A preference
(method ``dpo``) is ``{"input": {"messages", "tools"?}, "preferred_output": [...], "non_preferred_output":
[...]}``. The trainer learns the preferred output like any reply: this is not the service's loss, and the
other output isn't used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

MIN_EXAMPLES = 10
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_SYSTEM = ("system", "developer")
_OUTPUTS = ("preferred_output", "non_preferred_output")
_OUTPUT_ROLES = ("assistant", "tool")
_WORD = re.compile(r"\w+|[^\w\s]")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class InvalidChat(ValueError):
    """What is wrong with a conversation, without the line number."""


@dataclass(frozen=True, slots=True)
class Failure(Exception):
    """Why a job fails; ``param`` names the part of its request that is wrong."""

    code: str
    message: str
    param: str | None = None


class Function(NamedTuple):
    """A function that the model may call."""

    name: str
    description: str
    parameters: Mapping[str, Mapping[str, Any]]
    required: tuple[str, ...]


class Call(NamedTuple):
    """One call of a function."""

    name: str
    arguments: Mapping[str, Any]


class Reply(NamedTuple):
    """A reply of the assistant: a text or calls. ``legacy``: as function_call instead of tool_calls."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    legacy: bool = False


class Context(NamedTuple):
    """What precedes a reply: turns (role, text), oldest first, and functions."""

    system: str
    turns: tuple[tuple[str, str], ...]
    functions: tuple[Function, ...]
    legacy: bool = False

    @property
    def prompt(self) -> str:
        """The last message of the user."""
        return next((text for role, text in reversed(self.turns) if role == "user"), "")


class Example(NamedTuple):
    """A context and the reply to learn."""

    context: Context
    reply: Reply


class RewardedPrompt(NamedTuple):
    """A prompt whose answers are graded. ``item``: the whole row, for the grader."""

    context: Context
    item: Mapping[str, Any]


class TaskFile(NamedTuple):
    """A data file for reinforcement."""

    examples: tuple[RewardedPrompt, ...]
    conversations: int


class ChatFile(NamedTuple):
    """A data file of chats or preferences."""

    examples: tuple[Example, ...]
    conversations: int


T = TypeVar("T")
Reader = Callable[[Mapping[str, Any]], list[T]]
"""Reads one record → its examples. Raises InvalidChat."""


def words(text: str) -> list[str]:
    """Words and punctuation marks: the tokens of prompts and answers."""
    return _WORD.findall(text)


def first_words(text: str, count: int) -> str:
    """The beginning of ``text`` with at most so many tokens."""
    ends = [match.end() for match in islice(_WORD.finditer(text), count)]
    return text[: ends[-1]] if ends else ""


def read_any(content: bytes, what: str) -> ChatFile | TaskFile:
    """Read a file for an unknown method, by what its first line looks like. Raises Failure."""
    first = content.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0]
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict) and _ends_with_a_question(record.get("messages")):
        return read_tasks(content, what)
    return read_for("dpo" if isinstance(record, dict) and "input" in record else "supervised", content, what)


def _ends_with_a_question(messages: Any) -> bool:
    last = messages[-1] if isinstance(messages, list) and messages else None
    return isinstance(last, dict) and last.get("role") == "user"


def read_for(method: str, content: bytes, what: str) -> ChatFile:
    """Read a file for a job with this method. Raises Failure."""
    if method not in ("supervised", "dpo"):
        raise Failure("invalidPayload", f"No file can be read for the method '{method}'.")
    return ChatFile(*_read_records(content, what, _chat if method == "supervised" else _preference))


def read_tasks(content: bytes, what: str) -> TaskFile:
    """Read a file for reinforcement. Raises Failure."""
    return TaskFile(*_read_records(content, what, _task))


def _task(record: Mapping[str, Any]) -> list[RewardedPrompt]:
    messages = record.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidChat("'messages' is missing or empty; reinforcement fine-tuning needs it")
    check_messages(messages)
    if messages[-1]["role"] != "user":
        raise InvalidChat("the last message isn't of the user; the model's answers are sampled")
    functions, legacy = offered_functions(record)
    return [RewardedPrompt(context_of(messages, functions, legacy), record)]


def _chat(record: Mapping[str, Any]) -> list[Example]:
    if not isinstance(record.get("messages"), list) or not record["messages"]:
        raise InvalidChat("'messages' is missing or empty; chat fine-tuning needs it")
    return list(_conversation(record))


def _preference(record: Mapping[str, Any]) -> list[Example]:
    chat = record.get("input")
    messages = chat.get("messages") if isinstance(chat, dict) else None
    if not isinstance(chat, dict) or not isinstance(messages, list) or not messages:
        raise InvalidChat("'input.messages' is missing or empty; preference fine-tuning needs it")
    for key in _OUTPUTS:
        _check_output(key, record.get(key))
    unlearned = [
        {**turn, "weight": 0} if isinstance(turn, dict) and turn.get("role") == "assistant" else turn
        for turn in messages
    ]
    tools = {"tools": chat["tools"]} if chat.get("tools") else {}
    preferred, other = ({"messages": [*unlearned, *record[key]], **tools} for key in _OUTPUTS)
    list(_conversation(other))  # checked by the same rules, but not learned
    return list(_conversation(preferred))


def _check_output(key: str, output: Any) -> None:
    if not isinstance(output, list) or not output:
        raise InvalidChat(f"'{key}' is missing or empty")
    roles = [turn.get("role") if isinstance(turn, dict) else None for turn in output]
    if any(role not in _OUTPUT_ROLES for role in roles) or "assistant" not in roles:
        raise InvalidChat(f"'{key}' takes messages of the roles assistant and tool, one assistant at least")


def _read_records(content: bytes, what: str, read: Reader[T]) -> tuple[tuple[T, ...], int]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise _refused(what, f"it is not UTF-8 (byte {exc.start})") from exc
    examples: list[T] = []
    conversations = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            examples += read(_record(line))
        except InvalidChat as exc:
            raise _refused(what, f"line {number}: {exc}") from exc
        conversations += 1
    return tuple(examples), conversations


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise InvalidChat(f"not valid JSON ({exc})") from exc
    if not isinstance(record, dict):
        raise InvalidChat("not a JSON object")
    return record


def _refused(what: str, why: str) -> Failure:
    return Failure(
        "jsonlValidationFailed",
        f"Validation of jsonl file failed: the {what} contains invalid schema: {why}.",
    )


def _conversation(record: Mapping[str, Any]) -> Iterator[Example]:
    """The examples of a conversation: each message of the assistant without ``weight: 0``."""
    messages = record["messages"]
    functions, legacy = offered_functions(record)
    check_messages(messages)
    if not any(message["role"] == "assistant" for message in messages):
        raise InvalidChat("no message of the assistant")
    for index, message in enumerate(messages):
        if message["role"] != "assistant" or message.get("weight", 1) == 0:
            continue
        calls = tuple(_calls(message))
        reply = Reply("" if calls else text_of(message), calls, "function_call" in message)
        for call in calls:
            if functions and call.name not in {function.name for function in functions}:
                raise InvalidChat(f"the called function '{call.name}' is not among those offered")
        yield Example(context_of(messages[:index], functions, legacy), reply)


def offered_functions(record: Mapping[str, Any]) -> tuple[tuple[Function, ...], bool]:
    """The functions of a request or record, and whether they are given as ``functions``."""
    if record.get("tools") is not None:
        tools = record["tools"]
        if not isinstance(tools, list) or not all(
            isinstance(tool, dict) and tool.get("type") == "function" for tool in tools
        ):
            raise InvalidChat("'tools' must be a list of objects of type 'function'")
        return tuple(_function(tool.get("function")) for tool in tools), False
    functions = record.get("functions") or []
    if not isinstance(functions, list):
        raise InvalidChat("'functions' must be a list")
    return tuple(_function(function) for function in functions), bool(functions)


def _function(value: Any) -> Function:
    if not isinstance(value, dict) or not _NAME.fullmatch(str(value.get("name", ""))):
        raise InvalidChat("a function needs a name of letters, digits, '_', '.' and '-'")
    schema = value.get("parameters") or {}
    if not isinstance(schema, dict) or not isinstance(schema.get("properties", {}), dict):
        raise InvalidChat(f"the parameters of function '{value['name']}' are not a JSON schema")
    _check_schema(value["name"], schema)
    properties = {
        name: rule if isinstance(rule, dict) else {} for name, rule in schema.get("properties", {}).items()
    }
    required = tuple(schema.get("required", ()))
    return Function(value["name"], str(value.get("description", "")), properties, required)


def _check_schema(name: str, schema: Mapping[str, Any]) -> None:
    for rule in [schema, *schema.get("properties", {}).values()]:
        if not isinstance(rule, dict):
            raise InvalidChat(f"the parameters of function '{name}' are not a JSON schema")
        if isinstance(rule.get("title"), str) or ("default" in rule and rule["default"] is None):
            raise InvalidChat(f"function '{name}' has 'title' or a null 'default' in its schema")


def check_messages(messages: Any) -> None:
    """Raises InvalidChat if the service would refuse these messages."""
    previous: str | None = None
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise InvalidChat(f"message {index}: 'role' must be one of {', '.join(ROLES)}")
        _check_content(index, message)
        role = message["role"]
        if role == previous and role in ("assistant", *_SYSTEM):
            raise InvalidChat(f"message {index}: two consecutive {role} messages")
        if role == "tool" and message.get("tool_call_id") not in open_calls:
            raise InvalidChat(f"message {index}: 'tool_call_id' matches no tool call before it")
        open_calls |= {str(call.get("id")) for call in message.get("tool_calls") or []}
        previous = role


def _check_content(index: int, message: Mapping[str, Any]) -> None:
    content, calls = message.get("content"), _calls(message)
    if calls and message["role"] != "assistant":
        raise InvalidChat(f"message {index}: only the assistant may call functions")
    if calls and "content" in message and content is None:
        raise InvalidChat(f"message {index}: 'content' is null beside calls; leave it out")
    if not calls and not isinstance(content, (str, list)):
        raise InvalidChat(f"message {index}: 'content' must be a string")
    if any(not call.get("id") for call in message.get("tool_calls") or []):
        raise InvalidChat(f"message {index}: a tool call has no 'id'")
    if message.get("weight", 1) not in (0, 1):
        raise InvalidChat(f"message {index}: 'weight' must be 0 or 1")


def _calls(message: Mapping[str, Any]) -> list[Call]:
    legacy = message.get("function_call")
    if legacy is not None:
        return [_call(legacy)]
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise InvalidChat("'tool_calls' must be a list of objects")
    return [_call(call.get("function")) for call in calls]


def _call(value: Any) -> Call:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise InvalidChat("a call needs the function's 'name'")
    try:
        arguments = json.loads(value.get("arguments") or "{}")
    except (ValueError, TypeError, RecursionError) as exc:
        raise InvalidChat(f"the arguments of '{value['name']}' are not a JSON text") from exc
    if not isinstance(arguments, dict):
        raise InvalidChat(f"the arguments of '{value['name']}' are not a JSON object")
    return Call(value["name"], arguments)


def context_of(messages: list[Mapping[str, Any]], functions: tuple[Function, ...], legacy: bool) -> Context:
    """The context of a reply to ``messages``."""
    system = " ".join(text_of(message) for message in messages if message["role"] in _SYSTEM)
    turns = tuple(
        (str(message["role"]), text_of(message)) for message in messages if message["role"] not in _SYSTEM
    )
    return Context(system, turns, functions, legacy)


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message. Other parts, such as images, are ignored."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, dict)]
        return " ".join(str(part) for part in parts)
    return content if isinstance(content, str) else ""
