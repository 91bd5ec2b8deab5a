"""ftops data: what its commands print and write, and how they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cli import Folder, golden

SYSTEM = "You route calls. Answer with one word."
ROUTE = {
    "name": "route",
    "description": "Send the call on.",
    "parameters": {
        "type": "object",
        "properties": {"desk": {"type": "string", "enum": ["sales", "help"], "description": "Where to."}},
    },
}


def chat(question: str, answer: str, **more: Any) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer, **more},
        ]
    }


def calling(question: str, desk: str) -> dict[str, Any]:
    call = {"name": "route", "arguments": json.dumps({"desk": desk})}
    messages = [{"role": "user", "content": question}, {"role": "assistant", "function_call": call}]
    return {"messages": messages, "functions": [ROUTE]}


def lines(*examples: object) -> str:
    return "".join(json.dumps(example) + "\n" for example in examples)


ROUTED = [chat(f"I want to {what} number {n}", desk) for n in range(4) for what, desk in (
    ("buy the large lamp with the green shade", "sales"),
    ("return lamp", "help"),
    ("hear what became of the order that I placed last month, because nobody calls me back", "help"),
)]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder.make(tmp_path)
    made.write("chat.jsonl", lines(*ROUTED, ROUTED[0]))
    made.write("calls.jsonl", lines(*(calling(f"Call {n}", ("sales", "help")[n % 2]) for n in range(12))))
    return made


# stats


def test_statistics(folder: Folder) -> None:
    golden("data-stats", folder.ok("data", "stats", "chat.jsonl", "calls.jsonl"))


def test_statistics_with_the_cost_of_a_model(folder: Folder) -> None:
    folder.write(
        "ftops.catalog.yaml",
        "models: {tiny-1: {encoding: cl100k_base, example_tokens: 40, "
        "prices: {training_per_million: {developer: 4}}}}",
    )
    arguments = ("data", "stats", "chat.jsonl", "--model", "tiny-1", "--training-type", "developer")
    golden("data-stats-cost", folder.ok(*arguments, "--epochs", "2"))
    cost = folder.run(*arguments, "-o", "json").json["files"][0]
    assert cost["truncation"]["examples"] > 0
    assert cost["cost"]["epochs"] == 100 // 13
    assert cost["cost"]["epochs_estimated"]
    assert cost["cost"]["dollars"] == pytest.approx(cost["tokens_billed_per_epoch"] * 7 * 4 / 1e6, abs=1e-4)
    assert cost["tokens"] - cost["truncation"]["tokens"] == cost["tokens_billed_per_epoch"]


def test_statistics_of_lines_that_are_no_examples(folder: Folder) -> None:
    folder.write("odd.jsonl", '{"messages": [}\n\n[1]\n{"a": 1}\n' + lines(ROUTED[0]))
    found = folder.run("data", "stats", "odd.jsonl", "-o", "json").json["files"][0]
    assert (found["unreadable_lines"], found["examples"]) == (2, 2)
    folder.write("empty.jsonl", "")
    assert "0 examples" in folder.ok("data", "stats", "empty.jsonl")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere.jsonl",), "can't read nowhere.jsonl"),
        (("data",), "can't read data"),
        (("chat.jsonl", "--model", "gpt-4o-mini-2024-07-81"), None),
        (("chat.jsonl", "--model", "lama"), "no encoding of the model lama is known"),
        (("chat.jsonl", "--encoding", "p50k_base"), "p50k_base"),
    ],
)
def test_statistics_refuse(folder: Folder, arguments: tuple[str, ...], told: str | None) -> None:
    done = folder.run("data", "stats", *arguments)
    assert done.code == (1 if told else 0)
    assert (told or "") in done.err
