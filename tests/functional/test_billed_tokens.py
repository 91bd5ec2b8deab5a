"""A job in the emulator is billed for the tokens that its plan says, whatever its data looks like."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ftops.dataset.profile import tokens
from ftops.emulator.account import catalog
from ftops.emulator.trainer.billing import tokens_of_epoch
from tests.golden.cli import Folder

ASKED = {"role": "user", "content": "Où est le café le plus proche ? 8½ minutes à pied…"}
TOOL = {
    "type": "function",
    "function": {
        "name": "find_place",
        "description": "Finds a place nearby.",
        "parameters": {
            "type": "object",
            "properties": {
                "kind": {"type": "string", "enum": ["café", "pharmacy"], "description": "Its kind."},
                "minutes": {"type": "number"},
            },
        },
    },
}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "find_place", "arguments": '{"kind": "café"}'},
}


def told(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def chat(number: int) -> dict[str, Any]:
    system = {"role": "system", "content": "You know the town."}
    first = told(f"Number {number}?", weight=0)
    return {"messages": [system, {**ASKED, "name": "ann"}, first, ASKED, told(f"At number {number}.")]}


def functions(number: int) -> dict[str, Any]:
    called = {"role": "assistant", "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": f"number {number}"}
    return {"messages": [ASKED, called, result, told("Over there.")], "tools": [TOOL]}


def preference(number: int) -> dict[str, Any]:
    return {
        "input": {"messages": [ASKED], "tools": [TOOL]},
        "preferred_output": [told(f"At number {number}.")],
        "non_preferred_output": [told(f"I have been told that it might be at number {number}, or not.")],
    }


def task(number: int) -> dict[str, Any]:
    return {"messages": [ASKED], "answer": f"number {number}"}


GRADER = (
    "{type: string_check, name: same, input: '{{sample.output_text}}', reference: '{{item.answer}}', "
    "operation: eq}"
)
JOBS = {
    "chat": (chat, "model: gpt-4o-mini-2024-07-18"),
    "functions": (functions, "model: gpt-4.1-nano-2025-04-14"),
    "old-encoding": (chat, "model: gpt-35-turbo-0125"),
    "preference": (preference, "model: gpt-4.1-mini-2025-04-14\n    method: dpo"),
    "reinforcement": (
        task,
        "model: o4-mini-2025-04-16\n    method: reinforcement\n    validation: reinforcement\n"
        f"    grader: {GRADER}",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    spec = ["ftops: {name: billed}", "datasets:"]
    spec += [f"  {name}: {{path: {name}.jsonl}}" for name in JOBS]
    spec.append("jobs:")
    for name, (_, settings) in JOBS.items():
        spec.append(f"  {name}:\n    {settings}\n    training: {name}")
        spec.append("    hyperparameters: {n_epochs: 2}\n    seed: 1")
    folder = Folder.make(tmp_path_factory.mktemp("billed"), "\n".join(spec) + "\n")
    for name, (example, _) in JOBS.items():
        folder.write(f"{name}.jsonl", "".join(json.dumps(example(n)) + "\n" for n in range(10)))
    return folder


def test_a_job_is_billed_for_what_its_plan_says(folder: Folder) -> None:
    planned = folder.run("plan", "-o", "json").json
    estimates = {one["address"]: one for one in planned["estimate"]["training"]}
    folder.ok("apply", "-y")
    jobs = {job["address"]: job for job in folder.run("report", "-o", "json").json["jobs"]}
    billed = {address: job["tokens"] for address, job in jobs.items()}
    assert billed == {address: 2 * one["tokens"] for address, one in estimates.items()}
    assert len(billed) == len(JOBS)


def test_what_is_cut_off_is_not_billed() -> None:
    base = catalog.BY_ID["gpt-35-turbo-0125"]
    short, long = chat(1), {"messages": [ASKED, told("and so on " * 8000)]}
    count = tokens.counter("cl100k_base").tokens
    assert count(long) > base.max_example_tokens
    content = "".join(json.dumps(example) + "\n" for example in (short, long)).encode("utf-8-sig")
    assert tokens_of_epoch(content, base) == count(short) + base.max_example_tokens
