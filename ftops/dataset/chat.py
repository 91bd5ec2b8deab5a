"""The format `chat`: one conversation per line, under `messages`."""

from __future__ import annotations

from collections.abc import Iterator

from ftops.dataset.inspection import Finding, quote
from ftops.dataset.jsonl import describe

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_CALLS = ("tool_calls", "function_call")
_SHAPE = (
    'An example is {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}.'
)


def check(example: dict[str, object]) -> Iterator[Finding]:
    """Everything that is wrong with one example."""
    messages = example.get("messages")
    if "messages" not in example:
        yield _without_messages(example)
    elif not isinstance(messages, list):
        yield Finding(f"`messages` is {describe(messages)}, not a list", "", _SHAPE, at=("messages",))
    elif not messages:
        yield Finding("`messages` is empty", "There is nothing to learn from it.", _SHAPE, at=("messages",))
    else:
        yield from _check_messages(messages)


def _check_messages(messages: list[object]) -> Iterator[Finding]:
    learns = False
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            yield Finding(
                f"a message is {describe(message)}, not an object", "", _SHAPE, at=("messages", index)
            )
            learns = True
            continue
        role = message.get("role")
        if role == "assistant":
            learns = True
            if not (message.get("content") and isinstance(message["content"], str)):
                yield from _check_answer(message, index)
        elif role not in ROLES:
            # A misspelt "assistant" is one mistake, not two.
            learns = True
            yield _role(message, index)
    if not learns:
        yield Finding(
            "no message of the role assistant",
            "The model learns from what the assistant says; this example has nothing to learn.",
            "Add the answer as a message of the role assistant.",
            at=("messages",),
        )


def _check_answer(message: dict[str, object], index: int) -> Iterator[Finding]:
    """An assistant's message that isn't plain text: calls, parts, or a mistake."""
    content = message.get("content")
    if content is not None and not isinstance(content, str | list):
        yield Finding(
            f"`content` is {describe(content)}, not text",
            "",
            "Write it in double quotes, or as a list of parts.",
            at=("messages", index, "content"),
        )
    elif not content and not any(message.get(key) for key in _CALLS):
        at = ("messages", index, "content") if "content" in message else ("messages", index)
        yield Finding(
            "the assistant says nothing",
            "Its message has neither `content` nor `tool_calls` nor `function_call`.",
            "Add the answer, or remove the example.",
            at=at,
        )


def _role(message: dict[str, object], index: int) -> Finding:
    if "role" not in message:
        return Finding(
            "a message has no `role`", "", f"Roles are {', '.join(ROLES)}.", at=("messages", index)
        )
    role = message["role"]
    at = ("messages", index, "role")
    if not isinstance(role, str):
        return Finding(f"`role` is {describe(role)}, not text", "", f"Roles are {', '.join(ROLES)}.", at=at)
    return Finding(f"unknown role {quote(role)}", "", _suggest(role, ROLES), at=at)


def _without_messages(example: dict[str, object]) -> Finding:
    if {"prompt", "completion"} <= example.keys():
        detail = "`prompt` and `completion` are the format of completion models; chat models don't take it."
        return Finding("no `messages`", detail, _SHAPE)
    near = _nearest("messages", tuple(example))
    hint = f'Did you mean "messages" where the example says {quote(near)}?' if near else _SHAPE
    return Finding("no `messages`", "A chat example is a list of messages.", hint, at=(near,) if near else ())


def _suggest(word: str, known: tuple[str, ...]) -> str:
    near = _nearest(word, known)
    start = f'Did you mean "{near}"? ' if near else ""
    return f"{start}Roles are {', '.join(known)}."


def _nearest(word: str, known: tuple[str, ...]) -> str:
    import difflib  # only where something is wrong

    # A list of candidates from the data can be of any length, and the comparison is slow.
    candidates = [k for k in known[:50] if len(k) <= 2 * len(word)]
    return next(iter(difflib.get_close_matches(word[:60], candidates, 1)), "")
