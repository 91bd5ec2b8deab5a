"""Token counting: speed compared with tiktoken in the same run, and that both count the same.

python -m bench.tokens [--megabytes 20] [--rounds 5] [--check]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from pydoc_data.topics import topics
from typing import TYPE_CHECKING

from ftops.dataset.files.jsonl_io import read
from ftops.dataset.profile.profiler import measure
from ftops.dataset.profile.tokens import ENCODINGS, by_words, counter, exact

if TYPE_CHECKING:
    import tiktoken

BUSY = 0.7
"""Load average of the last minute from which one of two processors may be busy."""
TARGET = 2.0
"""Target: speed for a file relative to tiktoken."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.tokens")
    parser.add_argument("--megabytes", type=int, default=20, help="size of the generated file")
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds; the minimum counts")
    parser.add_argument("--check", action="store_true", help="exit with 1 if the target is missed")
    chosen = parser.parse_args(arguments)
    try:
        from bench.vocabulary import reference
    except ImportError:
        print("SKIPPED: tiktoken is not installed, so there is nothing to compare with", file=sys.stderr)
        return 0
    busy = os.getloadavg()[0]
    if busy > BUSY:
        print(f"The machine is busy (load {busy:.1f}): these figures are no result.\n")
    ratios = []
    with tempfile.TemporaryDirectory(prefix="bench-") as root:
        file = Path(root) / "chat.jsonl"
        texts = list(_texts(_write(file, chosen.megabytes * 1_000_000)))
        size = sum(len(text.encode()) for text in texts)
        for name in ENCODINGS:
            with reference(Path(root), name) as theirs:
                ratios.append(_compare(name, file, texts, size, _lengths(theirs), chosen.rounds))
    slowest = min(ratios)
    verdict = "met" if slowest >= TARGET else "MISSED"
    print(f"\nA file, {TARGET:g} times as fast as with tiktoken: {verdict} ({slowest:.1f})")
    return int(chosen.check and slowest < TARGET)


def _lengths(theirs: tiktoken.Encoding) -> Callable[[str], int]:
    return lambda text: len(theirs.encode_ordinary(text))


def _compare(
    name: str, file: Path, texts: Sequence[str], size: int, theirs: Callable[[str], int], rounds: int
) -> float:
    ours = by_words(exact(name))
    total = sum(map(theirs, texts))
    if sum(map(ours, texts)) != total:
        raise SystemExit(f"FAILED: {name}: the counts differ")
    slow = _least(lambda: sum(map(theirs, texts)), rounds)
    fast = _least(lambda: sum(map(by_words(exact(name)), texts)), rounds)
    counter(name)
    whole = _least(lambda: measure(file, name).sums.tokens, rounds)
    their_file = _least(lambda: _their_file(file, theirs), rounds)
    print(f"{name}: {total:,} tokens in {len(texts):,} texts of {size / 1e6:.1f} MB")
    _print("tiktoken, texts", total, slow, 1)
    _print("ftops, texts, one core", total, fast, slow / fast)
    _print("tiktoken, json.loads and texts of the file", total, their_file, 1)
    _print("ftops, the file, with all statistics", total, whole, their_file / whole)
    return their_file / whole


def _their_file(file: Path, count: Callable[[str], int]) -> int:
    """The usual script: parses every line and encodes every text, nothing else."""
    total = 0
    with file.open("rb") as stream:
        for line in stream:
            total += sum(count(text) for text in _texts([json.loads(line)]))
    return total


def _print(what: str, tokens: int, seconds: float, ratio: float) -> None:
    print(f"  {what:44} {tokens / seconds / 1e6:6.2f} million tokens/s   {ratio:4.1f} ×")


def _least(work: Callable[[], object], rounds: int) -> float:
    """Wall time, including other processes."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def _texts(examples: Sequence[dict[str, object]] | Iterator[dict[str, object]]) -> Iterator[str]:
    for example in examples:
        messages = example["messages"]
        assert isinstance(messages, list)
        for message in messages:
            yield message["role"]
            yield message["content"]


def _write(file: Path, size: int) -> Iterator[dict[str, object]]:
    """Conversations from the text of Python's manual, all with the same system message."""
    choose = random.Random(5)
    # Paragraphs without line breaks, as people write them.
    found = (s for text in topics.values() for s in text.split(".") if 20 < len(s) < 400)
    sentences = [" ".join(s.split()) for s in found]
    system = ". ".join(choose.choices(sentences, k=6))

    def said(most: int) -> str:
        found = choose.choices(sentences, k=choose.randint(1, most))
        return f"{choose.choice(found[0].split())} {choose.randint(1, 9999)}: {'. '.join(found)}"

    written = 0
    with file.open("wb") as stream:
        while written < size:
            messages = [{"role": "system", "content": system}]
            for _ in range(choose.randint(1, 3)):
                messages.append({"role": "user", "content": said(4)})
                messages.append({"role": "assistant", "content": said(8)})
            written += stream.write(json.dumps({"messages": messages}).encode() + b"\n")
    return (line.example for line in read(file) if line.example is not None)


if __name__ == "__main__":
    sys.exit(main())
