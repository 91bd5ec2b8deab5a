"""What there is no value for: optional variables, variables that a destroy doesn't use, and outputs of
attributes that an object doesn't have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.cli import Folder

MEMORY = "providers: {m: {type: memory}}\n"
OUTPUTS = """
deployments: {chat: {model: gpt-4o}}
outputs:
  expires: ${deployment.chat.expires}
  text: until ${deployment.chat.expires}
  several: {name: "${deployment.chat.name}", expires: "${deployment.chat.expires}"}
"""


def folder_with(path: Path, text: str) -> Folder:
    folder = Folder(path)
    folder.write("ftops.yaml", f"ftops: {{name: lacking}}\n{MEMORY}{text}")
    return folder


def test_an_output_of_what_an_object_lacks_is_null_and_no_change(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, OUTPUTS)
    assert "(known after apply: deployment.chat.expires)" in folder.ok("plan")
    applied = folder.ok("apply", "-y")
    assert "expires = null" in applied
    plan = folder.run("plan", "--detailed-exitcode")
    assert plan.code == 0
    assert "warning: output expires is null" in plan.out
    assert "deployment.chat exists, but the service reported no expires" in plan.out
    outputs = folder.run("output", "-o", "json").json["outputs"]
    assert {name: (output["value"], output["known"]) for name, output in outputs.items()} == {
        "expires": (None, True),
        "text": (None, True),
        "several": ({"name": "chat", "expires": None}, True),
    }
    raw = folder.run("output", "expires", "--raw")
    assert (raw.code, raw.out) == (1, "")
    assert "is null" in raw.err


def test_an_input_of_what_an_object_lacks_stays_an_error(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, OUTPUTS)
    folder.ok("apply", "-y")
    folder.edit("outputs:", '  two: {model: m, tags: {until: "${deployment.chat.expires}"}}\noutputs:')
    folder.edit("deployments: {chat: {model: gpt-4o}}", "deployments:\n  chat: {model: gpt-4o}")
    plan = folder.run("plan")
    assert plan.code == 1
    assert "${deployment.chat.expires} has no value" in plan.err


NEEDY = """
variables:
  base: {type: string}
  label: {type: string, sensitive: true}
  regions: {type: list}
datasets: {train: {path: "data/${var.base}.jsonl"}}
jobs:
  tuned: {model: "${var.base}", training: train, suffix: x}
deployments:
  one: {model: "${job.tuned.fine_tuned_model}", tags: {label: "${var.label}", who: "${env.WHO}"}}
  each: {for_each: "${var.regions}", model: gpt-4o, enabled: true}
outputs: {o: "${var.base}-${deployment.one.name}"}
"""
GIVEN = ("--var", "base=train", "--var", "label=secret", "--var", "regions=[eu, us]")
WHO = {"WHO": "me"}


@pytest.fixture
def needy(tmp_path: Path) -> Folder:
    folder = Folder.make(tmp_path, f"ftops: {{name: needy}}\n{MEMORY}{NEEDY}")
    assert folder.run("apply", "-y", *GIVEN, environ=WHO).code == 0
    return folder


def test_destroy_needs_no_variable_that_only_inputs_name(needy: Folder) -> None:
    refused = needy.run("plan")
    assert refused.code == 1
    assert "variable `base` has no value" in refused.err
    assert "5 to delete" in needy.ok("plan", "--destroy")
    assert "5 deleted" in needy.ok("destroy", "-y")
    assert needy.ok("state", "list") == ""


def test_a_saved_plan_to_destroy_needs_none_either(needy: Folder) -> None:
    needy.ok("plan", "--destroy", "--out", "plan.ft")
    assert "5 deleted" in needy.ok("apply", "plan.ft")


def test_destroy_of_a_target_needs_none_either(needy: Folder) -> None:
    assert "1 deleted" in needy.ok("destroy", "-y", "--target", "deployment.one")
    assert "deployment.one" not in needy.ok("state", "list")


def test_destroy_keeps_to_a_lifecycle_that_is_only_declared(needy: Folder) -> None:
    needy.edit("  one: {", "  one: {lifecycle: {prevent_destroy: true}, ")
    refused = needy.run("destroy", "-y")
    assert refused.code == 3
    assert "deployment.one is protected" in refused.err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  one: {", '  one: {lifecycle: {prevent_destroy: "${var.base}"}, ', "variable `base` has no value"),
        ("  one: {", '  one: {lifecycle: {prevent_destroy: "${env.WHO}"}, ', "WHO is not set"),
        ("m: {type: memory}", 'm: {type: emulator, account: "${var.base}"}', "variable `base` has no value"),
        ("suffix: x", "sufix: x", "unknown key `sufix` in a job"),
    ],
    ids=["lifecycle", "lifecycle of the environment", "provider", "a mistake"],
)
def test_destroy_needs_what_it_uses(needy: Folder, old: str, new: str, said: str) -> None:
    needy.edit(old, new)
    refused = needy.run("destroy", "-y")
    assert refused.code == 1
    assert said in refused.err


OPTIONAL = """
variables:
  filter: {type: string, default: null, pattern: "[a-z]+"}
  key: {type: string, sensitive: true, default: ~}
  capacity: {type: integer, default: , minimum: 1}
  size: {type: map, default: null}
