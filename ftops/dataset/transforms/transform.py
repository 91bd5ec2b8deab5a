"""Transforms that a spec declares: a list of steps such as `{slim: descriptions}`, applied in order.

    steps(raw) → Steps           what the spec says, checked
    apply(source, steps)         examples in, examples out, streamed
    prepared(…)                  the result as a file, made once

The result is a function of the bytes and the steps alone. VERSION is raised whenever a step does otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from ftops.core.errors import Diagnostic, FtopsError, Place
from ftops.dataset.files.derived_files import made
from ftops.dataset.files.jsonl_io import Example, Writer, dump, read_strictly
from ftops.dataset.transforms.convert import FORMS, Unconvertible
from ftops.dataset.transforms.slim import slim
from ftops.dataset.transforms.split import Split, part

VERSION = 1
PARTS = ("train", "valid")

Source = Callable[[], Iterable[Example]]


class Slim(Struct, frozen=True):
    """Less in the definitions of functions: see ftops.dataset.transforms.slim."""

    what: str
    only: tuple[str, ...] = ()

    def __call__(self, source: Source) -> Source:
        return lambda: (slim(example, self.what, self.only) for example in source())


class Convert(Struct, frozen=True):
    """Another form of function calling: see ftops.dataset.transforms.convert."""

    form: str

    def __call__(self, source: Source) -> Source:
        return lambda: map(FORMS[self.form], source())


class Part(Struct, frozen=True):
    """One part of the examples: see ftops.dataset.transforms.split."""

    name: str
    split: Split

    def __call__(self, source: Source) -> Source:
        return partial(part, source, self.split, self.name)


Step = Slim | Convert | Part


class Untransformable(FtopsError):
    """A declared step can't be done with an example."""

    def __init__(self, file: str, number: int, reason: str) -> None:
        super().__init__(f"line {number} of {file} can't be converted: {reason}")
        self._place = Place(file, number)
        self._reason = reason

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        detail = f"{self._reason[:1].upper()}{self._reason[1:]}."
        hint = "change the example, or remove the conversion"
        return (Diagnostic("the example can't be converted", detail, hint, self._place),)


def steps(raw: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """The steps of a list that the spec's own checks have passed."""
    return tuple(_step(each) for each in raw)


def apply(path: Path, display: str, wanted: Iterable[Step]) -> Iterator[Example]:
    """The examples of a file after all steps. Raises NotAnExample, Untransformable."""
    number = 0

    def first() -> Iterator[Example]:
        nonlocal number
        for line, example in read_strictly(path, display):
            number = line.number
            yield example

    source: Source = first
    for step in wanted:
        source = step(source)
    try:
        yield from source()
    except Unconvertible as error:
        raise Untransformable(display, number, str(error)) from error


def prepared(path: Path, display: str, digest: str, raw: Sequence[Mapping[str, Any]], project: Path) -> Path:
    """The file with what comes out; `digest` is that of the bytes at `path`. Raises as `apply`."""
    key = sha256(f"{VERSION}\n{digest}\n{json.dumps(raw, sort_keys=True)}".encode()).hexdigest()

    def write(writer: Writer) -> None:
        for example in apply(path, display, steps(raw)):
            writer.write(dump(example))

    return made(project, key, write)


def _step(raw: Mapping[str, Any]) -> Step:
    if "slim" in raw:
        return Slim(raw["slim"], tuple(raw.get("only") or ()))
    if "convert" in raw:
        return Convert(raw["convert"])
    given = raw["split"]
    fraction = float(given.get("fraction", 0.9))
    parts = {PARTS[0]: fraction, PARTS[1]: 1 - fraction}
    split = Split(parts, given.get("seed", 1), given.get("group_by", "prompt"), given.get("stratify", False))
    return Part(given["part"], split)
