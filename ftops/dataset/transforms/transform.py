"""Transforms: examples converted, shortened, split and sampled.

A spec declares a list of steps such as `{slim: descriptions}`, which are applied in order:

    apply(path, display, steps)  the examples of a file after all steps, streamed
    prepared(…)                  the result as a file, written once

The result depends only on the bytes and the steps. Raise VERSION whenever a step gives other results.

All work on every format; a step that changes no example is an error in a spec, and else a warning.

convert  between `tools`/`tool_calls` and the legacy `functions`/`function_call`
slim     shorter prompts for a model that is tuned on its functions ("optimize for cost" in the guide); what
         is removed from the examples must also be left out of the requests to the tuned model
split    by a hash of the conversation's start: the same on every machine, for any order of lines. Examples
         that start alike are in the same part, so that no prompt, and no beginning of it, is in both
sample   so many examples, those with the smallest hashes of the prompt: the same on every machine, for any
         order of lines, and a smaller sample is part of a larger one
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from ftops.core.errors import Diagnostic, Place
from ftops.core.plurals import plural
from ftops.dataset.files.derived_files import derive
from ftops.dataset.files.jsonl_io import DataError, Example, Line, Writer, dump, list_at, read_strictly
from ftops.dataset.formats import OUTPUTS, offering
from ftops.dataset.formats.foreign import Unconvertible
from ftops.dataset.profile.tokens import calls, definitions
from ftops.dataset.transforms.parts import PARTS, Source, Split, part, sample

VERSION = 5
_UNSLIMMED = "no example has function definitions from which `slim` removes {}"
_UNKNOWN = "no example has a function {} from which `slim` removes {}"
_UNGROUPED = "no example has {}, by which `split` groups"
_STILL_OFFERED = "{} with a function that `slim` removes elsewhere"
_CALLED = "It is called there, and a call of a function that isn't offered, while others are, is rejected."
_TO_REMOVE = "Remove these examples, or all functions."
_TO_CORRECT = "Correct the step or the option, or leave it out."
_UNCONVERTED = "no example has function calls or definitions to convert to `{}`"
_AS_IT_IS = "The examples stay as they are."

Step = Callable[[Source], Source]


Read = Callable[[Path, str], Iterable[tuple[Line, Example]]]
"""The examples of a file and their lines, by its path and the name that it is shown with."""
Report = Callable[[Diagnostic], None]


def apply(
    path: Path,
    display: str,
    steps: Iterable[Mapping[str, Any]],
    read: Read = read_strictly,
    unchanged: Report | None = None,
) -> Iterator[Example]:
    """The examples of a file after all steps, as a spec declares them. `unchanged` is told of each step that
    changes no example; without it, that is an error. Raises DataError."""
    number = 0

    def examples() -> Iterator[Example]:
        nonlocal number
        for line, example in read(path, display):
            number = line.number
            yield example

    source: Source = examples
    for step in steps:
        source = _step(step, unchanged)(source)
    try:
        yield from source()
    except Unconvertible as error:
        reason = str(error)
        detail = f"{reason[:1].upper()}{reason[1:]}."
        hint = "change the example, or remove the conversion"
        raise DataError("the example can't be converted", detail, hint, Place(display, number)) from error


def prepared(path: Path, display: str, digest: str, raw: Sequence[Mapping[str, Any]], project: Path) -> Path:
    """The file with the result; `digest` is that of the bytes at `path`. Raises as `apply`."""
    key = sha256(f"{VERSION}\n{digest}\n{json.dumps(raw, sort_keys=True)}".encode()).hexdigest()

    def write(writer: Writer) -> None:
        for example in apply(path, display, raw):
            writer.write(dump(example))

    return derive(project, key, write)


def _step(raw: Mapping[str, Any], unchanged: Report | None) -> Step:
    if "slim" in raw:
        what, only = raw["slim"], raw.get("only") or ()

        def is_kept(example: Example) -> bool:
            offered = definitions(offering(example)) if what == "functions" and only else ()
            return any(function.get("name") in only for function in offered)

        named = " or ".join(f"`{name}`" for name in only)
        summary = _UNKNOWN.format(named, what) if only else _UNSLIMMED.format(what)
        return _each(partial(slim, what=what, only=only), summary, unchanged, is_kept)
    if "convert" in raw:
        return _each(FORMS[raw["convert"]], _UNCONVERTED.format(raw["convert"]), unchanged)
    if "sample" in raw:
        return lambda source: partial(sample, source, raw["sample"])
    split = raw["split"]
    fraction = float(split.get("fraction", 0.9))
    shares = {PARTS[0]: fraction, PARTS[1]: 1 - fraction}
    options = {key: split[key] for key in ("seed", "group_by", "stratify") if key in split}
    return lambda source: partial(_part, source, Split(shares, **options), split["part"])


def _part(source: Source, split: Split, name: str) -> Iterable[Example]:
    """The examples of one part. Raises DataError if none has the value that they are grouped by."""
    if not split.knows(source()):
        _refuse(Diagnostic(_UNGROUPED.format(split.group), "All examples would be in one part.", _TO_CORRECT))
    return part(source, split, name)


def _each(
    change: Callable[[Example], Example],
    summary: str,
    report: Report | None,
    is_kept: Callable[[Example], bool] = lambda _: False,
) -> Step:
    """The step that changes every example by itself; `summary` says that it changes none. `is_kept`: whether
    an example, after the change, has something that the step removes from others."""

    def step(source: Source) -> Source:
        def examples() -> Iterator[Example]:
            seen = same = kept = 0
            for example in source():
                changed = change(example)
                seen, same, kept = seen + 1, same + (changed == example), kept + is_kept(changed)
                yield changed
            if seen and same == seen:
                told = (_CALLED, _TO_REMOVE) if kept else (_AS_IT_IS, _TO_CORRECT)
                (report or _refuse)(Diagnostic(summary, *told))
            elif kept and report:
                report(Diagnostic(_STILL_OFFERED.format(plural(kept, "example")), _CALLED, _TO_REMOVE))

        return examples

    return step


def _refuse(diagnostic: Diagnostic) -> None:
    raise DataError(diagnostic.summary, diagnostic.detail, diagnostic.hint)


Message = dict[str, Any]


def to_tools(example: Example) -> Example:
    """The example with `tools`; legacy calls get ids that are unique in it. A result belongs to the latest
    call of its name that has no result yet. Raises Unconvertible."""
    text = dump(example)
    numbers = (n for n in count(1) if b'"call_%d"' % n not in text)
    open_calls: defaultdict[str, list[str]] = defaultdict(list)
    """Ids by the name of the function."""

    def convert(message: Message) -> Message:
        if isinstance(call := message.get("function_call"), dict):
            id = f"call_{next(numbers)}"
            open_calls[str(call.get("name"))].append(id)
            calls = [{"id": id, "type": "function", "function": call}]
            return _renamed(message, {"function_call": ("tool_calls", lambda _: calls)})
        for call in list_at(message, "tool_calls"):
            if isinstance(call, dict) and isinstance(function := call.get("function"), dict):
                open_calls[str(function.get("name"))].append(str(call.get("id")))
        if message.get("role") != "function":
            return message
        name = str(message.get("name"))
        if not open_calls[name]:
            raise Unconvertible(f"a result of the function {name} without a call before it")
        rest = {key: value for key, value in message.items() if key not in ("role", "name")}
        return {"role": "tool", "tool_call_id": open_calls[name].pop(), **rest}

    result = _converted(example, {"functions": ("tools", _to_tools)}, convert)
    offering(result).pop("function_call", None)  # of a request; the service ignores it, but not `tool_choice`
    return result


def to_functions(example: Example) -> Example:
    """The example with `functions`. Raises Unconvertible, for example if one message has several calls."""
    called: dict[str, str] = {}
    """Names of functions by the id of the call."""

    def convert(message: Message) -> Message:
        if isinstance(calls := message.get("tool_calls"), list):
            if len(calls) != 1:
                raise Unconvertible(
                    f"a message has {len(calls)} calls; the legacy format allows one per message"
                )
            call = calls[0] if isinstance(calls[0], dict) else {}
            function = call.get("function")
            if not isinstance(function, dict):
                raise Unconvertible("a call has no function name")
            called[str(call.get("id"))] = str(function.get("name"))
            return _renamed(message, {"tool_calls": ("function_call", lambda _: function)})
        if message.get("role") != "tool":
            return message
        id = str(message.get("tool_call_id"))
        if id not in called:
            raise Unconvertible(f"a result belongs to the call {id}, which doesn't exist")
        rest = {k: value for k, value in message.items() if k not in ("role", "tool_call_id", "name")}
        return {"role": "function", "name": called[id], **rest}

    names = {"tools": ("functions", _to_functions), "tool_choice": ("function_call", _to_function_choice)}
    result = _converted(example, names, convert)
    offering(result).pop("parallel_tool_calls", None)
    return result


FORMS: Mapping[str, Callable[[Example], Example]] = {"tools": to_tools, "functions": to_functions}


Names = Mapping[str, tuple[str, Callable[[Any], Any]]]
"""Key → the key in its place, and what changes the value."""


def _converted(example: Example, names: Names, convert: Callable[[Message], Message]) -> Example:
    """The example with other names for its definitions, and with converted messages: of a preference pair
    those of its input, and of both outputs, each of which follows the input."""
    holder = offering(example)
    changed = _renamed(holder, names)
    messages = holder.get("messages")
    if isinstance(messages, list):
        changed["messages"] = [convert(item) if isinstance(item, dict) else item for item in messages]
    if holder is example:
        return changed
    result = {**example, "input": changed}
    for key in OUTPUTS:
        if isinstance(output := example.get(key), list):
            result[key] = [convert(item) if isinstance(item, dict) else item for item in output]
    return result


def _renamed(holder: Message, names: Names) -> Message:
    """A copy with other keys and values in the places of the old ones."""
    result: Message = {}
    for key, value in holder.items():
        name, change = names.get(key, (key, None))
        result[name] = change(value) if change else value
    return result


def _to_tools(functions: Any) -> Any:
    if not isinstance(functions, list):
        return functions
    return [{"type": "function", "function": function} for function in functions]


def _to_functions(tools: Any) -> Any:
    if not isinstance(tools, list):
        return tools
    functions = [tool.get("function") if isinstance(tool, dict) else None for tool in tools]
    if not all(isinstance(function, dict) for function in functions):
        raise Unconvertible("a tool isn't a function")
    return functions


def _to_function_choice(choice: Any) -> Any:
    if choice == "required":
        raise Unconvertible("`tool_choice: required` has no legacy equivalent")
    return choice.get("function") if isinstance(choice, dict) else choice


Function = Mapping[str, Any]


def slim(example: Example, what: str, only: Collection[str] = ()) -> Example:
    """The example with shorter definitions. `what` is a key of WAYS; `only`: names of functions, or all. Of
    functions that are removed, those that are called stay if others do."""
    called = frozenset[str]()
    if what == "functions" and {str(f.get("name")) for f in definitions(offering(example))}.difference(only):
        called = _called(example) if only else called

    def change(function: Any) -> Any:
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(function, dict) or (only and name not in only) or str(name) in called:
            return function
        return WAYS[what](function)

    def change_tool(tool: Any) -> Any:
        if not isinstance(tool, dict) or not isinstance(tool.get("function"), dict):
            return tool
        function = change(tool["function"])
        return None if function is None else {**tool, "function": function}

    holder = offering(example)
    result = dict(holder)
    for key, change_item in (("functions", change), ("tools", change_tool)):
        if isinstance(holder.get(key), list):
            result[key] = [item for item in map(change_item, holder[key]) if item is not None]
            if not result[key]:
                del result[key]
                result.pop("parallel_tool_calls", None)
    offered = {str(function.get("name")) for function in definitions(result)}
    for key in ("tool_choice", "function_call"):
        if what == "functions" and (not offered or _chosen(result.get(key)) not in (*offered, "")):
            result.pop(key, None)
    return result if holder is example else {**example, "input": result}


def _called(example: Example) -> frozenset[str]:
    """The names of the functions that an example calls."""
    lists = (list_at(offering(example), "messages"), *(list_at(example, key) for key in OUTPUTS))
    messages = (message for messages in lists for message in messages if isinstance(message, dict))
    return frozenset(call.name for message in messages for call in calls(message))


def _chosen(choice: Any) -> str:
    """The name of the function that a request must call; empty if it names none."""
    function = choice.get("function", choice) if isinstance(choice, dict) else None
    return str(function["name"]) if isinstance(function, dict) and "name" in function else ""


def _without_descriptions(function: Function) -> Function:
    result = {key: value for key, value in function.items() if key != "description"}
    if isinstance(result.get("parameters"), dict):
        result["parameters"] = _undescribed(result["parameters"])
    return result


def _undescribed(schema: Any) -> Any:
    """A JSON Schema without descriptions; a property with the name `description` stays."""
    if isinstance(schema, list):
        return [_undescribed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            result[key] = {name: _undescribed(item) for name, item in value.items()}
        elif key in ("enum", "const", "default", "examples", "required"):
            result[key] = value
        elif key != "description" or not isinstance(value, str):
            result[key] = _undescribed(value)
    return result


def _without_parameters(function: Function) -> Function:
    """The function with parameters that accept all arguments: without `strict`, which such a schema isn't
    fit for."""
    parameters = function.get("parameters")
    if not isinstance(parameters, dict):
        return function
    kept = {key: value for key, value in parameters.items() if key in _OF_PARAMETERS}
    return {**{key: value for key, value in function.items() if key != "strict"}, "parameters": kept}


_OF_PARAMETERS = ("type", "description")
"""What is left of parameters: all else describes properties or refers to them."""
WAYS: Mapping[str, Callable[[Function], Function | None]] = {
    "descriptions": _without_descriptions,
    "parameters": _without_parameters,
    "functions": lambda _: None,
}
"""descriptions   removes the descriptions of functions and of their parameters
parameters     removes the properties of their parameters
functions      removes whole functions; the calls that the model learns stay in the answers. If others stay,
               so do those that an example calls: calls of functions that it doesn't offer are rejected"""
