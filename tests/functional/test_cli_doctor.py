"""ftops doctor: a line for each thing that an apply needs, and 1 if something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.cli import AZURE, SPEC, Done, Folder
from tests.support.command import quickstart
from tests.support.http_server import Handler, Server, serving


def verdicts(done: Done) -> dict[str, list[str]]:
    """Of each name, what was found."""
    found: dict[str, list[str]] = {}
    for check in done.json["checks"]:
        found.setdefault(check["name"], []).append(f"{check['verdict']}: {check['found']}")
    return found


def test_all_is_well(tmp_path: Path) -> None:
    here = Folder(quickstart(tmp_path))
    done = here.run("doctor")
    assert done.code == 0, done
    assert "✓ spec            quickstart, environment default, 6 resources\n" in done.out
    assert "✓ provider local  your roles allow you to deploy\n" in done.out
    assert "✓ provider local  the clocks agree\n" in done.out
    assert not (here.path / "state").exists()


def test_a_state_is_read_and_locked(tmp_path: Path) -> None:
    here = Folder.make(tmp_path)
    here.ok("apply", "-y")
    found = verdicts(here.run("doctor", "-o", "json"))
    assert found["state"][0].startswith("ok: 5 objects, serial ")
    assert found["lock"] == ["ok: free"]
    assert found["provider m"] == ["ok: has nothing to check"]
    (tmp_path / "state" / "drone" / "default.json").write_text("{")
    done = here.run("doctor", "-o", "json")
    assert done.code == 1
    assert verdicts(done)["state"][0].startswith("error: ")
    assert verdicts(here.run("doctor", "--offline", "-o", "json")).keys() == {"python", "packages", "spec"}


def test_environments_that_are_not_checked_are_named(tmp_path: Path) -> None:
    here = Folder.make(tmp_path, SPEC + "environments: {prod: {provider: m}}\n")
    assert here.run("doctor").out.endswith("\nNot checked: prod (--env prod)\n")
    assert here.run("doctor", "-o", "json").json["not_checked"] == ["prod"]
    assert "Not checked" not in here.run("doctor", "--env", "prod").out
    here.edit("{prod: {provider: m}}", "{prod: {provider: m}, dev: {provider: m}}")
    assert here.run("doctor").out.endswith("\nNot checked: dev, prod (--env NAME)\n")


def test_the_account_of_a_template_is_not_asked(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.ok("init", "--template", "azure")
    environ = {"AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000"}
    left = "`endpoint: https://acme.openai.azure.com/`, `account: acme`, `resource_group: rg-ai`"
    for given in (environ, {}):
        done = here.run("doctor", "--env", "prod", "-o", "json", environ=given)
        assert verdicts(done)["provider azure"] == [
            f"error: placeholders of a template (ftops.yaml:41:3): {left}"
        ]
    for words in (("plan",), ("apply", "-y")):
        done = here.run(*words, "--env", "prod", environ=environ)
        assert done.code == 3 and left in done.words
        assert "error: provider azure: placeholders of a template" in done.words
        assert "sign in" not in done.words and "signed in" not in done.words
    here.edit("resource_group: rg-ai", "resource_group: rg-own")
    said = here.run("doctor", "--env", "prod", environ=environ).out
    assert "placeholders of a" not in said, "there may be an account of that name"


def test_the_sign_in_is_checked_though_a_variable_is_missing(tmp_path: Path) -> None:
    azure = AZURE.replace("    api_key: placeholder\n", "").replace(
        "00000000-0000-0000-0000-000000000000", "${env.AZURE_SUBSCRIPTION_ID}"
    )
    here = Folder.make(tmp_path, azure + "datasets: {train: {path: data/train.jsonl}}\n")
    done = here.run("doctor", "-o", "json")
    assert done.code == 1
    found = verdicts(done)
    assert found["spec"][0].startswith("error: the environment variable AZURE_SUBSCRIPTION_ID is not set")
    assert found["provider azure"] == ["error: not signed in to Azure (provider azure)"]
    assert verdicts(here.run("doctor", "--offline", "-o", "json")).keys() == {"python", "packages", "spec"}


def test_an_account_is_reached_though_a_variable_is_missing(tmp_path: Path) -> None:
    """With a key, the files of the account can be listed, whatever its control plane needs."""

    class NoFiles(Handler):
        def do_GET(self) -> None:
            self.answer_json(200 if self.path.startswith("/openai/v1/files") else 404, {"data": []})

    spec = (
        f"{AZURE}datasets: {{train: {{path: data/train.jsonl}}}}\ndeployments: {{base: {{model: gpt-4o}}}}\n"
    )
    spec = spec.replace("00000000-0000-0000-0000-000000000000", "${env.AZURE_SUBSCRIPTION_ID}")
    with serving(Server(NoFiles)) as server:
        spec = spec.replace("https://example.openai.azure.com", server.url)
        found = verdicts(Folder.make(tmp_path, spec).run("doctor", "-o", "json"))
    assert found["provider azure"] == ["ok: signed in, example"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            AZURE.replace("    api_key: placeholder\n", "") + "deployments: {a: {model: gpt-4o}}\n",
            "not signed in",
        ),
        (SPEC.replace("n_epochs", "n_epoch"), "✗ spec      unknown key `n_epoch`"),
        (SPEC + "x: [\n", "✗ spec      a value is missing here"),
    ],
)
def test_what_is_wrong_has_a_hint(tmp_path: Path, spec: str, said: str) -> None:
    done = Folder.make(tmp_path, spec).run("doctor")
    assert done.code == 1
    assert said in done.out
    assert "hint: " in done.out
