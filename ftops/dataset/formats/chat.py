"""Formats `chat`, `preference` and `reinforcement`: messages and the functions that they can call."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ftops.core.suggestions import nearest
from ftops.dataset.files.jsonl_io import dump
from ftops.dataset.formats import OUTPUTS, functions, is_conversation, vision
from ftops.dataset.formats.foreign import ROLES_OF_OTHERS, recognise
from ftops.dataset.formats.jsonl import describe
from ftops.dataset.rules.about_examples import TASK_SHAPE
from ftops.dataset.rules.findings import Finding, Key, Steps, quote

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
SYSTEM = ("system", "developer")
KEYS = frozenset({"messages", "tools", "functions", "parallel_tool_calls", "function_call"})
"""Keys of an example. `function_call` is a leftover of requests, which the service ignores."""
_PAIR_KEYS = frozenset({"input", *OUTPUTS})
_INPUT_KEYS = KEYS - {"function_call"}
_COMMON_KEYS = frozenset({"role", "content", "name"})
_MESSAGE_KEYS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(ROLES, _COMMON_KEYS | {"weight"}),
    "assistant": _COMMON_KEYS | {"weight", "tool_calls", "function_call", "refusal"},
    "tool": _COMMON_KEYS | {"weight", "tool_call_id"},
}
_ALL_KEYS = frozenset[str]().union(*_MESSAGE_KEYS.values())
_OF_SDKS = (_ALL_KEYS - {"role", "content"}) | {"audio", "annotations", "reasoning_content"}
"""Keys that SDKs and tables write as null into every message: they mean nothing then."""
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LISTED = ", ".join(ROLES)


Offer = Mapping[str, functions.Function]
"""The functions that an example offers, by name."""
ORDER_RULES = ("chat/role-order", "chat/system-late")
"""Rules about the order of messages that hold for every format."""
_OFFER = ("tools", "functions", "parallel_tool_calls")
_AS_MESSAGE = "Write it as the first message, with the role system; `ftops data convert` does."
_NULL_TEXTS = ("null", "none", "nan", "undefined", "")
_OWNERS = {
    **dict.fromkeys(("tool_calls", "function_call", "refusal"), "assistant"),
    "tool_call_id": "tool",
}
"""Keys that only messages of one role have."""
NO_OFFER: Offer = {}
NO_OUTPUTS: Mapping[Steps, Any] = {}
_TWO_ANSWERS = "two consecutive assistant messages"


def check(example: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that is wrong with one example."""
    if "messages" not in example:
        yield _without_messages(example)
        return
    yield from check_keys(example, KEYS, ())
    _, messages = yield from check_conversation(example, ())
    weights = [m.get("weight", 1) for m in messages if m["role"] == "assistant"]
    if weights and all(w == 0 and w is not False for w in weights):
        yield Finding("chat/nothing-trained", "every answer has weight 0", ("messages",))


def check_conversation(
    holder: Mapping[str, Any],
    at: Steps,
    rules: Collection[str] | None = None,
    outputs: Mapping[Steps, Any] = NO_OUTPUTS,
) -> Generator[Finding, None, tuple[Offer, Sequence[Mapping[str, Any]]]]:
    """The functions and messages of an example, or of the input of a pair, whose `outputs` must have the same
    form; of the rules about the order of messages only some, if they are given. Returns the functions, and
    the messages if they have roles."""
    offer, findings = check_offer(holder, at)
    yield from findings
    messages, here = holder["messages"], (*at, "messages")
    yield from check_messages(messages, offer, here)
    yield from functions.check_forms(holder, {here: messages, **outputs})
    if not messages or not is_conversation(messages):
        return offer, ()
    for rule, index, summary in order(tuple(message["role"] for message in messages)):
        if rules is None or rule in rules:
            yield Finding(rule, summary, (*here, index, "role") if index >= 0 else here)
    return offer, messages


def check_task(example: Mapping[str, Any]) -> Iterator[Finding]:
    """Format `reinforcement`: a conversation that the model answers, and the fields that the grader needs."""
    if "messages" not in example:
        yield _without_messages(example, TASK_SHAPE)
        return
    _, messages = yield from check_conversation(example, (), ORDER_RULES)
    role = messages[-1]["role"] if messages else "user"
    if role != "user" and role in ROLES:
        at = ("messages", len(messages) - 1, "role")
        yield Finding("reinforcement/last-message", f"the last message has the role {role}", at)
    if not grader_fields(example):
        yield Finding("reinforcement/no-fields", "no key besides `messages`")


