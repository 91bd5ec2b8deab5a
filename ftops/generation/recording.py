"""Recording: what was generated, as files that are committed and read by every later plan.

data/train.generated/dataset.jsonl    the examples
                     held_out.jsonl   those that are held out, if any are
                     answers.jsonl    what a teacher answered, sorted by key
                     manifest.jsonl   digests of these files and of what they were made from; then the
                                      origin of each example, and each that was dropped, with the reason
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from ftops.core.confined_files import content, refuse_outside
from ftops.dataset.files.jsonl_io import BOM, Writer, canonical, dump, parse, unreadable, unwritable
from ftops.generation.items import Drop, Item, counted, example_line
from ftops.generation.names import ANSWERS, DATASET, HELD_OUT, MANIFEST
from ftops.generation.pipeline import Made
from ftops.generation.recipe import Recipe

FORMAT_VERSION = 1
_COMMAND = "ftops data generate"


class Fault(Struct, frozen=True):
    """Why a recording can't be used."""

    summary: str
    detail: str
    hint: str


def find_fault(folder: Path, shown: str, recipe: Recipe, root: Path) -> Fault | None:
    """None if the recording is complete, unchanged, and of this recipe. Raises UsageError."""
    header = _header(folder, root)
    if header is None:
        detail = f"{shown} has no {MANIFEST}. Plans read the recording, and call no teacher."
        return Fault(f"dataset {recipe.name} is not generated yet", detail, f"run `{_COMMAND}`")
    made_from = header["inputs"]
    if changed := [key for key, digest in recipe.digests.items() if made_from.get(key) != digest]:
        what = ", ".join(f"`{key}`" for key in changed)
        detail = f"{shown} was generated from other values of {what}."
        return Fault(f"dataset {recipe.name} is not generated yet as it is now", detail, f"run `{_COMMAND}`")
    for name, digest in header["files"].items():
        if (found := _digest(_content(folder / name, root))) != digest:
            detail = (
                f"Its SHA-256 is {found[:16]}…, not {digest[:16]}… as in {MANIFEST}: it was edited by hand."
            )
            hint = f"restore it, or change what it is generated from and run `{_COMMAND}`"
            return Fault(f"{shown}/{name} isn't what was generated", detail, hint)
    return None


def write_recording(
    folder: Path, root: Path, recipe: Recipe, made: Made, answers: Sequence[Mapping[str, Any]], about: Any
) -> None:
    """`answers` have a `key`; `about` says who wrote the requests. The manifest comes last. Raises
    UsageError."""
    files = {DATASET: [example_line(item, recipe) for item in made.training]}
    if made.held_out:
        files[HELD_OUT] = [example_line(item, recipe) for item in made.held_out]
    if answers:
        files[ANSWERS] = [dump(answer) for answer in sorted(answers, key=lambda answer: answer["key"])]
    header = {
        "format_version": FORMAT_VERSION,
        "teacher": about,
        "inputs": recipe.digests,
        "files": {name: _digest(b"".join(line + b"\n" for line in lines)) for name, lines in files.items()},
        "examples": len(made.training),
        "held_out": len(made.held_out),
        "unused": made.unused,
        "dropped": counted(made.drops),
    }
    files[MANIFEST] = [dump(header), *map(canonical, _rows(made))]
    try:
        refuse_outside(folder, root)
        for name in (DATASET, HELD_OUT, ANSWERS):
            if name not in files:
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    for name, lines in files.items():
        with Writer(folder / name, force=True) as writer:
            for line in lines:
                writer.write(line)


def recorded_answers(folder: Path, root: Path) -> list[dict[str, Any]]:
    """What a teacher answered before. Raises UsageError."""
    lines = _content(folder / ANSWERS, root).splitlines()
    return [line for raw in lines if (line := parse(raw)) is not None and isinstance(line.get("key"), str)]


def _rows(made: Made) -> Iterator[Mapping[str, Any]]:
    for name, items in ((DATASET, made.training), (HELD_OUT, made.held_out)):
        for number, item in enumerate(items, 1):
            yield {"file": name, "line": number, **_origin(item)}
    for drop in made.drops:
        yield _dropped(drop)


def _origin(item: Item) -> dict[str, Any]:
    call = item.target.key if item.target else ""
    function = item.target.function if item.target else ""
    origin = {
        "function": function, "call": call, "kind": item.kind, "topic": item.topic, "source": item.source,
        "style": item.style, "language": item.language, "checks": item.checks,
    }  # fmt: skip
    return {key: value for key, value in origin.items() if value}


def _dropped(drop: Drop) -> dict[str, Any]:
    prompt = "" if drop.reason == "personal_data" else drop.prompt
    row = {"dropped": drop.reason, "detail": drop.detail, "prompt": prompt, "function": drop.function}
    return {key: value for key, value in row.items() if value}


def _header(folder: Path, root: Path) -> dict[str, Any] | None:
    """None if there is none of this format."""
    head = parse(_content(folder / MANIFEST, root).partition(b"\n")[0])
    if head is None or head.get("format_version") != FORMAT_VERSION:
        return None
    is_whole = isinstance(head.get("inputs"), dict) and isinstance(head.get("files"), dict)
    return head if is_whole and set(head["files"]) <= {DATASET, HELD_OUT, ANSWERS} else None


def _content(path: Path, root: Path) -> bytes:
    """Empty if there is none. Line ends as Git on Windows writes them don't count."""
    with suppress(FileNotFoundError):
        try:
            return content(path, root).removeprefix(BOM).replace(b"\r\n", b"\n")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise unreadable(path, error) from error
    return b""


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()
