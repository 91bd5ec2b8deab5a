"""`ftops data generate` from templates, and the plans that read what it has recorded."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import ftops, run
from tests.support.embedded import wait_until
from tests.support.generated import PHRASINGS, TOOLS, manifest, recording, write_spec

PLAN = ("plan", "--offline")
NO_COVERAGE = {"coverage": {"each_function": 0}}
NOWHERE = "http://127.0.0.1:9"


def generate(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return ftops(folder, "data", "generate", *words, code=code)


def examples(folder: Path, name: str = "dataset.jsonl") -> list[tuple[str, str, Any]]:
    """Prompt, function and arguments of each."""
    found = []
    for line in map(json.loads, recording(folder)[name].splitlines()):
        call = line["messages"][-1]["tool_calls"][0]["function"]
        found.append((line["messages"][-2]["content"], call["name"], json.loads(call["arguments"])))
    return found


def edit(path: Path, change: Any) -> None:
    path.write_text(json.dumps(change, indent=2), encoding="utf-8")


def test_what_is_generated_is_a_dataset_like_any_other(tmp_path: Path) -> None:
    write_spec(tmp_path)
    done = ftops(tmp_path, *PLAN, code=1)
    assert "dataset train is not generated yet" in done.stderr
    assert "ftops.yaml:7:19" in done.stderr  # of `generate`
    assert "Run `ftops data generate`" in done.stderr
    assert "not generated yet" in ftops(tmp_path, "data", "check", ".", code=1).stdout
    assert "not generated yet" in ftops(tmp_path, "validate", code=1).stderr
    document = json.loads(generate(tmp_path, "-o", "json").stdout)
    made = document["generated"][0]
    assert made["examples"] == len(examples(tmp_path)) > 20
    assert [row for row in made["coverage"] if row["is_hole"]] == []
    plan = json.loads(ftops(tmp_path, *PLAN, "-o", "json").stdout)
    assert [change["address"] for change in plan["changes"]] == ["dataset.train", "job.copilot"]
    data = json.loads(ftops(tmp_path, "data", "check", ".", "-o", "json").stdout)["files"][0]
    assert data["examples"] == made["examples"]
    assert set(data["counts"]) <= {"data/near-duplicate", "file/byte-order-mark", "file/few-examples"}


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder in (tmp_path / "a", tmp_path / "b"):
        generate(write_spec(folder))
    first = recording(tmp_path / "a")
    assert first == recording(tmp_path / "b")
    generate(tmp_path / "a")
    assert recording(tmp_path / "a") == first
    generate(write_spec(tmp_path / "b", {"seed": 8}))
    assert recording(tmp_path / "b")["dataset.jsonl"] != first["dataset.jsonl"]


def test_every_example_is_valid_and_has_an_origin(tmp_path: Path) -> None:
    generate(write_spec(tmp_path))
    functions = Counter(function for _, function, _ in examples(tmp_path))
    assert set(functions) == {"move", "lights", "reject"}
    assert {a["on"] for _, function, a in examples(tmp_path) if function == "lights"} == {True, False}
    head, rows = manifest(tmp_path)
    assert head["teacher"] == "templates"
    origins = [row for row in rows if "line" in row]
    assert [row["line"] for row in origins] == list(range(1, head["examples"] + 1))
    assert [row["function"] for row in origins] == [function for _, function, _ in examples(tmp_path)]
    assert all(row["source"] == "templates" and "schema" in row["checks"] for row in origins)
    assert {row["kind"] for row in origins} == {"call", "near", "out_of_range"}
    dropped = Counter(row["dropped"] for row in rows if "dropped" in row)
    assert dict(dropped) == head["dropped"]


def test_shares_and_examples(tmp_path: Path) -> None:
    generate(write_spec(tmp_path, {"examples": 20, "shares": {"reject": 0.3}, "write": {"prompts": 6}}))
    assert Counter(function for _, function, _ in examples(tmp_path)) == {"move": 7, "lights": 7, "reject": 6}


def test_calls_are_held_out_with_all_their_paraphrases(tmp_path: Path) -> None:
    generate(write_spec(tmp_path, {"held_out": 0.3, "rejections": None, **NO_COVERAGE}))

    def calls(name: str) -> set[str]:
        return {f"{function} {arguments}" for _, function, arguments in examples(tmp_path, name)}

    assert calls("held_out.jsonl")
    assert calls("held_out.jsonl") & calls("dataset.jsonl") == set()
    values = {str(v) for _, _, arguments in examples(tmp_path) for v in arguments.values()}
    assert {"left", "right", "up", "down", "True", "False"} <= values
    valid = {"path": "data/train.generated/held_out.jsonl"}
    spec = json.loads((tmp_path / "ftops.yaml").read_text())
    spec["datasets"]["valid"] = valid
    spec["jobs"]["copilot"]["validation"] = "valid"
    edit(tmp_path / "ftops.yaml", spec)
    ftops(tmp_path, *PLAN)
    generate(write_spec(tmp_path))
    assert "held_out.jsonl" not in recording(tmp_path)


def test_prompts_of_evaluations_and_validation_data_are_avoided(tmp_path: Path) -> None:
    generate(write_spec(tmp_path, {"rejections": None, **NO_COVERAGE}))
    taken = [prompt for prompt, _, _ in examples(tmp_path)]
    call = {"type": "function", "id": "c1", "function": {"name": "lights", "arguments": '{"on": true}'}}
    messages = [{"role": "user", "content": f"{taken[1]}!"}, {"role": "assistant", "tool_calls": [call]}]
    edit(tmp_path / "prompts.json", {"easy": {taken[0].upper(): "lights"}})
    (tmp_path / "valid.jsonl").write_text(json.dumps({"messages": messages, "tools": TOOLS}) + "\n")
    write_spec(
        tmp_path,
        {"rejections": None, **NO_COVERAGE},
        datasets={
            "train": json.loads((tmp_path / "ftops.yaml").read_text())["datasets"]["train"],
            "valid": {"path": "valid.jsonl"},
        },
        jobs={"copilot": {"model": "gpt-4o-mini-2024-07-18", "training": "train", "validation": "valid"}},
    )
    spec = json.loads((tmp_path / "ftops.yaml").read_text())
    spec["datasets"]["train"]["generate"]["avoid"] = ["prompts.json"]
    edit(tmp_path / "ftops.yaml", spec)
    done = ftops(tmp_path, *PLAN, code=1)
    assert "not generated yet as it is now" in done.stderr
    assert "`avoid`" in done.stderr
    generate(tmp_path)
    left = [prompt for prompt, _, _ in examples(tmp_path)]
    assert set(taken[:2]) & set(left) == set()
    _, rows = manifest(tmp_path)
    avoided = {row["detail"] for row in rows if row.get("dropped") == "avoided"}
    assert {"it is in prompts.json", "it is in valid.jsonl"} <= avoided


def test_prompts_of_evaluations_in_the_spec_and_files_of_a_pattern_are_avoided(tmp_path: Path) -> None:
    generate(write_spec(tmp_path, {"rejections": None, **NO_COVERAGE}))
    taken = [prompt for prompt, _, _ in examples(tmp_path)]
    edit(tmp_path / "prompts.json", {"easy": {taken[0]: "lights"}})
    for number in (1, 2):
        row = {"messages": [{"role": "user", "content": taken[number]}]}
        (tmp_path / f"valid-{number}.jsonl").write_text(json.dumps(row) + "\n")
    spec = json.loads((tmp_path / "ftops.yaml").read_text())
    spec["datasets"]["valid"] = {"path": "valid-*.jsonl"}
    spec["jobs"]["copilot"]["validation"] = "valid"
    model = "${job.copilot.fine_tuned_model}"
    spec["evaluations"] = {"check": {"model": model, "prompts": "prompts.json", "tools": "tools.json"}}
    edit(tmp_path / "ftops.yaml", spec)
    generate(tmp_path)
    assert set(taken[:3]) & {prompt for prompt, _, _ in examples(tmp_path)} == set()


def test_each_dataset_of_a_set_has_its_own_recording(tmp_path: Path) -> None:
    write_spec(tmp_path, jobs={})
    spec = json.loads((tmp_path / "ftops.yaml").read_text())
    spec["datasets"]["train"] |= {"for_each": {"one": 1, "two words": 2}}
    spec["datasets"]["train"]["generate"]["seed"] = "${each.value}"
    edit(tmp_path / "ftops.yaml", spec)
    generate(tmp_path)
    made = [tmp_path / "data" / f"train-{key}.generated" / "dataset.jsonl" for key in ("one", "two-words")]
    assert made[0].read_bytes() != made[1].read_bytes()
    ftops(tmp_path, *PLAN)


def test_a_key_or_an_address_never_comes_into_the_data(tmp_path: Path) -> None:
    write_spec(tmp_path)
    mail = "write to ada.lovelace@corp.com"  # not one that is reserved for examples
    light = {"function": "lights", "with": {"on": True}, "say": [mail, "switch the lights on"]}
    edit(tmp_path / "phrasings.json", {**PHRASINGS, "requests": [*PHRASINGS["requests"], light]})
    generate(tmp_path)
    assert manifest(tmp_path)[0]["dropped"]["personal_data"] >= 1
    assert not any(b"ada.lovelace" in content for content in recording(tmp_path).values())


def test_41_too_little_coverage_writes_nothing_and_says_what_is_missing(tmp_path: Path) -> None:
    write_spec(tmp_path, {"coverage": {"each_function": 5, "each_value": 1}})
    generate(tmp_path)
    before = recording(tmp_path)
    requests = [r for r in PHRASINGS["requests"] if r.get("with") != {"on": False}]
    edit(tmp_path / "phrasings.json", {**PHRASINGS, "requests": requests})
    done = generate(tmp_path, code=1)
    assert "lights.on=false has 0 of 1" in done.stderr
    assert "no_phrase" in done.stderr
    assert recording(tmp_path) == before
    edit(tmp_path / "phrasings.json", {**PHRASINGS, "requests": requests[:2]})  # no function call at all
    assert "lights has 0 of 5" in generate(tmp_path, code=1).stderr


def test_42_a_plan_with_a_recording_is_offline(tmp_path: Path) -> None:
    """Nothing is written either: the recording is only read."""
    generate(write_spec(tmp_path))
    before = recording(tmp_path)
    for _ in range(2):
        done = ftops(tmp_path, *PLAN, "--untrusted", environ={"https_proxy": NOWHERE, "http_proxy": NOWHERE})
        assert "dataset.train  will be created" in done.stdout
    assert recording(tmp_path) == before


@pytest.mark.parametrize("name", ["dataset.jsonl", "held_out.jsonl"])
def test_43_a_recording_that_was_edited_by_hand_is_named(tmp_path: Path, name: str) -> None:
    generate(write_spec(tmp_path, {"held_out": 0.3}))
    file = tmp_path / "data" / "train.generated" / name
    file.write_bytes(file.read_bytes().replace(b"drone", b"plane"))
    done = ftops(tmp_path, *PLAN, code=1)
    assert f"data/train.generated/{name} isn't what was generated" in done.stderr
    assert "edited by hand" in done.stderr
    generate(tmp_path)
    ftops(tmp_path, *PLAN)


def test_43_a_lost_file_of_a_recording_is_named(tmp_path: Path) -> None:
    generate(write_spec(tmp_path))
    (tmp_path / "data" / "train.generated" / "dataset.jsonl").unlink()
    assert "dataset.jsonl isn't what was generated" in ftops(tmp_path, *PLAN, code=1).stderr


def test_44_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    generate(write_spec(tmp_path))
    before = recording(tmp_path)
    for name in ("tools.json", "phrasings.json", "system.txt"):
        file = tmp_path / name
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    ftops(tmp_path, *PLAN)
    generate(tmp_path)
    assert recording(tmp_path) == before
    file = tmp_path / "data" / "train.generated" / "dataset.jsonl"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))  # as Git checks it out on Windows
    ftops(tmp_path, *PLAN)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"seed": 9}, "seed"),
        ({"write": {"prompts": 2}}, "write"),
        ({"shares": {"reject": 0.2}}, "shares"),
        ({"rejections": {"reply": "No."}}, "rejections"),
    ],
)
def test_other_settings_are_other_data(tmp_path: Path, change: Any, key: str) -> None:
    generate(write_spec(tmp_path))
    done = ftops(write_spec(tmp_path, change), *PLAN, code=1)
    assert f"other values of `{key}`." in done.stderr


def test_the_function_that_rejects_is_one_of_the_tools(tmp_path: Path) -> None:
    write_spec(tmp_path, {"rejections": {"function": "rejekt", "near": 8}})
    for words in (PLAN, ("data", "generate")):
        said = ftops(tmp_path, *words, code=1).stderr
        assert "there is no function `rejekt` to reject with\n  --> ftops.yaml:" in said
        assert "Did you mean `reject`?" in said
    assert not (tmp_path / "data").exists()


def test_a_change_of_phrasings_is_named(tmp_path: Path) -> None:
    generate(write_spec(tmp_path))
    edit(tmp_path / "phrasings.json", {**PHRASINGS, "openers": ["{}"]})
    assert "other values of `teacher`." in ftops(tmp_path, *PLAN, code=1).stderr


VALIDATOR = """
import json, sys
for line in sys.stdin:
    item = json.loads(line)
    ok = item["arguments"] != {"on": False}
    print(json.dumps({"ok": ok, "reason": "it stays light"}))
