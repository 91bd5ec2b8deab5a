"""Generation of a dataset: what its `generate` says, and what contradicts itself in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ftops.config.config import Generated
from ftops.config.loader.for_each import Draft
from ftops.config.loader.source import Entry, Keys
from ftops.config.loader.validate import settings_faults
from ftops.config.schema.generation import GenerateBlock, ModelBlock, TeacherBlock
from ftops.core.address import Address
from ftops.core.errors import Diagnostic
from ftops.core.trusted_hosts import CHAT, refusal
from ftops.generation.names import DATASET, folder_of

Fault = tuple[Keys, str, str, str]
"""Where, and a summary, a detail and a hint."""
_SOURCES = ("deployment", "endpoint", "templates")


def generated_of(draft: Draft) -> Generated | None:
    """How the data of a dataset is generated; None if it isn't."""
    block: GenerateBlock | None = getattr(draft.block, "generate", None)
    if block is None:
        return None
    keys = [("generate",), *(("generate", key) for key in draft.entry.value("generate") or ())]
    parts = (("teacher", "templates"), ("rejections", "file"), ("rejections", "function"))
    keys += [("generate", *part) for part in parts]
    places = {".".join(path[1:]): draft.entry.mark(path) for path in keys}
    return Generated(block.as_data(), places, folder_of(_name(draft.address)))


def recorded_path(address: Address) -> str:
    """Of the examples, relative to the folder of the spec."""
    return f"{folder_of(_name(address))}/{DATASET}"


def _name(address: Address) -> str:
    key = re.sub(r"[^A-Za-z0-9._-]+", "-", address.key or "").strip("-._")
    return f"{address.name}-{key}" if key else address.name


def check_generation(
    block: GenerateBlock, entry: Entry, environ: Mapping[str, str], findings: list[Diagnostic]
) -> None:
    """Findings about keys that contradict each other."""
    for path, summary, detail, hint in (*_teacher_faults(block, environ), *_other_faults(block, environ)):
        place = entry.place(("generate", *path))
        place = place.veiled() if path[-1:] == ("api_key",) else place
        findings.append(Diagnostic(summary, detail, hint, place))


def _teacher_faults(block: GenerateBlock, environ: Mapping[str, str]) -> Iterator[Fault]:
    teacher: TeacherBlock = block.teacher
    yield from _model_faults(teacher, ("teacher",), _SOURCES, environ)
    if teacher.templates is None:
        return
    write = block.write
    for key in ("styles", "languages", "temperature", "examples"):
        if write is not None and getattr(write, key):
            detail = "Requests that are made of templates are as these are written."
            yield ("write", key), f"templates have no `{key}`", detail, "Remove it, or choose a model."
    if block.budget is not None:
        yield ("budget",), "templates cost nothing", "", "Remove `budget`."


def _model_faults(
    model: ModelBlock, path: Keys, sources: tuple[str, ...], environ: Mapping[str, str]
) -> Iterator[Fault]:
    given = [key for key in sources if getattr(model, key, None) is not None]
    if len(given) != 1:
        names = ", ".join(f"`{key}`" for key in sources)
        detail = f"It has {' and '.join(f'`{key}`' for key in given) or 'none of them'}."
        yield path, f"`{path[-1]}` needs exactly one of {names}", detail, "Write {deployment: name}."
    if model.api_key == "":
        detail = "A key that is written in a spec can be used by anyone who can read it."
        hint = "Put it into an environment variable."
        yield (*path, "api_key"), "`api_key` must be `${env.NAME}`", detail, hint
    for where, summary in settings_faults(model.settings) if model.settings else ():
        yield (*path, *where), summary, "", "Remove it."
    if model.endpoint is not None:
        if model.model is None:
            yield path, "an endpoint needs a `model`", "", "Write {endpoint: …, api_key: …, model: …}."
        if refused := refusal(model.endpoint, CHAT, environ):
            yield (*path, "endpoint"), *refused
    elif model.api_key is not None or model.model is not None:
        key = "api_key" if model.api_key is not None else "model"
        yield (*path, key), f"`{key}` belongs to an `endpoint`", "", "Remove it."


def _other_faults(block: GenerateBlock, environ: Mapping[str, str]) -> Iterator[Fault]:
    if block.rejections is not None:
        ways = [key for key in ("function", "reply") if getattr(block.rejections, key) is not None]
        if len(ways) != 1:
            detail = "One of them says how a request is rejected."
            hint = "Write `function: reject_request`, or `reply: I can't do that.`"
            yield ("rejections",), "`rejections` needs either `function` or `reply`", detail, hint
    shares: Mapping[str, Any] = block.shares or {}
    if sum(shares.values()) > 1 + 1e-9:
        yield ("shares",), f"the shares add up to {sum(shares.values()):g}", "", "Make them at most 1."
    if block.verify is not None:
        if block.verify.validator == []:
            yield ("verify", "validator"), "`validator` names no program", "", "Write [python, check.py]."
        if block.verify.judge is not None:
            yield from _model_faults(block.verify.judge, ("verify", "judge"), _SOURCES[:2], environ)
