"""Recording: what was generated, as files that are committed and read by every later plan.

data/train.generated/dataset.jsonl    the examples
                     held_out.jsonl   those that are held out, if any are
                     answers.jsonl    what a teacher answered, sorted by key
                     manifest.jsonl   digests of these files and of what they were made from; then the
                                      origin of each example, and each that was dropped, with the reason
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ftops.core.confined_files import content, refuse_outside
from ftops.dataset.files.jsonl_io import BOM, Writer, canonical, dump, parse, unreadable, unwritable
from ftops.evaluation.answers import Answer
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
    folder: Path, root: Path, recipe: Recipe, made: Made, answers: Collection[RecordedAnswer], about: Any
) -> None:
    """`about` says who wrote the requests. The manifest is written last. Raises UsageError."""
    files = {DATASET: [example_line(item, recipe) for item in made.training]}
    if made.held_out:
        files[HELD_OUT] = [example_line(item, recipe) for item in made.held_out]
    if answers:
        files[ANSWERS] = [dump(answer) for answer in sorted(answers, key=lambda answer: answer.key)]
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
        unused = [folder / name for name in (DATASET, HELD_OUT, ANSWERS) if name not in files]
        for path in (*unused, *folder.glob(".*.tmp")):  # what a run that was killed has left
            path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    for name, lines in files.items():
        with Writer(folder / name, force=True) as writer:
            for line in lines:
                writer.write(line)


class RecordedAnswer(Struct, frozen=True):
    """What a teacher answered, as a line of ANSWERS. `digest` shows whether it was edited."""

    key: str
    step: str
    answer: Answer
    digest: str = ""

    @classmethod
    def of(cls, key: str, step: str, answer: Answer) -> RecordedAnswer:
        """Without the time that it took, which is another one each time."""
        answer = replace(answer, milliseconds=0.0)
        return cls(key, step, answer, _digest(canonical([key, step, answer]))[:16])


def recorded_answers(folder: Path, root: Path) -> tuple[dict[str, RecordedAnswer], int]:
    """What a teacher answered before, by key, and how many lines can't be used because they were edited.
    Raises UsageError."""
    found: dict[str, RecordedAnswer] = {}
    lines = _content(folder / ANSWERS, root).splitlines()
    for line in lines:
        with suppress(msgspec.MsgspecError):
            row = msgspec.json.decode(line, type=RecordedAnswer)
            if row == RecordedAnswer.of(row.key, row.step, row.answer):
                found[row.key] = row
    return found, len(lines) - len(found)


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
    inputs, files = head.get("inputs"), head.get("files")
    if not isinstance(inputs, dict) or not isinstance(files, dict):
        return None
    is_whole = {DATASET} <= set(files) <= {DATASET, HELD_OUT, ANSWERS}
    return head if is_whole and all(isinstance(digest, str) for digest in files.values()) else None


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
