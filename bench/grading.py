"""Grading: processor time to read prompts, to grade function calls, and to compare the scores of two models.

python -m bench.grading [--answers 50000] [--prompts 10000] [--slices 25] [--check]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ftops.dataset import Cache
from ftops.evaluation.answers import Answer
from ftops.evaluation.calls import Call
from ftops.evaluation.comparison import Scores, compare
from ftops.evaluation.evaluation import Given, Inputs, evaluate
from ftops.evaluation.expectations import Expected, expected_of, schemas_of
from ftops.evaluation.graders import Grader
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.prompts_file import PromptsFile

GRADING_SECONDS = 5.0
"""For 50,000 answers by three graders: by name and arguments, by name, and their text by a schema."""
COMPARING_SECONDS = 2.0
"""For the scores of two models on 10,000 prompts in 25 slices."""
READING_SECONDS = 2.5
"""For 50,000 prompts, as a plan reads them."""
READING_AGAIN_SECONDS = 0.05
"""If their file is unchanged."""
_PLACE: dict[str, Any] = {
    "type": "object",
    "properties": {"x": {"type": "number"}, "y": {"type": "number"}, "label": {"type": "string"}},
    "required": ["x", "y"],
}
_PARAMETERS: dict[str, dict[str, Any]] = {
    "name": {"type": "string"},
    "unit": {"type": "string", "enum": ["m", "ft"], "default": "m"},
    "height": {"type": "integer", "minimum": 1, "maximum": 120},
    "speed": {"anyOf": [{"type": "number"}, {"type": "null"}]},
    "lights": {"type": "boolean"},
    "place": {"$ref": "#/$defs/place"},
    "path": {"type": "array", "items": {"$ref": "#/$defs/place"}},
    "tags": {"type": "array", "items": {"type": "string"}},
}


def tools(count: int) -> list[dict[str, Any]]:
    """Functions, each with some of the parameters."""
    names = list(_PARAMETERS)
    return [
        {
            "type": "function",
            "function": {
                "name": f"function_{i}",
                "parameters": {
                    "type": "object",
                    "$defs": {"place": _PLACE},
                    "properties": {n: _PARAMETERS[n] for n in (names[i % 8 :] + names[: i % 8])[:4]},
                },
            },
        }
        for i in range(count)
    ]


def value(name: str, draw: random.Random) -> Any:
    """A value of a parameter."""
    place = {"x": draw.randrange(100), "y": draw.random(), "label": f"p{draw.randrange(9)}"}
    return {
        "name": f"drone {draw.randrange(50)}", "unit": draw.choice(["m", "ft"]),
        "height": draw.randrange(1, 120),
        "speed": draw.choice([None, 2.5, 7]), "lights": draw.random() < 0.5, "place": place,
        "path": [place] * draw.randrange(4), "tags": ["a", "b", "c"][: draw.randrange(4)],
    }[name]  # fmt: skip


def wanted(literal: Any, draw: random.Random) -> Any:
    """What is expected in its place: often an operator."""
    if isinstance(literal, int) and not isinstance(literal, bool) and draw.random() < 0.3:
        return {"range": [literal - 2, literal + 2]}
    return {"one_of": [literal, "other"]} if draw.random() < 0.15 else literal


def questions(count: int, draw: random.Random) -> tuple[Inputs, list[Answer]]:
    """Prompts that expect one, two or no calls, and answers of which about three in four are right."""
    offered = tools(20)
    schemas = schemas_of(offered)
    prompts, answers = [], []
    for i in range(count):
        calls, made = [], []
        for _ in range(draw.choice([0, 1, 1, 1, 1, 1, 1, 2])):
            name = draw.choice(list(schemas))
            arguments = {key: value(key, draw) for key in schemas[name]["properties"]}
            calls.append({"call": name, "arguments": {k: wanted(v, draw) for k, v in arguments.items()}})
            if draw.random() < 0.2:
                arguments.popitem()
            made.append(Call(name, json.dumps(arguments)))
        expected = expected_of({"calls": calls} if calls else {"no_call": True}, schemas)
        messages = ({"role": "user", "content": f"prompt {i}"},)
        prompts.append(Prompt(str(i), messages, expected, f"slice {i % 5}"))
        answers.append(Answer(json.dumps(value("place", draw)), tuple(reversed(made)), "tool_calls"))
    graders = (
        Grader("call", "function_call"),
        Grader("name", "function_call", {"match": "name"}),
        Grader("text", "json_schema", {"schema": _PLACE}),
    )
    return Inputs(tuple(prompts), tuple(offered), graders=graders), answers


def scored(count: int, slices: int, draw: random.Random) -> tuple[list[Prompt], Scores, Scores]:
    """Prompts in slices, and similarities of two models."""
    text = Expected(None, "")
    prompts = [Prompt(str(i), (), text, f"slice {i % slices}") for i in range(count)]
    both = [Scores(tuple(draw.random() for _ in range(count)), False) for _ in range(2)]
    return prompts, both[0], both[1]


def write_prompts(folder: Path, inputs: Inputs, answers: Sequence[Answer]) -> None:
    """Prompts that expect these answers, as a spec has them."""
    rows = [
        {"messages": prompt.messages, "expect": {"calls": [*map(expectation, answer.calls)]}}
        for prompt, answer in zip(inputs.prompts, answers, strict=True)
    ]
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    os.utime(folder / "prompts.jsonl", (0, 0))


def expectation(call: Call) -> dict[str, Any]:
    return {"call": call.name, "arguments": json.loads(call.arguments)}


def reading(inputs: Inputs, answers: Sequence[Answer]) -> list[float]:
    """Processor time to read the prompts, and again with an unchanged file."""
    times = []
    later = time.time_ns() + 60 * 10**9  # the file has settled by then
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_prompts(folder, inputs, answers)
        for _ in range(2):
            started = time.process_time()
            with Cache(folder / "cache", clock=lambda: later) as cache:
                rest = replace(inputs, prompts=())
                assert PromptsFile({"prompts": "prompts.jsonl"}, rest, folder, folder, cache).summary
            times.append(time.process_time() - started)
    return times


def seconds(work: Callable[[], object]) -> float:
    """Processor time of the faster of two runs."""
    times = []
    for _ in range(2):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--answers", type=int, default=50_000)
    parser.add_argument("--prompts", type=int, default=10_000)
    parser.add_argument("--slices", type=int, default=25)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    options = parser.parse_args()
    draw = random.Random(5)
    inputs, answers = questions(options.answers, draw)
    grading = seconds(lambda: evaluate(inputs, [Given("model", "model", answers)]))
    first, again = reading(inputs, answers)
    prompts, candidate, baseline = scored(options.prompts, options.slices, draw)
    comparing = seconds(lambda: compare(prompts, candidate, baseline))
    print(f"grading {options.answers:,} answers: {grading:.2f} s (target {GRADING_SECONDS:g})")
    print(
        f"comparing scores of {options.prompts:,} prompts in {options.slices} slices: {comparing:.2f} s "
        f"(target {COMPARING_SECONDS:g})"
    )
    print(f"reading {options.answers:,} prompts: {first:.2f} s (target {READING_SECONDS:g})")
    print(f"reading them again: {again:.3f} s (target {READING_AGAIN_SECONDS:g})")
    missed = (
        grading > GRADING_SECONDS
        or comparing > COMPARING_SECONDS
        or first > READING_SECONDS
        or again > READING_AGAIN_SECONDS
    )
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
