"""The format `preference`: an input and two outputs, one preferred to the other (method dpo)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftops.dataset.formats import chat
from ftops.dataset.formats.jsonl import describe
from ftops.dataset.rules.findings import Finding

OUTPUTS = ("preferred_output", "non_preferred_output")
_KEYS = frozenset({"input", *OUTPUTS})
_INPUT_KEYS = frozenset({"messages", "tools", "functions", "parallel_tool_calls"})


def check(example: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that is wrong with one pair."""
    if "messages" in example and not _KEYS & example.keys():
        yield Finding("chat/format", "a conversation among preference pairs")
        return
    yield from chat.check_keys(example, _KEYS, ())
    given = example.get("input")
    offer = chat.Offer({}, legacy=False)
    if not isinstance(given, dict) or "messages" not in given:
        at = ("input",) if "input" in example else ()
        said = (
            f"`input` is {describe(given)}"
            if at and not isinstance(given, dict)
            else "no `messages` in `input`"
        )
        yield Finding("preference/shape", said if at else "no `input`", at)
    else:
        yield from chat.check_keys(given, _INPUT_KEYS, ("input",))
        offer, found = chat.check_offer(given, ("input",))
        yield from found
        yield from _check_input(given["messages"], offer)
    for key in OUTPUTS:
        yield from _check_output(example, key, offer)
    one, other = (example.get(key) for key in OUTPUTS)
    if one == other and one:
        yield Finding("preference/same", "both outputs are the same", ("non_preferred_output",))


def _check_input(messages: object, offer: chat.Offer) -> Iterator[Finding]:
    at = ("input", "messages")
    yield from chat.check_messages(messages, offer, at)
    if not chat.is_conversation(messages) or not isinstance(messages, list) or not messages:
        return
    roles = tuple(message["role"] for message in messages)
    for rule, index, summary in chat.order(roles):
        if rule in ("chat/role-order", "chat/system-late"):
            yield Finding(rule, summary, (*at, index, "role"))
    if roles[-1] == "assistant":
        summary = "the input ends with the assistant"
        yield Finding("preference/input", summary, (*at, len(roles) - 1, "role"))


def _check_output(example: Mapping[str, Any], key: str, offer: chat.Offer) -> Iterator[Finding]:
    if key not in example:
        yield Finding("preference/shape", f"no `{key}`")
        return
    output = example[key]
    if not isinstance(output, list) or not output:
        said = "is empty" if output == [] else f"is {describe(output)}, not a list"
        yield Finding("preference/output", f"`{key}` {said}", (key,))
        return
    yield from chat.check_messages(output, offer, (key,))
    roles = [m.get("role") if isinstance(m, dict) else None for m in output]
    for index, role in enumerate(roles):
        if role in chat.ROLES and role not in ("assistant", "tool"):
            yield Finding("preference/output", f"an output with the role {role}", (key, index, "role"))
    if "assistant" not in roles and all(role in chat.ROLES for role in roles):
        yield Finding("preference/output", f"`{key}` has no assistant message", (key,))
