"""Transforms: examples converted, shortened, split and sampled.

A spec declares a list of steps such as `{slim: descriptions}`, which are applied in order:

    apply(path, display, steps)  the examples of a file after all steps, streamed
    prepared(…)                  the result as a file, written once

The result depends only on the bytes and the steps. Raise VERSION whenever a step gives other results.

convert  between `tools`/`tool_calls` and the legacy `functions`/`function_call`
slim     shorter prompts for a model that is tuned on its functions ("optimize for cost" in the guide); what
         is removed from the examples must also be left out of the requests to the tuned model
split    by a hash of the prompt: the same on every machine, for any order of lines. Examples with the same
         prompt are in the same part, so that no prompt is in both
sample   so many examples, those with the smallest hashes of the prompt: the same on every machine, for any
         order of lines, and a smaller sample is part of a larger one
"""

from __future__ import annotations

import json
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b, sha256
from heapq import nsmallest
from itertools import accumulate, count
from pathlib import Path
from typing import Any

from msgspec import Struct

from ftops.core.errors import Place
from ftops.dataset.files.derived_files import derive
from ftops.dataset.files.jsonl_io import DataError, Example, Writer, canonical, dump, read_strictly
from ftops.dataset.profile import example_digest
from ftops.dataset.profile.profiler import label

VERSION = 1
PARTS = ("train", "valid")
PROMPT, WHOLE = "prompt", "example"
"""Groups that aren't a path: the prompt, and the whole example."""
_RANGE = 2**64

Source = Callable[[], Iterable[Example]]


Step = Callable[[Source], Source]


def apply(path: Path, display: str, steps: Iterable[Mapping[str, Any]]) -> Iterator[Example]:
    """The examples of a file after all steps, as a spec declares them. Raises DataError."""
    number = 0

    def read() -> Iterator[Example]:
        nonlocal number
        for line, example in read_strictly(path, display):
            number = line.number
            yield example

    source: Source = read
    for step in steps:
        source = _step(step)(source)
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


def _step(raw: Mapping[str, Any]) -> Step:
    if "slim" in raw:
        return _each(partial(slim, what=raw["slim"], only=raw.get("only") or ()))
    if "convert" in raw:
        return _each(FORMS[raw["convert"]])
    if "sample" in raw:
        return lambda source: partial(sample, source, raw["sample"])
    split = raw["split"]
    fraction = float(split.get("fraction", 0.9))
    shares = {PARTS[0]: fraction, PARTS[1]: 1 - fraction}
    options = {key: split[key] for key in ("seed", "group_by", "stratify") if key in split}
    return lambda source: partial(part, source, Split(shares, **options), split["part"])


def _each(change: Callable[[Example], Example]) -> Step:
    """The step that changes every example by itself."""
    return lambda source: lambda: map(change, source())


Message = dict[str, Any]


class Unconvertible(Exception):
    """An example that can't be expressed in the other format; says why."""


def to_tools(example: Example) -> Example:
    """The example with `tools`; calls get ids that are unique in it. A result belongs to the latest call of
    its name that has no result yet. Raises Unconvertible."""
    numbers = count(1)
    open_calls: defaultdict[str, list[str]] = defaultdict(list)
    """Ids by the name of the function."""

    def convert(message: Message) -> Message:
        if isinstance(call := message.get("function_call"), dict):
            id = f"call_{next(numbers)}"
            open_calls[str(call.get("name"))].append(id)
            calls = [{"id": id, "type": "function", "function": call}]
            return _renamed(message, {"function_call": ("tool_calls", lambda _: calls)})
        if message.get("role") != "function":
            return message
        name = str(message.get("name"))
        if not open_calls[name]:
            raise Unconvertible(f"a result of the function {name} without a call before it")
        rest = {key: value for key, value in message.items() if key not in ("role", "name")}
        return {"role": "tool", "tool_call_id": open_calls[name].pop(), **rest}

    names = {"functions": ("tools", _to_tools), "function_call": ("tool_choice", _to_tool)}
    return _converted(example, names, convert)


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
    result.pop("parallel_tool_calls", None)
    return result


FORMS: Mapping[str, Callable[[Example], Example]] = {"tools": to_tools, "functions": to_functions}


Names = Mapping[str, tuple[str, Callable[[Any], Any]]]
"""Key → the key in its place, and what changes the value."""


def _converted(example: Example, names: Names, convert: Callable[[Message], Message]) -> Example:
    result = _renamed(example, names)
    messages = result.get("messages")
    if isinstance(messages, list):
        result["messages"] = [convert(item) if isinstance(item, dict) else item for item in messages]
    return result


def _renamed(holder: Message, names: Names) -> Message:
    """A copy with other keys and values in the places of the old ones."""
    result: Message = {}
    for key, value in holder.items():
        name, change = names.get(key, (key, None))
        result[name] = change(value) if change else value
    return result


