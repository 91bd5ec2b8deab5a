"""What somebody stumbles over who uses ftops for the first time, as Terraform has taught them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

import pytest

from ftops.cli import command_table, foreign_terms
from ftops.cli.console import Screen
from ftops.config.loader import load
from ftops.core.errors import Diagnostic, SpecError
from ftops.providers.dataplane.job_wire import attributes_of
from ftops.session.session import Session
from ftops.views.diagnostics import draw
from ftops.views.paint import PLAIN
from tests.golden.cli import AZURE, SPEC, Folder

REQUIRED = SPEC.replace("capacity: {type: integer, default: 20}", "capacity: {type: integer}")
SHOW = "import os, sys; print(sys.argv[1:], *(os.environ.get(n) for n in %r))"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path)


# what is recorded needs no variables


@pytest.fixture
def unreadable(tmp_path: Path) -> Folder:
    """Applied; now a variable has no value, and a reference leads nowhere."""
    folder = Folder.make(tmp_path, REQUIRED)
    folder.ok("apply", "-y", "--var", "capacity=20")
    folder.edit("    training: train\n", "    training: trian\n")
    return folder


LOOKS = (
    ("state", "list"),
    ("state", "show", "job.copilot"),
    ("state", "history"),
    ("state", "pull"),
    ("show",),
    ("audit",),
    ("output",),
    ("output", "--raw", "model"),
    ("state", "rm", "deployment.base"),
)


@pytest.mark.parametrize("argv", LOOKS, ids=" ".join)
def test_the_record_can_be_read_where_the_spec_cannot(unreadable: Folder, argv: tuple[str, ...]) -> None:
    assert unreadable.run("plan").code == 1
    assert unreadable.ok(*argv)


def test_an_output_that_is_nowhere_says_what_is_wrong_with_the_spec(unreadable: Folder) -> None:
    done = unreadable.run("output", "nothing")
    assert (done.code, done.out) == (1, "")
    assert "variable `capacity` has no value" in done.err


def test_the_environment_has_to_be_declared_all_the_same(unreadable: Folder) -> None:
    assert "there is no environment `prd`" in unreadable.run("state", "list", "--env", "prd").err


def test_explanations_fit_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    explained = Diagnostic("it is long", " ".join(["word"] * 40), " ".join(["hint"] * 40))
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, 60))
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        Screen([], {"NO_COLOR": "1"}).fail([explained], 1)
        monkeypatch.undo()
        lines = os.read(master, 10_000).decode().splitlines()
    os.close(master)
    assert 55 < max(map(len, lines)) <= 60
    assert len(lines) > 8


def test_a_command_in_a_hint_can_be_copied_in_a_narrow_terminal(folder: Folder) -> None:
    azure = re.sub("subscription_id: .*", "subscription_id: ${env.AZURE_SUBSCRIPTION_ID}", AZURE)
    folder.edit("providers:\n  m: {type: memory}\n", azure)
    with pytest.raises(SpecError) as error:
        load(folder.path, environ={})
    command = "`export AZURE_SUBSCRIPTION_ID=$(az account show --query id --output tsv)`"
    assert any(command in line for line in draw(error.value.diagnostics, PLAIN, 60).splitlines())


@pytest.mark.parametrize(("environ", "columns"), [({}, 60), ({"COLUMNS": "72"}, 72)])
def test_text_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], columns: int
) -> None:
    text = " ".join(["word"] * 60) + "\n"
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, 60))
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        screen = Screen([], environ)
        screen.text(text)
        screen.whole(text)
        monkeypatch.undo()
        shown = b""
        while shown.count(b"word") < 120:
            shown += os.read(master, 10_000)
    os.close(master)
    *folded, whole = shown.decode().splitlines()
    assert columns - 5 < max(map(len, folded)) <= columns
    assert whole.rstrip() == text.rstrip()


def test_lines_of_a_pipe_may_have_any_length(folder: Folder) -> None:
    folder.edit("suffix: copilot", f"suffix: {'a-' * 31}b")
    folder.ok("apply", "-y")
    done = folder.run("plan", "--replace", "job.copilot", environ={"COLUMNS": "60"})
    assert max(map(len, done.out.splitlines())) > 120


# exec


def exec_(folder: Folder, *argv: str) -> str:
    return folder.process("exec", *argv).out.strip()


def test_exec_takes_the_spec_of_this_folder(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, "datasets: {train: {path: data/train.jsonl}}\n")
    code = SHOW % (("OPENAI_API_VERSION",),)
    python = (sys.executable, "-c", code)
    assert exec_(folder, "--", *python, "-o", "--", "x") == "['-o', '--', 'x'] 2025-04-01-preview"
    assert exec_(folder, ".", "--", *python, "x") == "['x'] 2025-04-01-preview"


# interrupts


def test_an_interrupt_while_ftops_starts_is_no_traceback(folder: Folder) -> None:
    code = (
        "import ftops.__main__ as m, ftops.cli.main as c\n"
        "def stop(a): raise KeyboardInterrupt\nc.run = stop\nm.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupt_within_a_callback_is_not_lost(folder: Folder) -> None:
    code = (
        "import os, signal, threading, weakref, ftops.__main__ as m, ftops.cli.main as c\n"
        "class Dropped: pass\n"
        "def run(a):\n"
        "    dropped = Dropped()\n"
        "    kept = weakref.ref(dropped, lambda _: os.kill(os.getpid(), signal.SIGINT))\n"
        "    del dropped\n"
        "    threading.Event().wait(60)\n"
        "c.run = run\nm.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupt_waits_for_no_call_that_hangs(folder: Folder) -> None:
    config = load(folder.path, environ={})
    with pytest.raises(KeyboardInterrupt), Session.open(config) as session:
        session.providers.close = None  # type: ignore[assignment, method-assign]
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()


# words of other tools

FAMILIAR: Mapping[str, tuple[str, str]] = {
    "one dash": ("plan -destroy", "Long options start with two dashes: `--destroy`."),
    "one dash and a value": ("apply -target=job.x", "Long options start with two dashes: `--target`."),
    "one dash that looks like -o": ("plan -out=p", "Long options start with two dashes: `--out`."),
    "one dash of another name": ("output -json", "In ftops, use `-o json`."),
    "yes": ("apply --yes", "In ftops, use `-y`."),
    "taint": ("taint job.copilot", "In ftops, use `ftops apply --replace ADDRESS`."),
    "workspace": ("workspace list", "In ftops, use `--env NAME`"),
    "deploy": ("deploy", "In ftops, use `ftops apply`: it uploads, trains and deploys"),
    "train": ("train", "In ftops, use `ftops apply`: it uploads, trains and deploys"),
    "upload": ("upload data.jsonl", "In ftops, use `ftops apply`"),
    "watch": ("watch", "In ftops, use `ftops jobs --follow`."),
    "cancel": ("cancel job.copilot", "In ftops, use `ftops job cancel ADDRESS`."),
    "cost": ("cost", "In ftops, use `ftops plan`"),
    "chat": ("chat", "In ftops, use `ftops exec`"),
    "a path before the address": (
        "explain . job.copilot",
        "It is a path, which comes after the address: `ftops explain job.copilot .`.",
    ),
    "list": ("ls", "In ftops, use `ftops state list`."),
    "stop": ("stop job.copilot", "In ftops, use `ftops job pause ADDRESS` or"),
    "a command of a group": ("prune", "Did you mean `ftops answers prune`?"),
    "in a group": ("state remove x", "In ftops, use `ftops state rm ADDRESS`."),
    "in another group": ("data lint", "In ftops, use `ftops data check`."),
    "dry run": ("apply --dry-run", "In ftops, use `ftops plan`"),
    "a file": ("plan -f ftops.yaml", "In ftops, use the argument SPEC"),
    "verbose": ("plan -v", "In ftops, use `FTOPS_DEBUG=1`"),
    "nothing is asked": ("plan --yes", "Leave it out: nothing is asked."),
    "option before the command": ("--env dev plan", "It goes after the command: `ftops plan --env …`."),
    "no address": ("explain", "Write one, such as job.NAME."),
    "an address for a spec": ("plan job.copilot", "`job.copilot` is an address, not the path of a spec"),
    "no ending": ("plan ftops", "Did you mean `ftops.yaml`?"),
    "a path before the name": ("output . model", "It comes after the name: `ftops output model .`."),
    "near": ("plan --targt x", "Did you mean `--target`?"),
    "nothing near": ("init --upgrade", "See `ftops init --help`"),
}


@pytest.mark.parametrize("name", FAMILIAR)
def test_words_of_terraform_are_understood(folder: Folder, name: str) -> None:
    line, hint = FAMILIAR[name]
    done = folder.run(*line.split())
    assert (done.code, done.out) == (1, "")
    assert f"  hint: {hint}" in done.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("plan prod", "Did you mean `--env prod`?"),
        ("apply pr-7", "Did you mean `--env pr-7`?"),
        ("state list ./prod", "Did you mean `--env prod`?"),
        ("validate {folder}/prod", "Did you mean `--env prod`?"),
        ("plan prof", "Give a spec file, or a folder of *.yaml files."),
    ],
)
def test_an_environment_for_a_spec(folder: Folder, words: str, meant: str) -> None:
    folder.write("environments.yaml", "environments: {prod: {}, pr: {pattern: pr-*}}\n")
    done = folder.run(*words.format(folder=folder.path).split())
    assert (done.code, done.out) == (1, "") and f"  hint: {meant}\n" in done.err


def test_an_environment_for_a_spec_of_another_folder(tmp_path: Path) -> None:
    Folder.make(tmp_path / "specs").write("environments.yaml", "environments: {prod: {}}\n")
    assert "Did you mean `specs --env prod`?" in Folder(tmp_path).run("plan", "specs/prod").err


@pytest.mark.parametrize("name", ["destory", "destro", "depoly", "force-unlok", "gcc"])
def test_no_hint_suggests_a_command_that_deletes(folder: Folder, name: str) -> None:
    said = folder.run(name).err
    assert f"unknown command `{name}`" in said
    assert not any(f"Did you mean `{command}`" in said for command in foreign_terms.DELETING)


def test_what_is_called_otherwise_here_is_no_command_of_ours() -> None:
    assert not foreign_terms.COMMANDS.keys() & command_table.COMMANDS.keys()


def test_help_of_destroy_says_what_a_target_takes_along(folder: Folder) -> None:
    help_ = " ".join(folder.ok("destroy", "--help").split())
    assert "Only this resource and its dependents." in help_
    assert "Only this resource and its dependencies." in " ".join(folder.ok("plan", "--help").split())


# files under another name

MISSING = {
    "no other is near": ("train: {path: data/plain.jsonl}", "7:17", "Correct the path."),
    "another ending": ("train: {path: data/train.json}", "7:17", "Did you mean `data/train.jsonl`?"),
    "without its folder": ("train: {path: train.jsonl}", "7:17", "Did you mean `data/train.jsonl`?"),
    "a folder": ("train: {path: data}", "7:17", "Did you mean `data/*.jsonl`?"),
    "home": ("train: {path: ~/train.jsonl}", "7:17", "`~` isn't expanded here"),
    "a path of Windows": ("train: {path: data\\train.jsonl}", "7:17", "Write `data/train.jsonl`"),
    "a URL": ("train: {path: https://acme.example/a.jsonl}", "7:17", "Set `url` in place of `path`"),
    "a bucket": ("train: {path: s3://acme/a.jsonl}", "7:17", "Download the file first."),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_file_that_is_missing_may_be_there_under_another_name(tmp_path: Path, name: str) -> None:
    line, place, hint = MISSING[name]
    spec = "ftops: {name: drone}\nproviders:\n  m: {type: memory}\n\n\ndatasets:\n  LINE\n"
    folder = Folder.make(tmp_path, spec.replace("LINE", line))
    done = folder.run("validate")
    assert done.code == 1
    assert f"--> ftops.yaml:{place}" in done.err and f"hint: {hint}" in done.err


def test_prompts_that_are_missing_are_told_at_their_place(folder: Folder) -> None:
    folder.write("data/prompts.json", "[]")
    evaluation = "evaluations:\n  a: {model: gpt-4o-mini-2024-07-18, prompts: data/promts.json}\n"
    folder.write("ftops.yaml", SPEC + evaluation)
    done = folder.run("validate")
    assert done.code == 1 and "can't read data/promts.json" in done.err
    assert "hint: Did you mean `data/prompts.json`?" in done.err
    line, column = len(SPEC.splitlines()) + 2, evaluation.splitlines()[1].index("data/promts") + 1
    assert f"--> ftops.yaml:{line}:{column}" in done.err


# hints for the command line that was given

EMPTY = "ftops: {name: drone}\nproviders: {m: {type: memory}}\n"


def test_commands_in_hints_are_for_the_spec_that_was_given(tmp_path: Path) -> None:
    here, above = Folder.make(tmp_path / "my specs"), Folder(tmp_path)
    above.ok("apply", "-y", "my specs")
    here.write("ftops.yaml", EMPTY)
    assert "`ftops destroy 'my specs'`" in above.run("plan", "my specs").err
    assert "`ftops destroy`" in here.run("plan").err
    assert "`ftops destroy -C 'my specs'`" in above.run("plan", "-C", "my specs").err


# what is no copy of a state

COPIES = {
    "-": (None, "--state takes a file, not standard input"),
    "nowhere.json": (None, "can't read nowhere.json: No such file or directory"),
    "empty.json": ("", "empty.json is empty"),
    "spec.txt": ("ftops: {}", "the state file is not valid JSON: spec.txt:1:1"),
    "other.json": ("{}", "not a state file of ftops: other.json"),
    "/dev/null": (None, "can't read /dev/null: it is a device, not a regular file"),
}


@pytest.mark.parametrize("name", COPIES)
def test_what_is_no_copy_of_a_state_is_said_to_be_none(folder: Folder, name: str) -> None:
    text, summary = COPIES[name]
    if text is not None:
        folder.write(name, text)
    done = folder.run("plan", "--state", name)
    assert done.code == 1
    assert done.err.startswith(f"error: {summary}\n")
    assert "`ftops state pull > state.json`; then --state state.json" in " ".join(done.err.split())


@pytest.mark.parametrize("words", [("--state", ""), ("--state=",)])
def test_an_empty_name_of_a_copy_is_refused(folder: Folder, words: tuple[str, ...]) -> None:
    assert "the value of `--state` is empty" in folder.run("plan", *words).err


# poor messages


def test_a_file_that_is_missing_is_named(folder: Folder) -> None:
    folder.edit("data/train.jsonl", "data/trian.jsonl")
    done = folder.run("plan")
    assert "The file of dataset.train is data/trian.jsonl." in done.err
    assert not any(line.rstrip().endswith("dataset.train:") for line in done.err.splitlines())


def test_a_hint_keeps_the_attribute_that_was_asked_for(folder: Folder) -> None:
    folder.edit("    suffix: copilot", "    for_each: [fr]")
    assert 'Write `${job.copilot["fr"].fine_tuned_model}`.' in folder.run("validate").err


def test_an_error_stands_apart_from_the_plan(folder: Folder) -> None:
    assert re.search(r"Digest: v2:sha256:\w{64}\n\n\Z", folder.run("apply").out)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--nosuch",), "emulator: unrecognized arguments: --nosuch\nSee ftops emulator --help\n"),
        (("--port", "many"), "emulator: argument --port: invalid int value: 'many'\n"),
    ],
)
def test_the_emulator_says_what_is_wrong_in_two_lines(
    folder: Folder, argv: tuple[str, ...], said: str
) -> None:
    done = folder.process("emulator", *argv)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(said)
    assert len(done.err.splitlines()) == 2


def test_the_emulator_names_the_port_that_is_taken(folder: Folder) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = folder.process("emulator", "--port", str(port))
    assert done.code == 1
    assert f"port {port}: " in done.err


@pytest.mark.parametrize("name", ["日本", "ü", "12", "my spec"])
def test_init_writes_a_spec_that_can_be_planned(tmp_path: Path, name: str) -> None:
    here = Folder(tmp_path)
    here.ok("init", name)
    assert here.ok("validate", name).startswith("Valid: ")
    assert here.ok("fmt", "--check", name) == ""


@pytest.mark.parametrize(
    ("seconds", "said"), [(1795236473, "2026-11-21T04:47:53Z"), (None, None), (10**18, None)]
)
def test_when_a_job_ends_is_a_time_of_day(seconds: int | None, said: str | None) -> None:
    assert attributes_of({"id": "ftjob-1", "finished_at": seconds}).get("finished_at") == said


def test_when_the_service_guesses_that_a_job_ends_is_not_kept() -> None:
    assert "estimated_finish" not in attributes_of({"id": "ftjob-1", "estimated_finish": 1795236473})


TWO = """
environments:
  dev: {}
  prod: {}
