"""Inputs of an evaluation of a spec: reads its files, and identifies what they say by a digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec.json import Encoder

from ftops.core.confined_files import content, opened
from ftops.core.durations import seconds_of
from ftops.core.errors import Diagnostic, Place, SpecError, UsageError
from ftops.dataset.files.jsonl_io import unreadable
from ftops.evaluation.agreement import read_labels
from ftops.evaluation.calls import parse_arguments
from ftops.evaluation.evaluation import Inputs
from ftops.evaluation.expectations import tools_problem
from ftops.evaluation.grader_table import read_graders
from ftops.evaluation.graders import VERSION
from ftops.evaluation.kept_answers import time_before
from ftops.evaluation.prompts import Prompt, stream_prompts
from ftops.evaluation.remote_graders import with_fields

FILES = ("prompts", "tools", "system")
"""Inputs that name files, relative to the spec."""
_canonical = Encoder(order="deterministic").encode


def load(inputs: Mapping[str, Any], folder: Path, project: Path) -> Inputs:
    """What is asked, from the inputs of an evaluation and the files that they name. Raises SpecError and
    UsageError with what is wrong in a file."""
    rest = without_prompts(inputs, folder, project)
    return rest.with_prompts(tuple(stream(inputs, rest, folder, project)))


def stream(inputs: Mapping[str, Any], rest: Inputs, folder: Path, project: Path) -> Iterator[Prompt]:
    """The prompts one by one. What is wrong with any of them is raised after the last one."""
    name = str(inputs["prompts"])
    try:
        file = opened(folder / name, project)
    except OSError as error:
        raise unreadable(Path(name), error) from error
    with file:
        yield from with_fields(rest.graders, stream_prompts(file, name, rest.tools))


def without_prompts(inputs: Mapping[str, Any], folder: Path, project: Path) -> Inputs:
    """All else that is asked."""

    def read_file(name: str) -> tuple[bytes, str]:
        try:
            return content(folder / name, project), name
        except OSError as error:
            raise unreadable(Path(name), error) from error

    def read(key: str) -> tuple[bytes, str]:
        return read_file(str(inputs[key]))

    tools = read_tools(*read("tools")) if "tools" in inputs else ()
    graders, faults = read_graders(inputs["graders"]) if "graders" in inputs else ((), [])
    if faults:
        raise SpecError([Diagnostic(f.summary, f.detail, f.hint) for f in faults])
    named = [(g, str(g.options["agreement"])) for g in graders if "agreement" in g.options]
    return Inputs(
        (),
        tools,
        read_text(*read("system")).strip() if "system" in inputs else "",
        inputs.get("settings", {}),
        int(inputs["samples"]),
        graders,
        float(inputs["alpha"]),
        float(inputs["margin"]),
        {grader.name: read_labels(*read_file(name), grader) for grader, name in named},
    )


def candidates_of(inputs: Mapping[str, Any]) -> list[Any]:
    """The models that are evaluated, each once. Items of the list may be several models themselves."""
    written = inputs.get("candidates") or [inputs.get("model")]
    flat = [model for one in written for model in (one if isinstance(one, list) else [one])]
    return list({str(model): model for model in flat}.values())


def used_since(inputs: Mapping[str, Any]) -> str:
    """The time from which on kept answers are used; empty if all are. All times are in UTC, and an answer
    from a machine whose clock is ahead counts as new."""
    seconds = seconds_of(str(inputs.get("max_age")))
    return "" if seconds is None else time_before(seconds)


def digest(inputs: Inputs) -> str:
    """`sha256:…` of all that prompts, tools, system message and labels say, and of how ftops grades: not of
    the order of prompts, blanks or line ends."""
    return digest_with(inputs, map(digest_of_prompt, inputs.prompts))


def digest_of_prompt(prompt: Prompt) -> bytes:
    """Of all but where it is."""
    said = (
        prompt.id,
        prompt.messages,
        prompt.expected,
        prompt.slice,
        prompt.cluster,
        prompt.tools,
        prompt.item,
    )
    return sha256(_canonical(said)).digest()


def digest_with(rest: Inputs, prompts: Iterable[bytes]) -> str:
    """The same, from the digests of the prompts."""
    said = _canonical((VERSION, rest.tools, rest.system, rest.labels))
    return f"sha256:{sha256(said + b''.join(sorted(prompts))).hexdigest()}"


def read_tools(content: bytes, name: str) -> tuple[Mapping[str, Any], ...]:
    """Tools, or functions as in the legacy format. Raises UsageError."""
    try:
        found = parse_arguments(read_text(content, name))
    except ValueError as error:
        raise UsageError(f"{name} isn't JSON", str(error), "correct the file") from error
    tools = [_tool(tool) for tool in found] if isinstance(found, list) else found
    if problem := tools_problem(tools):
        raise UsageError(f"{name} isn't a list of tools: {problem}", "", "correct the file")
    return tuple(tools)


def read_text(content: bytes, name: str) -> str:
    """Raises SpecError if it isn't UTF-8."""
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        place = Place(name, content.count(b"\n", 0, error.start) + 1)
        raise SpecError([Diagnostic(f"{name} isn't UTF-8 text", "", "save it as UTF-8", place)]) from error


def _tool(tool: Any) -> Any:
    """A function alone, or flat as in the API of responses, becomes a tool."""
    if not isinstance(tool, dict) or "function" in tool or tool.get("type", "function") != "function":
        return tool
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}
