"""Validation: blocks are checked against `schema`, and faults become error messages with places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from ftops.config.loader.files import Entry, Keys
from ftops.config.schema.block import Block, Fault, Faulty, Field
from ftops.config.schema.field_types import Unknown
from ftops.core.errors import Diagnostic
from ftops.core.suggestions import did_you_mean, nearest

B = TypeVar("B", bound=Block)


class Explained(NamedTuple):
    """A fault in words. `at_key`: it is about the key, not its value."""

    keys: Keys
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
        errors = explained(faulty.faults)
    for error in errors:
        at_value = len(error.keys) == own and not error.at_key
        place = entry.value_place() if at_value else entry.place(error.keys[own:], key=error.at_key)
        findings.append(Diagnostic(error.summary, error.detail, error.hint, place))
    return None


def explained(faults: Iterable[Fault]) -> Iterator[Explained]:
    """The faults in words, without those that follow from others."""
    known = [fault for fault in faults if fault.kind == "unknown" or not isinstance(fault.given, Unknown)]
    near = {
        (*fault.keys[:-1], nearest(str(fault.keys[-1]), _keys(fault)))
        for fault in known
        if fault.kind == "unknown"
    }
    for fault in known:
        if (
            fault.kind != "missing" or fault.keys not in near
        ):  # else an unknown key is probably meant to be it
            yield _EXPLAIN[fault.kind](fault)


def _unknown_key(fault: Fault) -> Explained:
    key = str(fault.keys[-1])
    hint = did_you_mean(key, _keys(fault), nothing="It takes no keys.", limit=24)
    detail = "ftops doesn't know this key, so it would have no effect."
    return Explained(fault.keys, f"unknown key `{key}` in {_noun(fault)}", detail, hint, at_key=True)


def _missing(fault: Fault) -> Explained:
    key = fault.keys[-1]
    detail = f"It is required in {_noun(fault)}. {_description(fault)}"
    return Explained(fault.keys, f"`{key}` is missing", detail, f"Add `{key}: …`.")


def _no_container(fault: Fault) -> Explained:
    keys = fault.keys
    if not keys:
        hint = "Write its keys below it, or in `{…}`."
        return Explained(keys, f"{_noun(fault)} must be a {fault.kind}", "", hint)
    return Explained(keys, f"{_label(keys)} must be a {fault.kind}", _description(fault))


def _refused(fault: Fault) -> Explained:
    assert fault.why is not None  # noqa: S101 - a refused value has a reason
    detail = " ".join(filter(None, (fault.why.detail, _description(fault))))
    return Explained(fault.keys, f"{_label(fault.keys)} {fault.why.summary}", detail, fault.why.hint)


_EXPLAIN: Mapping[str, Callable[[Fault], Explained]] = {
    "unknown": _unknown_key,
    "missing": _missing,
    "mapping": _no_container,
    "list": _no_container,
    "refused": _refused,
}


def _noun(fault: Fault) -> str:
    return fault.owner.noun if fault.owner else ""


def _fields(fault: Fault) -> Iterable[Field]:
    return fault.owner.fields.values() if fault.owner else ()


def _keys(fault: Fault) -> list[str]:
    return [field.key for field in _fields(fault)]


def _description(fault: Fault) -> str:
    return next((field.description for field in _fields(fault) if field.key == fault.keys[-1]), "")


def _label(loc: Keys) -> str:
    if not loc:
        return "the value"
    if isinstance(loc[-1], int):
        return f"entry {loc[-1] + 1} of `{loc[-2]}`" if len(loc) > 1 else f"entry {loc[-1] + 1}"
    return f"`{loc[-1]}`"
