"""Pitfalls of evaluations in a spec and of gates, a test each: real commands, a real emulator, real kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contract.azure_cloud import BASE_MODEL, until
from tests.support import forked
from tests.support.command import FTOPS, ROOT, environment, run
from tests.support.gated import ASKED, TUNED, WORDS, Lab, actions, held
from tests.support.nightly import by_night

CHAT = "POST *chat/completions*"
PUT = "PUT */deployments/ftops-eval-*"
DELETE = "DELETE */deployments/ftops-eval-*"


def trained(lab: Lab) -> None:
    """The job is there; nothing has been asked."""
    lab.apply("--target", "job.copilot")
    lab.forget_log()


def failed(lab: Lab) -> str:
    """A model that passed is served, and one that doesn't pass was trained. The model that is served."""
    lab.apply()
    served = lab.tuned()
    lab.train_badly()
    out = lab.apply(code=5)
    deleted = [line for line in out.splitlines() if "deleting" in line]
    assert deleted == ["dataset.train (old object): deleting…"], "a trained job needs its file no more"
    assert "job.copilot (old object): not done, because deployment.prod (old object) isn't deleted" in out
    lab.forget_log()
    return served


def killed_at_write(lab: Lab, number: int, mode: str) -> int:
    """An apply that dies at this write to the journal; its exit code."""
    words = [str(number), mode, "--", "apply", str(lab.folder.path), "-y"]
    command = [sys.executable, "-m", "tests.support.kill_at", *words]
    return run(command, ROOT).returncode


