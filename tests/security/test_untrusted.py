"""--untrusted and --offline: nobody is asked, nothing is started, and what was left out is said."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.golden.cli import SPEC, Done, Folder

CANARY = "canary-7f3a91"


@contextmanager
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A port of this machine, and whatever is said to it."""
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.settimeout(2)
                    said.append(client.recv(65536))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield server.getsockname()[1], said
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def spec(port: int) -> str:
    """Of a stranger: its accounts are a listener, and it asks for what is in the environment."""
    return f"""\
ftops: {{name: drone}}
providers:
  emu: {{type: emulator, url: "http://127.0.0.1:{port}", api_key: "${{env.SOME_SECRET}}", default: true}}
  azure:
    type: azure_openai
    endpoint: http://127.0.0.1:{port}
    api_key: ${{env.SOME_SECRET}}
datasets:
  train: {{path: data/train.jsonl, format: chat}}
  other: {{path: data/valid.jsonl, format: chat, provider: azure}}
deployments:
  base: {{model: gpt-4o-mini-2024-07-18, tags: {{who: "${{env.SOME_SECRET}}"}}}}
"""


COMMANDS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "plan": (("plan", "--untrusted"), {}),
    "plan-json": (("plan", "--untrusted", "-o", "json"), {}),
    "plan-by-environment": (("plan",), {"FTOPS_UNTRUSTED": "1"}),
    "destroy": (("plan", "--untrusted", "--destroy"), {}),
    "validate": (("validate", "--untrusted"), {}),
    "offline": (("plan", "--offline"), {}),
}


@pytest.mark.parametrize(("argv", "environ"), COMMANDS.values(), ids=COMMANDS.keys())
def test_nobody_is_asked(tmp_path: Path, argv: tuple[str, ...], environ: dict[str, str]) -> None:
    with listener() as (port, said):
        folder = Folder.make(tmp_path / "here", spec(port))
        done = folder.process(*argv, environ={"SOME_SECRET": CANARY, **environ})
        assert done.code == 0, done
    assert said == []
    assert CANARY not in done.out + done.err


def told(done: Done) -> str:
    assert done.code == 0, done
    return " ".join((done.out + done.err).split())


@pytest.mark.parametrize("command", ["plan", "validate"])
def test_what_is_left_out_is_said(tmp_path: Path, command: str) -> None:
    folder = Folder.make(tmp_path / "here", spec(9))
    said = told(folder.run(command, "--untrusted", environ={"SOME_SECRET": CANARY}))
    assert "--untrusted: no service was contacted" in said
    assert "withheld from the spec, and taken for unchanged: SOME_SECRET; FTOPS_ALLOW_ENV names" in said
    allowed = {"SOME_SECRET": "x", "FTOPS_ALLOW_ENV": "OTHER, SOME_SECRET"}
    assert "withheld" not in told(folder.run(command, "--untrusted", environ=allowed))
    assert "--untrusted" not in told(folder.run("validate", environ=allowed))


def test_scopes_that_the_environment_allows_are_known(tmp_path: Path) -> None:
    scoped = spec(9).replace("    api_key: ${env.SOME_SECRET}\n", "    scope: api://gateway/.default\n")
    folder = Folder.make(tmp_path / "here", scoped)
    assert folder.run("validate", "--untrusted", environ={"SOME_SECRET": CANARY}).code == 1
    allowed = {"SOME_SECRET": CANARY, "FTOPS_ALLOW_SCOPES": "api://gateway/.default"}
    assert "--untrusted: no service was contacted" in told(
        folder.run("validate", "--untrusted", environ=allowed)
    )


def test_no_emulator_is_started(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "here", SPEC.replace("{type: memory}", "{type: emulator}"))
    assert "Plan: 5 to create" in folder.process("plan", "--untrusted").out
    assert not (folder.path / ".ftops" / "emulator").exists()


def test_a_bucket_is_not_asked(tmp_path: Path) -> None:
    with listener() as (port, said):
        bucket = f'{{backend: s3, bucket: b, endpoint_url: "http://127.0.0.1:{port}"}}'
        folder = Folder.make(
            tmp_path / "here", SPEC.replace("{name: drone}", f"{{name: drone, state: {bucket}}}")
        )
        keys = {"AWS_ACCESS_KEY_ID": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY}
        refused = folder.process("plan", "--offline", environ=keys)
        assert refused.code == 1
        assert "`ftops state pull > state.json`" in " ".join(refused.err.split())
        done = folder.process("plan", "--untrusted", environ=keys)
        assert "the state wasn't read, because it is in a bucket: everything is shown" in told(done)
    assert said == []


def test_a_copy_of_the_state_is_planned_on(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "here")
    folder.ok("apply", "-y")
    folder.write("copy.json", folder.ok("state", "pull"))
    folder.edit("{name: drone}", "{name: drone, state: {backend: gcs, bucket: b}}")
    for option in ("--offline", "--untrusted"):
        assert "No changes." in told(folder.process("plan", option, "--state", "copy.json"))
    folder.write("copy.json", (folder.path / "copy.json").read_text().replace("job-", "jab-"))
    assert folder.process("plan", "--offline", "--state", "copy.json").code == 1


