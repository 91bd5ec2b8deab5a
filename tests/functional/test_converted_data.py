"""Files of other tools, from the first check to a trained model, in an emulated account."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.azure_cloud import SETTLED, Cloud
from tests.golden.cli import Folder

SPEC = """\
providers:
  here: {{type: emulator, url: {url}, api_key: {key}}}
datasets:
  train: {{path: data.chat.jsonl}}
jobs:
  job: {{model: gpt-4.1-2025-04-14, {method}training: train, hyperparameters: {{n_epochs: 1}}}}
"""
ROWS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "Alpaca": lambda q, a: {"instruction": q, "input": "", "output": a},
    "ShareGPT": lambda q, a: {
        "conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}],
        "id": q,
    },
    "prompt/completion": lambda q, a: {"prompt": f"{q}\n\n###\n\n", "completion": f" {a} END"},
    "conversations": lambda q, a: {
        "conversations": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]
    },
    "chosen/rejected": lambda q, a: {"prompt": q, "chosen": a, "rejected": "No idea."},
}


@pytest.mark.parametrize("format", ROWS)
def test_a_converted_file_trains_a_model(account: Cloud, tmp_path: Path, format: str) -> None:
    account.admin("POST", "reset")
    account.admin("PATCH", "settings", {**SETTLED, "strict": True})
    method = "method: dpo, " if format == "chosen/rejected" else ""
    folder = Folder.make(tmp_path, SPEC.format(url=account.url, key=account.key, method=method))
    rows = [ROWS[format](f"Where is box {n} of hall {n * 7}?", f"On shelf {n % 5}.") for n in range(30)]
    folder.write("data.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    checked = folder.run("data", "check", "data.jsonl")
    assert checked.code == 1
    assert f"the format {format}," in checked.out
    command = "ftops data convert data.jsonl data.chat.jsonl"
    assert command in checked.out
    folder.ok(*command.split()[1:])
    folder.ok("apply", "-y")
    state = folder.run("show", "-o", "json").json
    [job] = [r for r in state["resources"] if r["address"] == "job.job"]
    assert "succeeded" in json.dumps(job)
    assert folder.run("plan", "--detailed-exitcode").code == 0