"""


def with_validator(folder: Path, program: str, **verify: Any) -> Path:
    (folder / "check.py").write_text(program, encoding="utf-8")
    verify = {"validator": [sys.executable, "check.py"], **verify}
    return write_spec(folder, {"verify": verify, "coverage": {"each_function": 1}})


def test_a_validator_runs_only_if_it_is_allowed(tmp_path: Path) -> None:
    with_validator(tmp_path, "open('ran', 'w')\n" + VALIDATOR)
    done = generate(tmp_path, code=1)
    assert "runs a program" in done.stderr
    assert "check.py" in done.stderr
    assert not (tmp_path / "ran").exists()
    generate(tmp_path, "--allow-validator")
    assert (tmp_path / "ran").exists()
    assert {a["on"] for _, f, a in examples(tmp_path) if f == "lights"} == {True}
    _, rows = manifest(tmp_path)
    assert {row["detail"] for row in rows if row.get("dropped") == "validator"} == {"it stays light"}
    (tmp_path / "ran").unlink()
    ftops(tmp_path, *PLAN)
    ftops(tmp_path, "validate")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.stdin.read(); raise SystemExit(3)", "It exited with 3."),
        ("print('{}')", "It replied with 1 line"),
        ("import sys\nfor line in sys.stdin: print('yes')", "Line 1 of its output"),
    ],
)
def test_a_validator_that_fails(tmp_path: Path, program: str, said: str) -> None:
    with_validator(tmp_path, program)
    done = generate(tmp_path, "--allow-validator", code=1)
    assert "the validator failed" in done.stderr
    assert said in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_validator_that_is_no_program(tmp_path: Path) -> None:
    with_validator(tmp_path, "", validator=["check\0py"])
    done = generate(tmp_path, "--allow-validator", code=1)
    assert "the validator failed" in done.stderr and "Embedded null byte" in done.stderr


@pytest.mark.parametrize(
    "files", [{}, {"dataset.jsonl": 5}, {"manifest.jsonl": ""}, {"answers.jsonl": ""}, []]
)
def test_a_manifest_that_does_not_vouch_for_the_dataset_is_none(tmp_path: Path, files: object) -> None:
    write_spec(tmp_path)
    generate(tmp_path)
    path = tmp_path / "data" / "train.generated" / "manifest.jsonl"
    path.write_text(json.dumps({**manifest(tmp_path)[0], "files": files}) + "\n", encoding="utf-8")
    assert "dataset train is not generated yet" in ftops(tmp_path, *PLAN, code=1).stderr


def test_phrasings_with_half_of_a_surrogate_pair(tmp_path: Path) -> None:
    write_spec(tmp_path)
    path = tmp_path / "phrasings.json"
    path.write_text(path.read_text(encoding="utf-8").replace("fly ", r"\ud83d "), encoding="utf-8")
    assert "half of a surrogate pair" in generate(tmp_path, code=1).stderr


def test_41_a_validator_that_hangs_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    hanging = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('child', 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    with_validator(tmp_path, hanging, timeout=2)
    done = generate(tmp_path, "--allow-validator", code=1)
    assert "It took more than 2 seconds" in done.stderr
    child = Path(f"/proc/{(tmp_path / 'child').read_text()}/stat")
    wait_until(lambda: not child.exists() or child.read_text().split()[2] == "Z")


def test_a_validator_sees_no_keys(tmp_path: Path) -> None:
    with_validator(tmp_path, "import os\nassert 'SOME_KEY' not in os.environ\n" + VALIDATOR)
    ftops(tmp_path, "data", "generate", "--allow-validator", environ={"SOME_KEY": "secret"})


KILLED = """
import os, signal, sys
left, replace = [int(sys.argv.pop(1))], os.replace
def killing(*paths, **more):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*paths, **more)
os.replace = killing
from ftops.__main__ import main
sys.exit(main())
"""
"""Ends before the nth file gets its name."""


@pytest.mark.parametrize("files", range(4))
def test_killed_between_two_files_it_is_generated_again(tmp_path: Path, files: int) -> None:
    generate(write_spec(tmp_path))
    generate(write_spec(tmp_path, {"seed": 8, "held_out": 0.2}))
    whole = recording(tmp_path)
    generate(write_spec(tmp_path))
    write_spec(tmp_path, {"seed": 8, "held_out": 0.2})
    done = run([sys.executable, "-c", KILLED, str(files), "data", "generate"], tmp_path)
    assert done.returncode == (-9 if files < len(whole) else 0)
    if files < len(whole):
        assert "not generated yet as it is now" in ftops(tmp_path, *PLAN, code=1).stderr
    generate(tmp_path)
    assert recording(tmp_path) == whole
    ftops(tmp_path, *PLAN)


def test_only_the_dataset_that_is_named(tmp_path: Path) -> None:
    write_spec(tmp_path)
    assert "there is no dataset `trian`" in generate(tmp_path, ".", "trian", code=1).stderr
    generate(tmp_path, ".", "train")
    write_spec(tmp_path, datasets={"valid": {"path": "x.jsonl"}}, jobs={})
    assert "has no dataset with `generate`" in generate(tmp_path, code=1).stderr


def test_nothing_is_read_or_written_outside_of_the_project(tmp_path: Path) -> None:
    inside, outside = tmp_path / "project", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / ".git").mkdir()
    write_spec(inside)
    (inside / "data").symlink_to(outside)
    generate(inside, code=1)
    assert list(outside.iterdir()) == []
    (inside / "data").unlink()
    (outside / "secret.txt").write_text("hidden words\n")
    done = generate(write_spec(inside, {"system": "../outside/secret.txt"}), code=1)
    assert "ftops.yaml:9:" in done.stderr
    assert "leads out of the project" in done.stderr


def test_the_coverage_of_each_value_is_shown(tmp_path: Path) -> None:
    shown = generate(write_spec(tmp_path, {"coverage": {"each_value": 0}, "examples": 4})).stdout
    assert "data/train.generated: 4 examples" in shown
    assert "0!" in shown
    assert 'direction: "left"' in shown
    assert re.search(r"reject +1\n", shown)


def test_too_few_examples_are_shown(tmp_path: Path) -> None:
    shown = generate(write_spec(tmp_path, {"examples": 4000})).stdout
    made = manifest(tmp_path)[0]["examples"]
    assert f"data/train.generated: {made} examples of 4,000 that `examples` asks for" in shown


def test_a_missing_file_of_validation_data_is_named_for_what_it_is(tmp_path: Path) -> None:
    jobs = {"copilot": {"model": "gpt-4o-mini-2024-07-18", "training": "train", "validation": "valid"}}
    write_spec(tmp_path, jobs=jobs)
    spec = json.loads((tmp_path / "ftops.yaml").read_text())
    spec["datasets"]["valid"] = {"path": "valid.jsonl"}
    (tmp_path / "ftops.yaml").write_text(json.dumps(spec))
    said = " ".join(generate(tmp_path, code=1).stderr.split())
    assert "can't read valid.jsonl: No such file" in said
    assert "Its prompts judge what dataset.train trains, and are kept out of it." in said


def test_a_part_of_a_spec_is_applied_before_its_data_is_there(tmp_path: Path) -> None:
    """Files that are missing are errors only of plans that select what needs them."""
    write_spec(tmp_path, {"held_out": 0.3}, deployments={"base": {"model": "gpt-4o"}})
    spec = json.loads((tmp_path / "ftops.yaml").read_text())
    spec["datasets"]["held"] = {"path": "data/train.generated/held_out.jsonl"}
    (tmp_path / "ftops.yaml").write_text(json.dumps(spec))
    for words in (), ("--target", "dataset.train"), ("--exclude", "dataset.held"):
        assert "dataset train is not generated yet" in ftops(tmp_path, "plan", *words, code=1).stderr
    for words in ("--target", "dataset.held"), ("--exclude", "dataset.train"):
        assert "file/missing" in ftops(tmp_path, "plan", *words, code=1).stderr
    done = ftops(tmp_path, "apply", "-y", "--target", "deployment.base")
    assert "1 created" in done.stdout
    ftops(tmp_path, "data", "generate")
    assert "dataset.held  will be created" in ftops(tmp_path, "plan").stdout
