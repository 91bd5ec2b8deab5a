"""Graders as a table: from the mapping of a spec or a file to graders, with every fault in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from ftops.core.address import Reference, Template
from ftops.core.errors import Diagnostic, Place, SpecError
from ftops.core.lazy import resolve as resolve_name
from ftops.core.suggestions import did_you_mean
from ftops.evaluation.answers import NO_SETTINGS
from ftops.evaluation.expectations import is_list_of_texts
from ftops.evaluation.graders import Grader
from ftops.evaluation.remote_graders import REMOTE
from ftops.evaluation.schemas import json_validator, matches, pattern_hint
from ftops.yaml.document import data, decode, parse, resolve

Keys = tuple[str | int, ...]
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


class Fault(NamedTuple):
    """An error in the value at `keys`, counted from the table; with `is_key`, in the last key itself."""

    keys: Keys
    summary: str
    detail: str = ""
    hint: str = ""
    is_key: bool = False


class Wrong(NamedTuple):
    """Why an option can't have a value: how the sentence "`match` of grader call …" ends, and a hint."""

    what: str
    hint: str = ""


class Option(Struct, frozen=True):
    """What a type of graders can be told. `problem` says what is wrong with a value."""

    problem: Callable[[Any], Wrong | None]
    is_required: bool = False
    example: str = "…"
    faults: str = ""
    """What yields the faults inside a value without a problem."""


def read_graders(table: Any) -> tuple[tuple[Grader, ...], list[Fault]]:
    """The graders of a mapping from names to their types and options, and every fault; a grader with faults
    is left out."""
    if not isinstance(table, Mapping) or not table:
        hint = "write {call: {type: function_call}}"
        return (), [Fault((), "`graders` must be a mapping from names to graders", "", hint)]
    faults: list[Fault] = []
    graders = []
    for name, row in table.items():
        found = list(_row_faults(str(name), row))
        faults += found
        if not found:
            graders.append(Grader(name, row["type"], {k: v for k, v in row.items() if k != "type"}))
    return tuple(graders), faults


def read_graders_file(content: bytes, name: str) -> tuple[Grader, ...]:
    """The graders of a YAML or JSON file. Raises SpecError with every fault and its place."""
    document = parse(decode(content, name), name)
    findings: list[Diagnostic] = []
    root = document.root
    table = resolve(data(document, root, findings)) if root else None
    if findings:
        raise SpecError(findings)
    graders, faults = read_graders(table)
    for fault in faults:
        place = Place(name)
        if root is not None and fault.keys:
            key, value = document.find(root, root, fault.keys)
            place = document.place_of(key if fault.is_key or value is None else value)
        findings.append(Diagnostic(fault.summary, fault.detail, fault.hint, place))
    if findings:
        raise SpecError(findings)
    return graders


def _row_faults(name: str, row: Any) -> Iterator[Fault]:
    if not _NAME.fullmatch(name):
        hint = "use letters, digits, - and _, at most 64, and begin with a letter"
        yield Fault((name,), f"`{name}` can't be the name of a grader", "", hint, is_key=True)
    if not isinstance(row, Mapping):
        kind = row if isinstance(row, str) and row in TABLE else "exact"
        detail, hint = "It has a `type`, and the options of this type.", f"write `{name}: {{type: {kind}}}`"
        yield Fault((name,), f"grader {name} must be a mapping", detail, hint)
        return
    if "type" not in row:
        hint = f"add a `type`, one of {', '.join(TABLE)}"
        yield Fault((name,), f"grader {name} has no `type`", "It says how answers are graded.", hint, True)
        return
    kind = row["type"]
    if not isinstance(kind, str):
        hint = f"types: {', '.join(TABLE)}"
        yield Fault((name, "type"), f"`type` of grader {name} must be a word", "", hint)
        return
    if kind not in TABLE:
        summary = f"there is no type of graders `{kind}`"
        yield Fault((name, "type"), summary, f"The types are {', '.join(TABLE)}.", _type_hint(str(kind)))
        return
    found = [fault for key in row if key != "type" for fault in _option_faults(name, kind, key, row[key])]
    for key, option in TABLE[kind].items():
        if option.is_required and key not in row:
            detail, hint = f"The type {kind} needs it.", f"add `{key}: {option.example}`"
            found.append(Fault((name,), f"grader {name} has no `{key}`", detail, hint, True))
    yield from found
    if kind in REMOTE and not found:
        for key, what, hint in REMOTE[kind].problems(row):
            yield Fault((name, key) if key else (name,), f"grader {name} {what}", "", hint, is_key=not key)


def _type_hint(kind: str) -> str:
    if kind in _OF_SERVICE:
        return f"the service runs these: write {{type: service, grader: {{type: {kind}, …}}, at_least: 0.5}}"
    return f"did you mean `{_ELSEWHERE[kind]}`?" if kind in _ELSEWHERE else did_you_mean(kind, TABLE)


