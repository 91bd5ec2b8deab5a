"""Expansion of `for_each`: one draft of a resource for each entry, evaluated and validated separately."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.config import schema
from ftops.config.loader.expressions import Each, Evaluator, Scope, Use, evaluate_keys
from ftops.config.loader.phases import INPUTS, NAMES, RESOURCE_PHASES, SWITCHES
from ftops.config.loader.repeated import one_for_each_place
from ftops.config.loader.settings import check_name, nearest_name
from ftops.config.loader.source import Entry, Keys
from ftops.config.loader.validate import read_block
from ftops.config.schema.field_types import Boolean, Unknown, has_unknown
from ftops.config.schema.hyperparameters import Hyperparameters
from ftops.core.address import Address, composed, render
from ftops.core.errors import Diagnostic
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.suggestions import nearest
from ftops.yaml.document import number

MAX_COMBINATIONS = 10_000
_SWITCH = Boolean(closed=True)


class Draft(Struct, frozen=True):
    """A resource whose references are not checked yet."""

    address: Address
    entry: Entry
    block: Any
    uses: list[Use]


class Declared(Struct):
    """The declared resources: drafts, and the names and keys that references may use."""

    drafts: list[Draft] = field(default_factory=list)
    keys: dict[tuple[str, str], dict[str | None, None]] = field(default_factory=dict)
    """Keys of each declared name, in order; only None for a name without `for_each`."""
    broken: set[tuple[str, str]] = field(default_factory=set)
    """Names with errors; references to them aren't reported too."""
    disabled: set[Address] = field(default_factory=set)


def expand(sections: Mapping[str, Mapping[str, Entry]], scope: Scope) -> Declared:
    """Every resource that the spec declares."""
    declared = Declared()
    for kind, row in RESOURCE_TYPES.items():
        entries = list(sections.get(row.section, {}).values())
        stray = set(_not_below(entries, kind, scope.findings))
        for entry in entries:
            name = (kind, entry.name)
            if entry.name in stray:
                declared.broken.add(name)
                continue
            keys = declared.keys.setdefault(name, {})
            is_valid = check_name(entry, row.noun, scope.findings)
            eaches = _eaches(entry, scope) if is_valid else None
            if eaches is None:
                declared.broken.add(name)
                if not is_valid:  # it is meant where the corrected name is used
                    declared.broken.add((kind, nearest_name(entry.name)))
                continue
            before = len(scope.findings)
            for each in eaches:
                address = Address(kind, entry.name, each.key if each else None)
                keys[address.key] = None
                _add_instance(address, entry, each, scope, declared)
            scope.findings[before:] = one_for_each_place(scope.findings[before:])
    return declared


def _not_below(entries: Sequence[Entry], kind: str, findings: list[Diagnostic]) -> Iterator[str]:
    """The empty entries of a section whose keys follow in the same column, and these keys; with a finding for
    each of them."""
    keys = {field.key for field in schema.resource_block(kind).fields.values()}
    empty: Entry | None = None
    is_told = False
    for entry in entries:
        if empty is None or entry.name not in keys or entry.document is not empty.document:
            empty, is_told = (entry if entry.data is None else None), False
            continue
        if not is_told:
            summary = f"the keys of `{empty.name}` aren't indented below it"
            detail = f"In this column, `{entry.name}` is the name of {RESOURCE_TYPES[kind].noun}."
            hint = f"Indent this line and those below it deeper than `{empty.name}:`."
            entry.report(findings, (), summary, detail, hint, key=True)
            yield empty.name
            is_told = True
        yield entry.name


def _add_instance(
    address: Address, entry: Entry, each: Each | None, scope: Scope, declared: Declared
) -> None:
    before = len(scope.findings)
    if isinstance(entry.data, dict) and "enabled" in entry.data and not _enabled(entry, each, scope):
        declared.disabled.add(address)
        return
    model = schema.resource_block(address.kind)
    data: Any = {} if entry.data is None else entry.data
    uses: list[Use] = []
    if isinstance(entry.data, dict):
        data, uses = evaluate_keys(
            entry, scope, RESOURCE_PHASES, INPUTS, each, "for_each", model.without_secrets()
        )
        if isinstance(data.get("hyperparameters"), str):
            data["hyperparameters"] = {"use": data["hyperparameters"]}
    block = read_block(model, data, entry, scope.findings)
    is_lacking = not scope.destroying and has_unknown(data)
    if block is None or is_lacking or len(scope.findings) > before:
        declared.broken.add((address.kind, address.name))
        return
    declared.drafts.append(Draft(address, entry, block, uses))