environments: {prod: {variables: {filter: strict, capacity: 7}}}
deployments:
  chat:
    model: gpt-4o
    rai_policy: ${var.filter}
    sku: {capacity: "${var.capacity}"}
    tags: {team: ml, key: "${var.key}", owner: , filter: "${var.filter}"}
  other: {model: gpt-4o, sku: "${var.size}"}
outputs: {filter: "${var.filter}", long: {value: "${var.filter}"}}
"""


def test_an_optional_variable_is_absent_where_nothing_sets_it(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, OPTIONAL)
    plan = folder.run("plan", "-o", "json").json
    chat, other = (change["after"] for change in plan["changes"])
    assert "rai_policy" not in chat
    assert chat["tags"] == {"team": "ml"}
    assert chat["sku"] == other["sku"] == {"name": "Standard", "capacity": 1}
    folder.ok("apply", "-y")
    assert folder.run("plan", "--detailed-exitcode").code == 0
    assert "filter = null" in folder.ok("output")
    given = folder.run("plan", "-o", "json", "--var", "key=canary-secret", "--var", "filter=loose")
    chat = given.json["changes"][0]["after"]
    assert (chat["rai_policy"], chat["tags"]["key"]) == ("loose", "${var.key}")
    assert "canary" not in given.out


def test_an_environment_sets_what_another_leaves_out(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, OPTIONAL)
    plan = folder.run("plan", "-o", "json", "--env", "prod").json
    chat = plan["changes"][0]["after"]
    assert chat["rai_policy"] == chat["tags"]["filter"] == "strict"
    assert chat["sku"]["capacity"] == 7


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ('rai_policy: "${var.v}-x"', "null can't be part of a text"),
        ('model: "${var.v}"', "`model` is missing"),
        ('rai_policy: "${var.v.key}"', "`var.v.key` doesn't exist"),
    ],
)
def test_where_null_is_not_enough(tmp_path: Path, field: str, said: str) -> None:
    model = "" if field.startswith("model") else "model: gpt-4o, "
    folder = folder_with(
        tmp_path, f"variables: {{v: {{default: null}}}}\ndeployments: {{a: {{{model}{field}}}}}\n"
    )
    refused = folder.run("validate")
    assert refused.code == 1
    assert said in refused.err


@pytest.mark.parametrize("field", ["path: 'data/${var.v}'", "path: a.jsonl, url: '${var.v}'"])
def test_a_variable_without_value_is_the_only_finding(tmp_path: Path, field: str) -> None:
    folder = folder_with(tmp_path, f"variables: {{v: {{type: string}}}}\ndatasets: {{d: {{{field}}}}}\n")
    refused = folder.run("validate")
    assert (refused.code, refused.err.count("error:")) == (1, 1)
    assert "variable `v` has no value" in refused.err
