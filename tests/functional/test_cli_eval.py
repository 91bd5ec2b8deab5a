"""`ftops eval` on the quickstart's deployments, over HTTP to the emulator, with faults and kills."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.support import forked
from tests.support.command import FTOPS, environment, ftops, in_process, quickstart
from tests.support.embedded import wait_until
from tests.support.emulator_admin import Admin

FILES = ("--prompts", "prompts.json", "--tools", "functions.json", "--system", "system.txt")
SETTINGS = ("--setting", "temperature=0", "--setting", "tool_choice=required")
GRADERS = {
    "name": {"type": "function_call", "match": "name", "order": "strict"},
    "short": {"type": "regex", "pattern": ".{0,40}"},
    "text": {"type": "one_of", "values": ["none of these"]},
}
BOTH = ("--deployment", "copilot", "--against", "base", *FILES, *SETTINGS)


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = quickstart(tmp_path_factory.mktemp("eval"))
    done = in_process(folder, "apply", "-y")
    assert done.returncode == 0, done.stderr
    return folder


def evaluate(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return ftops(folder, "eval", *words, code=code)


def document(folder: Path, *words: str, code: int = 0) -> Any:
    return json.loads(evaluate(folder, *words, "-y", "-o", "json", code=code).stdout)


def kept(folder: Path) -> int:
    files = (folder / ".ftops" / "answers").glob("*.jsonl")
    lines = (line for file in files for line in file.read_text(encoding="utf-8").splitlines())
    keys = [json.loads(line)["key"] for line in lines if line.endswith("}") and '"key"' in line]
    assert len(set(keys)) == len(keys), "an answer was kept twice"
    return len(keys)


def without_latency(text: str) -> list[str]:
    """Cached answers have none."""
    return [
        re.sub(r"\s+\d+ ms.*|\s+n/a +n/a$", "", line)
        for line in text.splitlines()
        if "atenc" not in line and not line.startswith("per answer")
    ]


def test_a_tuned_model_beside_its_base(folder: Path, admin: Admin) -> None:
    done = evaluate(folder, *BOTH, "-y")
    assert "40 requests to send, 0 answers cached" in done.stderr
    assert "differences under about 37 points can't be shown" in done.stderr
    assert re.search(r"^all +20 +20 of 20 .* 7 of 20 .* 13 +0 .* 0\.00024 +better$", done.stdout, re.M)
    assert admin.count("/chat/completions") == 40
    again = evaluate(folder, *BOTH)  # nothing to ask, so nothing to approve
    assert without_latency(again.stdout) == without_latency(done.stdout)
    assert admin.count("/chat/completions") == 40
    found = document(folder, *BOTH)
    assert found["verdicts"] == {"copilot": "better"}
    assert [m["name"] for m in found["models"]] == ["copilot", "base"]
    assert found["models"][0]["wrong"] == []
    assert "wrong_function" in [w["class"] for w in found["models"][1]["wrong"]]


def test_more_samples_ask_only_for_those(folder: Path, admin: Admin) -> None:
    one = ("--deployment", "copilot", *FILES, *SETTINGS)
    evaluate(folder, *one, "--samples", "1", "-y")
    evaluate(folder, *one, "--samples", "3", "-y")
    assert admin.count("/chat/completions") == 60
    evaluate(folder, *one, "--fresh", "-y")
    assert admin.count("/chat/completions") == 80


def test_the_verdict_can_fail_a_build(folder: Path) -> None:
    turned = ("--deployment", "base", "--against", "copilot", *FILES, *SETTINGS)
    evaluate(folder, *BOTH, "--fail-if", "not-better", "-y")
    evaluate(folder, *turned, "--fail-if", "worse", code=5)
    evaluate(folder, *turned, "--fail-if", "not-better", code=5)
    shown = evaluate(folder, *turned, "--show", "regressions").stdout
    assert "base: 14 regressions" in shown


def test_a_busy_service_is_asked_again_later(folder: Path, admin: Admin) -> None:
    """Neither a miss nor an answer that counts twice."""
    rule = {"match": "POST *chat/completions*", "status": 429, "headers": {"retry-after-ms": "20"}}
    admin.post("faults", {**rule, "times": 15})
    found = document(folder, *BOTH)
    assert found["is_complete"]
    assert found["verdicts"] == {"copilot": "better"}
    assert kept(folder) == 40
    assert admin.count("/chat/completions") == 55


def test_an_answer_that_never_comes_is_neither_right_nor_wrong(folder: Path, admin: Admin) -> None:
    admin.post("faults", {"match": "POST *chat/completions*", "status": 400, "message": "no", "times": 1})
    found = document(folder, *BOTH, code=1)
    assert not found["is_complete"]
    assert found["verdicts"] == {"copilot": "incomplete"}
    shares = found["comparisons"][0]["rows"][0]
    graded = [shares[side]["graded"] for side in ("candidate", "baseline")]
    assert sorted(graded) == [19, 20]
    evaluate(folder, *BOTH, "--fail-if", "worse", "-y")  # what was missing is asked again, and comes


def test_a_service_that_refuses_every_request_is_sent_no_more(folder: Path, admin: Admin) -> None:
    admin.post("faults", {"match": "POST *chat/completions*", "status": 401, "message": "no", "times": -1})
    words = ("--deployment", "base", *FILES, "--samples", "2", "--concurrency", "1", "-y")
    done = evaluate(folder, *words, code=1)
    assert "base: stopped sending requests: 20 requests failed: " in done.stderr
    assert admin.count("/chat/completions") == 20


def test_a_prompt_that_the_content_filter_refuses_is_a_class_of_its_own(folder: Path, admin: Admin) -> None:
    rule = {"match": "POST *chat/completions*", "status": 400, "code": "content_filter", "message": "no"}
    admin.post("faults", rule)
    found = document(folder, "--deployment", "copilot", *FILES, *SETTINGS)
    assert found["is_complete"]
    assert "filtered" in [w["class"] for w in found["models"][0]["wrong"]]


def test_a_killed_run_goes_on_where_it_stopped(folder: Path, admin: Admin) -> None:
    admin.post("faults", {"match": "POST *chat/completions*", "delay": 0.1, "times": -1})
    words = [*FTOPS, "eval", *BOTH, "--concurrency", "2", "-y"]
    with forked.Popen(words, cwd=folder, env=environment(), stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: process.poll() is not None or kept(folder) >= 7)
        assert process.poll() is None, "it ended before it could be killed"
        process.kill()
    before = kept(folder)
    assert 7 <= before < 40
    admin.delete("faults")
    admin.delete("log")
    done = evaluate(folder, *BOTH, "-y")
    assert f"{40 - before} requests to send, {before} answers cached" in done.stderr
    assert admin.count("/chat/completions") == 40 - before
    assert kept(folder) == 40


def test_ctrl_c_keeps_what_was_answered(folder: Path, admin: Admin) -> None:
    admin.post("faults", {"match": "POST *chat/completions*", "delay": 0.1, "times": -1})
    words = [*FTOPS, "eval", *BOTH, "--concurrency", "2", "-y"]
    with forked.Popen(
        words, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: process.poll() is not None or kept(folder) >= 3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert 3 <= kept(folder) < 40


def test_ctrl_c_waits_for_no_answer(folder: Path, admin: Admin) -> None:
    admin.post("faults", {"match": "POST *chat/completions*", "delay": 30, "times": -1})
    words = [*FTOPS, "eval", *BOTH, "-y"]
    with forked.Popen(words, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: process.poll() is not None or admin.get("faults")["faults"][0]["hits"] > 0)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_samples_are_no_more_prompts(folder: Path) -> None:
    done = evaluate(folder, *BOTH, "--samples", "2", "-y")
    assert "80 requests to send" in done.stderr
    assert "With 20 prompts, differences under about 37 points" in done.stderr


def test_reports_name_the_test_that_was_used(folder: Path) -> None:
    sections = json.loads((folder / "prompts.json").read_text(encoding="utf-8"))
    rows = [
        {
            "prompt": prompt,
            "expect": function,
            "slice": name,
            **({"cluster": f"{i // 2}"} if clusters else {}),
        }
        for name, clusters in (("straightforward", True), ("challenging", False))
        for i, (prompt, function) in enumerate(sections[name].items())
    ]
    (folder / "rows.json").write_text(json.dumps(rows))
    words = ("--prompts", "rows.json", *FILES[2:], *SETTINGS, "--out", "r.html", "--out", "r.md")
    done = evaluate(folder, *BOTH[:4], *words, "-y")
    methods = "Exact McNemar test, but a sign-flip test for rows with clusters"
    assert methods in done.stdout
    assert all(methods in (folder / name).read_text(encoding="utf-8") for name in ("r.html", "r.md"))
    found = document(folder, *BOTH[:4], *words)["comparisons"][0]["rows"]
    tests = {row["slice"]: row["test"] for row in found if row["by"] != "function"}
    assert tests == {None: "sign_flip", "straightforward": None, "challenging": "mcnemar"}
    done = evaluate(folder, *BOTH, "-y")
    assert "Exact McNemar test; 95 % intervals (Wilson, Newcombe)." in done.stdout


def test_a_long_prompt_is_cut_for_people_only(folder: Path) -> None:
    row = {"prompt": "Land! " * 1000, "expect": {"no_call": True}}
    (folder / "long.json").write_text(json.dumps([row]), encoding="utf-8")
    words = ("--deployment", "base", "--prompts", "long.json", *FILES[2:], *SETTINGS)
    assert max(map(len, evaluate(folder, *words, "-y").stdout.splitlines())) < 500
    assert document(folder, *words)["models"][0]["wrong"][0]["prompt"] == row["prompt"]


def test_06_two_slices_with_one_prompt_ask_it_once(folder: Path, admin: Admin) -> None:
    expected = {"a": "land_drone", "b": "takeoff_drone"}
    rows = [{"prompt": "Land!", "expect": name, "slice": part} for part, name in expected.items()]
    (folder / "twice.json").write_text(json.dumps(rows), encoding="utf-8")
    words = ("--deployment", "base", "--prompts", "twice.json", *FILES[2:], *SETTINGS)
    shown = evaluate(folder, *words, "-y").stdout
    assert admin.count("/chat/completions") == 1
    assert kept(folder) == 1
    assert "1 of 2" in shown


def test_settings_are_parameters_of_the_request_only(folder: Path, admin: Admin) -> None:
    """The SDK would refuse one that it doesn't know, and take `timeout` as its own."""
    words = ("--deployment", "base", *FILES, "--setting", "some_new_one=1", "--setting", "timeout=0")
    done = in_process(folder, "eval", *words, "-y")
    assert "bug in ftops" not in done.stderr
    assert admin.count("/chat/completions") == 20


