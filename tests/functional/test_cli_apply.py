"""ftops apply and destroy: approval, exit codes, what they say, and what an interrupt does."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.golden.cli import Done, Folder, golden
from tests.support import forked
from tests.support.command import FTOPS, environment, run


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path)


@pytest.fixture
def applied(folder: Folder) -> Folder:
    folder.ok("apply", "-y")
    return folder


def calm(text: str) -> str:
    """Without times, which differ."""
    words = ("0.0s" if w.rstrip(".").endswith("s") and w[0].isdigit() else w for w in text.split(" "))
    return " ".join(words)


def test_settings_that_are_recorded_are_counted(applied: Folder) -> None:
    applied.edit("  base:\n", "  base:\n    lifecycle: {prevent_destroy: true, on_destroy: retain}\n")
    out = applied.ok("apply", "-y")
    assert "0 created, 0 updated, 0 replaced, 0 deleted, 2 settings recorded" in out


def test_apply_says_what_it_does(folder: Folder) -> None:
    out = folder.ok("apply", "-y")
    _, _, told = out.partition("Plan:")
    golden("apply-first", calm(told))


def test_apply_and_destroy_as_markdown(folder: Folder) -> None:
    created = folder.ok("apply", "-y", "-o", "markdown")
    assert created.startswith("### ✅ `drone`: apply complete\n\n**Apply complete: 5 created")
    assert "| `job.copilot` | created `" in created
    assert 'name  = "copilot"' in created
    assert folder.ok("apply", "-o", "markdown").startswith("### ✅ `drone`: no changes\n")
    assert "### ✅ `drone`: no drift" in folder.ok("drift", "-o", "markdown")
    refused = folder.run("destroy", "-o", "markdown")
    assert (refused.code, refused.out) == (1, ""), refused
    assert "needs approval" in refused.err
    folder.edit("n_epochs: 3", "n_epochs: 0")
    assert folder.run("apply", "-o", "markdown").out == ""  # what is wrong is on standard error
    folder.edit("n_epochs: 0", "n_epochs: 3")
    assert "destroy complete" in folder.ok("destroy", "-y", "-o", "markdown")


def test_a_limit_is_for_markdown(folder: Folder) -> None:
    for command in ("apply", "destroy", "drift"):
        refused = folder.run(command, "--limit", "65536")
        assert (refused.code, "--limit goes with -o markdown" in refused.err) == (1, True), refused


def test_apply_then_nothing_then_destroy(folder: Folder) -> None:
    folder.ok("apply", "-y")
    again = folder.run("apply")
    assert again.code == 0
    assert again.out.startswith("No changes. 5 resources of drone match the spec.\n\nOutputs:\n")
    out = folder.ok("destroy", "-y")
    assert out.endswith("Destroy complete: 5 deleted in 0.0s.\n")
    assert folder.ok("destroy") == "No changes. Nothing of drone exists.\n"
    assert folder.ok("state", "list") == ""


def test_nobody_to_ask(folder: Folder) -> None:
    done = folder.run("apply")
    assert done.code == 1
    assert "Plan: 5 to create" in done.out
    golden("apply-not-approved", done.err)
    assert folder.ok("state", "list") == ""


def test_json_cannot_ask(folder: Folder) -> None:
    done = folder.run("apply", "-o", "json")
    assert done.code == 1
    assert [line["event"] for line in done.lines] == ["plan", "diagnostic", "result"]
    assert done.lines[-1] == {"event": "result", "result": "error", "exit_code": 1}


def test_a_hint_can_be_copied(folder: Folder) -> None:
    done = folder.run("apply", "ftops.yaml", "--var", "capacity=21", "--target", "dataset.train")
    assert "ftops apply ftops.yaml --var capacity=… -y" in done.err  # a value may be a secret
    done = folder.run("-C", ".", "apply", "--env", "default", "-C", "data", "..")
    assert "ftops apply -C . -C data .. --env default -y" in done.err


def test_destroy_needs_no_data(applied: Folder) -> None:
    for path in (applied.path / "data").iterdir():
        path.unlink()
    assert applied.run("apply", "-y").code == 1
    assert "3 to delete" in applied.ok("plan", "--destroy", "--target", "dataset.train")
    applied.ok("destroy", "-y", "--target", "dataset.train", "--no-refresh", "--parallelism", "2")
    assert applied.ok("state", "list") == "dataset.valid\ndeployment.base\n"
    applied.ok("destroy", "-y", "--exclude", "dataset.valid")
    assert applied.ok("state", "list") == "dataset.valid\n"
    applied.ok("apply", "--destroy", "-y")
    assert applied.ok("state", "list") == ""


def test_the_lines_of_json(folder: Folder) -> None:
    lines = folder.run("apply", "-y", "-o", "json").lines
    assert lines[0]["event"] == "plan"
    assert lines[0]["summary"]["create"] == 5
    assert [line["event"] for line in lines[1:-2]].count("change_finished") == 5
    assert lines[-2]["event"] == "run_finished"
    result = lines[-1]
    assert (result["event"], result["result"], result["exit_code"]) == ("result", "done", 0)
    assert result["steps"]["job.copilot"] == "done"
    assert result["outputs"]["name"] == {"value": "copilot", "sensitive": False, "known": True}
    unchanged = folder.run("apply", "-o", "json").lines
    assert [line["event"] for line in unchanged] == ["plan", "result"]
    assert unchanged[-1].keys() == result.keys()


def test_an_error_in_json_is_lines_too(folder: Folder) -> None:
    folder.edit("seed: 105", "sed: 105")
    done = folder.run("apply", "-y", "-o", "json")
    assert done.code == 1
    assert done.err == ""
    assert [line["event"] for line in done.lines] == ["diagnostic", "result"]
    assert done.lines[0]["place"]["line"] == 22


def test_what_was_found_is_recorded_though_nothing_is_done(applied: Folder) -> None:
    applied.edit("    suffix: copilot", "    suffix: copilot\n    depends_on: [deployment.base]")
    before = applied.run("show", "-o", "json").json["serial"]
    assert applied.ok("apply").startswith("No changes.")
    assert applied.run("show", "-o", "json").json["serial"] > before


# on a terminal


def at_terminal(folder: Folder, answer: str, *argv: str) -> Done:
    """Runs ftops with a terminal for input, where somebody types an answer."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        done = run([*FTOPS, *argv], folder.path, stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("answer", ["no", "y", "YES", ""])
