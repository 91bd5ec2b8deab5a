"""`ftops init`: what it writes, what it asks on a terminal, and that it writes all of it or nothing."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from ftops.cli import starters
from tests.golden.cli import Folder
from tests.support.command import FTOPS

CREATED = ["ftops.yaml", "data/train.jsonl", "ask.py", "README.md", "ftops.schema.json", ".gitignore"]


def test_what_init_writes_can_be_planned(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    out = here.ok("init", "my specs")
    assert out.splitlines()[:6] == [f"Created my specs/{name}" for name in CREATED]
    assert "ftops plan 'my specs'" in out
    assert "declares 1 dataset, 1 deployment, 1 job" in here.ok("validate", "my specs")
    assert "Plan: 3 to create" in here.ok("plan", "my specs")
    assert here.ok("fmt", "--check", "my specs") == ""


ANSWERS = {"functions": 'set_light({"room": "office", "on": true})', "reinforcement": '{"queue": "returns"}'}
TEMPLATES = {"quickstart": 3, "sweep": 6, "dpo": 3, "functions": 4, "reinforcement": 4, "open-model": 3}


def spec_in(folder: Path) -> str:
    return (folder / "ftops.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("environ", "question", "reason"),
    [
        ({}, "Hello", "not set: AZURE_OPENAI_ENDPOINT, OPENAI_API_VERSION; run it as: ftops exec -- "),
        ({"OPENAI_API_VERSION": "v1"}, "Hello", "not set: AZURE_OPENAI_ENDPOINT; run it as: ftops exec -- "),
        (
            {
                "OPENAI_API_VERSION": "2024-10-21",
                "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:9",
                "AZURE_OPENAI_API_KEY": "k",
            },
            "\udcff",
            "Connection error.",
        ),
    ],
    ids=["alone", "no endpoint", "not UTF-8"],
)
def test_the_program_that_asks_says_what_is_wrong(
    tmp_path: Path, environ: Mapping[str, str], question: str, reason: str
) -> None:
    Folder(tmp_path).ok("init", "-y")
    done = subprocess.run(
        [sys.executable, "ask.py", question],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"ask.py: {reason}")


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_template_goes_from_plan_to_destroy_on_the_emulator(
    tmp_path: Path, template: str, capfd: pytest.CaptureFixture[str]
) -> None:
    here = Folder(tmp_path)
    here.ok("init", "--template", template)
    assert f"Plan: {TEMPLATES[template]} to create" in here.ok("plan")
    assert here.ok("fmt", "--check") == ""
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert not re.search(r"\b(NAME|ABOUT|STEPS|OUTPUTS|RESULTS|DATA|AZURE|NOTE|ASK|PROGRAM)\b", readme)
    here.ok("apply", "-y")
    assert "No changes" in here.ok("plan")
    (results,) = re.findall(r"^ftops (results job\.\S+)", readme, re.MULTILINE)
    assert re.search("[Bb]est|Final checkpoint", here.ok(*results.split()))
    asked = re.findall(r"^ftops exec -- (ask.py) (\".*\")$", readme, re.MULTILINE)
    assert bool(asked) is (tmp_path / "ask.py").exists() is ("\ndeployments:" in spec_in(tmp_path))
    assert ("# upload, train, deploy\n" in readme) is ("model and the deployment\n" in readme) is bool(asked)
    for script, question in asked:
        here.ok("exec", "--", script, question)
        assert capfd.readouterr().out.startswith(ANSWERS.get(template, ""))
    here.ok("destroy", "-y")
    assert here.ok("state", "list") == ""


def test_the_program_says_what_to_do_if_its_python_has_no_openai_package(tmp_path: Path) -> None:
    Folder(tmp_path).ok("init")
    bare = [sys.executable, "-I", "-S", str(tmp_path / "ask.py"), "Hello"]  # without installed packages
    done = subprocess.run(bare, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{sys.executable} has no openai package" in done.stderr
    assert f"\n  ftops exec -- {tmp_path}/ask.py QUESTION\n" in done.stderr
    assert f"\n  {sys.executable} -m pip install openai azure-identity\n" in done.stderr


@pytest.mark.parametrize("template", [*TEMPLATES, "azure"])
def test_each_template_goes_on_with_an_account(tmp_path: Path, template: str) -> None:
    here = Folder(tmp_path)
    here.ok("init", "--template", template, "--endpoint", "contoso", "--resource-group", "rg-models")
    environ = {"AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000"}
    assert here.run("validate", "--env", "prod", environ=environ).code == 0
    spec = (tmp_path / "ftops.yaml").read_text(encoding="utf-8")
    assert "endpoint: https://contoso.openai.azure.com/" in spec and "resource_group: rg-models" in spec
    assert here.ok("fmt", "--check") == ""


def test_a_spec_with_environments_is_tried_in_dev(tmp_path: Path) -> None:
    """What "Next" and the README say creates no third environment, which would block the others."""
    here = Folder(tmp_path)
    for argv in (("--template", "azure", "one"), ("--endpoint", "contoso", "other")):
        out = here.ok("init", "-y", *argv)
        name = argv[-1]
        assert f"  ftops plan {name} --env dev " in out and f"  ftops apply {name} --env dev " in out
        readme = (tmp_path / name / "README.md").read_text(encoding="utf-8")
        commands = re.findall(r"ftops (?:plan|apply|destroy|output|results \S+)(?!\S)(.{11})", readme)
        assert len(commands) > 6 and all(re.match(r"`?$| --env (dev|prod)", one) for one in commands)
        head = (tmp_path / name / "ftops.yaml").read_text(encoding="utf-8").partition("datasets:")[0]
        assert "# With `--env dev`, `ftops plan` and `ftops apply` use the built-in emulator" in head
    assert "--env dev" not in here.ok("init", "-y", "plain")
    assert "--env dev" not in (tmp_path / "plain" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["null", "true", "no", "on", "y", "123", "2024-01-01", "1e3", "~"])
def test_init_in_a_folder_whose_name_is_no_text_in_yaml(tmp_path: Path, name: str) -> None:
    here = Folder(tmp_path)
    here.ok("init", "-y", name)
    assert "declares 1 dataset" in here.ok("validate", name)
    assert here.ok("fmt", "--check", name) == ""
    text = (tmp_path / name / "ftops.yaml").read_text(encoding="utf-8")
    assert type(yaml.safe_load(text)["ftops"]["name"]) is str


def test_init_in_a_folder_whose_name_has_control_characters(tmp_path: Path) -> None:
    out = Folder(tmp_path).ok("init", "-y", "a\x1b[31mb\nc")
    assert "\x1b" not in out and "Created a\\x1b[31mb\\nc/ftops.yaml\n" in out
    assert "ftops plan $'a\\x1b[31mb\\x0ac'" in out


def test_init_in_a_folder_whose_name_looks_like_an_option(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    assert "  ftops plan ./-rf  " in here.ok("init", "-y", "--", "-rf")
    assert "declares 1 dataset" in here.ok("validate", "./-rf")


def test_a_placeholder_is_said_to_be_one(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    (last,) = (
        line for line in here.ok("init", "-y", "--template", "azure", "one").splitlines() if "prod" in line
    )
    assert "`acme` and `rg-ai` in ftops.yaml are placeholders, replace them" in last
    assert "endpoint: https://acme.openai" in spec_in(tmp_path / "one") and "account: acme\n" in spec_in(
        tmp_path / "one"
    )
    rest = here.ok("init", "-y", "--template", "azure", "--endpoint", "contoso", "other")
    assert "`rg-ai` in ftops.yaml is a placeholder for its resource group, replace it" in rest
    words = ("--endpoint", "contoso", "--resource-group", "rg")
    assert "placeholder" not in here.ok("init", "-y", "--template", "azure", *words, "third")


def test_the_help_describes_each_template(tmp_path: Path) -> None:
    told = " ".join(Folder(tmp_path).ok("init", "--help").split())
    for name, template in starters.TEMPLATES.items():
        assert f"{name} {template.about}" in told


def test_the_spec_names_the_schema_beside_it(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.ok("init")
    first = (tmp_path / "ftops.yaml").read_text(encoding="utf-8").partition("\n")[0]
    name = first.removeprefix("# yaml-language-server: $schema=")
    assert json.loads((tmp_path / name).read_text(encoding="utf-8")) == json.loads(here.ok("schema"))


# init on a terminal


def asked(tmp_path: Path, answers: Sequence[str], *argv: str) -> tuple[int, str]:
    """The exit code, and what a terminal shows if these are the answers. A question ends in `: `."""
    master, slave = os.openpty()
    process = subprocess.Popen(
        [*FTOPS, "init", *argv],
        cwd=tmp_path,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is a signal
    )
    os.close(slave)
    shown, left = "", list(answers)
    with contextlib.suppress(OSError):  # the terminal has closed
        while chunk := os.read(master, 10_000):
            shown += re.sub(r"\x1b\[[0-9;]*m", "", chunk.decode())
            if left and shown.endswith(": "):
                os.write(master, left.pop(0).encode())
    os.close(master)
    return process.wait(60), shown


def test_init_asks_on_a_terminal(tmp_path: Path) -> None:
    code, shown = asked(tmp_path, ["\n", "9\n", "functions\n", "http:\n", "contoso\n", "a/b\n", "\n"])
    assert code == 0, shown
    assert "What do you want to start from?" in shown and "There is no `9`" in shown
    assert "error: `http:` isn't the URL or the name of an account" in shown
    assert "a/b isn't the name of a resource group" in shown
    assert "`rg-ai` in ftops.yaml is a placeholder for its resource group" in " ".join(shown.split())
    spec = (tmp_path / "ftops.yaml").read_text(encoding="utf-8")
    assert (
        "https://contoso.openai.azure.com/" in spec and "resource_group: rg-ai" in spec and "job.home" in spec
    )


def test_init_with_all_the_usual_answers(tmp_path: Path) -> None:
    code, shown = asked(tmp_path, ["\n", "\n", "\n"])
    assert code == 0, shown
    assert "# providers:" in (tmp_path / "ftops.yaml").read_text(encoding="utf-8")
    code, shown = asked(tmp_path, ["\n", "\n", "\n"])  # beside that one
    assert code == 0 and "Created my-spec/ftops.yaml" in shown, shown


@pytest.mark.parametrize("argv", ["-y", "--no-input", "--template=dpo", "-o=json"])
def test_init_asks_nothing_if_all_is_given(tmp_path: Path, argv: str) -> None:
    code, shown = asked(tmp_path, [], *argv.split("="))
    assert code == 0, shown
    assert (tmp_path / "ftops.yaml").exists() and "start from?" not in shown


@pytest.mark.parametrize(
    ("answers", "code"),
    [(["\x03"], 130), (["\x04"], 1), (["\n", "1\n", "\x03"], 130)],
    ids=["first", "end", "later"],
)
def test_init_that_is_stopped_writes_nothing(tmp_path: Path, answers: list[str], code: int) -> None:
    assert asked(tmp_path, answers)[0] == code
    assert list(tmp_path.iterdir()) == []


def test_init_removes_what_it_wrote_if_it_can_not_go_on(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.write("data", "a file")
    done = here.run("init")
    assert done.code == 1 and "error: can't write data/train.jsonl" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_init_beside_files_of_other_tools(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.write("docker-compose.yml", "services: {}\n")
    here.write("README.md", "mine\n")
    assert "README.md" not in here.ok("init")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine\n"
    assert "Valid: " in here.ok("validate")


def test_the_template_for_azure_has_two_environments(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.ok("init", "--template", "azure")
    assert "Plan: 3 to create" in here.ok("plan", "--env", "dev")
    environ = {"AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000"}
    assert here.run("validate", "--env", "prod", environ=environ).code == 0
    wrong = here.run("init", "--template", "swep", "other")
    assert wrong.code == 1 and "is not one of 'quickstart', 'azure', 'functions'" in wrong.err
    assert "hint: Did you mean `sweep`?" in wrong.err


def test_what_init_leaves_commented_out_can_be_planned_too(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.ok("init")
    spec = (tmp_path / "ftops.yaml").read_text(encoding="utf-8")
    head, mark, tail = spec.partition("#\n# providers:")
    assert mark
    here.write("ftops.yaml", head + "\n".join(line[2:] for line in f"{mark}{tail}".splitlines()) + "\n")
    assert "Plan: 3 to create" in here.ok("plan", "--offline")
    assert "Plan: 3 to create" in here.ok("plan", "--offline", "--env", "dev")
    environ = {"AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000"}
    assert here.run("validate", "--env", "prod", environ=environ).code == 0


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    created = here.run("init", "-o", "json").json["created"]
    assert created == CREATED
    before = (tmp_path / "ftops.yaml").read_text()
    done = here.run("init")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: ftops.yaml already exists\n")
    assert (tmp_path / "ftops.yaml").read_text() == before


@pytest.mark.parametrize("name", ["other.yaml", "other.yml", "data/train.jsonl"])
def test_init_writes_beside_nothing(tmp_path: Path, name: str) -> None:
    here = Folder(tmp_path)
    here.write(name, "jobs: {}\n")
    assert here.run("init").code == 1
    assert not (tmp_path / "ftops.yaml").exists()


def test_what_init_ignores_is_what_ftops_keeps(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    here.ok("init")
    here.ok("apply", "-y")
    assert (tmp_path / "state" / tmp_path.name.replace("_", "-")).is_dir()
    said = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    files = [".gitignore", "README.md", "ask.py", "data/train.jsonl", "ftops.schema.json", "ftops.yaml"]
    assert said.stdout.split() == [word for file in files for word in ("??", file)]


@pytest.mark.parametrize("kind", ["file", "link", "link to nothing", "folder", "project around it"])
def test_init_leaves_a_gitignore_as_it_is(tmp_path: Path, kind: str) -> None:
    here, other = Folder(tmp_path / "here"), tmp_path / "other"
    own = here.path / ".gitignore"
    here.path.mkdir()
    match kind:
        case "file":
            own.write_text("mine\n")
        case "link":
            other.write_text("mine\n")
            own.symlink_to(other)
        case "link to nothing":
            own.symlink_to(other)
        case "folder":
            own.mkdir()
        case _:
            (tmp_path / ".git").mkdir()
    there = own.is_symlink() or own.exists()
    done = here.run("init")
    assert done.code == 0
    assert ("Create" if kind == "project around it" else "Add") + " " in done.out
    assert "`.ftops/` and `/state/`" in done.out
    assert "Created .gitignore" not in done.out
    assert (own.is_symlink() or own.exists()) is there
    assert kind not in ("file", "link") or own.read_text() == "mine\n"
    assert kind != "link to nothing" or not other.exists()


def test_nothing_is_to_be_added_to_a_gitignore_that_has_the_lines(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.write(".gitignore", "*.pyc\n/.ftops\nstate/\n")
    assert ".gitignore" not in here.ok("init")


def test_init_where_no_folder_can_be(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.write("file", "x")
    done = here.run("init", "file/folder")
    assert done.code == 1
    assert done.err.startswith("error: can't write file/folder/ftops.yaml: ")


@pytest.mark.parametrize("name", ["a" * 300, "loop"], ids=["too long", "loop"])
def test_init_where_no_folder_can_be_looked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    done = Folder(tmp_path).run("init", "-y", name)
    assert done.code == 1
    assert done.err.startswith(f"error: can't write {name}: ")
    assert "hint: Choose another folder" in done.err


def test_each_name_of_an_account_is_written_once(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.ok("init", "--template", "azure", "--endpoint", "myorg-ai", "--resource-group", "rg-ml")
    spec = (tmp_path / "ftops.yaml").read_text(encoding="utf-8")
    assert "endpoint: https://myorg-ai.openai.azure.com/\n" in spec
    assert "account: myorg-ai\n" in spec and "resource_group: rg-ml\n" in spec


@pytest.mark.parametrize("group", ["rg: {x}\n    evil: y #", "a: b", "#x", "ends.", "x" * 91])
def test_what_is_no_name_of_a_resource_group_is_refused(tmp_path: Path, group: str) -> None:
    done = Folder(tmp_path).run("init", "--endpoint", "contoso", "--resource-group", group)
    assert done.code == 1 and "isn't the name of a resource group" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("contoso", "https://contoso.openai.azure.com/"),
        ("https://contoso.openai.azure.com", "https://contoso.openai.azure.com/"),
        ("https://contoso.openai.azure.com/openai/v1/", "https://contoso.openai.azure.com/"),
        (
            "https://contoso.openai.azure.com/openai/deployments/a?api-version=1",
            "https://contoso.openai.azure.com/",
        ),
        (
            "https://contoso.services.ai.azure.com/api/projects/p/openai/v1",
            "https://contoso.services.ai.azure.com/api/projects/p",
        ),
        (
            "https://contoso.openai.azure.com/api/projects/p",
            "Write https://contoso.services.ai.azure.com/api/",
        ),
        ("https://contoso.openai.azure.com/models", "the endpoint has a path that the service doesn't have"),
        ("https://contoso.openai.azure.com/?a=b", "Write https://contoso.openai.azure.com/\n"),
        ("https://contoso", "`https://contoso` isn't the URL or the name of an account"),
    ],
)
def test_an_endpoint_is_taken_without_the_paths_that_ftops_adds(
    tmp_path: Path, given: str, taken: str
) -> None:
    done = Folder(tmp_path).run("init", "--endpoint", given)
    if done.code:
        assert taken in done.err and not (tmp_path / "ftops.yaml").exists()
    else:
        assert f"    endpoint: {taken}\n" in spec_in(tmp_path) and f"your account: {taken};" in done.out
