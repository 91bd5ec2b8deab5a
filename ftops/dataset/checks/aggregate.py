"""Aggregation of checked chunks to a whole file, and the rules across examples.

Memory: some 40 bytes for each example, up to a limit beyond which no more are compared.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise

from ftops.dataset.checks.chunk import KEPT, Chunk, Where
from ftops.dataset.checks.example_facts import TEXT, pairs_in
from ftops.dataset.checks.minhash import LIKE, likeness, repeats, same
from ftops.dataset.formats.vision import MAX_EXAMPLES as MAX_WITH_IMAGES
from ftops.dataset.rules.catalogue import RULES
from ftops.dataset.rules.findings import MAX_SHOWN, Found, place
from ftops.dataset.rules.sensitive_data import mask

MIN_EXAMPLES = 10
FEW_EXAMPLES = 100
COMPARED = 2_000_000
"""Examples at most that are compared with each other."""
MAX_PAIRS = 2_000
"""Pairs at most whose texts are compared word by word."""
_ENOUGH = 50
"""Examples from which on answers may be called imbalanced."""
_MOST = 0.9
_MANY = 20
"""Different system messages that may be meant to differ."""

Lines = Callable[[Iterable[int]], Iterator[tuple[int, str]]]
"""Reads lines of the file by their numbers, in order."""


class Aggregate:
    """One file, piece by piece."""

    def __init__(self) -> None:
        self.lines = 0
        self.examples = 0
        self.longest = 0
        self.images = 0
        self.counts: Counter[str] = Counter()
        self.found: list[Found] = []
        self.is_document = False
        self.contents = array("Q")
        self.sketches = array("Q")
        self.numbers = array("I")
        self.systems: dict[str, Where] = {}
        self.fields: dict[str, Where] = {}
        self.labels: Counter[str] = Counter()
        self.definitions: dict[str, dict[str, Where]] = {}
        self._digest = sha256()

    def add(self, piece: Chunk) -> None:
        """The next piece."""
        before = self.lines
        for found in piece.found:
            if self.counts[found.rule] + self._among(piece.found, found) < MAX_SHOWN:
                self.found.append(found._replace(line=found.line + before))
        self.counts.update(piece.counts)
        self._digest.update(piece.contents)
        if self.examples < COMPARED:
            self.contents.frombytes(piece.contents)
            self.sketches.frombytes(piece.sketches)
            numbers = array("I", piece.numbers)
            self.numbers.extend(array("I", [n + before for n in numbers]) if before else numbers)
        _merge(self.systems, piece.systems, before)
        _merge(self.fields, piece.fields, before)
        for label, count in piece.labels.items():
            if label in self.labels or len(self.labels) < KEPT:
                self.labels[label] += count
        for name, known in piece.definitions.items():
            if name in self.definitions or len(self.definitions) < KEPT:
                _merge(self.definitions.setdefault(name, {}), known, before)
        self.examples += piece.examples
        self.images += piece.images
        self.longest = max(self.longest, piece.longest)
        self.is_document = self.is_document or piece.is_document
        self.lines += piece.lines

    @property
    def content(self) -> str:
        """Digest of what is in the examples, in their order."""
        return f"sha256:{self._digest.hexdigest()}"

    def finish(self, format: str, lines: Lines) -> None:
        """Applies the rules about the whole. `lines` reads the file once more, where that is needed."""
        if self.is_document:
            return
        self._check_count(format)
        self._check_systems()
        self._check_definitions()
        self._check_fields()
        self._check_labels()
        self._check_duplicates(lines)

    def say(self, rule: str, number: int, summary: str, detail: str = "", other: int = 0) -> None:
        """About a line; 0 means the file. `other` is a line that the summary ends with."""
        self.counts[rule] += 1
        if self.counts[rule] <= MAX_SHOWN:
            row = RULES[rule]
            told = detail or row.why
            self.found.append(Found(rule, number, 1, 1, "", "", summary, told, row.fix, other))

    def with_lines(self, lines: Lines) -> list[Found]:
        """What was found, in order, each with the text of its line."""
        bare = {f.line for f in self.found if f.line and not f.text}
        texts = dict(lines(bare)) if bare else {}
        done = []
        for found in self.found:
            if found.line in texts and not found.text:
                text = texts[found.line]
                at = place("", found.line, text, 0, len(text))
                found = found._replace(text=at.text, width=at.width)
            done.append(found)
        return sorted(done, key=lambda f: (f.line, f.column))

    @staticmethod
    def _among(found: Sequence[Found], one: Found) -> int:
        return [f for f in found if f.rule == one.rule].index(one)

    def _check_count(self, format: str) -> None:
        if not self.examples:
            summary = "only blank lines" if self.lines else "the file is empty"
            self.say("file/empty", 0, summary)
        elif self.examples < MIN_EXAMPLES:
            s = "s" if self.examples > 1 else ""
            self.say("file/too-few-examples", 0, f"{self.examples} example{s}, fewer than {MIN_EXAMPLES}")
        elif self.examples < FEW_EXAMPLES and format != "reinforcement":
            self.say("file/few-examples", 0, f"{self.examples} examples, which may be too few")
        if self.images > MAX_WITH_IMAGES:
            summary = f"{self.images:,} examples with images, more than {MAX_WITH_IMAGES:,}"
            self.say("vision/too-many", 0, summary)

    def _check_systems(self) -> None:
        if len(self.systems) < 2:
            return
        if len(self.systems) >= max(_MANY, self.examples // 2):
            self.say("data/system-differs", 0, f"{len(self.systems):,} different system messages")
            return
        for line, count in _rarer(self.systems):
            also = f", as have {count - 1:,} more" if count > 1 else ""
            self.say("data/system-differs", line, f"a different system message than most examples{also}")

    def _check_definitions(self) -> None:
        for name, known in self.definitions.items():
            for line, count in _rarer(known):
                also = f", as in {count - 1:,} more" if count > 1 else ""
                self.say("tools/differ", line, f"`{name}` is defined differently than in most examples{also}")

    def _check_fields(self) -> None:
        most = max(self.fields, key=lambda key: self.fields[key][1], default="")
        for line, _ in _rarer(self.fields):
            self.say("reinforcement/fields", line, f"different keys than in most examples ({most or 'none'})")

    def _check_labels(self) -> None:
        told = [(count, label) for label, count in self.labels.items() if label != TEXT]
        count, label = max(told, default=(0, ""))
        if self.examples >= _ENOUGH and len(told) > 1 and count >= _MOST * self.examples:
            shown = f"`{mask(label)}`" if label.isprintable() and "`" not in label else "one answer"
            self.say("data/imbalance", 0, f"{shown} is the answer in {count:,} of {self.examples:,} examples")

    def _check_duplicates(self, lines: Lines) -> None:
        again = repeats(self.contents[::2], MAX_SHOWN)
        for index, first in again.first:
            line, summary = self.numbers[first], "the same example as in line"
            self.say("data/duplicate", self.numbers[index], summary, other=line)
        self.counts["data/duplicate"] += again.total - len(again.first)
        candidates = list(near_pairs(self.sketches, again.flags))
        wanted = {self.numbers[i] for pair in candidates for i in pair}
        said = pairs_in(lines(wanted)) if wanted else {}
        told: set[int] = set()
        for one, other in candidates:
            if other not in told and is_near(said, self.numbers[one], self.numbers[other]):
                told.add(other)
                line, summary = self.numbers[one], "nearly the same example as in line"
                self.say("data/near-duplicate", self.numbers[other], summary, other=line)


def near_pairs(sketches: Sequence[int], leave_out: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Indices of examples that may be nearly the same; MAX_PAIRS at most. Those with a flag are left out."""
    seen: set[tuple[int, int]] = set()
    for half in (0, 1):
        for group in same(array("Q", sketches[half::2])):
            left = [index for index in group if not leave_out[index]]
            for before, index in pairwise(left):
                for first in {left[0], before}:
                    if (first, index) not in seen:
                        seen.add((first, index))
                        yield first, index
                        if len(seen) >= MAX_PAIRS:
                            return


def is_near(said: Mapping[int, Iterable[int]], one: int, other: int) -> bool:
    """Whether what is said in two lines is nearly the same, by the pairs of words of each."""
    return one in said and other in said and likeness(said[one], said[other]) >= LIKE


def _merge(into: dict[str, Where], more: Mapping[str, Where], before: int) -> None:
    for key, (line, count) in more.items():
        known = into.get(key)
        if known:
            into[key] = (known[0], known[1] + count)
        elif len(into) < KEPT:
            into[key] = (line + before, count)


def _rarer(known: Mapping[str, Where]) -> list[Where]:
    """All but the most frequent, by line."""
    if len(known) < 2:
        return []
    most = max(known, key=lambda key: (known[key][1], -known[key][0]))
    return sorted(where for key, where in known.items() if key != most)
