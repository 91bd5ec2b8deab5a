"""Split of a dataset by a hash of the prompt: the same on every machine, for any order of lines.

Without `stratify` an example's part depends on the seed and its own group alone: adding others never moves
it. Examples that ask the same stand in one part, so that nothing is measured with what was learned.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Any

from msgspec import Struct

from ftops.dataset.files.jsonl_io import Example, canonical
from ftops.dataset.profile import example_digest
from ftops.dataset.profile.profiler import label

PROMPT, WHOLE = "prompt", "example"
"""Groups that aren't a path: what is asked, and the whole example."""
_RANGE = 2**64


class Split(Struct, frozen=True):
    """How a dataset is divided. `parts` are shares by name, in order; they sum up to 1.

    `group_by`: examples of one group stay together: `prompt`, `example`, or the way to a value in an example
    (`metadata.customer`). `stratify`: each answer (see `profiler.label`) is divided in these shares, as far
    as groups allow; a few examples may then move when others are added.
    """

    parts: Mapping[str, float]
    seed: int = 1
    group_by: str = PROMPT
    stratify: bool = False

    def chooser(self, examples: Callable[[], Iterable[Example]]) -> Callable[[Example], str]:
        """Example → the name of its part. `examples` are read through beforehand only to stratify."""
        if not self.stratify:
            return lambda example: self._at(self._place(self._group(example)))
        chosen = self._strata(examples())
        return lambda example: chosen[self._group(example)]

    def knows(self, examples: Iterable[Example]) -> bool:
        """Whether any example has what they are grouped by; there may be no examples."""
        if self.group_by in (PROMPT, WHOLE):
            return True
        found = [value_at(example, self.group_by) is not None for example in examples]
        return any(found) or not found

    def _group(self, example: Example) -> bytes:
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
        for group, found in answers.items():
            strata[max(found, key=lambda name: (found[name], name))].append(group)
        chosen = {}
        for groups in strata.values():
            groups.sort(key=lambda group: (self._place(group), group))
            total = sum(answers[group].total() for group in groups)
            before = 0
            for group in groups:
                size = answers[group].total()
                chosen[group] = self._at((before + size / 2) / total)
                before += size
        return chosen


def value_at(example: Example, path: str) -> Any:
    """The value that a dotted way leads to, through objects and lists; None where there is none."""
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