def test_two_runs_share_what_they_keep(folder: Path, admin: Admin) -> None:
    words = [*FTOPS, "eval", *BOTH, "-y", "-o", "json"]
    runs = [
        forked.Popen(words, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [json.loads(process.communicate(timeout=300)[0]) for process in runs]
    for model in (model for output in outputs for model in output["models"]):
        del model["metrics"]["latency"]  # of the run that asked
    assert outputs[0] == outputs[1]
    assert admin.count("/chat/completions") == 40
    assert evaluate(folder, *BOTH).stderr.startswith("0 requests to send, 40 answers cached")


def test_a_line_that_was_cut_off_is_asked_again(folder: Path) -> None:
    evaluate(folder, *BOTH, "-y")
    file = max((folder / ".ftops" / "answers").glob("*.jsonl"))
    file.write_bytes(file.read_bytes()[:-20])
    assert "1 request to send, 39 answers cached" in evaluate(folder, *BOTH, "-y").stderr
    assert "0 requests to send, 40 answers cached" in evaluate(folder, *BOTH).stderr


def test_36_a_key_is_in_no_answer_and_no_report(folder: Path) -> None:
    reports = [f"report.{form}" for form in ("html", "xml", "md", "json", "promptfoo.json")]
    evaluate(folder, *BOTH, "-y", *(word for name in reports for word in ("--out", name)))
    key = json.loads((folder / ".ftops" / "emulator" / "server.json").read_text(encoding="utf-8"))["api_key"]
    answers = [file for file in (folder / ".ftops" / "answers").rglob("*") if file.is_file()]
    assert len(answers) > 1
    for file in (*answers, *(folder / name for name in reports)):
        assert key.encode() not in file.read_bytes(), file


def test_37_markdown_keeps_prompts_in_a_block(folder: Path) -> None:
    prompts = folder / "odd.jsonl"
    row = {"prompt": "```\n# <script>@everyone \x1b[31m\u202e", "expect": "land_drone"}
    prompts.write_text(json.dumps(row), encoding="utf-8")
    words = ("--deployment", "base", "--prompts", "odd.jsonl", *FILES[2:], *SETTINGS)
    text = evaluate(folder, *words, "-y", "-o", "markdown").stdout
    assert text.count("```") == 2
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_reports_are_written_beside_the_output(folder: Path) -> None:
    prompts = folder / "odd.jsonl"
    rows = [
        {"prompt": "</script><script>alert(1)</script>", "expect": "land_drone", "slice": '"><b>'},
        {"prompt": "Land\x00\x1b[31m\u202e\r | @everyone", "expect": "land_drone", "slice": "\x1b[31m"},
        {"prompt": "Turn into an elephant!", "expect": "reject_request"},
    ]
    prompts.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    names = ["report.html", "report.xml", "report.md", "report.json", "report.promptfoo.json"]
    words = ("--deployment", "copilot", "--against", "base", "--prompts", "odd.jsonl", *FILES[2:], *SETTINGS)
    outs = [word for name in names for word in ("--out", name)]
    (folder / "report.html").write_text("an older one", encoding="utf-8")
    found = document(folder, *words, *outs)
    html, xml, markdown, written, promptfoo = ((folder / name).read_text(encoding="utf-8") for name in names)
    assert json.loads(written) == found
    assert json.loads(promptfoo)["results"]["stats"]["errors"] == 0
    assert markdown.startswith("### Evaluation: `copilot`")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e\ufffd]", html + xml + markdown)
    assert html.count("<script>") == html.count("</script>") == 1
    assert "<b>" not in html
    assert "default-src 'none'" in html
    assert not re.search(r"""(src|href)=|url\(|@import""", html)
    suites = ElementTree.fromstring(xml).findall("testsuite")
    assert sum(int(suite.get("tests", 0)) for suite in suites) == 6
    wrong = sum(len(model["wrong"]) for model in found["models"])
    assert sum(int(suite.get("failures", 0)) for suite in suites) == wrong > 0
    assert not list(folder.glob(".report*"))


def test_a_setting_that_could_not_be_sent_is_a_text(folder: Path) -> None:
    words = ("--deployment", "base", *FILES, "--setting", r'user="\ud800"', "-y")
    assert "20 requests to send" in evaluate(folder, *words).stderr


def test_a_report_leaves_out_what_was_always_right(folder: Path) -> None:
    evaluate(folder, *BOTH, "-y", "--out", "report.html")
    page = (folder / "report.html").read_text(encoding="utf-8")
    table, _, answers = page.partition("<h2>Answers</h2>")
    assert "7 other functions: all answers are right" in table
    assert "<td>land_drone</td>" not in table
    assert answers.count("<tr data-") == 20


@pytest.mark.parametrize("name", ["report.pdf", "none/report.html", "data", "report"])
def test_a_report_that_cannot_be_written_is_refused_first(folder: Path, admin: Admin, name: str) -> None:
    done = evaluate(folder, *BOTH, "-y", "--out", name, code=1)
    assert name in done.stderr
    assert admin.count("/chat/completions") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*BOTH,), "sending requests needs approval"),
        (("--deployment", "copilt", *FILES, "-y"), "Did you mean `copilot`"),
        (("--deployment", "copilot", "--against", "deployment.copilot", *FILES), "serve the same model"),
        (("--deployment", "copilot", "--prompts", "none.json"), "can't read none.json"),
        (("--deployment", "copilot", *FILES[:3], "ftops.yaml"), "isn't JSON"),
        (
            ("--deployment", "copilot", "--prompts", "prompts.json", "--tools", "prompts.json"),
            "isn't a list of tools",
        ),
        (("--deployment", "copilot", *FILES, "--setting", "temperature"), "isn't a valid setting"),
        (("--deployment", "copilot", *FILES, "--setting", "stream=true"), "`stream` can't be set"),
        (("--deployment", "copilot", *FILES, "--setting", "messages=[]"), "`messages` can't be set"),
        (("--deployment", "base", "--against", "base", *FILES, "-y"), "can't be compared with itself"),
        (("--deployment", "copilot", *FILES, "--fail-if", "worse"), "--fail-if needs --against"),
        (("--deployment", "copilot", "--prompts", "wrong.json", *FILES[2:]), "Did you mean `land_drone`"),
        (("--deployment", "copilot", *FILES, "--graders", "strict.json"), "strict.json:1:36"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(
    folder: Path, admin: Admin, words: tuple[str, ...], message: str
) -> None:
    (folder / "wrong.json").write_text('{"easy": {"Land": "land_dron"}}', encoding="utf-8")
    (folder / "strict.json").write_text(
        '{"call": {"type": "function_call", "strict": true}}', encoding="utf-8"
    )
    done = in_process(folder, "eval", *words)
    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert admin.count("/chat/completions") == 0


def test_graders_of_a_file(folder: Path) -> None:
    (folder / "graders.json").write_text(json.dumps(GRADERS), encoding="utf-8")
    found = document(folder, *BOTH, "--graders", "graders.json")
    shares = {c["grader"]: c["rows"][0]["candidate"] for c in found["comparisons"]}
    assert {name: share["graded"] for name, share in shares.items()} == {"name": 20, "short": 20, "text": 20}
    assert shares["name"]["right"] == 20
    assert shares["text"]["right"] == 0


def test_what_was_not_applied_is_not_asked(tmp_path: Path) -> None:
    folder = quickstart(tmp_path)
    done = in_process(folder, "eval", "--deployment", "copilot", *FILES, "-y")
    assert done.returncode == 1
    assert "run `ftops apply --target deployment.copilot` first" in " ".join(done.stderr.lower().split())
    assert not (folder / "state").exists()


def test_cached_answers_are_listed_and_deleted(folder: Path) -> None:
    def answers(*words: str, code: int = 0) -> str:
        done = in_process(folder, "answers", *words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert "No cached answers." in answers("list")
    evaluate(folder, *BOTH, "-y")
    base, tuned = sorted(json.loads(answers("list", "-o", "json"))["models"], key=lambda m: len(m["model"]))
    assert (base["count"], tuned["count"]) == (20, 20)
    assert base["model"].startswith("gpt-4o-mini")
    assert re.search(
        rf"^{re.escape(tuned['model'])} +20 +[\d.]+ KB +{tuned['oldest'][:10]} ", answers("list"), re.M
    )
    assert "No answers are older than that." in answers("prune", "--older", "1d")
    assert "is more than a century" in answers("prune", "--older", "99999999999999d", code=1)
    assert "needs approval" in answers("prune", "--older", "0", code=1)
    model = ("--model", tuned["model"])
    found = json.loads(answers("prune", "--older", "0s", *model, "--dry-run", "-o", "json"))
    assert (found["pruned"], [m["count"] for m in found["models"]]) == (False, [20])
    assert "Would delete 20 answers." in answers("prune", "--older", "0s", *model, "--dry-run")
    assert "Deleted 20 answers." in answers("prune", "--older", "0s", *model, "-y")
    assert [m["model"] for m in json.loads(answers("list", "-o", "json"))["models"]] == [base["model"]]
    assert "there are no answers of" in answers("list", *model, code=1)
    assert "20 requests to send, 20 answers cached" in evaluate(folder, *BOTH, "-y").stderr
    (folder / ".ftops" / "answers" / f"{'0' * 32}.jsonl").write_text("\x1b[31m{", encoding="utf-8")
    assert len(json.loads(answers("list", "-o", "json"))["models"]) == 2
