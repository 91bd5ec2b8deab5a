"""Parts: the examples of a dataset divided by hashes, and samples of them."""

from __future__ import annotations

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from heapq import nsmallest
from itertools import accumulate
from typing import Any

from msgspec import Struct

from ftops.dataset.files.jsonl_io import Example, canonical
from ftops.dataset.profile import example_digest
from ftops.dataset.profile.profiler import label

PARTS = ("train", "valid")
CONVERSATION, PROMPT, WHOLE = "conversation", "prompt", "example"
"""Groups that aren't a path: the start of the conversation, the whole prompt, and the whole example."""
_RANGE = 2**64

Source = Callable[[], Iterable[Example]]


class Split(Struct, frozen=True):
    """How a dataset is divided. `parts` are shares by name, in order; their sum is 1. Without `stratify`, the
    part of an example depends only on the seed and its group: adding other examples never moves it.

    `group_by`: examples of one group stay together: `conversation`, `prompt`, `example`, or the path to a
    value in an example (`metadata.customer`). `stratify`: the examples of each answer (see `profiler.label`)
    are divided in these shares, as far as groups allow; a few examples may then move when others are added.
    """

    parts: Mapping[str, float]
    seed: int = 1
    group_by: str = CONVERSATION
    stratify: bool = False

    def chooser(self, examples: Callable[[], Iterable[Example]]) -> Callable[[Example], str]:
        """Example → the name of its part. `examples` are read beforehand only to stratify."""
        if not self.stratify:
            return lambda example: self._at(self.place(example))
        chosen = self._strata(examples())
        return lambda example: chosen[self._group(example)]

    @property
    def needs_messages(self) -> bool:
        """Whether examples are grouped by their messages."""
        return self.group_by in (CONVERSATION, PROMPT)

    def knows(self, examples: Iterable[Example]) -> bool:
        """Whether an example has the value that they are grouped by, or there are no examples."""
        is_empty = True
        for example in examples:
            is_empty = False
            if self.needs_messages and example_digest.messages(example):
                return True
            if self.group_by == WHOLE or value_at(example, self.group_by) is not None:
                return True
        return is_empty

    @property
    def group(self) -> str:
        """What examples are grouped by, for messages."""
        return "messages" if self.needs_messages else f"`{self.group_by}`"

    def place(self, example: Example) -> float:
        """Between 0 and 1: where the hash of its group is."""
        return self._place(self._group(example))

    def _group(self, example: Example) -> bytes:
        if self.group_by == CONVERSATION:
            return example_digest.start(example, example_digest.messages(example))
        if self.group_by == PROMPT:
            return example_digest.prompt(example, example_digest.messages(example))
        if self.group_by == WHOLE:
            return example_digest.digest(canonical(example))
        return example_digest.digest(canonical(value_at(example, self.group_by)))

    def _place(self, group: bytes) -> float:
        """Between 0 and 1."""
        key = self.seed.to_bytes(8, "big", signed=True)
        return int.from_bytes(blake2b(group, digest_size=8, key=key).digest(), "big") / _RANGE

    def _at(self, place: float) -> str:
        names = list(self.parts)
        ends = list(accumulate(self.parts.values()))
        return names[min(bisect(ends, place), len(names) - 1)]

    def _strata(self, examples: Iterable[Example]) -> dict[bytes, str]:
        """Groups → parts: within each answer the groups are ranked by their hash and divided."""
        answers: defaultdict[bytes, Counter[str]] = defaultdict(Counter)
        for example in examples:
            answers[self._group(example)][label(example, example_digest.messages(example))] += 1
        strata: defaultdict[str, list[bytes]] = defaultdict(list)
        for group, counts in answers.items():
            strata[max(counts, key=lambda name: (counts[name], name))].append(group)
        chosen = {}
        for name, groups in strata.items():
            groups.sort(key=lambda group: (self._place(group), group))
            total = sum(answers[group].total() for group in groups)
            # The point of a group that counts depends on the answer: else each group that is alone with its
            # answer would be in the part that has the middle.
            before, point = 0, self._place(name.encode("utf-8", "replace"))
            for group in groups:
                size = answers[group].total()
                chosen[group] = self._at((before + size * point) / total)
                before += size
        return chosen


def sample(examples: Source, count: int) -> Iterator[Example]:
    """At most `count` examples, in their order."""
    whole = Split({WHOLE: 1.0}, group_by=WHOLE)
    by_prompt = Split({WHOLE: 1.0}, group_by=PROMPT)
    ranked = (
        (by_prompt.place(example), whole.place(example), number) for number, example in enumerate(examples())
    )
    chosen = {number for *_, number in nsmallest(count, ranked)}
    return (example for number, example in enumerate(examples()) if number in chosen)


def value_at(example: Example, path: str) -> Any:
    """The value at a dotted path through objects and lists; None if there is none."""
    value: Any = example
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, Sequence) and not isinstance(value, str) and step.lstrip("-").isdigit():
            index = int(step)
            value = value[index] if -len(value) <= index < len(value) else None
        else:
            return None
    return value


def part(examples: Callable[[], Iterable[Example]], split: Split, name: str) -> Iterator[Example]:
    """The examples of one part, in their order."""
    choose = split.chooser(examples)
    return (example for example in examples() if choose(example) == name)