"""


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_an_environment_that_nobody_selected_is_named(folder: Folder, command: str) -> None:
    folder.write("environments.yaml", TWO)
    words = folder.run(command).words
    assert "no environment is selected, so this is `default`" in words
    assert "the spec declares `dev` and `prod`: `--env dev`" in words


@pytest.mark.parametrize(
    ("declared", "argv"),
    [
        (TWO, ("--env", "dev")),
        (TWO, ("--env", "default")),
        (f"{TWO}  default: {{}}\n", ()),
        ("environments:\n  pr: {pattern: pr-*}\n", ()),
    ],
    ids=["selected", "default-selected", "default-declared", "only-a-pattern"],
)
def test_an_environment_that_is_meant_needs_no_warning(
    folder: Folder, declared: str, argv: tuple[str, ...]
) -> None:
    folder.write("environments.yaml", declared)
    assert "no environment is selected" not in folder.run("plan", *argv).words


def test_a_name_that_another_environment_has_taken_is_not_to_be_imported(folder: Folder) -> None:
    folder.edit("m: {type: memory}", "m: {type: emulator}")
    folder.write("environments.yaml", TWO)
    folder.ok("apply", "-y", "--env", "prod", "--target", "deployment.base")
    done = folder.run("plan", "--env", "dev")
    assert done.code == 3
    assert "already has a deployment `base`" in done.words
    assert "It belongs to the environment prod of this spec" in done.words
    assert "`ftops destroy --env prod`" in done.words
    assert "import" not in done.words


@pytest.mark.parametrize(("multiplier", "warned"), [("0.00001", True), ("0.001", False), ("auto", False)])
def test_a_learning_rate_in_place_of_its_multiplier_gets_a_warning(
    folder: Folder, multiplier: str, warned: bool
) -> None:
    folder.edit("batch_size: 8}", f"learning_rate_multiplier: {multiplier}}}")
    done = folder.run("validate")
    assert done.code == 0
    assert ("`learning_rate_multiplier` is only 1e-05" in done.words) is warned


@pytest.mark.parametrize(("written", "near"), [("md", "markdown"), ("MD", "markdown"), ("jsn", "json")])
def test_a_format_that_is_written_otherwise_gets_a_suggestion(
    folder: Folder, written: str, near: str
) -> None:
    done = folder.run("plan", "-o", written)
    assert (done.code, done.out) == (1, "")
    assert f"Did you mean `{near}`?" in done.words


def test_a_format_that_is_near_to_none_gets_no_suggestion(folder: Folder) -> None:
    assert "Did you mean" not in folder.run("plan", "-o", "xyz").words
