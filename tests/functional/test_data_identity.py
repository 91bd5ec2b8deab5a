"""A data file is what its examples say: another spelling of the same is no change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.golden.cli import Folder

SPEC = """\
ftops: {name: same}
providers: {m: {type: memory}}
datasets:
  train: {path: data/train.jsonl}
  valid: {path: data/valid.jsonl}
jobs:
  base: {model: gpt-4o-mini-2024-07-18, training: train, validation: valid}
  next: {model: "${job.base.fine_tuned_model}", training: train}
deployments:
  it: {model: "${job.next.fine_tuned_model}", sku: {name: Standard, capacity: 1}}
outputs:
  digest: ${dataset.train.digest}
"""


def example(number: int) -> dict[str, Any]:
    asked = {"role": "user", "content": f"Füge {number} und {number} zusammen"}
    return {"messages": [asked, {"role": "assistant", "content": f"{number}{number}", "weight": 1}]}


def text(numbers: range) -> str:
    return "".join(json.dumps(example(n)) + "\n" for n in numbers)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    made = Folder.make(tmp_path_factory.mktemp("same"), SPEC)
    made.write("data/train.jsonl", text(range(12)))
    made.write("data/valid.jsonl", text(range(20, 32)))
    made.ok("apply", "-y")
    return made


def rewritten(change: Callable[[dict[str, Any]], str], end: str = "\n", start: str = "") -> bytes:
    return (start + "".join(change(example(n)) + end for n in range(12))).encode()


SPELLINGS = {
    "keys in another order": rewritten(lambda e: json.dumps(e, sort_keys=True)),
    "without spaces": rewritten(lambda e: json.dumps(e, separators=(",", ":"))),
    "with many spaces": rewritten(lambda e: f"  {json.dumps(e, separators=(' , ', ' : '))} "),
    "letters instead of escapes": rewritten(lambda e: json.dumps(e, ensure_ascii=False)),
    "byte order mark": rewritten(json.dumps, start="\ufeff"),
    "line ends of Windows": rewritten(json.dumps, end="\r\n"),
    "blank lines": rewritten(json.dumps, end="\n\n"),
    "no last line end": rewritten(json.dumps).rstrip(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_another_spelling_is_no_change(folder: Folder, spelling: str) -> None:
    recorded = folder.ok("state", "pull")
    (folder.path / "data/train.jsonl").write_bytes(SPELLINGS[spelling])
    said = folder.run("plan", "--detailed-exitcode")
    assert (said.code, "No changes." in said.out) == (0, True), said
    folder.ok("apply", "-y")
    assert folder.ok("state", "pull") == recorded


@pytest.mark.parametrize(
    "edit",
    [
        lambda e: e["messages"][1].update(weight=0),
        lambda e: e["messages"][1].update(content="other"),
        lambda e: e["messages"].insert(0, {"role": "system", "content": "x"}),
    ],
    ids=["weight", "content", "system"],
)
def test_another_meaning_is_one(folder: Folder, edit: Callable[[dict[str, Any]], None]) -> None:
    changed = [example(n) for n in range(12)]
    edit(changed[3])
    folder.write("data/train.jsonl", "".join(json.dumps(e) + "\n" for e in changed))
    out = folder.ok("plan")
    assert "± dataset.train" in out and "± job.base" in out and "± job.next" in out


def test_another_order_is_one(folder: Folder) -> None:
    """Training goes through the examples in their order."""
    folder.write("data/train.jsonl", text(range(11, -1, -1)))
    assert "± job.base" in folder.ok("plan")


def test_what_is_recorded_of_the_bytes_stays(folder: Folder) -> None:
    before = folder.run("output", "-o", "json").json
    (folder.path / "data/train.jsonl").write_bytes(SPELLINGS["byte order mark"])
    assert folder.run("plan", "-o", "json").json["outputs"] == []
    folder.ok("apply", "-y")
    assert folder.run("output", "-o", "json").json == before


def test_the_same_bytes_are_the_same_whatever_is_recorded_of_their_meaning(folder: Folder) -> None:
    """A release that reckons otherwise trains nothing again."""
    state = json.loads(folder.ok("state", "pull"))
    for record in state["resources"].values():
        for name in ("content", "training", "validation"):
            if name in record.get("identities", {}):
                record["identities"][name] = f"sha256:{'0' * 64}"
    state["serial"] += 1
    folder.write("pushed.json", json.dumps(state))
    folder.ok("state", "push", "pushed.json")
    assert folder.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("arguments", [("--detailed-exitcode",), ("--replace", "dataset.train")])
def test_a_file_of_old_is_known_by_its_bytes(folder: Folder, arguments: tuple[str, ...]) -> None:
    """A record that says nothing of the meaning: the same bytes are the same, also those of a file that is
    uploaded again."""
    state = json.loads(folder.ok("state", "pull"))
    records = state["resources"]
    bytes_of = {n: records[f"dataset.{n}"]["inputs"]["content"] for n in ("train", "valid")}
    for address, record in records.items():
        if address.startswith("dataset."):
            record["identities"] = {}
        for name, data in (("training", "train"), ("validation", "valid")):
            if name in record.get("identities", {}):
                record["identities"][name] = bytes_of[data]
    state["serial"] += 1
    folder.write("pushed.json", json.dumps(state))
    folder.ok("state", "push", "pushed.json")
    done = folder.run("plan", *arguments)
    assert done.code == 0 and "job" not in done.out, done


def test_a_job_that_knows_bytes_stays_when_its_file_is_written_otherwise(folder: Folder) -> None:
    """It learned from what is on the service, and that stays what it is."""
    state = json.loads(folder.ok("state", "pull"))
    records = state["resources"]
    for name, data in (("training", "train"), ("validation", "valid")):
        for address in ("job.base", "job.next"):
            if name in records[address]["identities"]:
                records[address]["identities"][name] = records[f"dataset.{data}"]["inputs"]["content"]
    state["serial"] += 1
    folder.write("pushed.json", json.dumps(state))
    folder.ok("state", "push", "pushed.json")
    (folder.path / "data/train.jsonl").write_bytes(SPELLINGS["without spaces"])
    assert folder.run("plan", "--detailed-exitcode").code == 0


def test_a_file_that_is_made_again_starts_no_training(folder: Folder) -> None:
    """Another spelling under another name: it is the same file, and what was trained on it stays."""
    (folder.path / "data/train.jsonl").write_bytes(SPELLINGS["without spaces"])
    folder.edit("  train: {path", "  again: {path")
    folder.edit("training: train, validation", "training: again, validation")
    folder.edit('fine_tuned_model}", training: train', 'fine_tuned_model}", training: again')
    folder.edit("${dataset.train.digest}", "${dataset.again.digest}")
    document = folder.run("plan", "-o", "json").json
    assert not document["changes"]
    assert document["moves"] == [{"from": "dataset.train", "to": "dataset.again"}]


def test_a_saved_plan_is_held_to_the_bytes(folder: Folder) -> None:
    folder.write("data/train.jsonl", text(range(13)))
    folder.ok("plan", "--out", "saved")
    (folder.path / "data/train.jsonl").write_bytes(text(range(13)).replace(", ", ",").encode())
    refused = folder.run("apply", "saved", "-y")
    assert refused.code == 3 and "changed files" in refused.err, refused