_OF_SERVICE = ("string_check", "text_similarity", "score_model", "label_model", "python", "endpoint", "multi")
_ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(("equals", "equal", "match", "exact_match", "string", "text"), "exact"),
    **dict.fromkeys(("llm", "model", "llm_judge", "model_graded", "llm-rubric"), "judge"),
    **dict.fromkeys(("contains", "includes", "pattern"), "regex"),
    **dict.fromkeys(("fuzzy", "rouge", "bleu", "levenshtein"), "similarity"),
    **dict.fromkeys(("tool", "tools", "tool_call", "tool_calls", "function"), "function_call"),
    **dict.fromkeys(("json", "schema"), "json_schema"),
}
"""What other tools call types of graders."""


def _option_faults(name: str, kind: str, key: str, value: Any) -> Iterator[Fault]:
    options = TABLE[kind]
    if key not in options:
        hint = did_you_mean(key, options, nothing=f"The type {kind} has no options.")
        yield Fault((name, key), f"a grader of type {kind} has no option `{key}`", "", hint, is_key=True)
    elif wrong := options[key].problem(value):
        yield Fault((name, key), f"`{key}` of grader {name} {wrong.what}", "", wrong.hint)
    elif options[key].faults:
        for fault in resolve_name(options[key].faults)(value):
            summary = f"`{key}` of grader {name}: {fault.summary}"
            yield fault._replace(keys=(name, key, *fault.keys), summary=summary)


# What options may be


def _choice(*words: str) -> Option:
    def problem(value: Any) -> Wrong | None:
        hint = did_you_mean(str(value), words)
        return None if value in words else Wrong(f"must be {' or '.join(f'`{w}`' for w in words)}", hint)

    return Option(problem)


_PER_CENT = 100


def _share(value: Any) -> Wrong | None:
    is_share = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    if is_share:
        return None
    is_per_cent = isinstance(value, int | float) and 1 < value <= _PER_CENT
    hint = f"write {value / _PER_CENT:g} for {value:g} %" if is_per_cent else "write 0.8 for 80 %"
    return Wrong("must be a number from 0 to 1", hint)


def _texts(value: Any) -> Wrong | None:
    hint = f"write [{value}]" if isinstance(value, str) and value else 'quote numbers: ["1", "2"]'
    return None if is_list_of_texts(value) else Wrong("must be a list of texts", hint)


def _pattern(value: Any) -> Wrong | None:
    try:
        matches(value, "")
    except ValueError as error:
        return Wrong(f"is {error}", pattern_hint(value))
    return None


def _schema(value: Any) -> Wrong | None:
    try:
        json_validator(value)
    except ValueError as error:
        return Wrong(f"isn't a JSON Schema that can be used: {error}")
    return None


def _text(value: Any) -> Wrong | None:
    return None if isinstance(value, str) and value else Wrong("must be a text")


def _name(value: Any) -> Wrong | None:
    """Also what the spec refers to, whose value isn't known yet."""
    return None if isinstance(value, Reference | Template) else _text(value)


def _settings(value: Any) -> Wrong | None:
    if not isinstance(value, Mapping):
        return Wrong("must be a mapping", "write {temperature: 0}")
    taken = [key for key in NO_SETTINGS if key in value]
    return Wrong(f"can't set `{taken[0]}`") if taken else None


def _number(value: Any) -> Wrong | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number else Wrong("must be a number")


def _range(value: Any) -> Wrong | None:
    is_pair = isinstance(value, list) and len(value) == 2 and not any(_number(bound) for bound in value)
    return None if is_pair and value[0] < value[1] else Wrong("must be two numbers", "write [1, 5]")


def _body(value: Any) -> Wrong | None:
    is_body = isinstance(value, Mapping) and "type" in value
    return None if is_body else Wrong("must be a mapping with a `type`", "as the `grader` of a job")


TABLE: Mapping[str, Mapping[str, Option]] = {
    "function_call": {
        "match": _choice("name", "arguments"),
        "strings": _choice("exact", "loose"),
        "order": _choice("any", "strict"),
        "extra": _choice("error", "ignore"),
    },
    "exact": {},
    "one_of": {"values": Option(_texts, is_required=True, example="[yes, no]")},
    "regex": {"pattern": Option(_pattern)},
    "json_schema": {"schema": Option(_schema)},
    "similarity": {
        "metric": _choice("fuzzy_match", "rouge_l"),
        "at_least": Option(_share, is_required=True, example="0.8"),
    },
    "judge": {
        "model": Option(_name, is_required=True),
        "prompt": Option(_text, is_required=True, example='"Is this right? {{sample.output_text}}"'),
        "labels": Option(_texts),
        "passing": Option(_texts),
        "range": Option(_range),
        "at_least": Option(_number),
        "settings": Option(_settings),
        "agreement": Option(_text),
    },
    "service": {
        "grader": Option(_body, is_required=True, faults="ftops.config.loader.graders:body_faults"),
        "at_least": Option(_number, is_required=True),
        "range": Option(_range),
    },
}
"""The options of each type. `pattern` and `schema` stand in place of the `expect` of each prompt."""
