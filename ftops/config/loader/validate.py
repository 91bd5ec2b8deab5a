"""Validation: blocks are checked against `schema`, and faults become error messages with places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from ftops.config.loader.source import Entry, Keys
from ftops.config.loader.unknown_keys import Meant, meaning_of
from ftops.config.schema.block import Block, Fault, Faulty, Field
from ftops.config.schema.field_types import THIS_KEY, Unknown, one_of, shown
from ftops.core.errors import Diagnostic
from ftops.yaml.document import Plain

B = TypeVar("B", bound=Block)


class Explained(NamedTuple):
    """A fault in words. `at_key`: it is about the key, not its value. `is_secret`: its line isn't shown."""

    keys: Keys
    summary: str
    detail: str = ""
    hint: str = ""
    at_key: bool = False
    is_secret: bool = False
    given: Any = None


def read_block(
    model: type[B], data: Any, entry: Entry, findings: list[Diagnostic], *, own: int = 0
) -> B | None:
    """The block that `data` describes, or None with findings. `own`: how many keys of the data lead to the
    entry itself."""
    try:
        return model.read(data)
    except Faulty as faulty:
        errors = list(explained(faulty.faults, model))
    from ftops.config.loader.misshapen import as_written  # only if there is an error

    has_secret = any(error.is_secret for error in errors)  # maybe in the line of another one
    for error in errors:
        written = as_written(error, entry, own)
        at_value = len(written.keys) == own and not written.at_key
        place = entry.value_place() if at_value else entry.place(written.keys[own:], key=written.at_key)
        place = place.veiled() if has_secret else place
        findings.append(Diagnostic(written.summary, written.detail, written.hint, place))
    return None


def is_valid(model: type[Block], entry: Entry) -> bool:
    """Whether an entry without expressions is a block of this kind."""
    return read_block(model, {} if entry.data is None else entry.data, entry, []) is not None


def explained(faults: Iterable[Fault], root: type[Block]) -> Iterator[Explained]:
    """The faults in words, without those that follow from others. `root`: the block that has them."""
    known = [fault for fault in faults if fault.kind == "unknown" or not isinstance(fault.given, Unknown)]
    meant = {fault.keys: meaning_of(fault, root) for fault in known if fault.kind == "unknown"}
    given = {(*keys[:-1], one.key) for keys, one in meant.items()}
    mistyped = {
        fault.keys[:-1] for fault in known if fault.kind == "refused" and fault.keys[-1:] == ("type",)
    }
    absent: dict[Keys, list[Fault]] = {}
    for fault in known:
        if fault.kind == "unknown":
            yield _unknown_key(fault, meant[fault.keys])
        elif fault.kind != "missing":
            if not any(_is_rest_of(fault, keys) for keys in meant):
                yield _EXPLAIN[fault.kind](fault)
        elif fault.keys not in given and fault.keys[:-1] not in mistyped:
            where = fault.keys if fault.given else fault.keys[:-1]
            absent.setdefault(where, []).append(fault)
    yield from map(_missing, absent.values())


def _is_rest_of(fault: Fault, unknown: Keys) -> bool:
    """Whether an unknown key is what follows the comma of this value: `5` of `0,5`."""
    is_beside = unknown[:-1] == fault.keys[:-1]
    return is_beside and isinstance(fault.given, Plain) and f"{fault.given}{unknown[-1]}".isdigit()


def settings_faults(settings: Mapping[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Parameters of requests that a spec can't set, since they would ask another model, or something else:
    where, and a summary."""
    from ftops.evaluation.answers import NO_SETTINGS  # only if a spec has settings

    yield from (
        (("settings", key), f"`settings` can't set `{key}`") for key in NO_SETTINGS if key in settings
    )


def _unknown_key(fault: Fault, meant: Meant) -> Explained:
    secrets = fault.owner.secrets if fault.owner else {}
    if said := secrets.get(str(fault.keys[-1])):
        summary = f"`{fault.keys[-1]}` doesn't belong in a spec"
        return Explained(fault.keys, summary, *said, at_key=True, is_secret=True)
    summary = f"unknown key `{fault.keys[-1]}` in {_noun(fault)}"
    detail = "ftops doesn't know this key, so it would have no effect."
    return Explained(fault.keys, summary, detail, meant.hint, at_key=True)


def _missing(faults: Sequence[Fault]) -> Explained:
    """Of one block."""
    first, *others = faults
    key = first.keys[-1]
    if not others:
        detail = f"It is required in {_noun(first)}. {_description(first)}"
        return Explained(first.keys, f"`{key}` is missing", detail, f"Add `{key}: …`.")
    keys = tuple(str(fault.keys[-1]) for fault in faults)
    detail = f"They are required in {_noun(first)}."
    added = one_of(tuple(f"{key}: …" for key in keys), "and")
    return Explained(first.keys, f"{one_of(keys, 'and')} are missing", detail, f"Add {added}.")


def _no_container(fault: Fault) -> Explained:
    keys = fault.keys
    from ftops.config.loader.misshapen import written_instead  # only if there is an error

    hint = written_instead(fault)
    if not keys:
        return Explained(keys, f"{_noun(fault)} must be a {fault.kind}", shown(fault.given), hint)
    return Explained(keys, f"{_label(keys)} must be a {fault.kind}", _description(fault), hint)


def _refused(fault: Fault) -> Explained:
    assert fault.why is not None  # noqa: S101 - a refused value has a reason
    from ftops.config.loader.misshapen import written_alone  # only if there is an error

    detail = " ".join(filter(None, (fault.why.detail, _description(fault))))
    name = str(next((key for key in reversed(fault.keys) if isinstance(key, str)), "name"))
    summary, hint = f"{_label(fault.keys)} {fault.why.summary}", fault.why.hint.replace(THIS_KEY, name)
    if not fault.why.is_secret:
        hint = hint or written_alone(fault)
    if any(field.is_required and field.key == fault.keys[-1] for field in _fields(fault)):
        hint = hint.replace(", or remove the key.", ".")
    return Explained(fault.keys, summary, detail, hint, is_secret=fault.why.is_secret, given=fault.given)


_EXPLAIN: Mapping[str, Callable[[Fault], Explained]] = {
    "mapping": _no_container,
    "list": _no_container,
    "refused": _refused,
}


def _noun(fault: Fault) -> str:
    return fault.owner.noun if fault.owner else ""


def _fields(fault: Fault) -> Iterable[Field]:
    return fault.owner.fields.values() if fault.owner else ()


def _description(fault: Fault) -> str:
    return next((field.description for field in _fields(fault) if field.key == fault.keys[-1]), "")


def _label(loc: Keys) -> str:
    if not loc:
        return "the value"
    if isinstance(loc[-1], int):
        return f"entry {loc[-1] + 1} of `{loc[-2]}`" if len(loc) > 1 else f"entry {loc[-1] + 1}"
    return f"`{loc[-1]}`"
