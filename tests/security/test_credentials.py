"""Credentials go to hosts that are known, or that the environment names: never where only a spec says so."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.sink import Sink, sinking
from tests.support.command import FTOPS
from tests.support.command import run as run_command
from tests.support.embedded import example

KEY = "canary-key-4be1d0"
TOKEN = "canary-token-91aa7c"
OTHER = "canary-other-c03f55"
CANARIES = (KEY, TOKEN, OTHER)

AZURE = """\
providers:
  it:
    {type: azure_openai, endpoint: "%s", api_key: "${env.KEY}",
     subscription_id: s, resource_group: g, account: a}
"""
WITHOUT_KEY = AZURE.replace(' api_key: "${env.KEY}",', "")
CONTROL = WITHOUT_KEY.replace(
    'endpoint: "%s"', 'endpoint: "https://a.openai.azure.com", control_plane: {endpoint: "%s"}'
)
OPENAI = """\
providers:
  it: {type: openai, api_key: "${env.KEY}", base_url: "%s"}
"""
EMULATOR = """\
providers:
  it: {type: emulator, api_key: "${env.KEY}", url: "%s"}
"""
BLOB = """\
ftops: {name: it, state: {backend: azure_blob, account_url: "%s", container: c}}
providers: {it: {type: memory}}
"""
S3 = """\
ftops: {name: it, state: {backend: s3, endpoint_url: "%s", bucket: b, region: us-east-1}}
providers: {it: {type: memory}}
"""
SPECS = {
    "azure": AZURE,
    "azure-token": WITHOUT_KEY,
    "control-plane": CONTROL,
    "openai": OPENAI,
    "emulator": EMULATOR,
    "blob": BLOB,
    "s3": S3,
}
REST = """\
datasets:
  train: {path: train.jsonl}
jobs:
  tuned: {model: gpt-4o-mini-2024-07-18, training: train}
"""
SERVED = (
    REST
    + """\
deployments:
  served: {model: "${job.tuned.fine_tuned_model}", tags: {owner: "${env.OTHER}"}}
"""
)


@pytest.fixture
def sink() -> Iterator[Sink]:
    with sinking() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project, and beside it a stand-in for Azure's command line, which has somebody logged in."""
    az = tmp_path / "bin" / "az"
    az.parent.mkdir()
    answer = f'{{"accessToken": "{TOKEN}", "expires_on": 4102444800, "tenant": "t", "tokenType": "Bearer"}}'
    az.write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="utf-8")
    az.chmod(0o755)
    project = tmp_path / "project"
    project.mkdir()
    (project / "train.jsonl").write_text("".join(map(example, range(12))), encoding="utf-8")
    return project


