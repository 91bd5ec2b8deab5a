"""Format `reinforcement`: a conversation that the model answers, and the fields that the grader needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftops.dataset.formats import chat
from ftops.dataset.rules.findings import Finding


def check(example: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that is wrong with one example."""
    if "messages" not in example:
        yield from chat.check(example)
        return
    offer, findings = chat.check_offer(example, ())
    yield from findings
    messages = example["messages"]
    at = ("messages",)
    yield from chat.check_messages(messages, offer, at)
    if chat.is_conversation(messages) and messages:
        yield from chat.check_order(messages, at, chat.ORDER_RULES)
        role = messages[-1]["role"]
        if role != "user" and role in chat.ROLES:
            summary = f"the last message has the role {role}"
            yield Finding("reinforcement/last-message", summary, (*at, len(messages) - 1, "role"))
    if not fields(example):
        yield Finding("reinforcement/no-fields", "no key besides `messages`")


def fields(example: Mapping[str, Any]) -> frozenset[str]:
    """The keys of an example that the grader gets, as `item`."""
    return frozenset(example.keys() - chat.KEYS)
