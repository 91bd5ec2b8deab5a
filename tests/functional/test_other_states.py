"""Outputs of other specs: what is read of their states, what of it counts, and when a plan is stale."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.functional.test_cli_costs import git
from tests.golden.cli import Done, Folder
from tests.support import forked
from tests.support.command import FTOPS, environment

MODEL, NEXT = "gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14"
SHARED = """\
ftops: {name: shared}
providers: {m: {type: memory}}
environments: {prod: {}, dev: {}}
variables: {model: {default: gpt-4o-mini-2024-07-18}, other: {default: 1}}
outputs:
  model: ${var.model}
  other: ${var.other}
  tags: {value: {team: red, list: [1, 2]}}
  token: {value: hidden-value, sensitive: true}
"""
APP = """\
ftops: {name: app}
providers: {m: {type: memory}}
environments: {prod: {}, dev: {}}
states: {shared: {spec: ../shared}}
deployments:
  base: {model: "${state.shared.outputs.model}", sku: {name: Standard, capacity: 20}}
outputs: {team: "team ${state.shared.outputs.tags.team}"}
"""


@pytest.fixture
def project(tmp_path: Path) -> Folder:
    """Two specs: `app` reads outputs of `shared`, which is applied."""
    folder = Folder(tmp_path / "project")
    folder.write("shared/ftops.yaml", SHARED)
    folder.write("app/ftops.yaml", APP)
    git(folder.path, "init", "-q", "-b", "main")
    folder.ok("apply", "shared", "-y")
    return folder


def plan(folder: Folder, *argv: str) -> dict[str, Any]:
    done = folder.run("plan", *(argv or ("app",)), "-o", "json")
    assert done.code == 0, done
    document: dict[str, Any] = done.json
    return document


def failed(done: Done, *words: str) -> None:
    assert done.code == 1, done
    for word in words:
        assert word in done.err
    assert "Traceback" not in done.err


def test_a_plan_has_the_values_and_says_where_they_come_from(project: Folder) -> None:
    document = plan(project)
    (change,) = document["changes"]
    assert change["after"]["model"] == MODEL
    assert document["outputs"][0]["after"] == "team red"
    (read,) = document["reads"]
    assert (read["name"], read["spec"], read["environment"], read["serial"]) == (
        "shared",
        "shared",
        "default",
        1,
    )
    assert read["values"] == {"model": MODEL, "tags": {"team": "red", "list": [1, 2]}}
    line = f"Outputs of shared (default) as of serial 1, lineage {read['lineage'][:8]}: model, tags"
    assert line in project.run("plan", "app").out
    assert line in project.run("plan", "app", "-o", "markdown").out
    project.write("plan.json", json.dumps(document))
    service = ("--service", "github", "--api", "http://127.0.0.1:1", "--repository", "contoso/models")
    shown = project.run("ci", "comment", "plan.json", "--dry-run", *service, "--pull", "1")
    assert line in shown.out


def test_only_states_where_the_environment_says_are_read(project: Folder) -> None:
    """A branch that names the state of somebody else in the same project."""
    project.write("app/ftops.yaml", APP.replace("{name: app}", "{name: app, state: {path: apps}}"))
    place = str(project.path / "apps")
    failed(project.run("plan", "app", environ={"FTOPS_STATE": place}), "isn't where FTOPS_STATE says")
    assert plan(project)["reads"]


def test_the_graph_lists_what_is_read(project: Folder) -> None:
    assert "state.shared  model, tags of shared (default)" in project.ok("graph", "app")
    (state,) = project.run("graph", "app", "-o", "json").json["states"]
    assert state == {
        "name": "shared",
        "spec": "shared",
        "environment": "default",
        "outputs": ["model", "tags"],
    }


def test_what_is_not_used_does_not_count(project: Folder) -> None:
    before = plan(project)
    project.ok("apply", "shared", "-y", "--var", "other=2")
    after = plan(project)
    assert after["reads"][0]["serial"] == before["reads"][0]["serial"] + 1
    assert after["digest"] == before["digest"]
    project.ok("apply", "shared", "-y", "--var", f"model={NEXT}")
    assert plan(project)["digest"] != before["digest"]


def test_a_plan_of_a_spec_without_states_has_the_digest_that_it_had(project: Folder) -> None:
    first = plan(project, "shared", "--var", "other=3")["digest"]
    project.edit("providers:", "states: {app: {spec: ../other}}\nproviders:", "shared/ftops.yaml")
    assert plan(project, "shared", "--var", "other=3")["digest"] == first


@pytest.mark.parametrize("form", ["file", "kept", "digest"])
def test_an_approved_plan_is_refused_if_an_output_changed(project: Folder, form: str) -> None:
    digest = plan(project, "app", "--out", "app.ft", "--save")["digest"]
    words = {
        "file": ("apply", "app.ft"),
        "kept": ("-C", "app", "apply", digest),
        "digest": ("apply", "app", "--expect-digest", digest),
    }[form]
    project.ok("apply", "shared", "-y", "--var", f"model={NEXT}")
    done = project.run(*words)
    assert done.code == 3, done
    if form != "digest":
        assert "changed outputs of other specs: shared.model" in " ".join(done.err.split())
    project.ok("apply", "shared", "-y", "--var", f"model={MODEL}", "--var", "other=5")
    done = project.run(*words)
    assert done.code == 0, done


def test_an_output_that_changes_before_the_plan_is_approved_stops_the_apply(project: Folder) -> None:
    """The other spec is applied while somebody reads the plan."""
    ours, theirs = pty.openpty()
    process = forked.Popen(
        [*FTOPS, "apply", "app"],
        cwd=project.path,
        env=environment(),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        shown = b""
        while not shown.endswith(b"accepted: "):
            read = process.stdout.read(1)
            assert read, shown
            shown += read
        project.ok("apply", "shared", "-y", "--var", f"model={NEXT}")
        os.write(ours, b"yes\n")
        errors = process.stderr.read().decode()
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 3, errors
    assert "outputs of shared (default) have changed since they were read: `model`" in errors
    assert project.ok("state", "list", "app") == ""


def test_the_environment_is_that_of_the_plan_or_the_declared_one(project: Folder) -> None:
    project.ok("apply", "shared", "-y", "--env", "prod", "--var", f"model={NEXT}")
    assert plan(project, "app", "--env", "prod")["reads"][0]["environment"] == "prod"
    failed(
        project.run("plan", "app", "--env", "dev"),
        "shared (dev) hasn't been applied yet",
        "`ftops apply shared --env dev`",
    )
    project.edit("{spec: ../shared}", "{spec: ../shared, env: prod}", "app/ftops.yaml")
    (change,) = plan(project, "app", "--env", "dev")["changes"]
    assert change["after"]["model"] == NEXT


IN_SETTING = '{type: azure_openai, endpoint: "${state.shared.outputs.model}"}'
REPLACED: dict[str, tuple[tuple[str, str], str]] = {
    "no such state": (
        ("state.shared.outputs.model", "state.sharde.outputs.model"),
        "there is no state `sharde`",
    ),
    "no such output": (("outputs.model}", "outputs.modle}"), "has no output `modle`"),
    "sensitive": (("outputs.model}", "outputs.token}"), "sensitive ones are never recorded"),
    "no such key": (("tags.team", "tags.taem"), "It has no key `taem`"),
    "a mapping in a text": (("tags.team", "tags"), "a list or mapping can't be part of a text"),
    "another form": (
        ("state.shared.outputs.model", "state.shared.model"),
        "isn't an output of another state",
    ),
    "itself": (("../shared", "."), "a spec can't read its own outputs"),
    "outside": (("../shared", "../../elsewhere"), "`spec` leads out of the project"),
    "absolute": (("../shared", "/etc"), "`spec` leads out of the project"),
    "nowhere": (("../shared", "../nowhere"), "there is no nowhere"),
    "no spec": (("../shared", "../empty"), "there is no spec in empty"),
    "invalid": (("../shared", "../invalid"), "the state `shared` can't be read"),
    "an unknown key": (("{spec: ../shared}", "{spec: ../shared, names: x}"), "unknown key `names`"),
    "without a spec": (("{spec: ../shared}", "{}"), "a state needs `spec`, or `name` and `state`"),
    "two places": (("{spec: ../shared}", "{spec: ../shared, name: x}"), "a state needs `spec`, or"),
    "a name alone": (("{spec: ../shared}", "{name: x}"), "a state needs `spec`, or `name` and `state`"),
    "files of another project": (("{spec: ../shared}", "{name: x, state: {path: x}}"), "isn't a bucket"),
    "no state": (("{spec: ../shared}", "{name: x, state: 3}"), "`state`"),
    "an unknown setting": (
        ("{spec: ../shared}", "{name: x, state: {backend: s3, bukket: x}}"),
        "unknown key `bukket`",
    ),
    "a bucket without a name": (
        ("{spec: ../shared}", "{name: x, state: {backend: s3}}"),
        "`bucket` is missing",
    ),
    "a host of its own": (
        (
            "{spec: ../shared}",
            "{name: x, state: {backend: s3, bucket: b, endpoint_url: 'https://evil.example'}}",
        ),
        "evil.example",
    ),
    "an invalid name": (("states: {shared:", "states: {Shared:"), "isn't a valid name for a state"),
    "in a setting": (("{type: memory}", IN_SETTING), "outputs of other specs aren't allowed here"),
    "no such environment": (("../shared}", "../shared, env: test}"), "there is no environment `test`"),
}


@pytest.mark.parametrize("name", REPLACED)
def test_a_state_that_cannot_be_read_is_an_error_with_its_place(project: Folder, name: str) -> None:
    (old, new), message = REPLACED[name]
    (project.path / "empty").mkdir()
    project.write("invalid/ftops.yaml", "ftops: [")
    (project.path.parent / "elsewhere").mkdir()
    project.edit(old, new, "app/ftops.yaml")
    done = project.run("plan", "app")
    failed(done, message, "app/ftops.yaml:")
    assert "hidden-value" not in done.out + done.err


def test_specs_that_read_each_other_are_refused(project: Folder) -> None:
    project.ok("apply", "app", "-y")
    project.edit("providers:", "states: {app: {spec: ../third}}\nproviders:", "shared/ftops.yaml")
    third = APP.replace("name: app", "name: third").replace("../shared", "../app").replace("shared", "app")
    project.write("third/ftops.yaml", third)
    failed(project.run("plan", "app"), "read each other's outputs: this one → shared → third → this one")
    assert project.run("plan", "--all").code == 1


def test_a_link_out_of_the_project_is_not_followed(project: Folder, tmp_path: Path) -> None:
    shutil.copytree(project.path / "shared", tmp_path / "copy")
    shutil.rmtree(project.path / "shared")
    (project.path / "shared").symlink_to(tmp_path / "copy")
    failed(project.run("plan", "app"), "`spec` leads out of the project")


BUCKET = """\
ftops:
  name: shared
  state: {backend: s3, bucket: contoso, region: eu-west-1ENDPOINT}
