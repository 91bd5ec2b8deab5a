"""Wrong usage, broken pipes, full disks, colours, bugs: how the command line takes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ftops.cli.command_table import COMMANDS, Row
from tests.golden.cli import Folder, golden
from tests.support.command import FTOPS, run

WRONG: dict[str, tuple[tuple[str, ...], str, str]] = {
    "unknown command": (("plna",), "unknown command `plna`", "Did you mean `plan`? See `ftops --help`."),
    "unknown option": (
        ("plan", "--detailed-exit"),
        "unknown option `--detailed-exit`",
        "Did you mean `--detailed-exitcode`? See `ftops plan --help`.",
    ),
    "unknown option of the root": (("--bad",), "unknown option `--bad`", "See `ftops --help`"),
    "not an address": (
        ("plan", "--target", "copilot"),
        "invalid value for '--target': 'copilot' is not an address such as job.copilot",
        "Write dataset.copilot, job.copilot, evaluation.copilot or deployment.copilot. See\n"
        "        `ftops plan --help`.",
    ),
    "a job without its kind": (
        ("job", "pause", "copilot"),
        "invalid value for 'ADDRESS': 'copilot' is not an address such as job.copilot",
        "Write job.copilot. See `ftops job pause --help`.",
    ),
    "quotes that the shell took": (
        ("plan", "--target", "job.a[fr]"),
        "invalid value for '--target': 'job.a[fr]' is not an address such as job.copilot",
        "The shell removed the quotes: write 'job.a[\"fr\"]'. See `ftops plan --help`.",
    ),
    "unknown form of output": (
        ("plan", "-o", "xml"),
        "invalid value for '-o' / '--output': 'xml' is not one of 'text', 'json', "
        "'markdown', 'github', 'gitlab', 'sarif', 'junit', 'concise', 'gitlab-terraform'",
        "See `ftops plan --help`",
    ),
    "option without value": (
        ("plan", "--env"),
        "option '--env' requires an argument",
        "See `ftops plan --help`",
    ),
    "no number": (
        ("plan", "--parallelism", "many"),
        "invalid value for '--parallelism': 'many' is not a valid integer range",
        "See `ftops plan --help`",
    ),
    "two specs": (("plan", "a", "b"), "got unexpected extra argument (b)", "See `ftops plan --help`"),
    "modes that exclude each other": (
        ("plan", "--destroy", "--refresh-only"),
        "--destroy and --refresh-only can't be combined",
        "See `ftops plan --help`",
    ),
    "refresh only without refresh": (
        ("apply", "--refresh-only", "--no-refresh"),
        "--refresh-only can't be combined with --no-refresh or --offline",
        "See `ftops apply --help`",
    ),
    "no address": (
        ("state", "show"),
        "missing argument 'ADDRESS'",
        "Write one, such as job.NAME. See `ftops state show --help`.",
    ),
    "unknown subcommand": (
        ("state", "lst"),
        "unknown command `lst`",
        "Did you mean `list`? See `ftops state --help`.",
    ),
    "no folder": (
        ("plan", "-C", "nowhere"),
        "can't change to nowhere: No such file or directory",
        "See `ftops plan --help`",
    ),
    "raw without name": (
        ("output", "--raw"),
        "--raw needs the name of an output",
        "See `ftops output --help`",
    ),
    "empty environment": (
        ("plan", "--env", ""),
        "the value of `--env` is empty",
        "Is the shell variable set? See `ftops plan --help`.",
    ),
    "empty environment after an equals sign": (
        ("apply", "-y", "--env="),
        "the value of `--env` is empty",
        "Is the shell variable set? See `ftops apply --help`.",
    ),
    "empty file for the plan": (
        ("plan", "--out", ""),
        "the value of `--out` is empty",
        "Is the shell variable set? See `ftops plan --help`.",
    ),
    "empty spec": (
        ("destroy", "-y", ""),
        "an argument is empty",
        "Is the shell variable set? See `ftops destroy --help`.",
    ),
    "empty file of variables": (
        ("validate", "--var-file", ""),
        "the value of `--var-file` is empty",
        "Is the shell variable set? See `ftops validate --help`.",
    ),
    "empty option of a subcommand": (
        ("state", "list", "--env", ""),
        "the value of `--env` is empty",
        "Is the shell variable set? See `ftops state list --help`.",
    ),
    "empty option of a command for data": (
        ("data", "check", "--env", "", "a.jsonl"),
        "the value of `--env` is empty",
        "Is the shell variable set? See `ftops data check --help`.",
    ),
    "empty folder to go to": (
        ("-C", "", "plan"),
        "the value of `-C` is empty",
        "Is the shell variable set? See `ftops --help`.",
    ),
    "empty provider": (
        ("exec", "--provider", "", "--", "true", ""),
        "the value of `--provider` is empty",
        "Is the shell variable set? See `ftops exec --help`.",
    ),
    "unknown shell": (
        ("completion", "tcsh"),
        "invalid value for '{bash|zsh|fish}': 'tcsh' is not one of 'bash', 'zsh', 'fish'",
        "See `ftops completion --help`",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_exits_with_1(folder: Folder, name: str) -> None:
    argv, summary, hint = WRONG[name]
    done = folder.run(*argv)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"error: {summary}\n  hint: {hint}\n\n"


@pytest.mark.parametrize(
    ("argv", "events"),
    [
        (("plan", "--bad", "-o", "json"), []),
        (("plan", "-ojson", "--target", "x"), []),
        (("-o", "json", "plna"), []),
        (("state", "show", "--output=json"), []),
        (("apply", "--bad", "--output", "json"), ["diagnostic", "result"]),
    ],
)
def test_wrong_usage_in_json(folder: Folder, argv: tuple[str, ...], events: list[str]) -> None:
    done = folder.run(*argv)
    assert (done.code, done.err) == (1, "")
    if events:
        assert [line["event"] for line in done.lines] == events
    else:
        assert done.json["exit_code"] == 1
        assert [d["severity"] for d in done.json["diagnostics"]] == ["error"]


def test_an_address_that_is_nowhere(folder: Folder) -> None:
    done = folder.run("plan", "--target", "job.copilt")
    assert done.code == 1
    golden("error-no-such-resource", done.err)


def test_no_spec(tmp_path: Path) -> None:
    done = Folder(tmp_path).run("plan")
    assert done.code == 1
    assert "ftops init" in done.err


# colours


def test_colours(folder: Folder) -> None:
    assert "\x1b[" not in folder.run("plan").out
    golden("plan-coloured", folder.run("plan", "--target", "dataset.train", environ={"FORCE_COLOR": "1"}).out)


@pytest.mark.parametrize(
    ("environ", "arguments"),
    [
        ({"FORCE_COLOR": "0"}, ()),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, ()),
        ({"FORCE_COLOR": "1"}, ("--no-color",)),
        ({"FORCE_COLOR": "1"}, ("-o", "json")),
    ],
)
def test_no_colours(folder: Folder, environ: dict[str, str], arguments: tuple[str, ...]) -> None:
    assert "\x1b" not in folder.run("plan", *arguments, environ=environ).out
    folder.edit("seed: 105", "seed: many")
    done = folder.run("plan", *arguments, environ=environ)
    assert "\x1b" not in done.out + done.err


# streams


def shell(folder: Folder, command: str) -> subprocess.CompletedProcess[str]:
    return run(["bash", "-c", command.replace("ftops", " ".join(FTOPS))], folder.path)


@pytest.mark.parametrize(
    ("command", "err"),
    [
        ("ftops plan | head -1", ""),
        ("ftops schema | true", ""),
        ("ftops --help | true", ""),
        ("ftops state | true", ""),
        ("ftops plan >&-", ""),
        ("ftops version >&-", ""),
        ("ftops version | true", ""),
        ("ftops plan 2>&-", ""),
        ("ftops plan >&- 2>&- <&-", ""),
        ("ftops plan > /dev/full", "error: can't write the output: No space left on device"),
    ],
)
def test_streams_that_are_closed_or_full(folder: Folder, command: str, err: str) -> None:
    done = shell(folder, command)
    assert done.stderr.partition("\n")[0] == err
    assert "Traceback" not in done.stderr


def test_letters_that_the_terminal_lacks(folder: Folder) -> None:
    folder.ok("apply", "-y")
    folder.edit("seed: 105", "seed: 106")
    folder.edit("name: ${deployment.copilot.name}", "name: größer")
    done = folder.process("plan", environ={"PYTHONIOENCODING": "ascii"})
    assert done.code == 0
    assert "  -/+ job.copilot  will be replaced\n" in done.out
    assert "~ seed: 105 -> 106  # forces replacement" in done.out
    assert '"gr\\xf6\\xdfer"' in done.out


# bugs


def test_a_bug_is_called_one(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "graph", Row("tests.golden.broken:command", ""))
    done = folder.run("graph")
    assert done.code == 1
    assert done.err.startswith("error: this is a bug in ftops: ZeroDivisionError: ")
    assert "tests/golden/broken.py:" in done.err
    assert "Traceback" not in done.err
    assert "Traceback" in folder.run("graph", environ={"FTOPS_DEBUG": "1"}).err
    document = folder.run("graph", "-o", "json").json
    assert document["diagnostics"][0]["summary"].startswith("this is a bug in ftops")


def test_what_the_system_refuses_is_no_bug(folder: Folder) -> None:
    folder.write("state", "a file where a folder has to be")
    for command in ("plan", "apply"):
        done = folder.run(command, "-y") if command == "apply" else folder.run(command)
        assert done.code in (0, 1)
        assert "bug" not in done.err
