"""HTTPS with a certificate authority of the folder's own, and URLs as the client of a proxy sees them."""

from __future__ import annotations

import http.client
import os
import pty
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
from cryptography import x509
from openai import AzureOpenAI

from ftops.emulator.server import certificate
from tests.emulator.conftest import Start
from tests.emulator.server import VERSION, Emulator, base_deployment, deployment
from tests.support.pages import at, blocks

FORWARDED = {"x-forwarded-proto": "https", "x-forwarded-host": "acme.example:8443, 127.0.0.1"}
ARM = "api-version=2025-09-01"


def context(ca: str) -> ssl.SSLContext:
    """Trusts only ``ca``, and is as strict as Python 3.13 is by default."""
    found = ssl.create_default_context(cafile=ca)
    found.verify_flags |= ssl.VERIFY_X509_STRICT
    return found


def status(url: str, ca: str) -> int:
    connection = http.client.HTTPSConnection(urlsplit(url).netloc, context=context(ca), timeout=60)
    try:
        connection.request("GET", "/_emulator/health")
        return connection.getresponse().status
    finally:
        connection.close()


def test_both_planes_by_the_sdks_with_a_client_secret(emulator: Emulator) -> None:
    who = emulator.admin("POST", "principals", {"roles": ["Cognitive Services OpenAI Contributor"]})
    trusting: dict[str, Any] = {"connection_verify": emulator.ca}
    with (
        ClientSecretCredential(
            "acme.example", who["client_id"], who["secret"],
            authority=emulator.tls_url, disable_instance_discovery=True,
            transport=RequestsTransport(**trusting),
        ) as credential,
        CognitiveServicesManagementClient(
            credential, str(emulator.place["subscription_id"]), base_url=emulator.tls_url,
            credential_scopes=["https://management.azure.com/.default"], **trusting,
        ) as control,
        AzureOpenAI(
            azure_endpoint=emulator.tls_url, api_version=VERSION,
            azure_ad_token=credential.get_token("https://cognitiveservices.azure.com/.default").token,
            http_client=httpx2.Client(verify=context(emulator.ca)),
        ) as data,
    ):  # fmt: skip
        untyped: Any = control
        poller = untyped.deployments.begin_create_or_update(
            "rg-emulator", "emulator", "base", base_deployment(), polling_interval=0.05
        )
        assert poller.result().properties.provisioning_state == "Succeeded"
        assert [file.id for file in data.files.list()] == []


def test_localhost_is_a_name_of_it(shared: Emulator) -> None:
    assert status(shared.tls_url, shared.ca) == 200
    assert status(shared.tls_url.replace("127.0.0.1", "localhost"), shared.ca) == 200


def test_nobody_else_trusts_it(shared: Emulator) -> None:
    connection = http.client.HTTPSConnection(urlsplit(shared.tls_url).netloc, timeout=60)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/_emulator/health")


def test_the_authority_can_vouch_for_this_machine_only(shared: Emulator) -> None:
    """Its key is nowhere, and it is limited to the names of the server."""
    private = [path for path in shared.folder.iterdir() if path.is_file() and b"PRIVATE" in path.read_bytes()]
    assert private == [shared.folder / "server.pem"]
    assert private[0].read_bytes().count(b"PRIVATE KEY-----\n") == 2  # the beginning and the end of one
    assert private[0].stat().st_mode & 0o777 == 0o600
    (authority,) = x509.load_pem_x509_certificates(Path(shared.ca).read_bytes())
    limits = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert {str(name.value) for name in limits.value.permitted_subtrees or ()} == {
        "localhost",
        "127.0.0.1/32",
    }


def test_it_stays_the_same_for_a_folder_and_is_another_for_its_copy(start: Start, tmp_path: Path) -> None:
    first = start("--tls")
    authority = Path(first.ca).read_bytes()
    first.stop()
    again = start("--tls")
    assert Path(again.ca).read_bytes() == authority
    again.stop()
    shutil.copytree(first.folder, tmp_path / "copy")
    copy = start("--tls", "--trust", folder=tmp_path / "copy")
    assert status(copy.tls_url, copy.ca) == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        status(copy.tls_url, first.ca)


