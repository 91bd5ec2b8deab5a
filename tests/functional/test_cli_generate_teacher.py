"""`ftops data generate` with a model as teacher, over HTTP: approval, recording, faults, kills, budgets."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ftops.config.loader import load
from ftops.config.recipes import recipe_of
from ftops.emulator.data_plane.inference import request_key
from ftops.evaluation.answers import Answer, Question, answer_from
from ftops.generation.pipeline import make
from tests.support import forked
from tests.support.command import FTOPS, environment, in_process
from tests.support.embedded import wait_until
from tests.support.generated import TOOLS, manifest, recording, write_spec
from tests.support.http_server import serving
from tests.support.teacher import KEY, Teacher, reply_to

PLAN = ("plan", "--offline")
KEYS = {"TEACHER_KEY": KEY}


@pytest.fixture
def teacher() -> Iterator[Teacher]:
    with serving(Teacher()) as server:
        yield server


def spec(folder: Path, teacher: Teacher, **more: Any) -> Path:
    model = {"endpoint": f"{teacher.url}/v1", "api_key": "${env.TEACHER_KEY}", "model": "scribe"}
    rejections = {"function": "reject", "near": 12, "missing": 3, "out_of_range": True}
    return write_spec(
        folder,
        {"teacher": {**model, **more.pop("model", {})}, "rejections": rejections, "numbers": 2, **more},
    )


def ftops(
    folder: Path, *words: str, code: int = 0, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = in_process(folder, *words, environ=environ)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr
    return done


def generate(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return ftops(folder, "data", "generate", "-y", *words, code=code, environ=KEYS)


def announced(done: subprocess.CompletedProcess[str]) -> int:
    found = re.search(r"would send ([\d,]+) request", done.stderr)
    return int(found[1].replace(",", "")) if found else 0


def dropped(folder: Path) -> dict[str, int]:
    counts: dict[str, int] = manifest(folder)[0]["dropped"]
    return counts


def test_nothing_is_asked_without_approval(tmp_path: Path, teacher: Teacher) -> None:
    done = ftops(spec(tmp_path, teacher), "data", "generate", code=1, environ=KEYS)
    assert "would send" in done.stderr
    assert "price unknown" in done.stderr
    assert "run with -y" in done.stderr.lower()
    assert teacher.asked == []


def test_what_was_asked_is_recorded_and_never_asked_again(tmp_path: Path, teacher: Teacher) -> None:
    done = generate(spec(tmp_path, teacher))
    assert announced(done) == len(teacher.asked) > 50  # nothing was dropped before it was verified
    assert teacher.keys == {f"Bearer {KEY}"}
    first = recording(tmp_path)
    answers = [json.loads(line) for line in first["answers.jsonl"].splitlines()]
    assert [row["key"] for row in answers] == sorted(row["key"] for row in answers)
    assert len(answers) == len(teacher.asked)
    head, rows = manifest(tmp_path)
    assert (head["teacher"]["model"], head["teacher"]["served"]) == ("scribe", ["scribe-2026"])
    sources = {row["source"] for row in rows if "line" in row}
    assert sources <= {row["key"] for row in answers}
    assert all("round_trip" in row["checks"] for row in rows if "line" in row)
    assert {row["kind"] for row in rows if "line" in row} == {"call", "near", "missing", "out_of_range"}
    teacher.asked.clear()
    assert announced(generate(tmp_path)) == 0
    shutil.rmtree(tmp_path / ".ftops")  # as in another checkout
    ftops(tmp_path, "data", "generate")  # needs neither approval nor a key
    assert teacher.asked == []
    assert recording(tmp_path) == first


def test_42_plans_ask_no_teacher_and_need_no_key(tmp_path: Path, teacher: Teacher) -> None:
    assert "not generated yet" in ftops(spec(tmp_path, teacher), *PLAN, code=1).stderr
    generate(tmp_path)
    teacher.asked.clear()
    ftops(tmp_path, *PLAN)
    ftops(tmp_path, *PLAN, "--untrusted")
    ftops(tmp_path, "apply", "-y", "--no-wait", code=4)
    assert teacher.asked == []


def test_the_key_is_in_no_file(tmp_path: Path, teacher: Teacher) -> None:
    generate(spec(tmp_path, teacher))
    ftops(tmp_path, "apply", "-y", "--no-wait", code=4, environ=KEYS)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_a_missing_key_is_named_before_anything_is_sent(tmp_path: Path, teacher: Teacher) -> None:
    done = ftops(spec(tmp_path, teacher), "data", "generate", "-y", code=1)
    assert "the environment variable TEACHER_KEY is not set" in done.stderr
    assert teacher.asked == []


def test_a_key_is_sent_to_no_other_host(tmp_path: Path, teacher: Teacher) -> None:
    spec(tmp_path, teacher, model={"endpoint": "https://models.stranger.example/v1"})
    done = generate(tmp_path, code=1)
    assert "models.stranger.example isn't a known host" in done.stderr
    spec(tmp_path, teacher)
    done = ftops(tmp_path, "data", "generate", "-y", code=1, environ={**KEYS, "FTOPS_UNTRUSTED": "1"})
    assert "needs a trusted spec" in done.stderr
    assert teacher.asked == []


def test_a_change_asks_only_for_what_follows(tmp_path: Path, teacher: Teacher) -> None:
    generate(spec(tmp_path, teacher, write={"prompts": 2, "styles": ["terse"]}))
    total = len(recording(tmp_path)["answers.jsonl"].splitlines())
    teacher.asked.clear()
    more = {"prompts": 2, "styles": ["terse", "polite"]}
    done = ftops(spec(tmp_path, teacher, write=more), *PLAN, code=1)
    assert "other values of `write`" in done.stderr
    generate(tmp_path)
    assert teacher.count("Style: terse") == 0
    assert teacher.count("Style: polite") > 0
    assert teacher.count("leave out an argument") == 0
    assert len(recording(tmp_path)["answers.jsonl"].splitlines()) == total + len(teacher.asked)
    teacher.asked.clear()
    spec(tmp_path, teacher, write=more, shares={"reject": 0.2}, seed=7)
    generate(tmp_path)
    assert teacher.asked == []
    generate(spec(tmp_path, teacher, write={"prompts": 2, "styles": ["terse"]}), "--prune")
    assert teacher.asked == []
    assert len(recording(tmp_path)["answers.jsonl"].splitlines()) == total


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path, teacher: Teacher) -> None:
    spec(tmp_path, teacher)
    command = [*FTOPS, "data", "generate", "-y", "--concurrency", "1"]
    for most in (5, 40):
        before = len(teacher.asked)
        process = forked.Popen(
            command, cwd=tmp_path, env=environment(KEYS), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(lambda before=before, most=most: len(teacher.asked) >= before + most)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "data").exists()
    generate(tmp_path)
    questions = [json.dumps(body, sort_keys=True) for body in teacher.asked]
    assert len(questions) - len(set(questions)) <= 2  # the one that each kill cut off
    whole = recording(tmp_path)
    shutil.rmtree(tmp_path / ".ftops")
    shutil.rmtree(tmp_path / "data")
    generate(tmp_path)
    assert recording(tmp_path) == whole


def test_a_busy_teacher_is_asked_again_later(tmp_path: Path, teacher: Teacher) -> None:
    refused: list[int] = []

    def busy(body: Any, message: Any) -> Any:
        if len(refused) < 15:
            refused.append(429)
            return 429
        return message

    teacher.twist = busy
    done = generate(spec(tmp_path, teacher))
    assert len(teacher.asked) == announced(done) + 15


def test_a_failed_request_stops_the_step_and_is_asked_again(tmp_path: Path, teacher: Teacher) -> None:
    teacher.twist = lambda body, message: 400 if len(teacher.asked) == 3 else message
    done = generate(spec(tmp_path, teacher), code=1)
    assert "1 of " in done.stderr
    assert "requests to the teacher failed" in done.stderr
    assert not (tmp_path / "data").exists()
    asked = len(teacher.asked)
    done = generate(tmp_path)
    assert announced(done) == len(teacher.asked) - asked


def test_41_replies_that_are_not_as_asked_for_are_counted(tmp_path: Path, teacher: Teacher) -> None:
    lit = 'again {"name": "lights", "arguments": {"on": true}}'
    replies = {
        1: {"content": '["half'},
        2: {"content": "I'm sorry, but I can't help with that."},
        3: {"content": "", "refusal": "I can't."},
        4: {"content": '```json\n["fenced is fine"]\n```'},
        5: {"content": "[1, 2, 3]"},
        6: {"content": json.dumps({"requests": [lit]})},
        7: {"content": json.dumps([lit])},
        8: {"content": json.dumps(["once more", "Once more!"])},
    }
    teacher.twist = lambda body, message: replies.get(len(teacher.asked), message)
    generate(spec(tmp_path, teacher), "--concurrency", "1")
    counts = dropped(tmp_path)
    assert counts["broken_json"] == 2
    assert counts["refused"] == 2
    assert counts["contradiction"] == 1  # two calls, one request
    assert counts["duplicate"] == 1
    assert counts["round_trip"] >= 1


def test_41_a_function_whose_requests_are_all_dropped_fails(tmp_path: Path, teacher: Teacher) -> None:
    def never_lights(body: Any, message: Any) -> Any:
        return {"content": "None."} if body.get("tools") and "lights" in json.dumps(message) else message

    teacher.twist = never_lights
    done = generate(spec(tmp_path, teacher), code=1)
    assert "lights has 0 of 1" in done.stderr
    assert "round_trip" in done.stderr
    assert not (tmp_path / "data").exists()


def test_the_judge_drops_and_may_be_unclear(tmp_path: Path, teacher: Teacher) -> None:
    def doubtful(body: Any, message: Any) -> Any:
        text = body["messages"][-1]["content"]
        if "to be judged" in text and '\\"on\\": true' in text:
            return {"content": '{"ok": false, "why": "too bright"}'}
        if "to be judged" in text and '\\"up\\"' in text:
            return {"content": "perhaps"}
        return message

    teacher.twist = doubtful
    judge = {"endpoint": f"{teacher.url}/v1", "api_key": "${env.TEACHER_KEY}", "model": "umpire"}
    done = generate(spec(tmp_path, teacher, verify={"judge": judge}))
    assert announced(done) == len(teacher.asked)
    assert {body["model"] for body in teacher.asked} == {"scribe", "umpire"}
    counts = dropped(tmp_path)
    assert counts["judge"] == 3
    assert counts["judge_unclear"] >= 2
    _, rows = manifest(tmp_path)
    assert {row["detail"] for row in rows if row.get("dropped") == "judge"} == {"too bright"}


def test_texts_come_from_the_teacher(tmp_path: Path, teacher: Teacher) -> None:
    greet = {
        "type": "object",
        "properties": {"name": {"type": "string", "minLength": 3}, "loud": {"type": "boolean"}},
        "required": ["name"],
    }
    spec(tmp_path, teacher, rejections=None)
    tools = [*TOOLS, {"type": "function", "function": {"name": "greet", "parameters": greet}}]
    (tmp_path / "tools.json").write_text(json.dumps(tools))
    done = generate(tmp_path)
    assert announced(done) == len(teacher.asked)
    rows = [r for r in manifest(tmp_path)[1] if r.get("function") == "greet" and "line" in r]
    assert len(rows) == 18  # 2 names × loud, quiet and neither × 3 requests
    dataset = recording(tmp_path)["dataset.jsonl"].decode()
    assert "name one" in dataset
    assert "name two" in dataset


def test_a_budget_stops_before_it_is_exceeded(tmp_path: Path, teacher: Teacher) -> None:
    price = {"price": {"input": 1000, "output": 1000}}  # 15 cents for an answer of the server
    done = ftops(spec(tmp_path, teacher, model=price, budget=6), "data", "generate", code=1, environ=KEYS)
    assert re.search(r"at most \(≤ \$[\d,]+\.\d\d\)", done.stderr)
    done = generate(tmp_path, "--concurrency", "1", code=1)
    assert "the budget of $6 isn't enough" in done.stderr
    assert 0 < len(teacher.asked) * 0.15 < 6
    asked = len(teacher.asked)
    generate(spec(tmp_path, teacher, model=price))
    questions = [json.dumps(body, sort_keys=True) for body in teacher.asked]
    assert len(set(questions)) == len(questions) > asked


def test_a_budget_without_a_price_is_refused(tmp_path: Path, teacher: Teacher) -> None:
    done = generate(spec(tmp_path, teacher, budget=6), code=1)
    assert "the price of scribe isn't known" in done.stderr
    assert teacher.asked == []


def test_43_an_answer_that_was_edited_by_hand_is_not_used(tmp_path: Path, teacher: Teacher) -> None:
    generate(spec(tmp_path, teacher))
    whole = recording(tmp_path)
    file = tmp_path / "data" / "train.generated" / "answers.jsonl"
    file.write_bytes(whole["answers.jsonl"].replace(b"scribe-2026", b"scribe-2027", 1))
    assert "answers.jsonl isn't what was generated" in ftops(tmp_path, *PLAN, code=1).stderr
    shutil.rmtree(tmp_path / ".ftops")
    teacher.asked.clear()
    done = generate(tmp_path)
    assert "1 recorded answer edited by hand" in done.stderr
    assert len(teacher.asked) == 1
    assert recording(tmp_path) == whole


def test_46_the_emulator_is_no_teacher_and_says_so(tmp_path: Path) -> None:
    write_spec(
        tmp_path,
        {"teacher": {"deployment": "teacher"}, "rejections": None, "coverage": {"each_function": 0}},
        deployments={"teacher": {"model": "gpt-4o-2024-08-06"}},
        jobs={},
    )
    stderr = generate(tmp_path, code=1).stderr
    assert "deployment teacher isn't in the state" in stderr
    assert "Run `ftops apply --target deployment.teacher` first" in stderr
    ftops(tmp_path, "apply", "-y", "--target", "deployment.teacher")
    done = generate(tmp_path, code=1)
    assert "≤ $" in done.stderr
    assert "requests to the teacher failed" in done.stderr
    assert "There is no language model here" in " ".join(done.stderr.split())
    assert not (tmp_path / "data").exists()


def test_a_deployment_of_the_spec_as_teacher(tmp_path: Path) -> None:
    """Its answers are recorded ones, which the emulator replays."""
    deployments = {"scribe": {"model": "replay"}}
    providers = {"local": {"type": "emulator", "settings": {"recordings": "replies.jsonl"}}}
    teacher = {"deployment": "scribe", "price": {"input": 1, "output": 1}}
    more = {"deployments": deployments, "providers": providers}
    write_spec(tmp_path, {"teacher": teacher, "numbers": 2, "budget": 50, "rejections": None}, **more)
    assert "not generated yet" in ftops(tmp_path, "apply", "-y", code=1).stderr
    ftops(tmp_path, "apply", "-y", "--target", "deployment.scribe")
    config = load(tmp_path, environ={})
    (resource,) = (r for r in config.resources if r.generated)
    assert resource.generated
    lines: dict[str, bytes] = {}

    def ask(step: str, questions: Sequence[Question]) -> list[Answer | None]:
        answers: list[Answer | None] = []
        for question in questions:
            body = {"messages": question.messages, "tools": list(question.tools), **question.settings}
            message = reply_to(body)
            key = request_key(body)
            lines[key] = json.dumps({"key": key, "message": message}).encode()
            answers.append(answer_from({"choices": [{"message": message}]}))
        return answers

    made = make(recipe_of(config, resource, resource.generated, str), ask)
    (tmp_path / "replies.jsonl").write_bytes(b"\n".join(lines.values()))
    done = generate(tmp_path)
    assert announced(done) == len(lines)
    assert manifest(tmp_path)[0]["examples"] == len(made.training) > 20
    assert "about $" in done.stdout
