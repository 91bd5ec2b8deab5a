"""Transforms that a spec declares: a list of steps such as `{slim: descriptions}`, applied in order.

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

from ftops.core.errors import Place
from ftops.dataset.files.derived_files import derive
from ftops.dataset.files.jsonl_io import DataError, Example, Writer, dump, read_strictly
from ftops.dataset.transforms.convert import FORMS, Unconvertible
from ftops.dataset.transforms.slim import slim
from ftops.dataset.transforms.split import Split, part

VERSION = 1
PARTS = ("train", "valid")

Source = Callable[[], Iterable[Example]]


Step = Callable[[Source], Source]


def apply(path: Path, display: str, steps: Iterable[Mapping[str, Any]]) -> Iterator[Example]:
    """The examples of a file after all steps, as a spec declares them. Raises DataError."""
    number = 0

    def read() -> Iterator[Example]:
        nonlocal number
        for line, example in read_strictly(path, display):
            number = line.number
            yield example

    source: Source = read
    for step in steps:
        source = _step(step)(source)
    try:
        yield from source()
    except Unconvertible as error:
        reason = str(error)
        detail = f"{reason[:1].upper()}{reason[1:]}."
        hint = "change the example, or remove the conversion"
        raise DataError("the example can't be converted", detail, hint, Place(display, number)) from error


def prepared(path: Path, display: str, digest: str, raw: Sequence[Mapping[str, Any]], project: Path) -> Path:
    """The file with the result; `digest` is that of the bytes at `path`. Raises as `apply`."""
    key = sha256(f"{VERSION}\n{digest}\n{json.dumps(raw, sort_keys=True)}".encode()).hexdigest()

    def write(writer: Writer) -> None:
        for example in apply(path, display, raw):
            writer.write(dump(example))

    return derive(project, key, write)


def _step(raw: Mapping[str, Any]) -> Step:
    if "slim" in raw:
        return _each(partial(slim, what=raw["slim"], only=raw.get("only") or ()))
    if "convert" in raw:
        return _each(FORMS[raw["convert"]])
    split = raw["split"]
    fraction = float(split.get("fraction", 0.9))
    shares = {PARTS[0]: fraction, PARTS[1]: 1 - fraction}
    options = {key: split[key] for key in ("seed", "group_by", "stratify") if key in split}
    return lambda source: partial(part, source, Split(shares, **options), split["part"])


def _each(change: Callable[[Example], Example]) -> Step:
    """The step that changes every example by itself."""
    return lambda source: lambda: map(change, source())
