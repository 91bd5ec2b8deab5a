"""Files of variables that lie beside a spec: which of them count, and that no line of one is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.cli import Folder

SPEC = """
variables: {api_key: {type: string, sensitive: true}, cap: {type: integer, default: 1}}
providers: {m: {type: memory}}
deployments: {chat: {model: gpt-4o, sku: {capacity: "${var.cap}"}, tags: {k: "${var.api_key}"}}}
"""
CANARY = "sk-VERYSECRET-0123456789"
KEY = {"FTOPS_VAR_api_key": "x"}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("s/ftops.yaml", SPEC)
    return folder


COMMANDS = (("validate", "s"), ("plan", "s"), ("plan", "s", "-o", "json"), ("destroy", "-y", "s"))
FILES = {
    "all of it": f"api_key: {CANARY}\n",
    "in quotes": f'"api_key": "{CANARY}"\n',
    "with one that is no variable": f"api_key: {CANARY}\ntoken: {CANARY}\n",
    "none of it": f"token: {CANARY}\n",
    "a mapping": f"token: {{value: {CANARY}}}\n",
    "in braces": f"{{token: {CANARY}, other: {CANARY}}}\n",
    "twice": f"api_key: {CANARY}\napi_key: {CANARY}\n",
    "a tag": f"api_key: !!str {CANARY}\n",
    "a list": f"- {CANARY}\n",
    "a text": f"{CANARY}\n",
    "broken": f'api_key: "{CANARY}\n',
    "broken by a tab": f"cap:\n\t{CANARY}\n",
}


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_a_file_that_was_not_passed_shows_no_line(folder: Folder, argv: tuple[str, ...], text: str) -> None:
    folder.write("s/secrets.yaml", text)
    skipped = folder.run(*argv, environ=KEY)
    assert "VERYSECRET" not in skipped.out + skipped.err
    (folder.path / "s/ftops.yaml").rename(folder.path / "s/chat.yaml")  # now every file is read
    done = folder.run(*argv, environ=KEY)
    assert done.code == 1
    assert "s/secrets.yaml" in done.out + done.err
    assert "VERYSECRET" not in done.out + done.err


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_a_file_that_is_passed_shows_no_line_either(folder: Folder, text: str) -> None:
    folder.write("s/secrets.yaml", text)
    done = folder.run("plan", "s", "--var-file", "s/secrets.yaml")
    assert "VERYSECRET" not in done.out + done.err


def test_an_unknown_name_in_a_file_shows_no_line_without_sensitive_variables(folder: Folder) -> None:
    folder.edit(", sensitive: true", "", "s/ftops.yaml")
    folder.write("values.yaml", f"token: {CANARY}\napi_key: x\n")
    done = folder.run("plan", "s", "--var-file", "values.yaml")
    assert "there is no variable `token`" in done.err
    assert "VERYSECRET" not in done.out + done.err


def test_an_unknown_section_shows_no_value(folder: Folder) -> None:
    folder.write("s/ftops.yaml", f"{SPEC}token: {CANARY}\n")
    done = folder.run("validate", "s")
    assert "unknown section `token`" in done.err
    assert "VERYSECRET" not in done.out + done.err


def test_what_looks_like_a_file_of_variables_is_to_be_passed(folder: Folder) -> None:
    folder.write("s/dev.yaml", "cap: 5\n")
    (folder.path / "s/ftops.yaml").rename(folder.path / "s/chat.yaml")
    done = folder.run("plan", "s", environ=KEY)
    assert done.code == 1
    assert "s/dev.yaml looks like a variable file" in done.err
    assert "Pass it with `--var-file s/dev.yaml`" in done.err
    folder.write("s/prod.yaml", "cap: 9\n")
    for name, capacity in (("dev", 5), ("prod", 9)):
        plan = folder.run("plan", "s", "-o", "json", "--var-file", f"s/{name}.yaml", environ=KEY)
        assert plan.json["changes"][0]["after"]["sku"]["capacity"] == capacity


def test_the_record_can_be_looked_at_without_passing_it(folder: Folder) -> None:
    folder.write("s/dev.yaml", "cap: 5\n")
    assert folder.run("apply", "-y", "s", "--var-file", "s/dev.yaml", environ=KEY).code == 0
    assert folder.ok("state", "list", "s") == "deployment.chat\n"
    assert "deployment.chat" in folder.ok("show", "s")


def test_a_part_of_the_spec_is_no_file_of_variables(folder: Folder) -> None:
    """A section goes before a variable of the same name."""
    folder.write("s/ftops.yaml", SPEC.replace("cap: {", "jobs: {default: 1}, cap: {"))
    folder.write("s/more.yaml", "jobs: {}\n")
    assert folder.run("validate", "s", environ=KEY).code == 0