def grader_fields(example: Mapping[str, Any]) -> frozenset[str]:
    """The keys of an example that the grader gets, as `item`."""
    return frozenset(example.keys() - KEYS)


def check_keys(holder: Mapping[str, Any], known: frozenset[str], at: Steps) -> Iterator[Finding]:
    """Keys that the format doesn't have."""
    if holder.keys() <= known:
        return
    for key in holder.keys() - known if len(holder) < 20 else sorted(holder.keys() - known)[:20]:
        near = _nearest(key, tuple(sorted(known - holder.keys())))
        hint = f'Did you mean "{near}"?' if near else _AS_MESSAGE if key == "system" and not at else ""
        yield Finding("chat/unknown-key", f"unknown key {quote(key)}", (*at, Key(key)), hint)


def means_nothing(content: object) -> bool:
    """Whether the `content` beside calls has no meaning: no text, or a null that was written as text."""
    if isinstance(content, list):
        return all(isinstance(part, dict) and means_nothing(part.get("text")) for part in content)
    return isinstance(content, str) and content.strip().lower() in _NULL_TEXTS


def check_offer(holder: Mapping[str, Any], at: Steps) -> tuple[Offer, Sequence[Finding]]:
    """The functions that an example (or the input of a pair) offers."""
    offered = {key: holder[key] for key in _OFFER if holder.get(key) is not None}
    return _check_offer(dump(offered), at) if offered else (NO_OFFER, ())


@lru_cache(maxsize=256)
def _check_offer(offered: bytes, at: Steps) -> tuple[Offer, Sequence[Finding]]:
    """Cached by the JSON text: checking definitions takes long, and most examples of a file share them."""
    holder = json.loads(offered)
    by_name: dict[str, functions.Function] = {}
    findings: list[Finding] = []
    for key in ("tools", "functions"):
        if key in holder:
            defined: dict[str, functions.Function] = {}
            findings += functions.check_definitions(holder[key], key, (*at, key), defined)
            by_name = defined | by_name
    if "tools" in holder and "functions" in holder:
        findings.append(Finding("tools/mixed", "both `tools` and `functions`", (*at, Key("functions"))))
    parallel = holder.get("parallel_tool_calls")
    here = (*at, "parallel_tool_calls")
    if parallel is not None and not isinstance(parallel, bool):
        summary = f"`parallel_tool_calls` is {describe(parallel)}, not true or false"
        findings.append(Finding("chat/type", summary, here, "Write true or false."))
    elif parallel is not None and not holder.get("tools"):
        summary = "`parallel_tool_calls` without `tools`"
        findings.append(Finding("tools/requests", summary, here, "Remove it."))
    return by_name, tuple(findings)


def check_messages(
    messages: object, offer: Offer, at: Steps, before: Sequence[Mapping[str, Any]] = ()
) -> Iterator[Finding]:
    """Each message by itself, and its calls against the functions that are offered. `before`: the messages
    that they follow."""
    if not isinstance(messages, list):
        is_list = isinstance(messages, str) and messages.lstrip().startswith("[")
        hint = "It is a list as text: `ftops data convert` makes a list of it." if is_list else ""
        yield Finding("chat/type", f"`{at[-1]}` is {describe(messages)}, not a list", at, hint)
    elif not messages:
        yield Finding(
            "chat/no-messages", f"`{at[-1]}` is empty", at, detail="The model can't learn anything from it."
        )
    else:
        for index, message in enumerate(messages):
            yield from _check_message(message, offer, (*at, index))
        yield from functions.check_results(messages, at, before)
        yield from vision.check_count(messages, at)


@lru_cache(maxsize=4096)
def order(roles: tuple[str, ...]) -> tuple[tuple[str, int, str], ...]:
    """All that is wrong with a sequence of roles: rule, index of the message (-1: all) and summary."""
    wrong: list[tuple[str, int, str]] = []
    for index, (before, role) in enumerate(zip(("", *roles), roles, strict=False)):
        if role == before == "assistant":
            wrong.append(("chat/role-order", index, _TWO_ANSWERS))
        elif role in SYSTEM and before in SYSTEM:
            wrong.append(("chat/role-order", index, "two consecutive system messages"))
        elif role in SYSTEM and before:
            wrong.append(("chat/system-late", index, "a system message in the middle of the conversation"))
    if "assistant" not in roles:
        # A misspelt "assistant" is one mistake, not two.
        if all(role in ROLES for role in roles):
            wrong.append(("chat/no-assistant", -1, "no assistant message"))
    elif roles[-1] != "assistant" and roles[-1] in ROLES:
        wrong.append(("chat/last-message", len(roles) - 1, f"the last message has the role {roles[-1]}"))
    if next((role for role in roles if role not in SYSTEM), "") == "assistant":
        wrong.append(("chat/no-user", roles.index("assistant"), "no user message before the first answer"))
    return tuple(wrong)


