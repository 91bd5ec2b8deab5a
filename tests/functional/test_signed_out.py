"""Nobody is signed in: one line says so, whatever the SDKs have to say about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftops.core.sign_in import no_connection, sign_in_hint
from tests.golden.cli import Done, Folder

RESOURCES = """
providers:
  azure:
    type: azure_openai
    endpoint: https://contoso.openai.azure.com/
    subscription_id: 00000000-0000-0000-0000-000000000000
    resource_group: rg
    account: contoso
datasets: {train: {path: data/train.jsonl}}
jobs: {copilot: {model: gpt-4o-mini-2024-07-18, training: train}}
deployments: {copilot: {model: "${job.copilot.fine_tuned_model}"}}
"""
BLOB = "https://acme.blob.core.windows.net"
STATES = {
    "azure_blob": f'{{backend: azure_blob, account_url: "{BLOB}", container: models}}',
    "s3": "{backend: s3, bucket: acme-models, region: eu-west-1}",
    "gcs": "{backend: gcs, bucket: acme-models}",
}
SIGNED_OUT = {
    "azure_blob": f"not signed in to Azure (state {BLOB}/models/state/team/default)",
    "s3": "no credentials for Amazon S3 (state in acme-models)",
    "gcs": "not signed in to Google Cloud (state gs://acme-models/state/team/default)",
}
HINTS = {
    "azure_blob": "`az login`, or",
    "s3": "Set AWS_ACCESS_KEY_ID",
    "gcs": "`gcloud auth application-default",
}
CLOSED = "http://127.0.0.1:9"
"""Nothing listens there: no service is asked, and no metadata service of this machine."""


def spec(state: str = "") -> str:
    return f"ftops: {{name: team{state and f', state: {state}'}}}\n{RESOURCES}"


def signed_out(folder: Folder, *argv: str, **more: str) -> Done:
    """Without credentials, and without the programs that could have some."""
    empty = folder.path / "home"
    empty.mkdir(exist_ok=True)
    nothing = {
        "HOME": str(empty),
        "PATH": str(empty),
        "AWS_EC2_METADATA_DISABLED": "true",
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), CLOSED),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
    }
    return folder.process(*argv, environ={**nothing, **more})


@pytest.mark.parametrize("command", [("plan",), ("apply", "-y")])
def test_a_provider(tmp_path: Path, command: tuple[str, ...]) -> None:
    folder = Folder.make(tmp_path, spec())
    done = signed_out(folder, *command)
    lines = done.err.strip().splitlines()
    assert lines[0] == "error: not signed in to Azure (provider azure)"
    said = "  hint: Install the Azure CLI and run `az login`, or set AZURE_CLIENT_ID"
    assert lines[1].startswith(said) and len(lines) == 3
    assert "api_key" not in done.err and "sign in" not in done.out and "+ deployment.copilot" in done.out
    shown = signed_out(folder, *command, "-o", "json", AZURE_OPENAI_API_KEY="k")
    assert "only used if the provider has `api_key: ${env.AZURE_OPENAI_API_KEY}`" in shown.out
    assert shown.err == "" and shown.code == done.code == 3
    assert '"summary": "not signed in to Azure (provider azure)"' in shown.out
    assert "authentication unavailable" not in shown.out


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        (["AZURE_CLIENT_ID"], "set AZURE_TENANT_ID and AZURE_CLIENT_SECRET too: AZURE_CLIENT_ID is not"),
        (
            ["AZURE_CLIENT_ID", "AZURE_TENANT_ID"],
            "set AZURE_CLIENT_SECRET too: AZURE_CLIENT_ID and AZURE_TENANT_ID are not",
        ),
    ],
    ids=["one", "two"],
)
def test_what_a_service_principal_lacks_is_named(given: list[str], lacking: str) -> None:
    hint = sign_in_hint(dict.fromkeys(given, "a"), has_cli=True)
    assert hint.startswith(lacking) and hint.endswith("or `az login`")


@pytest.mark.parametrize(
    ("said", "target", "reason"),
    [
        ("Connection(host='login', port=443): Failed to resolve (-2)", "login", "Failed to resolve (-2)"),
        ("ConnectionPool(host='login', port=443): Read timed out.", "login", "Read timed out."),
    ],
    ids=["no DNS", "no reply"],
)  # fmt: skip
def test_a_network_that_keeps_you_from_signing_in_is_not_a_rejection(
    said: str, target: str, reason: str
) -> None:
    text = f"Attempted credentials:\n\tEnvironmentCredential: Authentication failed: HTTPS{said}\nTo mitigate"
    assert no_connection(text) == (target, reason)
    assert no_connection(text.replace("Failed", "AADSTS7000215").replace("Read", "AADSTS1")) is None
    assert no_connection(text.replace("HTTPS", "HTTP")) is None  # the metadata service


@pytest.mark.parametrize("backend", STATES)
@pytest.mark.parametrize("command", [("plan",), ("apply", "-y"), ("state", "list")])
def test_a_state_in_a_bucket(tmp_path: Path, backend: str, command: tuple[str, ...]) -> None:
    folder = Folder.make(tmp_path, spec(STATES[backend]))
    done = signed_out(folder, *command)
    lines = done.err.strip().splitlines()
    assert lines[0] == f"error: {SIGNED_OUT[backend]}"
    assert lines[1].startswith(f"  hint: {HINTS[backend]}") and len(lines) <= 3
    assert (done.out, done.code) == ("", 1)
    shown = signed_out(folder, *command, "-o", "json")
    assert shown.out.count(f'"summary": "{SIGNED_OUT[backend]}"') == 1
    assert "authentication unavailable" not in shown.out and shown.err == ""


def test_the_chain_of_credentials_is_shown_to_developers(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, spec())
    assert "EnvironmentCredential" not in signed_out(folder, "plan").err
    assert "EnvironmentCredential" in signed_out(folder, "plan", FTOPS_DEBUG="1").err
