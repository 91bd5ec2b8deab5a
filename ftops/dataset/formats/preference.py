"""Format `preference`: an input and two outputs, one preferred to the other (method dpo)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftops.dataset.formats import chat
from ftops.dataset.formats.jsonl import describe
from ftops.dataset.rules.findings import Finding

OUTPUTS = ("preferred_output", "non_preferred_output")
_KEYS = frozenset({"input", *OUTPUTS})
_INPUT_KEYS = chat.KEYS - {"function_call"}


def check(example: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that is wrong with one pair."""
    if "messages" in example and not _KEYS & example.keys():
        yield Finding("chat/format", "a conversation among preference pairs")
        return
    yield from chat.check_keys(example, _KEYS, ())
    given = example.get("input")
    offer = chat.NO_OFFER
    if "input" not in example:
        yield Finding("preference/shape", "no `input`")
    elif not isinstance(given, dict):
        yield Finding("preference/shape", f"`input` is {describe(given)}", ("input",))
    elif "messages" not in given:
        yield Finding("preference/shape", "no `messages` in `input`", ("input",))
    else:
        yield from chat.check_keys(given, _INPUT_KEYS, ("input",))
        offer, messages = yield from chat.check_conversation(given, ("input",), chat.ORDER_RULES)
        if messages and messages[-1]["role"] == "assistant":
            at = ("input", "messages", len(messages) - 1, "role")
            yield Finding("preference/input", "the input ends with the assistant", at)
    for key in OUTPUTS:
        yield from _check_output(example, key, offer)
    preferred, other = (example.get(key) for key in OUTPUTS)
    if preferred == other and preferred:
        yield Finding("preference/same", "both outputs are the same", ("non_preferred_output",))


def _check_output(example: Mapping[str, Any], key: str, offer: chat.Offer) -> Iterator[Finding]:
    if key not in example:
        yield Finding("preference/shape", f"no `{key}`")
        return
    output = example[key]
    if not isinstance(output, list) or not output:
        problem = "is empty" if output == [] else f"is {describe(output)}, not a list"
        yield Finding("preference/output", f"`{key}` {problem}", (key,))
        return
    yield from chat.check_messages(output, offer, (key,))
    roles = [m.get("role") if isinstance(m, dict) else None for m in output]
    for index, role in enumerate(roles):
        if role in chat.ROLES and role not in ("assistant", "tool"):
            yield Finding("preference/output", f"an output with the role {role}", (key, index, "role"))
    if "assistant" not in roles and all(role in chat.ROLES for role in roles):
        yield Finding("preference/output", f"`{key}` has no assistant message", (key,))