def test_only_yes_is_a_yes(folder: Folder, answer: str) -> None:
    done = at_terminal(folder, f"{answer}\n", "apply")
    assert (done.code, done.err) == (1, "Cancelled. Nothing was changed.\n")
    assert "Only `yes` is accepted" in done.out
    assert folder.ok("state", "list") == ""


def test_yes_is_a_yes(folder: Folder) -> None:
    assert at_terminal(folder, "yes\n", "apply").code == 0
    done = at_terminal(folder, "yes\n", "destroy")
    assert done.code == 0
    assert "It can't be undone" in done.out
    assert folder.ok("state", "list") == ""


def test_the_live_view_on_a_terminal(folder: Folder) -> None:
    ours, theirs = pty.openpty()
    run = forked.Popen(
        [sys.executable, "-m", "tests.golden.slow", "pending", "apply", "-y"],
        cwd=folder.path,
        env=environment({"TERM": "xterm", "COLUMNS": "100"}),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    seen = ""
    while "step 1/100: loss 2.5" not in seen:
        seen += os.read(ours, 4096).decode(errors="replace")
    run.send_signal(signal.SIGINT)
    while "Apply interrupted:" not in seen:
        seen += os.read(ours, 4096).decode(errors="replace")
    assert run.wait(timeout=300) == 130
    os.close(ours)
    assert run.stderr is not None
    assert b"Still in progress at the service" in run.stderr.read()
    run.stderr.close()
    assert "━" in seen
    assert "\x1b[32mcreated\x1b[0m in" in seen


def shown_at_terminal(folder: Folder, environ: Mapping[str, str], *argv: str) -> str:
    """What a terminal shows, without colours."""
    ours, theirs = pty.openpty()
    run = forked.Popen(
        [sys.executable, "-m", "ftops", *argv],
        cwd=folder.path,
        env=environment({"TERM": "xterm", "COLUMNS": "200", **environ}),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the terminal has closed
        while chunk := os.read(ours, 4096):
            shown += chunk
    os.close(ours)
    assert run.wait(timeout=300) == 0, shown
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n")


JOB_ONLY = (
    "datasets: {d: {path: data/train.jsonl}}\njobs: {j: {model: gpt-4o-mini-2024-07-18, training: d}}\n"
)
DEPLOYED = JOB_ONLY + "deployments: {base: {model: gpt-4o-mini-2024-07-18, sku: {name: Standard}}}\n"
MEMORY = "providers: {m: {type: memory}}\n"
NEXT = {
    "a job": (JOB_ONLY + MEMORY, "Next: ftops results job.j"),
    "sweep": (
        JOB_ONLY.replace("model:", "for_each: [1, 2], seed: '${each.value}', model:") + MEMORY,
        "Next: ftops results job.j",
    ),
    "a deployment": (DEPLOYED, "Next: ftops results job.j\n      ftops report -o report.html"),
    "that can't be called": (
        DEPLOYED + MEMORY,
        "Next: ftops results job.j\n      ftops report -o report.html",
    ),
}


@pytest.mark.parametrize("name", NEXT)
def test_at_a_terminal_apply_says_what_to_do_next(folder: Folder, name: str) -> None:
    spec, told = NEXT[name]
    folder.write("ftops.yaml", f"ftops: {{name: x}}\n{spec}")
    shown = shown_at_terminal(folder, {}, "apply", "-y", ".")
    assert shown.endswith(f"\n{told}\n")
    assert "Next:" not in shown_at_terminal(folder, {}, "apply", "-y", ".")  # nothing was made
    if name == "a job":
        shown = shown_at_terminal(folder, {}, "destroy", "-y")
        assert shown.endswith("\nKept: state/x/default.json (state and audit log), .ftops (caches).\n")


def test_the_next_steps_are_the_program_beside_the_spec_and_a_new_report(folder: Folder) -> None:
    folder.write("ftops.yaml", f"ftops: {{name: x}}\n{DEPLOYED}")
    folder.write("ask.py", "")
    folder.write("report.html", "an earlier one")
    assert re.search(
        r"Next: ftops exec -- ask.py \"Hello\"\n      ftops report -o report.html --force\n",
        shown_at_terminal(folder, {}, "apply", "-y"),
    )


@pytest.mark.parametrize(
    ("name", "word"), [("-rf", "./-rf"), ("a\x1b[31mb", r"$'a\x1b[31mb'")], ids=["option", "escape"]
)
def test_the_next_step_can_be_copied(folder: Folder, name: str, word: str) -> None:
    folder.write(f"{name}/ftops.yaml", f"ftops: {{name: x}}\n{JOB_ONLY}{MEMORY}")
    (folder.path / "data").rename(folder.path / name / "data")
    assert f"Next: ftops results {word} job.j\n" in shown_at_terminal(folder, {}, "apply", "-y", "--", name)


@pytest.mark.parametrize(("environ", "argv"), [({"CI": "1"}, ()), ({}, ("-o", "json"))], ids=["CI", "json"])
def test_programs_are_told_no_next_step(
    folder: Folder, environ: dict[str, str], argv: tuple[str, ...]
) -> None:
    assert "Next:" not in shown_at_terminal(folder, environ, "apply", "-y", *argv)


# waiting and interrupts


class Slow:
    """A run on a cloud whose jobs take for ever."""

    def __init__(self, folder: Folder, manner: str, *argv: str) -> None:
        self.process = forked.Popen(
            [sys.executable, "-m", "tests.golden.slow", manner, "apply", "-y", *argv],
            cwd=folder.path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.lines: Iterator[str] = iter(self.process.stdout)
        self.seen = ""

    def until(self, *texts: str) -> None:
        """Reads until each of these was said, in any order; `*` stands for anything in a line."""
        open_texts = set(texts)
        for line in self.lines:
            self.seen += line
            open_texts -= {text for text in open_texts if fnmatchcase(line, f"*{text}*")}
            if not open_texts:
                return
        raise AssertionError(self.seen)

    def end(self) -> Done:
        out, err = self.process.communicate(timeout=300)
        return Done(self.process.returncode, self.seen + out, err)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_in_good_order(folder: Folder, number: signal.Signals) -> None:
    run = Slow(folder, "pending")
    run.until("job.copilot: step 1/100: loss 2.5", "deployment.base: created")
    run.process.send_signal(number)
    done = run.end()
    assert done.code == 130
    assert "Stopping: nothing new is started" in done.out
    assert "Apply interrupted: 3 created" in done.out
    golden("apply-interrupted", done.err)
    listed = folder.run("state", "list", "-o", "json").json["resources"]
    assert {r["address"]: r["status"] for r in listed}["job.copilot"] == "pending"
    assert "is still in progress: apply waits for it" in folder.ok("plan")
    assert not list(folder.path.glob("state/drone/*.lock"))


def test_the_second_signal_stops_at_once(folder: Folder) -> None:
    run = Slow(folder, "hanging")
    run.until("job.copilot: creating", "deployment.base: created")
    run.process.send_signal(signal.SIGINT)
    run.until("Stopping: nothing new is started, waiting for 1 call in progress.")
    run.process.send_signal(signal.SIGINT)
    done = run.end()
    assert done.code == 130
    golden("apply-stopped-at-once", done.err)
    assert not list(folder.path.glob("state/drone/*.lock"))
    assert folder.ok("state", "list").endswith("job.copilot  (interrupted create)\n")
    assert "interrupted" in folder.ok("show")
    assert folder.run("state", "show", "job.copilot").code == 1
    assert "2 created" in folder.ok("apply", "-y")


def test_the_second_signal_in_json(folder: Folder) -> None:
    run = Slow(folder, "hanging", "-o", "json")
    run.until('"change_started"*"job.copilot"', '"change_finished"*"deployment.base"')
    run.process.send_signal(signal.SIGTERM)
    run.until('"stop_requested"')
    run.process.send_signal(signal.SIGTERM)
    done = run.end()
    assert done.code == 130
    last = json.loads(done.out.splitlines()[-1])
    assert last == {"event": "result", "result": "interrupted", "exit_code": 130, "open": ["job.copilot"]}


def test_no_wait_leaves_the_job_and_says_so_with_4(folder: Folder) -> None:
    run = Slow(folder, "pending", "--no-wait")
    done = run.end()
    assert done.code == 4
    assert "job.copilot: still in progress" in done.out
    assert "0 deleted, 1 in progress, 1 not done in" in done.out
    assert "deployment.copilot: not done, because job.copilot isn't done" in done.out
    golden("apply-no-wait", done.err)


def test_outputs_stay_while_what_they_name_is_being_replaced(folder: Folder) -> None:
    folder.ok("apply", "-y")
    before = folder.ok("output")
    folder.edit("seed: 105", "seed: 106")
    assert Slow(folder, "pending", "--no-wait").end().code == 4
    assert folder.ok("output") == before
    assert f"~ {before.splitlines()[0]} → (known after apply" in folder.ok("plan")
    folder.edit("outputs:\n  model: ${job.copilot", "outputs:\n  model: ${job.other")
    folder.edit("jobs:", "jobs:\n  other: {model: gpt-4o-mini-2024-07-18, training: train}")
    assert Slow(folder, "pending", "--no-wait").end().code == 4
    assert folder.run("output", "model").err.startswith("error: the output `model` has no value yet\n")
    assert folder.ok("output", "name") == '"copilot"\n'


def test_a_reader_that_goes_away_ends_no_run(folder: Folder) -> None:
    run = Slow(folder, "pending", "--no-wait")
    run.until("dataset.train: creating")
    assert run.process.stdout is not None
    run.process.stdout.close()
    assert run.process.wait(timeout=300) == 4
    run.process.stderr.close()  # type: ignore[union-attr]
    assert "deployment.base\n" in folder.ok("state", "list")


def test_two_at_once(folder: Folder) -> None:
    run = Slow(folder, "pending")
    run.until("job.copilot: step")
    refused = folder.run("apply", "-y")
    assert refused.code == 1
    assert "error: the state is locked" in refused.err
    assert "runs `ftops apply` since" in refused.err
    run.process.send_signal(signal.SIGINT)
    assert run.end().code == 130
