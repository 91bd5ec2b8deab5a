"""Validation: blocks are checked against `schema`, and faults become error messages with places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from ftops.config.loader.files import Entry, Keys
from ftops.config.schema.block import Block, Fault, Faulty
from ftops.config.schema.field_types import Unknown
from ftops.core.errors import Diagnostic
from ftops.core.suggestions import did_you_mean, nearest

B = TypeVar("B", bound=Block)


class _Error(NamedTuple):
    summary: str
    detail: str = ""
    hint: str = ""
    at_key: bool = False


def read_block(
    model: type[B], data: Any, entry: Entry, findings: list[Diagnostic], *, own: int = 0
) -> B | None:
    """The block that `data` describes, or None with findings. `own`: how many keys of the data lead to the
    entry itself."""
    try:
        return model.read(data)
    except Faulty as faulty:
        faults = [fault for fault in faulty.faults if not isinstance(fault.given, Unknown)]
    unknown = [fault.keys for fault in faults if fault.kind == "unknown"]
    near = [(*loc[:-1], nearest(str(loc[-1]), _keys(_model_at(model, loc[:-1])))) for loc in unknown]
    for fault in faults:
        loc = fault.keys
        if fault.kind == "missing" and loc in near:
            continue  # an unknown key is probably meant to be this one
        error = _EXPLAIN[fault.kind](model, fault)
        at_value = len(loc) == own and not error.at_key
        place = entry.value_place() if at_value else entry.place(loc[own:], key=error.at_key)
        findings.append(Diagnostic(error.summary, error.detail, error.hint, place))
    return None


def _unknown_key(model: type[Block], fault: Fault) -> _Error:
    owner = _model_at(model, fault.keys[:-1])
    key = str(fault.keys[-1])
    hint = did_you_mean(key, _keys(owner), nothing="It takes no keys.", limit=24)
    detail = "ftops doesn't know this key, so it would have no effect."
    return _Error(f"unknown key `{key}` in {owner.noun}", detail, hint, at_key=True)


def _missing(model: type[Block], fault: Fault) -> _Error:
    owner = _model_at(model, fault.keys[:-1])
    key = fault.keys[-1]
    detail = f"It is required in {owner.noun}. {_description(owner, key)}"
    return _Error(f"`{key}` is missing", detail, f"Add `{key}: …`.")


def _no_container(model: type[Block], fault: Fault) -> _Error:
    keys = fault.keys
    if not keys:
        return _Error(f"{model.noun} must be a {fault.kind}", "", "Write its keys below it, or in `{…}`.")
    description = _description(_model_at(model, keys[:-1]), keys[-1])
    return _Error(f"{_label(keys)} must be a {fault.kind}", description)


def _refused(model: type[Block], fault: Fault) -> _Error:
    assert fault.why is not None  # noqa: S101 - a refused value has a reason
    description = _description(_model_at(model, fault.keys[:-1]), fault.keys[-1])
    detail = " ".join(filter(None, (fault.why.detail, description)))
    return _Error(f"{_label(fault.keys)} {fault.why.summary}", detail, fault.why.hint)


_EXPLAIN: Mapping[str, Callable[[type[Block], Fault], _Error]] = {
    "unknown": _unknown_key,
    "missing": _missing,
    "mapping": _no_container,
    "list": _no_container,
    "refused": _refused,
}


def _model_at(model: type[Block], path: Keys) -> type[Block]:
    """The model of the block at a path, or of the innermost one above it."""
    for part in path:
        if isinstance(part, int):
            continue  # an entry of a list, whose model is that of the list's field
        field = model.fields.get(part)
        inner = field.block if field else None
        if inner is None:
            return model
        model = inner
    return model


def _keys(model: type[Block]) -> list[str]:
    return [field.key for field in model.fields.values()]


def _description(model: type[Block], name: str | int) -> str:
    return next((field.description for field in model.fields.values() if field.key == name), "")


def _label(loc: Keys) -> str:
    if not loc:
        return "the value"
    if isinstance(loc[-1], int):
        return f"entry {loc[-1] + 1} of `{loc[-2]}`" if len(loc) > 1 else f"entry {loc[-1] + 1}"
    return f"`{loc[-1]}`"