def _enabled(entry: Entry, each: Each | None, scope: Scope) -> bool:
    """Whether a resource is enabled. A value that isn't a boolean is reported with the rest of the block."""
    value = Evaluator(entry, replace(scope, findings=[]), SWITCHES, each).evaluate(entry.data["enabled"])
    return isinstance(value, Unknown) or _SWITCH.convert(value) is not False


def _eaches(entry: Entry, scope: Scope) -> Sequence[Each | None] | None:
    """The entries of `for_each`; [None] if it isn't set, None with a finding if it is invalid."""
    path = ("for_each",)
    value = Evaluator(entry, scope, NAMES).evaluate(entry.value(*path), path)
    if value is None:
        return [None]
    if has_unknown(value):
        return None
    try:
        eaches = list(_pairs(value))
    except _WrongShape as error:
        inside, *texts = error.args
        is_written = isinstance(entry.data["for_each"], dict | list)
        if "${" in str(entry.value(*path, *map(str, inside))):
            texts[-1] = "Give it a list, such as `[1, 2]`."
        is_key = isinstance(inside[-1], str) and inside[:1] != ("matrix",) if inside else False
        entry.report(scope.findings, (*path, *inside) if is_written else path, *texts, key=is_key)
        return None
    keys = [each.key for each in eaches]
    invalid = [k for k in keys if not (0 < len(k) <= 128 and k.isprintable() and set(k).isdisjoint("{}"))]
    if twice := _twice(value, eaches, entry):
        scope.findings.append(twice)
    elif invalid:
        at = (*path, keys.index(invalid[0])) if isinstance(entry.data["for_each"], list) else path
        entry.report(scope.findings, at, f"`{invalid[0]}` can't be a key", *_NO_KEY)
    return None if twice or invalid else eaches


class _WrongShape(Exception):
    """The value can't be a `for_each`. The arguments are the path of what is wrong in it, a summary, a detail
    and a hint."""


def _pairs(value: Any) -> Iterator[Each]:
    if _is_matrix(value):
        yield from _combinations(value["matrix"])
    elif isinstance(value, dict):
        _refuse_almost_matrix(value)
        for key, item in value.items():
            yield Each(composed(key), item)
    elif isinstance(value, list) and not any(item is None or isinstance(item, list | dict) for item in value):
        for item in value:
            yield Each(composed(render(item)), item)
    else:
        detail = "One resource is created for each entry, with the entry as its key."
        summary, hint = "`for_each` must be a list of texts or a mapping", "Write `for_each: [fr, de]`."
        if isinstance(value, str) and number(value) is None:
            hint = f"Write `for_each: [{value}]`."
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            hint = "Write a mapping, whose keys name the resources: `for_each: {a: {…}, b: {…}}`."
        raise _WrongShape((), summary, detail, hint)


def _refuse_almost_matrix(value: dict[str, Any]) -> None:
    """Raises _WrongShape if the mapping is meant as a `matrix`: all of it, or one of its keys."""
    names = {field.key for field in Hyperparameters.fields.values()}
    for key, item in value.items():
        is_matrix = isinstance(item, dict) and item and all(isinstance(v, list) for v in item.values())
        if is_matrix and key == "matrix":
            other = next(one for one in value if one != key)
            summary, hint = f"`for_each` can't have `{other}` beside `matrix`", f"Remove `{other}`."
            raise _WrongShape((other,), summary, "`matrix` gives all combinations of its lists.", hint)
        if is_matrix and len(value) == 1 and (key in _MATRICES or nearest(key, ["matrix"])):
            summary, hint = f"unknown key `{key}` in `for_each`", "Did you mean `matrix`?"
            raise _WrongShape((key,), summary, "Its value is a mapping of lists, as of a `matrix`.", hint)
    if value and all(isinstance(item, list) and key in names for key, item in value.items()):
        first = next(iter(value))
        hint = f"Write `for_each: {{matrix: {{{first}: […]}}}}`."
        detail = "Combinations of lists of hyperparameters are those of a `matrix`."
        raise _WrongShape((first,), "`matrix` is missing in `for_each`", detail, hint)


