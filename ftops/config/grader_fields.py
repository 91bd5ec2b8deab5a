"""Fields of examples that graders of jobs name: findings about those that examples lack."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ftops.config.config import Resource
from ftops.core.address import Address
from ftops.core.errors import Diagnostic, Place
from ftops.core.plurals import agree, share
from ftops.core.resource_types import METHOD_FORMATS
from ftops.core.suggestions import did_you_mean

if TYPE_CHECKING:
    from ftops.config.data_sources import Inspected


class _Lacking(Struct):
    """The examples that lack a field, or have null in it: their number, and the first one."""

    count: int = 0
    line: int = 0
    example: Mapping[str, Any] = {}

    def add(self, line: int, example: Mapping[str, Any]) -> None:
        self.line, self.example = (self.line, self.example) if self.count else (line, example)
        self.count += 1


class _Data(Struct):
    """One dataset of a job, and what its examples lack, by the name of the field."""

    key: str
    """`training` or `validation`."""
    address: Address
    data: Inspected
    lacking: dict[str, _Lacking]
    nulls: dict[str, _Lacking]

    def lacks_all(self, name: str) -> bool:
        """Whether no example has the field."""
        return name in self.lacking and self.lacking[name].count >= self.data.inspection.examples


def missing_fields(job: Resource, inspected: Mapping[Address, Inspected]) -> Iterator[Diagnostic]:
    """An error for each field that the grader of a job names and that examples of its data lack; a warning if
    only code names it, which may do without, or if it is null."""
    grader: Any = job.inputs["grader"]
    from ftops.evaluation.service_grader import code_of, texts  # only for jobs with a grader
    from ftops.evaluation.templates import fields_of

    named = {name: keys for keys, text in texts(grader) for name in fields_of(text)}
    in_texts = [name for name in named if name.startswith("item.")]
    in_code = {name for code in code_of(grader) for name in _fields_in(code)}.difference(in_texts)
    names = [*in_texts, *sorted(in_code)]
    readable = ((k, a, inspected[a]) for k, a in job.data.items() if a in inspected and names)
    found = [_read(*one, names) for one in readable if _is_readable(one[2])]
    misnamed = {name for name in in_texts if all(one.lacks_all(name) for one in found)}
    for one in found:
        for name, lacking in one.lacking.items():
            place = None
            if name in misnamed:
                if one is not found[0]:
                    continue
                path = ".".join(("grader", *map(str, named[name])))
                place = job.places.get(path) or job.places.get("grader")
            yield _missing(job, one, name, lacking, place, "warning" if name in in_code else "error")
        yield from (_null(job, one, name, nulls) for name, nulls in one.nulls.items() if name not in in_code)


def _fields_in(code: str) -> Iterator[str]:
    """The fields that the function `grade` of valid code reads by their keys: `item["answer"]`."""
    for function in ast.walk(ast.parse(code)):
        if not isinstance(function, ast.FunctionDef) or function.name != "grade":
            continue
        given = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        for node in ast.walk(function):
            match node:
                case ast.Subscript(ast.Name(name), ast.Constant(str(key)), ast.Load()) if name in given[1:2]:
                    yield f"item.{key}"


def _missing(
    job: Resource, one: _Data, name: str, lacking: _Lacking, place: Place | None, severity: str
) -> Diagnostic:
    field, examples = name.removeprefix("item."), one.data.inspection.examples
    used = f"{{{{{name}}}}}" if severity == "error" else f'`item["{field}"]`'
    summary = f"no example of {one.address} has the field `{field}`"
    if not one.lacks_all(name):
        lack = agree(lacking.count, "lacks", "lack")
        summary = f"{share(lacking.count, examples, 'example')} of {one.address} {lack} the field `{field}`"
    return Diagnostic(
        summary,
        f"The grader of {job.address} uses {used}; {one.data.source.line(lacking.line)} ({one.key}) "
        "doesn't have it.",
        did_you_mean(name, [f"item.{key}" for key in lacking.example if key != "messages"]),
        place or job.reference_places.get(one.address, job.place),
        severity,
    )


def _null(job: Resource, one: _Data, name: str, nulls: _Lacking) -> Diagnostic:
    shown = share(nulls.count, one.data.inspection.examples, "example")
    return Diagnostic(
        f"the field `{name.removeprefix('item.')}` is null in {shown} of {one.address}",
        f"The grader of {job.address} uses {{{{{name}}}}}, as in {one.data.source.line(nulls.line)} "
        f"({one.key}). No answer is right there.",
        "Give it a value, or remove these examples.",
        job.reference_places.get(one.address, job.place),
        "warning",
    )


def _is_readable(data: Inspected) -> bool:
    is_fit = data.inspection.format == METHOD_FORMATS["reinforcement"]
    return is_fit and not data.inspection.is_refused(data.severity)


def _read(key: str, address: Address, data: Inspected, names: Sequence[str]) -> _Data:
    from ftops.dataset.files.jsonl_io import read
    from ftops.evaluation.templates import ABSENT, value_of

    found = _Data(key, address, data, {}, {})
    for line in read(data.source.file):
        for name in names:
            value = value_of({"item": line.example}, name)
            if line.example is not None and (value is ABSENT or value is None):
                kind = found.nulls if value is None else found.lacking
                kind.setdefault(name, _Lacking()).add(line.number, line.example)
    return found
