"""Clouds and scopes: where tokens come from, what they are for, and where they go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from ftops.config.loader import load
from ftops.core.address import Json
from ftops.core.azure_clouds import CLOUDS, AzureCloud
from ftops.core.errors import Permanent, ProviderError, SpecError
from ftops.providers.azure.provider import AzureProvider
from ftops.providers.azure.settings import account_from
from tests.contract.azure_cloud import Cloud
from tests.contract.wire import Wire, tapped
from tests.security.sink import Sink, sinking

CHINA, GOVERNMENT = CLOUDS[2], CLOUDS[1]
TOKEN = '{"accessToken": "t", "expires_on": 4102444800, "tenant": "t", "tokenType": "Bearer"}'
NAMED: dict[str, Json] = {"subscription_id": "s", "resource_group": "g", "account": "acme"}


@pytest.mark.parametrize(
    ("endpoint", "control", "cloud"),
    [
        ("https://acme.openai.azure.us/", "", GOVERNMENT),
        ("HTTPS://ACME.cognitiveservices.Azure.US", "", GOVERNMENT),
        ("https://acme.services.ai.azure.us/api/projects/support", "", GOVERNMENT),
        ("https://acme.openai.azure.cn:443/openai/v1", "", CHINA),
        ("https://gateway.example/ai", "https://management.usgovcloudapi.net/", GOVERNMENT),
        ("https://gateway.example/ai", "https://eastus.management.chinacloudapi.cn", CHINA),
        ("https://acme.openai.azure.com", "https://management.usgovcloudapi.net", CLOUDS[0]),
        ("https://azure.us.example", "", CLOUDS[0]),
        ("https://[::1", "", CLOUDS[0]),
        ("", "", CLOUDS[0]),
    ],
)
def test_the_cloud_of_an_account(endpoint: str, control: str, cloud: AzureCloud) -> None:
    account = account_from({"endpoint": endpoint, "control_plane": {"endpoint": control}}, "azure")
    assert account.cloud == cloud
    assert account.control_endpoint == (control.rstrip("/") or cloud.control_endpoint)
    assert account.scope == (cloud.project_scope if account.project else cloud.resource_scope)


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """A proxy for everything over https, which lets nothing through."""
    with sinking() as server:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, server.url)
        yield server


def asked(provider: AzureProvider, kind: str) -> None:
    """Lists objects at a service that can't be reached."""
    with pytest.raises(ProviderError):
        provider.existing(kind)
    provider.close()


@pytest.mark.parametrize("cloud", CLOUDS[:2], ids=lambda cloud: cloud.suffix)
def test_tokens_of_each_cloud(
    sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: AzureCloud
) -> None:
    """With a stand-in for Azure's command line, which has somebody logged in."""
    az, log = tmp_path / "az", tmp_path / "log"
    az.write_text(f"#!/bin/sh\necho \"$@\" >> '{log}'\necho '{TOKEN}'\n", "utf-8")
    az.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    host = f"acme.openai.{cloud.suffix}"
    rows = {
        "job": (cloud.resource_scope, host),
        "deployment": (cloud.control_scope, cloud.control_endpoint.removeprefix("https://")),
    }
    for kind, (scope, server) in rows.items():
        sink.arrived.clear()
        asked(AzureProvider({**NAMED, "endpoint": f"https://{host}/"}, name="azure"), kind)
        assert scope.removesuffix("/.default") in log.read_text("utf-8").splitlines()[-1]
        assert sink.got(f"CONNECT {server}:443")


@pytest.mark.parametrize(("cloud", "own"), [(CLOUDS[0], ""), (GOVERNMENT, ""), (GOVERNMENT, CHINA.authority)])
def test_who_signs_in_at_each_cloud(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, cloud: AzureCloud, own: str
) -> None:
    """A secret goes to the cloud's own Microsoft Entra ID, or where the environment says."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.setenv(name, "00000000-0000-0000-0000-000000000001")
    monkeypatch.delenv("AZURE_AUTHORITY_HOST", raising=False)
    if own:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", own)
    asked(AzureProvider({**NAMED, "endpoint": f"https://acme.openai.{cloud.suffix}/"}, name="azure"), "job")
    places = {request.split(" HTTP/")[0] for request in sink.arrived}
    assert places == {f"CONNECT {own or cloud.authority}:443"}


GATEWAY = "api://gateway/.default"
SPEC = f"""
ftops: {{name: scopes}}
providers:
  azure:
    type: azure_openai
    endpoint: https://acme.openai.azure.com
    scope: {GATEWAY}
"""


def test_an_audience_of_ones_own(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{cloud.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", cloud.key)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    refused = cloud.provider(api_key="", scope=GATEWAY)
    with pytest.raises(Permanent, match="isn't a known scope") as error:
        refused.existing("job")
    assert error.value.hint.endswith(f"`export FTOPS_ALLOW_SCOPES={GATEWAY}`")
    monkeypatch.setenv("FTOPS_ALLOW_SCOPES", f"api://other/.default, {GATEWAY}")
    page = {"object": "list", "data": [], "has_more": False}
    replies = {"GET /openai/v1/fine_tuning/jobs": (200, page)}
    with tapped(Wire(cloud.url, replies=replies)) as wire:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{wire.url}/msi/token")
        allowed = cloud.provider(endpoint=wire.url, api_key="", scope=GATEWAY)
        assert allowed.existing("job") == []
        allowed.close()
        token, jobs = wire.exchanges
    assert parse_qs(token.query)["resource"] == ["api://gateway"]
    assert jobs.headers["authorization"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("scope", "environ", "is_allowed"),
    [
        (GATEWAY, {}, False),
        (GATEWAY, {"FTOPS_ALLOW_SCOPES": GATEWAY}, True),
        (GATEWAY, {"FTOPS_ALLOW_SCOPES": "api://other/.default,"}, False),
        (GATEWAY, {"FTOPS_ALLOW_SCOPES": "*"}, False),
        ("https://management.azure.com/.default", {"FTOPS_ALLOW_HOSTS": "management.azure.com"}, False),
        ("https://ai.azure.us/.default", {}, True),
    ],
)
def test_scopes_that_the_environment_allows(
    tmp_path: Path, scope: str, environ: dict[str, str], is_allowed: bool
) -> None:
    (tmp_path / "ftops.yaml").write_text(SPEC.replace(GATEWAY, scope), "utf-8")
    if is_allowed:
        assert load(tmp_path / "ftops.yaml", environ=environ).providers["azure"].settings["scope"] == scope
        return
    with pytest.raises(SpecError) as refused:
        load(tmp_path / "ftops.yaml", environ=environ)
    [found] = refused.value.diagnostics
    assert found.summary == f"{scope} isn't a known scope of Azure OpenAI"
    assert found.place is not None and found.place.line == 7


def test_a_scope_that_is_a_secret_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "ftops.yaml").write_text(SPEC.replace(GATEWAY, "${env.SCOPE}"), "utf-8")
    with pytest.raises(SpecError) as refused:
        load(tmp_path / "ftops.yaml", environ={"SCOPE": "canary"})
    [found] = refused.value.diagnostics
    assert "canary" not in str(found) and "`${env.SCOPE}`" in found.summary
