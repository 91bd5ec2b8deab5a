"""Fields of examples that graders of jobs name: errors about those that examples lack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ftops.config.config import Resource
from ftops.core.address import Address
from ftops.core.errors import Diagnostic
from ftops.core.plurals import agree, share
from ftops.core.resource_types import METHOD_FORMATS
from ftops.core.suggestions import did_you_mean

if TYPE_CHECKING:
    from ftops.config.data_sources import Inspected


class _Lacking(Struct):
    """The examples that lack a field: their number, and the first one."""

    count: int = 0
    line: int = 0
    example: Mapping[str, Any] = {}


def missing_fields(job: Resource, inspected: Mapping[Address, Inspected]) -> Iterator[Diagnostic]:
    """An error for each field that the grader of a job names and that examples of its data lack."""
    grader: Any = job.inputs["grader"]
    from ftops.evaluation.service_grader import texts  # only for jobs with a grader
    from ftops.evaluation.templates import fields_of

    named = {name: keys for keys, text in texts(grader) for name in fields_of(text)}
    names = [name for name in named if name.startswith("item.")]
    readable = [(k, a, inspected[a]) for k, a in job.data.items() if a in inspected and names]
    found = [(*one, _lacking(one[2], names)) for one in readable if _is_readable(one[2])]
    misnamed = {name for name in names if all(_lacks_all(lacking.get(name), d) for _, _, d, lacking in found)}
    for key, address, data, lacking in found:
        for name, examples in lacking.items():
            place = job.reference_places.get(address, job.place)
            if name in misnamed:
                if lacking is not found[0][3]:
                    continue
                path = ".".join(("grader", *map(str, named[name])))
                place = job.places.get(path) or job.places.get("grader") or place
            yield Diagnostic(
                _summary(name, examples.count, data.inspection.examples, address),
                f"The grader of {job.address} uses {{{{{name}}}}}; {data.source.line(examples.line)} ({key}) "
                "doesn't have it.",
                did_you_mean(name, [f"item.{field}" for field in examples.example if field != "messages"]),
                place,
            )


def _lacks_all(lacking: _Lacking | None, data: Inspected) -> bool:
    """Whether no example has the field."""
    return lacking is not None and lacking.count >= data.inspection.examples


def _is_readable(data: Inspected) -> bool:
    is_fit = data.inspection.format == METHOD_FORMATS["reinforcement"]
    return is_fit and not data.inspection.is_refused(data.severity)


def _summary(name: str, count: int, examples: int, address: Address) -> str:
    field = name.removeprefix("item.")
    if count >= examples:
        return f"no example of {address} has the field `{field}`"
    lacking = f"{share(count, examples, 'example')} of {address} {agree(count, 'lacks', 'lack')}"
    return f"{lacking} the field `{field}`"


def _lacking(data: Inspected, names: Sequence[str]) -> dict[str, _Lacking]:
    from ftops.dataset.files.jsonl_io import read
    from ftops.evaluation.templates import has_field

    found: dict[str, _Lacking] = {}
    for line in read(data.source.file):
        for name in names:
            if line.example is not None and not has_field({"item": line.example}, name):
                lacking = found.setdefault(name, _Lacking(0, line.number, line.example))
                lacking.count += 1
    return found