outputs: {model: x}
"""


def test_no_service_is_asked_offline_and_nothing_of_it_untrusted(project: Folder) -> None:
    project.write("shared/ftops.yaml", BUCKET.replace("ENDPOINT", ""))
    failed(project.run("plan", "app", "--offline"), "the state of shared (default) is in a bucket")
    failed(project.run("validate", "app"), "the state of shared (default) is in a bucket")
    failed(project.run("plan", "app", "--untrusted"), "an untrusted spec can't read the state")
    project.write("shared/ftops.yaml", SHARED)
    assert plan(project, "app", "--offline")["changes"]
    assert plan(project, "app", "--untrusted")["changes"]
    assert project.run("validate", "app").code == 0


def test_credentials_go_to_no_host_that_a_checkout_names(project: Folder) -> None:
    evil = ", endpoint_url: 'https://evil.example'"
    project.write("shared/ftops.yaml", BUCKET.replace("ENDPOINT", evil))
    keys = {"AWS_ACCESS_KEY_ID": "key-id", "AWS_SECRET_ACCESS_KEY": "key-secret"}
    done = project.run("plan", "app", environ=keys)
    failed(done, "the state `shared` can't be read", "evil.example")


def test_a_state_that_is_encrypted_needs_its_key(project: Folder) -> None:
    one, other = "1" * 64, "2" * 64
    encrypted = SHARED.replace("name: shared", 'name: sealed, state: {encryption: {key: "${env.K}"}}')
    project.write("shared/ftops.yaml", encrypted)
    done = project.run("apply", "shared", "-y", environ={"K": one})
    assert done.code == 0, done
    done = project.run("plan", "app", "-o", "json", environ={"K": one})
    assert done.json["reads"][0]["values"]["model"] == MODEL
    failed(project.run("plan", "app", environ={"K": other}), "the state `shared` can't be read")
    failed(project.run("plan", "app"), "the environment variable K is not set")
    failed(project.run("plan", "app", "--untrusted", environ={"K": one}), "an untrusted spec can't read")


def test_all_specs_are_in_the_order_in_which_they_are_applied(project: Folder) -> None:
    project.write("shared/ftops.yaml", SHARED.replace(MODEL, NEXT))
    document = plan(project, "--all")
    assert [one["path"] for one in document["specs"]] == ["shared", "app"]
    note = (
        "planned with the outputs of shared (default) as of serial 1; that spec has changes that may change"
    )
    assert any(note in text for text in document["specs"][1]["plan"]["warnings"])
    project.ok("apply", "shared", "-y")
    assert not any(note in text for text in plan(project, "--all")["specs"][1]["plan"]["warnings"])


def test_a_spec_is_touched_with_those_whose_outputs_it_reads(project: Folder) -> None:
    git(project.path, "add", "-A")
    git(project.path, "commit", "-qm", "all")
    git(project.path, "checkout", "-qb", "branch")
    project.edit("team: red", "team: blue", "shared/ftops.yaml")
    document = plan(project, "--all", "--changed-since", "main")
    assert sorted(one["path"] for one in document["specs"]) == ["app", "shared"]
    git(project.path, "checkout", "-q", ".")
    project.edit("capacity: 20", "capacity: 30", "app/ftops.yaml")
    document = plan(project, "--all", "--changed-since", "main")
    assert [one["path"] for one in document["specs"]] == ["app"]


def test_everything_can_be_destroyed_when_the_other_state_is_gone(project: Folder) -> None:
    project.ok("apply", "app", "-y")
    shutil.rmtree(project.path / "state" / "shared")
    failed(project.run("plan", "app"), "hasn't been applied yet")
    assert "deployment.base" in project.run("state", "list", "app").out
    done = project.run("destroy", "app", "-y")
    assert done.code == 0, done


def test_what_was_approved_goes_on_with_the_values_that_were_approved(project: Folder) -> None:
    """An approval continues from the recorded spec."""
    digest = plan(project, "app", "--save")["digest"]
    project.run("-C", "app", "apply", digest, "--no-wait")
    project.ok("apply", "shared", "-y", "--var", f"model={NEXT}")
    done = project.run("reconcile", "app")
    assert done.code == 0, done


def pushed(project: Folder, outputs: dict[str, Any]) -> None:
    """A state that somebody else wrote."""
    state = json.loads(project.ok("state", "pull", "shared"))
    project.write("forged.json", json.dumps({**state, "outputs": outputs}))
    done = project.run("state", "push", "forged.json", "shared", "--force")
    assert done.code == 0, done


@pytest.mark.parametrize(
    "value", ["${env.CANARY}", "a ${env.CANARY} b", "${job.x.id}", "${deployment.base.name}"]
)
def test_an_expression_in_a_recorded_output_is_never_evaluated(project: Folder, value: str) -> None:
    pushed(project, {"model": MODEL, "tags": {"team": value}})
    done = project.run("plan", "app", environ={"CANARY": "secret-of-ci"})
    failed(done, "the output `tags` of the state `shared` has no value yet")
    assert "secret-of-ci" not in done.out + done.err
    pushed(project, {"model": MODEL, "tags": {"team": value.replace("$", "$$")}})
    document = plan(project, "app")
    assert document["outputs"][0]["after"] == f"team {value.replace('$', '$$')}"


def test_a_damaged_state_is_named_with_the_spec_that_it_belongs_to(project: Folder) -> None:
    (file,) = (project.path / "state" / "shared").glob("default.json")
    file.write_text(file.read_text().replace("team", "maet"))
    done = project.run("plan", "app")
    failed(
        done, "the state `shared` can't be read: the state file was edited or damaged", "`ftops show shared`"
    )
    assert "restore" not in done.err
