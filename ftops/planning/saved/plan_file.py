"""Plan file: a saved plan ↔ text. No I/O.

A plan file is a JSON document with sorted keys and a line for each change. It has the whole plan, so it can
be shown without the spec, the state or an account, and digests of the plan's inputs, so a run can tell
whether it is still valid. Its last line is a checksum of everything before it. It contains no secrets: only
expressions, and 8 digits of a keyed digest of each value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from ftops.core.codec import Codec, Form
from ftops.core.errors import FtopsError
from ftops.planning.plan import NORMAL, Options, Plan
from ftops.planning.saved.plan_digest import PlanInputs, plan_digest
from ftops.state.entries import Entry
from ftops.state.file_format import entry_from_json, entry_to_json

PLAN_FILE_VERSION = 2
MAGIC = '"ftops_plan"'
"""In the second line of every plan file."""
_dumps = json.JSONEncoder(sort_keys=True, allow_nan=False).encode


class PlanFileError(FtopsError):
    """A plan file can't be read or trusted."""


class Origin(Struct, frozen=True):
    """When (UTC, ISO 8601) and with which version of ftops a plan was made, and from which spec.

    `path` is the spec as it was named, relative to the current folder if it is inside. `variables` are those
    that were given from outside and aren't sensitive, as `--var` takes them; `variable_files` the files.
    """

    at: str
    ftops: str
    path: str
    environment: str
    variables: Mapping[str, str] = {}
    variable_files: tuple[str, ...] = ()


class SavedPlan(Struct, frozen=True):
    """A plan and its origin. `refreshed`: recorded objects were read when it was made."""

    plan: Plan
    origin: Origin
    basis: PlanInputs
    options: Options = NORMAL
    refreshed: bool = True
    is_sealed: bool = False
    """Whether it was read from an encrypted file. The value in a file is ignored."""


_CODEC = Codec(strict=True, forms={Entry: Form(entry_to_json, entry_from_json)})
"""Strict: a wrong value might be applied."""


def plan_text(saved: SavedPlan) -> str:
    """The whole file."""
    raw = _CODEC.write(saved)
    fields = {**raw, "ftops_plan": PLAN_FILE_VERSION, "digest": plan_digest(saved.plan)}
    rows = (f" {_dumps(name)}: {_lines(fields[name], 2)}" for name in sorted(fields, key=_rank))
    return _sealed("{\n" + ",\n".join(rows))


class Sealed(Struct, frozen=True):
    """An encrypted plan file: the spec, environment and path are readable."""

    spec: str
    environment: str
    path: str
    sealed: str

    @property
    def bound(self) -> str:
        """Authenticated data: the file can't be used as the plan of another spec."""
        return _bound(self.spec, self.environment)


def sealed_text(saved: SavedPlan, encrypt: Callable[[str, str], str]) -> str:
    """The whole file, encrypted by `encrypt`, which takes a text and what to bind it to."""
    spec, origin = saved.plan.spec, saved.origin
    sealed = encrypt(plan_text(saved), _bound(spec, origin.environment))
    raw = asdict(Sealed(spec, origin.environment, origin.path, sealed))
    rows = (f" {_dumps(name)}: {_dumps(raw[name])}" for name in sorted(raw))
    return _sealed("{\n" + ",\n".join([f" {MAGIC}: {PLAN_FILE_VERSION}", *rows]))


def _bound(spec: str, environment: str) -> str:
    return f"plan:{spec}/{environment}"


def _refuse(sealed: Sealed) -> str:
    raise PlanFileError("the saved plan is encrypted", "", "it can be read where its key is")


_LATER = (
    "a later version of ftops wrote it, and this one might do something else.",
    "upgrade ftops, or plan again with this one",
)
_EARLIER = (
    "an earlier version of ftops wrote it, without the place where it is applied.",
    "plan again with this ftops",
)


def parse_plan(text: str, file: str, decrypt: Callable[[Sealed], str] = _refuse) -> SavedPlan:
    """The inverse of `plan_text` and `sealed_text`. Raises PlanFileError if the text can't be trusted."""
    body, mark, _ = text.rpartition(_SEAL)
    version = _version(text)
    if version is None:
        raise PlanFileError(
            f"not a saved plan: {file}",
            "it wasn't written by `ftops plan --out`.",
            "name a spec (a folder, or a file that ends in .yaml or .yml) or a saved plan",
        )
    if version != PLAN_FILE_VERSION:
        raise PlanFileError(
            f"the saved plan has version {version}, and this ftops supports {PLAN_FILE_VERSION}: {file}",
            *(_LATER if version > PLAN_FILE_VERSION else _EARLIER),
        )
    if not mark or _sealed(body) != text:
        raise PlanFileError(
            f"the saved plan is damaged: {file}",
            "it doesn't match its checksum: it was changed or cut off after it was written.",
            "fetch it again from where it was kept, or plan again",
        )
    raw = json.loads(text)
    for name in ("ftops_plan", "digest", "checksum"):
        raw.pop(name, None)
    if "sealed" in raw:
        return replace(parse_plan(decrypt(Sealed(**raw)), file, _refuse), is_sealed=True)
    try:
        saved = _CODEC.read(SavedPlan, raw)
    except (TypeError, ValueError, KeyError) as error:
        form = f"the saved plan has an unknown form: {file}"
        raise PlanFileError(form, f"{error}.", "plan again with this ftops") from error
    return replace(saved, is_sealed=False)


_SEAL = ',\n "checksum": "sha256:'


def _sealed(body: str) -> str:
    return f'{body}{_SEAL}{sha256(body.encode()).hexdigest()}"\n}}\n'


def _version(text: str) -> int | None:
    """The number in the second line."""
    second = text[:200].split("\n")[1:2]
    name, colon, number = second[0].partition(": ") if second else ("", "", "")
    number = number.rstrip(",")
    return int(number) if name.strip() == MAGIC and colon and number.isdecimal() else None


def _rank(name: str) -> tuple[bool, str]:
    return name != "ftops_plan", name


def _lines(value: Any, depth: int) -> str:
    """A line for each field and for each item of a list, down to a depth."""
    pad = " " * depth
    if isinstance(value, dict) and value and depth < 4:
        rows = [f"{pad}{_dumps(name)}: {_lines(value[name], depth + 1)}" for name in sorted(value)]
        return "{\n" + ",\n".join(rows) + "\n" + pad[1:] + "}"
    if isinstance(value, list) and value and depth < 5:
        return "[\n" + ",\n".join(f"{pad}{_dumps(item)}" for item in value) + "\n" + pad[1:] + "]"
    return _dumps(value)
