"""Items: requests with the call that answers each, on their way into the data, or dropped from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from msgspec import Struct

from ftops.dataset.files.jsonl_io import canonical, dump
from ftops.generation.recipe import Recipe
from ftops.generation.targets import Target

CALL, OUTSIDE = "call", "out_of_range"
"""Kinds of items: a call answers the request, or it has a number outside of the limits; others are named by
why they are rejected, too."""


class Item(Struct, frozen=True):
    """`target` is None if a text rejects the request. `topic` names what it is about: items of one topic are
    paraphrases. `source` is `templates`, `file`, or the key of a teacher's answer."""

    prompt: str
    target: Target | None
    kind: str
    topic: str
    source: str
    style: str = ""
    language: str = ""
    checks: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return sha256(canonical([self.prompt, self.target])).hexdigest()[:16]


class Drop(Struct, frozen=True):
    """An item that doesn't come into the data, and why: `broken_json`, `duplicate`, `round_trip` and others.
    `prompt` is empty if there was none."""

    reason: str
    detail: str = ""
    prompt: str = ""
    function: str = ""


def dropped(item: Item, reason: str, detail: str = "") -> Drop:
    return Drop(reason, detail, item.prompt, item.target.function if item.target else "")


def example_line(item: Item, recipe: Recipe) -> bytes:
    """One line of training data. A call has no `content`, because the service rejects `content: null`."""
    system = [{"role": "system", "content": recipe.system}] if recipe.system else []
    messages = [*system, {"role": "user", "content": item.prompt}, _answer(item, recipe)]
    return dump({"messages": messages, "tools": recipe.tools})


def _answer(item: Item, recipe: Recipe) -> Mapping[str, Any]:
    if item.target is None:
        rejections = recipe.settings.rejections
        return {"role": "assistant", "content": rejections.reply if rejections else ""}
    function = {"name": item.target.function, "arguments": dump(item.target.arguments).decode()}
    call = {"id": f"call_{item.key[:8]}", "type": "function", "function": function}
    return {"role": "assistant", "tool_calls": [call]}


def counted(drops: Sequence[Drop]) -> dict[str, int]:
    """By reason."""
    reasons = sorted({drop.reason for drop in drops})
    return {reason: sum(drop.reason == reason for drop in drops) for reason in reasons}
