"""Aggregate of checked chunks: what is known of the whole file, and the rules across examples.

Memory: some 40 bytes per example, up to a limit beyond which no more are compared.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from heapq import nsmallest
from itertools import pairwise

from ftops.core.errors import Place
from ftops.core.plurals import agree, plural
from ftops.dataset.checks import beginnings
from ftops.dataset.checks.chunk import KEPT, Chunk, Where
from ftops.dataset.checks.groups import largest_groups
from ftops.dataset.checks.minhash import LIKE, TEXT, groups_of_equal, likeness, word_pairs_by_line
from ftops.dataset.formats.vision import MAX_EXAMPLES as MAX_WITH_IMAGES
from ftops.dataset.rules.findings import MAX_SHOWN, Finding, Group, LocatedFinding, place
from ftops.dataset.rules.sensitive_data import mask

_BROKEN = ("json/syntax", "json/not-object", "file/not-utf8")
"""Rules of lines that aren't examples."""
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
"""So many different system messages may be intended."""

Lines = Callable[[Iterable[int]], Iterator[tuple[int, str]]]
"""Reads lines of the file by their numbers, in order."""


class Aggregate:
    """One file, chunk by chunk."""

    def __init__(self) -> None:
        self.lines = self.examples = self.longest = self.images = 0
        self.counts: Counter[str] = Counter()
        self.found: list[LocatedFinding] = []
        self.contents = array("Q")
        self.minhashes = array("Q")
        self.openings = array("Q")
        self.numbers = array("I")
        self.systems: dict[str, Where] = {}
        self.fields: dict[str, Where] = {}
        self.labels: Counter[str] = Counter()
        self.definitions: dict[str, dict[str, Where]] = {}
        self.alike: tuple[Group, ...] = ()
        """Known after `finish`."""
        self._digest = sha256()

    def add(self, chunk: Chunk) -> None:
        """Adds the next chunk."""
        before = self.lines
        listed = self.counts.copy()
        for finding in chunk.found:
            if listed[finding.rule] < MAX_SHOWN:
                self.found.append(finding._replace(line=finding.line + before))
            listed[finding.rule] += 1
        self.counts.update(chunk.counts)
        self._digest.update(chunk.contents)
        if self.examples < COMPARED:
            self.contents.frombytes(chunk.contents)
            self.minhashes.frombytes(chunk.minhashes)
            self.openings.frombytes(chunk.openings)
            numbers = array("I", chunk.numbers)
            self.numbers.extend(array("I", [n + before for n in numbers]) if before else numbers)
        _merge(self.systems, chunk.systems, before)
        _merge(self.fields, chunk.fields, before)
        for label, count in chunk.labels.items():
            if label in self.labels or len(self.labels) < KEPT:
                self.labels[label] += count
        for name, variants in chunk.definitions.items():
            if name in self.definitions or len(self.definitions) < KEPT:
                _merge(self.definitions.setdefault(name, {}), variants, before)
        self.examples += chunk.examples
        self.images += chunk.images
        self.longest = max(self.longest, chunk.longest)
        self.lines += chunk.lines

    @property
    def content(self) -> str:
        """Digest of the content of the examples, in their order."""
        return f"sha256:{self._digest.hexdigest()}"

    def finish(self, format: str, lines: Lines) -> None:
        """Applies the rules about the whole file. `lines` reads the file once more if that is needed."""
        self._check_count(format)
        self._check_systems()
        for name, variants in self.definitions.items():
            for line, count in _rarer(variants):
                also = f", as in {count - 1:,} more" if count > 1 else ""
                summary = f"`{name}` is defined differently than in most examples{also}"
                self.report("tools/differ", summary, line)
        usual = max(self.fields, key=lambda key: self.fields[key][1], default="")
        for line, _ in _rarer(self.fields):
            summary = f"different keys than in most examples ({usual or 'none'})"
            self.report("reinforcement/fields", summary, line)
        self._check_labels()
        self._check_beginnings(lines, self._check_duplicates(lines))

    def report(self, rule: str, summary: str, line: int = 0, other: int = 0, hint: str = "") -> None:
        """Adds a finding about a line; 0 is the whole file. The summary ends with the line `other`."""
        self.counts[rule] += 1
        if self.counts[rule] <= MAX_SHOWN:
            self.found.append(Finding(rule, summary, hint=hint).located(Place("", line), other=other))

    def with_lines(self, lines: Lines) -> list[LocatedFinding]:
        """All findings by line, each with the text of its line."""
        bare = {f.line for f in self.found if f.line and not f.text}
        texts = dict(lines(bare)) if bare else {}
        findings = []
        for finding in self.found:
            if finding.line in texts and not finding.text:
                text = texts[finding.line]
                at = place("", finding.line, text, 0, len(text))
                finding = finding._replace(text=at.text, width=at.width)
            findings.append(finding)
        return sorted(findings, key=lambda f: (f.line, f.column))

    def _check_count(self, format: str) -> None:
        count = self.examples
        if not count:
            self.report("file/empty", "only blank lines" if self.lines else "the file is empty")
        elif count <= sum(self.counts[rule] for rule in _BROKEN):
            pass  # no line can be read, so nothing is known of their number
        elif count < MIN_EXAMPLES:
            self.report("file/too-few-examples", f"{plural(count, 'example')}, fewer than {MIN_EXAMPLES}")
        elif count < FEW_EXAMPLES and format != "reinforcement":
            self.report("file/few-examples", f"{count} examples, which may be too few")
        if self.images > MAX_WITH_IMAGES:
            summary = f"{self.images:,} examples with images, more than {MAX_WITH_IMAGES:,}"
            self.report("vision/too-many", summary)

    def _check_systems(self) -> None:
        rule = "data/system-differs"
        if len(self.systems) >= max(_MANY, self.examples // 2):
            self.report(rule, f"{len(self.systems):,} different system messages")
            return
        for line, count in _rarer(self.systems):
            also = f", as {agree(count - 1, 'has', 'have')} {count - 1:,} more" if count > 1 else ""
            self.report(rule, f"a different system message than most examples{also}", line)

    def _check_labels(self) -> None:
        counts = [(count, label) for label, count in self.labels.items() if label != TEXT]
        count, label = max(counts, default=(0, ""))
        if self.examples >= _ENOUGH and len(counts) > 1 and count >= _MOST * self.examples:
            answer = f"`{mask(label)}`" if label.isprintable() and "`" not in label else "one answer"
            summary = f"{answer} is the answer in {count:,} of {self.examples:,} examples"
            self.report("data/imbalance", summary)

    def _check_duplicates(self, lines: Lines) -> bytearray:
        """Returns a flag for each example: whether it is a repetition."""
        numbers = self.numbers
        is_repeat = bytearray(len(numbers))

        def repeats() -> Iterator[tuple[int, int]]:
            for group in groups_of_equal(self.contents[::2]):
                for index in group[1:]:
                    is_repeat[index] = 1
                    yield index, group[0]

        for index, first in nsmallest(MAX_SHOWN, repeats()):
            self.report("data/duplicate", "the same example as in line", numbers[index], numbers[first])
        self.counts["data/duplicate"] = is_repeat.count(1)
        candidates = list(near_pairs(self.minhashes, is_repeat))
        wanted = {numbers[index] for pair in candidates for index in pair}
        words = word_pairs_by_line(lines(wanted)) if wanted else {}
        near: dict[int, int] = {}
        for first, index in candidates:
            both = words.get(numbers[first]), words.get(numbers[index])
            if index in near or both[0] is None or both[1] is None:
                continue
            if likeness(both[0], both[1]) >= LIKE:
                near[index] = first
                summary = "nearly the same example as in line"
                self.report("data/near-duplicate", summary, numbers[index], numbers[first])
        self.alike = largest_groups(self.contents[::2], ((near[i], i) for i in sorted(near)), numbers)
        return is_repeat

    def _check_beginnings(self, lines: Lines, is_repeat: Sequence[int]) -> None:
        wanted = {self.numbers[index] for index in beginnings.candidates(self.openings, is_repeat)}
        if wanted:
            found = beginnings.prefixes(lines(wanted))
            for line, longer in sorted(beginnings.pairs(found, found)):
                self.report("data/beginning", "the beginning of the conversation in line", line, longer)


def near_pairs(minhashes: Sequence[int], excluded: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Indices of examples that may be nearly the same, MAX_PAIRS at most. `excluded` has a flag for each."""
    seen: set[tuple[int, int]] = set()
    for half in (0, 1):
        for group in groups_of_equal(array("Q", minhashes[half::2])):
            left = [index for index in group if not excluded[index]]
            for before, index in pairwise(left):
                for first in {left[0], before}:
                    if (first, index) not in seen:
                        seen.add((first, index))
                        yield first, index
                        if len(seen) >= MAX_PAIRS:
                            return


def _merge(into: dict[str, Where], more: Mapping[str, Where], before: int) -> None:
    for key, (line, count) in more.items():
        known = into.get(key)
        if known:
            into[key] = (known[0], known[1] + count)
        elif len(into) < KEPT:
            into[key] = (line + before, count)


def _rarer(variants: Mapping[str, Where]) -> list[Where]:
    """All but the most frequent, by line."""
    if len(variants) < 2:
        return []
    usual = max(variants, key=lambda key: (variants[key][1], -variants[key][0]))
    return sorted(where for key, where in variants.items() if key != usual)
