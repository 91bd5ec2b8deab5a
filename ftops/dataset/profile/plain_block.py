"""Measurement of plain conversations, a block at a time: only messages with a role and a text.

It says the same as the measurement of each example by itself (`profiler`), which takes three times as long.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate, chain
from typing import TYPE_CHECKING, NamedTuple

from ftops.dataset.formats.chat import SYSTEM
from ftops.dataset.formats.plain import PlainBlock
from ftops.dataset.profile import example_digest
from ftops.dataset.profile.example_digest import NOT_COMPARED
from ftops.dataset.profile.tokens import MESSAGE, REPLY, Counter
from ftops.dataset.rules.sensitive_data import mask

if TYPE_CHECKING:
    from ftops.dataset.profile.profiler import Measurement, Sums

TEXT = "(text)"
_NEAR = 16
"""A longer answer isn't a label."""
_SYSTEMS = 1000

Roles = tuple[str, ...]


class _Shape(NamedTuple):
    """What follows from the roles of a conversation."""

    framing: int
    """The tokens around its texts."""
    answer: int
    """The index of its last answer; -1 if there is none."""


def add_plain(
    block: PlainBlock, first: int, sums: Sums, count: Counter | None, what: Measurement
) -> Iterator[bytes]:
    """Adds the examples in some lines to the sums, and yields a packed row for each. `first`: the number of
    the first line."""
    texts = [*chain.from_iterable(block.texts)]
    said = [*chain.from_iterable(block.roles)]
    numbers = Tally(block.roles)
    shapes = {roles: _shape(roles, count) for roles in numbers}
    _add_roles(sums, numbers)
    tokens = [0] * len(texts)
    if count:
        tokens = count.count_all(texts) if what.vectorised else [*map(count.count, texts)]
        framing = sum(shapes[roles].framing * number for roles, number in numbers.items())
        _add_tokens(sums, Tally(zip(said, tokens, strict=True)), framing, count)
    systems = {text for role, text in zip(said, texts, strict=True) if role in SYSTEM}
    sums.systems.update(map(digest_of_system, systems))
    each = [*map(shapes.__getitem__, block.roles)]
    sums.labels.update(
        [
            short_answer(texts[shape.answer]) if shape.answer >= 0 else TEXT
            for texts, shape in zip(block.texts, each, strict=True)
        ]
    )
    ends = [*accumulate(tokens, initial=0)]
    begins = [*accumulate(map(len, block.roles), initial=0)]
    for index, (content, shape) in enumerate(zip(block.canonical, each, strict=True)):
        total = ends[begins[index + 1]] - ends[begins[index]] + shape.framing
        compared = _compared(block, index) if what.is_comparable else NOT_COMPARED
        yield example_digest.pack_row(first + index, total, content, compared)


def _shape(roles: Roles, count: Counter | None) -> _Shape:
    framing = REPLY + sum(MESSAGE + count.count(role) for role in roles) if count else 0
    last = next((index for index in reversed(range(len(roles))) if roles[index] == "assistant"), -1)
    return _Shape(framing, last)


def _add_roles(sums: Sums, numbers: Mapping[Roles, int]) -> None:
    """Conversations by their roles."""
    for roles, number in numbers.items():
        sums.examples += number
        sums.messages += number * len(roles)
        sums.messages_each[len(roles)] += number
        sums.calls_each[0] += number
        sums.turns_each[roles.count("user")] += number
        sums.prompts += number if roles[-1] != "assistant" else 0
        for role in roles:
            sums.turns[role] += number


def _add_tokens(sums: Sums, said: Mapping[tuple[str, int], int], framing: int, count: Counter) -> None:
    """Messages by their role and tokens; `framing` are the tokens around them."""
    sums.tokens += framing
    for (role, tokens), number in said.items():
        sums.roles[role] += number * tokens
        sums.tokens += number * tokens
        if role == "assistant":
            sums.trained += number * (MESSAGE + count.count(role) + tokens)
            sums.answer_tokens[tokens] += number
    sums.roles["framing"] += framing


def _compared(block: PlainBlock, index: int) -> tuple[bytes, bytes]:
    said = zip(block.roles[index], block.texts[index], strict=True)
    messages = [{"role": role, "content": text} for role, text in said]
    return example_digest.compared({"messages": messages}, messages)


@lru_cache(maxsize=_SYSTEMS)
def digest_of_system(text: str) -> str:
    """The digest of a system message: most examples have the same."""
    return example_digest.short(text)


def short_answer(answer: str) -> str:
    """A short answer that may be a label, with personal data as dots, or TEXT."""
    answer = answer.strip()
    return mask(answer) if 0 < len(answer) <= _NEAR and "\n" not in answer else TEXT
