"""Fast reader of valid conversations: msgspec checks types, keys and roles while it parses.

What it takes has nothing wrong in it that `chat.check` would find. What it refuses may be good all the same,
and is read again by the precise reader. Fields are in alphabetical order, so that what is encoded again is
canonical JSON.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, MsgspecError, Raw, Struct, UnsetType

from ftops.dataset.files.jsonl_io import canonical
from ftops.dataset.formats import chat, functions
from ftops.dataset.formats.jsonl import parse
from ftops.dataset.rules.findings import Finding

Text = Annotated[str, Meta(min_length=1)]
Short = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A[a-zA-Z0-9_-]+\Z")]
Role = Literal["system", "developer", "user", "assistant", "tool", "function"]


class PlainMessage(Struct, forbid_unknown_fields=True, gc=False):
    content: Text
    role: Role


class PlainExample(Struct, forbid_unknown_fields=True, gc=False):
    """Nothing but roles and texts."""

    messages: Annotated[list[PlainMessage], Meta(min_length=1)]


class Call(Struct, forbid_unknown_fields=True, gc=False):
    arguments: str
    name: Text


class ToolCall(Struct, forbid_unknown_fields=True, gc=False, kw_only=True):
    function: Call
    id: Text
    type: Literal["function"] | UnsetType = UNSET


class Message(Struct, forbid_unknown_fields=True, gc=False, kw_only=True):
    content: Text | UnsetType = UNSET
    function_call: Call | UnsetType = UNSET
    name: Short | UnsetType = UNSET
    role: Role
    tool_call_id: Text | UnsetType = UNSET
    tool_calls: Annotated[list[ToolCall], Meta(min_length=1)] | UnsetType = UNSET
    weight: Literal[0, 1] | UnsetType = UNSET


class Example(Struct, forbid_unknown_fields=True, gc=False, kw_only=True):
    functions: Raw | UnsetType = UNSET
    messages: Annotated[list[Message], Meta(min_length=1)]
    parallel_tool_calls: bool | UnsetType = UNSET
    tools: Raw | UnsetType = UNSET


class Offered(NamedTuple):
    """One list of functions, as many examples share it."""

    by_name: dict[str, functions.Function]
    canonical: Raw
    saved: int
    """Bytes by which its canonical text is shorter than it was."""
    raw: bytes
    """As it stands in the line."""


decode_plain = msgspec.json.Decoder(PlainExample).decode
decode = msgspec.json.Decoder(Example).decode
encode = msgspec.json.Encoder().encode


class Read(NamedTuple):
    """A good example: its canonical text, and what it offers."""

    example: Example
    text: bytes
    offered: Offered
    rest: bytes
    """The line without its definitions, which take up most of it."""


def read(line: bytes) -> Read | None:
    """The example on a line, if the precise check would find nothing; its definitions are canonical."""
    try:
        example = decode(line)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    offered = _offered(example)
    if offered is None or not _is_good(example, offered):
        return None
    text = encode(example)
    rest = line.replace(offered.raw, b"~", 1) if offered.raw else line
    if len(line) - offered.saved - len(text) > 1 and _has_key_twice(rest, example):
        return None
    return Read(example, text, offered, rest)


def count_keys(text: bytes) -> tuple[int, int]:
    return text.count(b'"role"'), text.count(b'"content"')


def _has_key_twice(rest: bytes, example: Example) -> bool:
    """As far as counts can tell; where they leave a doubt, the precise reader knows. In definitions there is
    none: they were read precisely."""
    messages = example.messages
    contents = sum([m.content is not UNSET for m in messages])
    if count_keys(rest) != (len(messages), contents):
        return True
    calls = [call for m in messages if m.tool_calls is not UNSET for call in m.tool_calls]
    typed = sum([call.type is not UNSET for call in calls])
    legacy = sum([m.function_call is not UNSET for m in messages])
    for key, count in (
        (b'"name"', sum([m.name is not UNSET for m in messages]) + len(calls) + legacy),
        (b'"arguments"', len(calls) + legacy),
        (b'"id"', len(calls)),
        (b'"type"', typed),
        (b'"function"', len(calls) + typed + sum([m.role == "function" for m in messages])),
        (b'"tool_call_id"', sum([m.tool_call_id is not UNSET for m in messages])),
        (b'"parallel_tool_calls"', example.parallel_tool_calls is not UNSET),
        (b'"weight"', sum([m.weight is not UNSET for m in messages])),
        (b'"tool_calls"', sum([m.tool_calls is not UNSET for m in messages])),
        (b'"function_call"', legacy),
        (b'"messages"', 1),
        (b'"tools"', example.tools is not UNSET),
        (b'"functions"', example.functions is not UNSET),
    ):
        if rest.count(key) != count:
            return True
    return False


def _is_good(example: Example, offered: Offered) -> bool:
    messages = example.messages
    if chat.order(tuple([m.role for m in messages])):
        return False
    rest = False
    trained = False
    for message in messages:
        if message.role == "assistant":
            if not _is_good_answer(message, offered):
                return False
            rest |= message.tool_calls is not UNSET or message.function_call is not UNSET
            trained |= message.weight != 0
        elif not _is_good_other(message):
            return False
        else:
            rest |= message.role in functions.RESULTS
    if not trained:
        return False
    return not rest or not any(functions.check_results(msgspec.to_builtins(messages), ()))


def _is_good_answer(message: Message, offered: Offered) -> bool:
    calls = [c.function for c in message.tool_calls] if message.tool_calls is not UNSET else []
    if message.function_call is not UNSET:
        calls.append(message.function_call)
        if message.tool_calls is not UNSET:
            return False
    if message.tool_call_id is not UNSET:
        return False
    if not calls:
        return message.content is not UNSET and not message.content.isspace()
    for call in calls:
        function = offered.by_name.get(call.name)
        if function is None or not functions.is_called(call.arguments, function.parameters):
            return False
    return True


def _is_good_other(message: Message) -> bool:
    return (
        message.content is not UNSET
        and not message.content.isspace()
        and message.weight is UNSET
        and message.tool_calls is UNSET
        and message.function_call is UNSET
        and (message.tool_call_id is UNSET or message.role == "tool")
    )


def _offered(example: Example) -> Offered | None:
    if example.tools is UNSET and example.functions is UNSET:
        return _NOTHING
    if example.tools is not UNSET and example.functions is not UNSET:
        return None
    if example.tools is not UNSET:
        offered = _read_definitions(bytes(example.tools), "tools")
        if offered is not None:
            example.tools = offered.canonical
        return offered
    assert example.functions is not UNSET  # noqa: S101 - one of the two is there
    offered = _read_definitions(bytes(example.functions), "functions")
    if offered is not None:
        example.functions = offered.canonical
    return offered


@lru_cache(maxsize=256)
def _read_definitions(raw: bytes, key: str) -> Offered | None:
    """None where something is wrong with them."""
    try:
        holder = parse(f'{{"{key}":{raw.decode()}}}')
    except UnicodeDecodeError:
        return None
    if isinstance(holder, Finding):
        return None
    offer, found = chat.check_offer(holder, ())
    if found:
        return None
    shared = Raw(canonical(holder[key]))
    saved = len(raw) - len(bytes(shared))
    return Offered(dict(offer.by_name), shared, saved, raw)


_NOTHING = Offered({}, Raw(b""), 0, b"")
