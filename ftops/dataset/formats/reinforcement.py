"""The format `reinforcement`: a conversation that the model answers, and what its grader needs to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftops.dataset.formats import chat
from ftops.dataset.rules.findings import Finding


def check(example: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that is wrong with one example."""
    if "messages" not in example:
        yield from (f for f in chat.check(example) if f.rule != "chat/unknown-key")
        return
    offer, found = chat.check_offer(example, ())
    yield from found
    messages = example["messages"]
    at = ("messages",)
    yield from chat.check_messages(messages, offer, at)
    if chat.is_conversation(messages) and messages:
        roles = tuple(message["role"] for message in messages)
        for rule, index, summary in chat.order(roles):
            if rule in ("chat/role-order", "chat/system-late"):
                yield Finding(rule, summary, (*at, index, "role"))
        if roles[-1] != "user" and roles[-1] in chat.ROLES:
            summary = f"the last message has the role {roles[-1]}"
            yield Finding("reinforcement/last-message", summary, (*at, len(roles) - 1, "role"))
    if not fields(example):
        yield Finding("reinforcement/no-fields", "no key besides `messages`")


def fields(example: Mapping[str, Any]) -> frozenset[str]:
    """What the grader sees of an example, as `item`."""
    return frozenset(example.keys() - chat.KEYS)
