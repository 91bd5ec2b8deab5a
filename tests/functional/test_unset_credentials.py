"""Environment variables that are not set, in settings by which accounts and the state are reached: only
errors of commands that contact them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.cli import Folder, examples

SPEC = """\
ftops:
  name: unset
  state: {backend: s3, bucket: "${env.BUCKET}", encryption: {key: "${env.STATE_KEY}"}}
providers:
  here: {type: azure_openai, endpoint: "${env.ENDPOINT}", api_key: "${env.KEY}", default: true}
  unused: {type: azure_openai, endpoint: "https://acme.openai.azure.com", api_key: "${env.OTHER}"}
datasets: {train: {path: train.jsonl}}
jobs: {copilot: {model: gpt-4o-mini-2024-07-18, training: train}}
"""
NEEDED = ("BUCKET", "STATE_KEY", "ENDPOINT", "KEY")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("ftops.yaml", SPEC)
    folder.write("train.jsonl", examples(12))
    return folder


def test_what_contacts_no_service_needs_no_credentials(folder: Folder) -> None:
    found = folder.run("validate", "-o", "json").json
    assert found["valid"] is True
    said = [d["summary"] for d in found["diagnostics"] if d["severity"] == "warning"]
    assert said == [f"the environment variable {name} is not set" for name in NEEDED]
    folder.ok("graph")
    folder.ok("data", "check", ".")


def test_what_contacts_them_says_what_is_missing(folder: Folder) -> None:
    for command in (["plan"], ["plan", "--offline"], ["apply", "-y"]):
        done = folder.run(*command)
        assert done.code == 1
        assert all(f"the environment variable {name} is not set" in done.err for name in NEEDED)


def test_what_is_set_is_checked(folder: Folder) -> None:
    done = folder.run("validate", environ={"ENDPOINT": "http://example.com"})
    assert (done.code, "credentials would go to `${env.ENDPOINT}` unencrypted" in done.err) == (1, True)
    folder.edit('"${env.KEY}"', '"${env.KEY}", apikey: "${env.KEY}"')
    assert "unknown key `apikey`" in folder.run("validate").err


def test_values_of_resources_are_needed(folder: Folder) -> None:
    folder.edit("gpt-4o-mini-2024-07-18", '"${env.MODEL}"')
    done = folder.run("validate")
    assert (done.code, "MODEL is not set" in done.err, "KEY is not set" in done.err) == (1, True, False)


def test_an_untrusted_spec_needs_what_it_may_read(folder: Folder) -> None:
    assert folder.run("validate", "--untrusted").code == 0
    done = folder.run("validate", "--untrusted", environ={"FTOPS_ALLOW_ENV": "KEY"})
    assert (done.code, "KEY is not set" in done.err) == (1, True)