def _check_message(message: object, offer: Offer, at: Steps) -> Iterator[Finding]:
    if not isinstance(message, dict):
        yield Finding("chat/type", f"a message is {describe(message)}, not an object", at)
        return
    if None in message.values():
        message = {k: v for k, v in message.items() if v is not None or k not in _OF_SDKS}
    role = message.get("role")
    if role not in ROLES or not isinstance(role, str):
        yield _wrong_role(message, at)
        if "role" in message:
            yield from check_keys(message, _ALL_KEYS, at)
        return
    for key, owner in _OWNERS.items():
        if key in message and role != owner:
            summary = f"`{key}` in a message with the role {role}"
            hint = f"Remove it: only messages with the role {owner} have it."
            yield Finding("chat/unknown-key", summary, (*at, Key(key)), hint)
    yield from check_keys(message, _MESSAGE_KEYS[role] | _OWNERS.keys(), at)
    weight = message.get("weight", 1)
    if role == "assistant" and (type(weight) is not int or weight not in (0, 1)):
        yield Finding("chat/weight", f"`weight` is {describe(weight)}", (*at, "weight"))
    elif role != "assistant" and "weight" in message:
        summary = f"`weight` in a message with the role {role}"
        yield Finding("chat/weight", summary, (*at, Key("weight")), "Remove it: only answers are learned.")
    name = message.get("name", "a")
    if not isinstance(name, str):
        yield Finding("chat/type", f"`name` is {describe(name)}, not text", (*at, "name"))
    elif not _NAME.fullmatch(name) and role != "function":
        yield Finding("chat/name", f"the name {quote(name)} is not allowed", (*at, "name"))
    has_calls = any(message.get(key) not in (None, [], {}) for key in functions.CALLS)
    yield from _check_content(message, role, has_calls, at)
    if role == "assistant":
        yield from functions.check_calls(message, offer, at)


def _check_content(message: Mapping[str, Any], role: str, has_calls: bool, at: Steps) -> Iterator[Finding]:
    here = (*at, "content")
    content = message.get("content")
    refusal = message.get("refusal")
    if "content" not in message:
        if role != "assistant":
            yield Finding("chat/no-content", "a message without `content`", at)
        elif not has_calls and not refusal:
            detail = "Its message has neither `content` nor `tool_calls` nor `function_call`."
            yield Finding("chat/empty-reply", "the assistant message is empty", at, detail=detail)
    elif content is None:
        is_reply = role == "assistant" and not has_calls and not refusal
        yield Finding("chat/empty-reply" if is_reply else "chat/null-content", "`content` is null", here)
    elif has_calls and means_nothing(content):
        yield Finding("chat/empty-content", f"`content` is {describe(content)} next to calls", here)
    elif isinstance(content, list):
        yield from _check_parts(content, role, here)
    elif not isinstance(content, str):
        hint = "Write it in double quotes, or as a list of parts."
        yield Finding("chat/type", f"`content` is {describe(content)}, not text", here, hint)
    elif not has_calls and (not content or content.isspace()):
        if role == "assistant":
            yield Finding("chat/empty-reply", "the assistant message is empty", here)
        elif role not in functions.RESULTS:
            yield Finding("chat/empty-message", f"the message with the role {role} is empty", here)


def _check_parts(parts: Sequence[Any], role: str, at: Steps) -> Iterator[Finding]:
    yield from vision.check_parts(parts, role, at)
    if role == "function":
        yield Finding("chat/type", "`content` is a list, not text", at, "Write the result as text.")
    elif role == "tool":
        yield Finding("tools/result-text", "the result is a list of parts, not text", at)
    is_blank = [isinstance(part, dict) and vision.is_blank(part) for part in parts]
    if all(is_blank):
        rule = "chat/empty-reply" if role == "assistant" else "chat/empty-message"
        yield Finding(rule, f"the message with the role {role} is empty", at)
    elif any(is_blank):
        yield Finding("chat/empty-message", "a part without text", (*at, is_blank.index(True)))