def run(folder: Path, spec: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    (folder / "ftops.yaml").write_text(spec, encoding="utf-8")
    return run_command(
        [*FTOPS, *(arguments or ("plan",))],
        folder,
        {
            "PATH": f"{folder.parent / 'bin'}:{os.environ['PATH']}",
            "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential",
            "AZURE_STORAGE_ACCOUNT_KEY": "Y2FuYXJ5",
            "AWS_ACCESS_KEY_ID": "canary",
            "AWS_SECRET_ACCESS_KEY": OTHER,
            "KEY": KEY,
            "OTHER": OTHER,
            **environ,
        },
    )


def refused(sink: Sink, done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Nothing was asked of anybody; the error is a finding with file and line, and says what to do."""
    said = done.stdout + done.stderr
    assert (done.returncode, sink.arrived) == (1, []), said
    assert "Traceback" not in said and "ftops.yaml:" in said
    assert not any(canary in said for canary in CANARIES), said
    for word in words:
        assert word in said, said


@pytest.mark.parametrize(
    ("name", "canary"),
    [("azure", KEY), ("azure-token", TOKEN), ("control-plane", TOKEN), ("openai", KEY), ("emulator", KEY)],
)
def test_credentials_go_to_this_machine(folder: Path, sink: Sink, name: str, canary: str) -> None:
    """The same sink sees them where they may go: it would see them elsewhere, too."""
    rest = SERVED if name == "control-plane" else REST
    run(folder, SPECS[name] % sink.url + rest)
    assert sink.got(canary)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("host", ["0.0.0.0", "127.1"])
def test_nothing_goes_over_http_beyond_this_machine(folder: Path, sink: Sink, host: str, name: str) -> None:
    done = run(folder, SPECS[name] % sink.at(host) + SERVED)
    refused(sink, done, "this machine" if name == "emulator" else "unencrypted")


@pytest.mark.parametrize("name", SPECS)
def test_nothing_goes_to_a_host_that_only_the_spec_names(folder: Path, sink: Sink, name: str) -> None:
    proxy = {"HTTPS_PROXY": sink.url, "https_proxy": sink.url}
    done = run(folder, SPECS[name] % "https://evil.example" + SERVED, **proxy)
    refused(sink, done, "evil.example")
    assert name == "emulator" or "FTOPS_ALLOW_HOSTS=evil.example" in done.stderr


def test_no_program_is_given_the_key_for_it(folder: Path, sink: Sink) -> None:
    spec = AZURE % "https://evil.example" + REST
    refused(sink, run(folder, spec, "exec", "--", "env"), "evil.example")


@pytest.mark.parametrize("name", ["azure", "azure-token", "openai", "s3"])
def test_the_environment_may_name_hosts(folder: Path, sink: Sink, name: str) -> None:
    proxy = {"HTTPS_PROXY": sink.url, "https_proxy": sink.url}
    spec = SPECS[name] % "https://gateway.example" + REST
    done = run(folder, spec, FTOPS_ALLOW_HOSTS="x.example, gateway.example", **proxy)
    assert sink.got("CONNECT gateway.example:443"), done.stderr
    sink.arrived.clear()
    refused(sink, run(folder, spec, **proxy), "gateway.example")


@pytest.mark.parametrize("name", ["azure", "azure-token", "control-plane", "openai"])
def test_nobody_follows_a_redirect(folder: Path, sink: Sink, name: str) -> None:
    with sinking() as other:
        sink.location = other.at("localhost")
        run(folder, SPECS[name] % sink.url + (SERVED if name == "control-plane" else REST))
        assert sink.arrived and not other.arrived


def test_a_next_page_elsewhere_is_not_asked_for(folder: Path, sink: Sink) -> None:
    with sinking() as other:
        sink.body = {"value": [], "nextLink": other.at("0.0.0.0") + "/next"}
        run(folder, CONTROL % sink.url + SERVED)
        assert sink.got(TOKEN) and not other.arrived


PARTS = {
    "endpoint": AZURE % "https://${env.OTHER}.openai.azure.com",
    "path": AZURE % "SINK/${env.OTHER}",
    "base_url": OPENAI % "SINK/${env.OTHER}",
    "base_url-sensitive": "variables: {v: {type: string, sensitive: true}}\n" + OPENAI % "SINK/${var.v}",
    "url": EMULATOR % "SINK/${env.OTHER}",
    "control-plane": CONTROL % "SINK/${env.OTHER}",
    "account_url": BLOB % "SINK/${env.OTHER}",
    "endpoint_url": S3 % "SINK/${env.OTHER}",
    "container": (BLOB % "SINK").replace("container: c", 'container: "${env.OTHER}"'),
    "state-path": (S3 % "SINK").replace("bucket: b", 'bucket: b, path: "a/${env.OTHER}"'),
    "account": (AZURE % "SINK").replace("account: a", 'account: "${env.OTHER}"'),
    "api_version": (AZURE % "SINK").replace("account: a", 'account: a, api_version: "${env.OTHER}"'),
    "dataset": AZURE % "SINK" + 'datasets: {d: {url: "https://data.example/?x=${env.OTHER}"}}\n',
    "resource_group": (AZURE % "SINK").replace("group: g", 'group: "${env.OTHER}"'),
    "subscription_id": (AZURE % "SINK").replace("_id: s", '_id: "${env.OTHER}"'),
    "location": (AZURE % "SINK").replace("account: a", 'account: a, location: "${env.OTHER}"'),
    "organization": (OPENAI % "SINK").replace("base_url", 'organization: "${env.OTHER}", base_url'),
    "bucket": (S3 % "SINK").replace("bucket: b", 'bucket: "${env.HEX}"'),
    "bucket-part": (S3 % "SINK").replace("bucket: b", 'bucket: "acme-${env.NICE}"'),
    "bucket-parts": (S3 % "SINK").replace("bucket: b", 'bucket: "${env.NICE}${env.NICE}"'),
    "bucket-gcs": 'ftops: {state: {backend: gcs, bucket: "acme-${env.NICE}"}}\n' + AZURE % "SINK",
    "region": (S3 % "SINK").replace("us-east-1", '"${env.HEX}"'),
    "region-part": (S3 % "SINK").replace("us-east-1", '"us-${env.NICE}-1"'),
    "name": AZURE % "SINK" + 'deployments: {d: {model: gpt-4o, name: "a-${env.OTHER}"}}\n',
    "suffix": AZURE % "SINK" + REST.replace("model:", 'suffix: "${env.OTHER}", model:'),
}


@pytest.mark.parametrize("name", PARTS)
def test_secrets_are_no_parts_of_addresses_and_names(folder: Path, sink: Sink, name: str) -> None:
    spec = PARTS[name].replace("SINK", sink.url)
    refused(sink, run(folder, spec, FTOPS_VAR_v=OTHER, HEX="0123456789abcdef" * 2, NICE="east"))


def test_the_names_of_a_bucket_and_its_region_may_come_from_one_variable_each(
    folder: Path, sink: Sink
) -> None:
    spec = S3 % "${env.ADDRESS}"
    spec = spec.replace("bucket: b", 'bucket: "${env.BUCKET}"').replace("us-east-1", '"${env.REGION}"')
    run(folder, spec, ADDRESS=sink.url, BUCKET="acme-ftops", REGION="us-gov-west-1")
    assert sink.got("acme-ftops")


def test_what_stands_in_place_of_a_part_of_a_bucket_is_said(folder: Path, sink: Sink) -> None:
    spec = (S3 % sink.url).replace("bucket: b", 'bucket: "acme-${env.STAGE}"')
    refused(sink, run(folder, spec, STAGE="dev"), "a secret can't be part of this name", "${env.STAGE}")
    tagged = (
        'deployments: {served: {model: gpt-4o, tags: {bucket: "a-${env.STAGE}", region: "b-${env.STAGE}"}}}\n'
    )
    assert run(folder, AZURE % sink.url + tagged, "validate", STAGE="dev").returncode == 0


def test_an_address_may_come_from_one_variable(folder: Path, sink: Sink) -> None:
    run(folder, AZURE % "${env.ADDRESS}" + REST, ADDRESS=sink.url)
    assert sink.got(KEY)
    sink.arrived.clear()
    done = run(folder, AZURE % "${env.ADDRESS}" + REST, ADDRESS="https://other.example")
    refused(sink, done, "`${env.ADDRESS}` isn't a known host", "FTOPS_ALLOW_HOSTS")
    assert "other.example" not in done.stdout + done.stderr


def test_a_region_is_no_host(folder: Path, sink: Sink) -> None:
    spec = (S3 % "SINK").replace('endpoint_url: "SINK", ', "").replace("us-east-1", "evil.example/")
    refused(sink, run(folder, spec, HTTPS_PROXY=sink.url), "region")


def test_a_plan_tells_the_service_no_secret_of_the_inputs(folder: Path, sink: Sink) -> None:
    """They go with what is made, after somebody has seen the plan."""
    spec = (AZURE + SERVED) % sink.url + '  more: {model: gpt-4o, tags: {k: "${env.OTHER}"}}\n'
    spec = spec.replace("datasets:\n", 'datasets:\n  fetched: {url: "${env.FETCHED}"}\n')
    run(folder, spec, FETCHED=f"https://data.example/?sig={OTHER}")
    assert sink.got(KEY) and not sink.got(OTHER)


def test_a_key_in_the_spec_is_a_warning(folder: Path) -> None:
    spec = (AZURE % "https://a.openai.azure.com").replace("${env.KEY}", KEY) + REST
    done = run(folder, spec, "validate")
    assert done.returncode == 0 and KEY not in done.stdout + done.stderr
    assert "warning" in done.stderr and 'api_key: "${env.AZURE_OPENAI_API_KEY}"' in done.stderr
    local = spec.replace("https://a.openai.azure.com", "http://127.0.0.1:1")
    assert "warning" not in run(folder, local, "validate").stderr


def test_settings_that_a_service_repeats_are_not_shown(folder: Path, sink: Sink) -> None:
    """Whatever the environment gave to a setting: in the message, the code and the request's id."""
    sink.status = 400
    sink.body = {"error": {"code": f"No-{OTHER}", "message": f"There is no {OTHER} for {KEY}."}}
    spec = (AZURE % sink.url + REST).replace(
        "account: a", 'account: a, credential: {client_id: "${env.OTHER}"}'
    )
    done = run(folder, spec, "apply", "-y")
    said = done.stdout + done.stderr
    assert done.returncode == 3 and "There is no *** for ***" in said
    assert not any(canary in said for canary in CANARIES), said


def test_a_spec_of_somebody_else_is_checked_without_the_environment(folder: Path, sink: Sink) -> None:
    """What is withheld is neither an address nor an id, and no mistake."""
    spec = (AZURE % "${env.ADDRESS}" + REST).replace("subscription_id: s", 'subscription_id: "${env.OTHER}"')
    done = run(folder, spec, "plan", "--untrusted", ADDRESS="https://gateway.example")
    assert done.returncode == 0, done.stderr
    elsewhere = AZURE % "https://gateway.example" + REST
    refused(sink, run(folder, elsewhere, "plan", "--untrusted"), "gateway.example")
    done = run(folder, elsewhere, "plan", "--untrusted", FTOPS_ALLOW_HOSTS="gateway.example")
    assert (done.returncode, sink.arrived) == (0, []), done.stderr
    assert "FTOPS_ALLOW_HOSTS" not in done.stdout + done.stderr
