"""Every command but plan and apply: what it prints in text and in JSON, and its exit code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ftops import __version__
from ftops.cli.command_table import COMMANDS
from tests.golden.cli import SPEC, Folder, golden, stable
from tests.support.command import FTOPS, run


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path)


@pytest.fixture
def applied(folder: Folder) -> Folder:
    folder.ok("apply", "-y")
    return folder


def test_a_plan_writes_nothing_beside_the_state(folder: Folder) -> None:
    folder.ok("plan")
    assert not (folder.path / "state").exists()
    assert (folder.path / ".ftops" / ".gitignore").exists()


# validate


def test_validate(folder: Folder) -> None:
    assert folder.ok("validate") == "Valid: drone declares 2 datasets, 2 deployments, 1 job.\n"
    assert folder.run("validate", "-o", "json").json == {
        "format_version": 1,
        "valid": True,
        "spec": "drone",
        "resources": {"dataset": 2, "deployment": 2, "job": 1},
        "exit_code": 0,
        "diagnostics": [],
        "left_out": [],
    }


def test_validate_shows_every_error(folder: Folder) -> None:
    folder.edit("    suffix: copilot", "    sufix: copilot\n    seeed: 1")
    done = folder.run("validate")
    assert (done.code, done.out) == (1, "")
    golden("validate-errors", done.err)
    document = folder.run("validate", "-o", "json").json
    assert document["valid"] is False
    assert [d["place"]["line"] for d in document["diagnostics"]] == [23, 24]


def test_validate_shows_errors_in_data(folder: Folder) -> None:
    folder.write("data/train.jsonl", '{"messages": [{"role": "user", "content": "hi"}]}\n' * 2 + "{]\n")
    done = folder.run("validate")
    assert done.code == 1
    golden("validate-data", done.err)


def test_validate_shows_a_circle(folder: Folder) -> None:
    folder.edit("gpt-4o-mini-2024-07-18\n    training", "${job.b.fine_tuned_model}\n    training")
    folder.edit(
        "\ndeployments:",
        "  b: {model: '${job.copilot.fine_tuned_model}', training: train}\n\ndeployments:",
    )
    done = folder.run("validate")
    assert done.code == 1
    golden("validate-circle", done.err)


# show, state, output


def test_show(applied: Folder) -> None:
    golden("show", applied.ok("show"))
    document = applied.run("show", "-o", "json").json
    assert {r["address"] for r in document["resources"]} == {
        "dataset.train", "dataset.valid", "deployment.base", "deployment.copilot", "job.copilot",
    }  # fmt: skip
    assert document["outputs"]["name"] == "copilot"
    assert (document["spec"], document["environment"]) == ("drone", "default")


def test_show_before_anything_exists(folder: Folder) -> None:
    assert folder.ok("show") == "The state of drone is empty.\n"
    assert folder.run("show", "-o", "json").json["resources"] == []


def test_state_list(applied: Folder) -> None:
    listed = applied.ok("state", "list").split()
    assert listed == [
        "dataset.train", "dataset.valid", "deployment.base", "deployment.copilot", "job.copilot",
    ]  # fmt: skip
    document = applied.run("state", "list", "-o", "json").json
    assert [r["address"] for r in document["resources"]] == listed
    assert set(document["resources"][0]) == {"address", "status", "remote_id", "provider"}


def test_state_show(applied: Folder) -> None:
    golden("state-show", applied.ok("state", "show", "job.copilot"))
    document = applied.run("state", "show", "job.copilot", "-o", "json").json
    assert document["resource"]["status"] == "ready"


def test_state_show_of_what_is_not_there(applied: Folder) -> None:
    done = applied.run("state", "show", "job.copilt")
    assert done.code == 1
    assert done.err == "error: job.copilt is not recorded\n  hint: Did you mean `job.copilot`?\n\n"


def test_outputs(applied: Folder) -> None:
    assert stable(applied.ok("output")) == ('model = "gpt-4o-mini-2024-07-18.ft-<id 1>"\nname  = "copilot"\n')
    assert applied.ok("output", "name") == '"copilot"\n'
    assert applied.ok("output", "--raw", "name") == "copilot\n"
    assert applied.run("output", "-o", "json").json["outputs"]["name"]["value"] == "copilot"
    assert applied.run("output", "name", "-o", "json").json == {
        "format_version": 1, "name": "name", "value": "copilot", "sensitive": False, "known": True,
    }  # fmt: skip


def test_a_sensitive_output_is_known_and_hidden(folder: Folder) -> None:
    folder.edit(
        "  name: ${deployment.copilot.name}", "  name: {value: '${deployment.copilot.name}', sensitive: true}"
    )
    hidden = {"value": None, "sensitive": True}
    assert folder.run("output", "-o", "json").json["outputs"]["name"] == {**hidden, "known": False}
    folder.ok("apply", "-y")
    assert folder.run("output", "-o", "json").json["outputs"]["name"] == {**hidden, "known": True}


def test_outputs_of_a_spec_elsewhere(applied: Folder) -> None:
    elsewhere = Folder(applied.path / "data")
    everything = applied.ok("output")
    for arguments in (("..",), ("../ftops.yaml",), ("-C", "..")):
        assert elsewhere.ok("output", *arguments) == everything
    assert elsewhere.ok("output", "name", "..") == '"copilot"\n'
    assert Folder(applied.path.parent).ok("output", applied.path.name) == everything


def test_outputs_that_cannot_be_shown(folder: Folder) -> None:
    assert "(known after apply: deployment.copilot.name)" in folder.ok("output")
    assert folder.run("output", "-o", "json").json["outputs"]["name"]["value"] is None
    for arguments in (("name",), ("--raw", "name")):
        done = folder.run("output", *arguments)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("error: the output `name` has no value yet\n")
    done = folder.run("output", "nam")
    assert (done.code, done.err) == (1, "error: there is no output `nam`\n  hint: Did you mean `name`?\n\n")
    assert folder.run("output", "--raw").code == 1
    folder.write("ftops.yaml", SPEC.partition("\noutputs:")[0])
    assert folder.run("output").err == "The spec declares no outputs.\n"


def test_outputs_are_what_the_last_apply_recorded(applied: Folder) -> None:
    before = applied.ok("output")
    applied.edit("  name: ${deployment.copilot.name}", "  name: other\n  new: 7")
    assert applied.ok("output") == before + "new   = 7\n"
    assert applied.ok("output", "--raw", "name") == "copilot\n"
    applied.edit("  name: other", "  name: {value: other, sensitive: true}")
    assert "(sensitive)" in applied.ok("output")
    assert applied.ok("output", "--raw", "name") == "other\n"


def test_a_sensitive_output_is_shown_only_when_it_is_asked_for(folder: Folder) -> None:
    folder.edit("outputs:\n", "outputs:\n  secret: key-${env.KEY}\n")
    environ = {"KEY": "hunter2"}
    assert folder.run("apply", "-y", environ=environ).code == 0
    for arguments in ((), ("secret",), ("-o", "json"), ("secret", "-o", "json")):
        done = folder.run("output", *arguments, environ=environ)
        assert done.code == 0
        assert "hunter2" not in done.out
    assert "(sensitive" in folder.run("output", environ=environ).out
    assert folder.run("output", "--raw", "secret", environ=environ).out == "key-hunter2\n"


# graph, fmt, schema


@pytest.mark.parametrize("form", ["text", "mermaid", "dot"])
def test_graph(folder: Folder, form: str) -> None:
    golden(f"graph-{form}", folder.ok("graph", "--format", form))


def test_graph_in_json(folder: Folder) -> None:
    document = folder.run("graph", "-o", "json").json
    assert len(document["nodes"]) == 5
    assert {"from": "job.copilot", "to": "dataset.train"} in document["edges"]


UGLY = SPEC.replace("  train: {path: data/train.jsonl}", "    train:   {path: data/train.jsonl}").replace(
    "  valid: {", "    valid: {"
)


def test_fmt(folder: Folder) -> None:
    folder.write("ftops.yaml", UGLY)
    link = folder.path / "sub"
    link.mkdir()
    assert folder.ok("fmt") == "ftops.yaml\n"
    assert (folder.path / "ftops.yaml").read_text() == SPEC
    assert folder.ok("fmt") == ""


def test_fmt_only_looks_with_check(folder: Folder) -> None:
    folder.write("ftops.yaml", UGLY)
    done = folder.run("fmt", "--check", "--diff")
    assert done.code == 1
    golden("fmt-diff", done.out)
    document = folder.run("fmt", "--check", "-o", "json")
    assert document.code == 1
    assert document.json["changed"] == [{"file": "ftops.yaml"}]
    assert (folder.path / "ftops.yaml").read_text() == UGLY


def test_fmt_keeps_mode_and_links(folder: Folder) -> None:
    real = folder.path / "real.txt"
    real.write_text(UGLY)
    real.chmod(0o640)
    (folder.path / "ftops.yaml").unlink()
    (folder.path / "ftops.yaml").symlink_to(real)
    folder.ok("fmt", "ftops.yaml")
    assert (folder.path / "ftops.yaml").is_symlink()
    assert real.read_text() == SPEC
    assert real.stat().st_mode & 0o777 == 0o640


def test_fmt_of_standard_input(folder: Folder) -> None:
    assert folder.run("fmt", "-", stdin=UGLY).out == SPEC
    assert folder.run("fmt", "--check", "-", stdin=UGLY).code == 1
    assert folder.run("fmt", "--check", "-", stdin=SPEC).code == 0


def test_fmt_refuses_what_it_cannot_read(folder: Folder) -> None:
    folder.write("broken.yaml", "a: [\n")
    done = folder.run("fmt")
    assert done.code == 1
    assert "broken.yaml" in done.err
    assert folder.run("fmt", "nowhere").err.startswith("error: can't read nowhere: no such file or folder\n")
    (folder.path / "latin.yaml").write_bytes(b"a: \xe9\n")
    assert folder.run("fmt", "latin.yaml").code == 1


def test_schema(folder: Folder) -> None:
    assert folder.run("schema").json["$schema"].startswith("https://json-schema.org/")


# docs, version, help, completion, emulator


def test_docs(folder: Folder) -> None:
    assert "\nrecipes/sweep          Sweep, and deploy the best\n" in folder.ok("docs")
    for name in ("state", "docs/state.md", "state.md#where"):
        assert folder.ok("docs", name).startswith("# State\n")
    assert "hint: Did you mean `ftops docs state`?" in folder.run("docs", "stat").err


@pytest.mark.parametrize(
    ("pager", "options", "has_colors"),
    [("less", None, True), ("less", "-S", False), ("less", "-iR", True), ("more", None, False)],
)
def test_a_pager_gets_colours_if_it_shows_them(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, pager: str, options: str | None, has_colors: bool
) -> None:
    monkeypatch.delenv("LESS", raising=False)
    folder.write(pager, '#!/bin/sh\n{ echo "$LESS"; cat; } > shown\n')
    (folder.path / pager).chmod(0o755)
    path = f"{folder.path}{os.pathsep}{os.environ['PATH']}"
    environ = {"TERM": "xterm", "PATH": path, "PAGER": pager} | ({"LESS": options} if options else {})
    ours, theirs = os.openpty()
    try:
        run([*FTOPS, "docs", "install"], folder.path, environ, stdin=theirs, stdout=theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    given, _, text = (folder.path / "shown").read_text("utf-8").partition("\n")
    assert given == (options or "-FRX")
    assert ("\x1b[" in text) is has_colors and "Install" in text


@pytest.mark.parametrize("argv", [("version",), ("--version",), ("-V",), ("version", "--no-color")])
def test_version(folder: Folder, argv: tuple[str, ...]) -> None:
    assert folder.ok(*argv) == f"ftops {__version__}\n"


@pytest.mark.parametrize("argv", [("version", "-o", "json"), ("-o", "json", "--version")])
def test_version_in_json(folder: Folder, argv: tuple[str, ...]) -> None:
    assert folder.run(*argv).json == {"format_version": 1, "version": __version__}


@pytest.mark.parametrize("name", [n for n in COMMANDS if n != "emulator"])
def test_help_of_every_command(folder: Folder, name: str) -> None:
    out = folder.ok(name, "--help")
    assert out.startswith(f"Usage: ftops {name}")
    assert folder.ok("help", name) == out
    assert folder.ok(name, "-h") == out


@pytest.mark.parametrize("name", ["plan", "apply", "destroy", "promote", "rollback", "import", "eval"])
def test_help_of_many_options_has_examples_and_a_heading_for_each(folder: Folder, name: str) -> None:
    out = folder.ok(name, "--help")
    assert f"\nExamples:\n  ftops {name} " in out.replace(f"ftops {name}\n", f"ftops {name} \n")
    assert "\nSpec:\n" in out and "\nOutput:\n" in out and "ptions:\n" not in out


@pytest.mark.parametrize("argv", [(), ("--help",), ("help",)])
def test_help(folder: Folder, argv: tuple[str, ...]) -> None:
    out = folder.ok(*argv)
    assert all(f"  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("group", ["data", "state"])
@pytest.mark.parametrize("options", [(), ("--no-color",), ("-o", "json")])
def test_a_group_without_a_command_shows_its_help(
    folder: Folder, group: str, options: tuple[str, ...]
) -> None:
    assert folder.ok(group, *options) == folder.ok(group, "--help")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(folder: Folder, shell: str) -> None:
    script = folder.ok("completion", shell)
    assert "_FTOPS_COMPLETE" in script
    assert 'split ","' not in script and "($value)" not in script  # a key may have commas and brackets
    document = folder.run("completion", shell, "-o", "json").json
    assert document == {"format_version": 1, "shell": shell, "script": script[:-1]}


@pytest.mark.parametrize("argv", [("state", "-o", "json", "list"), ("-o", "json", "state", "list")])
def test_options_of_every_command_may_stand_before_it(applied: Folder, argv: tuple[str, ...]) -> None:
    assert applied.run(*argv).json == applied.run("state", "list", "-o", "json").json


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ftops pl", ["plan"]),
        ("ftops --no", ["--no-color"]),
        ("ftops plan --detailed", ["--detailed-exitcode"]),
        ("ftops state show job.", ["job.copilot"]),
        ("ftops state rm job.copilot dep", ["deployment.base", "deployment.copilot"]),
        ("ftops state re", ["replace-provider", "restore"]),
        ("ftops plan --target dep", ["deployment.base", "deployment.copilot"]),
        ("ftops -C data plan -C .. --target job", ["job.copilot"]),
        ("ftops plan --env nowhere --target job", []),
        ("ftops graph --format m", ["mermaid"]),
        ("ftops apply --override-gate d", ["deployment.base", "deployment.copilot"]),
        ("ftops apply --override-gate j", []),
        ("ftops eval j", []),
        ("ftops eval --deployment c", ["copilot"]),
        ("ftops eval --deployment copilot --against b", ["base"]),
        ("ftops results job.", ["job.copilot"]),
        ("ftops jobs j", ["job.copilot"]),
        ("ftops logs j", ["job.copilot"]),
        ("ftops data generate . t", ["train"]),
    ],
)
def test_completions(folder: Folder, words: str, expected: list[str]) -> None:
    environ = {
        "_FTOPS_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = folder.run(environ=environ)
    assert done.err == ""
    assert [line.partition(",")[2] for line in done.out.split()] == expected


@pytest.mark.parametrize(
    ("shell", "word", "expected"),
    [
        ("bash", "job.a", ["job.alone"]),
        ("bash", "job", ["'job.alone'", """'job.s["n=1,m=2"]'""", """'job.s["n=2,m=2"]'"""]),
        ("bash", """'job.s["n=1""", ['job.s["n=1,m=2"]']),
        ("bash", r""""job.s[\"n=1""", [r"job.s[\"n=1,m=2\"]"]),
        ("fish", r"job.s\[\"n=1", ['job.s["n=1,m=2"]']),
    ],
    ids=["plain", "mixed", "single quotes", "double quotes", "fish"],
)
def test_completions_of_keys_have_the_quotes_that_the_shell_needs(
    tmp_path: Path, shell: str, word: str, expected: list[str]
) -> None:
    here = Folder(tmp_path)
    jobs = "alone: {model: m, training: d}, s: {for_each: ['n=1,m=2', 'n=2,m=2'], model: m, training: d}"
    here.write("ftops.yaml", f"datasets: {{d: {{path: d.jsonl}}}}\njobs: {{{jobs}}}\n")
    at = word if shell == "fish" else "2"
    environ = {
        "_FTOPS_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": f"ftops\nresults\n{word}",
        "COMP_CWORD": at,
    }
    assert [line.partition(",")[2] for line in here.run(environ=environ).out.splitlines()] == expected


def test_the_emulator_has_a_command_line_of_its_own(folder: Folder) -> None:
    done = folder.process("emulator", "--help")
    assert done.code == 0
    assert "usage: ftops emulator" in done.out


def test_every_document_has_a_version(applied: Folder) -> None:
    commands: dict[str, tuple[str, ...]] = {
        name: (name,) for name in ("validate", "plan", "show", "output", "graph", "version", "fmt")
    }
    commands["state list"] = ("state", "list")
    commands["state show"] = ("state", "show", "job.copilot")
    for name, command in commands.items():
        done = applied.run(*command, "-o", "json")
        document: dict[str, Any] = json.loads(done.out)
        assert (done.code, done.err, document["format_version"]) == (0, "", 1), name