def test_it_is_renewed_before_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(certificate, "_VALID", certificate._RENEWED_BEFORE)
        old = certificate.server_certificate(tmp_path, "a").read_bytes()
    new = certificate.server_certificate(tmp_path, "a").read_bytes()
    assert new != old
    assert certificate.server_certificate(tmp_path, "a").read_bytes() == new


def test_there_is_none_unless_asked_for(start: Start) -> None:
    emulator = start()
    assert not {"tls_url", "ca"} & emulator.place.keys()
    assert not (emulator.folder / "ca.pem").exists()


@pytest.mark.parametrize(("sent", "origin"), [
    (FORWARDED, "https://acme.example:8443"),
    ({"x-forwarded-proto": "https"}, "https://{host}"),
    ({"x-forwarded-host": "[::1]:9"}, "http://[::1]:9"),
    ({"x-forwarded-host": "evil.example/a?b", "x-forwarded-proto": "javascript"}, "http://{host}"),
    ({"x-forwarded-host": "user@evil.example"}, "http://{host}"),
])  # fmt: skip
def test_the_endpoint_is_where_the_client_sees_it(shared: Emulator, sent: Any, origin: str) -> None:
    _, _, account = shared.call("GET", f"{shared.arm}?{ARM}", **sent)
    expected = origin.format(host=urlsplit(shared.url).netloc)
    assert account["properties"]["endpoint"] == f"{expected}/"


def test_every_url_in_a_reply_is_where_the_client_sees_it(emulator: Emulator) -> None:
    emulator.settings(base_deployment_async=True, base_delete_async=True, deployment_seconds=60.0)
    origin = "https://acme.example:8443/"
    place = f"{emulator.arm}/deployments/aa?{ARM}"
    _, made, _ = emulator.call("PUT", place, deployment("gpt-4o-mini", "2024-07-18"), **FORWARDED)
    assert made["azure-asyncoperation"].startswith(f"{origin}subscriptions/")
    emulator.advance(61)
    _, gone, _ = emulator.call("DELETE", place, **FORWARDED)
    assert gone["location"].startswith(f"{origin}subscriptions/")
    _, pending, _ = emulator.call("GET", gone["location"].removeprefix(origin[:-1]), **FORWARDED)
    assert pending["location"].startswith(f"{origin}subscriptions/")
    upload = {"purpose": "fine-tune", "filename": "a.jsonl", "bytes": 9, "mime_type": "text/plain"}
    _, begun, _ = emulator.call("POST", f"/openai/uploads?api-version={VERSION}", upload, **FORWARDED)
    assert begun["location"].startswith(f"{origin}openai/")
    _, _, about = emulator.call("GET", "/acme/v2.0/.well-known/openid-configuration", **FORWARDED)
    assert about["token_endpoint"] == f"{origin}acme/oauth2/v2.0/token"


def test_the_command_of_the_manual_starts_it(tmp_path: Path) -> None:
    """docs/az.md: with any free ports. On a terminal, it says what to set."""
    command = blocks("az.md", "sh")[0].replace("8080", "0").replace("8443", "0").split()
    main, terminal = pty.openpty()
    program = [str(Path(sys.executable).with_name(command[0])), *command[1:]]
    with subprocess.Popen(program, cwd=tmp_path, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        said = ""
        while "NODE_EXTRA_CA_CERTS" not in said:
            said += os.read(main, 4096).decode()
        process.terminate()
    os.close(main)
    ca = tmp_path / "account" / "ca.pem"
    assert process.returncode == 0
    assert "Over HTTPS, for clients that trust its certificate: https://127.0.0.1:" in said
    assert f"export REQUESTS_CA_BUNDLE={ca}" in said and ca.exists()


def test_the_program_of_the_manual(emulator: Emulator) -> None:
    """docs/az.md: the Azure SDK for Python."""
    roles = ["Contributor", "Cognitive Services OpenAI User"]
    emulator.admin("POST", "principals", {"id": "deployer", "secret": "not-secret", "roles": roles})
    (program,) = blocks("az.md", "python", "Azure SDK for Python")
    command = [sys.executable, "-c", at(program, emulator)]
    environ = {**os.environ, "REQUESTS_CA_BUNDLE": emulator.ca}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "Succeeded\n"), done.stderr