def started(lab: Lab, *words: str) -> subprocess.Popen[str]:
    """An apply in a process of its own."""
    return forked.Popen(
        [*FTOPS, "apply", "-y", *words],
        cwd=lab.folder.path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def hits(lab: Lab) -> int:
    return sum(rule["hits"] for rule in lab.cloud.admin("GET", "faults")["faults"])


def check_whole(lab: Lab) -> None:
    """The evaluation is there, the model that passed is served, and nothing else."""
    assert lab.deployments() == {"prod": lab.tuned()}
    assert lab.result()["verdict"] == "better"
    assert lab.is_settled()


# runs that end early


@pytest.mark.parametrize("number", by_night(range(1, 8), lambda number: number not in (3, 7)))
def test_pitfall_1_killed_at_an_entry_of_the_journal(lab: Lab, number: int) -> None:
    trained(lab)
    mode = ("before", "torn", "after")[number % 3]
    assert killed_at_write(lab, number, mode) in (0, -signal.SIGKILL)
    lab.apply()
    assert lab.asked() == ASKED, "no question is asked twice"
    check_whole(lab)


@pytest.mark.parametrize(
    ("match", "after", "twice"),
    by_night(
        [(PUT, 0, 0), (CHAT, 0, 0), (CHAT, 7, 1), (CHAT, 20, 1), (DELETE, 0, 0), (DELETE, 1, 0)],
        lambda case: case not in [(PUT, 0, 0), (CHAT, 7, 1), (DELETE, 0, 0)],
    ),
)
def test_pitfall_1_killed_during_a_request(lab: Lab, match: str, after: int, twice: int) -> None:
    """Between a request and its reply. Only a question whose answer never arrived is asked again."""
    lab.spec(exam=f"model: {TUNED}, concurrency: 1")
    trained(lab)
    lab.cloud.fault(match, after=after, delay=1.0)
    with started(lab) as process:
        until(lambda: hits(lab) > after)
        os.kill(process.pid, signal.SIGSTOP)
        until(lambda: _is_logged(lab, match, after + 1))
        process.kill()
    lab.cloud.clear_faults()
    lab.apply()
    assert ASKED <= lab.asked() <= ASKED + twice
    check_whole(lab)


def _is_logged(lab: Lab, match: str, count: int) -> bool:
    """Whether so many requests have been answered."""
    method, _, path = match.partition(" ")
    part = path.strip("*")
    found = [r for r in lab.log() if r["method"] == method and part in r["path"]]
    return len(found) >= count


@pytest.mark.parametrize("then", ["apply", "undeclared", "destroy"])
def test_pitfall_1_what_a_killed_run_has_left_is_deleted(lab: Lab, then: str) -> None:
    trained(lab)
    lab.cloud.fault(CHAT, after=1, delay=5.0)
    with started(lab) as process:
        until(lambda: hits(lab) > 1)
        process.kill()
    lab.cloud.clear_faults()
    left = lab.temporary()
    assert len(left) == 1
    assert f"it was interrupted, and has left {left[0]}" in lab.run("plan").out
    if then == "undeclared":
        text = (lab.folder.path / "ftops.yaml").read_text(encoding="utf-8")
        lab.folder.write("ftops.yaml", text.partition("evaluations:")[0])
    with lab.cloud.set(deletion_seconds=1.0):
        lab.folder.ok("destroy" if then == "destroy" else "apply", "-y")
    assert list(lab.deployments()) == (["prod"] if then == "apply" else [])
    assert then == "destroy" or lab.is_settled()


@pytest.mark.parametrize("after", by_night([0, 10], lambda after: after == 0))
def test_an_interrupt_deletes_the_temporary_deployment(lab: Lab, after: int) -> None:
    lab.spec(exam=f"model: {TUNED}, concurrency: 1")
    trained(lab)
    lab.cloud.fault(CHAT, after=after, times=-1, delay=0.5)
    with started(lab) as process:
        until(lambda: hits(lab) > after)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 130, out
    assert "Traceback" not in out
    assert lab.temporary() == []
    lab.cloud.clear_faults()
    lab.apply()
    assert lab.asked() == ASKED
    check_whole(lab)


@pytest.mark.parametrize(
    "fault",
    [
        {"effect": "drop_after"},
        {"effect": "drop_before"},
        {"effect": "applied", "status": 500},
        {"effect": "truncate"},
        {"status": 409, "code": "RequestConflict", "message": "Another operation is being performed"},
    ],
)
def test_pitfall_2_the_reply_to_the_temporary_deployment_is_lost(lab: Lab, fault: dict[str, Any]) -> None:
    trained(lab)
    lab.cloud.fault(PUT, **fault)
    lab.apply()
    assert lab.created() == 3, "one for each model, and that of the spec"
    assert lab.asked() == ASKED
    check_whole(lab)


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_a_temporary_deployment_that_fails_ends_the_evaluation(lab: Lab, seconds: float) -> None:
    """It isn't created again and again."""
    trained(lab)
    lab.cloud.fault(PUT, times=-1, deployment="fail")
    with lab.cloud.set(deployment_seconds=seconds):
        out = lab.apply(code=1)
    assert "the temporary deployment of the candidate failed" in out
    lab.cloud.clear_faults()
    assert lab.deployments() == {}
    lab.apply()
    check_whole(lab)


def test_a_temporary_deployment_that_cannot_be_deleted_is_recorded(lab: Lab) -> None:
    trained(lab)
    lab.cloud.fault(DELETE, deployment="fail")
    lab.apply(code=1)
    assert len(lab.temporary()) == 1
    lab.apply()
    assert lab.asked() == ASKED
    check_whole(lab)


# what decides whether an evaluation runs


def test_pitfall_7_another_grader_asks_nothing(lab: Lab) -> None:
    lab.apply()
    lab.forget_log()
    made = lab.created()
    lab.spec(exam=f"model: {TUNED}, graders: {{close: {{type: similarity, at_least: 0.5}}}}")
    assert actions(lab.plan()) == {"evaluation.exam": "replace"}
    assert "temporary deployment" not in lab.run("plan").out
    lab.apply()
    assert lab.asked() == 0
    assert lab.created() == made, "no deployment is needed to grade again"
    assert lab.result()["metrics"]["graders"] == {"close": 1.0}


def test_pitfall_8_the_order_and_layout_of_prompts_do_not_count(lab: Lab) -> None:
    lab.apply()
    path = lab.folder.path / "prompts.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    lab.folder.write("prompts.json", json.dumps(rows[::-1], indent=8) + "\n\n")
    assert lab.is_settled()
    path.rename(lab.folder.path / "other.json")
    lab.folder.edit("prompts.json", "other.json")
    assert lab.is_settled()
    lab.folder.edit("say anchor", "say  anchor", "other.json")
    assert actions(lab.plan()) == {"evaluation.exam": "replace"}


def test_pitfall_9_answers_outlive_the_record_and_its_deployments(lab: Lab) -> None:
    lab.apply()
    before = lab.result()
    lab.forget_log()
    lab.folder.ok("state", "rm", "evaluation.exam")
    lab.apply("--target", "evaluation.exam")
    assert lab.asked() == 0
    shown = ("best", "verdict", "score", "difference_low", "difference_high", "p")
    assert {name: lab.result()[name] for name in shown} == {name: before[name] for name in shown}


def test_pitfall_10_a_base_model_that_the_service_has_upgraded(lab: Lab) -> None:
    """The evaluation runs again, and the plan says why."""
    lab.spec(
        exam=f"model: {TUNED}, baseline: '${{deployment.base.model}}'",
        more="  base: {model: gpt-4o-2024-08-06}\n",
    )
    lab.apply()
    newer = {"format": "OpenAI", "name": "gpt-4o", "version": "2024-11-20"}
    body = {"sku": {"name": "Standard", "capacity": 1}, "properties": {"model": newer}}
    assert lab.cloud.control("PUT", body, "/deployments/base").status_code < 300
    out = lab.run("plan").out
    assert "evaluation.exam  will be replaced" in out
    assert "2024-08-06" in out and "2024-11-20" in out
    lab.forget_log()
    lab.apply()
    assert lab.result()["baseline"] == "gpt-4o-2024-11-20"
    assert lab.asked() == len(WORDS), "only the baseline"


@contextmanager
def in_zone(name: str) -> Iterator[None]:
    """This process is in another time zone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()


def exam_with(age: str) -> str:
    """Graded otherwise than the first exam, so that it runs again."""
    return f"model: {TUNED}, margin: 0.1" + (f", max_age: {age}" if age else "")


AGES = [
    ("", timedelta(days=9999), 0),
    ("30d", timedelta(days=29, hours=23), 0),
    ("30d", timedelta(days=30, hours=1), ASKED),
    ("1d12h", timedelta(hours=35), 0),
    ("1d12h", timedelta(hours=37), ASKED),
    ("0s", timedelta(0), ASKED),
    ("30d", timedelta(days=-400), 0),
]
"""`max_age`, how long ago all answers were given, and how many are asked for again."""


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_pitfall_45_answers_that_are_too_old(lab: Lab, zone: str) -> None:
    """Wherever they are read, and also if the clock of another machine was ahead when they were given."""
    lab.apply()
    for age, ago, asked in AGES:
        lab.answered(ago)
        lab.spec(exam=exam_with(age))
        with in_zone(zone):
            (cost,) = lab.plan()["estimate"]["asking"]
        assert (cost["answers_cached"], cost["answers_too_old"]) == (ASKED - asked, asked), (age, ago)
        assert bool(cost["input_tokens"]) == bool(asked)
        assert len(cost["temporary_deployments"]) == (1 if asked else 0), "prod serves the candidate"


def test_pitfall_45_what_is_planned_is_asked(lab: Lab) -> None:
    lab.apply()
    lab.answered(timedelta(days=40))
    lab.forget_log()
    lab.spec(exam=exam_with("30d"))
    text = lab.run("plan").out
    assert f"0 cached, {ASKED} too old" in text and "cost: " in text
    lab.apply()
    assert (lab.asked(), lab.temporary()) == (ASKED, [])
    lab.spec(exam=exam_with("30d").replace("0.1", "0.2"))
    text = lab.run("plan").out
    assert f"{ASKED} cached" in text and "too old" not in text and "cost: " not in text


def test_pitfall_45_time_alone_asks_nothing(lab: Lab) -> None:
    """The spec says the same, so its plan stays empty; what is asked for again is asked once."""
    lab.spec(exam=f"model: {TUNED}, max_age: 30d")
    lab.apply()
    lab.answered(timedelta(days=40))
    assert lab.is_settled()
    lab.spec(exam=f"model: {TUNED}, max_age: 1h")
    assert actions(lab.plan()) == {}, "it decides what is used, not what is evaluated"
    lab.forget_log()
    for asked in (ASKED, 0):
        lab.apply("--replace", "evaluation.exam")
        assert lab.asked() == asked
        lab.forget_log()


def test_pitfall_45_only_what_is_too_old_is_asked(lab: Lab) -> None:
    lab.apply()
    lab.answered(timedelta(days=40))
    lab.prompts([*WORDS, "mango"])
    lab.apply()
    lab.forget_log()
    lab.spec(exam=exam_with("30d"))
    (cost,) = lab.plan()["estimate"]["asking"]
    assert (cost["answers_cached"], cost["answers_too_old"]) == (2, ASKED)
    lab.apply()
    assert lab.asked() == ASKED


def test_pitfall_45_judges_are_asked_again_too(lab: Lab) -> None:
    judge = (
        "{type: judge, model: judge, prompt: '{{sample.output_text}}?', labels: [yes, no], passing: [yes]}"
    )
    exam = f"model: {TUNED}, graders: {{same: {{type: exact}}, polite: {judge}}}"
    more = "  judge: {model: gpt-4o-2024-08-06}\n"
    lab.spec(exam=f"{exam}, depends_on: [deployment.judge]", more=more)
    lab.run("apply", "-y")
    first = lab.asked()
    assert first > ASKED
    lab.answered(timedelta(days=40))
    lab.forget_log()
    lab.spec(exam=f"{exam}, depends_on: [deployment.judge], max_age: 30d", more=more)
    lab.run("apply", "-y", "--replace", "evaluation.exam")
    assert lab.asked() == first


# gates that hold


def test_pitfall_11_what_is_served_stays_and_nothing_is_paid_again(lab: Lab) -> None:
    served = failed(lab)
    assert lab.deployments() == {"prod": served}
    assert served in lab.objects()["models"] or any(served == m.get("id") for m in lab.objects()["models"])
    made = lab.created()
    for _ in range(2):
        plan = lab.plan()
        assert "the verdict is: no measurable change" in held(plan)["deployment.prod"]
        assert not any(c["address"].startswith(("job.", "deployment.")) for c in plan["changes"])
        lab.apply(code=5)
    assert (lab.asked(), lab.created()) == (0, made)
    assert lab.deployments() == {"prod": served}
    assert actions(lab.plan()) == {}


def test_pitfall_12_a_first_deployment_that_is_held(lab: Lab) -> None:
    lab.train_badly()
    lab.spec(more="outputs: {name: '${deployment.prod.name}', verdict: '${evaluation.exam.verdict}'}\n")
    out = lab.apply(code=5)
    assert "deployment.prod: held by its gate" in out
    assert (
        "hint: see its answers with `ftops eval evaluation.exam`; to deploy it all the same, apply with"
        in out
    )
    assert "--override-gate deployment.prod --reason …" in out
    assert lab.deployments() == {}
    assert lab.record("deployment.prod") is None
    assert lab.run("output", "verdict").json == "no measurable change"
    assert lab.run("output", "name").code != 0
    plan = lab.plan()
    assert (actions(plan), list(held(plan))) == ({}, ["deployment.prod"])
    assert "better than the baseline is required" in lab.run("explain", "deployment.prod").out
    assert [one["address"] for one in lab.run("explain", "deployment.prod", "-o", "json").json["held"]]
    assert "nothing would change" in lab.run("explain", "job.copilot").out


def test_a_hint_offers_no_override_that_the_gate_refuses(lab: Lab) -> None:
    lab.train_badly()
    lab.spec(prod="gate: {evaluation: exam, allow_override: false}")
    assert "--override-gate" not in lab.apply(code=5)
    done = lab.run("plan", "--override-gate", "deployment.prod")
    assert (done.code, "an override needs --reason, which is recorded" in done.err) == (1, True)
    assert "--reason needs --override-gate" in lab.run("plan", "--reason", "because").err


@pytest.mark.parametrize("is_served", [True, False])
def test_pitfall_13_destroy_while_a_gate_holds(lab: Lab, is_served: bool) -> None:
    if is_served:
        failed(lab)
    else:
        lab.train_badly()
        lab.apply(code=5)
    lab.folder.ok("destroy", "-y")
    assert lab.objects()["counts"]["jobs"] == 0
    assert lab.deployments() == {}
    assert lab.run("state", "list").out == ""


def test_pitfall_13_state_rm_while_a_gate_holds(lab: Lab) -> None:
    served = failed(lab)
    lab.folder.ok("state", "rm", "evaluation.exam")
    assert actions(lab.plan())["evaluation.exam"] == "create"
    lab.apply(code=5)
    assert lab.asked() == 0
    assert lab.deployments() == {"prod": served}
    lab.folder.ok("state", "rm", "deployment.prod")
    plan = lab.plan()
    assert "deployment.prod" in held(plan)
    assert "deployment.prod" not in actions(plan)


OVERRIDE = ("--override-gate", "deployment.prod", "--reason", "looked at it")


def test_pitfall_14_an_override_ends_with_the_next_model(lab: Lab) -> None:
    failed(lab)
    lab.apply(*OVERRIDE)
    assert lab.deployments() == {"prod": lab.tuned()}
    assert lab.is_settled(), "a gate is about the next model"
    served = lab.tuned()
    lab.folder.write("data/train.jsonl", (lab.folder.path / "data/train.jsonl").read_text() * 2)
    lab.apply(code=5)
    assert lab.deployments() == {"prod": served}
    assert "looked at it" in lab.run("audit").out


def test_pitfall_15_a_plan_with_an_override_is_another_plan(lab: Lab) -> None:
    served = failed(lab)
    lab.apply(code=5)  # deletes what the held model doesn't need
    plain = lab.plan()["digest"]
    overridden = lab.run("plan", "-o", "json", *OVERRIDE).json["digest"]
    other = lab.run("plan", "-o", "json", *OVERRIDE[:3], "another reason").json["digest"]
    assert len({plain, overridden, other}) == 3
    for digest in (plain, other):
        assert lab.run("apply", "-y", "--expect-digest", digest, *OVERRIDE).code == 3
    assert lab.deployments() == {"prod": served}
    lab.folder.ok("plan", "--out", "saved.plan", *OVERRIDE)
    assert lab.run("apply", "saved.plan", *OVERRIDE).code == 1
    assert "looked at it" in lab.folder.ok("show", "saved.plan")
    lab.folder.ok("apply", "saved.plan")
    assert lab.deployments() == {"prod": lab.tuned()}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (OVERRIDE[:2], "--reason"),
        (("--reason", "so"), "--override-gate"),
        ((*OVERRIDE[:3], " "), "--reason"),
        (("--override-gate", "deployment.nothing", "--reason", "so"), "there is no deployment.nothing"),
        (("--override-gate", "deployment.prodd", "--reason", "so"), "Did you mean `deployment.prod`?"),
        (("--override-gate", "job.copilot", "--reason", "so"), "job.copilot has no gate"),
    ],
)
def test_an_override_names_a_gate_and_says_why(lab: Lab, words: tuple[str, ...], says: str) -> None:
    trained(lab)
    done = lab.run("apply", "-y", *words)
    assert done.code in (1, 3), done
    assert says in done.err
    assert lab.deployments() == {}


def test_an_override_that_the_spec_does_not_allow(lab: Lab) -> None:
    lab.spec(prod="gate: {evaluation: exam, allow_override: false}")
    done = lab.run("apply", "-y", *OVERRIDE)
    assert done.code == 3
    assert "can't be overridden" in done.err


# incomplete results, and answers that aren't right


def test_pitfall_16_an_answer_without_a_grade_is_no_miss(lab: Lab) -> None:
    part = {"type": "string_check", "name": "same", "input": "{{sample.output_text}}"}
    part |= {"operation": "eq", "reference": "never"}
    # Rewards over 1 are no grades of a grader without `range`.
    grader = {"type": "multi", "name": "p", "graders": {"same": part}, "calculate_output": "same + 5"}
    service = json.dumps({"same": {"type": "service", "at_least": 0.5, "grader": grader}})
    lab.spec(
        exam=f"model: {TUNED}, graders: {service}",
        prod="gate: {evaluation: exam, require: {accuracy: {at_least: 0}}}",
    )
    out = lab.apply(code=5)
    assert "incomplete" in out
    assert not lab.result()["is_complete"]
    assert lab.deployments() == {}


def test_pitfall_16_a_missing_answer_fails_the_evaluation_and_is_asked_again(lab: Lab) -> None:
    trained(lab)
    lab.cloud.fault(CHAT, after=5, status=400, code="bad", message="no")
    out = lab.apply(code=1)
    assert "1 of 24 answers is missing" in out
    assert not lab.result()["is_complete"]
    assert lab.deployments() == {}
    assert "1 of 24 answers is missing" in lab.run("plan").out
    lab.apply()
    assert lab.asked() == ASKED
    check_whole(lab)


def test_pitfall_16_a_grade_that_never_came_is_asked_for_again(lab: Lab) -> None:
    check = {"type": "string_check", "name": "same", "operation": "eq"}
    check |= {"input": "{{sample.output_text}}", "reference": "{{item.expect}}"}
    service = json.dumps({"same": {"type": "service", "at_least": 1, "grader": check}})
    lab.folder.write(
        "prompts.json", json.dumps([{"prompt": f"say {word}", "expect": word} for word in WORDS])
    )
    lab.spec(exam=f"model: {TUNED}, graders: {service}")
    trained(lab)
    lab.cloud.fault("POST *graders/run*", after=5, status=400, code="bad", message="no")
    out = lab.apply(code=1)
    assert "1 of 48 answers is missing" in out
    lab.forget_log()
    lab.apply()
    assert sum(r["path"].endswith("/graders/run") for r in lab.log()) == 1
    assert lab.asked() == 0
    check_whole(lab)


def test_pitfall_17_a_filtered_prompt_is_answered_and_wrong(lab: Lab) -> None:
    lab.spec(prod="gate: {evaluation: exam, require: {accuracy: {at_least: 1}}}")
    trained(lab)
    lab.cloud.fault(CHAT, after=5, status=400, code="content_filter", message="no")
    out = lab.apply(code=5)
    assert "accuracy is 0.916667, at least 1 is required" in out
    assert lab.result()["is_complete"]


def test_pitfall_18_a_truncated_answer_is_wrong(lab: Lab) -> None:
    lab.train_well()
    lab.spec(exam=f"model: {TUNED}, settings: {{max_tokens: 1}}")
    rows = [{"prompt": f"say {word}", "expect": {"text": f"{word} {word} {word}"}} for word in WORDS]
    lab.folder.write("prompts.json", json.dumps(rows))
    data = [row["messages"] for row in map(json.loads, _lines(lab.folder.path / "data/train.jsonl"))]
    for question, reply in data:
        reply["content"] = " ".join([reply["content"]] * 3)
        assert question["role"] == "user"
    lines = [json.dumps({"messages": messages}) + "\n" for messages in data]
    lab.folder.write("data/train.jsonl", "".join(lines))
    lab.apply(code=5)
    assert lab.result()["score"] == 0.0
    assert lab.result()["is_complete"]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("words", [WORDS[:1], WORDS[:5]])
def test_pitfall_26_a_few_prompts_prove_nothing(lab: Lab, words: list[str]) -> None:
    """All right beside all wrong. A gate that can't pass is an error before anything is paid."""
    lab.prompts(words)
    assert "its gate can't pass" in lab.apply(code=1)
    check_shows_nothing(lab)
    assert lab.result()["baseline_score"] == 0.0


def test_pitfall_29_paraphrases_are_one_observation(lab: Lab) -> None:
    lab.prompts(cluster="same")
    assert "its gate can't pass" in lab.apply(code=1)
    check_shows_nothing(lab)


def check_shows_nothing(lab: Lab) -> None:
    """Without a gate, the evaluation runs, and its verdict isn't `better`."""
    lab.spec(prod="tags: {a: b}")
    lab.apply()
    assert lab.result()["verdict"] == "no measurable change"
    assert lab.result()["score"] == 1.0


def test_pitfall_30_the_same_answers_give_the_same_record(lab: Lab) -> None:
    lab.train_half()
    lab.spec(
        exam=f"model: {TUNED}, samples: 2",
        more=f"  other: {{model: {TUNED}, gate: {{evaluation: again}}}}\n",
    )
    lab.folder.edit(
        "deployments:\n", f"  again: {{prompts: prompts.json, model: {TUNED}, samples: 2}}\ndeployments:\n"
    )
    lab.apply()
    first, second = lab.result(), lab.result("evaluation.again")
    assert first["difference_low"] not in (None, first["difference"])
    assert {**first, "id": ""} == {**second, "id": ""}
    assert lab.asked() == 2 * ASKED, "one answer serves both"


@pytest.mark.parametrize("metric", ["latency", "latency.p95"])
def test_pitfall_31_a_latency_is_no_requirement(lab: Lab, metric: str) -> None:
    """Cached answers have none, so whether it passes would depend on what is cached."""
    lab.spec(prod=f"gate: {{evaluation: exam, require: {{{metric}: {{at_most: 9}}}}}}")
    done = lab.run("apply", "-y")
    assert done.code == 1
    assert metric in done.err and "cost_per_1000" in done.err
    assert lab.log() == []


# deployments that aren't there yet, or not any more


def test_pitfall_32_a_deployment_that_does_not_answer_yet(lab: Lab) -> None:
    trained(lab)
    with lab.cloud.set(not_found_seconds=1.0):
        lab.apply()
    assert lab.asked() == ASKED
    check_whole(lab)


def test_pitfall_32_a_deployment_of_the_account_that_does_not_answer_yet(lab: Lab) -> None:
    """It serves the candidate, and has just been created."""
    trained(lab)
    with lab.cloud.set(not_found_seconds=2.0):
        body = {
            "sku": {"name": "Standard", "capacity": 1},
            "properties": {"model": {"format": "OpenAI", "name": lab.tuned(), "version": "1"}},
        }
        assert lab.cloud.control("PUT", body, "/deployments/own").status_code < 300
        lab.apply("--target", "evaluation.exam")
    assert lab.result()["verdict"] == "better"
    assert lab.asked() == ASKED
    assert lab.deployments() == {"own": lab.tuned()}


def test_pitfall_32_the_quota_is_gone_when_the_temporary_deployment_is_created(lab: Lab) -> None:
    trained(lab)
    lab.cloud.fault(PUT, times=-1, status=400, code="InsufficientQuota", message="none is left")
    out = lab.apply(code=1)
    assert "evaluation.exam: failed" in out and "not enough quota" in out
    assert (lab.deployments(), lab.asked()) == ({}, 0)
    lab.cloud.clear_faults()
    lab.apply()
    check_whole(lab)


@pytest.mark.parametrize("after", by_night([1, 6], lambda after: after == 1))
def test_pitfall_33_a_temporary_deployment_disappears(lab: Lab, after: int) -> None:
    lab.spec(exam=f"model: {TUNED}, concurrency: 1")
    trained(lab)
    lab.cloud.fault(CHAT, after=after, delay=2.0)
    with started(lab) as process:
        until(lambda: hits(lab) > after)
        lab.cloud.admin("DELETE", f"objects/deployments/{lab.temporary()[0]}")
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert lab.asked() == ASKED
    check_whole(lab)


def test_pitfall_33_a_deployment_of_the_account_disappears(lab: Lab) -> None:
    lab.spec(exam=f"model: {TUNED}, concurrency: 1")
    trained(lab)
    body = {
        "sku": {"name": "Standard", "capacity": 1},
        "properties": {"model": {"format": "OpenAI", "name": lab.tuned(), "version": "1"}},
    }
    assert lab.cloud.control("PUT", body, "/deployments/own").status_code < 300
    lab.cloud.fault(CHAT, after=4, delay=2.0)
    with started(lab) as process:
        until(lambda: hits(lab) > 4)
        lab.cloud.admin("DELETE", "objects/deployments/own")
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    check_whole(lab)


# candidates, sets, and what refers to what


def both(lab: Lab, prod: str) -> None:
    """Two jobs, and an evaluation that picks one."""
    lab.spec(
        exam='candidates: ["${job.copilot.fine_tuned_model}", "${job.other.fine_tuned_model}"]', prod=prod
    )
    lab.folder.edit(f"prod: {{model: {TUNED}", 'prod: {model: "${evaluation.exam.best}"')
    lab.folder.edit(
        "evaluations:\n",
        f"  other: {{model: {BASE_MODEL}, training: train, seed: 7, hyperparameters: {{n_epochs: 9}}}}\n"
        "evaluations:\n",
    )


def test_pitfall_40_a_tie_goes_to_the_first(lab: Lab) -> None:
    both(lab, "gate: {evaluation: exam}")
    lab.apply()
    result = lab.result()
    assert result["is_tie"]
    assert result["best"] == lab.tuned()
    assert set(result["scores"].values()) == {1.0}
    assert lab.deployments() == {"prod": lab.tuned()}
    assert lab.is_settled()


def test_pitfall_40_a_candidate_that_was_not_answered(lab: Lab) -> None:
    """Nothing is chosen from a part of the candidates."""
    both(lab, "gate: {evaluation: exam}")
    lab.apply("--target", "job.copilot", "--target", "job.other")
    lab.cloud.fault("POST */chat/completions", after=13, times=-1, status=400)
    lab.apply(code=1)
    lab.cloud.clear_faults()
    assert lab.deployments() == {}
    lab.apply()
    assert lab.deployments() == {"prod": lab.result()["best"]}


def test_pitfall_47_an_evaluation_for_each(lab: Lab) -> None:
    lab.spec()
    lab.folder.edit(
        f"exam: {{prompts: prompts.json, model: {TUNED}}}",
        f'exam: {{for_each: [a, b], prompts: "${{each.key}}.json", model: {TUNED}}}',
    )
    for key in ("a", "b"):
        (lab.folder.path / f"{key}.json").write_text((lab.folder.path / "prompts.json").read_text("utf-8"))
    done = lab.run("validate")
    assert done.code == 1
    assert "evaluation.exam needs a key" in done.err + done.out
    lab.folder.edit("evaluation: exam", "evaluation: 'exam[\"a\"]'")
    lab.folder.edit("gate: {", "gate: [{evaluation: 'exam[\"b\"]', require: {accuracy: {at_least: 0.9}}}, {")
    lab.folder.edit('"a"]\'}}', '"a"]\'}]}')
    lab.apply()
    assert lab.asked() == ASKED, "both ask the same"
    assert lab.deployments() == {"prod": lab.tuned()}
    assert lab.is_settled()


def test_pitfall_47_a_gate_for_each_deployment(lab: Lab) -> None:
    lab.spec(
        exam=f"for_each: [a, b], model: {TUNED}",
        prod="for_each: [a, b], name: 'p-${each.key}', gate: {evaluation: 'exam[\"${each.key}\"]'}",
    )
    lab.apply()
    assert sorted(lab.deployments()) == ["p-a", "p-b"]
    assert lab.is_settled()


def test_pitfall_47_a_gate_that_names_a_disabled_evaluation(lab: Lab) -> None:
    lab.spec(exam=f"model: {TUNED}, enabled: false")
    done = lab.run("validate")
    assert done.code == 1
    assert "evaluation.exam is disabled" in done.err + done.out
    lab.spec(exam=f"model: {TUNED}, enabled: false", prod="tags: {a: b}")
    lab.apply()
    assert lab.record() is None


@pytest.mark.parametrize("replace", ["recreate", "blue_green"])
def test_pitfall_48_a_deployment_is_compared_with_what_it_serves(lab: Lab, replace: str) -> None:
    """No cycle, and after it has passed, nothing is left to do."""
    gate = "gate: {evaluation: exam, require: {non_inferior: 0.3}}"
    lab.train_half()
    lab.spec(exam=f"model: {TUNED}, baseline: serving", prod=f"replace: {replace}, {gate}")
    lab.apply()
    assert lab.result()["baseline"] == BASE_MODEL
    for _ in range(2):
        assert lab.is_settled()
        lab.apply()
    served = lab.tuned()
    lab.train_well()
    lab.apply()
    assert lab.result()["baseline"] == served
    assert list(lab.deployments().values()) == [lab.tuned()]
    assert lab.is_settled()
    assert lab.temporary() == []


@pytest.mark.parametrize(
    "exam",
    [
        f"model: {TUNED}, baseline: {TUNED}",
        f"candidates: [{BASE_MODEL}, {TUNED}], baseline: {BASE_MODEL.upper()}",
    ],
)
def test_a_model_that_is_compared_with_itself_is_an_error_before_anything_is_trained(
    lab: Lab, exam: str
) -> None:
    lab.spec(exam=exam)
    done = lab.run("validate")
    assert done.code == 1
    assert "evaluation.exam: a model can't be compared with itself" in done.err
