"""Transforms that a spec declares: a list of steps such as `{slim: descriptions}`, applied in order.

    steps(raw)                   the declared steps as values
    apply(path, display, steps)  the examples of a file after all steps, streamed
    prepared(…)                  the result as a file, written once

The result depends only on the bytes and the steps. Raise VERSION whenever a step gives other results.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from ftops.core.errors import Diagnostic, Place
from ftops.dataset.files.derived_files import derive
from ftops.dataset.files.jsonl_io import DataError, Example, Writer, dump, read_strictly
from ftops.dataset.transforms.convert import FORMS, Unconvertible
from ftops.dataset.transforms.slim import slim
from ftops.dataset.transforms.split import Split, part

VERSION = 1
PARTS = ("train", "valid")

Source = Callable[[], Iterable[Example]]


class Slim(Struct, frozen=True):
    """Shorter definitions of functions: see ftops.dataset.transforms.slim."""

    what: str
    only: tuple[str, ...] = ()

    def __call__(self, source: Source) -> Source:
        return lambda: (slim(example, self.what, self.only) for example in source())


class Convert(Struct, frozen=True):
    """The other format of function calls: see ftops.dataset.transforms.convert."""

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


class Untransformable(DataError):
    """A step can't be applied to an example."""

    def __init__(self, file: str, number: int, reason: str) -> None:
        detail = f"{reason[:1].upper()}{reason[1:]}."
        hint = "change the example, or remove the conversion"
        super().__init__(Diagnostic("the example can't be converted", detail, hint, Place(file, number)))


def steps(raw: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """The steps of a list that has passed the checks of the spec."""
    return tuple(map(_step, raw))


def apply(path: Path, display: str, wanted: Iterable[Step]) -> Iterator[Example]:
    """The examples of a file after all steps. Raises NotAnExample, Untransformable."""
    number = 0

    def read() -> Iterator[Example]:
        nonlocal number
        for line, example in read_strictly(path, display):
            number = line.number
            yield example

    source: Source = read
    for step in wanted:
        source = step(source)
    try:
        yield from source()
    except Unconvertible as error:
        raise Untransformable(display, number, str(error)) from error


def prepared(path: Path, display: str, digest: str, raw: Sequence[Mapping[str, Any]], project: Path) -> Path:
    """The file with the result; `digest` is that of the bytes at `path`. Raises as `apply`."""
    key = sha256(f"{VERSION}\n{digest}\n{json.dumps(raw, sort_keys=True)}".encode()).hexdigest()

    def write(writer: Writer) -> None:
        for example in apply(path, display, steps(raw)):
            writer.write(dump(example))

    return derive(project, key, write)


def _step(raw: Mapping[str, Any]) -> Step:
    if "slim" in raw:
        return Slim(raw["slim"], tuple(raw.get("only") or ()))
    if "convert" in raw:
        return Convert(raw["convert"])
    split = raw["split"]
    fraction = float(split.get("fraction", 0.9))
    shares = {PARTS[0]: fraction, PARTS[1]: 1 - fraction}
    options = {key: split[key] for key in ("seed", "group_by", "stratify") if key in split}
    return Part(split["part"], Split(shares, **options))