def test_git_is_not_started(tmp_path: Path) -> None:
    """A program that stands in for it would leave a file."""
    folder = Folder.make(tmp_path / "here")
    folder.ok("apply", "-y")
    subprocess.run(["git", "init", "-q", str(folder.path)], check=True)
    folder.write("data/train.jsonl", (folder.path / "data/valid.jsonl").read_text())
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (programs / "git").chmod(0o755)
    for argv in (("plan", "--untrusted"), ("validate", "--untrusted")):
        folder.process(*argv, environ={"PATH": f"{programs}:/usr/bin:/bin"})
        assert not (tmp_path / "started").exists()


def test_variables_are_still_given(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "here")
    said = told(folder.run("plan", "--untrusted", environ={"FTOPS_VAR_capacity": "7"}))
    assert "Input variables: capacity = 7" in said


def test_what_is_withheld_counts_as_unchanged(tmp_path: Path) -> None:
    """A secret of an object, and the address of its account."""
    text = """\
ftops: {name: drone}
providers: {emu: {type: emulator, data: "${env.PLACE}", default: true}}
deployments: {base: {model: gpt-4o-mini-2024-07-18, tags: {who: "${env.SOME_SECRET}"}}}
"""
    folder = Folder.make(tmp_path / "here", text)
    given = {"SOME_SECRET": CANARY, "PLACE": "cloud"}
    assert folder.process("apply", "-y", environ=given).code == 0
    said = told(folder.process("plan", "--untrusted", environ=given))
    assert "No changes." in said
    assert "taken for unchanged: PLACE, SOME_SECRET" in said
    assert CANARY not in said
    changed = folder.process("plan", environ={**given, "SOME_SECRET": "another"})
    assert "~ tags.who: (sensitive) → (sensitive) (another one)" in changed.out
    document = folder.process("plan", "-o", "json", environ={**given, "SOME_SECRET": "another"}).out
    assert "secret:" not in document


def test_an_untrusted_plan_is_no_approval(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "here")
    assert "Digest: none" in told(folder.run("plan", "--untrusted"))
    assert folder.run("plan", "--untrusted", "-o", "json").json["digest"] is None
    refused = folder.run("plan", "--untrusted", "--out", "plan.ft")
    assert refused.code == 1
    assert "an untrusted plan can't be saved" in refused.err
    assert not (folder.path / "plan.ft").exists()


OTHERS = (("apply", "-y"), ("destroy", "-y"), ("drift",), ("graph",), ("exec", "--", "env"), ("output",))


@pytest.mark.parametrize("argv", OTHERS, ids=lambda argv: argv[0])
def test_where_specs_are_untrusted_other_commands_refuse(tmp_path: Path, argv: tuple[str, ...]) -> None:
    folder = Folder.make(tmp_path / "here")
    done = folder.run(*argv, environ={"FTOPS_UNTRUSTED": "1", "SOME_SECRET": CANARY})
    assert done.code != 0
    assert "FTOPS_UNTRUSTED is set, but this command needs a trusted spec" in done.err
    assert CANARY not in done.out + done.err
    assert not (folder.path / "state").exists()


def test_the_key_of_the_state_is_not_asked_for(tmp_path: Path) -> None:
    """Nothing but the state is read with it, and that isn't read."""
    encrypted = SPEC.replace("{name: drone}", '{name: drone, state: {encryption: {key: "${env.STATE_KEY}"}}}')
    folder = Folder.make(tmp_path / "here", encrypted)
    environ = {"STATE_KEY": CANARY * 3}
    for command in ("plan", "validate"):
        said = told(folder.run(command, "--untrusted", environ=environ))
        assert "withheld" not in said
        assert "STATE_KEY" not in said
    folder.edit(
        "seed: 105", 'seed: 105\n    integrations: [{type: wandb, wandb: {project: "${env.STATE_KEY}"}}]'
    )
    assert "taken for unchanged: STATE_KEY" in told(folder.run("validate", "--untrusted", environ=environ))


@pytest.mark.parametrize("wrong", ["OWNER*", "SOME_SECRET;OTHER", "${SOME_SECRET}", "1ST"])
def test_what_is_allowed_is_named(tmp_path: Path, wrong: str) -> None:
    folder = Folder.make(tmp_path / "here", spec(9))
    for command in ("plan", "validate"):
        done = folder.run(command, "--untrusted", environ={"FTOPS_ALLOW_ENV": f"SOME_SECRET, {wrong}"})
        assert done.code == 1
        assert f"`{wrong}` in FTOPS_ALLOW_ENV isn't the name of an environment variable" in " ".join(
            done.err.split()
        )


def test_what_is_allowed_has_to_be_set(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "here", spec(9))
    for command in ("plan", "validate"):
        done = folder.run(command, "--untrusted", environ={"FTOPS_ALLOW_ENV": "SOME_SECRET"})
        assert done.code == 1
        assert "the environment variable SOME_SECRET is not set" in done.err