def _to_tool(function: Any) -> Any:
    return {"type": "function", "function": function} if isinstance(function, dict) else function


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
    """The example with shorter definitions. `what` is a key of WAYS; `only`: names of functions, or all."""

    def change(function: Any) -> Any:
        if not isinstance(function, dict) or (only and function.get("name") not in only):
            return function
        return WAYS[what](function)

    def change_tool(tool: Any) -> Any:
        if not isinstance(tool, dict) or not isinstance(tool.get("function"), dict):
            return tool
        function = change(tool["function"])
        return None if function is None else {**tool, "function": function}

    result = dict(example)
    for key, change_item in (("functions", change), ("tools", change_tool)):
        if isinstance(example.get(key), list):
            result[key] = [item for item in map(change_item, example[key]) if item is not None]
            if not result[key]:
                del result[key]
    return result


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
        elif key in ("enum", "const", "default", "required"):
            result[key] = value
        elif key != "description" or not isinstance(value, str):
            result[key] = _undescribed(value)
    return result


def _without_parameters(function: Function) -> Function:
    parameters = function.get("parameters")
    if not isinstance(parameters, dict):
        return function
    kept = {key: value for key, value in parameters.items() if key not in ("properties", "required")}
    return {**function, "parameters": kept}


WAYS: Mapping[str, Callable[[Function], Function | None]] = {
    "descriptions": _without_descriptions,
    "parameters": _without_parameters,
    "functions": lambda _: None,
}
"""descriptions   removes the descriptions of functions and of their parameters
parameters     removes the properties of their parameters
functions      removes whole functions; the calls that the model learns stay in the answers"""


class Split(Struct, frozen=True):
    """How a dataset is divided. `parts` are shares by name, in order; their sum is 1. Without `stratify`, the
    part of an example depends only on the seed and its group: adding other examples never moves it.

    `group_by`: examples of one group stay together: `prompt`, `example`, or the path to a value in an example
    (`metadata.customer`). `stratify`: the examples of each answer (see `profiler.label`) are divided in these
    shares, as far as groups allow; a few examples may then move when others are added.
    """

    parts: Mapping[str, float]
    seed: int = 1
    group_by: str = PROMPT
    stratify: bool = False

    def chooser(self, examples: Callable[[], Iterable[Example]]) -> Callable[[Example], str]:
        """Example → the name of its part. `examples` are read beforehand only to stratify."""
        if not self.stratify:
            return lambda example: self._at(self.place(example))
        chosen = self._strata(examples())
        return lambda example: chosen[self._group(example)]

    def knows(self, examples: Iterable[Example]) -> bool:
        """Whether an example has the value that they are grouped by, or there are no examples."""
        if self.group_by in (PROMPT, WHOLE):
            return True
        has_value = [value_at(example, self.group_by) is not None for example in examples]
        return any(has_value) or not has_value

    def place(self, example: Example) -> float:
        """Between 0 and 1: where the hash of its group is."""
        return self._place(self._group(example))

    def _group(self, example: Example) -> bytes:
        if self.group_by == PROMPT:
            return example_digest.prompt(example, example_digest.messages(example))
        if self.group_by == WHOLE:
            return example_digest.digest(canonical(example))
        return example_digest.digest(canonical(value_at(example, self.group_by)))

    def _place(self, group: bytes) -> float:
        """Between 0 and 1."""
        key = self.seed.to_bytes(8, "big", signed=True)
        return int.from_bytes(blake2b(group, digest_size=8, key=key).digest(), "big") / _RANGE

    def _at(self, place: float) -> str:
        names = list(self.parts)
        ends = list(accumulate(self.parts.values()))
        return names[min(bisect(ends, place), len(names) - 1)]

    def _strata(self, examples: Iterable[Example]) -> dict[bytes, str]:
        """Groups → parts: within each answer the groups are ranked by their hash and divided."""
        answers: defaultdict[bytes, Counter[str]] = defaultdict(Counter)
        for example in examples:
            answers[self._group(example)][label(example, example_digest.messages(example))] += 1
        strata: defaultdict[str, list[bytes]] = defaultdict(list)
        for group, counts in answers.items():
            strata[max(counts, key=lambda name: (counts[name], name))].append(group)
        chosen = {}
        for groups in strata.values():
            groups.sort(key=lambda group: (self._place(group), group))
            total = sum(answers[group].total() for group in groups)
            before = 0
            for group in groups:
                size = answers[group].total()
                chosen[group] = self._at((before + size / 2) / total)
                before += size
        return chosen


def sample(examples: Source, count: int) -> Iterator[Example]:
    """At most `count` examples, in their order."""
    whole = Split({WHOLE: 1.0}, group_by=WHOLE)
    by_prompt = Split({WHOLE: 1.0})
    ranked = (
        (by_prompt.place(example), whole.place(example), number) for number, example in enumerate(examples())
    )
    chosen = {number for *_, number in nsmallest(count, ranked)}
    return (example for number, example in enumerate(examples()) if number in chosen)


def value_at(example: Example, path: str) -> Any:
    """The value at a dotted path through objects and lists; None if there is none."""
    value: Any = example
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, Sequence) and not isinstance(value, str) and step.lstrip("-").isdigit():
            index = int(step)
            value = value[index] if -len(value) <= index < len(value) else None
        else:
            return None
    return value


def part(examples: Callable[[], Iterable[Example]], split: Split, name: str) -> Iterator[Example]:
    """The examples of one part, in their order."""
    choose = split.chooser(examples)
    return (example for example in examples() if choose(example) == name)