_MATRICES = ("grid", "product", "combinations", "sweep", "parameters", "search_space", "params")
"""What other tools call it."""


def _combinations(matrix: Any) -> Iterator[Each]:
    if isinstance(matrix, list) and all(isinstance(one, dict) for one in matrix):
        hint = "Write its keys directly below `matrix:`, without `- `."
        raise _WrongShape(("matrix",), "`matrix` must be a mapping of lists", _MATRIX_RULE, hint)
    if not isinstance(matrix, dict) or not matrix:
        raise _WrongShape(("matrix",), "`matrix` must be a mapping of lists", _MATRIX_RULE, _MATRIX_HINT)
    for name, values in matrix.items():
        _check_values(name, values)
    if prod(map(len, matrix.values())) > MAX_COMBINATIONS:
        detail = f"At most {MAX_COMBINATIONS:,} resources are allowed."
        raise _WrongShape(("matrix",), "`matrix` has too many combinations", detail, "Shorten its lists.")
    names = sorted(matrix)
    for values in product(*(matrix[name] for name in names)):
        combination = dict(zip(names, values, strict=True))
        yield Each(composed(",".join(f"{k}={render(v)}" for k, v in combination.items())), combination)


def _check_values(name: str, values: Any) -> None:
    """Raises _WrongShape if these aren't the values of a key of `matrix`."""
    at: Keys = ("matrix", name)
    if not isinstance(values, list):
        hint = f"Write `{name}: [{_listed(values)}]`." if isinstance(values, str) else _MATRIX_HINT
        if isinstance(values, str) and values.startswith("["):
            hint = f"Remove the quotes: {values}"
        raise _WrongShape(at, f"`{name}` of `matrix` must be a list", _MATRIX_RULE, hint)
    if not values:
        detail = "Without a value there is no combination, so no resource would be created."
        raise _WrongShape(at, f"`{name}` of `matrix` is empty", detail, "Give it a value, or remove it.")
    for index, value in enumerate(values):
        if isinstance(value, list | dict):
            summary = f"a value of `{name}` of `matrix` can't be a list or mapping"
            raise _WrongShape((*at, index), summary, _MATRIX_RULE, _MATRIX_HINT)
        if value in values[:index]:
            summary, hint = f"`{name}` of `matrix` has `{render(value)}` twice", "Remove one of them."
            raise _WrongShape((*at, index), summary, "Two resources would have the same address.", hint)


def _listed(text: str) -> str:
    """The entries that a text stands for: `1-3` is 1, 2, 3."""
    ends = re.fullmatch(r"(\d{1,2})\s*(?:-|\.\.|to)\s*(\d{1,2})", text)
    return ", ".join(map(str, range(int(ends[1]), int(ends[2]) + 1))) if ends else text


_MATRIX_RULE = "Each key has a list of plain values; one resource is created for each combination."
_MATRIX_HINT = "Write lists, such as `matrix: {n_epochs: [2, 3]}`."


def _twice(value: Any, eaches: Sequence[Each], entry: Entry) -> Diagnostic | None:
    """A finding if two entries have the same key."""
    firsts: dict[str, int] = {}
    for index, each in enumerate(eaches):
        first = firsts.setdefault(each.key, index)
        if first == index:
            continue
        detail = "Two resources would have the same address."
        written, is_mapping = list(value), isinstance(value, dict)
        one, place = (
            entry.place(("for_each", written[i] if is_mapping else i), key=is_mapping) for i in (first, index)
        )
        detail += f" The other one is at {one}." if one != place else ""
        if written[first] != written[index]:
            detail += " They differ only in their Unicode encoding."
        return Diagnostic(f"`for_each` holds `{each.key}` twice", detail, "Remove one of them.", place)
    return None


def _is_matrix(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"matrix"}


_NO_KEY = (
    "Keys are part of addresses: 1 to 128 printable characters, without braces.",
    "Use a mapping with other keys: they name the resources, its values can be anything.",
)