def _wrong_role(message: Mapping[str, Any], at: Steps) -> Finding:
    if "role" not in message:
        near = _nearest("role", tuple(message))
        hint = f'Did you mean "role" instead of {quote(near)}?' if near else ""
        return Finding("chat/role", "a message has no `role`", at, hint)
    role = message["role"]
    if not isinstance(role, str):
        return Finding(
            "chat/type", f"`role` is {describe(role)}, not text", (*at, "role"), f"Roles are {_LISTED}."
        )
    near = ROLES_OF_OTHERS.get(role.lower()) or _nearest(role, ROLES)
    start = f'Did you mean "{near}"? ' if near else ""
    return Finding("chat/role", f"unknown role {quote(role)}", (*at, "role"), f"{start}Roles are {_LISTED}.")


def _without_messages(example: Mapping[str, Any], shape: str = "") -> Finding:
    """`shape`: what an example looks like, if not as the rule says."""
    if foreign := recognise(example):
        keys = " and ".join(f"`{key}`" for key in foreign.keys)
        summary = f"an example in the format {foreign.name} ({keys})"
        return Finding("chat/no-messages", summary, hint=shape)
    if not example.keys().isdisjoint(OUTPUTS):
        return Finding("chat/format", "a preference pair among chat examples")
    near = _nearest("messages", tuple(example))
    hint = f'Did you mean "messages" instead of {quote(near)}?' if near else shape
    detail = "A chat example is a list of messages."
    return Finding("chat/no-messages", "no `messages`", (near,) if near else (), hint, detail)


@lru_cache(maxsize=1024)
def _nearest(word: str, known: tuple[str, ...]) -> str:
    # The comparison is slow, and candidates from the data may be many and long.
    candidates = [k for k in known[:50] if len(k) <= 2 * len(word)]
    return nearest(word[:60], candidates) or ""


def check_pair(example: Mapping[str, Any]) -> Iterator[Finding]:
    """Format `preference`: an input and two outputs, one preferred to the other (method dpo)."""
    if _PAIR_KEYS.isdisjoint(example):
        if "messages" in example:
            yield Finding("chat/format", "a conversation among preference pairs")
        else:
            yield Finding("preference/shape", f"no {', '.join(f'`{key}`' for key in ('input', *OUTPUTS))}")
        return
    yield from check_keys(example, _PAIR_KEYS, ())
    given = example.get("input")
    offer: Offer = NO_OFFER
    messages: Sequence[Mapping[str, Any]] = ()
    if "input" not in example:
        yield Finding("preference/shape", "no `input`")
    elif not isinstance(given, dict):
        yield Finding("preference/shape", f"`input` is {describe(given)}", ("input",))
    elif "messages" not in given:
        yield Finding("preference/shape", "no `messages` in `input`", ("input",))
    else:
        yield from check_keys(given, _INPUT_KEYS, ("input",))
        outputs: dict[Steps, Any] = {(key,): example.get(key) for key in OUTPUTS}
        offer, messages = yield from check_conversation(given, ("input",), ORDER_RULES, outputs)
        if messages and messages[-1]["role"] == "assistant":
            at = ("input", "messages", len(messages) - 1, "role")
            yield Finding("preference/input", "the input ends with the assistant", at)
        if messages and all(message["role"] in SYSTEM for message in messages):
            yield Finding("chat/no-user", "no user message in the input", ("input", "messages"))
    for key in OUTPUTS:
        yield from _check_output(example, key, offer, messages)
    preferred, other = (_told(example.get(key)) for key in OUTPUTS)
    if preferred == other and preferred:
        yield Finding("preference/same", "both outputs are the same", ("non_preferred_output",))


def _told(messages: object) -> object:
    """Messages without keys that are null, to compare them."""
    if not isinstance(messages, list):
        return messages
    return [{k: v for k, v in m.items() if v is not None} if isinstance(m, dict) else m for m in messages]


def _check_output(
    example: Mapping[str, Any], key: str, offer: Offer, given: Sequence[Mapping[str, Any]]
) -> Iterator[Finding]:
    if key not in example:
        yield Finding("preference/shape", f"no `{key}`")
        return
    output = example[key]
    if not isinstance(output, list) or not output:
        problem = "is empty" if output == [] else f"is {describe(output)}, not a list"
        yield Finding("preference/output", f"`{key}` {problem}", (key,))
        return
    yield from check_messages(output, offer, (key,), given)
    roles = [m.get("role") if isinstance(m, dict) else None for m in output]
    for index, (before, role) in enumerate(zip((None, *roles), roles, strict=False)):
        if role == before == "assistant":
            yield Finding("chat/role-order", _TWO_ANSWERS, (key, index, "role"))
        elif role in ROLES and role not in ("assistant", "tool"):
            yield Finding("preference/output", f"an output with the role {role}", (key, index, "role"))
    if "assistant" not in roles and all(role in ROLES for role in roles):
        yield Finding("preference/output", f"`{key}` has no assistant message", (key,))
